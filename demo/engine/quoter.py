"""The engine's orders at a venue: real ones, signed by the account that it trades for, and there while it quotes.

Where it is halted it places no more of them, and leaves standing what stands: to cancel them is another matter.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from adapters.venue import Credentials, Venue
from adapters.venue.orders import OPTIONS
from occ.config import Secret
from occ.errors import SourceError

from .state import Engine

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks."""

LEVELS = (0.005, 0.01, 0.015)
"""How far from the middle an order is on each side, as shares of the price: far enough to rest for a while."""

STOP = 0.8
"""Where what is held is sold if all goes wrong, as a share of the price."""

SIZE = 0.01
"""Of each order, in the base asset."""


@dataclass(frozen=True)
class Place:
    """A venue where it trades: what the desk calls it, the exchange that it is, and where."""

    name: str
    exchange: str
    url: str


class Quoter:
    """Keeps orders in these symbols of a venue, and a stop for what is held."""

    def __init__(self, engine: Engine, place: Place, symbols: tuple[str, ...], venue: Venue) -> None:
        self._engine, self._place, self._symbols, self._venue = engine, place, symbols, venue

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except SourceError as error:
                log.warning("%s: no orders: %s", self._place.name, error)
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Places what is missing, where it quotes."""
        for symbol in self._symbols if self._engine.quoting(self._place.name) else ():
            standing = await self._venue.call("fetch_open_orders", symbol)
            ticker = await self._venue.call("fetch_ticker", symbol)
            for order in _missing(symbol, standing, (ticker["bid"] + ticker["ask"]) / 2):
                if not self._engine.quoting(self._place.name):
                    return
                await self._venue.call("create_order", *order)


def _missing(symbol: str, standing: list[dict[str, Any]], middle: float) -> Iterator[tuple[Any, ...]]:
    """By their place in the row: how far from the middle an order was put is told by nothing else."""
    for side, sign in (("buy", -1), ("sell", 1)):
        there = sum(order["side"] == side and not order["triggerPrice"] for order in standing)
        for level in LEVELS[there:]:
            yield symbol, "limit", side, SIZE, middle * (1 + sign * level)
    if not any(order["triggerPrice"] for order in standing):
        yield symbol, "limit", "sell", SIZE, middle * STOP, {"stopLossPrice": middle * STOP}


@asynccontextmanager
async def quoting(engine: Engine, place: Place, key: str, secret: str) -> AsyncIterator[None]:
    """Its orders are kept at the venue until the end of the context."""
    keys = Credentials(api_key=Secret(key), secret=Secret(secret))
    async with (
        aiohttp.ClientSession() as session,
        Venue.open(
            place.exchange, session=session, base_url=place.url, credentials=keys, options=OPTIONS, spread=False
        ) as venue,
    ):
        task = asyncio.create_task(Quoter(engine, place, engine.markets[place.name], venue).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
