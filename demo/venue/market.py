"""One symbol of a venue: matching, the crowd, what is published, trades and candles."""

import functools
import itertools
from collections import deque
from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from .assets import Listing
from .engine import Book, Level, Order, Outcome, Side, Trade
from .flow import Crowd, Habits, Reference
from .published import PublishedBook

STEP = 0.1
"""Seconds between two looks of the crowd at the market."""

_MINUTE = 60_000
_DAY = 1440  # minutes
_KEPT = 1000  # trades
_WARM = 60  # steps until a new market has its depth and its first trades
_PRICED = 0.5  # seconds for which the reference price is taken to stand still
_PLUNGE = 0.05  # share of the price by which a crash goes on in a second
_CROSSED = 0.0005  # share of the price by which a crossed book is crossed
_TICK = 1  # price unit; ten of them where the tick size changed
_COARSE_TICK = 10


class Print(NamedTuple):
    """A trade as it is told; `at` in ms, orders by id."""

    id: int
    price: int
    quantity: int
    at: int
    buyer_is_maker: bool
    buyer: int
    seller: int


class Candle(NamedTuple):
    """From `opened`, in ms. `turnover` in price units times lots; `bought` is what takers bought, in lots."""

    opened: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int
    bought: int
    bought_turnover: int

    def then(self, later: "Candle") -> "Candle":
        """Both as one."""
        return Candle(
            self.opened,
            self.open,
            max(self.high, later.high),
            min(self.low, later.low),
            later.close,
            self.volume + later.volume,
            self.turnover + later.turnover,
            self.trades + later.trades,
            self.bought + later.bought,
            self.bought_turnover + later.bought_turnover,
        )


def merged(candles: Iterable[Candle], length: int) -> dict[int, Candle]:
    """Candles of `length` ms by when they opened, the oldest first."""
    found: dict[int, Candle] = {}
    for candle in candles:
        opened = candle.opened - candle.opened % length
        found[opened] = found[opened].then(candle) if opened in found else candle
    return found


