"""What a venue does with the positions of its accounts: funding, liquidation, auto-deleveraging; and the faults of these."""

import math
from dataclasses import dataclass, field
from decimal import Decimal

from . import funding
from .desk import Desk, Forced, RefusalError, Ticket
from .engine import Order, Side
from .faults import Scope, UnknownError
from .market import Market
from .positions import Held, Income, MarginMoney, Marks, Pot

LIQUIDATION_FEE = Decimal("0.0125")  # of the turnover
_ABOVE = 1 + 1e-6  # a usage that is no rounding of another
_RANKS = 4  # of auto-deleveraging, the highest


@dataclass
class _Deleveraging:
    scope: Scope
    due: float


@dataclass
class Clearing:
    """Of the contracts of a venue, with the desk where they are traded."""

    money: MarginMoney
    desk: Desk
    _looked: float | None = None
    _squeeze: tuple[str, float] | None = None
    _pinned: dict[str, Market] = field(default_factory=dict)
    _deleveraging: _Deleveraging | None = None

    def advance(self, stamp: int) -> None:
        """Everything that is due; `stamp` is the venue's time in ms."""
        now = self.money.clock()
        self._fund(self._looked if self._looked is not None else now, now, stamp)
        self._looked = now
        self._ease(now)
        if self._deleveraging and now >= self._deleveraging.due:
            self._deleverage(self._deleveraging.scope, stamp)
            self._deleveraging.due = now + max(0.0, self._deleveraging.scope.seconds)
        for account in self.money.wallets:
            for pot in self.money.pots(account):
                if pot.usage >= 1:
                    self._liquidate(account, pot, stamp)

    # --- funding -------------------------------------------------------------------------------------------------

    def _fund(self, before: float, now: float, stamp: int) -> None:
        """Settle what became due after `before`, up to `now`."""
        for market in self.money.markets.values():
            length = funding.interval(market)
            for number in range(math.floor(before / length) + 1, math.floor(now / length) + 1):
                self._settle(market, float(number * length), stamp)

    def _settle(self, market: Market, at: float, stamp: int) -> None:
        rate = Decimal(funding.rate(market, at))
        for account in self.money.wallets:
            for held in self.money.held(account):
                if held.market is market:
                    paid = -self.money.notional(held) * rate
                    held.position.margin += paid if self.money.isolated(held) else 0
                    self.money.book(account, Income("FUNDING_FEE", market, paid, stamp))

    # --- margin squeeze ------------------------------------------------------------------------------------------

    def squeeze(self, account: str, ratio: float) -> None:
        """Mark prices go against the account until it uses `ratio` of its margin, and stand there; UnknownError where none do."""
        if not self.money.held(account):
            raise UnknownError(f"{account} holds no contracts")
        self.relax()
        self._pin(self._solved(account, ratio))
        self._squeeze = account, ratio

    def relax(self) -> None:
        """Mark prices are what they would be."""
        for market in self._pinned.values():
            market.pin(None)
        self._pinned, self._squeeze = {}, None

    def _solved(self, account: str, ratio: float) -> Marks:
        if (marks := self.money.squeezed(account, ratio)) is None:
            raise UnknownError(f"no price makes {account} use {ratio} of its margin")
        return marks

    def _ease(self, now: float) -> None:
        """Below 1 the usage stays what was asked for, where the account bought more meanwhile."""
        if self._squeeze is None:
            return
        account, ratio = self._squeeze
        if ratio < 1 and self.money.usage(account) > ratio * _ABOVE and (marks := self.money.squeezed(account, ratio)):
            self._pin(marks, now)

    def _pin(self, marks: Marks, now: float | None = None) -> None:
        for market in self.money.markets.values():
            if mark := marks.get(market.name):
                market.pin(float(mark) / market.listing.price_unit, self.money.clock() if now is None else now)
                self._pinned[market.name] = market

    # --- auto-deleveraging ---------------------------------------------------------------------------------------

    def deleverage(self, scope: Scope) -> None:
        """From now on, each time after `scope.seconds`."""
        self._deleveraging = _Deleveraging(scope, self.money.clock() + scope.seconds)

    def spare(self) -> None:
        """No more of it."""
        self._deleveraging = None

    def rank(self, held: Held) -> int:
        """Place in the queue of auto-deleveraging, 0 to 4, the highest the first to go: by profit and effective leverage."""
        if self._deleveraging and _meant(self._deleveraging.scope, held):
            return _RANKS
        if (profit := self.money.profit(held)) <= 0:
            return 0
        gained = profit / abs(held.position.cost)
        return min(_RANKS, 1 + math.floor(gained * self.money.terms(held.account, held.market).leverage))

    def _deleverage(self, scope: Scope, stamp: int) -> None:
        for account in self.money.wallets:
            for held in [each for each in self.money.held(account) if _meant(scope, each)]:
                lots = max(1, round(abs(held.position.lots) * min(1.0, scope.ratio)))
                mark = round(held.market.mark(self.money.clock()))
                self.desk.assign(self._order(held, lots, Forced.ADL, stamp), mark)

    # --- liquidation ---------------------------------------------------------------------------------------------

    def _liquidate(self, account: str, pot: Pot, stamp: int) -> None:
        """Orders go first; then positions, the most expensive to maintain first, until what is left is covered."""
        markets = {held.market.name for held in pot.held}
        for ticket in self.desk.open_of(account):
            if ticket.market.name in markets and not ticket.market.stuck:
                self.desk.cancel(ticket, stamp)
        for held in sorted(pot.held, key=self.money.maintained, reverse=True):
            self._close(held, stamp)
            if not any(each.usage >= 1 for each in self.money.pots(account) if _same(each, pot)):
                break
        self._insure(account, stamp)

    def _close(self, held: Held, stamp: int) -> None:
        """As much as the book takes; the rest at the next look."""
        side = Side.SELL if held.position.lots > 0 else Side.BUY
        if held.market.halted or not held.market.book.depth(side.other):
            return
        wallet, aside = self.money.wallets[held.account], held.position.margin
        ticket = self._order(held, abs(held.position.lots), Forced.LIQUIDATION, stamp)
        try:
            self.desk.place(ticket)
        except RefusalError:  # nothing was left to close
            return
        covered = aside - held.position.margin if self.money.isolated(held) else wallet
        self._charge(ticket, covered - (wallet - self.money.wallets[held.account]), stamp)

    def _charge(self, ticket: Ticket, left: Decimal, stamp: int) -> None:
        """A fee for what was closed, where something is left of what stood for it; what an isolated position is short of is paid
        by the insurance fund.
        """
        listing, isolated = ticket.market.listing, self.money.terms(ticket.account, ticket.market).isolated
        turnover = Decimal(ticket.turnover).scaleb(-listing.price_decimals - listing.lot_decimals)
        if left > 0 or isolated:
            amount = -min(left, turnover * LIQUIDATION_FEE)
            self.money.book(ticket.account, Income("INSURANCE_CLEAR", ticket.market, amount, stamp))

    def _insure(self, account: str, stamp: int) -> None:
        """Nobody owes the venue: the insurance fund pays what a wallet without positions is short of."""
        short = self.money.wallets[account]
        if short < 0 and not self.money.held(account):
            self.money.book(account, Income("INSURANCE_CLEAR", None, -short, stamp))

    def _order(self, held: Held, lots: int, why: Forced, stamp: int) -> Ticket:
        side = Side.SELL if held.position.lots > 0 else Side.BUY
        order = Order(next(held.market.ids), side, None, lots, reduce_only=True, owner=held.account)
        name = f"autoclose-{stamp}{order.id}" if why is Forced.LIQUIDATION else "adl_autoclose"
        return Ticket(held.account, held.market, order, name, "MARKET", stamp, position=held.side, forced=why)


def _meant(scope: Scope, held: Held) -> bool:
    return scope.account in (None, held.account) and scope.symbol in (None, held.market.name)


def _same(pot: Pot, other: Pot) -> bool:
    """Whether it stands for some of the same positions."""
    return any(each.position is held.position for each in pot.held for held in other.held)
