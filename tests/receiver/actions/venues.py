"""An account at a venue server, by the keys of the receiver, and the desk's own client beside it, which places what is cancelled."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from adapters.venue import Credentials
from adapters.venue import Venue as Wire
from adapters.venue.orders import OPTIONS
from demo.venue.build import build
from demo.venue.engine import Order, Side
from demo.venue.faults import Fault, Scope
from demo.venue.flow import Habits
from demo.venue.market import Market
from demo.venue.server import Server
from demo.venue.wire import Dialect
from occ.config import Context, Secret
from receiver import config as written
from receiver.actions import Step, Surroundings
from receiver.trading import opened
from tests.receiver.actions.support import step

SPOT, SWAP, OTHER = "BTC/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT"


@dataclass
class Trading:
    """A venue at which the account `desk` trades."""

    venue: Dialect
    surroundings: Surroundings
    desk: Wire
    url: str

    def fails(self, fault: Fault, **scope: Any) -> None:
        self.venue.exchange.set(fault, Scope(**scope))

    def mend(self, fault: Fault) -> None:
        self.venue.exchange.clear(fault)

    async def place(self, symbol: str, kind: str, side: str, amount: Any, price: Any = None, **params: Any) -> str:
        """The id of an order that the desk has placed."""
        return str((await self.desk.call("create_order", symbol, kind, side, amount, price, params))["id"])

    def market(self, symbol: str) -> Market:
        return next(market for market in self.venue.exchange.markets() if market.name == symbol)

    @property
    def counted(self) -> dict[tuple[str, int], int]:
        """How often each order was cancelled, by its symbol and id, by the venue's own count."""
        desks = (each.desk for each in self.venue.exchange.segments.values())
        return {number: times for desk in desks for number, times in desk.cancelled.items()}

    @property
    def cancelled(self) -> dict[str, int]:
        """The same by id, where no two orders have it in common."""
        return {str(number): times for (_, number), times in self.counted.items()}

    def fill(self, symbol: str, lots: int, at: int) -> None:
        """Somebody sells so much, down to a price in the venue's units."""
        market = self.market(symbol)
        market.place(Order(next(market.ids), Side.SELL, at, lots), 1)


def cancelling(venue: str = "binance", **more: Any) -> Step:
    return step("cancel_orders", {"venue": "$venue", "account": "desk", **more}, venue=venue)


@asynccontextmanager
async def trading(
    kind: str = "binance", *, exchange: str = "", spoiled: bool = False, **more: Any
) -> AsyncIterator[Trading]:
    """A venue of this kind, and the receiver's account there, by ccxt's class `exchange` if that is another; `spoiled` has a
    secret that is not the key's.
    """
    venue = build(kind, kind, time.time, seed=7, symbols=2, habits=Habits(levels=50, rate=1.0))
    (trader, *_) = venue.exchange.accounts.values()
    environment = {"KEY": trader.api_key, "SECRET": "bm90IHRoZSBzZWNyZXQ=" if spoiled else trader.secret}
    async with Server([venue]) as server, aiohttp.ClientSession() as session:
        config = written.Venue.model_validate(
            {
                "exchange": exchange or kind,
                "base_url": server.base_url(kind),
                "accounts": {"desk": {"api_key": {"env": "KEY"}, "secret": {"env": "SECRET"}, **more}},
            },
            context=Context(Path(), environment),
        )
        keys = Credentials(api_key=Secret(trader.api_key), secret=Secret(trader.secret))
        async with (
            opened({kind: config}, session) as venues,
            Wire.open(
                kind, session=session, base_url=server.base_url(kind), credentials=keys, options=OPTIONS, spread=False
            ) as desk,
        ):
            yield Trading(venue, Surroundings(venues=venues), desk, server.base_url(kind))
