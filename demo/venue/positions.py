"""Money for perpetual contracts: a wallet in the settlement asset, positions one-way or hedged, on cross or isolated margin."""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from . import margin
from .desk import Fill, RefusalError, Ticket, amounts
from .market import Market

BOTH, LONG, SHORT = "BOTH", "LONG", "SHORT"
"""What a position is called: the only one of a contract in one-way mode, and the two in hedge mode."""

_CENT = Decimal("0.00000001")
_REMEMBERED = 1000  # entries of an account's statement
_CLOSE, _EXTREME = 0.001, 3.0  # powers of e by which marks are moved: at first, and at most


@dataclass
class Position:
    """`lots` below 0 are sold; `cost` is what the open lots were bought for, in the settlement asset, of the same sign;
    `margin` is what was put aside for it where it is isolated.
    """

    lots: int = 0
    cost: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    updated: int = 0

    def add(self, lots: int, price: Decimal) -> Decimal:
        """`price` is that of one lot. The profit of what was closed."""
        closed = min(abs(lots), abs(self.lots)) if lots * self.lots < 0 else 0
        sign = 1 if self.lots > 0 else -1
        share = Decimal(closed) / abs(self.lots) if closed else Decimal(0)
        released = self.cost * closed / abs(self.lots) if closed else Decimal(0)
        profit = sign * closed * price - released
        self.cost += (abs(lots) - closed) * (1 if lots > 0 else -1) * price - released
        self.margin -= self.margin * share
        self.lots += lots
        return profit


@dataclass
class Terms:
    """How an account holds a contract."""

    leverage: int = 20
    isolated: bool = False


class Income(NamedTuple):
    """An entry of an account's statement; `market` None where it is of none. `at` in ms."""

    kind: str
    market: Market | None
    amount: Decimal
    at: int
    trade_id: int | None = None


class Held(NamedTuple):
    """An open position: whose, of what, and which of the two in hedge mode."""

    account: str
    market: Market
    side: str
    position: Position


class Pot(NamedTuple):
    """What stands for positions together: the cross margin of an account, or an isolated position alone."""

    held: tuple[Held, ...]
    balance: Decimal
    maintained: Decimal

    @property
    def usage(self) -> float:
        return margin.usage(self.maintained, self.balance)


Marks = Mapping[str, Decimal]
"""Mark prices by the market's name, in place of those that are."""


