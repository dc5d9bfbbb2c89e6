"""Goal 9: CPU from a WebSocket depth message to columns, our part on top of ccxt's own, for 200 books at 10 messages a second."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import ccxt.pro

from benchmarks.depths import LEVELS, PERIOD, diff, head, snapshot, venue
from benchmarks.harness import ROUNDS, Part, Result
from exporters.exchange.checks import order_book
from exporters.exchange.feeds import BookFeed, Contract
from exporters.exchange.streams import PUBLISH_INTERVAL, coalesced
from occ.job import Readings, Target
from occ.metrics import Catalogue
from occ.page import Page
from occ.process import settle

BOOKS = 200
SIZES = (10_000, 100_000, 1_000_000)
SECONDS = 2.0
DEPTHS = (order_book.Options().depth, LEVELS)
"""The exporter's default, and the most that a venue gives cheaply."""


def _exchange(port: int = 0) -> Any:
    """An exchange of ccxt with BOOKS markets. It knows a spot stream by `/stream` in its address."""
    exchange = ccxt.pro.binance({"enableRateLimit": False})
    bases = [f"A{n}" for n in range(BOOKS)]
    exchange.set_markets([exchange.safe_market_structure(_market(base)) for base in bases])
    exchange.urls["api"]["public"] = f"http://127.0.0.1:{port}/api/v3"
    exchange.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{port}/stream"
    return exchange


def _market(base: str) -> dict[str, Any]:
    names = {"id": f"{base}USDT", "lowercaseId": f"{base}usdt".lower(), "symbol": f"{base}/USDT"}
    kind = {"type": "spot", "spot": True, "contract": False, "active": True}
    return {**names, **kind, "base": base, "quote": "USDT", "baseId": base, "quoteId": "USDT"}


async def _updates(exchange: Any, symbol: str, depth: int) -> AsyncIterator[Any]:
    while True:
        yield await exchange.watch_order_book(symbol, depth)


async def _theirs(exchange: Any, symbol: str, depth: int) -> None:
    """What a program of ccxt does that has nothing to do with the book."""
    async for _ in _updates(exchange, symbol, depth):
        pass


class _Ours:
    """All that the exporter does with books that ccxt has updated, until they are columns on its page."""

    def __init__(self) -> None:
        self._page = Page(Catalogue(order_book.FAMILIES))
        symbols = [f"A{n}/USDT" for n in range(BOOKS)]
        self._targets = {name: Target(f"binance/{name}", {"venue": "binance", "symbol": name}) for name in symbols}
        self._readings: dict[Target, Any] = {}
        self._shelf: dict[object, Any] = {}

    async def follow(self, exchange: Any, symbol: str, depth: int) -> None:
        target = self._targets[symbol]
        feed = BookFeed(target.labels, SIZES, lambda: 0.998)
        async with aclosing(coalesced(_updates(exchange, symbol, depth), feed.saw)) as books:
            async for raw in books:
                self._readings[target] = feed.reading(raw, Contract(), followed=True)

    async def publish(self) -> None:
        while True:
            readings = Readings(tuple(self._targets.values()), self._readings, self._shelf)
            self._page.put("books", order_book.columns(readings))
            await asyncio.sleep(PUBLISH_INTERVAL)

    def proven(self) -> None:
        """It did the work that was measured."""
        assert len(self._readings) == BOOKS
        assert self._page.render().count(b"\nexchange_depth_usd{") == BOOKS * 10


@asynccontextmanager
async def _following(port: int, depth: int, ours: _Ours | None) -> AsyncIterator[Any]:
    """An exchange whose books are followed; an error of a follower is raised here."""
    exchange = _exchange(port)
    follow = _theirs if ours is None else ours.follow
    try:
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(follow(exchange, symbol, depth)) for symbol in exchange.symbols]
            if ours is not None:
                following.append(tasks.create_task(ours.publish()))
            async with asyncio.timeout(60):
                await _all_there(exchange)
            yield exchange
            for task in following:
                task.cancel()
    finally:
        await exchange.close()


