"""Nothing is left: not after an end, a crash, a signal, nor when the supervisor itself is killed."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from demo import processes
from demo.processes import Part, PartFailed, State, Supervisor, free_ports, living
from demo.until import until

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
SERVE = (
    "import http.server, sys\n"
    "print('serving', flush=True)\n"
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
)

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from demo.processes import Part, Supervisor

async def main():
    folder, program, *ports = sys.argv[1:]
    async with Supervisor(Path(folder)) as supervisor:
        parts = [Part(f"p{port}", [sys.executable, "-c", program, port], f"http://127.0.0.1:{port}") for port in ports]
        await supervisor.start(*parts)
        print(*(child.pid for child in supervisor.children.values()), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def part(program: str, name: str = "web", within: float = 60) -> Part:
    (port,) = free_ports(1)
    return Part(name, [sys.executable, "-c", program, str(port)], f"http://127.0.0.1:{port}", within=within)


def groups_alive(groups: Iterable[int]) -> set[int]:
    return {each.group for each in living()} & set(groups)


async def gone(groups: Iterable[int]) -> bool:
    return not groups_alive(groups)


async def test_parts_start_are_told_and_end(tmp_path: Path) -> None:
    told: list[tuple[str, State]] = []
    async with Supervisor(tmp_path, lambda name, state: told.append((name, state))) as supervisor:
        await supervisor.start(part(SERVE, "one"), part(SERVE, "two"))
        pids = [child.pid for child in supervisor.children.values()]
        assert groups_alive(pids) == set(pids)
        assert supervisor.left() == ["one", "two"]
    assert supervisor.left() == []
    assert groups_alive(pids) == set()
    assert [state for name, state in told if name == "one"] == [State.STARTING, State.READY, State.ENDED]
    assert (tmp_path / "one.log").read_text().startswith("serving")


async def test_each_part_has_a_group_of_its_own_which_ends_with_it(tmp_path: Path) -> None:
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(part(PARENT + SERVE))
        (child,) = supervisor.children.values()
        assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
        assert sum(each.group == child.pid for each in living()) == 2
    assert await until(lambda: gone([child.pid]), within=30)


async def test_the_environment_of_a_part(tmp_path: Path) -> None:
    program = "import os; print(os.environ['COLOUR'], flush=True)\n" + SERVE
    coloured = part(program)
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(
            Part(coloured.name, coloured.command, coloured.ready_url, environment={"COLOUR": "teal"})
        )
        assert supervisor.children["web"].tail().startswith("teal\nserving")


async def test_one_that_does_not_listen_to_reason_is_killed(tmp_path: Path) -> None:
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(part(DEAF + SERVE))
        child = supervisor.children["web"]
        await child.end(grace=0.1)
        assert child.process.returncode == -signal.SIGKILL


async def test_one_that_is_stopped_ends_at_once(tmp_path: Path) -> None:
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(part(SERVE))
        child = supervisor.children["web"]
        child.signal(signal.SIGSTOP)
        await asyncio.wait_for(child.end(grace=120), timeout=60)
        assert child.process.returncode == -signal.SIGTERM


async def test_kill_has_no_patience(tmp_path: Path) -> None:
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(part(DEAF + SERVE))
        supervisor.kill()
        assert await supervisor.children["web"].process.wait() == -signal.SIGKILL


async def test_a_part_that_crashes_while_starting_is_told_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(
        PartFailed, match=r"(?s)^web ended with 3 while starting; the end of .*web\.log:.*no such venue$"
    ):
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start(part("import sys; print('no such venue'); sys.exit(3)"), part(SERVE, "other"))
    assert supervisor.left() == []


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PartFailed, match=r"(?s)ended with 1 while starting.*/nowhere: No such file or directory$"):
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start(Part("ghost", [Path("/nowhere")], "http://127.0.0.1:1"))


async def test_a_part_that_never_gets_ready(tmp_path: Path) -> None:
    with pytest.raises(PartFailed, match=r"^web was not ready after 0\.2 s"):
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start(part("import time; time.sleep(600)", within=0.2))
    assert supervisor.left() == []


async def test_a_part_that_crashes_later_ends_the_work(tmp_path: Path) -> None:
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(part(SERVE, "one"), part(SERVE, "two"))
        working = asyncio.ensure_future(supervisor.while_running(_for_ever()))
        supervisor.children["two"].signal(signal.SIGKILL)
        with pytest.raises(PartFailed, match=r"^two ended by itself with -9"):
            await working
        assert supervisor.left() == ["one"]
    assert supervisor.left() == []


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_work_gives_its_result_while_all_run(tmp_path: Path) -> None:
    async def work() -> str:
        return "done"

    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(part(SERVE))
        assert await supervisor.while_running(work()) == "done"


@contextlib.asynccontextmanager
async def supervising(folder: Path, program: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[int]]]:
    """A supervisor in a process of its own, with the pids of its two parts."""
    ports = map(str, free_ports(2))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISOR, str(folder), program, *ports, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        yield process, [int(pid) for pid in (await asyncio.wait_for(process.stdout.readline(), 60)).split()]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("program", [SERVE, DEAF + SERVE])
async def test_no_part_survives_a_killed_supervisor(tmp_path: Path, program: str) -> None:
    async with supervising(tmp_path, program) as (supervisor, pids):
        assert groups_alive(pids) == set(pids)
        supervisor.kill()
        await supervisor.wait()
        assert await until(lambda: gone(pids), within=30)


async def test_an_interrupted_supervisor_ends_its_parts(tmp_path: Path) -> None:
    async with supervising(tmp_path, SERVE) as (supervisor, pids):
        supervisor.send_signal(signal.SIGINT)
        await asyncio.wait_for(supervisor.wait(), 60)
        assert groups_alive(pids) == set()


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(10) + free_ports(10)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", port))


def test_two_processes_that_look_for_ports_at_once_find_different_ones() -> None:
    program = "from demo.processes import free_ports; print(*free_ports(20))"
    looking = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = [port for each in looking for port in each.communicate(timeout=60)[0].split()]
    assert len(set(found)) == 80


def test_a_port_that_another_process_was_given_is_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is free yet: what it is for has still to start."""
    program = "from demo.processes import free_ports; print(*free_ports(20), flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        given = [int(port) for port in other.stdout.readline().split()]
        monkeypatch.setattr(processes, "_turns", itertools.count(given[0] - processes._PORTS[0]))
        assert set(free_ports(20)).isdisjoint(given)
        other.communicate("\n", timeout=60)


async def test_until_gives_up_also_when_the_question_hangs() -> None:
    with pytest.raises(TimeoutError):
        await until(_for_ever, within=0.05)
