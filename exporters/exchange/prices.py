"""What assets are worth in dollars just now; nothing, as soon as one of the prices that it takes is stale."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping

from exporters.exchange.config import PriceSource

DOLLAR = "USD"


class Prices:
    """The prices of all configured sources. `stale_after` is in seconds, `clock` one that never goes back."""

    def __init__(
        self,
        sources: Mapping[str, PriceSource],
        stale_after: Callable[[str], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._stale_after = stale_after
        self._clock = clock
        self._told: dict[str, tuple[float, float]] = {}
        self._awaited = {(source.venue, source.symbol) for source in sources.values()}
        self._all_asked = asyncio.Event()
        if not sources:
            self._all_asked.set()

    def asked(self, venue: str, symbol: str) -> None:
        """A source was asked, whether or not it told a price."""
        self._awaited.discard((venue, symbol))
        if not self._awaited:
            self._all_asked.set()

    async def first(self, within: float) -> None:
        """Returns when every source was asked once, or after so many seconds: what is read first shall have its dollars."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._all_asked.wait()

    def told(self, venue: str, symbol: str, price: float) -> None:
        """A source has told what one unit of its base is worth in its quote."""
        until = self._clock() + self._stale_after(venue)
        for asset, source in self._sources.items():
            if (source.venue, source.symbol) == (venue, symbol):
                self._told[asset] = price, until

    def usd(self, asset: str) -> float | None:
        """Dollars per unit of the asset; None where it has no price, or one that is needed for it is stale."""
        value = 1.0
        while asset != DOLLAR:
            price, until = self._told.get(asset, (0.0, -math.inf))
            if self._clock() >= until:
                return None
            value *= price
            asset = self._sources[asset].quote
        return value