async def _all_there(exchange: Any) -> None:
    while sum(bool(book["nonce"]) for book in exchange.orderbooks.values()) < BOOKS:  # noqa: ASYNC110 - ccxt has no event
        await asyncio.sleep(0.1)
    await asyncio.sleep(2 * PUBLISH_INTERVAL)


async def _cpu(port: int, depth: int, ours: _Ours | None = None) -> tuple[float, float]:
    """CPU seconds per message, and messages per second, when all books are there."""
    async with _following(port, depth, ours) as exchange:
        handled, spent, began = _handled(exchange), time.process_time(), time.perf_counter()
        await asyncio.sleep(SECONDS)
        messages = _handled(exchange) - handled
        found = (time.process_time() - spent) / messages, messages / (time.perf_counter() - began)
    if ours is not None:
        ours.proven()
    return found


def _handled(exchange: Any) -> int:
    """A venue numbers its messages one by one."""
    return sum(book["nonce"] for book in exchange.orderbooks.values())


async def _handling() -> float:
    """CPU seconds that ccxt takes to parse a message and bring it into the book, without socket and waiting."""
    exchange, symbol, chance = _exchange(), "A0/USDT", random.Random(9)
    client, book = exchange.client("ws://127.0.0.1/stream/0"), exchange.order_book({}, LEVELS)
    exchange.orderbooks[symbol] = book
    book.reset({**exchange.parse_order_book(snapshot(chance), symbol), "nonce": 0})
    messages = [head("A0USDT", number) + diff(chance) for number in range(1, 2001)]
    spent = time.process_time()
    for message in messages:
        client.handle_text_or_binary_message(message)
    spent = time.process_time() - spent
    assert book["nonce"] == len(messages)
    await exchange.close()
    return spent / len(messages)


@dataclass(frozen=True, slots=True)
class _Found:
    """Medians over the rounds: ours by theirs, theirs in seconds of CPU per message, and messages per second."""

    ratio: float
    theirs: float
    rate: float


async def _compare(port: int, depth: int) -> _Found:
    ours, theirs, rounds = _Ours(), [], []
    for _ in range(ROUNDS):
        alone, _ = await _cpu(port, depth)
        both, rate = await _cpu(port, depth, ours)
        rounds.append(((both - alone) / alone, rate))
        theirs.append(alone)
    ratio, rate = (statistics.median(column) for column in zip(*rounds, strict=True))
    return _Found(ratio, statistics.median(theirs), rate)


def run() -> Result:
    """The CPU that is ours by that of ccxt: its socket, its waiting and its handling of the message together."""
    settle()
    with venue() as port:
        found = {depth: asyncio.run(_compare(port, depth)) for depth in DEPTHS}
    handling = statistics.median([asyncio.run(_handling()) for _ in range(ROUNDS)])
    told = (
        f"with {depth} levels a side a message takes ccxt {each.theirs * 1e6:.0f} µs and us "
        f"{each.ratio * each.theirs * 1e6:.0f} more, at {each.rate:,.0f} messages a second"
        for depth, each in found.items()
    )
    note = (
        f"{'; '.join(told)}. Of what ccxt takes, {handling * 1e6:.0f} µs are the message alone, without socket and waiting. "
        f"There are {PUBLISH_INTERVAL / PERIOD:.2g} messages to a publish interval of {PUBLISH_INTERVAL * 1000:.0f} ms, in which "
        "a book is looked at once at most. The levels of 200 books are in no cache of the processor: fetching them is most of it."
    )
    parts = tuple(Part(f"{depth} levels:", each.ratio, 0.5, at_least=False) for depth, each in found.items())
    return Result(
        9, f"CPU from a WebSocket depth message to columns, {BOOKS} books, our part on top of ccxt's", parts, note
    )
