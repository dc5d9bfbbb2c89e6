"""The orders of accounts: placed, triggered, filled, cancelled. What they cost is a matter of `Money`."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from .engine import Order, Side, State, Trade
from .market import Market

_OPEN = (State.NEW, State.PARTIALLY_FILLED)
_REMEMBERED = 1000  # closed tickets
_ENDS = {State.CANCELED: "CANCELED", State.EXPIRED: "EXPIRED", State.EXPIRED_IN_MATCH: "EXPIRED"}
"""What is told of an order that ends without being filled."""


class RefusalError(Exception):
    """An order that is not taken; `why` is one of a few words that each wire protocol has a message for."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Forced(StrEnum):
    """Why a venue closes what an account holds."""

    LIQUIDATION = "LIQUIDATION"
    ADL = "ADL"  # auto-deleveraging: nobody else takes what was liquidated elsewhere


class Fill(NamedTuple):
    """Of one ticket; `at` in ms. `profit` is what it realized, where a position was closed."""

    trade_id: int
    price: int
    quantity: int
    at: int
    maker: bool
    profit: Decimal = Decimal(0)


@dataclass(eq=False)
class Ticket:
    """An order of an account. `kind` is the protocol's name of its type; with a `stop`, it waits until the price is there.

    `rises` says whether it waits for the price to rise to the stop, or to fall to it; `closes` that it takes the whole of a
    position, whatever that is when the price is there. `position` is which one of a contract it changes; `forced` says that the
    venue did it.
    """

    account: str
    market: Market
    order: Order
    client_id: str
    kind: str
    placed: int
    stop: int | None = None
    rises: bool = False
    closes: bool = False
    position: str = "BOTH"
    forced: Forced | None = None
    waiting: bool = False
    updated: int = 0
    fills: list[Fill] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.order.state in _OPEN

    @property
    def turnover(self) -> int:
        """Price units times lots."""
        return sum(fill.price * fill.quantity for fill in self.fills)

    def reached(self, price: int) -> bool:
        return self.stop is not None and (price >= self.stop if self.rises else price <= self.stop)


class Event(NamedTuple):
    """What happened to an order: NEW, TRADE with its fill, CANCELED, EXPIRED; `waiting` where it waited for its price. In ms."""

    kind: str
    ticket: Ticket
    at: int
    waiting: bool = False
    fill: Fill | None = None


class Money(Protocol):
    """Whether an account can afford an order, and what trades do to what it has."""

    def reserve(self, ticket: Ticket) -> None:
        """RefusalError where it can not."""

    def clip(self, ticket: Ticket, covered: int) -> bool:
        """Makes a reduce-only order no larger than what there is to reduce beyond `covered`; False where that is nothing."""

    def reducible(self, ticket: Ticket) -> int:
        """Lots of a position that an order of this side reduces."""

    def settle(self, ticket: Ticket, fill: Fill) -> Decimal:
        """The profit that was realized."""

    def release(self, ticket: Ticket) -> None:
        """What was reserved and not used is free again; once the ticket is closed."""


Number = tuple[str, int]
"""The market's name and the order's id in it: what an order is found by."""


