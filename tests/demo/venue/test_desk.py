"""Orders and money of accounts: what holds whatever they do, with a crowd that trades on."""

import contextlib
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from demo.venue.assets import listing, perpetuals
from demo.venue.desk import Desk, RefusalError, SpotMoney, Ticket
from demo.venue.engine import Order, Side, State, TimeInForce
from demo.venue.flow import Habits, Reference
from demo.venue.margin import LEVERAGE, MarginMoney, Position
from demo.venue.market import STEP, Market

BEGAN = 1_700_000_000.0
OPENING = {"BTC": Decimal(2), "USDT": Decimal(100_000)}


class Wish(NamedTuple):
    """An order, its price and stop as shares away from the last price."""

    account: str
    side: Side
    away: float | None
    quantity: int
    in_force: TimeInForce
    post_only: bool
    stop: float | None


WISHES = st.builds(
    Wish,
    account=st.sampled_from(["alice", "bob"]),
    side=st.sampled_from(Side),
    away=st.none() | st.floats(-0.01, 0.01),
    quantity=st.integers(1, 300_000),
    in_force=st.sampled_from(TimeInForce),
    post_only=st.booleans(),
    stop=st.none() | st.floats(-0.002, 0.002),
)


class Trading(RuleBasedStateMachine):
    """Two accounts on one spot market; the crowd moves between what they do."""

    def __init__(self) -> None:
        super().__init__()
        self.market = Market(listing("BTC", "USDT"), Reference(7), Habits(levels=10), "7", BEGAN)
        self.money = SpotMoney({"alice": OPENING, "bob": OPENING})
        self.desk = Desk(self.money)
        self.tickets: list[Ticket] = []
        self.steps = 0

    @rule(wish=WISHES)
    def place(self, wish: Wish) -> None:
        last = self.market.last
        price = None if wish.away is None else round(last * (1 + wish.away))
        stop = None if wish.stop is None else round(last * (1 + wish.stop))
        order = Order(next(self.market.ids), wish.side, price, wish.quantity, wish.in_force, owner=wish.account)
        order.post_only = wish.post_only and price is not None
        ticket = Ticket(
            wish.account, self.market, order, f"{order.id}", "ANY", 1, stop, rises=stop is None or stop > last
        )
        self.tickets.append(ticket)
        with contextlib.suppress(RefusalError):
            self.desk.place(ticket)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if standing := [*self.desk.open_of("alice"), *self.desk.open_of("bob")]:
            self.desk.cancel(data.draw(st.sampled_from(standing)), 2)

    @rule()
    def step(self) -> None:
        self.steps += 1
        self.market.step(BEGAN + self.steps * STEP, self.steps)
        self.desk.look([self.market], self.steps)

    def expected(self, account: str) -> dict[str, Decimal]:
        """What is owned, by the fills alone."""
        owned = dict(OPENING)
        for ticket in self.tickets:
            for fill in ticket.fills if ticket.account == account else ():
                base = Decimal(fill.quantity).scaleb(-5)
                quote = Decimal(fill.price * fill.quantity).scaleb(-6)
                if ticket.order.side is Side.BUY:
                    owned["BTC"] += base * (1 - self.money.fee)
                    owned["USDT"] -= quote
                else:
                    owned["BTC"] -= base
                    owned["USDT"] += quote * (1 - self.money.fee)
        return owned

    @invariant()
    def what_is_owned_is_what_was_traded(self) -> None:
        for account in ("alice", "bob"):
            balances = self.money.balances[account]
            assert {asset: each.free + each.locked for asset, each in balances.items()} == self.expected(account)

    @invariant()
    def what_is_open_is_known_and_what_is_closed_locks_nothing(self) -> None:
        for account in ("alice", "bob"):
            standing = self.desk.open_of(account)
            assert all(ticket.open for ticket in standing)
            assert standing or all(each.locked == 0 for each in self.money.balances[account].values())
        assert all(each.locked >= 0 for account in self.money.balances.values() for each in account.values())

    @invariant()
    def fills_are_what_the_engine_says(self) -> None:
        for ticket in self.tickets:
            assert sum(fill.quantity for fill in ticket.fills) == ticket.order.filled
            rests = ticket.order.id in self.market.book
            assert rests == (ticket.open and not ticket.waiting and ticket in self.desk.open_of(ticket.account))


