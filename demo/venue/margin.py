"""Money for perpetual contracts: one wallet in the settlement asset, a position for each contract, one-way and cross margin."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from .desk import Fill, RefusalError, Ticket, amounts
from .market import Market

LEVERAGE = 20
MAINTENANCE = Decimal("0.005")  # of the notional value


@dataclass
class Position:
    """`lots` below 0 are sold; `cost` is what the open lots were bought for, in the settlement asset, of the same sign."""

    lots: int = 0
    cost: Decimal = Decimal(0)
    updated: int = 0

    def add(self, lots: int, price: Decimal) -> Decimal:
        """`price` is that of one lot. The profit of what was closed."""
        closed = min(abs(lots), abs(self.lots)) if lots * self.lots < 0 else 0
        sign = 1 if self.lots > 0 else -1
        released = self.cost * closed / abs(self.lots) if closed else Decimal(0)
        profit = sign * closed * price - released
        self.cost += (abs(lots) - closed) * (1 if lots > 0 else -1) * price - released
        self.lots += lots
        return profit


@dataclass
class MarginMoney:
    """`wallets` by account; positions by account and market."""

    wallets: dict[str, Decimal]
    fee: Decimal = Decimal("0.0004")  # of the turnover
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    _reserved: dict[Ticket, Decimal] = field(default_factory=dict)

    def position(self, account: str, market: Market) -> Position:
        return self.positions.setdefault((account, market.name), Position())

    def reserve(self, ticket: Ticket) -> None:
        order, listing = ticket.order, ticket.market.listing
        turnover = Decimal((order.price or ticket.stop or ticket.market.last) * order.quantity)
        needed = turnover.scaleb(-listing.price_decimals - listing.lot_decimals) / LEVERAGE
        if order.reduce_only:
            return
        if needed > self.available(ticket.account):
            raise RefusalError("margin")
        self._reserved[ticket] = needed

    def clip(self, ticket: Ticket) -> bool:
        if not ticket.order.reduce_only:
            return True
        held = self.position(ticket.account, ticket.market).lots * -ticket.order.side
        if held <= 0:
            return False
        ticket.order.quantity = ticket.order.remaining = held if ticket.closes else min(ticket.order.quantity, held)
        return True

    def settle(self, ticket: Ticket, fill: Fill) -> Decimal:
        _, quote = amounts(ticket.market, fill)
        position = self.position(ticket.account, ticket.market)
        profit = position.add(fill.quantity * ticket.order.side, quote / fill.quantity)
        position.updated = fill.at
        self.wallets[ticket.account] += profit - quote * self.fee
        return profit

    def release(self, ticket: Ticket) -> None:
        self._reserved.pop(ticket, None)

    def profit(self, account: str, market: Market, at: float) -> Decimal:
        """Of the open position at the mark price, in the settlement asset."""
        position = self.position(account, market)
        return self.notional(position, market, at) - position.cost

    def notional(self, position: Position, market: Market, at: float) -> Decimal:
        """The position's value at the mark price, of its sign."""
        listing = market.listing
        return Decimal(position.lots * round(market.mark(at))).scaleb(-listing.price_decimals - listing.lot_decimals)

    def liquidation(self, account: str, market: Market, markets: Iterable[Market], at: float) -> Decimal:
        """The mark price at which the wallet no longer covers the maintenance of all positions, the others as they are:
        wallet + profit of others - maintenance of others + q p - cost = m |q| p. 0 where there is none.
        """
        position = self.position(account, market)
        left = self.wallets[account]
        for other in markets:
            if other is not market:
                held = abs(self.notional(self.position(account, other), other, at))
                left += self.profit(account, other, at) - MAINTENANCE * held
        size = Decimal(position.lots).scaleb(-market.listing.lot_decimals)
        slope = size - MAINTENANCE * abs(size)
        return max(Decimal(0), (position.cost - left) / slope) if slope else Decimal(0)

    def margin(self, account: str) -> Decimal:
        """What positions and open orders hold of the wallet."""
        held = sum((abs(each.cost) for (name, _), each in self.positions.items() if name == account), Decimal(0))
        return held / LEVERAGE + sum(self.ordered(account), Decimal(0))

    def ordered(self, account: str) -> Iterable[Decimal]:
        return (amount for ticket, amount in self._reserved.items() if ticket.account == account)

    def available(self, account: str) -> Decimal:
        return self.wallets[account] - self.margin(account)
