"""What the tests of the venue server share."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp

from demo.until import until
from demo.venue.binance.venue import ACCOUNTS, VIEWER
from demo.venue.build import build
from demo.venue.flow import Habits
from demo.venue.server import Server

DEADLINE = 30.0
"""Seconds after which whatever is awaited here has failed."""

Client = Callable[..., Awaitable[Any]]

TRADER, READER = ({"apiKey": account.api_key, "secret": account.secret} for account in ACCOUNTS)


VIEWING = {"apiKey": VIEWER.api_key, "secret": VIEWER.secret}
"""The trader's account, seen with a key that only reads."""


def rewritten(urls: Any, base: str) -> Any:
    """Every `scheme://host/…` of a tree as `base/host/…`, a WebSocket where it was one."""
    if isinstance(urls, dict):
        return {name: rewritten(each, base) for name, each in urls.items()}
    scheme, found, rest = str(urls).partition("://")
    if not found:
        return urls
    return f"{base.replace('http', 'ws', 1) if scheme.startswith('ws') else base}/{rest}"


@contextlib.asynccontextmanager
async def opened(*kinds: str, rate: float = 10.0, symbols: int = 3, **others: Any) -> AsyncIterator[Server]:
    """A server with one venue of each kind, called like it."""
    habits = Habits(levels=200, rate=rate)
    venues = [build(kind, kind, time.time, seed=7, symbols=symbols, habits=habits, **others) for kind in kinds]
    async with Server(venues) as server:
        yield server


async def watched(watch: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool]) -> Any:
    """The first message of a stream that is `enough`."""
    async with asyncio.timeout(DEADLINE):
        while not enough(told := await watch()):
            pass
    return told


async def polled(ask: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool]) -> Any:
    """The first answer that is `enough`, asked for with pauses: the venue limits requests."""

    async def once() -> list[Any]:
        told = await ask()
        return [told] if enough(told) else []

    return (await until(once, DEADLINE))[0]


@contextlib.asynccontextmanager
async def connected(
    server: Server, path: str, venue: str = "binance"
) -> AsyncIterator[aiohttp.ClientWebSocketResponse[Any]]:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.base_url(venue) + path) as socket:
        yield socket


async def heard(socket: aiohttp.ClientWebSocketResponse[Any]) -> Any:
    return json.loads(await asyncio.wait_for(socket.receive_str(), DEADLINE))


async def asked(socket: aiohttp.ClientWebSocketResponse[Any], question: object) -> Any:
    """The answer, whatever comes in between."""
    await socket.send_str(question if isinstance(question, str) else json.dumps(question))
    while not {"result", "error"} & (told := await heard(socket)).keys():
        pass
    return told
