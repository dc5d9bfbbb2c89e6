"""Market quality: what a book, or a ticker, says of how well one can trade. Pure functions; docs/market-quality.md defines them.

Prices are in quote per base, depth in quote or dollars, ratios are plain (0.0001 is a basis point). None is absent: unknown
is never zero. With books that `Book.of` has let in, nothing here is NaN or infinite.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul, neg
from typing import Any

from exporters.exchange.books import Book, Side, number
from occ.errors import Reason, SourceError

BANDS = (0.0010, 0.0025, 0.0050, 0.0100, 0.0200)
"""Distances from mid within which depth is told, as ratios."""

_EDGE = 1e-12
"""A level on the very edge of a band is inside it, whatever rounding says."""


# --- of the best prices ----------------------------------------------------------------------------------------------


def crossed(bid: float | None, ask: float | None) -> bool | None:
    """Whether bid >= ask: somebody would buy for what another sells for, so the book is wrong. None without both."""
    return None if bid is None or ask is None else bid >= ask


def mid_price(bid: float | None, ask: float | None) -> float | None:
    """(bid + ask) / 2, in quote per base. None without both."""
    return None if bid is None or ask is None else (bid + ask) / 2


def spread_ratio(bid: float | None, ask: float | None) -> float | None:
    """(ask - bid) / mid; negative while crossed. None without both. After Coin Metrics: the share of the mid price."""
    return None if bid is None or ask is None else 2 * (ask - bid) / (ask + bid)


def microprice(bid: float, bid_amount: float, ask: float, ask_amount: float) -> float:
    """(bid x ask_amount + ask x bid_amount) / (bid_amount + ask_amount), in quote per base: the best prices, each with the
    weight of the amount on the other side. After Gatheral and Oomen (2009).
    """
    weight = bid_amount / (bid_amount + ask_amount)
    return bid + (ask - bid) * weight


def dollars(quote: float | None, usd_per_quote: float | None) -> float | None:
    """An amount of the quote asset in dollars. None without the amount or what a unit of it is worth."""
    return None if quote is None or usd_per_quote is None else quote * usd_per_quote


# --- of a whole book -------------------------------------------------------------------------------------------------


class Ladder:
    """One side of a book with the value of its levels added up, which is the one pass over them."""

    __slots__ = ("_keys", "_sign", "_values", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self._sign = 1 if side.rising else -1
        self._keys = None if side.rising else neg
        # values[n]: what the n best levels are worth, in quote
        self._values: tuple[float, ...] = tuple(accumulate(map(mul, side.prices, side.amounts), initial=0.0))

    def within(self, mid: float, distance: float) -> int:
        """How many levels are not further from mid than the distance, a ratio."""
        edge = self._sign * mid * (1 + self._sign * distance)
        found: int = bisect_right(self.side.prices, edge + abs(edge) * _EDGE, key=self._keys)
        return found

    def depth(self, mid: float, distance: float) -> float:
        """Sum of price x amount over the levels within the distance from mid, in quote."""
        return self._values[self.within(mid, distance)]

    def complete(self, mid: float, distance: float) -> bool:
        """Whether the depth is all there is: the book goes on beyond the distance, or the venue has no more of it.

        If not, the levels that we hold end inside, and the depth is a lower bound.
        """
        return self.side.whole or self.within(mid, distance) < len(self.side.prices)

    def reach(self, mid: float) -> float:
        """The distance from mid, as a ratio, up to which all levels are known; infinite where the side is whole."""
        return float("inf") if self.side.whole else abs(self.side.prices[-1] - mid) / mid

    def too_thin(self, value: float) -> bool:
        """Whether all levels that we hold are together worth less than the value, in quote."""
        return self._values[-1] < value

    def fill_price(self, value: float) -> float | None:
        """Average price at which a market order worth `value`, in quote, trades: value / base amount. None if too thin."""
        needed = bisect_left(self._values, value)
        if needed == len(self._values):
            return None
        last = needed - 1
        amount = sum(self.side.amounts[:last]) + (value - self._values[last]) / self.side.prices[last]
        return value / amount

    def slippage(self, mid: float, value: float) -> float | None:
        """How much worse than mid a market order worth `value`, in quote, trades, as a ratio of mid; positive is cost.

        price / mid - 1 where it buys (asks), 1 - price / mid where it sells (bids). None if too thin.
        """
        price = self.fill_price(value)
        return None if price is None else self._sign * (price - mid) / mid


def imbalance_ratio(bids: Ladder, asks: Ladder, mid: float, distance: float) -> float | None:
    """(B - A) / (B + A) of the depths of bids and asks, -1 to 1; positive where more is bid.

    Over the distance from mid, or over the shorter one up to which both sides are known: so that a side of which we hold
    less does not look lighter. None where neither side has anything there.
    """
    common = min(distance, bids.reach(mid), asks.reach(mid))
    bid, ask = bids.depth(mid, common), asks.depth(mid, common)
    return (bid - ask) / (bid + ask) if bid + ask else None


@dataclass(frozen=True, slots=True)
class Liquidity:
    """What one side offers. Bids are what an order to sell meets, asks what an order to buy meets.

    `depth_quote`, `depth_usd` and `complete` have a value per band, `slippage_ratio` and `too_thin` one per size.
    """

    depth_quote: Sequence[float | None]
    depth_usd: Sequence[float | None]
    complete: Sequence[bool | None]
    slippage_ratio: Sequence[float | None]
    too_thin: Sequence[bool | None]


@dataclass(frozen=True, slots=True)
class Quality:
    """What a book says. `bid` and `ask` are the best prices; of a crossed book nothing is told beyond the spread."""

    bid: float | None
    ask: float | None
    mid: float | None
    spread_ratio: float | None
    crossed: bool | None
    microprice: float | None
    imbalance_ratio: float | None
    bids: Liquidity
    asks: Liquidity


def quality(
    book: Book, sizes_usd: Sequence[float], usd_per_quote: float | None, bands: Sequence[float] = BANDS
) -> Quality:
    """All of it. `usd_per_quote` is what one unit of the quote asset is worth in dollars; while that is None, everything
    that is in dollars, or of a size in dollars, is absent. SourceError (`bad_response`) where it is no positive number.

    A crossed book is wrong, and nobody knows which side of it: its depth, slippage, thinness, imbalance and microprice are
    absent. A book without one side has no mid, and what is measured from mid is absent; its missing side is too thin.
    """
    if usd_per_quote is not None and number(usd_per_quote) is None:
        raise SourceError(Reason.BAD_RESPONSE, "the dollars per unit of quote are not a positive number")
    bid, ask = book.bids.best, book.asks.best
    mid, wrong = mid_price(bid, ask), crossed(bid, ask)
    known = None if wrong else mid
    values = [None if wrong or usd_per_quote is None else size / usd_per_quote for size in sizes_usd]
    bids, asks = Ladder(book.bids), Ladder(book.asks)
    return Quality(
        bid=bid,
        ask=ask,
        mid=mid,
        spread_ratio=spread_ratio(bid, ask),
        crossed=wrong,
        microprice=None if known is None else _microprice(book),
        imbalance_ratio=None if known is None else imbalance_ratio(bids, asks, known, bands[0]),
        bids=_liquidity(bids, known, bands, values, usd_per_quote),
        asks=_liquidity(asks, known, bands, values, usd_per_quote),
    )


def _microprice(book: Book) -> float:
    bids, asks = book.bids, book.asks
    return microprice(bids.prices[0], bids.amounts[0], asks.prices[0], asks.amounts[0])


def _liquidity(
    ladder: Ladder,
    mid: float | None,
    bands: Sequence[float],
    values: Sequence[float | None],
    usd_per_quote: float | None,
) -> Liquidity:
    absent = (None,) * len(bands)
    depth = absent if mid is None else [ladder.depth(mid, band) for band in bands]
    return Liquidity(
        depth_quote=depth,
        depth_usd=absent if usd_per_quote is None else [dollars(quote, usd_per_quote) for quote in depth],
        complete=absent if mid is None else [ladder.complete(mid, band) for band in bands],
        slippage_ratio=[None if mid is None or value is None else ladder.slippage(mid, value) for value in values],
        too_thin=[None if value is None else ladder.too_thin(value) for value in values],
    )


# --- over time: the caller tells the time, of a clock that never goes back ---------------------------------------------


class LastChange:
    """When the content of a book was last seen to differ from before."""

    def __init__(self) -> None:
        self._book: Book | None = None
        self._at = 0.0

    def saw(self, book: Book, at: float) -> float:
        """The time of the last change, `at` if this is one. So is the first sight: nobody knows how old the book is then."""
        if self._book is None or not book.same_levels(self._book):
            self._book, self._at = book, at
        return self._at


class CrossedTime:
    """For how long a book has been crossed: a state lasts until the next sight."""

    def __init__(self) -> None:
        self._crossed: bool | None = None
        self._at = 0.0

    def saw(self, crossed: bool | None, at: float) -> float:  # noqa: FBT001 - the value that `crossed` gives
        """Seconds to add: those since the last sight if the book was crossed then. None where it is unknown from now on."""
        seconds = max(at - self._at, 0.0) if self._crossed else 0.0
        self._crossed, self._at = crossed, at
        return seconds


class MidRange:
    """(high - low) / low of the mids of the last minute: what happened between two scrapes is seen.

    High and low are kept per step of the window, so that a thousand mids a second cost no memory; the window is up to a
    step longer than it says.
    """

    def __init__(self, window: float = 60.0, steps: int = 12) -> None:
        self._length = window / steps
        self._steps = steps
        self._extremes: dict[int, tuple[float, float]] = {}  # low and high, by step; the oldest first
        self._mid: float | None = None
        self._since = 0.0

    def saw(self, mid: float | None, at: float) -> None:
        """Takes note of a mid, which holds until the next. None: it is unknown from now on; what was seen still counts."""
        self._hold(at)
        if mid is not None:
            if not self._extremes:
                self._since = at
            self._note(mid, at)
        self._mid = mid

    def ratio(self, at: float) -> float | None:
        """The ratio as of now, never negative. None where no mid of the window is known, or the first only just now."""
        self._hold(at)
        if not self._extremes or at <= self._since:
            return None
        low = min(low for low, _ in self._extremes.values())
        high = max(high for _, high in self._extremes.values())
        return (high - low) / low

    def _hold(self, at: float) -> None:
        """The mid that was seen last held until now; what is older than the window is forgotten."""
        if self._mid is not None:
            self._note(self._mid, at)
        while self._extremes and (oldest := next(iter(self._extremes))) < int(at / self._length) - self._steps:
            del self._extremes[oldest]

    def _note(self, mid: float, at: float) -> None:
        step = int(at / self._length)
        low, high = self._extremes.get(step, (mid, mid))
        self._extremes[step] = min(low, mid), max(high, mid)


# --- of tickers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tickers:
    """What the tickers of many symbols say: a value per symbol in each column, in the order in which they were asked for."""

    bid: Sequence[float | None]
    ask: Sequence[float | None]
    volume_usd_24h: Sequence[float | None]


def tickers(
    told: Mapping[str, Mapping[str, Any]], symbols: Sequence[str], usd_per_quote: Sequence[float | None]
) -> Tickers:
    """What ccxt's tickers say of the symbols; `usd_per_quote` has a rate, or None, for each of them.

    Volume is `quoteVolume`, of the last 24 hours, in dollars. What a venue does not tell, or tells as nonsense (a price of 0,
    NaN), is absent: one bad ticker of two thousand is no reason to lose the others.
    """
    none: Mapping[str, Any] = {}
    found = [told.get(symbol, none) for symbol in symbols]
    volumes = [number(ticker.get("quoteVolume"), 0.0) for ticker in found]
    return Tickers(
        bid=[number(ticker.get("bid")) for ticker in found],
        ask=[number(ticker.get("ask")) for ticker in found],
        volume_usd_24h=list(map(dollars, volumes, usd_per_quote)),
    )
