"""What the checks of a venue give. None is: the venue does not say. Prices are in quote per base, instants in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporters.exchange.quality import Quality, Tickers
from occ.page import Labels


@dataclass(frozen=True, slots=True)
class Totals:
    """What was counted of a target since an instant: amounts by what they are of. Events are the differences of two."""

    labels: Labels
    since: float
    amounts: Mapping[str, float] = field(default_factory=dict)

    def beyond(self, before: Totals | None) -> Mapping[str, float]:
        """What came since `before`; all of it where that is of another count."""
        then = before.amounts if before is not None and before.since == self.since else {}
        return {name: amount - then.get(name, 0.0) for name, amount in self.amounts.items()}


@dataclass(frozen=True, slots=True)
class BookReading:
    """A book as it was last seen.

    `timestamp` is the venue's own, `received_at` when it came here, `changed_at` when it was last seen to differ from before.
    `moves` are the last instants at which its mid was seen to differ. `totals` counts for how long it was crossed.
    """

    quality: Quality
    received_at: float
    changed_at: float
    totals: Totals
    sizes_usd: tuple[int, ...] = ()
    moves: tuple[float, ...] = ()
    timestamp: float | None = None
    mid_range_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class TradesReading:
    """Trades of a symbol: the instant of the last one by the venue's own time, and when the last ones came.

    `prints` are instants at which it was known here that there had been trades since the one before: they are never too
    early. `totals` counts by `COUNT` and `VOLUME` with the side of the taker.
    """

    totals: Totals
    last_at: float | None = None
    prints: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class TickersReading:
    """The tickers of these symbols."""

    symbols: tuple[str, ...]
    tickers: Tickers


@dataclass(frozen=True, slots=True)
class PriceReading:
    """What one unit of an asset is worth in the asset that it is quoted in."""

    price: float


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The venue's clock minus ours, in seconds, and by how much that may be wrong either way."""

    skew: float
    uncertainty: float


KINDS = ("spot", "margin", "swap", "future", "option", "other")


@dataclass(frozen=True, slots=True)
class MarketReading:
    """A symbol's specification. `kind` is one of KINDS; `spec` is what an order must keep to: ticks, lots, minima."""

    labels: Labels
    base: str
    quote: str
    kind: str
    settle: str = ""
    expiry: str = ""
    strike: str = ""
    active: bool | None = None
    spec: tuple[float | None, ...] = ()
    delist_at: float | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a currency can be deposited and withdrawn over a network."""

    deposit: bool | None
    withdraw: bool | None


Gates = Mapping[tuple[str, str], Gate]
"""By currency and network."""


SIDES = ("buy", "sell")


@dataclass(frozen=True, slots=True)
class OrdersReading:
    """Open orders of an account in these symbols, by symbol and side; when the oldest was placed, where there is one."""

    symbols: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]
    oldest_at: float | None = None


HELD_KINDS = ("free", "used", "total")


@dataclass(frozen=True, slots=True)
class BalancesReading:
    """What an account holds, by asset and kind (HELD_KINDS), in units of the asset; what all of it is worth."""

    amounts: Mapping[tuple[str, str], float | None]
    equity_usd: float | None


HOLDINGS = ("long", "short")


@dataclass(frozen=True, slots=True)
class SymbolPosition:
    """What is held in a symbol: base amounts of both sides, dollars over both, and the worse side of the rest."""

    base: Mapping[str, float]
    notional_usd: float | None = 0.0
    profit_usd: float | None = 0.0
    liquidation_price: float | None = None
    liquidation_distance: float | None = None
    adl_rank: int | None = None


@dataclass(frozen=True, slots=True)
class PositionsReading:
    """Positions of an account by configured symbol, and dollars in all others; None where that is not known, or where it can have no
    positions.

    `deltas` is by asset what all of them are beside the balances; None where that is not known.
    """

    symbols: Mapping[str, SymbolPosition]
    deltas: Mapping[str, float | None]
    unlisted_usd: float | None


@dataclass(frozen=True, slots=True)
class ConnectionReading:
    """How the requests to a venue fare. `used` is the share of the rate limit by window, as the venue says.

    `ban_until` is absent where there is no ban; `followed` whether at least one stream is, None where there is none;
    `supported` tells of checks whether the venue offers what they need.
    """

    used: Mapping[str, float] = field(default_factory=dict)
    ban_until: float | None = None
    followed: bool | None = None
    supported: Mapping[str, bool] = field(default_factory=dict)
