"""What is remembered of a symbol's book and trades from one look to the next, and the readings made of it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporters.exchange.books import Book, number
from exporters.exchange.quality import CrossedTime, LastChange, MidRange, crossed, mid_price, quality
from exporters.exchange.reading import BookReading, Totals, TradesReading
from occ.errors import Reason, SourceError
from occ.page import Labels

CROSSED = "crossed_seconds"
COUNT, VOLUME = "count", "volume_usd"
SIDES = ("buy", "sell")

REMEMBERED = 32
"""Instants of moves and prints that are kept."""

APART_SECONDS = 0.25
"""Prints that come closer together are one: so however many there are, those of the last eight seconds are kept."""

IDS = 1_500
"""Trades that are known again when a venue tells them twice; none tells more at once."""

Dollars = Callable[[], float | None]
"""Dollars per unit of the quote asset just now; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Contract:
    """In what a venue tells amounts: contracts of `size`, in base, or in quote where they are `inverse`; 1 on spot markets."""

    size: float = 1.0
    inverse: bool = False


class BookFeed:
    """One symbol's book. `sizes_usd` are what its slippage is told for."""

    def __init__(
        self, labels: Labels, sizes_usd: tuple[int, ...], dollars: Dollars, clock: Callable[[], float] = time.time
    ) -> None:
        self._labels = labels
        self._sizes = sizes_usd
        self._dollars = dollars
        self._clock = clock
        self._since = clock()
        self._crossed_seconds = 0.0
        self._change, self._crossed, self._range = LastChange(), CrossedTime(), MidRange()
        self._mid: float | None = None
        self._moves: deque[float] = deque(maxlen=REMEMBERED)
        self._received = self._since
        self._followed = False

    def saw(self, raw: Any) -> None:
        """Takes note of every update of the book, of which most are never shown: so it is quick."""
        bid, ask = _best(raw, "bids"), _best(raw, "asks")
        wrong, now = crossed(bid, ask), asyncio.get_running_loop().time()
        self._received = self._clock()
        self._crossed_seconds += self._crossed.saw(wrong, now)
        self._range.saw(None if wrong else mid_price(bid, ask), now)

    def taken(self) -> bool:
        """The whole book has come from a stream; whether not for the first time."""
        before, self._followed = self._followed, True
        return before

    def lost(self) -> None:
        """It is not known what the book does from now on."""
        now = asyncio.get_running_loop().time()
        self._crossed_seconds += self._crossed.saw(None, now)
        self._range.saw(None, now)

    def reading(self, raw: Any, contract: Contract, limit: int | None = None) -> BookReading:
        """The book as it was seen last; `limit` levels a side were asked for, where it was asked for.

        Raises bad_response where what the venue gave is no book.
        """
        if not isinstance(raw, Mapping) or "bids" not in raw or "asks" not in raw:
            raise SourceError(Reason.BAD_RESPONSE, "no book")
        bids, asks = raw["bids"], raw["asks"]
        given = None if limit is None else _given(limit, bids, asks)
        book = Book.of(bids, asks, limit=given, contract_size=contract.size, inverse=contract.inverse)
        told = quality(book, self._sizes, self._dollars())
        if told.mid != self._mid:
            self._mid = told.mid
            self._moves.append(self._received)
        return BookReading(
            quality=told,
            received_at=self._received,
            changed_at=self._change.saw(book, self._received),
            totals=Totals(self._labels, self._since, {CROSSED: self._crossed_seconds}),
            sizes_usd=self._sizes,
            moves=tuple(self._moves),
            timestamp=instant(raw.get("timestamp")),
            mid_range_ratio=self._range.ratio(asyncio.get_running_loop().time()),
        )


def _given(limit: int, bids: Any, asks: Any) -> int:
    """Up to how many levels the venue has told all that it has: some give fewer than asked for, as the longer side shows."""
    try:
        return min(limit, max(len(bids), len(asks)))
    except TypeError:
        return limit


def _best(raw: Any, side: str) -> float | None:
    try:
        return number(raw[side][0][0])
    except (TypeError, LookupError):
        return None


class TradesFeed:
    """One symbol's trades. Those that the venue tells first were there before, and are not counted."""

    def __init__(self, labels: Labels, dollars: Dollars, clock: Callable[[], float] = time.time) -> None:
        self._labels = labels
        self._dollars = dollars
        self._clock = clock
        self._since = clock()
        self._amounts = {f"{what}_{side}": 0.0 for what in (COUNT, VOLUME) for side in SIDES}
        self._known: dict[object, None] = {}
        self._begun = False
        self._last_at: float | None = None
        self._looked_at = self._since
        self._prints: deque[float] = deque(maxlen=REMEMBERED)

    def saw(self, trades: Any, contract: Contract, *, followed: bool) -> None:
        """Takes note of trades as ccxt tells them, in any order and more than once. Raises bad_response for garbage."""
        now = self._clock()
        fresh = [trade for trade in _trades(trades) if self._is_new(trade)]
        # Of the newest news: not the latest ever, since a time that was told wrong once would stand for as long as it is ahead.
        self._last_at = max((trade.at for trade in fresh if trade.at is not None), default=self._last_at)
        if self._begun and fresh:
            for trade in fresh:
                self._add(trade, contract)
            # What is polled has happened at some time since the look before.
            self._printed(now if followed else self._looked_at)
        self._begun, self._looked_at = True, now

    def reading(self) -> TradesReading:
        """What is known by now."""
        return TradesReading(Totals(self._labels, self._since, dict(self._amounts)), self._last_at, tuple(self._prints))

    def _printed(self, at: float) -> None:
        if not self._prints or at - self._prints[-1] >= APART_SECONDS:
            self._prints.append(at)

    def _is_new(self, trade: _Trade) -> bool:
        if trade.key in self._known:
            return False
        self._known[trade.key] = None
        if len(self._known) > IDS:
            del self._known[next(iter(self._known))]
        return True

    def _add(self, trade: _Trade, contract: Contract) -> None:
        if trade.side not in SIDES:
            return
        self._amounts[f"{COUNT}_{trade.side}"] += 1
        dollars = self._dollars()
        if dollars is not None:
            quote = trade.amount * contract.size * (1.0 if contract.inverse else trade.price)
            self._amounts[f"{VOLUME}_{trade.side}"] += quote * dollars


@dataclass(frozen=True, slots=True)
class _Trade:
    """A trade; `amount` is in what the venue tells it in, `side` the taker's."""

    key: object
    price: float
    amount: float
    side: str
    at: float | None


def _trades(told: Any) -> Iterable[_Trade]:
    if not isinstance(told, Sequence) or isinstance(told, str):
        raise SourceError(Reason.BAD_RESPONSE, "no list of trades")
    return [_trade(item) for item in told]


def _trade(told: Any) -> _Trade:
    if not isinstance(told, Mapping):
        raise SourceError(Reason.BAD_RESPONSE, "a trade is no object")
    price, amount = number(told.get("price")), number(told.get("amount"))
    if price is None or amount is None:
        raise SourceError(Reason.BAD_RESPONSE, "a trade without a price or an amount that is one")
    at, side = instant(told.get("timestamp")), told.get("side")
    key = told.get("id") or (at, price, amount, side)
    return _Trade(key, price, amount, side if isinstance(side, str) else "", at)


def instant(milliseconds: object) -> float | None:
    """Unix seconds; None for what is no time."""
    told = number(milliseconds)
    return None if told is None else told / 1000
