"""Who trades when nobody does: reference prices that all venues of one seed agree on, and a crowd that trades around them.

Pure and seeded: the same seed and the same times make the same orders.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from .assets import DOLLARS, PRICES
from .engine import Book, Order, Side, TimeInForce

_VOLATILITY = 0.6 / math.sqrt(365 * 86_400)  # of a price, per square root of a second: 60 % a year
_CALM = 0.005  # how much less a dollar moves against a dollar
_PERIODS = tuple(4.0**power for power in range(1, 9))  # seconds: 4 to 65536

_PREMIUM, _PREMIUM_LASTS = 0.0002, 3600.0  # a share, and seconds
_INTEREST = 50_000_000.0  # dollars


@dataclass(frozen=True)
class Reference:
    """Dollar prices by time. They are a sum of smooth noises, the slower the wider, so that every process with this seed reads
    the same price at the same time without a history: much like a random walk from seconds to a day, bounded beyond.
    """

    seed: int

    def dollars(self, asset: str, at: float) -> float:
        """Of one unit of `asset` at the Unix time `at`."""
        return _dollars(self.seed, asset, at)

    def price(self, base: str, quote: str, at: float) -> float:
        return self.dollars(base, at) / self.dollars(quote, at)

    def premium(self, base: str, at: float) -> float:
        """How much more a perpetual contract costs, as a share of the price: a few basis points either way, over hours."""
        return _PREMIUM * _smooth(f"{self.seed}/{base}/premium", at / _PREMIUM_LASTS)

    def interest(self, base: str, at: float) -> float:
        """Open contracts of the crowd, in units of `base`."""
        swing = 1 + 0.2 * math.tanh(_smooth(f"{self.seed}/{base}/interest", at / _PREMIUM_LASTS))
        return _INTEREST / PRICES[base] * swing


@functools.lru_cache(maxsize=4096)  # many markets ask for the same asset at the same time
def _dollars(seed: int, asset: str, at: float) -> float:
    if asset == "USD":
        return PRICES[asset]
    volatility = _VOLATILITY * (_CALM if asset in DOLLARS else 1.0)
    moves = (math.sqrt(period) * _smooth(f"{seed}/{asset}/{period}", at / period) for period in _PERIODS)
    return PRICES[asset] * math.exp(volatility * sum(moves))


def _smooth(name: str, position: float) -> float:
    """Noise that passes through an independent normal value at each whole position."""
    low = math.floor(position)
    share = position - low
    weight = share * share * (3 - 2 * share)
    return (1 - weight) * _normal(name, low) + weight * _normal(name, low + 1)


@functools.lru_cache(maxsize=65_536)
def _normal(name: str, position: int) -> float:
    return Random(f"{name}/{position}").gauss(0, 1)


class Cancel(NamedTuple):
    order_id: int


@dataclass(frozen=True)
class Habits:
    """`levels` a side; `rate` events a second; `half_spread` and `reach` as shares of the price; `clip` in lots."""

    levels: int = 500
    rate: float = 10.0
    half_spread: float = 0.0001
    reach: float = 0.03
    clip: float = 3000.0

    def thin(self) -> "Habits":
        """Next to nobody quotes."""
        return Habits(
            levels=3, rate=self.rate / 4, half_spread=self.half_spread * 20, reach=self.reach, clip=self.clip / 20
        )


_REFILLED = 50  # levels that are added to a side at a time
_TAKERS, _MAKERS = 0.25, 0.65  # shares of events, the second one cumulated; the rest are cancels


class Crowd:
    """The anonymous orders of one market. `tick` is the price step in price units and may change."""

    def __init__(self, habits: Habits, tick: int, random: Random, ids: Iterator[int] | None = None) -> None:
        self.habits = habits
        self.tick = tick
        self._random = random
        self._ids = ids or itertools.count(1)
        self._placed: list[int] = []

    def act(self, book: Book, fair: float, seconds: float) -> Iterator[Order | Cancel]:
        """What is done within some seconds around the price `fair`; each is to be carried out before the next is asked for."""
        for side in Side:
            yield from self._arbitrage(book, fair, side)
        self._placed = (
            [each for each in self._placed if each in book] if len(self._placed) > self._most else self._placed
        )
        for side in Side:
            yield from self._keep_up(book, fair, side)
        for _ in range(self._poisson(self.habits.rate * seconds)):
            yield from self._event(book, fair)

    @property
    def _most(self) -> int:
        """Orders that are kept at all: where levels are coarse, a refill would never end."""
        return 6 * self.habits.levels

    def leave(self) -> Iterator[Cancel]:
        """Everything of the crowd goes."""
        placed, self._placed = self._placed, []
        return (Cancel(order_id) for order_id in placed)

    def _arbitrage(self, book: Book, fair: float, side: Side) -> Iterator[Order]:
        """Takes what rests on `side` at a price that the reference has left behind."""
        limit = max(1, round(fair * (1 - side * self.habits.half_spread / 2)))
        behind = itertools.takewhile(lambda level: (level.price - limit) * side > 0, book.levels(side))
        if quantity := sum(level.quantity for level in behind):
            yield Order(next(self._ids), side.other, limit, quantity, TimeInForce.IOC)

    def _keep_up(self, book: Book, fair: float, side: Side) -> Iterator[Order | Cancel]:
        """Refills a side that lost levels, quotes closer where the reference went away, drops the far orders of a full one."""
        missing = self.habits.levels - book.depth(side)
        if missing > self.habits.levels / 10 and len(self._placed) < self._most / 2:
            for _ in range(min(missing, _REFILLED)):
                yield self._quote(book, fair, side, self._random.random())
        best = book.best(side)
        if best is None or (fair - best) * side > 3 * self.habits.half_spread * fair:
            yield self._quote(book, fair, side, 0.0)
        if -missing > self.habits.levels / 10:
            yield from self._drop(1 - missing)

    def _event(self, book: Book, fair: float) -> Iterator[Order | Cancel]:
        kind, side = self._random.random(), self._random.choice((Side.BUY, Side.SELL))
        if kind < _TAKERS:
            if book.best(side.other) is not None:
                yield Order(next(self._ids), side, None, self._lots(1.0))
        elif kind < _MAKERS:
            yield self._quote(book, fair, side, self._random.random())
        else:
            yield from self._drop(1)

    def _quote(self, book: Book, fair: float, side: Side, far: float) -> Order:
        """A passive order; `far` from 0, at the spread, to 1, at the reach. Most rest close to the price."""
        away = self.habits.half_spread + self.habits.reach * far**3
        price = fair * (1 - side * away)
        step = self.tick
        units = math.floor(price / step) * step if side is Side.BUY else math.ceil(price / step) * step
        if (opposite := book.best(side.other)) is not None and (units - opposite) * side >= 0:
            units = (opposite // step) * step - side * step
        order = Order(next(self._ids), side, max(step, units), self._lots(1 + 10 * far), post_only=True)
        self._placed.append(order.id)
        return order

    def _drop(self, count: int) -> Iterator[Cancel]:
        """Some orders at random; those that traded meanwhile are cancelled in vain."""
        for _ in range(min(count, len(self._placed))):
            at = self._random.randrange(len(self._placed))
            self._placed[at], self._placed[-1] = self._placed[-1], self._placed[at]
            yield Cancel(self._placed.pop())

    def _lots(self, factor: float) -> int:
        return max(1, round(self.habits.clip * factor * math.exp(self._random.gauss(0, 0.8))))

    def _poisson(self, mean: float) -> int:
        """Number of arrivals (Knuth, The Art of Computer Programming, 3.4.1)."""
        limit, product = math.exp(-mean), self._random.random()
        count = 0
        while product > limit:
            product *= self._random.random()
            count += 1
        return count