class MarginMoney:
    """`markets` by their name on the wire, `clock` is the true time."""

    maker_fee, taker_fee = Decimal("0.0002"), Decimal("0.0004")  # of the turnover

    def __init__(
        self,
        wallets: Mapping[str, Decimal],
        markets: Mapping[str, Market],
        clock: Callable[[], float],
        *,
        hedged: bool = False,
    ) -> None:
        self.wallets = dict(wallets)
        self.markets = markets
        self._named = {market.name: market for market in markets.values()}
        self.clock = clock
        self.hedged = set(wallets) if hedged else set[str]()
        self.tell: Callable[[str, Income], None] = lambda *_: None
        """Called with each account's new entry."""
        self.statements: defaultdict[str, deque[Income]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._positions: dict[tuple[str, str, str], Position] = {}
        self._terms: dict[tuple[str, str], Terms] = {}
        self._reserved: dict[Ticket, Decimal] = {}  # of each lot that is still to be filled

    # --- what is held --------------------------------------------------------------------------------------------

    def position(self, account: str, market: Market, side: str = BOTH) -> Position:
        return self._positions.setdefault((account, market.name, side), Position())

    def terms(self, account: str, market: Market) -> Terms:
        return self._terms.setdefault((account, market.name), Terms())

    def sides(self, account: str) -> tuple[str, ...]:
        """The positions that each contract has."""
        return (LONG, SHORT) if account in self.hedged else (BOTH,)

    def held(self, account: str) -> list[Held]:
        """Open positions."""
        mine = [(key, each) for key, each in self._positions.items() if key[0] == account and each.lots]
        return [Held(account, self._named[name], side, each) for (_, name, side), each in mine]

    def ordered(self, account: str) -> Iterator[tuple[Ticket, Decimal]]:
        """What open orders hold of the wallet."""
        mine = ((ticket, lot) for ticket, lot in self._reserved.items() if ticket.account == account)
        return ((ticket, lot * ticket.order.remaining) for ticket, lot in mine)

    # --- what it is worth ----------------------------------------------------------------------------------------

    def mark(self, market: Market) -> Decimal:
        """The mark price as it is told."""
        return (Decimal(market.mark(self.clock())) * Decimal(market.listing.price_unit)).quantize(_CENT)

    def notional(self, held: Held, marks: Marks | None = None) -> Decimal:
        """The value at the mark price, of the position's sign."""
        return size(held.market, held.position) * ((marks or {}).get(held.market.name) or self.mark(held.market))

    def profit(self, held: Held, marks: Marks | None = None) -> Decimal:
        """At the mark price, not realized."""
        return self.notional(held, marks) - held.position.cost

    def maintained(self, held: Held, marks: Marks | None = None) -> Decimal:
        return margin.maintenance(self.notional(held, marks), margin.brackets_of(held.market.listing.base))

    def initial(self, held: Held) -> Decimal:
        return abs(self.notional(held)) / self.terms(held.account, held.market).leverage

    def isolated(self, held: Held) -> bool:
        return self.terms(held.account, held.market).isolated

    def cross_wallet(self, account: str) -> Decimal:
        """What no isolated position has put aside."""
        return self.wallets[account] - sum((each.position.margin for each in self.held(account)), Decimal(0))

    def available(self, account: str) -> Decimal:
        """For new orders: the cross margin balance less what positions and orders need."""
        cross = [each for each in self.held(account) if not self.isolated(each)]
        needed = sum(map(self.initial, cross), Decimal(0)) + sum((it for _, it in self.ordered(account)), Decimal(0))
        return self.cross_wallet(account) + sum(map(self.profit, cross), Decimal(0)) - needed

    def withdrawable(self, account: str) -> Decimal:
        """What is available without profits that are not realized."""
        cross = (self.profit(each) for each in self.held(account) if not self.isolated(each))
        return max(Decimal(0), self.available(account) - max(Decimal(0), sum(cross, Decimal(0))))

    # --- what stands for it --------------------------------------------------------------------------------------

    def pots(self, account: str, marks: Marks | None = None) -> list[Pot]:
        """Those with positions."""
        held = self.held(account)
        cross = tuple(each for each in held if not self.isolated(each))
        alone = [self._pot((each,), each.position.margin, marks) for each in held if self.isolated(each)]
        return [*([self._pot(cross, self.cross_wallet(account), marks)] if cross else []), *alone]

    def usage(self, account: str, marks: Marks | None = None) -> float:
        """Of the pot that is the nearest to its end; 0 without positions."""
        return max((pot.usage for pot in self.pots(account, marks)), default=0.0)

    def _pot(self, held: tuple[Held, ...], wallet: Decimal, marks: Marks | None) -> Pot:
        profit = sum((self.profit(each, marks) for each in held), Decimal(0))
        return Pot(held, wallet + profit, sum((self.maintained(each, marks) for each in held), Decimal(0)))

    def liquidation(self, held: Held) -> Decimal | None:
        """The mark price at which its pot is used up, the marks of other contracts as they are; None where there is none."""
        (pot,) = [pot for pot in self.pots(held.account) if any(each.position is held.position for each in pot.held)]
        mine = [each for each in pot.held if each.market is held.market]
        others = [each for each in pot.held if each.market is not held.market]
        wallet = held.position.margin if self.isolated(held) else self.cross_wallet(held.account)
        balance = wallet + sum((self.profit(each) - self.maintained(each) for each in others), Decimal(0))
        legs = [margin.Leg(size(each.market, each.position), entry(each.market, each.position)) for each in mine]
        of = margin.brackets_of(held.market.listing.base)
        return margin.liquidation_price(balance, legs, of, self.mark(held.market))

    def squeezed(self, account: str, ratio: float) -> Marks | None:
        """The mark prices next to those that are at which the usage is `ratio`, all moved by one factor, against what is held or,
        where more is used already, for it; None where there are none.
        """
        now = {market.name: (self.mark(market), sign) for market, sign in self._ways(account).items()}

        def marks(power: float) -> dict[str, Decimal]:
            return {
                name: (mark * Decimal(math.exp(-sign * power))).quantize(_CENT) for name, (mark, sign) in now.items()
            }

        def above(power: float) -> bool:
            return self.usage(account, marks(power)) >= ratio

        too_much = above(0.0)
        before, after = 0.0, -_CLOSE if too_much else _CLOSE
        while above(after) is too_much:
            before, after = after, 2 * after
            if abs(after) > _EXTREME:
                return None
        return marks(margin.crossing(above, min(before, after), max(before, after)))

    def _ways(self, account: str) -> dict[Market, int]:
        """Each contract that is held, and 1 where a lower price hurts, -1 where a higher one does."""
        lots: dict[Market, int] = {}
        for each in self.held(account):
            lots[each.market] = lots.get(each.market, 0) + each.position.lots
        return {market: 1 if net > 0 else -1 for market, net in lots.items()}

    # --- what orders do to it ------------------------------------------------------------------------------------

    def reserve(self, ticket: Ticket) -> None:
        order = ticket.order
        if order.reduce_only:
            return
        if not (opened := max(0, order.quantity - self.reducible(ticket))):
            return
        price = Decimal(order.price or ticket.stop or ticket.market.last)
        turnover = price.scaleb(-ticket.market.listing.price_decimals) * lots(ticket.market, opened)
        leverage = self.terms(ticket.account, ticket.market).leverage
        if turnover / leverage > self.available(ticket.account):
            raise RefusalError("margin")
        position = self.position(ticket.account, ticket.market, ticket.position)
        value = turnover + abs(size(ticket.market, position)) * self.mark(ticket.market)
        if leverage > margin.bracket(value, margin.brackets_of(ticket.market.listing.base)).leverage:
            raise RefusalError("leverage")
        self._reserved[ticket] = turnover / leverage / order.quantity

    def reducible(self, ticket: Ticket) -> int:
        position = self.position(ticket.account, ticket.market, ticket.position)
        return max(0, position.lots * -ticket.order.side)

    def clip(self, ticket: Ticket, covered: int = 0) -> bool:
        if not ticket.order.reduce_only:
            return True
        if (held := self.reducible(ticket) - covered) <= 0:
            return False
        ticket.order.quantity = ticket.order.remaining = held if ticket.closes else min(ticket.order.quantity, held)
        return True

    def settle(self, ticket: Ticket, fill: Fill) -> Decimal:
        _, quote = amounts(ticket.market, fill)
        position = self.position(ticket.account, ticket.market, ticket.position)
        opened = max(0, fill.quantity - self.reducible(ticket))
        profit = position.add(fill.quantity * ticket.order.side, quote / fill.quantity)
        position.updated = fill.at
        terms = self.terms(ticket.account, ticket.market)
        if terms.isolated:
            position.margin += quote * opened / fill.quantity / terms.leverage
        if profit:
            self.book(ticket.account, Income("REALIZED_PNL", ticket.market, profit, fill.at, fill.trade_id))
        fee = self.commission(fill, quote)
        self.book(ticket.account, Income("COMMISSION", ticket.market, -fee, fill.at, fill.trade_id))
        return profit

    def release(self, ticket: Ticket) -> None:
        self._reserved.pop(ticket, None)

    def commission(self, fill: Fill, quote: Decimal) -> Decimal:
        return quote * (self.maker_fee if fill.maker else self.taker_fee)

    def book(self, account: str, income: Income) -> None:
        """An entry of the statement, and the wallet by it."""
        self.wallets[account] += income.amount
        self.statements[account].append(income)
        self.tell(account, income)


def lots(market: Market, count: int) -> Decimal:
    """In the base asset."""
    return Decimal(count).scaleb(-market.listing.lot_decimals)


def size(market: Market, position: Position) -> Decimal:
    """In the base asset, below 0 where it is sold."""
    return lots(market, position.lots)


def entry(market: Market, position: Position) -> Decimal:
    """The average price that the open lots were bought or sold for; 0 where there are none."""
    return position.cost / size(market, position) if position.lots else Decimal(0)