class Desk:
    """All tickets of one kind of market: the open ones, and the latest of the closed ones."""

    def __init__(self, money: Money) -> None:
        self.money = money
        self._open: dict[Number, Ticket] = {}
        self._closed: dict[Number, Ticket] = {}
        self._of: dict[Order, Ticket] = {}
        self.cancelled: Counter[Number] = Counter()
        """How often each order was cancelled."""
        self.forced: list[Ticket] = []
        """The orders that the venue itself made, the oldest first."""
        self.tell: Callable[[Event], None] = lambda _: None
        """Called with whatever happens to an order."""

    def place(self, ticket: Ticket) -> None:
        """RefusalError where the client id is taken, the money is short, the stop is reached or the market is halted."""
        if any(other.client_id == ticket.client_id for other in self.open_of(ticket.account)):
            raise RefusalError("duplicate")
        if ticket.market.halted:
            raise RefusalError("halted")
        if ticket.reached(ticket.market.last):
            raise RefusalError("immediately_triggers")
        if ticket.stop is None and not self._clipped(ticket):
            raise RefusalError("reduce_only")
        self.money.reserve(ticket)
        self._open[_number(ticket)] = self._of[ticket.order] = ticket
        ticket.updated = ticket.placed
        ticket.waiting = ticket.stop is not None
        if ticket.waiting:
            self.tell(Event("NEW", ticket, ticket.placed, waiting=True))
        else:
            self._send(ticket, ticket.placed)
        if ticket.order.state is State.REJECTED:
            del self._closed[_number(ticket)]
            raise RefusalError("would_take")
        if ticket.forced:
            self.forced.append(ticket)

    def assign(self, ticket: Ticket, price: int) -> None:
        """An order of the venue that is filled at this price whatever the book is."""
        self._open[_number(ticket)] = self._of[ticket.order] = ticket
        self.forced.append(ticket)
        self.tell(Event("NEW", ticket, ticket.placed))
        ticket.market.assign(ticket.order, price)
        self._settle(ticket.market, ticket.placed)

    def cancel(self, ticket: Ticket, stamp: int) -> None:
        """What waits and what rests alike; RefusalError where it is not open any more, or can not be cancelled."""
        if not ticket.open:
            raise RefusalError("unknown")
        if ticket.market.stuck:
            raise RefusalError("stuck")
        if not ticket.waiting:
            self._race(ticket, stamp)
        self.cancelled[_number(ticket)] += 1
        self._withdraw(ticket, stamp)

    def _withdraw(self, ticket: Ticket, stamp: int) -> None:
        if ticket.waiting:
            ticket.order.state = State.CANCELED
        else:
            ticket.market.cancel(ticket.order.id)
        self._close(ticket, stamp)

    def cancel_all(self, tickets: Iterable[Ticket], stamp: int) -> list[Ticket]:
        """Those that could be cancelled."""
        free = [ticket for ticket in tickets if not ticket.market.stuck]
        for ticket in free:
            self.cancel(ticket, stamp)
        return free

    def _race(self, ticket: Ticket, stamp: int) -> None:
        if ticket.market.raced:
            ticket.market.race(ticket.order, stamp)
            self._settle(ticket.market, stamp)

    def find(self, account: str, market: Market, order_id: int | None, client_id: str | None) -> Ticket:
        """By either id, the latest first; RefusalError where there is none."""
        for ticket in reversed(list(self.of(account, market))):
            if ticket.order.id == order_id or (order_id is None and ticket.client_id == client_id):
                return ticket
        raise RefusalError("unknown")

    def open_of(self, account: str, market: Market | None = None) -> list[Ticket]:
        mine = (ticket for ticket in self._open.values() if ticket.account == account)
        return [ticket for ticket in mine if market is None or ticket.market is market]

    def of(self, account: str, market: Market) -> list[Ticket]:
        """In the order of their ids."""
        known = [*self._closed.values(), *self._open.values()]
        mine = [ticket for ticket in known if ticket.account == account and ticket.market is market]
        return sorted(mine, key=lambda ticket: ticket.order.id)

    def look(self, markets: Iterable[Market], stamp: int) -> None:
        """Settle what has traded, then send what has waited for the price that there is."""
        for market in markets:
            self._settle(market, stamp)
        for ticket in [each for each in self._open.values() if each.waiting]:
            if not ticket.market.halted and ticket.reached(ticket.market.last):
                ticket.waiting = False
                self._send(ticket, stamp)

    def _send(self, ticket: Ticket, stamp: int) -> None:
        if not self._clipped(ticket):
            ticket.order.state = State.EXPIRED
            self._close(ticket, stamp)
            return
        outcome = ticket.market.place(ticket.order, stamp)
        if ticket.order.state is not State.REJECTED:
            self.tell(Event("NEW", ticket, stamp))
        self._settle(ticket.market, stamp)
        for maker in outcome.expired:
            self._close(self._of[maker], stamp)
        if ticket.order in self._of and not ticket.open:
            self._close(ticket, stamp)

    def _settle(self, market: Market, stamp: int) -> None:
        trades, market.trades = market.trades, []
        for trade in trades:
            for order in (trade.maker, trade.taker):
                if (ticket := self._of.get(order)) is not None:
                    self._fill(ticket, trade, stamp)
        for ticket in [each for each in self._open.values() if each.market is market] if trades else ():
            self._spare(ticket, stamp)

    def _clipped(self, ticket: Ticket) -> bool:
        """What rests reduces no more than other orders leave; what takes at once may have all there is."""
        covered = sum(each.order.remaining for each in self._reducing(ticket)) if ticket.order.price is not None else 0
        return self.money.clip(ticket, covered)

    def _reducing(self, ticket: Ticket) -> Iterator[Ticket]:
        """The other orders that rest and are to reduce the same."""
        for each in self.open_of(ticket.account, ticket.market) if ticket.order.reduce_only else ():
            same = (each.position, each.order.side) == (ticket.position, ticket.order.side)
            if same and each is not ticket and each.order.reduce_only and not each.waiting:
                yield each

    def _spare(self, ticket: Ticket, stamp: int) -> None:
        """An order that only reduces goes, where those before it reduce all there is."""
        if not ticket.open or ticket.waiting or not ticket.order.reduce_only:
            return
        before = (each for each in self._reducing(ticket) if each.order.id < ticket.order.id)
        if sum(each.order.remaining for each in (*before, ticket)) > self.money.reducible(ticket):
            self._withdraw(ticket, stamp)

    def _fill(self, ticket: Ticket, trade: Trade, stamp: int) -> None:
        fill = Fill(trade.id, trade.price, trade.quantity, stamp, ticket.order is trade.maker)
        fill = fill._replace(profit=self.money.settle(ticket, fill))
        ticket.fills.append(fill)
        ticket.updated = stamp
        self.tell(Event("TRADE", ticket, stamp, fill=fill))
        if sum(each.quantity for each in ticket.fills) == ticket.order.quantity:
            self._close(ticket, stamp)

    def _close(self, ticket: Ticket, stamp: int) -> None:
        ticket.updated = stamp
        if kind := _ENDS.get(ticket.order.state):
            self.tell(Event(kind, ticket, stamp, waiting=ticket.waiting))
        ticket.waiting = False
        self.money.release(ticket)
        del self._of[ticket.order]
        self._closed[_number(ticket)] = self._open.pop(_number(ticket))
        if len(self._closed) > _REMEMBERED:
            del self._closed[next(iter(self._closed))]


