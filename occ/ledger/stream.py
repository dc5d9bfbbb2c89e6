"""Reading a chain's events in ranges, once each, from a source that may refuse, lag, reorganise or end at any point."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

from occ.errors import CatalogueError, RateLimitError, Reason, SourceError
from occ.ledger.store import REMEMBERED, Amount, Mark, Series, State, Store
from occ.metrics import Family, Kind
from occ.page import Event, Labels

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_RANGE = 2_000
"""Blocks asked for at once, at most and at first."""

RANGES = 8
"""Ranges counted in one `advance`, unless told otherwise."""

ATTEMPTS = 3
MAX_AMOUNT = 1e200
MAX_NUMBER = 2**62

# A refusal that a smaller range may mend, at once; and one that more questions would only make worse.
_TOO_MUCH = {Reason.RPC_ERROR, Reason.BAD_RESPONSE}
_TOO_BUSY = {Reason.RATE_LIMITED, Reason.TIMEOUT, Reason.SERVER_ERROR}


class DeepReorgError(SourceError):
    """Counted blocks are no longer part of the chain: those above `fork`, up to `cursor`. The cursor is at `fork` now."""

    def __init__(self, stream: str, cursor: int, fork: int) -> None:
        super().__init__(
            Reason.REORG,
            f"{stream}: blocks {fork + 1} to {cursor} were counted and are no longer part of the chain; "
            f"counting goes on from {fork + 1}, and what was counted stays",
        )
        self.cursor = cursor
        self.fork = fork


class BlockRefusedError(SourceError):
    """A source refuses the logs of a single block, `number`. It is not skipped: nothing above it is counted."""

    def __init__(self, number: int, error: SourceError) -> None:
        super().__init__(error.reason, f"the logs of block {number} alone are refused: {error}")
        self.number = number


class _MovedError(SourceError):
    """The chain, or the source, changed while a range was read: what was read is thrown away."""

    def __init__(self) -> None:
        super().__init__(Reason.REORG, "the chain changes faster than it can be read")


@dataclass(frozen=True, slots=True)
class Logged:
    """Something to count, and the block that holds it. Its family is a counter; its amount is not negative."""

    block: int
    hash: str
    event: Event


class LogSource(Protocol):
    """Where events come from. Every failure is a SourceError, also the wish for a block that is not there (yet).

    `name` is the configured name of the node that answers; where several do, a change of it discards the range at hand. `logs`
    gives all events of the blocks `first` to `last`, or raises: a node that lacks `last` must not answer with what it has.
    """

    @property
    def name(self) -> str: ...
    async def head(self) -> int: ...
    async def block_hash(self, number: int) -> str: ...
    async def logs(self, first: int, last: int) -> Sequence[Logged]: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stream stands: block numbers, and the amounts that are not confirmed yet, or None while it catches up."""

    head: int
    cursor: int
    behind: int
    unconfirmed: Mapping[Series, float] | None

    def pending(self, family: Family, labels: Labels) -> float | None:
        """The unconfirmed amount of a counter's series, 0 when there is none; None while it is not known."""
        if self.unconfirmed is None:
            return None
        return self.unconfirmed.get(series(family, labels), 0.0)


@dataclass(slots=True)
class _Range:
    """How many blocks a source gives at once: halved when it refuses, doubled when it has given so many `patience` times.

    A doubling that fails at once makes the next one wait twice as long.
    """

    size: int = MAX_RANGE
    patience: int = 4
    given: int = 0
    grown: bool = False

    def gave(self, blocks: int) -> None:
        if blocks < self.size or self.size == MAX_RANGE:
            return
        if self.grown:
            self.grown, self.patience = False, 4
        self.given += 1
        if self.given >= self.patience:
            self.size, self.given, self.grown = min(2 * self.size, MAX_RANGE), 0, True

    def refused(self, blocks: int) -> None:
        if blocks == 1:
            return
        if self.grown:
            self.grown, self.patience = False, min(2 * self.patience, 256)
        self.size, self.given = blocks // 2, 0


