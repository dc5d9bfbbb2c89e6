"""The demo as a person starts it: the whole centre on real parts, in a process of its own."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import stat
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo import parts
from demo.centre import PARTS
from demo.parts import ROOT
from demo.processes import living
from demo.until import until

COUNT = len(PARTS) - (parts.grafana() is None)

STEPS = [
    "every part is scraped",
    "3 nodes are up",
    "3 venues are up",
    "pools, feeds and positions are up",
    "the engine has orders there",
    "binance was in sight for a minute",
    "Watchdog has reached the receiver",
    "fault: the books of venue binance stand still",
    "exchange_book_frozen is 1 on the exporter's page",
    "FeedFrozen fires",
    "Alertmanager has it",
    "the receiver has committed it",
    "the pager has called",
    "an incident is open",
    "olga opens the alert's page",
    "olga acknowledges the incident",
    "olga plans halt-and-cancel",
    "tom approves it",
    "rita approves it",
    "halt-and-cancel succeeded, verified",
    "the engine quotes nothing there",
    "no order of it is open but stops",
    "olga says that it is mitigated",
    "the fault is lifted",
    "FeedFrozen is inactive",
    "the receiver says resolved",
    "the incident is resolved",
    "olga plans resume",
    "tom approves it",
    "rita approves it",
    "resume succeeded, verified",
    "its orders are back",
    "olga closes the incident; its report",
    "no other alert has fired",
]


@dataclass
class Run:
    """A demo, what it has said so far, and the process groups of its parts once asked for."""

    process: Process
    said: str = ""
    groups: set[int] = field(default_factory=set)

    async def until_it_says(self, *texts: str, within: float = 100) -> None:
        assert self.process.stdout
        async with asyncio.timeout(within):
            while not all(text in self.said for text in texts):
                line = await self.process.stdout.readline()
                assert line, f"ended without {texts}:\n{self.said}"
                self.said += line.decode()
        self.groups = {each.group for each in living() if each.parent == self.process.pid}

    async def end(self, within: float = 60) -> int:
        rest, _ = await asyncio.wait_for(self.process.communicate(), within)
        self.said += rest.decode()
        return int(self.process.returncode or 0)

    def left(self) -> set[int]:
        return {each.pid for each in living() if each.group in self.groups}

    async def none_left(self) -> bool:
        return not self.left()

    async def none_pending(self) -> bool:
        """Every signal so far has been taken; of two that wait, any of its threads may take the later one first."""
        return all(int(pending, 16) == 0 for pending in re.findall(r"(?:Sig|Shd)Pnd:\s*(\w+)", self.status()))

    def status(self) -> str:
        return Path(f"/proc/{self.process.pid}/status").read_text()

    @property
    def folder(self) -> Path:
        """Its name ends with the pid."""
        (folder,) = (ROOT / ".demo").glob(f"*-{self.process.pid}")
        return folder

    def pid_of(self, module: str) -> int:
        wanted = f"-m\0{module}\0".encode()
        return next(pid for pid in self.groups if wanted in Path(f"/proc/{pid}/cmdline").read_bytes())


@contextlib.asynccontextmanager
async def demo(*arguments: str, **environment: str) -> AsyncIterator[Run]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demo", *arguments),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", **environment},
        stdout=PIPE,
        stderr=STDOUT,
    )
    run = Run(process)
    try:
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
        for folder in (ROOT / ".demo").glob(f"*-{process.pid}"):
            shutil.rmtree(folder)


async def test_once_drives_one_fault_to_its_verified_recovery() -> None:
    async with demo("--once") as run:
        await run.until_it_says("since fault")
        assert len(run.groups) == COUNT
        code = await run.end(within=150)
        assert code == 0, run.said
        rows = re.findall(r"^ +(before|[\d.]+)  (.+?)(?:  .*)?$", run.said, re.MULTILINE)
        assert [step.strip() for _, step in rows] == STEPS
        seconds = [float(when) for when, _ in rows if when != "before"]
        assert seconds == sorted(seconds)
        assert "PASS: FeedFrozen for binance opened an incident" in run.said
        assert f"all {COUNT} parts have ended" in run.said
        assert "\x1b" not in run.said
        assert run.left() == set()


async def test_ctrl_c_is_the_normal_end_and_leaves_nothing() -> None:
    async with demo("--time-scale", "5") as run:
        await run.until_it_says("Ctrl-C ends it.")
        assert "time scale    5:" in run.said
        assert len(run.groups) == COUNT
        folder = run.folder
        run.process.send_signal(signal.SIGINT)
        assert await run.end() == 0
        assert run.left() == set()
        assert not folder.exists()


DRILLS = ("lag", "egress-loss", "frozen-feed", "oracle-silent", "depeg")
"""One in which a value says it, one in which a single page stands for many, one of a venue, and those of the pools."""


@pytest.mark.timeout(600)  # more than its own deadlines together
async def test_drills_pass_on_the_running_demo() -> None:
    async with demo() as run:
        await run.until_it_says("Ctrl-C ends it.")
        command = [sys.executable, "-m", "demo.drilling", "--run", str(run.folder), *DRILLS]
        drilling = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=STDOUT)
        said = (await asyncio.wait_for(drilling.communicate(), 480))[0].decode()
        assert drilling.returncode == 0, said
        assert [name for name in DRILLS if re.search(rf"^│ {name} .* pass +│$", said, re.MULTILINE)] == list(DRILLS)
        assert re.search(r"^median fault to receiver [\d.]+ s, fault to pager [\d.]+ s$", said, re.MULTILINE)
        run.process.send_signal(signal.SIGINT)
        assert await run.end() == 0
        assert re.search(r"^fires +NodeLagging for local/beta$", run.said, re.MULTILINE)
        assert re.search(r"^no longer +NodeLagging for local/beta$", run.said, re.MULTILINE)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)])
async def test_no_part_outlives_the_supervisor(number: signal.Signals, code: int) -> None:
    async with demo() as run:
        await run.until_it_says("anvil         ready", "proxy         ready")
        assert len(run.groups) == COUNT
        run.process.send_signal(number)
        assert await run.end() == code
        assert await until(run.none_left, within=30)


async def test_two_signals_leave_nothing_either() -> None:
    async with demo() as run:
        await run.until_it_says("anvil         ready", "prometheus    ready")
        run.process.send_signal(signal.SIGTERM)
        assert await until(run.none_pending, within=30, every=0.001)
        run.process.send_signal(signal.SIGINT)
        assert await run.end() == 143
        assert run.left() == set()


async def test_it_ends_when_nobody_reads_what_it_says() -> None:
    command = f"{sys.executable} -m demo | head -n 2"
    shell = await asyncio.create_subprocess_shell(command, cwd=ROOT, stdout=PIPE, stderr=STDOUT)
    said, _ = await asyncio.wait_for(shell.communicate(), 60)
    assert len(said.splitlines()) == 2


async def test_a_part_that_crashes_ends_all_and_is_named() -> None:
    async with demo() as run:
        await run.until_it_says("receiver      ready", "nodes         ready", "prometheus    ready")
        token = run.folder / "secrets/am_token"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        os.kill(run.pid_of("receiver"), signal.SIGKILL)
        assert await run.end() == 1
        assert re.search(r"FAIL: receiver ended by itself with -9; the end of .*/logs/receiver\.log:", run.said)
        assert token.read_text() not in run.said
        assert f"kept: {run.folder}" in run.said
        assert run.left() == set()


async def test_a_missing_part_is_one_line_and_starts_nothing() -> None:
    async with demo(PROMETHEUS="/nowhere/prometheus") as run:
        assert await run.end() == 1
        assert not list((ROOT / ".demo").glob(f"*-{run.process.pid}"))
    assert run.said.startswith("demo: PROMETHEUS is set to /nowhere/prometheus, which is no program")
    assert len(run.said.splitlines()) == 1


@pytest.mark.parametrize("scale", ["0", "-1", "fast"])
async def test_a_wrong_time_scale_is_refused(scale: str) -> None:
    async with demo("--time-scale", scale) as run:
        assert await run.end() == 2
    assert "--time-scale" in run.said