def _number(ticket: Ticket) -> Number:
    return ticket.market.name, ticket.order.id


@dataclass
class Balance:
    """In whole units of the asset."""

    free: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)


class SpotMoney:
    """Balances by account and asset. A sale locks the base asset, a purchase the quote asset at its limit or the price now."""

    fee = Decimal("0.001")  # of what is received

    def __init__(self, opening: Mapping[str, Mapping[str, Decimal]]) -> None:
        self.balances = {
            name: {asset: Balance(free) for asset, free in assets.items()} for name, assets in opening.items()
        }
        self._locked: dict[Order, Decimal] = {}
        self.tell: Callable[[str, str, Decimal], None] = lambda *_: None
        """Called with the account, the asset and the amount of what comes or goes without an order."""

    def reserve(self, ticket: Ticket) -> None:
        amount = self._needed(ticket)
        balance = self.balance(ticket.account, self._paid(ticket))
        if balance.free < amount:
            raise RefusalError("insufficient")
        balance.free -= amount
        balance.locked += amount
        self._locked[ticket.order] = amount

    def clip(self, ticket: Ticket, covered: int) -> bool:  # noqa: ARG002 - there are no positions
        return not ticket.order.reduce_only

    def reducible(self, ticket: Ticket) -> int:  # noqa: ARG002 - there are no positions
        return 0

    def settle(self, ticket: Ticket, fill: Fill) -> Decimal:
        base, quote = amounts(ticket.market, fill)
        buys = ticket.order.side is Side.BUY
        given, got = (quote, base) if buys else (base, quote)
        listing = ticket.market.listing
        self._spend(ticket, given)
        self.balance(ticket.account, listing.base if buys else listing.quote).free += got * (1 - self.fee)
        return Decimal(0)

    def release(self, ticket: Ticket) -> None:
        left = self._locked.pop(ticket.order, Decimal(0))
        balance = self.balance(ticket.account, self._paid(ticket))
        balance.locked -= left
        balance.free += left

    def move(self, account: str, asset: str, amount: Decimal) -> None:
        """In or, below 0, out; RefusalError where that is more than is free."""
        balance = self.balance(account, asset)
        if balance.free + amount < 0:
            raise RefusalError("insufficient")
        balance.free += amount
        self.tell(account, asset, amount)

    def _spend(self, ticket: Ticket, given: Decimal) -> None:
        """From what is locked, and what a market order cost beyond it from what is free."""
        locked = min(given, self._locked[ticket.order])
        self._locked[ticket.order] -= locked
        balance = self.balance(ticket.account, self._paid(ticket))
        balance.locked -= locked
        balance.free -= given - locked

    def _needed(self, ticket: Ticket) -> Decimal:
        order, market = ticket.order, ticket.market
        if order.side is Side.SELL:
            return Decimal(order.quantity).scaleb(-market.listing.lot_decimals)
        price = order.price or _worst(market, order)
        return Decimal(price * order.quantity).scaleb(-market.listing.lot_decimals - market.listing.price_decimals)

    def _paid(self, ticket: Ticket) -> str:
        return ticket.market.listing.quote if ticket.order.side is Side.BUY else ticket.market.listing.base

    def balance(self, account: str, asset: str) -> Balance:
        return self.balances[account].setdefault(asset, Balance())


def _worst(market: Market, order: Order) -> int:
    """The price of the last level that a purchase at any price would reach now."""
    left, price = order.quantity, market.last
    for level in market.book.levels(order.side.other):
        price, left = level.price, left - level.quantity
        if left <= 0:
            break
    return price


def amounts(market: Market, fill: Fill) -> tuple[Decimal, Decimal]:
    """Base and quote that changed hands."""
    listing = market.listing
    base = Decimal(fill.quantity).scaleb(-listing.lot_decimals)
    return base, Decimal(fill.price * fill.quantity).scaleb(-listing.lot_decimals - listing.price_decimals)
