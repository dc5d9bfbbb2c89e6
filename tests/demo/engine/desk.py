"""An engine that trades on the venue server by the real classes of ccxt, and what the venue itself says of it."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import aiohttp

from adapters.venue import Credentials, Venue
from demo.engine.faults import Befalls, Fault, Trouble
from demo.engine.ledger import Ledger
from demo.engine.quoter import Place, trading
from demo.engine.server import Server as EngineServer
from demo.engine.state import Engine, Order
from demo.until import until
from demo.venue.build import build
from demo.venue.flow import Habits
from demo.venue.server import Server
from occ.config import Secret

DEADLINE = 60.0
CONTRACT = "BTC/USDT:USDT"
LINEAR = {"type": "swap", "subType": "linear"}


@asynccontextmanager
async def venues() -> AsyncIterator[Server]:
    """Two of Binance's kind, with books that are deep enough for a position."""
    habits = Habits(levels=50, rate=1.0, clip=300_000)
    made = [build("binance", name, time.time, seed=7, symbols=3, habits=habits) for name in ("binance", "bourse")]
    async with Server(made) as server:
        yield server


@dataclass
class Trader:
    """An engine with accounts on that server; `hand` trades for the first of them beside it."""

    engine: EngineServer
    server: Server
    hand: Venue
    told: int = 0

    async def tell(self, verb: str) -> None:
        self.told += 1
        self.engine.engine.take(Order(f"{verb}-{self.told}", self.told, verb, {"venue": "binance"}))

    def goes_wrong(self, fault: Fault) -> None:
        self.engine.faults.set(Trouble(fault, Befalls.ITSELF))

    def believes(self, base: str = "BTC") -> Decimal | None:
        return self.engine.ledger.position(base)

    async def truth(self, base: str = "BTC") -> Decimal:
        """What the venue says that the first account holds of it."""
        held = Decimal(str((await self.hand.call("fetch_balance", {"type": "spot"}))["total"].get(base, 0)))
        return held + await self.position()

    async def position(self) -> Decimal:
        """In the contract, by the venue."""
        told = await self.hand.call("fetch_positions", None, dict(LINEAR))
        sizes = (Decimal(str(each["contracts"])) * (1 if each["side"] == "long" else -1) for each in told)
        return sum(sizes, Decimal(0))

    async def page(self) -> Mapping[str, float]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.engine.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[:1] != "#"}

    async def comes_to_believe(self, base: str = "BTC") -> Decimal:
        """What it takes itself to hold, as soon as that is what the venue says."""

        async def right() -> list[Decimal]:
            there = await self.truth(base)
            return [there] if self.believes(base) == there else []

        (found,) = await until(right, DEADLINE)
        return found


@asynccontextmanager
async def trader(server: Server, *, trades: bool = True, holds: Decimal | None = None) -> AsyncIterator[Trader]:
    """With one account at `binance`."""
    (known, *_) = server.venues["binance"].exchange.accounts.values()
    markets = {"binance": ("BTC/USDT", CONTRACT)}
    place = Place("binance", "binance", server.base_url("binance"), trades, {CONTRACT: holds} if holds else {})
    keys = Credentials(api_key=Secret(known.api_key), secret=Secret(known.secret))
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        hand = Venue.open("binance", session=session, base_url=place.url, credentials=keys, spread=False)
        beside = await stack.enter_async_context(hand)
        engine = await stack.enter_async_context(EngineServer(Engine(markets), ledger=Ledger(["binance"])))
        await stack.enter_async_context(trading(engine, place, known.api_key, known.secret))
        yield Trader(engine, server, beside)
