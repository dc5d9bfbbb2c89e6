"""Margin and liquidation prices: the examples that Binance publishes, and what holds for any position."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from demo.venue.margin import (
    BTC,
    ETH,
    OTHERS,
    Brackets,
    Leg,
    bracket,
    crossing,
    liquidation_price,
    maintenance,
    usage,
)
from tests.adapters.venue.liquidation import Held, linear

D = Decimal

# --- "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts": two positions in cross margin, one-way mode ---

WALLET = D("1535443.01")
ETH_LONG, ETH_MARK = Leg(D("3683.979"), D("1456.84")), D("1335.18")
BTC_LONG, BTC_MARK = Leg(D("109.488"), D("32481.980")), D("31967.27")


def profit(leg: Leg, mark: Decimal) -> Decimal:
    return leg.size * (mark - leg.entry)


def test_the_published_maintenance_margins() -> None:
    assert maintenance(ETH_LONG.size * ETH_MARK, ETH) == pytest.approx(D("356512.508"), abs=D("0.001"))
    assert maintenance(BTC_LONG.size * BTC_MARK, BTC) == pytest.approx(D("71200.81144"), abs=D("0.001"))
    assert profit(ETH_LONG, ETH_MARK) == pytest.approx(D("-448192.89"), abs=D("0.01"))
    assert profit(BTC_LONG, BTC_MARK) == pytest.approx(D("-56354.57"), abs=D("0.01"))


def test_the_published_liquidation_prices() -> None:
    others = WALLET - D("356512.508") + D("-448192.89")
    assert liquidation_price(others, [BTC_LONG], BTC, BTC_MARK) == pytest.approx(D("26316.89"), abs=D("0.01"))
    others = WALLET - D("71200.81144") + D("-56354.57")
    assert liquidation_price(others, [ETH_LONG], ETH, ETH_MARK) == pytest.approx(D("1153.26"), abs=D("0.01"))


def test_the_published_maintenance_amounts() -> None:
    """Of a position of 500,000 USDT in BTCUSDT the ratio is 1 % and the amount 1,300 USDT = 250,000 * (1 % - 0.5 %) + 50."""
    found = bracket(D(500_000), BTC)
    assert (found.floor, found.ratio, found.amount) == (D(250_000), D("0.01"), D(1_300))
    amounts = [0, 50, 1_300, 16_300, 266_300, 1_266_300, 2_516_300, 5_016_300, 25_016_300, 100_016_300]
    assert [each.amount for each in BTC] == amounts
    assert [each.amount for each in ETH[:8]] == [0, 15, 365, 5_365, 35_365, 135_365, 260_365, 510_365]


# --- what holds for any ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [BTC, ETH, OTHERS])
def test_brackets_follow_each_other_and_no_step_in_maintenance_is_between_them(of: Brackets) -> None:
    for last, following in itertools.pairwise(of):
        assert last.cap == following.floor
        assert last.leverage > following.leverage
        assert last.cap * last.ratio - last.amount == following.floor * following.ratio - following.amount


SIZES = st.decimals(D("0.001"), D(5_000), places=3)
PRICES = st.decimals(D(100), D(90_000), places=2)
SHARES = st.decimals(D("0.01"), D("0.9"), places=3)


def equity(balance: Decimal, legs: list[Leg], price: Decimal) -> Decimal:
    return balance + sum((profit(leg, price) for leg in legs), D(0))


def maintained(legs: list[Leg], price: Decimal) -> Decimal:
    return sum((maintenance(leg.size * price, BTC) for leg in legs), D(0))


@given(SIZES, PRICES, SHARES, st.sampled_from([1, -1]))
def test_at_the_told_price_the_usage_is_exactly_1(size: Decimal, price: Decimal, share: Decimal, sign: int) -> None:
    legs, balance = [Leg(sign * size, price)], share * size * price
    assume(maintained(legs, price) < balance)
    found = liquidation_price(balance, legs, BTC, price)
    assert found is not None
    assert (found - price) * sign < 0
    assert usage(maintained(legs, found), equity(balance, legs, found)) == pytest.approx(1, rel=1e-9)


@given(SIZES, SIZES, PRICES, PRICES, SHARES)
def test_two_sides_of_one_contract_have_one_price(
    long: Decimal, short: Decimal, bought: Decimal, sold: Decimal, share: Decimal
) -> None:
    legs, mark = [Leg(long, bought), Leg(-short, sold)], bought
    balance = share * (long + short) * mark - equity(D(0), legs, mark)
    assume(maintained(legs, mark) < equity(balance, legs, mark))
    found = liquidation_price(balance, legs, BTC, mark)
    if found is not None:
        assert usage(maintained(legs, found), equity(balance, legs, found)) == pytest.approx(1, rel=1e-6)


@given(SIZES, PRICES, SHARES, st.sampled_from([1, -1]))
def test_the_told_price_is_that_of_the_formula_by_the_bracket_in_which_it_lies(
    size: Decimal, price: Decimal, share: Decimal, sign: int
) -> None:
    balance = share * size * price
    found = liquidation_price(balance, [Leg(sign * size, price)], BTC, price)
    assume(found is not None)
    there = bracket(size * (found or D(0)), BTC)
    assert linear([Held(sign * size, price, there.ratio, there.amount)], balance) == pytest.approx(found)


@given(SIZES, PRICES)
def test_what_is_paid_for_in_full_has_no_price_at_which_it_is_liquidated(size: Decimal, price: Decimal) -> None:
    assert liquidation_price(size * price, [Leg(size, price)], BTC, price) is None


@given(SIZES, PRICES, SHARES)
def test_more_collateral_moves_the_price_away(size: Decimal, price: Decimal, share: Decimal) -> None:
    near = liquidation_price(share * size * price / 2, [Leg(size, price)], BTC, price)
    far = liquidation_price(share * size * price, [Leg(size, price)], BTC, price)
    assert near is not None
    assert far is None or far < near


def test_usage_is_0_without_positions_and_endless_where_nothing_is_left() -> None:
    assert usage(D(0), D(-1)) == 0
    assert usage(D(5), D(10)) == 0.5
    assert usage(D(5), D(0)) == usage(D(5), D(-1)) == float("inf")


@given(st.floats(-2.9, 2.9))
def test_a_crossing_is_found_by_halving(at: float) -> None:
    assert crossing(lambda x: x >= at, -3, 3) == pytest.approx(at, abs=1e-12)