class Stream:
    """One cursor and its totals; made by `Ledger.stream`."""

    def __init__(
        self,
        name: str,
        store: Store,
        thread: Executor,
        busy: asyncio.Lock,
        *,
        confirmations: int,
        start_block: int | None,
        deep_reorgs: Event,
    ) -> None:
        self.name = name
        self._store = store
        self._thread = thread
        self._busy = busy
        self._confirmations = confirmations
        self._start_block = start_block
        self._deep_reorgs = _summed([deep_reorgs])
        self._ranges: dict[str, _Range] = {}
        if self.state and start_block not in {None, self.state.start}:
            log.info("%s: counts from block %d already; start_block has no effect", name, self.state.start)

    @property
    def state(self) -> State | None:
        """What is on disk; None before the first `advance`."""
        return self._store.states.get(self.name)

    @property
    def _cursor(self) -> Mark:
        return self._store.states[self.name].cursor

    async def advance(self, source: LogSource, *, ranges: int = RANGES) -> Standing:
        """Counts what is deep enough, at most so many ranges of it, and looks at what is not.

        Raises SourceError: the source's own, DeepReorgError, BlockRefusedError, or internal when the disk refuses. What was
        counted until then is on disk, and the next call goes on from there. May be cancelled at any time.
        """
        async with self._busy:
            await self._on_disk(_nothing)  # what a cancelled call has left to the thread is done first
            for _ in range(ATTEMPTS - 1):
                with contextlib.suppress(_MovedError):
                    return await self._advance(source, ranges)
            return await self._advance(source, ranges)

    async def _advance(self, source: LogSource, ranges: int) -> Standing:
        head = await source.head()
        if not 0 <= head < MAX_NUMBER:
            raise SourceError(Reason.BAD_RESPONSE, "a head that is no block number")
        limit = head - self._confirmations
        if self.state is None:
            await self._begin(source, head)
        await self._check(source, head)
        for _ in range(ranges):
            if self._cursor.number >= limit:
                break
            mark, logs = await self._read(source, self._cursor, limit)
            await self._count(mark, logs)
        behind = max(limit - self._cursor.number, 0)
        unconfirmed = None if behind else await self._tail(source, head)
        return Standing(head, self._cursor.number, behind, unconfirmed)

    # --- counting ----------------------------------------------------------------------------------------------------

    async def _begin(self, source: LogSource, head: int) -> None:
        """The first mark. It is confirmed, so below `start` where need be; what lies between does not count."""
        start = head + 1 if self._start_block is None else self._start_block
        mark = await _mark(source, 0, min(start - 1, head - self._confirmations))
        await self._on_disk(lambda: self._store.record(self.name, start, [mark], {}))
        log.info("%s: counts from block %d", self.name, start)

    async def _count(self, mark: Mark, logs: Sequence[Logged]) -> None:
        start = self._store.states[self.name].start

        def count() -> None:
            sums = _summed(each.event for each in logs if each.block >= start)
            self._store.record(self.name, start, _marks(mark, logs), sums)

        await self._on_disk(count)

    async def _tail(self, source: LogSource, head: int) -> Mapping[Series, float]:
        start, at, found = self._store.states[self.name].start, self._cursor, list[Logged]()
        while at.number < head:
            at, logs = await self._read(source, at, head)
            found += logs
        sums = await self._on_disk(lambda: _summed(each.event for each in found if each.block >= start))
        return {series: float(amount) for series, amount in sums.items()}

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _read(self, source: LogSource, after: Mark, limit: int) -> tuple[Mark, Sequence[Logged]]:
        """The next range above a mark, up to the limit at most: its last block, and its logs, all of one chain with the mark."""
        while True:
            name = source.name
            size = self._ranges.setdefault(name, _Range())
            last = await _mark(source, after.seq + 1, min(after.number + size.size, limit))
            logs = await self._logs(source, size, after.number + 1, last.number)
            if logs is None:
                continue
            if not await _holds(source, after) or not await _holds(source, last) or source.name != name:
                raise _MovedError
            _check_blocks(logs, after.number + 1, last)
            return last, logs

    async def _logs(self, source: LogSource, size: _Range, first: int, last: int) -> Sequence[Logged] | None:
        """The logs of a range; None where a smaller one is worth asking for now."""
        blocks = last - first + 1
        try:
            logs = await source.logs(first, last)
        except asyncio.CancelledError:  # most likely a deadline: the next range is one that may meet it
            size.refused(blocks)
            raise
        except SourceError as error:
            if error.reason not in _TOO_MUCH | _TOO_BUSY:
                raise
            size.refused(blocks)
            if blocks == 1 and not isinstance(error, RateLimitError):  # that one speaks of us, not of the block
                raise BlockRefusedError(first, error) from error
            if error.reason in _TOO_BUSY:
                raise
            return None
        size.gave(blocks)
        return logs

    # --- reorganisations ---------------------------------------------------------------------------------------------

    async def _check(self, source: LogSource, head: int) -> None:
        """That what was counted is still part of the chain, as far as the source can see."""
        cursor, seen = self._cursor, [mark for mark in self._store.states[self.name].marks if mark.number <= head]
        if seen and not await _holds(source, seen[-1]):
            await self._go_back(source, seen, head)
        if cursor.number > head:
            raise SourceError(
                Reason.BAD_RESPONSE, f"{self.name}: the head {head} is below block {cursor.number}, which is counted"
            )

    async def _go_back(self, source: LogSource, seen: list[Mark], head: int) -> None:
        """Moves the cursor to the newest mark that is still part of the chain; always raises."""
        low, high = 0, len(seen) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if await _holds(source, seen[middle]) else (low, middle)
        if low:
            fork = seen[low - 1]
        else:
            fork = await _mark(source, 0, min(seen[0].number, head - self._confirmations))
        if await _holds(source, seen[-1]):
            raise _MovedError
        error = DeepReorgError(self.name, self._cursor.number, fork.number)
        start = self._store.states[self.name].start

        def go_back() -> None:  # said there too, so that it is said even when the call is given up meanwhile
            self._store.record(self.name, start, [fork], self._deep_reorgs)
            log.error("%s", error)

        await self._on_disk(go_back)
        raise error


