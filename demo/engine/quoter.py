"""The engine's orders at a venue: real ones, signed by the account that it trades for, and there while it quotes.

Where it is halted it places no more of them, and leaves standing what stands: to cancel them is another matter.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp

from adapters.venue import Credentials, Venue
from adapters.venue.orders import OPTIONS
from occ.config import Secret
from occ.errors import Reason, SourceError

from .account import LINEAR, SPOT, Account
from .faults import Fault
from .server import Server

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks."""

LEVELS = (0.005, 0.01, 0.015)
"""How far from the middle an order is on each side, as shares of the price: far enough to rest for a while."""

STOP = 0.8
"""Where what is held is sold if all goes wrong, as a share of the price."""

SIZE = 0.01
"""Of each order, in the base asset."""

LEAST = Decimal("0.001")
"""Of an order at the market, in the base asset."""

SWING, TURN = Decimal("0.01"), 10
"""By how much a position is kept larger and smaller in turn, in the base asset, and for how many seconds: so that there are fills."""

STRAYS = "SOL/USDT"
"""Which symbol nobody gave it."""

RUNS, FAR = 25, 0.9
"""How many orders it places in a look when it runs away, and where, as a share of the price."""

WALLET = Decimal(20_000)
"""What the account for contracts is brought to from spot, in the settlement asset, where it is too poor to take a position."""


@dataclass(frozen=True)
class Place:
    """A venue where it has an account: what the desk calls it, the exchange that it is, and where.

    `trades`: it has orders there; `holds` are positions that it keeps there, by contract, in the base asset.
    """

    name: str
    exchange: str
    url: str
    trades: bool = True
    holds: Mapping[str, Decimal] = field(default_factory=dict)


class Quote(NamedTuple):
    """An order that should stand; `at` is its price as a share of the middle."""

    side: str
    at: float
    stops: bool = False


