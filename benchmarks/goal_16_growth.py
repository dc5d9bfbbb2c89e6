"""Goal 16: ten times the targets cost at most eleven times the CPU and ten times the memory of what is per target."""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import depths
from benchmarks.exporting import exchanges, exporter, planned_pools
from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.nodes import nodes
from benchmarks.pools import Pairs, pairs
from exporters.exchange.checks import LOOK_SECONDS, order_book
from occ.poller import Poller
from occ.process import settle

FEW, MANY = 50, 500
FEW_BOOKS, MANY_BOOKS = 20, 200
FEW_POOLS, MANY_POOLS = 100, 1_000
SECONDS = 3.0
_TO_TAKE_ALL = 120.0
"""Seconds in which all books are there."""


def _per_target(held: list[int], count: int) -> float:
    """What ten times as many targets hold by what `count` of them do, of which that of none is taken off; `held` is of one, of
    few and of many.
    """
    one, few, many = held
    return (many - one) / (few - one) * (count - 1) / (10 * count - 1) * 10


# --- nodes -----------------------------------------------------------------------------------------------------------


async def _cpu(few: list[str], many: list[str]) -> float:
    async with exporter(few, "30s", "20s") as small, exporter(many, "30s", "20s") as large:
        found = []
        for turn in range(ROUNDS + 2):
            spent = []
            for poller in (small, large):
                began = time.process_time()
                await poller.once()
                poller.render()
                spent.append(time.process_time() - began)
            if turn > 1:
                found.append(spent[1] / spent[0])
    return statistics.median(found)


async def _memory(urls: list[str]) -> int:
    """Bytes that an exporter of these nodes holds after a few cycles."""
    gc.collect()
    tracemalloc.start()
    async with exporter(urls, "30s", "20s") as poller:
        for _ in range(3):
            await poller.once()
            poller.render()
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size


# --- books -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _following(at: depths.Venue, books: int) -> AsyncIterator[Poller]:
    """An exporter that follows so many books, named by their number at the venue, once all are on its page."""
    who = str(books)
    text = depths.config(at.base_url(who), books, order_book.Options().depth)
    async with exchanges(text) as poller, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(poller.run())
        before = await at.count("snapshots", who)
        async with asyncio.timeout(_TO_TAKE_ALL):
            while await at.count("snapshots", who) - before < books:  # noqa: ASYNC110 - nor has the venue
                await asyncio.sleep(LOOK_SECONDS)
            await at.tell(who)
            while poller.render().count(b"\nexchange_depth_usd{") < 10 * books:  # noqa: ASYNC110 - a page has no event
                await asyncio.sleep(LOOK_SECONDS)
            await at.tell()
        yield poller
        running.cancel()


async def _book_cpu(at: depths.Venue) -> float:
    async with _following(at, FEW_BOOKS) as few, _following(at, MANY_BOOKS) as many:
        settle()
        found = []
        for _ in range(ROUNDS):
            spent = []
            for books, poller in ((FEW_BOOKS, few), (MANY_BOOKS, many)):
                await at.tell(str(books))
                await asyncio.sleep(2 * LOOK_SECONDS)
                began = time.process_time()
                await asyncio.sleep(SECONDS)
                poller.render()
                spent.append(time.process_time() - began)
            found.append(spent[1] / spent[0])
    return statistics.median(found)


async def _book_memory(at: depths.Venue, books: int) -> int:
    """Bytes that an exporter of so many books holds; the venue has the same markets however many are followed."""
    gc.collect()
    tracemalloc.start()
    async with _following(at, books):
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size


# --- pools -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _pooled(of: Pairs, count: int) -> AsyncIterator[Poller]:
    """An exporter of the first pairs, in whose file nothing is counted yet."""
    with tempfile.TemporaryDirectory() as folder:
        async with planned_pools(f"state: {Path(folder) / 'pools.db'}\n{of.config(count)}") as (plan, page):
            yield plan.poller("pools", page)


async def _pools_cpu(of: Pairs) -> float:
    """Of a cycle in whose block a twentieth of the pools was traded."""
    async with _pooled(of, FEW_POOLS) as few, _pooled(of, MANY_POOLS) as many:
        settle()
        found = []
        for turn in range(ROUNDS + 2):
            spent = []
            for pools, poller in ((FEW_POOLS, few), (MANY_POOLS, many)):
                await of.trade(pools // 20)
                began = time.process_time()
                await poller.once()
                poller.render()
                spent.append(time.process_time() - began)
            if turn > 1:
                found.append(spent[1] / spent[0])
    return statistics.median(found)


async def _pools_memory(of: Pairs, count: int) -> int:
    gc.collect()
    tracemalloc.start()
    async with _pooled(of, count) as poller:
        for _ in range(3):
            await poller.once()
            poller.render()
            await of.trade(1)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size


async def _pools() -> tuple[float, list[int]]:
    async with pairs(MANY_POOLS) as of:
        return await _pools_cpu(of), [await _pools_memory(of, count) for count in (1, FEW_POOLS, MANY_POOLS)]


# --- all --------------------------------------------------------------------------------------------------------------


def run() -> Result:
    """CPU and heap of ten times as many by those of few: nodes by the cycle, books by the seconds in which they are followed."""
    with nodes(MANY) as urls:
        cpu = asyncio.run(_cpu(urls[:FEW], urls))
        held = [asyncio.run(_memory(urls[:count])) for count in (1, FEW, MANY)]
    with depths.venue(MANY_BOOKS) as at:
        book_cpu = asyncio.run(_book_cpu(at))
        books_held = [asyncio.run(_book_memory(at, count)) for count in (1, FEW_BOOKS, MANY_BOOKS)]
    pools_cpu, pools_held = asyncio.run(_pools())
    return Result(
        16,
        f"growth of nodes from {FEW} to {MANY}: CPU of a cycle with its page, heap per target; of books from {FEW_BOOKS} to "
        f"{MANY_BOOKS}, followed at 10 messages a second each: CPU, heap per target; of pools from {FEW_POOLS} to "
        f"{MANY_POOLS}: CPU of a cycle with its page, heap per target",
        (
            Part("CPU:", cpu, 11, at_least=False),
            Part("memory:", _per_target(held, FEW), 10, at_least=False),
            Part("books, CPU:", book_cpu, 11, at_least=False),
            Part("books, memory:", _per_target(books_held, FEW_BOOKS), 10, at_least=False),
            Part("pools, CPU:", pools_cpu, 11, at_least=False),
            Part("pools, memory:", _per_target(pools_held, FEW_POOLS), 10, at_least=False),
        ),
    )
