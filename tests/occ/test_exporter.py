"""An exporter's life from its flags to its end: in this process with an exporter of our own, and as a process of its own."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from occ import __version__
from occ.config import ExporterConfig
from occ.exporter import Exporter, Plan, main
from occ.page import Page
from tests.occ.far import DOWN, FAMILIES, PACE, Far, job
from tests.occ.samples import parsed, sample
from tests.occ.servers import refusing

CANARY = "c4n4ryc4n4ry"
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def build(_config: ExporterConfig, _page: Page) -> AsyncIterator[Plan]:
    yield Plan((job(Far({"a": 5, "b": DOWN}), replace(PACE, timeout=1.0)),))


DESK = Exporter("desk", "An exporter of tests.", 9799, ExporterConfig, FAMILIES, build)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the exporter with this configuration and these flags; its exit code, output and error output."""

    def running(
        *flags: str, text: str = "scrape_interval: 15s", made: Exporter[ExporterConfig] = DESK
    ) -> tuple[int, str, str]:
        (tmp_path / "desk.yml").write_text(text)
        code = main(made, ["--config", str(tmp_path / "desk.yml"), *flags])
        return code, *capsys.readouterr()

    return running


class TestCheckConfig:
    def test_a_valid_file_is_0_and_nothing_starts(self, run: Run, tmp_path: Path) -> None:
        assert run("--check-config") == (0, f"{tmp_path}/desk.yml: valid\n", "")

    def test_a_wrong_one_is_2_with_every_problem(self, run: Run, tmp_path: Path) -> None:
        path = tmp_path / "desk.yml"
        assert run("--check-config", text="scrape_interval: 15\ncolour: red") == (
            2,
            "",
            f"{path}:1: scrape_interval: expected a duration such as 500ms, 5s or 1h\n{path}:2: colour: unknown key\n",
        )

    def test_so_is_a_file_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(DESK, ["--config", "/no/such/file.yml"]) == 2
        assert capsys.readouterr() == ("", "/no/such/file.yml: can not be read: No such file or directory\n")

    @pytest.mark.parametrize("flags", [(), ("--once",)])
    def test_a_wrong_one_starts_nothing_in_any_other_way_either(self, run: Run, flags: tuple[str, ...]) -> None:
        code, out, err = run(*flags, text="colour: red")
        assert (code, out) == (2, "")
        assert "Traceback" not in err

    def test_wrong_flags_are_2(self) -> None:
        with pytest.raises(SystemExit) as ended:
            main(DESK, [])
        assert ended.value.code == 2


class TestOnce:
    def test_it_prints_the_page_on_standard_output_and_is_0_also_when_a_target_is_down(self, run: Run) -> None:
        code, out, err = run("--once")
        assert code == 0
        assert sample(out.encode(), "rpc_peers", node="a") == 5.0
        assert [sample(out.encode(), "occ_target_up", node=name) for name in "ab"] == [1.0, 0.0]
        assert "eth/b (evm): down: connect: can not connect" in err

    def test_the_page_says_what_runs_and_with_which_configuration(self, run: Run) -> None:
        page = run("--once")[1].encode()
        assert sample(page, "occ_build_info", exporter="desk", version=__version__) == 1.0
        (used,) = [dict(labels) for name, labels in parsed(page) if name == "occ_config_info"]
        assert re.fullmatch("[0-9a-f]{12}", used["hash"])

    def test_the_limit_of_the_configuration_is_in_force(self, run: Run) -> None:
        @asynccontextmanager
        async def many(_config: ExporterConfig, _page: Page) -> AsyncIterator[Plan]:
            yield Plan((job(Far({str(n): 1 for n in range(101)})),))

        made = replace(DESK, build=many)
        assert "rpc_peers" not in run("--once", text="limits: {series: 100}", made=made)[1]
        assert "rpc_peers" in run("--once", text="limits: {series: 101}", made=made)[1]

    def test_logs_are_json_when_asked(self, run: Run) -> None:
        (line,) = run("--once", "--log.format", "json")[2].splitlines()
        assert json.loads(line)["message"] == "eth/b (evm): down: connect: can not connect"

    def test_logs_are_as_loud_as_asked(self, run: Run) -> None:
        assert run("--once", "--log.level", "error")[2] == ""


