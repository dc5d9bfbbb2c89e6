"""Parts as child processes: started, awaited, watched, and ended so that none is left, whatever happens to us."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import aiohttp

from .until import until

GRACE = 5.0  # seconds from SIGTERM to SIGKILL
_GUARD = Path(__file__).with_name("guard.py")
# Below the range from which the system takes ports of outgoing connections: a free one stays free until it is bound.
_PORTS = range(20_000, 32_000)
# Every process goes through them from a place of its own, so that two that look for one at once do not find the same. The
# places are apart by the golden section of all, which spreads the pids of a while as evenly as can be.
_turns = itertools.count(os.getpid() * 7417)
# Descriptors that keep the last ports from every other process that looks, since what they are for has yet to bind them.
_claims: deque[int] = deque()
_CLAIMED = 64

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """One program of the centre: what to run, and the URL that answers 200 once it is ready.

    `probe` is posted as JSON there; without it the URL is got.
    """

    name: str
    command: Sequence[str | Path]
    ready_url: str
    probe: object = None
    environment: Mapping[str, str] = field(default_factory=dict)
    within: float = 60.0


class State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    ENDED = "ended"


class PartFailed(Exception):  # noqa: N818 - it names what happened
    """A part ended by itself or was not ready in time; the message says which and shows the end of its log."""


class Child:
    """A running part: in a process group of its own, output in a file, dead when we are."""

    def __init__(self, part: Part, process: Process, log: Path) -> None:
        self.part, self.log, self.process = part, log, process
        self.began = time.monotonic()

    @classmethod
    async def start(cls, part: Part, folder: Path) -> Self:
        """Must be called from the main thread: the child is tied to the life of the thread that starts it."""
        log = folder / f"{part.name}.log"
        command = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), *map(str, part.command)]
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                env={**os.environ, **part.environment},
            )
        return cls(part, process, log)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    async def end(self, grace: float = GRACE) -> None:
        """Ask it to end, wake it in case it is stopped, and after `grace` seconds end it and all that it started."""
        if self.running:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), grace)
        self.signal(signal.SIGKILL)
        await self.process.wait()

    async def ready(self) -> None:
        """Returns when it answers; PartFailed when it has ended, or does not answer in time."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(1)) as session:
            try:
                await until(lambda: self._answers(session), self.part.within)
            except TimeoutError:
                raise PartFailed(self.story(f"was not ready after {self.part.within:g} s")) from None

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        if not self.running:
            raise PartFailed(self.story(f"ended with {self.process.returncode} while starting"))
        method = "GET" if self.part.probe is None else "POST"
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.request(method, self.part.ready_url, json=self.part.probe) as answer:
                return answer.status == HTTPStatus.OK
        return False

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def story(self, what: str) -> str:
        return f"{self.part.name} {what}; the end of {self.log}:\n{self.tail()}"


def _ignore(_name: str, _state: State) -> None:
    pass


class Supervisor:
    """Starts parts and ends them all on leaving. One owner of children: nobody else starts or ends one."""

    def __init__(self, logs: Path, told: Callable[[str, State], None] = _ignore) -> None:
        self.logs, self.children = logs, dict[str, Child]()
        self._told = told

    async def __aenter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*map(self._end, self.children.values()))

    async def start(self, *parts: Part) -> None:
        """All at once; returns when each is ready, raises PartFailed as soon as one has failed."""
        fresh = [await self._spawn(part) for part in parts]
        try:
            async with asyncio.TaskGroup() as group:
                for child in fresh:
                    group.create_task(self._await_ready(child))
        except* PartFailed as failures:
            raise failures.exceptions[0] from None

    async def while_running(self, work: Coroutine[None, None, T]) -> T:
        """The result of the work, or PartFailed as soon as a part ends by itself."""
        doing, watching = asyncio.ensure_future(work), asyncio.ensure_future(self._first_end())
        try:
            await asyncio.wait((doing, watching), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            return await doing
        finally:
            for task in (doing, watching):
                task.cancel()
            await asyncio.gather(doing, watching, return_exceptions=True)

    def kill(self) -> None:
        """No more patience: SIGKILL for all that still run."""
        for child in self.children.values():
            if child.running:
                child.signal(signal.SIGKILL)

    def left(self) -> list[str]:
        """After the end: parts of which some process still lives. There are none."""
        groups = {each.group for each in living()}
        return [name for name, child in self.children.items() if child.pid in groups]

    async def _spawn(self, part: Part) -> Child:
        self._told(part.name, State.STARTING)
        child = self.children[part.name] = await Child.start(part, self.logs)
        return child

    async def _await_ready(self, child: Child) -> None:
        try:
            await child.ready()
        except PartFailed:
            self._told(child.part.name, State.FAILED)
            raise
        self._told(child.part.name, State.READY)

    async def _first_end(self) -> None:
        waiting = {asyncio.ensure_future(child.process.wait()): child for child in self.children.values()}
        try:
            ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        child = waiting[ended.pop()]
        self._told(child.part.name, State.FAILED)
        raise PartFailed(child.story(f"ended by itself with {child.process.returncode}"))

    async def _end(self, child: Child) -> None:
        await child.end()
        self._told(child.part.name, State.ENDED)


class Living(NamedTuple):
    """A process of this machine that has not ended."""

    pid: int
    parent: int
    group: int


def living() -> Iterator[Living]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended while we looked
            state, parent, group = stat.read_text().rpartition(")")[2].split()[:3]
            if state not in "ZX":
                yield Living(int(stat.parent.name), int(parent), int(group))


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 that nothing uses, all different, and others than every process on this machine was given lately."""
    with contextlib.ExitStack() as held:
        return [held.enter_context(_any_free()).getsockname()[1] for _ in range(count)]


def _any_free() -> socket.socket:
    for turn in itertools.islice(_turns, len(_PORTS)):
        candidate, port = socket.socket(), _PORTS[turn % len(_PORTS)]
        try:
            candidate.bind(("127.0.0.1", port))
            _claim(port)
        except OSError:
            candidate.close()
        else:
            return candidate
    raise OSError("no free port on 127.0.0.1")


def _claim(port: int) -> None:
    """Until enough others are claimed, or we end. Raises OSError where another process has claimed it."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0occ-port-{port}")  # a name in the same network namespace, and no file
    except OSError:
        claim.close()
        raise
    _claims.append(claim.detach())
    if len(_claims) > _CLAIMED:
        os.close(_claims.popleft())
