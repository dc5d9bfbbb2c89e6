"""Positions and the money behind them: what holds whatever is traded."""

import itertools
import math
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from demo.venue.assets import perpetuals
from demo.venue.desk import Desk, RefusalError, Ticket
from demo.venue.engine import Order, Side
from demo.venue.flow import Habits, Reference
from demo.venue.market import Market
from demo.venue.positions import BOTH, LONG, SHORT, Held, MarginMoney, Position

BEGAN = 1_700_000_000.0
BTC, ETH = (Market(each, Reference(7), Habits(levels=10), each.name, BEGAN) for each in perpetuals(2))

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


# --- the money -------------------------------------------------------------------------------------------------------


def money(wallet: int = 10_000, *, hedged: bool = False) -> MarginMoney:
    markets = {"BTCUSDT": BTC, "ETHUSDT": ETH}
    return MarginMoney({"desk": Decimal(wallet)}, markets, lambda: BEGAN, hedged=hedged)


def ticket(side: Side, quantity: int, *, reduce_only: bool = False, position: str = BOTH) -> Ticket:
    order = Order(next(BTC.ids), side, BTC.last, quantity, reduce_only=reduce_only, owner="desk")
    return Ticket("desk", BTC, order, f"{order.id}", "LIMIT", 1, position=position)


def hold(of: MarginMoney, market: Market, lots: int, side: str = BOTH, *, margin: Decimal | None = None) -> Held:
    """Bought or sold at the mark price; with a margin of its own, isolated."""
    position = of.position("desk", market, side)
    position.add(lots, of.mark(market).scaleb(-market.listing.lot_decimals))
    if margin is not None:
        of.terms("desk", market).isolated = True
        position.margin = margin
    return Held("desk", market, side, position)


def test_margin_is_a_share_of_the_turnover_and_comes_back() -> None:
    mine = money()
    placed = ticket(Side.BUY, 10**5)
    mine.reserve(placed)
    assert mine.available("desk") == 10_000 - Decimal(BTC.last).scaleb(-1) / 20
    with pytest.raises(RefusalError, match="margin"):
        mine.reserve(ticket(Side.BUY, 10**6))
    mine.release(placed)
    assert mine.available("desk") == 10_000


def test_what_of_an_order_is_filled_is_not_held_for_it_any_more() -> None:
    mine = money()
    placed = ticket(Side.BUY, 10**5)
    mine.reserve(placed)
    placed.order.fill(75_000)
    assert sum(amount for _, amount in mine.ordered("desk")) == Decimal(BTC.last).scaleb(-1) / 20 / 4


def test_a_reduce_only_order_is_no_larger_than_the_position() -> None:
    mine = money()
    mine.position("desk", BTC).add(30, Decimal(1))
    closing = ticket(Side.SELL, 50, reduce_only=True)
    assert mine.clip(closing)
    assert (closing.order.quantity, closing.order.remaining) == (30, 30)
    assert not mine.clip(ticket(Side.BUY, 50, reduce_only=True))


def test_profit_on_paper_bears_new_orders_and_is_not_withdrawn() -> None:
    mine = money()
    hold(mine, BTC, 100_000)
    position = mine.position("desk", BTC)
    before, position.cost = mine.available("desk"), position.cost - 5_000
    assert mine.available("desk") == before + 5_000
    assert mine.withdrawable("desk") == before


def test_sides_of_hedge_mode_are_apart() -> None:
    mine = money(hedged=True)
    hold(mine, BTC, 30, LONG)
    hold(mine, BTC, -20, SHORT)
    assert mine.reducible(ticket(Side.SELL, 1, position=LONG)) == 30
    assert mine.reducible(ticket(Side.BUY, 1, position=SHORT)) == 20
    assert mine.reducible(ticket(Side.BUY, 1, position=LONG)) == 0
    (pot,) = mine.pots("desk")
    assert len(pot.held) == 2


def test_an_order_that_reduces_goes_where_those_before_it_reduce_all_there_is() -> None:
    mine = money(10**6)
    desk = Desk(mine)
    hold(mine, BTC, 30)
    resting = [ticket(Side.SELL, 15, reduce_only=True) for _ in range(2)]
    for each in resting:
        each.order.price = 2 * BTC.last
        desk.place(each)
    assert [each.open for each in resting] == [True, True]
    selling = ticket(Side.SELL, 10)
    selling.order.price = None
    desk.place(selling)
    assert (selling.order.filled, mine.position("desk", BTC).lots) == (10, 20)
    assert [each.open for each in resting] == [True, False]


LOTS = st.integers(1_000, 3_000_000)
SIGNS = st.sampled_from([1, -1])


@settings(deadline=None)
@given(LOTS, SIGNS, st.floats(0.02, 0.98))
def test_at_the_told_price_the_pot_is_used_up(lots: int, sign: int, share: float) -> None:
    """Cross margin, with a position in another contract beside."""
    value = Decimal(lots).scaleb(-5) * money().mark(BTC)
    mine = money(round(value * Decimal(share)) + 3_000)
    other = hold(mine, ETH, 100_000)
    held = hold(mine, BTC, sign * lots)
    assume(mine.usage("desk") < 1)
    at = mine.liquidation(held)
    if at is not None:
        assert mine.usage("desk", {BTC.name: at, ETH.name: mine.mark(ETH)}) == pytest.approx(1, rel=1e-6)
    else:
        assert sign > 0
    assert other.position.lots


@settings(deadline=None)
@given(LOTS, SIGNS, st.floats(0.02, 0.98))
def test_an_isolated_position_falls_with_its_own_margin(lots: int, sign: int, share: float) -> None:
    mine = money(10**9)
    held = hold(mine, BTC, sign * lots, margin=Decimal(lots).scaleb(-5) * mine.mark(BTC) * Decimal(share))
    assume(mine.usage("desk") < 1)
    at = mine.liquidation(held)
    assert at is not None
    assert mine.usage("desk", {BTC.name: at}) == pytest.approx(1, rel=1e-6)


@settings(deadline=None)
@given(LOTS, SIGNS, SIGNS, st.floats(0.05, 2.0), st.floats(0.1, 0.4))
def test_a_squeeze_is_solved_for_all_that_is_held(lots: int, one: int, other: int, ratio: float, share: float) -> None:
    value = Decimal(lots).scaleb(-5) * money().mark(BTC)
    mine = money(round(value * Decimal(share)))
    hold(mine, BTC, one * lots)
    hold(mine, ETH, other * 50_000)
    marks = mine.squeezed("desk", ratio)
    assert marks is not None
    assert mine.usage("desk", marks) == pytest.approx(ratio, rel=1e-6)


def test_a_squeeze_is_solved_at_one_moment_though_prices_go_on() -> None:
    ticking = itertools.count()
    mine = MarginMoney({"desk": Decimal(20_000)}, {"BTCUSDT": BTC}, lambda: BEGAN + 10.0 * next(ticking))
    hold(mine, BTC, 200_000)
    marks = mine.squeezed("desk", 0.9)
    assert marks is not None
    assert mine.usage("desk", marks) == pytest.approx(0.9, rel=1e-9)


def test_what_no_price_can_squeeze_is_said() -> None:
    mine = money(10**6)
    hold(mine, BTC, 100_000)
    assert mine.squeezed("desk", 1.0) is None


def test_nothing_is_used_where_nothing_is_held_and_all_where_nothing_is_left() -> None:
    mine = money(0)
    assert mine.usage("desk") == 0
    hold(mine, BTC, 100_000)
    assert mine.usage("desk") == math.inf
