"""The executor `script` with real programs: which file may run, how it runs, and what is left of it when it must end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from demo.processes import living
from demo.until import until
from receiver.actions import Applied, Result, Step, Surroundings, TooLate, Unfit, script
from receiver.fill import Unfillable
from receiver.why import Why
from tests.receiver.actions.support import attempt, step

NOWHERE = Surroundings()
WITHIN = 60.0


class Folder:
    """Where a test keeps its programs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def program(self, text: str | bytes, name: str = "program", mode: int = 0o755) -> Path:
        path = self.path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    def sh(self, body: str, *arguments: str, **more: Any) -> Step:
        """A shell script, which finds the folder in $HERE."""
        path = self.program(f"#!/bin/sh\nHERE='{self.path}'\n{body}\n")
        return of(path, *arguments, **more)

    def read(self, name: str) -> str:
        path = self.path / name
        return path.read_text() if path.exists() else ""

    async def said(self, name: str, lines: int = 1) -> list[str]:
        """The lines of a file, once there are so many."""

        async def enough() -> list[str]:
            found = self.read(name).split()
            return found if len(found) >= lines else []

        return await until(enough, WITHIN)


def of(path: Path, *arguments: str, nothing_done: tuple[int, ...] = (), sha256: str = "", **values: str) -> Step:
    """The step as the file has it, for a program as it is now."""
    known = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    more = {"nothing_done": [*nothing_done]} if nothing_done else {}
    return step("script", {"path": str(path), "sha256": known, "arguments": [*arguments], **more}, **values)


async def run(made: Step, left: float = 20.0) -> Result:
    return await script.execute(made, attempt(left=left), NOWHERE)


async def gone(pids: list[str]) -> None:
    """Returns once none of these processes is there any more."""

    async def none_left() -> bool:
        return not any(map(alive, pids))

    await until(none_left, WITHIN)


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter when it goes between the opening and the reading
        return False


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# --- what may be written ---------------------------------------------------------------------------------------------

SHA = "0" * 64


@pytest.mark.parametrize(
    "written",
    [
        {"path": "relative.sh", "sha256": SHA},
        {"path": "/opt/../etc/passwd", "sha256": SHA},
        {"path": "//opt/a", "sha256": SHA},
        {"path": "/opt/a/", "sha256": SHA},
        {"path": "/opt/\0a", "sha256": SHA},
        {"path": f"/{'a' * 200}", "sha256": SHA},
        {"path": "/opt/a", "sha256": "0" * 63},
        {"path": "/opt/a", "sha256": "0" * 64 + "\n"},
        {"path": "/opt/a", "sha256": SHA.replace("0", "A")},
        {"path": "/opt/a"},
        {"path": "/opt/a", "sha256": SHA, "arguments": "one"},
        {"path": "/opt/a", "sha256": SHA, "arguments": ["\0"]},
        {"path": "/opt/a", "sha256": SHA, "arguments": [1]},
        {"path": "/opt/a", "sha256": SHA, "nothing_done": [0]},
        {"path": "/opt/a", "sha256": SHA, "nothing_done": [256]},
        {"path": "/opt/a", "sha256": SHA, "environment": {}},
    ],
)
def test_what_is_no_path_hash_or_argument_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        step("script", written)


@pytest.mark.parametrize(
    "written",
    [
        {"path": "/opt/$name", "sha256": SHA},
        {"path": "/opt/a", "sha256": "$name"},
        {"path": "/opt/a", "sha256": SHA, "arguments": ["--to=$name"]},
    ],
)
def test_a_parameter_is_a_whole_argument_and_nothing_else(written: dict[str, Any]) -> None:
    with pytest.raises(Unfillable):
        step("script", written, name="x")


# --- the plan --------------------------------------------------------------------------------------------------------


async def test_the_plan_shows_the_file_and_its_arguments_and_runs_nothing(here: Folder) -> None:
    made = here.sh('touch "$HERE/ran"', "$venue", "literal", venue="a b; rm -rf /", nothing_done=(3,))
    planned = await script.plan(made, NOWHERE)
    path = str(here.path / "program")
    assert planned.does == {
        "executor": "script",
        "path": path,
        "sha256": hashlib.sha256((here.path / "program").read_bytes()).hexdigest(),
        "argv": [path, "--", "a b; rm -rf /", "literal"],
        "nothing_done": ["3"],
    }
    assert planned.evidence == {"bytes": str((here.path / "program").stat().st_size)}
    assert not here.read("ran")


