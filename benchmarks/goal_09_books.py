"""Goal 9: CPU from a WebSocket depth message to columns, our part on top of ccxt's own, for 200 books at 10 messages a second."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import ccxt.pro

from benchmarks.depths import HOST, LEVELS, PERIOD, Venue, config, symbols, venue
from benchmarks.exporting import exchanges
from benchmarks.harness import ROUNDS, Part, Result
from exporters.exchange.checks import LOOK_SECONDS, order_book
from occ.poller import Poller
from occ.process import settle

BOOKS = 200
SECONDS = 3.0
DEPTHS = (order_book.Options().depth, LEVELS)
"""The exporter's default, and the most that a venue gives cheaply."""

OURS, THEIRS = "ours", "theirs"
_TO_TAKE_ALL = 240.0
"""Seconds in which all books are there: a venue gives them at the pace of its limit."""


# --- who follows -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _theirs(at: Venue, depth: int) -> AsyncIterator[Any]:
    """A program of ccxt that follows all books and has nothing to do with them."""
    exchange = ccxt.pro.binance({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}})
    exchange.urls["api"]["public"] = f"{at.base_url(THEIRS)}/api.binance.com/api/v3"
    exchange.urls["api"]["ws"]["spot"] = f"{at.base_url(THEIRS, 'ws')}/{HOST}/ws"
    await exchange.load_markets()

    async def follow(symbol: str) -> None:
        while True:
            await exchange.watch_order_book(symbol, depth)

    try:
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(follow(symbol)) for symbol in symbols(BOOKS)]
            yield exchange
            for task in following:
                task.cancel()
    finally:
        await exchange.close()


@asynccontextmanager
async def _ours(at: Venue, depth: int) -> AsyncIterator[Poller]:
    """The exporter, as its process runs it, with nothing to do but these books."""
    async with exchanges(config(at.base_url(OURS), BOOKS, depth)) as poller, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(poller.run())
        yield poller
        running.cancel()


async def _until(there: Callable[[], Any]) -> None:
    async with asyncio.timeout(_TO_TAKE_ALL):
        while not await there():  # noqa: ASYNC110 - neither ccxt nor a page has an event for it
            await asyncio.sleep(0.2)


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """Medians over the rounds: ours by theirs, theirs in seconds of CPU per message, and messages per second."""

    ratio: float
    theirs: float
    rate: float


async def _cpu(at: Venue, who: str) -> tuple[float, float]:
    """CPU seconds per message while these alone are told of changes, and messages per second."""
    await at.tell(who)
    await asyncio.sleep(2 * LOOK_SECONDS)
    sent, spent, began = await at.count("sent", who), time.process_time(), time.perf_counter()
    await asyncio.sleep(SECONDS)
    took, elapsed = time.process_time() - spent, time.perf_counter() - began
    messages = await at.count("sent", who) - sent
    return took / messages, messages / elapsed


async def _compare(at: Venue, depth: int) -> _Found:
    async with _theirs(at, depth) as exchange, _ours(at, depth) as poller:

        async def taken() -> bool:
            return all([await at.count("snapshots", who) % BOOKS == 0 for who in (OURS, THEIRS)])

        async def followed() -> bool:
            there = sum(bool(book["nonce"]) for book in exchange.orderbooks.values())
            return there == BOOKS and poller.render().count(b"\nexchange_depth_usd{") == 10 * BOOKS

        await asyncio.sleep(LOOK_SECONDS)
        await _until(taken)
        await at.tell(OURS, THEIRS)
        await _until(followed)
        settle()
        rounds = []
        for _ in range(ROUNDS):
            (alone, _), (both, rate) = await _cpu(at, THEIRS), await _cpu(at, OURS)
            rounds.append(((both - alone) / alone, alone, rate))
        assert await followed(), "a book was lost while it was measured"
    return _Found(*(statistics.median(column) for column in zip(*rounds, strict=True)))


def run() -> Result:
    """The CPU of the exporter beyond that of a ccxt program that only follows the books, by that of the ccxt program."""
    found = {}
    for depth in DEPTHS:
        with venue(BOOKS) as at:
            found[depth] = asyncio.run(_compare(at, depth))
    told = (
        f"with {depth} levels a side a message takes ccxt {each.theirs * 1e6:.0f} µs and us "
        f"{each.ratio * each.theirs * 1e6:.0f} more, at {each.rate:,.0f} messages a second"
        for depth, each in found.items()
    )
    note = (
        f"{'; '.join(told)}. Measured is the whole exporter but for the scrape: adapter, book, poller and page. Each message is "
        f"noted; there are {LOOK_SECONDS / PERIOD:.2g} to a look of {LOOK_SECONDS:g} s, for which levels are read and columns "
        "written."
    )
    parts = tuple(Part(f"{depth} levels:", each.ratio, 0.5, at_least=False) for depth, each in found.items())
    return Result(
        9, f"CPU from a WebSocket depth message to columns, {BOOKS} books, our part on top of ccxt's", parts, note
    )
