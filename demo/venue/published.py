"""The book as the venue tells it: update ids, what changed since the last message, and the faults that make it tell otherwise."""

import bisect
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from .engine import Level, Side


@dataclass(frozen=True)
class Update:
    """What changed from update id `first` to `last`, both included; `before` is the last id of the message before."""

    first: int
    last: int
    before: int
    bids: Mapping[int, int]
    asks: Mapping[int, int]


@dataclass
class Channel:
    """The changes for one stream, collected until they are taken."""

    sent: int  # the id up to which all has been taken
    _changes: dict[Side, dict[int, int]] = field(default_factory=lambda: {side: {} for side in Side})

    def note(self, level: Level) -> None:
        self._changes[level.side][level.price] = level.quantity

    def take(self, last: int) -> Update | None:
        """None where nothing changed."""
        if last == self.sent:
            return None
        changes, self._changes = self._changes, {side: {} for side in Side}
        update = Update(self.sent + 1, last, self.sent, changes[Side.BUY], changes[Side.SELL])
        self.sent = last
        return update


class PublishedBook:
    """Levels by price. While it is frozen, changes are kept and told when it thaws. A phantom bid makes it cross.

    `real` is the quantity that rests at a price.
    """

    def __init__(self, real: Callable[[Side, int], int], first_id: int = 1) -> None:
        self._real = real
        self.last_id = first_id
        self._levels: dict[Side, dict[int, int]] = {side: {} for side in Side}
        self._ranks: dict[Side, list[int]] = {side: [] for side in Side}  # signed prices, the best last
        self._channels: dict[str, Channel] = {}
        self._kept: list[Level] | None = None
        self._phantom: Level | None = None
        self._hidden: frozenset[Side] = frozenset()

    def apply(self, changed: Iterable[Level]) -> None:
        if self._kept is not None:
            self._kept.extend(changed)
            return
        for level in changed:
            self._tell(level)

    def channel(self, name: str) -> Channel:
        """Collects from the first time it is asked for until it is dropped."""
        return self._channels.setdefault(name, Channel(self.last_id))

    def drop(self, name: str) -> None:
        self._channels.pop(name, None)

    @property
    def collecting(self) -> bool:
        """Whether any channel is."""
        return bool(self._channels)

    def best(self, side: Side) -> int | None:
        ranks = self._ranks[side]
        return ranks[-1] * side if ranks else None

    def quantity(self, side: Side, price: int) -> int:
        return self._levels[side].get(price, 0)

    def top(self, side: Side, count: int) -> list[tuple[int, int]]:
        """Price and quantity of the best levels."""
        levels, sign = self._levels[side], side
        prices = (rank * sign for rank in itertools.islice(reversed(self._ranks[side]), count))
        return [(price, levels[price]) for price in prices]

    @property
    def frozen(self) -> bool:
        return self._kept is not None

    def freeze(self) -> None:
        self._kept = [] if self._kept is None else self._kept

    def thaw(self) -> None:
        kept, self._kept = self._kept, None
        self.apply(kept or ())

    def hide(self, sides: Iterable[Side], real: Iterable[Level]) -> None:
        """Says that every level of these sides is gone; of the others, that they are as `real`."""
        hidden, self._hidden = self._hidden, frozenset()
        for side in frozenset(sides) - hidden:
            for price in list(self._levels[side]):
                self._tell(Level(side, price, 0))
        self.apply(level for level in real if level.side in hidden)
        self._hidden = frozenset(sides)

    def cross(self, above: int) -> None:
        """Shows a bid `above` price units over the best ask; again after each change, as the ask moves."""
        ask = self.best(Side.SELL)
        if ask is None or (self._phantom is not None and self._phantom.price > ask):
            return
        self.uncross()
        self._phantom = Level(Side.BUY, ask + above, self.quantity(Side.SELL, ask))
        self._tell(self._phantom)

    def uncross(self) -> None:
        if self._phantom is not None:
            phantom, self._phantom = self._phantom, None
            self._tell(phantom._replace(quantity=self._real(Side.BUY, phantom.price)))

    def _tell(self, level: Level) -> None:
        if level.side in self._hidden:
            return
        levels, ranks, rank = self._levels[level.side], self._ranks[level.side], level.price * level.side
        if level.quantity:
            if level.price not in levels:
                bisect.insort(ranks, rank)
            levels[level.price] = level.quantity
        elif levels.pop(level.price, None):
            del ranks[bisect.bisect_left(ranks, rank)]
        self.last_id += 1
        for channel in self._channels.values():
            channel.note(level)