def test_a_port_that_is_taken_gives_one_clear_line_and_1(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("--web.listen-address", f"127.0.0.1:{port}")
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert f"ERROR   occ.start: can not serve on 127.0.0.1:{port}: " in line
    assert "address already in use" in line


def test_an_address_that_is_not_ours_gives_one_clear_line_and_1(run: Run) -> None:
    code, out, err = run("--web.listen-address", "203.0.113.1:9799")
    assert (code, out, len(err.splitlines())) == (1, "", 1)


def test_a_poller_that_ends_by_itself_ends_the_process_with_1(run: Run) -> None:
    @asynccontextmanager
    async def nothing(_config: ExporterConfig, _page: Page) -> AsyncIterator[Plan]:
        yield Plan(())

    code, _, err = run("--web.listen-address", "127.0.0.1:0", made=replace(DESK, build=nothing))
    assert code == 1
    assert "CRITICAL occ.runtime: the poller ended" in err


def test_what_was_opened_is_closed_at_the_end(run: Run) -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def opened(_config: ExporterConfig, _page: Page) -> AsyncIterator[Plan]:
        steps.append("opened")
        yield Plan((job(Far({"a": 1})),))
        steps.append("closed")

    run("--once", made=replace(DESK, build=opened))
    assert steps == ["opened", "closed"]


# --- as a process of its own -----------------------------------------------------------------------------------------


@contextmanager
def silent() -> Iterator[tuple[int, Callable[[], None]]]:
    """The port of a server that takes connections and never says a word; and what returns once it was asked."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as connections:
        server.settimeout(30)

        def asked() -> None:
            connections.enter_context(server.accept()[0]).recv(1)

        yield server.getsockname()[1], asked


NODES = """
defaults: {{interval: 60s, timeout: 50s}}
chains:
  - name: ethereum
    family: evm
    chain_id: 1
    block_time: 12s
    nodes: [{{name: silent, url: "http://127.0.0.1:{port}/v2/{canary}"}}]
"""


@contextmanager
def process(folder: Path, port: int, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """The nodes exporter as a process that reads one node; killed at the end if it still lives."""
    (folder / "nodes.yml").write_text(NODES.format(port=port, canary=CANARY))
    command = [sys.executable, "-m", "exporters.nodes", "--config", str(folder / "nodes.yml"), *flags]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def address(started: subprocess.Popen[str]) -> str:
    """Where the process says that it serves."""
    assert started.stderr is not None
    for line in started.stderr:
        if found := re.search(r"serving on (http://\S+)", line):
            return found[1]
    raise AssertionError("it never served")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        text: str = response.read().decode()
        return text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_also_while_upstream_hangs(tmp_path: Path, number: signal.Signals) -> None:
    with silent() as (port, asked), process(tmp_path, port, "--web.listen-address", "127.0.0.1:0") as started:
        url = address(started)
        asked()
        body = get(f"{url}/metrics")
        started.send_signal(number)
        _, err = started.communicate(timeout=30)
    assert started.returncode == 0
    assert sample(body.encode(), "occ_target_up", node="silent", check="evm") == 0.0
    assert [line.partition(": ")[2] for line in err.splitlines()] == ["ending"]


def test_the_page_of_a_process_is_there_while_its_upstream_hangs_and_it_is_not_ready(tmp_path: Path) -> None:
    with silent() as (port, asked), process(tmp_path, port, "--web.listen-address", "127.0.0.1:0") as started:
        url = address(started)
        asked()
        assert get(f"{url}/-/healthy") == "healthy\n"
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get(f"{url}/-/ready")
        assert "occ nodes" in get(url)
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(urllib.request.Request(f"{url}/metrics", method="POST"), timeout=30)


def test_no_key_is_in_its_output_its_page_or_the_list_of_processes(tmp_path: Path) -> None:
    flags = ("--web.listen-address", "127.0.0.1:0", "--log.level", "debug")
    with refusing() as port, process(tmp_path, port, *flags) as started:
        url = address(started)
        page = get(f"{url}/metrics") + get(url)
        seen = Path(f"/proc/{started.pid}/cmdline").read_text()
        started.terminate()
        out, err = started.communicate(timeout=30)
    assert CANARY not in page + seen + out + err


def test_once_as_a_process_prints_the_page_alone_and_is_0_when_its_node_is_down(tmp_path: Path) -> None:
    with refusing() as port, process(tmp_path, port, "--once") as started:
        out, err = started.communicate(timeout=60)
    assert started.returncode == 0
    assert sample(out.encode(), "occ_target_errors_total", node="silent", check="evm", reason="connect") == 1.0
    assert CANARY not in out + err


def test_help_as_a_process_names_every_flag(tmp_path: Path) -> None:
    with process(tmp_path, 1, "--help") as started:
        out, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (0, "")
    for flag in ("--config", "--check-config", "--once", "--web.listen-address", "--log.level", "--log.format"):
        assert flag in out
    assert "127.0.0.1:9721" in out