TestTrading = Trading.TestCase
TestTrading.settings = settings(deadline=None, max_examples=40, stateful_step_count=25)


FILLS = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 1000)), max_size=30)


@given(FILLS)
def test_profit_and_cost_of_a_position_are_the_cash_that_was_paid(fills: list[tuple[int, int]]) -> None:
    position, realized = Position(), Decimal(0)
    for lots, price in fills:
        realized += position.add(lots, Decimal(price))
    paid = sum(lots * price for lots, price in fills)
    assert float(position.cost - realized) == pytest.approx(paid, abs=1e-6)
    assert position.lots == sum(lots for lots, _ in fills)
    assert position.lots or float(position.cost) == pytest.approx(0, abs=1e-6)


@given(FILLS.filter(bool))
def test_what_is_open_has_a_cost_of_its_sign(fills: list[tuple[int, int]]) -> None:
    position = Position()
    for lots, price in fills:
        position.add(lots, Decimal(price))
    assert position.lots * position.cost >= 0


def contract() -> tuple[Market, MarginMoney]:
    market = Market(perpetuals(1)[0], Reference(7), Habits(levels=10), "7", BEGAN)
    return market, MarginMoney({"desk": Decimal(10_000)})


def ticket(market: Market, side: Side, quantity: int, *, reduce_only: bool = False) -> Ticket:
    order = Order(next(market.ids), side, market.last, quantity, reduce_only=reduce_only, owner="desk")
    return Ticket("desk", market, order, "c", "LIMIT", 1)


def test_margin_is_a_share_of_the_turnover_and_comes_back() -> None:
    market, money = contract()
    placed = ticket(market, Side.BUY, 10**5)
    money.reserve(placed)
    assert money.available("desk") == 10_000 - Decimal(market.last).scaleb(-1) / LEVERAGE
    with pytest.raises(RefusalError, match="margin"):
        money.reserve(ticket(market, Side.BUY, 10**6))
    money.release(placed)
    assert money.available("desk") == 10_000


def test_a_reduce_only_order_is_no_larger_than_the_position() -> None:
    market, money = contract()
    money.position("desk", market).add(30, Decimal(1))
    closing = ticket(market, Side.SELL, 50, reduce_only=True)
    assert money.clip(closing)
    assert (closing.order.quantity, closing.order.remaining) == (30, 30)
    assert not money.clip(ticket(market, Side.BUY, 50, reduce_only=True))


def test_at_the_liquidation_price_the_wallet_is_the_maintenance_margin() -> None:
    market, money = contract()
    lots, price = 10**6, Decimal(market.last).scaleb(-1)
    money.position("desk", market).add(lots, price.scaleb(-5))
    at = money.liquidation("desk", market, [market], BEGAN)
    size = Decimal(lots).scaleb(-5)
    equity = money.wallets["desk"] + size * (at - price)
    assert 0 < at < price
    assert equity == pytest.approx(Decimal("0.005") * size * at, abs=Decimal("0.01"))


def test_a_closed_order_is_remembered_for_a_while() -> None:
    market = Market(listing("BTC", "USDT"), Reference(7), Habits(levels=10), "7", BEGAN)
    desk = Desk(SpotMoney({"alice": OPENING}))
    first = None
    for number in range(1_100):
        order = Order(next(market.ids), Side.BUY, 1, 1, owner="alice")
        placed = Ticket("alice", market, order, str(number), "LIMIT", 1)
        desk.place(placed)
        desk.cancel(placed, 1)
        first = first or placed
    assert first is not None
    assert len(desk.of("alice", market)) == 1_000
    with pytest.raises(RefusalError, match="unknown"):
        desk.find("alice", market, first.order.id, None)
    assert first.order.state is State.CANCELED