class Quoter:
    """Keeps orders in the symbols of an account, a stop for what is held, and its positions."""

    def __init__(self, server: Server, place: Place, account: Account, now: Callable[[], float] = time.time) -> None:
        self._engine, self._figures = server.engine, server.figures
        self._place, self._account, self._venue, self._now = place, account, account.venue, now
        self._sent: float | None = None

    async def run(self) -> None:
        while True:
            if self._engine.faults.own is not Fault.SILENT:
                await self.look()
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Places what is missing, where it quotes; where it is to be flat, it only closes what it has."""
        for symbol in self._place.holds:
            if self._quotes or self._place.name in self._engine.flat:
                await self._tried(self._hold(symbol))
        if self._quotes:
            await self._tried(self._misbehave())
        for symbol in self._account.symbols:
            if self._quotes:
                await self._tried(self._quote(symbol))

    async def _tried(self, work: Awaitable[None]) -> None:
        """What one market refuses is no reason to leave the others alone."""
        try:
            await work
        except SourceError as error:
            log.warning("%s: no orders: %s", self._place.name, error)

    async def _quote(self, symbol: str) -> None:
        missing = list(_missing(symbol, await self._venue.call("fetch_open_orders", symbol)))
        middle = await self._middle(symbol) if missing else 0.0
        for quote in missing:
            if not self._quotes:
                return
            price = middle * quote.at
            await self._order(symbol, "limit", quote.side, SIZE, price, {"stopLossPrice": price} if quote.stops else {})

    @property
    def _quotes(self) -> bool:
        return self._engine.quoting(self._place.name)

    async def _middle(self, symbol: str) -> float:
        """Of the best bid and ask. Raises SourceError also where nobody bids or asks."""
        book = await self._venue.call("fetch_order_book", symbol, 5)
        if not book["bids"] or not book["asks"]:
            raise SourceError(Reason.BAD_RESPONSE, "nobody bids, or nobody asks")
        return float(book["bids"][0][0] + book["asks"][0][0]) / 2

    async def _order(self, *order: Any) -> None:
        """Sends it, and notes what becomes of it. Raises SourceError."""
        self._sent = None
        try:
            await self._venue.act(self._sending, "create_order", *order)
        except SourceError as error:
            if self._sent is not None:
                self._figures.failed(self._place.name, error.reason)
            raise
        if self._sent is not None:
            self._figures.accepted(self._place.name, time.perf_counter() - self._sent)

    async def _sending(self) -> None:
        self._sent = time.perf_counter()

    # --- positions ---------------------------------------------------------------------------------------------------

    async def _hold(self, symbol: str) -> None:
        """Buys or sells what its position lacks, at the market, in orders that are not too large."""
        if (held := self._account.held(symbol)) is None:
            return
        flat = self._place.name in self._engine.flat
        lacks = (-held if flat else self._target(symbol) - held).quantize(LEAST)
        amount = min(abs(lacks), await self._largest(symbol)) if lacks and not flat else abs(lacks)
        if not amount:
            return
        if not held:
            await self._fund()
        side, reduces = "buy" if lacks > 0 else "sell", {"reduceOnly": True}
        await self._order(symbol, "market", side, float(amount), None, reduces if flat else {})
        await self._account.catch_up()

    async def _largest(self, symbol: str) -> Decimal:
        """Of an order, in the base asset."""
        dollars = Decimal(self._engine.parameters["max_order_usd"].value)
        return (dollars / Decimal(await self._middle(symbol))).quantize(LEAST)

    def _target(self, symbol: str) -> Decimal:
        return self._place.holds[symbol] + SWING * (1 if int(self._now() / TURN) % 2 else -1)

    async def _fund(self) -> None:
        """As after a liquidation, which leaves next to nothing."""
        told = await self._venue.call("fetch_balance", dict(LINEAR))
        free = Decimal(str(told["USDT"]["total"]))
        if free < WALLET / 2:
            await self._venue.act(_at_once, "transfer", "USDT", float(WALLET - free), "spot", "linear")

    # --- what it should not do ---------------------------------------------------------------------------------------

    async def _misbehave(self) -> None:
        match self._engine.faults.own:
            case Fault.RUNAWAY:
                symbol = self._account.symbols[-1]
                price = await self._middle(symbol) * FAR
                for _ in itertools.repeat(None, RUNS):
                    if self._quotes:
                        await self._order(symbol, "limit", "buy", SIZE / 10, price)
            case Fault.STRAY:
                if not await self._venue.call("fetch_open_orders", STRAYS):
                    await self._order(STRAYS, "limit", "buy", 1, await self._middle(STRAYS) * FAR)
            case _:
                pass


async def _at_once() -> None:
    """Nothing stands in the way."""


def _missing(symbol: str, standing: list[dict[str, Any]]) -> Iterator[Quote]:
    """By their place in the row: how far from the middle an order was put is told by nothing else. Of a contract no stop: its
    orders that wait are in another list.
    """
    for side, sign in (("buy", -1), ("sell", 1)):
        there = sum(order["side"] == side and not order["triggerPrice"] for order in standing)
        for level in LEVELS[there:]:
            yield Quote(side, 1 + sign * level)
    if ":" not in symbol and not any(order["triggerPrice"] for order in standing):
        yield Quote("sell", STOP, stops=True)


@asynccontextmanager
async def trading(server: Server, place: Place, key: str, secret: str) -> AsyncIterator[None]:
    """Its account there is followed, and its orders are kept, until the end of the context."""
    keys = Credentials(api_key=Secret(key), secret=Secret(secret))
    async with (
        aiohttp.ClientSession() as session,
        Venue.open(
            place.exchange, session=session, base_url=place.url, credentials=keys, options=OPTIONS, spread=False
        ) as venue,
    ):
        account = Account(server.engine, server.ledger, place.name, venue)
        # A mistake of ours ends the engine, rather than leave it to trade in part.
        async with asyncio.TaskGroup() as group:
            streams = (SPOT, LINEAR) if account.contracts else (SPOT,)
            doing = [group.create_task(work) for work in (account.run(), *map(account.listen, streams))]
            if place.trades:
                doing.append(group.create_task(Quoter(server, place, account).run()))
            try:
                yield
            finally:
                for task in doing:
                    task.cancel()
