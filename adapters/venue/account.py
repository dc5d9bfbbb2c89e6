"""An account at a venue: whom it is asked for, and where at the exchange it trades."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
