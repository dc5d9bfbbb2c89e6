"""The engine's orders on the venue server, by the real classes of ccxt."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from demo.engine.quoter import LEVELS, Place, quoting
from demo.engine.state import Engine, Order
from demo.until import until
from demo.venue.build import build
from demo.venue.faults import Fault, Scope
from demo.venue.flow import Habits
from demo.venue.server import Server

DEADLINE = 30.0
WHOLE = 2 * len(LEVELS) + 1


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    venue = build("binance", "bourse", time.time, seed=7, symbols=2, habits=Habits(levels=50, rate=1.0))
    async with Server([venue]) as made:
        yield made


async def open_orders(server: Server) -> int:
    """As the venue's page of switches shows them, without any key."""
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/venues") as response:
        return sum((await response.json())["venues"][0]["orders"]["trader"].values())


async def reaches(server: Server, count: int) -> None:
    async def there() -> list[int]:
        return [count] if await open_orders(server) == count else []

    await until(there, DEADLINE)


def told(engine: Engine, verb: str, fence: int) -> None:
    engine.take(Order(f"{verb}-{fence}", fence, verb, {"venue": "bourse"}))


async def test_it_has_orders_while_it_quotes_and_a_halt_leaves_them_standing(server: Server) -> None:
    engine = Engine({"bourse": ("BTC/USDT",)})
    (trader, *_) = server.venues["bourse"].exchange.accounts.values()
    place = Place("bourse", "binance", server.base_url("bourse"))
    async with quoting(engine, place, trader.api_key, trader.secret):
        await reaches(server, WHOLE)
        told(engine, "halt", 1)
        desk = server.venues["bourse"].exchange.segments["spot"].desk
        desk.cancel_all(desk.open_of("trader")[:2], 1)
        await reaches(server, WHOLE - 2)
        told(engine, "resume", 2)
        await reaches(server, WHOLE)


async def test_a_venue_that_is_away_ends_nothing(server: Server) -> None:
    engine = Engine({"bourse": ("BTC/USDT",)})
    (trader, *_) = server.venues["bourse"].exchange.accounts.values()
    exchange = server.venues["bourse"].exchange
    exchange.set(Fault.SERVER_ERROR, Scope())
    async with quoting(engine, Place("bourse", "binance", server.base_url("bourse")), trader.api_key, trader.secret):
        exchange.clear(Fault.SERVER_ERROR)
        await reaches(server, WHOLE)