async def refused(made: Step, said: str) -> None:
    """By the plan and by the effect alike."""
    with pytest.raises(Unfit, match=said) as caught:
        await script.plan(made, NOWHERE)
    assert caught.value.why is Why.OUT_OF_BOUNDS
    result = await run(made)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.OUT_OF_BOUNDS)
    assert said in result.facts["said"]


# --- which file may run ----------------------------------------------------------------------------------------------


async def test_a_file_that_was_changed_does_not_run(here: Folder) -> None:
    made = here.sh('touch "$HERE/ran"')
    await script.plan(made, NOWHERE)
    here.sh('touch "$HERE/ran" # and more')
    await refused(made, "its sha256 is not the one that is allowed")
    assert not here.read("ran")


async def test_a_file_that_is_gone_or_that_a_link_leads_to_does_not_run(here: Folder) -> None:
    made = of(here.program("#!/bin/sh\n"))
    (here.path / "program").rename(here.path / "elsewhere")
    await refused(made, "it can not be opened: ENOENT")
    (here.path / "program").symlink_to(here.path / "elsewhere")
    await refused(made, "it can not be opened: ELOOP")


@pytest.mark.parametrize("mode", [0o757, 0o775, 0o777, 0o722])
async def test_what_others_may_write_to_does_not_run(here: Folder, mode: int) -> None:
    await refused(of(here.program("#!/bin/sh\n", mode=mode)), "others than its owner may write to it")


async def test_what_is_not_executable_does_not_run(here: Folder) -> None:
    await refused(of(here.program("#!/bin/sh\n", mode=0o644)), "it is not executable")


async def test_what_is_no_file_does_not_run(here: Folder) -> None:
    os.mkfifo(here.path / "program", 0o755)
    async with asyncio.timeout(WITHIN):
        await refused(of(here.path / "program", sha256=SHA), "it is no regular file")
    await refused(of(here.path, sha256=SHA), "it is no regular file")


def test_what_belongs_to_somebody_else_does_not_run() -> None:
    """Judged by what the system says of a file, since only root could give one away."""

    def owned(by: int) -> os.stat_result:
        return os.stat_result((0o100755, 0, 0, 1, by, 0, 10, 0, 0, 0))

    assert script._wrong(owned(os.geteuid() + 1)) == "it belongs neither to root nor to the receiver's user"
    assert script._wrong(owned(0)) is script._wrong(owned(os.geteuid())) is None


async def test_what_is_too_large_does_not_run(here: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "LARGEST", 100)
    await refused(of(here.program(b"#!/bin/sh\n" + b"#" * 100)), "it has more than 100 bytes")


async def test_the_bytes_that_were_compared_run_whatever_happens_to_the_file(here: Folder) -> None:
    """Between the comparison and the start its owner writes another program into the very file."""
    made = here.sh('echo allowed > "$HERE/ran"')

    async def another_is_written() -> None:
        with (here.path / "program").open("r+") as file:
            file.write(f"#!/bin/sh\necho another > '{here.path}/ran' #")

    result = await script.execute(made, replace(attempt(), clear=another_is_written), NOWHERE)
    assert result.applied is Applied.APPLIED
    assert here.read("ran") == "allowed\n"


# --- how it runs -----------------------------------------------------------------------------------------------------


async def test_it_says_by_its_exit_status_what_it_has_done(here: Folder) -> None:
    assert await run(here.sh("exit 0")) == Result(Applied.APPLIED, facts={"exit": "0", "output_bytes": "0"})
    refusal = await run(here.sh("exit 3", nothing_done=(3, 4)))
    assert refusal == Result(Applied.NOT_APPLIED, Why.REFUSED, {"exit": "3", "output_bytes": "0"})
    unknown = await run(here.sh("exit 5", nothing_done=(3, 4)))
    assert unknown == Result(Applied.UNCLEAR, Why.UNCLEAR, {"exit": "5", "output_bytes": "0"})
    killed = await run(here.sh("kill -TERM $$"))
    assert (killed.applied, killed.facts["exit"]) == (Applied.UNCLEAR, "-15")


async def test_of_what_it_writes_only_the_size_is_told(here: Folder) -> None:
    result = await run(here.sh("echo canary; echo canary >&2"))
    assert result.facts == {"exit": "0", "output_bytes": "14"}
    much = await run(here.sh("head -c 5000000 /dev/zero"))
    assert much == Result(Applied.APPLIED, facts={"exit": "0", "output_bytes": "5000000"})


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=5))
def test_every_argument_arrives_whole_after_two_dashes(
    tmp_path_factory: pytest.TempPathFactory, arguments: list[str]
) -> None:
    here = Folder(tmp_path_factory.mktemp("argv"))
    path = here.program(f"#!/bin/sh\nfor each; do printf '%s\\0' \"$each\"; done > '{here.path}/argv'\n")
    names = {f"p{number}": value for number, value in enumerate(arguments)}
    known = hashlib.sha256(path.read_bytes()).hexdigest()
    written = {"path": str(path), "sha256": known, "arguments": [f"${name}" for name in names]}
    result = asyncio.run(run(step("script", written, **names)))
    assert result.applied is Applied.APPLIED
    arrived = (here.path / "argv").read_bytes().split(b"\0")[:-1]
    assert arrived == [b"--", *(argument.encode() for argument in arguments)]