async def _mark(source: LogSource, seq: int, number: int) -> Mark:
    """The block as it is now. Below the first one there is a place to stand, without a hash."""
    return Mark(seq, number, await source.block_hash(number)) if number >= 0 else Mark(seq, -1, "")


def _marks(last: Mark, logs: Sequence[Logged]) -> list[Mark]:
    """The newest blocks with events and the last of all: going back to one of them, no event in between counts twice."""
    hashes = {each.block: each.hash for each in logs} | {last.number: last.hash}
    return [Mark(last.seq + at, number, hashes[number]) for at, number in enumerate(sorted(hashes)[-REMEMBERED:])]


async def _holds(source: LogSource, mark: Mark) -> bool:
    return mark.number < 0 or await source.block_hash(mark.number) == mark.hash


def _check_blocks(logs: Sequence[Logged], first: int, last: Mark) -> None:
    """That each event is of the range, and that no two say different things of the same block."""
    hashes = {last.number: last.hash}
    for each in logs:
        if not first <= each.block <= last.number:
            raise SourceError(Reason.BAD_RESPONSE, f"logs of block {each.block}, asked were {first} to {last.number}")
        if hashes.setdefault(each.block, each.hash) != each.hash:
            raise _MovedError


def series(family: Family, labels: Labels) -> Series:
    """The key of a series."""
    return family.name, json.dumps(dict(labels), sort_keys=True, separators=(",", ":"))


def fits(family: Family, labels: Labels) -> bool:
    """Whether a counter's row may carry these labels."""
    missing = any(name not in labels for name in family.labels)
    return family.kind is Kind.COUNTER and not missing and (family.entity or len(labels) == len(family.labels))


def _summed(events: Iterable[Event]) -> dict[Series, Amount]:
    """Exact sums by series. Raises CatalogueError for what can not be counted: our own mistake."""
    sums: dict[Series, Amount] = {}
    for event in events:
        if not fits(event.family, event.labels) or not 0 <= event.amount <= MAX_AMOUNT:
            raise CatalogueError(f"{event.family.name}: can not count {event.amount!r} of {', '.join(event.labels)}")
        key = series(event.family, event.labels)
        sums[key] = sums.get(key, 0) + _exact(event.amount)
    return sums


def _exact(amount: float) -> Amount:
    return amount if isinstance(amount, int) else Fraction(amount)


def _nothing() -> None:
    pass
