"""An account at a venue: whom it is asked for, and where at the exchange it trades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from occ.http import bad_response

from .venue import Venue

SPOT, LINEAR, INVERSE = "spot", "linear", "inverse"

MARKETS: Mapping[str, tuple[str, ...]] = {
    "binance": (SPOT, LINEAR, INVERSE),
    "binanceusdm": (LINEAR,),
    "binancecoinm": (INVERSE,),
    "bybit": (SPOT, LINEAR, INVERSE),
    "coinbase": (SPOT,),
    "deribit": (LINEAR, INVERSE),
    "kraken": (SPOT,),
    "okx": (SPOT, LINEAR, INVERSE),
}
"""By ccxt's id, what an account can trade there that is asked for: linear and inverse are contracts, which are settled in the
quote or the base asset.
"""

MOST_PAGES = 50
"""An answer of more has no end: an exchange tells hundreds in one."""


def one_page(_page: Any) -> Mapping[str, Any]:
    """For answers that are not cut into pages."""
    return {}


@dataclass(frozen=True)
class Keyed:
    """A venue that is called with an account's key. `markets` are those of the exchange where the account trades."""

    venue: Venue
    exchange: str
    markets: frozenset[str] = field(default=frozenset())

    @property
    def traded(self) -> tuple[str, ...]:
        """Where the account trades, all that is known of the exchange where the configuration does not say."""
        return tuple(each for each in MARKETS.get(self.exchange, ()) if each in (self.markets or (each,)))

    async def pages(
        self,
        behalf: str,
        method: str,
        params: Mapping[str, Any],
        after: Callable[[Any], Mapping[str, Any]] = one_page,
    ) -> list[Any]:
        """All pages that an endpoint of the exchange's own answers with, asked on `behalf` of a unified method of ccxt. `after` tells
        of a page by which parameters besides the next one is asked for; none when it is the last. Raises SourceError.
        """
        pages = [await self.venue.ask(behalf, method, params)]
        while more := after(pages[-1]):
            if len(pages) == MOST_PAGES:
                raise bad_response("an answer whose pages have no end")
            pages.append(await self.venue.ask(behalf, method, {**params, **more}))
        return pages
