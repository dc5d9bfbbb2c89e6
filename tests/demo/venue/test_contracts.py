"""Contracts of two accounts, one-way and hedged, cross and isolated: what holds whatever they do while the crowd trades and prices jump."""

import contextlib
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from demo.venue.assets import perpetuals
from demo.venue.clearing import Clearing
from demo.venue.desk import Desk, RefusalError, Ticket
from demo.venue.engine import Order, Side, TimeInForce
from demo.venue.flow import Habits, Reference
from demo.venue.market import STEP, Market
from demo.venue.positions import BOTH, LONG, SHORT, Held, MarginMoney

BEGAN = 1_700_000_000.0
WALLET = Decimal(20_000)
ACCOUNTS = ("alice", "bob")  # bob is in hedge mode, and isolated


class Wish(NamedTuple):
    """An order; its price and stop as shares away from the last price."""

    account: str
    side: Side
    away: float | None
    quantity: int
    stop: float | None
    position: str
    reduce_only: bool


WISHES = st.builds(
    Wish,
    account=st.sampled_from(ACCOUNTS),
    side=st.sampled_from(Side),
    away=st.none() | st.floats(-0.01, 0.01),
    quantity=st.integers(1, 300_000),
    stop=st.none() | st.floats(-0.002, 0.002),
    position=st.sampled_from([LONG, SHORT]),
    reduce_only=st.booleans(),
)


class Contracts(RuleBasedStateMachine):
    """One contract at one venue."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGAN
        self.market = Market(perpetuals(1)[0], Reference(7), Habits(levels=20), "7", BEGAN)
        markets = {"BTCUSDT": self.market}
        self.money = MarginMoney(dict.fromkeys(ACCOUNTS, WALLET), markets, lambda: self.now)
        self.money.hedged.add("bob")
        self.money.terms("bob", self.market).isolated = True
        self.desk = Desk(self.money)
        self.clearing = Clearing(self.money, self.desk)
        self.tickets: list[Ticket] = []

    @rule(wish=WISHES)
    def place(self, wish: Wish) -> None:
        last = self.market.last
        price = None if wish.away is None else round(last * (1 + wish.away))
        stop = None if wish.stop is None else round(last * (1 + wish.stop))
        order = Order(next(self.market.ids), wish.side, price, wish.quantity, TimeInForce.GTC, owner=wish.account)
        side = wish.position if wish.account in self.money.hedged else BOTH
        closes = (side, wish.side) in ((LONG, Side.SELL), (SHORT, Side.BUY))
        order.reduce_only = closes if side != BOTH else wish.reduce_only
        rises = stop is None or stop > last
        ticket = Ticket(wish.account, self.market, order, f"{order.id}", "ANY", 1, stop, rises, position=side)
        with contextlib.suppress(RefusalError):
            self.desk.place(ticket)
            self.tickets.append(ticket)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if standing := [ticket for name in ACCOUNTS for ticket in self.desk.open_of(name)]:
            self.desk.cancel(data.draw(st.sampled_from(standing)), 2)

    @rule(steps=st.integers(1, 10))
    def step(self, steps: int) -> None:
        for _ in range(steps):
            self.now += STEP
            self.market.step(self.now, 1)
            self.desk.look([self.market], 1)
            self.clearing.advance(1)

    @rule(jump=st.floats(0.8, 1.25))
    def jump(self, jump: float) -> None:
        self.market.pin(self.market.mark(self.now) * jump, self.now)

    @rule()
    def fund(self) -> None:
        self.now += 8 * 3600
        self.clearing.advance(1)

    def lots(self, account: str, side: str) -> int:
        return self.money.position(account, self.market, side).lots

    def all(self) -> list[Ticket]:
        return [*self.tickets, *self.desk.forced]

    @invariant()
    def what_is_held_is_what_was_traded(self) -> None:
        for account, side in (("alice", BOTH), ("bob", LONG), ("bob", SHORT)):
            mine = [each for each in self.all() if (each.account, each.position) == (account, side)]
            traded = sum(each.order.side * fill.quantity for each in mine for fill in each.fills)
            assert self.lots(account, side) == traded

    @invariant()
    def a_wallet_is_what_its_statement_says(self) -> None:
        for account in ACCOUNTS:
            entries = sum((each.amount for each in self.money.statements[account]), Decimal(0))
            assert self.money.wallets[account] == pytest.approx(WALLET + entries, abs=Decimal("1e-9"))

    @invariant()
    def sides_stay_sides(self) -> None:
        assert self.lots("bob", SHORT) <= 0 <= self.lots("bob", LONG)

    @invariant()
    def what_only_reduces_is_never_more_than_there_is(self) -> None:
        for account in ACCOUNTS:
            for side in self.money.sides(account):
                resting = [
                    each
                    for each in self.desk.open_of(account)
                    if each.order.reduce_only and not each.waiting and each.position == side
                ]
                for way in Side:
                    total = sum(each.order.remaining for each in resting if each.order.side is way)
                    assert total <= max(0, -way * self.lots(account, side))

    @invariant()
    def nothing_is_held_for_what_is_not_open(self) -> None:
        for account in ACCOUNTS:
            standing = set(map(id, self.desk.open_of(account)))
            assert all(id(ticket) in standing and amount >= 0 for ticket, amount in self.money.ordered(account))

    @invariant()
    def only_isolated_positions_that_are_open_have_something_aside(self) -> None:
        for account in ACCOUNTS:
            for side in self.money.sides(account):
                position = self.money.position(account, self.market, side)
                if account == "alice" or not position.lots:
                    assert position.margin == pytest.approx(0, abs=1e-9)

    @invariant()
    def at_the_liquidation_price_its_pot_is_used_up(self) -> None:
        for account in ACCOUNTS:
            for held in self.money.held(account):
                at = self.money.liquidation(held)
                if at is not None:
                    assert self._usage(held, at) == pytest.approx(1, rel=1e-6)

    def _usage(self, held: Held, at: Decimal) -> float:
        pots = self.money.pots(held.account, {self.market.name: at})
        return next(pot.usage for pot in pots if any(each.position is held.position for each in pot.held))


TestContracts = Contracts.TestCase
TestContracts.settings = settings(deadline=None, max_examples=40, stateful_step_count=25)
