"""A ledger file in use: its streams, and their totals as columns."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from occ.errors import CatalogueError
from occ.ledger.store import Amount, Series, Store
from occ.ledger.stream import Stream, fits, series
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


class Ledger:
    """Made by `opened`."""

    def __init__(self, store: Store, thread: Executor, families: Iterable[Family]) -> None:
        self._store = store
        self._thread = thread
        self._families = {family.name: family for family in families}
        self._shown: dict[str, _Shown] = {}
        self._rows: dict[str, tuple[tuple[str, ...], Rows]] = {}

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
        """A stream of this file, once per run; `name` is its key in there, such as `ethereum` or `ethereum/vault`.

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
            self._store,
            self._thread,
            confirmations=confirmations,
            start_block=start_block,
            deep_reorgs=deep_reorgs,
        )
        self._shown[name] = _Shown(stream, {series(event.family, event.labels): 0 for event in zeros}, wanted)
        return stream

    def columns(self) -> list[Column]:
        """The totals on disk, one column per family, over all streams of this run; their rows stay the same while they can."""
        found: dict[str, dict[str, Amount]] = {}
        for shown in self._shown.values():
            for (family, labels), amount in shown.totals(self._families):
                sums = found.setdefault(family, {})
                sums[labels] = sums[labels] + amount if labels in sums else amount
        return [self._column(self._families[name], sums) for name, sums in found.items()]

    def _column(self, family: Family, amounts: dict[str, Amount]) -> Column:
        keys = tuple(amounts)
        if self._rows.get(family.name, ((), ()))[0] != keys:
            self._rows[family.name] = keys, tuple(json.loads(labels) for labels in keys)
        return Column(family, self._rows[family.name][1], [float(amount) for amount in amounts.values()])


@contextlib.contextmanager
def opened(path: str | Path, families: Iterable[Family]) -> Iterator[Ledger]:
    """The ledger in a file, made if there is none; `families` are the counters that it may show. LedgerError if it can not be.

    The tasks that advance its streams must have ended before the block does.
    """
    store = Store(path)
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="ledger") as thread:
            yield Ledger(store, thread, families)
    finally:
        store.close()
