"""A matching engine with price-time priority, for one symbol. Pure: it knows no clock, no wire format and no money.

Prices are integers of the smallest price unit, quantities integers of the smallest lot.
"""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Side(IntEnum):
    """The value is the sign of what the order does to a position."""

    BUY = 1
    SELL = -1

    @property
    def other(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class TimeInForce(StrEnum):
    GTC = "GTC"  # rests until it is cancelled
    IOC = "IOC"  # what does not trade at once expires
    FOK = "FOK"  # trades whole at once, or not at all


class State(StrEnum):
    """Of an order; the last five are final."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"  # IOC, FOK, market: nothing was left to trade with
    REJECTED = "REJECTED"  # post-only that would have traded
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"  # would have traded with its own owner


@dataclass(slots=True, eq=False)
class Order:
    """`price` None is a market order. `owner` None is the crowd, which may trade with itself."""

    id: int
    side: Side
    price: int | None
    quantity: int
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False  # carried for who knows the position
    owner: str | None = None
    state: State = State.NEW
    remaining: int = field(init=False)

    def __post_init__(self) -> None:
        if self.quantity <= 0 or (self.price is not None and self.price <= 0):
            raise ValueError(f"an order needs a positive quantity and price, not {self.quantity} at {self.price}")
        self.remaining = self.quantity

    @property
    def filled(self) -> int:
        return self.quantity - self.remaining

    def reaches(self, price: int) -> bool:
        """Whether it may trade at `price`."""
        return self.price is None or (self.price - price) * self.side >= 0

    def fill(self, quantity: int) -> None:
        self.remaining -= quantity
        self.state = State.PARTIALLY_FILLED if self.remaining else State.FILLED


class Trade(NamedTuple):
    """`price` is the maker's."""

    id: int
    price: int
    quantity: int
    taker: Order
    maker: Order


class Level(NamedTuple):
    """A price and all that rests there; a quantity of 0 says that the level is gone."""

    side: Side
    price: int
    quantity: int


class Outcome(NamedTuple):
    """What one order did. `changed` has each touched level once, as it is after it; `expired` are makers of the same owner."""

    trades: Sequence[Trade]
    changed: Sequence[Level]
    expired: Sequence[Order] = ()


class _Half:
    """One side: levels by price, each a queue in order of arrival."""

    def __init__(self, side: Side) -> None:
        self._sign = side
        self._queues: dict[int, dict[int, Order]] = {}
        self._totals: dict[int, int] = {}
        self._ranks: list[int] = []  # signed prices, the best last

    def __len__(self) -> int:
        return len(self._ranks)

    def prices(self) -> Iterator[int]:
        """From the best on."""
        return (rank * self._sign for rank in reversed(self._ranks))

    def best(self) -> int | None:
        return self._ranks[-1] * self._sign if self._ranks else None

    def total(self, price: int) -> int:
        return self._totals.get(price, 0)

    def queue(self, price: int) -> Iterable[Order]:
        return self._queues[price].values()

    def first(self, price: int) -> Order:
        return next(iter(self._queues[price].values()))

    def add(self, order: Order, price: int) -> None:
        if price not in self._queues:
            self._queues[price], self._totals[price] = {}, 0
            bisect.insort(self._ranks, price * self._sign)
        self._queues[price][order.id] = order
        self._totals[price] += order.remaining

    def take(self, order: Order, price: int, quantity: int) -> None:
        """Some of a resting order goes; the order leaves when nothing is left of it."""
        self._totals[price] -= quantity
        if quantity == order.remaining:
            del self._queues[price][order.id]
        if not self._queues[price]:
            del self._queues[price], self._totals[price]
            del self._ranks[bisect.bisect_left(self._ranks, price * self._sign)]


class Book:
    """The resting orders of one symbol. It is never crossed: what could trade has traded."""

    def __init__(self) -> None:
        self._halves = {side: _Half(side) for side in Side}
        self._resting: dict[int, Order] = {}
        self._trades = 0

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._resting

    def best(self, side: Side) -> int | None:
        return self._halves[side].best()

    def depth(self, side: Side) -> int:
        """Number of price levels."""
        return len(self._halves[side])

    def total(self, side: Side, price: int) -> int:
        return self._halves[side].total(price)

    def levels(self, side: Side) -> Iterator[Level]:
        """From the best on."""
        half = self._halves[side]
        return (Level(side, price, half.total(price)) for price in half.prices())

    def queue(self, side: Side, price: int) -> list[Order]:
        """The orders of a level, the first to trade first."""
        return list(self._halves[side].queue(price))

    def resting(self, order_id: int) -> Order | None:
        return self._resting.get(order_id)

    def place(self, order: Order) -> Outcome:
        """Match, then rest what is left where the order may rest. `order.state` tells how it ended."""
        if order.id in self._resting:
            raise ValueError(f"order {order.id} is in the book already")
        if order.post_only and self._would_trade(order):
            order.state = State.REJECTED
            return Outcome((), ())
        if order.time_in_force is TimeInForce.FOK and self.available(order) < order.quantity:
            order.state = State.EXPIRED
            return Outcome((), ())
        trades, expired = self._match(order)
        touched = {(order.side.other, trade.price) for trade in trades}
        touched |= {(maker.side, maker.price) for maker in expired if maker.price is not None}
        if order.remaining and order.price is not None and order.time_in_force is TimeInForce.GTC:
            self._halves[order.side].add(order, order.price)
            self._resting[order.id] = order
            touched.add((order.side, order.price))
        elif order.remaining:
            order.state = State.EXPIRED
        return Outcome(trades, self._as_they_are(touched), expired)

    def cancel(self, order_id: int) -> Outcome | None:
        """None where no such order rests: cancelling twice changes nothing."""
        if (order := self._resting.get(order_id)) is None:
            return None
        order.state = State.CANCELED
        return Outcome((), self._as_they_are({(order.side, self._leave(order))}))

    def hit(self, maker: Order, taker: Order) -> Outcome:
        """A trade with one resting order, whatever has priority over it: for faults alone."""
        if maker.price is None or maker.id not in self._resting:
            raise ValueError(f"order {maker.id} does not rest")
        trade = self._trade(taker, maker, maker.price)
        return Outcome([trade], self._as_they_are({(maker.side, maker.price)}))

    def assign(self, taker: Order, price: int) -> Outcome:
        """A trade of all that is left with somebody who has no order: the book stays as it is."""
        maker = Order(0, taker.side.other, price, taker.remaining)
        quantity = maker.remaining
        for order in (taker, maker):
            order.fill(quantity)
        self._trades += 1
        return Outcome([Trade(self._trades, price, quantity, taker, maker)], ())

    def available(self, order: Order) -> int:
        """How much of `order` could trade now, its owner's own orders left out; never more than its quantity."""
        found = 0
        half = self._halves[order.side.other]
        for price in half.prices():
            if found >= order.quantity or not order.reaches(price):
                break
            found += sum(maker.remaining for maker in half.queue(price) if not _same_owner(order, maker))
        return min(found, order.quantity)

    def _would_trade(self, order: Order) -> bool:
        best = self.best(order.side.other)
        return best is not None and order.reaches(best)

    def _match(self, taker: Order) -> tuple[list[Trade], list[Order]]:
        half = self._halves[taker.side.other]
        trades: list[Trade] = []
        expired: list[Order] = []
        while taker.remaining and (price := half.best()) is not None and taker.reaches(price):
            maker = half.first(price)
            if _same_owner(taker, maker):
                self._leave(maker)
                maker.state = State.EXPIRED_IN_MATCH
                expired.append(maker)
            else:
                trades.append(self._trade(taker, maker, price))
        return trades, expired

    def _trade(self, taker: Order, maker: Order, price: int) -> Trade:
        quantity = min(taker.remaining, maker.remaining)
        self._halves[maker.side].take(maker, price, quantity)
        taker.fill(quantity)
        maker.fill(quantity)
        if not maker.remaining:
            del self._resting[maker.id]
        self._trades += 1
        return Trade(self._trades, price, quantity, taker, maker)

    def _leave(self, order: Order) -> int:
        """The price at which it rested."""
        if order.price is None:
            raise AssertionError("a market order never rests")
        del self._resting[order.id]
        self._halves[order.side].take(order, order.price, order.remaining)
        return order.price

    def _as_they_are(self, touched: Iterable[tuple[Side, int]]) -> list[Level]:
        return [Level(side, price, self._halves[side].total(price)) for side, price in touched]


def _same_owner(one: Order, other: Order) -> bool:
    return one.owner is not None and one.owner == other.owner
