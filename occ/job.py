"""What is read, and how often: the values that exporters hand to the poller."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from occ.deadline import deadline
from occ.errors import Reason, SourceError
from occ.metrics import Family
from occ.page import Column, Event, Labels, Rows

log = logging.getLogger(__name__)

Beside = tuple[tuple[tuple[str, str], ...], ...]
"""Labels that stand beside a target's own: for each series of it, pairs of name and value."""

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Target:
    """Identity of what is read. `id` is unique within the exporter, `labels` are its entity labels.

    `facts` are what else the configuration says of it: `team` and `tier` for `occ_target_info`, and what its exporter needs.
    """

    id: str
    labels: Labels = field(compare=False)
    facts: Labels = field(compare=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aged(Generic[R_co]):
    """A reading, the Unix time at which it came, and whether the target still answered when last asked."""

    reading: R_co
    at: float
    up: bool = True


class Readings(Mapping[Target, R]):
    """The fresh readings of a job by target, and columns made of them.

    Columns have a row for every target of the job, so that their rows stay the same object whoever is fresh.
    """

    def __init__(
        self, targets: tuple[Target, ...], fresh: Mapping[Target, R], shelf: dict[object, Rows] | None = None
    ) -> None:
        self._targets = targets
        self._fresh = fresh
        self._in_order = [fresh.get(target) for target in targets]
        self._shelf = {} if shelf is None else shelf

    def __getitem__(self, target: Target) -> R:
        return self._fresh[target]

    def __iter__(self) -> Iterator[Target]:
        return iter(self._fresh)

    def __len__(self) -> int:
        return len(self._fresh)

    def column(self, family: Family, value: Callable[[R], float | None], **labels: str) -> Column:
        """One value per target, None where there is none; `labels` stand beside the target's own."""
        key = tuple(labels.items())
        rows = self._shelf.get(key)
        if rows is None:
            rows = self._shelf[key] = tuple({**target.labels, **labels} for target in self._targets)
        return Column(family, rows, [None if reading is None else value(reading) for reading in self._in_order])

    def table(self, family: Family, labels: Beside, values: Callable[[R], Sequence[float | None]]) -> Column:
        """A value for each of `labels` per target; `values` are in their order."""
        rows = self._shelf.get(labels)
        if rows is None:
            rows = self._shelf[labels] = tuple(
                {**target.labels, **dict(row)} for target in self._targets for row in labels
            )
        absent = (None,) * len(labels)
        found = (absent if reading is None else values(reading) for reading in self._in_order)
        return Column(family, rows, [value for each in found for value in each])


@dataclass(frozen=True, slots=True)
class Pace:
    """Timing of a job, in seconds: between two reads, until one is given up (without the time for which it was held back, as by a
    rate limit), until values are no longer shown.

    A target that fails is asked again after `retry`, by default the interval, and then ever less often, but at least every
    `patience`. A stream that says nothing for `silence` has failed.
    """

    interval: float
    timeout: float
    stale_after: float
    patience: float = 30.0
    silence: float = 30.0
    retry: float | None = None

    @property
    def step(self) -> float:
        """Seconds between two moments at which it is looked which targets are due."""
        return self.interval if self.retry is None else min(self.retry, self.interval)

    def wait_after(self, failures: int) -> float:
        """Seconds until a target is due again after that many failures in a row."""
        return min(self.step * 2.0 ** min(max(failures - 1, 0), 30), max(self.interval, self.patience))


_SILENT = SourceError(Reason.INTERNAL, "the read said nothing of this target")

Results = AsyncIterator[Mapping[Target, Any]]
Stream = Callable[[tuple[Target, ...]], Results]
Read = Callable[[tuple[Target, ...]], Awaitable[Mapping[Target, R | SourceError]]]


class Job(Protocol):
    """The only thing that the poller runs. One job may read a thousand targets at once.

    `results` reads the targets that are due, once, and tells outcomes (a reading or a SourceError) as they become known.
    Where there is a `stream`, it is preferred: it tells outcomes until it fails, and only then are targets read. Where there
    is a `wake`, it is asked for an event before each read, and the next read begins as soon as that is set, or after the
    interval. `columns` and `events` are pure; `columns` gets the fresh readings of all the job's targets.
    """

    @property
    def check(self) -> str: ...
    @property
    def targets(self) -> tuple[Target, ...]: ...
    @property
    def pace(self) -> Pace: ...
    @property
    def families(self) -> Sequence[Family]: ...
    @property
    def stream(self) -> Stream | None: ...
    @property
    def wake(self) -> Callable[[], asyncio.Event] | None: ...

    def results(self, due: tuple[Target, ...]) -> Results: ...
    def columns(self, readings: Readings[Any]) -> Iterable[Column]: ...
    def events(self, before: Any, reading: Any) -> Iterable[Event]: ...


def _no_events(_before: object, _reading: object) -> Iterable[Event]:
    return ()


@dataclass(frozen=True)
class Polled(Generic[R]):
    """A job that is read again and again; made by `every` and `on_head`."""

    check: str
    targets: tuple[Target, ...]
    pace: Pace
    families: Sequence[Family]
    read: Read[R]
    columns: Callable[[Readings[R]], Iterable[Column]]
    events: Callable[[R | None, R], Iterable[Event]] = _no_events
    stream: Stream | None = None
    wake: Callable[[], asyncio.Event] | None = None
    together: bool = False
    at_once: int = 500

    async def results(self, due: tuple[Target, ...]) -> Results:
        """All targets in one read when `together`, else side by side, each with a deadline of its own."""
        groups = [due] if self.together else [(target,) for target in due]
        gate, done = asyncio.Semaphore(self.at_once), asyncio.Queue[asyncio.Task[Mapping[Target, R | SourceError]]]()
        tasks = {asyncio.create_task(self._attempt(group, gate)): group for group in groups}
        for task in tasks:
            task.add_done_callback(done.put_nowait)
        try:
            for _ in groups:
                task = await done.get()
                yield _outcomes(task, tasks[task], self.pace.timeout)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _attempt(self, group: tuple[Target, ...], gate: asyncio.Semaphore) -> Mapping[Target, R | SourceError]:
        async with gate, deadline(self.pace.timeout, self.pace.interval):
            answers = await self.read(group)
        return {target: answers.get(target, _SILENT) for target in group}


def _outcomes(task: asyncio.Task[Any], group: tuple[Target, ...], timeout: float) -> Mapping[Target, Any]:
    """What a finished read says of each of its targets; nothing that was asked for goes unanswered."""
    # Cancelled from within (by what it awaited): were it let through, it would end the job as if the process ended.
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if error is None:
        answers: Mapping[Target, Any] = task.result()
        return answers
    if isinstance(error, TimeoutError):
        error = SourceError(Reason.TIMEOUT, f"no answer within {timeout:g} s")
    elif not isinstance(error, SourceError):
        log.error("reading %s failed in our own code", group[0].id, exc_info=error)
        error = SourceError(Reason.INTERNAL, f"{type(error).__name__} in our own code")
    return dict.fromkeys(group, error)


def every(pace: Pace, read: Read[R], **parts: Any) -> Polled[R]:
    """A job that reads its targets at the pace; `parts` are the other fields of `Polled`."""
    return Polled(pace=pace, read=read, **parts)


class Heads:
    """The head of a chain as it is announced, for whoever waits for the next one."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def announce(self) -> None:
        """There is a new head."""
        self._next.set()
        self._next = asyncio.Event()

    def upcoming(self) -> asyncio.Event:
        """Is set at the next head from now on: to be taken before a read, so that a head which comes during it counts."""
        return self._next


def on_head(heads: Heads, pace: Pace, read: Read[R], **parts: Any) -> Polled[R]:
    """A job that reads its targets at every new head, and at the pace's interval while there is none."""
    return Polled(pace=pace, read=read, wake=heads.upcoming, **parts)


class Pins:
    """The height at which all nodes of a chain are asked for the same thing: one step back, from the last board."""

    def __init__(self) -> None:
        self._heights: Mapping[str, int] = {}

    def __call__(self, chain: str) -> int | None:
        """The chain's pinned height; None until there was a board to take it from."""
        return self._heights.get(chain)

    def set(self, heights: Mapping[str, int]) -> None:
        """Replaces all pins; for the poller alone."""
        self._heights = dict(heights)

    def __bool__(self) -> bool:
        return bool(self._heights)
