"""One venue: its markets and desks, its accounts, its clock, and the faults that are switched on."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .accounts import Account
from .assets import Listing
from .clearing import Clearing
from .desk import Desk
from .engine import Side
from .faults import Fault, Scope, UnknownError
from .flow import Habits, Reference
from .limits import Limiter
from .market import STEP, Market
from .transfers import Kind, Outcome, Transfer, Transfers

Clock = Callable[[], float]

_IDS = 1_000_000_000  # of orders, for each market
_LATE = 3  # steps that are caught up with; what was missed before is not simulated


@dataclass
class Segment:
    """One kind of market of a venue, as spot: markets by their name on the wire, orders, and what a request may cost; and
    what is done with positions, where there are some.
    """

    markets: dict[str, Market]
    desk: Desk
    limiter: Limiter
    clearing: Clearing | None = None

    def listed(self) -> Iterator[Market]:
        return (market for market in self.markets.values() if market.listed)


def open_markets(
    listings: Mapping[str, Listing], reference: Reference, habits: Habits, seed: str, at: float, *, first: int = 0
) -> dict[str, Market]:
    """By wire name. The crowd of each is seeded by the venue's seed and the symbol's name; no two have an order id in common,
    also with other markets of the venue where `first` is the number of those.
    """
    return {
        wire: Market(listing, reference, habits, f"{seed}/{listing.name}", at, after=number * _IDS)
        for number, (wire, listing) in enumerate(listings.items(), first)
    }


@dataclass
class Exchange:
    """`clock` is the true time; the venue's own may be skewed."""

    name: str
    segments: Mapping[str, Segment]
    accounts: Mapping[str, Account]  # by API key
    clock: Clock
    transfers: Transfers
    faults: dict[Fault, Scope] = field(default_factory=dict)
    since: dict[Fault, float] = field(default_factory=dict)
    """The true time at which each fault was set."""
    _stuck: list[Transfer] = field(default_factory=list)
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
            if segment.clearing:
                segment.clearing.advance(self.stamp())
        self.transfers.advance(self.stamp())

    def on(self, fault: Fault, market: Market | None = None) -> Scope | None:
        """Its scope where it is switched on, for this market if one is given."""
        scope = self.faults.get(fault)
        if scope is None or (market is not None and scope.symbol not in (None, market.name)):
            return None
        return scope

    def befalls(self, fault: Fault, account: str) -> Scope | None:
        """Its scope where it is switched on for this account."""
        scope = self.faults.get(fault)
        return scope if scope is not None and scope.account in (None, account) else None

    def set(self, fault: Fault, scope: Scope) -> None:
        """From now on; UnknownError where something is named that is not there. Set again, it is cleared before."""
        self._check(fault, scope)
        self.clear(fault)
        self._begin(fault, scope)
        self.faults[fault], self.since[fault] = scope, self.clock()
        for market in self._befallen(scope):
            _switch(market, fault, scope, on=True)

    def clear(self, fault: Fault) -> None:
        """What it has done to money and positions stays."""
        if scope := self.faults.pop(fault, None):
            self._end(fault)
            for market in self._befallen(scope):
                _switch(market, fault, scope, on=False)

    def _befallen(self, scope: Scope) -> Iterable[Market]:
        return [market for market in self.markets() if scope.symbol in (None, market.name)]

    def _check(self, fault: Fault, scope: Scope) -> None:
        named = (
            ("symbol", scope.symbol, [market.name for market in self.markets()]),
            ("account", scope.account, sorted({each.name for each in self.accounts.values()})),
            ("kind", scope.kind, list(Kind)),
            ("outcome", scope.outcome, list(Outcome)),
        )
        for what, name, known in named:
            if name is not None and name not in known:
                raise UnknownError(f"no {what} {name}; {what}s: {', '.join(known)}")
        if fault in _OF_ONE and scope.account is None:
            raise UnknownError(f"{fault} needs an account")
        if fault is Fault.PERMISSION_DENIED and not scope.call:
            raise UnknownError(f"{fault} needs a call")

    def _begin(self, fault: Fault, scope: Scope) -> None:
        """What a fault does to accounts."""
        match fault:
            case Fault.MARGIN_SQUEEZE:
                self._clearing().squeeze(scope.account or "", scope.ratio)
            case Fault.ADL:
                self._clearing().deleverage(scope)
            case Fault.WITHDRAWAL:
                self.transfers.begin(Kind.WITHDRAWAL, scope, self.stamp(), after=scope.seconds)
            case Fault.STUCK_TRANSFER:
                late = self.transfers.begin(Kind(scope.kind), scope, self.stamp(), after=math.inf, late=scope.seconds)
                self._stuck.append(late)
            case _:
                pass

    def _end(self, fault: Fault) -> None:
        match fault:
            case Fault.MARGIN_SQUEEZE:
                self._clearing().relax()
            case Fault.ADL:
                self._clearing().spare()
            case Fault.STUCK_TRANSFER:
                self.transfers.release(self._stuck.pop(), self.stamp())
            case _:
                pass

    def _clearing(self) -> Clearing:
        if (found := next((each.clearing for each in self.segments.values() if each.clearing), None)) is None:
            raise UnknownError(f"{self.name} has no contracts")
        return found


_OF_ONE = (Fault.MARGIN_SQUEEZE, Fault.WITHDRAWAL, Fault.STUCK_TRANSFER)
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
