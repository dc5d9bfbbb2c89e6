"""One account of the engine at a venue: what it holds there, by what the venue said once and by its own fills since."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Any

from adapters.venue import Venue
from occ.errors import SourceError

from .faults import Fault
from .ledger import Amounts, Fill, Ledger, fill
from .state import Engine

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two questions for fills, where no stream says that there are some, and until a stream is opened again."""

MOST = 1000
"""Fills in one answer."""

SPOT: Mapping[str, Any] = {"type": "spot"}
LINEAR: Mapping[str, Any] = {"type": "swap", "subType": "linear"}
"""What ccxt is told to ask for."""


class Account:
    """Of `name`, with orders or without, in these symbols. Its fills are asked for by their ids, so that none is missed and none
    is booked twice; streams only tell when.
    """

    def __init__(self, engine: Engine, ledger: Ledger, name: str, venue: Venue) -> None:
        self._engine, self._ledger = engine, ledger
        self.name, self.symbols, self.venue = name, engine.markets[name], venue
        self._latest = dict[str, int]()
        self._turn, self._news = asyncio.Lock(), asyncio.Event()
        self._deaf = False

    @property
    def contracts(self) -> tuple[str, ...]:
        return tuple(symbol for symbol in self.symbols if ":" in symbol)

    def held(self, name: str) -> Decimal | None:
        """Of an asset, or of a contract; None while nobody knows."""
        return self._ledger.held(self.name, name)

    async def run(self) -> None:
        """Keeps the ledger for ever. What the venue does not tell is unknown until it does."""
        while True:
            try:
                await self.catch_up()
            except SourceError as error:
                log.warning("%s: position unknown: %s", self.name, error)
                self._ledger.forget(self.name)
                await asyncio.sleep(1)
            await self._wait()

    async def listen(self, market: Mapping[str, Any]) -> None:
        """To the venue's stream of what the account does in a kind of market, for ever: each fill is a reason to catch up."""
        while True:
            try:
                async with aclosing(self.venue.watch("watch_my_trades", None, None, None, dict(market))) as news:
                    async for _ in news:
                        self._news.set()
            except SourceError as error:
                log.warning("%s: no stream of fills: %s", self.name, error)
            await asyncio.sleep(EVERY)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(EVERY):
                await self._news.wait()
        except TimeoutError:
            return
        finally:
            self._news.clear()

    async def catch_up(self) -> None:
        """Books what was filled. While it is halted it believes the venue instead, and likewise after what it did not hear of.

        Raises SourceError.
        """
        async with self._turn:
            deaf = self._engine.faults.own is Fault.MISSED_FILLS
            afresh = self._deaf and not deaf
            self._deaf = deaf
            if afresh or not self._engine.quoting(self.name) or self.held(self.symbols[0]) is None:
                await self._open()
                return
            for symbol in self.symbols:
                for each in await self._fills(symbol):
                    self._latest[symbol] = each.id
                    if not (deaf and each.buys):
                        self._ledger.book(self.name, each)

    async def _open(self) -> None:
        """All that there is, asked for until nothing was filled meanwhile."""
        latest = await self._newest()
        while True:
            held = await self._asked()
            before, latest = latest, await self._newest()
            if before == latest:
                break
        self._latest = latest
        self._ledger.open(self.name, held)

    async def _asked(self) -> Amounts:
        told = await self.venue.call("fetch_balance", {"type": "spot"})
        held = {asset: Decimal(str(amount)) for asset, amount in told["total"].items()}
        for each in await self.venue.call("fetch_positions", None, dict(LINEAR)) if self.contracts else ():
            size = Decimal(str(each["contracts"])) * Decimal(str(each["contractSize"]))
            held[each["symbol"]] = size if each["side"] == "long" else -size
        return held

    async def _newest(self) -> dict[str, int]:
        """The id of the last fill in each symbol; 0 where there is none."""
        found = {}
        for symbol in self.symbols:
            told = await self.venue.call("fetch_my_trades", symbol, None, 1)
            found[symbol] = max((int(each["id"]) for each in told), default=0)
        return found

    async def _fills(self, symbol: str) -> list[Fill]:
        """Those that are not booked yet, in order."""
        known = await self.venue.check(symbol)
        told = await self.venue.call("fetch_my_trades", symbol, None, MOST, {"fromId": self._latest[symbol] + 1})
        found = sorted((fill(each, known) for each in told), key=lambda each: each.id)
        return [each for each in found if each.id > self._latest[symbol]]
