"""A ledger file in use: its streams, their totals as columns, and the jobs that advance them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from occ.errors import CatalogueError
from occ.job import Heads, Pace, Polled, Readings, Target
from occ.ledger.store import Amount, LedgerError, Series, Store
from occ.ledger.stream import RANGES, LogSource, Standing, Stream, fits, series
from occ.metrics import Family
from occ.page import Column, Event, Labels, Rows


def everything(_labels: Labels) -> bool:
    """All series of a stream are shown."""
    return True


@dataclass(frozen=True, slots=True)
class _Shown:
    """A stream, and what of it is put on the page."""

    stream: Stream
    foreseen: dict[Series, Amount]
    wanted: Callable[[Labels], bool]
    known: dict[Series, bool] = field(default_factory=dict)

    def totals(self, families: Mapping[str, Family]) -> Iterator[tuple[Series, Amount]]:
        """Each series that may be shown; whether it may is found out once."""
        state = self.stream.state
        for key, amount in (self.foreseen | (state.totals if state else {})).items():
            may = self.known.get(key)
            if may is None:
                family, labels = families.get(key[0]), json.loads(key[1])
                may = self.known[key] = family is not None and fits(family, labels) and self.wanted(labels)
            if may:
                yield key, amount


@dataclass(frozen=True, slots=True)
class _Totals:
    """The totals of some streams together, as columns whose rows stay the same while they can."""

    families: Mapping[str, Family]
    streams: list[_Shown]
    rows: dict[str, tuple[tuple[str, ...], Rows]] = field(default_factory=dict)

    def columns(self) -> list[Column]:
        found: dict[str, dict[str, Amount]] = {}
        for shown in self.streams:
            for (family, labels), amount in shown.totals(self.families):
                sums = found.setdefault(family, {})
                sums[labels] = sums[labels] + amount if labels in sums else amount
        return [self._column(self.families[name], sums) for name, sums in found.items()]

    def _column(self, family: Family, amounts: dict[str, Amount]) -> Column:
        keys = tuple(amounts)
        if self.rows.get(family.name, ((), ()))[0] != keys:
            self.rows[family.name] = keys, tuple(json.loads(labels) for labels in keys)
        return Column(family, self.rows[family.name][1], [float(amount) for amount in amounts.values()])


def _nothing(_standings: Readings[Standing]) -> Iterable[Column]:
    return ()


@dataclass(slots=True, eq=False)
class _File:
    """An open file, for all who use it in this process: one thread at its disk, one `advance` at a time of each stream."""

    store: Store
    thread: ThreadPoolExecutor
    busy: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    users: int = 0

    def close(self) -> None:
        try:
            self.thread.shutdown()
        finally:
            self.store.close()


class Ledger:
    """Made by `opened`."""

    def __init__(self, file: _File, families: Iterable[Family]) -> None:
        self._file = file
        self._families = {family.name: family for family in families}
        self._shown: dict[str, _Shown] = {}
        self._taken: set[Series] = set()
        self._all = _Totals(self._families, [])

    def stream(
        self,
        name: str,
        *,
        confirmations: int,
        deep_reorgs: Event,
        start_block: int | None = None,
        foreseen: Iterable[Event] = (),
        wanted: Callable[[Labels], bool] = everything,
    ) -> Stream:
        """A stream of this file, once per ledger; `name` is its key in there, such as `ethereum` or `ethereum/vault`.

        It counts from `start_block`, or from the head at its first `advance`, and keeps that for good. What is added to it
        later counts from the cursor on; what must count from the start is a stream of its own. `deep_reorgs` is counted for
        each reorganisation deeper than `confirmations` blocks. It and what is `foreseen` stand at 0 until there are any.
        Stored series whose labels are not `wanted` (any more), and streams not asked for, are kept and not shown.
        """
        if name in self._shown:
            raise CatalogueError(f"{name}: two streams of one name would count twice")
        zeros = (deep_reorgs, *foreseen)
        for event in zeros:
            if event.family.name not in self._families or not fits(event.family, event.labels):
                raise CatalogueError(f"{event.family.name}: not a counter of this ledger, or not with these labels")
        stream = Stream(
            name,
            self._file.store,
            self._file.thread,
            self._file.busy[name],
            confirmations=confirmations,
            start_block=start_block,
            deep_reorgs=deep_reorgs,
        )
        shown = self._shown[name] = _Shown(stream, {series(event.family, event.labels): 0 for event in zeros}, wanted)
        self._all.streams.append(shown)
        return stream

    def columns(self) -> list[Column]:
        """The totals on disk, one column per family, over all streams of this run; their rows stay the same while they can."""
        return self._all.columns()

    def job(
        self,
        pace: Pace,
        follow: Mapping[Target, tuple[Stream, LogSource]],
        *,
        check: str,
        families: Sequence[Family],
        columns: Callable[[Readings[Standing]], Iterable[Column]] = _nothing,
        heads: Heads | None = None,
        ranges: int = RANGES,
    ) -> Polled[Standing]:
        """The job that advances streams, each as a target of its own, at the pace, or at each of the `heads`.

        It shows their totals on disk, always, and `columns` of where they stand. Streams that share a series belong to one job,
        which is demanded as far as it can be foreseen. Of `families`, those of the ledger are not the poller's.
        """
        shown = [self._shown[stream.name] for stream, _ in follow.values()]
        foreseen = {key for each in shown for key in each.foreseen}
        if twice := foreseen & self._taken:
            raise CatalogueError(f"{min(twice)[0]}: two jobs would show one series")
        self._taken |= foreseen
        totals = _Totals(self._families, shown)

        async def read(due: tuple[Target, ...]) -> Mapping[Target, Standing]:
            return {target: await follow[target][0].advance(follow[target][1], ranges=ranges) for target in due}

        def all_columns(standings: Readings[Standing]) -> Iterable[Column]:
            return (*totals.columns(), *columns(standings))

        own = [family for family in families if family.name not in self._families]
        wake = heads.upcoming if heads else None
        return Polled(check, tuple(follow), pace, own, read, all_columns, wake=wake)


_files: dict[str, _File] = {}
"""Those that are open, by real path."""

_only_looking: ContextVar[bool] = ContextVar("_only_looking", default=False)


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """Within it, a ledger that another process counts in is opened as a copy: it is shown, and counted on in memory alone."""
    before = _only_looking.set(True)
    try:
        yield
    finally:
        _only_looking.reset(before)


@contextlib.contextmanager
def opened(path: str | Path, families: Iterable[Family]) -> Iterator[Ledger]:
    """The ledger in a file, made if there is none; `families` are the counters that it may show. LedgerError if it can not be.

    In one process it may be opened again before it is closed, as at a reload: both see the same totals, and a stream of both
    counts once, whoever advances it. The tasks that advance its streams must have ended before the block does.
    """
    real = os.path.realpath(path)
    file = _files.get(real)
    if file is None:
        file = _files[real] = _File(
            Store(real, copy=_only_looking.get()), ThreadPoolExecutor(1, thread_name_prefix="ledger")
        )
    elif file.store.replaced:
        raise LedgerError(f"{real}: the file was removed or replaced while it is in use; a restart opens it anew")
    file.users += 1
    try:
        yield Ledger(file, families)
    finally:
        file.users -= 1
        if not file.users:
            del _files[real]
            file.close()