class Market:
    """`seed` makes the crowd; `at`, Unix time, is when it opens. The ids of its orders come after `after`."""

    def __init__(
        self, listing: Listing, reference: Reference, habits: Habits, seed: str, at: float, *, after: int = 0
    ) -> None:
        self.listing = listing
        self.name = listing.name
        self.halted = False
        self.listed = True
        self.stuck = False  # nothing can be cancelled
        self.raced = False  # half of what is cancelled is filled before
        self.ids = itertools.count(after + 1)
        self.prints: deque[Print] = deque(maxlen=_KEPT)
        self.candles: deque[Candle] = deque(maxlen=_DAY)
        self.news: list[Print] = []  # trades that no stream has told yet
        self.trades: list[Trade] = []  # trades that no account has settled yet
        self.book = Book()
        self.published = PublishedBook(self.book.total)
        self.reference = reference
        self._habits = habits
        self._crowd = Crowd(habits, _TICK, Random(seed), self.ids)
        self._fair: tuple[float, float] = (-1.0, 0.0)  # until when it stands, and the price
        self._shock, self._plunged = 1.0, 1.0  # where the price goes and is, as a share of the reference
        self._pinned: tuple[float, float] | None = None  # since when, and the mark price
        self._crossed = False
        self._day: tuple[int, Candle | None] | None = None  # the minute, and all of the day before it
        for step in range(_WARM):
            self.step(at - (_WARM - step) * STEP, round(1000 * (at - (_WARM - step) * STEP)))
        self.news.clear()

    @property
    def tick(self) -> int:
        """Price units between two prices that an order may have."""
        return self._crowd.tick

    @property
    def last(self) -> int:
        """Price of the last trade."""
        return self.prints[-1].price if self.prints else self.fair

    @property
    def fair(self) -> int:
        """The reference price in price units, with what a crash does to it."""
        return max(1, round(self._fair[1] * self._plunged))

    def index(self, at: float) -> float:
        """The reference price of the pair, in price units; under a pinned mark price what belongs to it."""
        if self._pinned and at >= self._pinned[0]:
            return self._pinned[1] / (1 + self._premium(at))
        return self.reference.price(self.listing.base, self.listing.quote, at) / self.listing.price_unit

    def mark(self, at: float) -> float:
        """The fair price without a crash: the index, and of a contract its premium, in price units."""
        if self._pinned and at >= self._pinned[0]:
            return self._pinned[1]
        return self.index(at) * (1 + self._premium(at))

    def _premium(self, at: float) -> float:
        return self.reference.premium(self.listing.base, at) if self.listing.settle else 0.0

    def step(self, at: float, stamp: int) -> None:
        """What the crowd does in one STEP; `stamp` is the time in ms that its trades are told with."""
        if self.halted:
            return
        self._reprice(at)
        for action in self._crowd.act(self.book, float(self.fair), STEP):
            if isinstance(action, Order):
                self.place(action, stamp)
            elif gone := self.book.cancel(action.order_id):
                self._publish(gone.changed)

    def place(self, order: Order, stamp: int) -> Outcome:
        """An order; `stamp` is the time in ms that its trades are told with."""
        outcome = self.book.place(order)
        for trade in outcome.trades:
            self._record(trade, stamp)
        self._publish(outcome.changed)
        return outcome

    def cancel(self, order_id: int) -> Outcome | None:
        if gone := self.book.cancel(order_id):
            self._publish(gone.changed)
        return gone

    def race(self, order: Order, stamp: int) -> None:
        """Half of a resting order is filled, whatever stands before it: somebody was faster than its cancellation."""
        if order.id in self.book and (quantity := order.remaining // 2):
            outcome = self.book.hit(order, Order(next(self.ids), order.side.other, order.price, quantity))
            for trade in outcome.trades:
                self._record(trade, stamp)
            self._publish(outcome.changed)

    def assign(self, order: Order, price: int) -> None:
        """A trade outside the book, which nobody is told of but the order's owner."""
        self.trades.extend(self.book.assign(order, price).trades)

    def pin(self, mark: float | None, at: float = 0.0) -> None:
        """The mark price stands still from `at` on, in price units, and the index and the book with it; None lets it go."""
        self._pinned = None if mark is None else (at, mark)
        self._fair = (-1.0, self._fair[1])

    def day(self, now: int) -> Candle | None:
        """The 24 hours before `now`, in ms, or what there is of them; None before the first trade."""
        if not self.candles:
            return None
        current = self.candles[-1]
        if self._day is None or self._day[0] != current.opened:
            since = now - _DAY * _MINUTE
            earlier = [candle for candle in self.candles if since < candle.opened < current.opened]
            self._day = current.opened, functools.reduce(Candle.then, earlier) if earlier else None
        merged = self._day[1]
        return merged.then(current) if merged else current

    def thin(self, *, on: bool) -> None:
        self._crowd.habits = self._habits.thin() if on else self._habits
        for action in self._crowd.leave() if on else ():
            self.cancel(action.order_id)

    def crash(self, share: float) -> None:
        """The price goes to `share` of the reference within seconds; 1.0 lets it recover."""
        self._shock = share

    def coarsen(self, *, on: bool) -> None:
        """A tick size ten times as large; what rests at other prices stays, as on real venues."""
        self._crowd.tick = _COARSE_TICK if on else _TICK

    def hide(self, *sides: Side) -> None:
        """Nothing of these sides is told any more; without one, everything is again."""
        self.published.hide(sides, (level for side in Side for level in self.book.levels(side)))

    def cross(self, *, on: bool) -> None:
        self._crossed = on
        if not on:
            self.published.uncross()
        self._publish(())

    def _reprice(self, at: float) -> None:
        until, _ = self._fair
        if at >= until:
            price = self.mark(at)
            self._fair = (at - at % _PRICED + _PRICED, price)
        most = _PLUNGE * STEP
        self._plunged += min(most, max(-most, self._shock - self._plunged))

    def _publish(self, changed: Iterable[Level]) -> None:
        self.published.apply(changed)
        if self._crossed:
            self.published.cross(max(1, round(self.last * _CROSSED)))

    def _record(self, trade: Trade, stamp: int) -> None:
        maker_buys = trade.maker.side is Side.BUY
        buyer, seller = (trade.maker.id, trade.taker.id) if maker_buys else (trade.taker.id, trade.maker.id)
        told = Print(trade.id, trade.price, trade.quantity, stamp, maker_buys, buyer, seller)
        self.prints.append(told)
        self.news.append(told)
        if trade.taker.owner or trade.maker.owner:
            self.trades.append(trade)
        self._draw(told)

    def _draw(self, told: Print) -> None:
        turnover, bought = told.price * told.quantity, 0 if told.buyer_is_maker else told.quantity
        opened = told.at - told.at % _MINUTE
        price = told.price
        point = Candle(opened, price, price, price, price, told.quantity, turnover, 1, bought, bought * price)
        if self.candles and self.candles[-1].opened == opened:
            self.candles[-1] = self.candles[-1].then(point)
        else:
            self.candles.append(point)
