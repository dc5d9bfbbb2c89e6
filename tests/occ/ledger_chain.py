"""A chain in memory, nodes that see it, and the recount that every ledger must equal."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from occ.errors import Reason, SourceError
from occ.ledger import Ledger, Logged, LogSource, Standing, Stream, opened
from occ.ledger.store import Series
from occ.ledger.stream import series
from occ.metrics import Family, Kind
from occ.page import Event

CHAIN = {"chain": "ethereum"}
POOLS = tuple({**CHAIN, "pool": name} for name in ("weth-usdc", "wbtc-usdc", "dai-usdc"))
SWAPS = Family("pool_swaps_total", Kind.COUNTER, "Swaps.", ("chain", "pool"))
VOLUME = Family("pool_volume_usd_total", Kind.COUNTER, "Volume.", ("chain", "pool"))
DEEP = Family("pool_deep_reorgs_total", Kind.COUNTER, "Reorganisations deeper than confirmations.", ("chain",))
FAMILIES = (SWAPS, VOLUME, DEEP)
DEEP_REORG = Event(DEEP, CHAIN)

Sums = dict[Series, Fraction]


def swap(pool: int = 0, volume: float = 0.0) -> tuple[Event, ...]:
    """A swap and, where it has one, its volume."""
    events = (Event(SWAPS, POOLS[pool]), Event(VOLUME, POOLS[pool], volume))
    return events if volume else events[:1]


@dataclass(frozen=True, eq=False)
class Block:
    number: int
    hash: str
    parent: str
    events: tuple[Event, ...]


class Chain:
    """Blocks from 0 on. What a reorganisation has taken out is still known by its hash."""

    def __init__(self, length: int = 1) -> None:
        self._hashes = itertools.count(1)
        self.known: dict[str, Block] = {}
        self.blocks: list[Block] = []
        self.mine(length)

    @property
    def head(self) -> int:
        return len(self.blocks) - 1

    def mine(self, blocks: int = 1, events: Iterable[Event] = ()) -> None:
        """So many blocks, the events in the last of them."""
        for left in reversed(range(blocks)):
            parent = self.blocks[-1].hash if self.blocks else ""
            block = Block(len(self.blocks), f"0x{next(self._hashes):064x}", parent, () if left else tuple(events))
            self.known[block.hash] = block
            self.blocks.append(block)

    def reorganise(self, depth: int, *, blocks: int | None = None, events: Iterable[Event] = ()) -> None:
        """The last `depth` blocks make way for as many others, or for so many `blocks`."""
        del self.blocks[len(self.blocks) - depth :]
        self.mine(depth if blocks is None else blocks, events)

    def holds(self, hash_: str) -> bool:
        return self.blocks[self.known[hash_].number : self.known[hash_].number + 1] == [self.known[hash_]]

    def recount(self, first: int, last: int) -> Sums:
        return summed(self.blocks[first : last + 1])

    def path(self, below: str, top: str) -> list[Block]:
        """The blocks above one and up to the other, which must descend from it."""
        found = []
        while top != below:
            found.append(self.known[top])
            top = self.known[top].parent
        return found


def summed(blocks: Iterable[Block]) -> Sums:
    sums: Sums = {}
    for event in (event for block in blocks for event in block.events):
        key = series(event.family, event.labels)
        sums[key] = sums.get(key, Fraction(0)) + Fraction(event.amount)
    return sums


def _nothing(_call: int) -> None:
    pass


@dataclass
class Node:
    """Sees a chain, maybe not all of it, and refuses what is too much. `before` runs before each answer, with its number."""

    chain: Chain
    name: str = "own-geth"
    lag: int = 0
    most_blocks: int = 10**9
    most_logs: int = 10**9
    refusal: SourceError = field(default_factory=lambda: SourceError(Reason.RPC_ERROR, "JSON-RPC error -32005"))
    refused: set[int] = field(default_factory=set)
    before: Callable[[int], None] = _nothing
    calls: int = 0
    asked: list[tuple[int, int]] = field(default_factory=list)

    def _call(self) -> list[Block]:
        self.calls += 1
        self.before(self.calls)
        return self.chain.blocks[: max(len(self.chain.blocks) - self.lag, 1)]

    async def head(self) -> int:
        return len(self._call()) - 1

    async def block_hash(self, number: int) -> str:
        blocks = self._call()
        if number >= len(blocks):
            raise SourceError(Reason.BAD_RESPONSE, f"block {number} is not there")
        return blocks[number].hash

    async def logs(self, first: int, last: int) -> Sequence[Logged]:
        self.asked.append((first, last))
        blocks = self._call()
        if last >= len(blocks):
            raise SourceError(Reason.BAD_RESPONSE, f"block {last} is not there")
        found = [Logged(block.number, block.hash, each) for block in blocks[first : last + 1] for each in block.events]
        wide = last - first + 1 > self.most_blocks or (len(found) > self.most_logs and last > first)
        if wide or self.refused & set(range(first, last + 1)):
            raise self.refusal
        return found


@contextlib.contextmanager
def counting(path: Path, *, confirmations: int = 3, start_block: int | None = 0) -> Iterator[tuple[Ledger, Stream]]:
    """A ledger in a file, and a stream of it."""
    with opened(path, FAMILIES) as ledger:
        yield (
            ledger,
            ledger.stream("ethereum", confirmations=confirmations, start_block=start_block, deep_reorgs=DEEP_REORG),
        )


async def caught_up(stream: Stream, source: LogSource) -> Standing:
    """Advances until nothing that is confirmed is left to count."""
    while (standing := await stream.advance(source)).behind:
        pass
    return standing


def totals(stream: Stream) -> Sums:
    """What the stream has counted, without its reorganisations."""
    state = stream.state
    found = state.totals.items() if state else ()
    return {key: Fraction(amount) for key, amount in found if key[0] != DEEP.name}


def deep_reorgs(stream: Stream) -> int:
    return int(stream.state.totals.get(series(DEEP, CHAIN), 0)) if stream.state else 0


def shown(ledger: Ledger) -> dict[tuple[str, str], float]:
    """Family and pool (or chain) to the value on the page."""
    return {
        (column.family.name, row.get("pool", row["chain"])): float(value)
        for column in ledger.columns()
        for row, value in zip(column.rows, column.values, strict=True)
        if value is not None
    }


def copied(source: Path, target: Path) -> None:
    """The file as it would be found, were its process killed now."""
    for suffix in ("", "-wal"):
        there = source.with_name(source.name + suffix)
        if there.exists():
            shutil.copy(there, target.with_name(target.name + suffix))


# --- an independent witness: what the file itself saw, transaction by transaction ------------------------------------


def watch(path: Path) -> None:
    """From now on the file keeps a journal of where its cursor went."""
    with contextlib.closing(sqlite3.connect(path)) as sql:
        sql.executescript(
            """CREATE TABLE journal (id INTEGER PRIMARY KEY, number INTEGER, hash TEXT);
            INSERT INTO journal (number, hash) SELECT number, hash FROM marks ORDER BY seq;
            CREATE TRIGGER witness AFTER INSERT ON marks BEGIN
            INSERT INTO journal (number, hash) VALUES (new.number, new.hash); END;"""
        )


def recount(path: Path, chain: Chain, start: int) -> tuple[Sums, int]:
    """What must have been counted on the way that the cursor went, and how often it went back.

    Forward it may only go from a block to a descendant of it, and back only from a block that has left the chain.
    """
    with contextlib.closing(sqlite3.connect(path)) as sql:
        way = sql.execute("SELECT number, hash FROM journal ORDER BY id").fetchall()
    passed, back = list[Block](), 0
    for (before, below), (number, top) in itertools.pairwise(way):
        if number > before:
            passed += chain.path(below, top)
        else:
            back += 1
            assert not chain.holds(below)
    return summed(block for block in passed if block.number >= start), back


def stored(path: Path) -> Sums:
    """The totals as the file has them, without reorganisations."""
    with contextlib.closing(sqlite3.connect(path)) as sql:
        rows = sql.execute("SELECT family, labels, amount FROM totals").fetchall()
    assert all(json.loads(labels) for _, labels, _ in rows)
    return {(family, labels): Fraction(amount) for family, labels, amount in rows if family != DEEP.name}


def random_events(chance: random.Random, count: int) -> list[Event]:
    return [each for _ in range(count) for each in swap(chance.randrange(3), chance.expovariate(1e-4))]
