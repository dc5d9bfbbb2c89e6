"""Orders and money of accounts: what holds whatever they do, with a crowd that trades on."""

import contextlib
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from demo.venue.assets import listing
from demo.venue.desk import Desk, RefusalError, SpotMoney, Ticket
from demo.venue.engine import Order, Side, State, TimeInForce
from demo.venue.flow import Habits, Reference
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
