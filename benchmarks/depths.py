"""A venue in a process of its own that does nothing but what ccxt's Binance class needs to follow many books.

Every symbol has the same prices, and a diff of its depth every 100 ms, as Binance's spot market sends them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from aiohttp import WSMsgType, web

from demo.processes import free_ports

LEVELS = 500
"""Levels of a side; they reach some 2.5 % from mid, so that every band ends within."""

CHANGES = 20
"""Levels of both sides that a diff changes, mostly near the best."""

PERIOD = 0.1

_PRICES = {"bids": [60_000 - 3 * n for n in range(LEVELS)], "asks": [60_001 + 3 * n for n in range(LEVELS)]}


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


async def _depth(request: web.Request) -> web.Response:
    return web.json_response({"lastUpdateId": 0, **snapshot(random.Random(), int(request.query["limit"]))})


async def _stream(request: web.Request) -> web.WebSocketResponse:
    """Sends diffs of what is subscribed, each stream numbered from 1 on: the snapshot is number 0."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    sending: list[asyncio.Task[None]] = []
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            asked = json.loads(message.data)
            await socket.send_str(json.dumps({"result": None, "id": asked["id"]}))
            symbols = [name.partition("@")[0].upper() for name in asked["params"]]
            sending += [asyncio.create_task(_send(socket, symbol)) for symbol in symbols]
    for task in sending:
        task.cancel()
    return socket


async def _send(socket: web.WebSocketResponse, symbol: str) -> None:
    chance = random.Random(symbol)
    changes = [diff(chance) for _ in range(50)]
    loop = asyncio.get_running_loop()
    due = loop.time() + chance.uniform(0, PERIOD)
    for number in itertools.count(1):
        await asyncio.sleep(due - loop.time())
        due += PERIOD
        await socket.send_str(head(symbol, number) + changes[number % len(changes)])


def _serve(told: Connection) -> None:
    (port,) = free_ports(1)
    app = web.Application()
    app.router.add_get("/api/v3/depth", _depth)
    app.router.add_get("/stream/{number}", _stream)
    told.send(port)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


@contextmanager
def venue() -> Iterator[int]:
    """The port of the venue."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there,), daemon=True)
    server.start()
    try:
        yield here.recv()
    finally:
        server.terminate()
        server.join()