async def test_it_runs_apart_from_the_receiver(here: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "canary")
    body = """
env > "$HERE/env"
{
  pwd; umask; readlink /proc/self/fd/0
  sed -n 's/^NoNewPrivs:[^0-9]*//p' /proc/self/status
} > "$HERE/rest"
cat /proc/self/limits > "$HERE/limits"
ls /proc/self/fd | wc -l > "$HERE/descriptors"
read -r line && echo "$line" > "$HERE/read"
exit 0
"""
    assert (await run(here.sh(body))).applied is Applied.APPLIED
    environment = dict(line.split("=", 1) for line in here.read("env").splitlines())
    assert environment.keys() <= {"PATH", "LANG", "OCC_KEY", "OCC_FENCE", "PWD", "SHLVL", "_", "OLDPWD"}
    assert (environment["OCC_KEY"], environment["OCC_FENCE"]) == ("k" * 64, "1")
    assert here.read("rest").split() == ["/", "0077", "/dev/null", "1"]
    limits = re.findall(r"(?m)^Max (.*?)  +\S+ +(\d+) ", here.read("limits"))
    assert (
        dict(limits).items()
        >= {
            "open files": "256",
            "processes": "1024",
            "file size": str(64 * 1024 * 1024),
            "data size": str(1024 * 1024 * 1024),
            "core file size": "0",
        }.items()
    )
    assert int(here.read("descriptors")) <= 5, "input, output twice, the program, and the look itself"
    assert not here.read("read")


async def test_it_has_a_session_of_its_own(here: Folder) -> None:
    (told,) = await asyncio.gather(run(here.sh('sed "s/.*) //" /proc/$$/stat > "$HERE/stat"; echo $$ > "$HERE/pid"')))
    assert told.applied is Applied.APPLIED
    _, _, group, session, *_ = here.read("stat").split()
    assert {group, session} == set(here.read("pid").split())
    assert session != str(os.getsid(0))


TRUE, FALSE = (Path(f"/bin/{name}").read_bytes() for name in ("true", "false"))


async def test_binaries_and_any_interpreter_run_by_the_descriptor(here: Folder) -> None:
    python = here.program(f"#!{sys.executable}\nimport sys; open('{here.path}/argv', 'w').write(repr(sys.argv))\n")
    assert (await run(of(python, "$x", x="é"))).applied is Applied.APPLIED
    assert re.fullmatch(r"\['/dev/fd/\d+', '--', 'é'\]", here.read("argv"))
    assert (await run(of(here.program(TRUE, "binary")))).applied is Applied.APPLIED
    assert (await run(of(here.program(FALSE, "binary")))).facts["exit"] == "1"


@pytest.mark.parametrize(
    ("text", "said"), [("no program", "ENOEXEC"), ("#!/no/such/interpreter\n", "ENOENT"), ("", "ENOEXEC")]
)
async def test_what_can_not_be_run_has_done_nothing(here: Folder, text: str, said: str) -> None:
    result = await run(of(here.program(text)))
    assert result == Result(Applied.NOT_APPLIED, Why.REFUSED, {"said": f"it could not be run: {said}"})


async def test_what_must_not_go_any_more_does_not_go(here: Folder) -> None:
    made = here.sh('touch "$HERE/ran"')
    for why in (Why.DEADLINE, Why.FENCED):
        result = await script.execute(made, attempt(why=why), NOWHERE)
        assert result == Result(Applied.NOT_APPLIED, why)
    late = await run(made, left=0.0)
    assert late.applied is Applied.NOT_APPLIED
    assert not here.read("ran")


