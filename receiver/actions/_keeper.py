"""Runs one program and ends all of it: a process of its own, between the receiver and a script, with the standard library alone.

    python -I -S _keeper.py DESCRIPTOR

It writes `ready`, reads one line of JSON with `argv`, `environment` and `seconds`, runs the descriptor, and writes one line of
JSON of what came of it. It ends the script at its deadline, and as soon as the receiver is gone, which closes our standard
input. Whatever the script has started becomes our child when its parent ends, also what has made a session of its own, so that
all of it can be found and ended; nothing of it outlives the answer.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

LOOK = 0.02
"""Seconds between two looks whether it has ended."""

ENDING = 1.0
"""Seconds in which all that is killed must be gone."""

LIMITS: Mapping[int, int] = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: 256,
    resource.RLIMIT_NPROC: 1_024,
    resource.RLIMIT_FSIZE: 64 * 1024 * 1024,
    resource.RLIMIT_DATA: 1024 * 1024 * 1024,
}

_PDEATHSIG, _NO_NEW_PRIVS, _SUBREAPER = 1, 38, 36
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_READ = 65_536
_UNKNOWN = -1


def main() -> None:
    """Only the receiver ends us, by closing our standard input."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    _prctl(_SUBREAPER, 1)
    _say("ready")
    if line := sys.stdin.readline():
        order = json.loads(line)
        _say(json.dumps(_keep(int(sys.argv[1]), order["argv"], order["environment"], order["seconds"])))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _keep(descriptor: int, argv: Sequence[str], environment: Mapping[str, str], seconds: float) -> dict[str, object]:
    """`failed` is the errno where it could not be run; `exit` its status, negative a signal's; `ended` why it was killed."""
    until = time.monotonic() + seconds
    output, into = os.pipe()
    failed, telling = os.pipe()
    child = os.fork()
    if child == 0:
        _become(descriptor, argv, environment, into, telling)
    os.close(into)
    os.close(telling)
    if said := os.read(failed, _READ):  # empty once it runs: the descriptor is closed by that
        os.waitpid(child, 0)
        return {"failed": int(said)}
    ended, size = _watched(child, output, until)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = _end_all()
    return {"exit": status, "ended": ended, "bytes": size + _rest(output), "left": left}


# --- the child -------------------------------------------------------------------------------------------------------


def _become(descriptor: int, argv: Sequence[str], environment: Mapping[str, str], into: int, telling: int) -> NoReturn:
    """The script, in this process."""
    number = _UNKNOWN
    try:
        _bare(into)
        os.execve(descriptor, [*argv], environment)  # noqa: S606 - no shell is the point
    except OSError as error:
        number = error.errno or _UNKNOWN
    finally:
        os.write(telling, str(number).encode())
        os._exit(127)


def _bare(into: int) -> None:
    """Its own session, no input, limits, no way to more rights; what this process ignores is not ignored by it."""
    keeper = os.getppid()
    os.setsid()
    _prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(127)
    for number in (*_IGNORED, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(into, 1)
    os.dup2(into, 2)
    os.umask(0o077)
    os.chdir("/")
    for limit, most in LIMITS.items():
        hard = resource.getrlimit(limit)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (least, least))
    _prctl(_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


# --- watching and ending ---------------------------------------------------------------------------------------------


def _watched(child: int, output: int, until: float) -> tuple[str, int]:
    """Why it has to be ended, empty where it ended by itself, and how many bytes it wrote; what it wrote is not kept."""
    size, open_ones = 0, [sys.stdin.fileno(), output]
    while (
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    ):  # not reaped: its group keeps its number
        if (left := until - time.monotonic()) <= 0:
            return "deadline", size
        readable, _, _ = select.select(open_ones, (), (), min(LOOK, left))
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), _READ):
            return "receiver", size
        if output in readable:
            read = len(os.read(output, _READ))
            size += read
            if not read:
                open_ones.remove(output)
                time.sleep(min(LOOK, left))
    return "", size


def _rest(output: int) -> int:
    """Bytes that were written and not read."""
    os.set_blocking(output, False)
    size = 0
    with suppress(BlockingIOError):
        while read := len(os.read(output, _READ)):
            size += read
    return size


def _end_all() -> bool:
    """Kills whatever it has left running, and whether some of that would not end."""
    until = time.monotonic() + ENDING
    while time.monotonic() < until:
        for pid in _children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not ended:
            time.sleep(LOOK / 10)
    return True


def _children() -> Iterator[int]:
    """Every process whose parent we are, by /proc."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = path.read_text(errors="replace").rpartition(")")[2].split()
            if int(after_name[1]) == os.getpid():
                yield int(path.parent.name)


if __name__ == "__main__":
    main()
