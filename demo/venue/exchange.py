"""One venue: its markets and desks, its accounts, its clock, and the faults that are switched on."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .assets import Listing
from .desk import Account, Desk
from .engine import Side
from .faults import Fault, Scope, UnknownError
from .flow import Habits, Reference
from .limits import Limiter
from .market import STEP, Market

Clock = Callable[[], float]

_IDS = 1_000_000_000  # of orders, for each market
_LATE = 3  # steps that are caught up with; what was missed before is not simulated


@dataclass
class Segment:
    """One kind of market of a venue, as spot: markets by their name on the wire, orders, and what a request may cost."""

    markets: dict[str, Market]
    desk: Desk
    limiter: Limiter

    def listed(self) -> Iterator[Market]:
        return (market for market in self.markets.values() if market.listed)


def open_markets(
    listings: Mapping[str, Listing], reference: Reference, habits: Habits, seed: str, at: float
) -> dict[str, Market]:
    """By wire name. The crowd of each is seeded by the venue's seed and the symbol's name; no two have an order id in common."""
    return {
        wire: Market(listing, reference, habits, f"{seed}/{listing.name}", at, after=number * _IDS)
        for number, (wire, listing) in enumerate(listings.items())
    }


@dataclass
class Exchange:
    """`clock` is the true time; the venue's own may be skewed."""

    name: str
    segments: Mapping[str, Segment]
    accounts: Mapping[str, Account]  # by API key
    clock: Clock
    faults: dict[Fault, Scope] = field(default_factory=dict)
    _step: int | None = None

    def now(self) -> float:
        """Unix time as the venue tells it."""
        skew = self.faults.get(Fault.CLOCK_SKEW)
        return self.clock() + (skew.seconds if skew else 0.0)

    def stamp(self) -> int:
        """The venue's time in ms."""
        return round(self.now() * 1000)

    def markets(self) -> Iterator[Market]:
        return (market for segment in self.segments.values() for market in segment.markets.values())

    def advance(self) -> None:
        """Everything that happens up to now."""
        step = math.floor(self.clock() / STEP)
        last = step - 1 if self._step is None else max(self._step, step - _LATE)
        self._step = step
        for each in range(last + 1, step + 1):
            for market in self.markets():
                market.step(each * STEP, self.stamp())
        for segment in self.segments.values():
            segment.desk.look(segment.markets.values(), self.stamp())

    def on(self, fault: Fault, market: Market | None = None) -> Scope | None:
        """Its scope where it is switched on, for this market if one is given."""
        scope = self.faults.get(fault)
        if scope is None or (market is not None and scope.symbol not in (None, market.name)):
            return None
        return scope

    def set(self, fault: Fault, scope: Scope) -> None:
        """From now on; UnknownError where a symbol is not listed. Set again, it is cleared before."""
        if scope.symbol is not None and scope.symbol not in (known := [market.name for market in self.markets()]):
            raise UnknownError(f"no symbol {scope.symbol}; symbols: {', '.join(known)}")
        self.clear(fault)
        self.faults[fault] = scope
        for market in self._befallen(scope):
            _switch(market, fault, scope, on=True)

    def clear(self, fault: Fault) -> None:
        if scope := self.faults.pop(fault, None):
            for market in self._befallen(scope):
                _switch(market, fault, scope, on=False)

    def _befallen(self, scope: Scope) -> Iterable[Market]:
        return [market for market in self.markets() if scope.symbol in (None, market.name)]


_FLAGS = {Fault.HALT: "halted", Fault.STUCK: "stuck", Fault.RACED: "raced"}


def _switch(market: Market, fault: Fault, scope: Scope, *, on: bool) -> None:
    """What a fault does to the market itself; the others are seen to where messages are made."""
    match fault:
        case Fault.FROZEN:
            (market.published.freeze if on else market.published.thaw)()
        case Fault.CROSSED:
            market.cross(on=on)
        case Fault.ONE_SIDED:
            market.hide(*([Side.SELL] if on else []))
        case Fault.EMPTY:
            market.hide(*(Side if on else []))
        case Fault.THIN:
            market.thin(on=on)
        case Fault.FLASH_CRASH:
            market.crash(1 - scope.ratio if on else 1.0)
        case Fault.TICK_SIZE:
            market.coarsen(on=on)
        case Fault.DELISTED:
            market.listed = not on
        case Fault.HALT | Fault.STUCK | Fault.RACED:
            setattr(market, _FLAGS[fault], on)
        case _:
            pass