async def test_where_no_process_can_be_started_nothing_was_done(here: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    made = here.sh('touch "$HERE/ran"')
    monkeypatch.setattr(script, "_KEEPER", here.path / "no-such-file")
    result = await run(made)
    assert result == Result(Applied.NOT_APPLIED, Why.INTERNAL, {"said": "nothing could be started in time"})
    monkeypatch.setattr(sys, "executable", str(here.path / "no-such-file"))
    result = await run(made)
    assert result == Result(Applied.NOT_APPLIED, Why.INTERNAL, {"said": "nothing could be started: ENOENT"})
    assert not here.read("ran")


async def test_leave_is_asked_for_when_all_else_is_ready(here: Folder) -> None:
    """So that nothing but the start itself comes after it."""
    keepers: list[list[str]] = []

    async def clear() -> None:
        keepers.append(keepers_now())
        raise TooLate(Why.FENCED)

    await script.execute(here.sh("exit 0"), replace(attempt(), clear=clear), NOWHERE)
    assert len(keepers[0]) == 1
    await gone(keepers[0])


def keepers_now() -> list[str]:
    """The pids of our children that keep a program."""
    ours = (each for each in living() if each.parent == os.getpid())
    return [str(each.pid) for each in ours if b"_keeper.py" in Path(f"/proc/{each.pid}/cmdline").read_bytes()]


# --- what is left of it ----------------------------------------------------------------------------------------------

FAMILY = """
sleep 600 & echo $! >> "$HERE/pids"
setsid sh -c 'echo $$ >> "'"$HERE"'/pids"; sleep 600 & echo $! >> "'"$HERE"'/pids"; wait' &
(setsid sh -c 'echo $$ >> "'"$HERE"'/pids"; exec sleep 600' &)
echo $$ >> "$HERE/pids"
"""
"""A script that leaves five behind: a child, one with a session of its own and its child, one whose parent has ended, itself."""


async def test_at_its_deadline_all_of_it_is_killed_whatever_it_has_made_of_itself(here: Folder) -> None:
    task = asyncio.create_task(run(here.sh(f"{FAMILY} wait"), left=8.0))
    pids = await here.said("pids", 5)
    result = await task
    assert result == Result(
        Applied.UNCLEAR,
        Why.UNCLEAR,
        {"said": "it was killed at its deadline", "exit": "-9", "output_bytes": "0"},
    )
    await gone(pids)


async def test_what_it_leaves_running_ends_with_it(here: Folder) -> None:
    made = here.sh(f'{FAMILY} while [ "$(wc -l < "$HERE/pids")" -lt 5 ]; do sleep 0.02; done; exit 0')
    assert (await run(made)).applied is Applied.APPLIED
    await gone(await here.said("pids", 5))


async def test_one_that_takes_no_notice_of_signals_is_killed_too(here: Folder) -> None:
    made = here.sh('trap "" TERM INT HUP; echo $$ >> "$HERE/pids"; while :; do sleep 600; done')
    task = asyncio.create_task(run(made, left=8.0))
    pids = await here.said("pids")
    assert (await task).applied is Applied.UNCLEAR
    await gone(pids)


async def test_one_that_is_given_up_is_killed(here: Folder) -> None:
    """As when the receiver is told to stop and has waited for long enough."""
    task = asyncio.create_task(run(here.sh(f"{FAMILY} wait"), left=600.0))
    pids = await here.said("pids", 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pids)


ALONE = """
import asyncio, hashlib, sys
from pathlib import Path
from tests.receiver.actions.test_script import of, run
asyncio.run(run(of(Path(sys.argv[1])), left=600.0))
"""


async def test_when_the_receiver_is_killed_all_of_it_ends(here: Folder) -> None:
    here.sh(f"{FAMILY} wait")
    receiver = await asyncio.create_subprocess_exec(sys.executable, "-c", ALONE, str(here.path / "program"))
    pids = await here.said("pids", 5)
    receiver.send_signal(signal.SIGKILL)
    await receiver.wait()
    await gone(pids)


async def test_where_nobody_saw_it_end_it_is_unclear_and_it_has_ended(here: Folder) -> None:
    """The process between the two is killed by somebody."""
    task = asyncio.create_task(run(here.sh('echo $$ >> "$HERE/pids"; exec sleep 600'), left=600.0))
    pids = await here.said("pids")
    (keeper,) = keepers_now()
    os.kill(int(keeper), signal.SIGKILL)
    assert await task == Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": "nobody saw it end"})
    await gone(pids)


# --- afterwards ------------------------------------------------------------------------------------------------------


Question = Callable[[Step, Any, Surroundings], Awaitable[Result]]


async def test_afterwards_only_people_can_tell_what_it_has_done(here: Folder) -> None:
    made = here.sh('echo x >> "$HERE/ran"')
    assert (await script.reconcile(made, attempt(final=True), NOWHERE)).applied is Applied.UNCLEAR
    assert (await script.verify(made, attempt(), NOWHERE)).applied is Applied.APPLIED
    assert not here.read("ran")
