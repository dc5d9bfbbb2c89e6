"""A venue in a process of its own that does nothing but what ccxt's Binance class needs to follow many books.

Every symbol has the same prices, and a diff of its depth every 100 ms, as Binance's spot market sends them. Who follows is one
of several, named by the first part of the path; diffs are sent to the one that is being measured.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from demo.processes import free_ports

LEVELS = 500
"""Levels of a side; they reach some 2.5 % from mid, so that every band ends within."""

CHANGES = 20
"""Levels of both sides that a diff changes, mostly near the best."""

PERIOD = 0.1
HOST = "stream.binance.com:9443"

_PRICES = {"bids": [60_000 - 3 * n for n in range(LEVELS)], "asks": [60_001 + 3 * n for n in range(LEVELS)]}


# --- what is said ----------------------------------------------------------------------------------------------------


def symbols(count: int) -> list[str]:
    """As ccxt names them. They are quoted in dollars, so that values in dollars need no price."""
    return [f"A{n}/USD" for n in range(count)]


def _market(symbol: str) -> dict[str, Any]:
    base, _, quote = symbol.partition("/")
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00000001", "maxQty": "9000", "stepSize": "0.00000001"},
    ]
    kind = {"isSpotTradingAllowed": True, "permissions": [], "permissionSets": [["SPOT"]], "filters": filters}
    return {"symbol": base + quote, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, **kind}


def _level(price: int, amount: float) -> list[str]:
    return [f"{price}.00000000", f"{amount:.8f}"]


def snapshot(chance: random.Random, limit: int = LEVELS) -> dict[str, list[list[str]]]:
    """A book of so many levels, as `/api/v3/depth` gives it."""
    return {
        side: [_level(price, chance.uniform(0.001, 2)) for price in prices[:limit]] for side, prices in _PRICES.items()
    }


def diff(chance: random.Random) -> str:
    """The changes of a diff, without its head. One in ten takes a level away, which a later one brings back."""

    def side(prices: list[int]) -> list[list[str]]:
        places = [min(int(chance.expovariate(0.01)), LEVELS - 1) for _ in range(CHANGES // 2)]
        gone = [place > 0 and chance.random() < 0.1 for place in places]  # noqa: PLR2004 - one in ten
        return [
            _level(prices[place], 0 if away else chance.uniform(0.001, 2))
            for place, away in zip(places, gone, strict=True)
        ]

    return json.dumps({"b": side(_PRICES["bids"]), "a": side(_PRICES["asks"])}, separators=(",", ":"))[1:]


def head(symbol: str, number: int) -> str:
    """What stands before the changes of a diff."""
    return f'{{"e":"depthUpdate","E":{time.time_ns() // 1_000_000},"s":"{symbol}","U":{number},"u":{number},'


# --- the venue -------------------------------------------------------------------------------------------------------


@dataclass
class _Venue:
    """What was given to whom, and who is told of changes."""

    books: int
    told: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    sent: Counter[str] = field(default_factory=Counter)
    snapshots: Counter[str] = field(default_factory=Counter)

    async def info(self, _request: web.Request) -> web.Response:
        return web.json_response({"symbols": [_market(symbol) for symbol in symbols(self.books)]})

    async def nothing(self, _request: web.Request) -> web.Response:
        return web.json_response({"symbols": []})

    async def depth(self, request: web.Request) -> web.Response:
        self.snapshots[request.match_info["who"]] += 1
        return web.json_response({"lastUpdateId": 0, **snapshot(random.Random(), int(request.query["limit"]))})

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        """Sends diffs of what is subscribed, each stream numbered from 1 on: the snapshot is number 0."""
        who, sending = request.match_info["who"], list[asyncio.Task[None]]()
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                await socket.send_str(json.dumps({"result": None, "id": asked["id"]}))
                names = [name.partition("@")[0].upper() for name in asked["params"]]
                sending += [asyncio.create_task(self._send(socket, who, symbol)) for symbol in names]
        for task in sending:
            task.cancel()
        return socket

    async def _send(self, socket: web.WebSocketResponse, who: str, symbol: str) -> None:
        chance = random.Random(symbol)
        changes = [diff(chance) for _ in range(50)]
        loop = asyncio.get_running_loop()
        due = loop.time() + chance.uniform(0, PERIOD)
        for number in itertools.count(1):
            await asyncio.sleep(due - loop.time())
            if not self.told[who].is_set():
                await self.told[who].wait()
                due = loop.time() + chance.uniform(0, PERIOD)
                await asyncio.sleep(due - loop.time())
            due += PERIOD
            await socket.send_str(head(symbol, number) + changes[number % len(changes)])
            self.sent[who] += 1

    async def tell(self, request: web.Request) -> web.Response:
        """From now on changes are for these alone."""
        for event in self.told.values():
            event.clear()
        for who in request.query.getall("who"):
            self.told[who].set()
        return web.json_response({})

    async def counts(self, _request: web.Request) -> web.Response:
        return web.json_response({"sent": self.sent, "snapshots": self.snapshots})


def _serve(channel: Connection, books: int) -> None:
    (port,) = free_ports(1)
    made, app = _Venue(books), web.Application()
    app.router.add_get("/counts", made.counts)
    app.router.add_put("/tell", made.tell)
    app.router.add_get("/{who}/{host}/api/v3/exchangeInfo", made.info)
    app.router.add_get("/{who}/{host}/api/v3/depth", made.depth)
    app.router.add_get("/{who}/{host}/ws/{number}", made.stream)
    app.router.add_get("/{who}/{host}/{kind}/v1/exchangeInfo", made.nothing)
    channel.send(port)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


@dataclass(frozen=True, slots=True)
class Venue:
    """The venue from without."""

    port: int

    def base_url(self, who: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/{who}"

    async def tell(self, *who: str) -> None:
        """Changes are for these alone from now on."""
        async with aiohttp.ClientSession() as session:
            await session.put(f"http://127.0.0.1:{self.port}/tell", params=[("who", each) for each in (*who, "")])

    async def count(self, what: str, who: str) -> int:
        """How many messages were `sent`, or `snapshots` given, to one."""
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}/counts") as answer:
            found: int = (await answer.json())[what].get(who, 0)
        return found


_OTHERS = ("clock", "currencies", "markets", "status", "tickers", "trades")


def config(base_url: str, books: int, depth: int) -> str:
    """exchange.yml with so many books and nothing else. It takes a while to take them all at the pace of the venue's limit."""
    off = ", ".join(f"{check}: off" for check in _OTHERS)
    return (
        "defaults: {silence: 300s}\nvenues:\n  - name: binance\n    exchange: binance\n    rate_limit_share: 1\n"
        f"    base_url: {base_url}\n    symbols: {{books: [{', '.join(symbols(books))}]}}\n"
        f"    checks: {{{off}, order_book: {{depth: {depth}}}}}\n"
    )


@contextmanager
def venue(books: int) -> Iterator[Venue]:
    """A venue with so many books."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there, books), daemon=True)
    server.start()
    try:
        yield Venue(here.recv())
    finally:
        server.terminate()
        server.join()
