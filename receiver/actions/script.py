"""`script`: runs a program that the file names, by its path and what is in it.

    {executor: script, path: /opt/occ/failover.sh, sha256: 5f1d…, arguments: [$venue]}

What runs is the very bytes whose sha256 was compared: a sealed copy, by its descriptor, whatever happens to the file. It gets its
arguments after `--`, a clean environment and limits; at the deadline all of it is killed. Only it knows what it has done: by its
exit status it says so, and where it was killed nobody knows.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import re
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, cast

import orjson
from pydantic import AfterValidator, Field

from occ.config import Model, refuse
from receiver import fill
from receiver.actions import Applied, Attempt, Result, Step, StepPlan, Surroundings, TooLate, Unfit
from receiver.why import Why

LARGEST = 32 * 1024 * 1024
"""Bytes that a program has at most."""

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""What it finds in its environment, beside OCC_KEY and OCC_FENCE of the effect."""

_KEEPER = Path(__file__).with_name("_keeper.py")
_ENDING = 2.0
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ANY_MAY_RUN = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def _absolute(path: str) -> str:
    if not path.startswith("/") or os.path.normpath(path) != path or path.startswith("//") or "\0" in path:
        raise refuse("expected an absolute path without `.`, `..` or `//`")
    return path


def _hash(sha256: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise refuse("expected 64 hexadecimal digits, as sha256sum prints them")
    return sha256


def _whole(arguments: tuple[str, ...]) -> tuple[str, ...]:
    if any("\0" in argument for argument in arguments):
        raise refuse("an argument holds no NUL")
    return arguments


class Options(Model):
    """The keys of a step. `nothing_done` are exit statuses by which it says that it has done nothing."""

    path: Annotated[str, Field(max_length=200), AfterValidator(_absolute)]
    sha256: Annotated[str, AfterValidator(_hash)]
    arguments: Annotated[tuple[str, ...], AfterValidator(_whole), fill.ARGV] = ()
    nothing_done: tuple[Annotated[int, Field(ge=1, le=255)], ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        return (self.path, "--", *self.arguments)


class _NotAllowed(Exception):  # noqa: N818 - it names what is the matter
    """The file is not the one that may run, or not such a one."""


def keys(step: Step) -> tuple[str, ...]:
    """The program: it runs once at a time."""
    return (f"script/{cast('Options', step.options).path}",)


async def plan(step: Step, _: Surroundings) -> StepPlan:
    """The arguments as they would be, and the file as it must be. Raises Unfit where it is not."""
    options = cast("Options", step.options)
    try:
        program = await asyncio.to_thread(_program, options)
    except _NotAllowed as error:
        raise Unfit(Why.OUT_OF_BOUNDS, f"{options.path}: {error}") from None
    with os.fdopen(program, "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
    does = {"executor": step.executor, "path": options.path, "sha256": options.sha256, "argv": list(options.argv)}
    quiet = {"nothing_done": [str(status) for status in options.nothing_done]} if options.nothing_done else {}
    return StepPlan({**does, **quiet}, {"bytes": str(size)})


async def execute(step: Step, attempt: Attempt, _: Surroundings) -> Result:
    """Runs it, once."""
    options = cast("Options", step.options)
    try:
        program = await asyncio.to_thread(_program, options)
    except _NotAllowed as error:
        return Result(Applied.NOT_APPLIED, Why.OUT_OF_BOUNDS, {"said": str(error)})
    try:
        keeper = await _keeper(program)
    except OSError as error:
        return Result(Applied.NOT_APPLIED, Why.INTERNAL, {"said": f"nothing could be started: {_named(error.errno)}"})
    finally:
        os.close(program)  # the keeper has it
    async with _ending(keeper):
        return await _run(keeper, options, attempt)


def complaint(options: Options) -> str | None:
    """Why it could not run on this machine as things are now."""
    try:
        os.close(_program(options))
    except _NotAllowed as error:
        return str(error)
    return None


async def reconcile(_: Step, __: Attempt, ___: Surroundings) -> Result:
    """Nobody can be asked but people."""
    return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": "only people can tell what it has done"})


async def verify(_: Step, __: Attempt, ___: Surroundings) -> Result:
    """It has said so by its exit status; what it was for, the action's own condition tells."""
    return Result(Applied.APPLIED, facts={"said": "it has said so by its exit status"})


# --- the program -----------------------------------------------------------------------------------------------------


def _program(options: Options) -> int:
    """A descriptor of the very bytes that may run, which nobody can change. Raises _NotAllowed."""
    copy = os.memfd_create("occ-script", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _copied(options.path, copy)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, seals)
        _compare(copy, options.sha256)
    except BaseException:
        os.close(copy)
        raise
    return copy


def _copied(path: str, copy: int) -> None:
    try:  # not to wait for the other end, where somebody has put a pipe there
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _NotAllowed(f"it can not be opened: {_named(error.errno)}") from None
    try:
        if wrong := _wrong(os.fstat(source)):
            raise _NotAllowed(wrong)
        while os.sendfile(copy, source, None, LARGEST):
            if os.fstat(copy).st_size > LARGEST:
                raise _NotAllowed(f"it has more than {LARGEST} bytes")
    except OSError as error:
        raise _NotAllowed(f"it can not be read: {_named(error.errno)}") from None
    finally:
        os.close(source)


def _wrong(found: os.stat_result) -> str | None:
    """What is wrong with a file that is to run."""
    if not stat.S_ISREG(found.st_mode):
        return "it is no regular file"
    if found.st_uid not in {0, os.geteuid()}:
        return "it belongs neither to root nor to the receiver's user"
    if found.st_mode & _OTHERS_MAY_WRITE:
        return "others than its owner may write to it"
    if not found.st_mode & _ANY_MAY_RUN:
        return "it is not executable"
    if found.st_size > LARGEST:
        return f"it has more than {LARGEST} bytes"
    return None


def _compare(descriptor: int, sha256: str) -> None:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise _NotAllowed("its sha256 is not the one that is allowed")


def _named(number: int | None) -> str:
    """An errno by its name, which says no path."""
    return errno.errorcode.get(number or 0, "unknown")


# --- running it ------------------------------------------------------------------------------------------------------


async def _keeper(program: int) -> asyncio.subprocess.Process:
    """The process that is to run it, and waits for the order. Raises OSError."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", str(_KEEPER), str(program)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd="/",
        pass_fds=(program,),
        start_new_session=True,
    )


@asynccontextmanager
async def _ending(keeper: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """At the end of the context nothing runs any more, whatever has ended it."""
    try:
        yield
    finally:
        _stdin(keeper).close()  # by that it knows
        try:
            async with asyncio.timeout(_ENDING):
                await keeper.wait()
        except TimeoutError:
            keeper.kill()


async def _run(keeper: asyncio.subprocess.Process, options: Options, attempt: Attempt) -> Result:
    """What came of it. Until the order is given, nothing of it has run."""
    if await _line(keeper, attempt.left()) != b"ready\n":
        return Result(Applied.NOT_APPLIED, Why.INTERNAL, {"said": "nothing could be started in time"})
    try:
        await attempt.clear()
    except TooLate as late:
        return Result(Applied.NOT_APPLIED, late.why)
    environment = {**ENVIRONMENT, "OCC_KEY": attempt.key, "OCC_FENCE": str(attempt.fence)}
    left = attempt.left()
    order = {"argv": options.argv, "environment": environment, "seconds": left}
    _stdin(keeper).write(orjson.dumps(order) + b"\n")
    return _judged(await _line(keeper, left + _ENDING), options)


def _judged(line: bytes, options: Options) -> Result:
    """What the keeper's answer says of it. No answer says nothing."""
    told = _parsed(line)
    if number := told.get("failed"):
        return Result(Applied.NOT_APPLIED, Why.REFUSED, {"said": f"it could not be run: {_named(number)}"})
    if not told:
        return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": "nobody saw it end"})
    status, facts = told["exit"], {"exit": str(told["exit"]), "output_bytes": str(told["bytes"])}
    if told["ended"] or told["left"]:
        said = "it was killed at its deadline" if told["ended"] == "deadline" else "it did not end by itself"
        return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": said, **facts})
    if status == 0:
        return Result(Applied.APPLIED, facts=facts)
    if status in options.nothing_done:
        return Result(Applied.NOT_APPLIED, Why.REFUSED, facts)
    return Result(Applied.UNCLEAR, Why.UNCLEAR, facts)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


async def _line(keeper: asyncio.subprocess.Process, within: float) -> bytes:
    """The next line that it writes; empty where none comes."""
    if keeper.stdout is None:
        raise ValueError("the keeper has no output")
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, within)):
            return await keeper.stdout.readline()
    return b""


def _stdin(keeper: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    if keeper.stdin is None:
        raise ValueError("the keeper has no input")
    return keeper.stdin
