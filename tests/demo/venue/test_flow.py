"""The seeded crowd and the reference prices: the same seed and times make the same market."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.venue.assets import PRICES, Listing, listing, listings
from demo.venue.engine import Book, Order, Side
from demo.venue.flow import Crowd, Habits, Reference
from demo.venue.market import STEP, Market

BEGAN = 1_700_000_000.0
TIMES = st.floats(BEGAN, BEGAN + 365 * 86_400)


@given(seed=st.integers(0, 1000), at=TIMES, asset=st.sampled_from(sorted(PRICES)))
def test_a_price_stays_within_reach_of_where_it_began(seed: int, at: float, asset: str) -> None:
    assert abs(math.log(Reference(seed).dollars(asset, at) / PRICES[asset])) < 0.3


@given(at=TIMES)
def test_a_dollar_stays_a_dollar(at: float) -> None:
    assert Reference(7).dollars("USD", at) == 1.0
    assert abs(Reference(7).dollars("USDT", at) - 1) < 0.002


@given(at=TIMES)
def test_cross_prices_agree(at: float) -> None:
    reference = Reference(7)
    through = reference.price("ETH", "BTC", at) * reference.price("BTC", "USDT", at)
    assert through == pytest.approx(reference.price("ETH", "USDT", at))


@given(at=TIMES)
def test_a_price_moves_by_little_in_a_second(at: float) -> None:
    now, then = (Reference(7).dollars("BTC", at + later) for later in (0.0, 1.0))
    assert abs(then / now - 1) < 0.002


def test_another_seed_is_another_market() -> None:
    assert Reference(1).dollars("BTC", BEGAN) != Reference(2).dollars("BTC", BEGAN)


def grown(seed: str, steps: int, habits: Habits | None = None) -> Market:
    market = Market(listing("BTC", "USDT"), Reference(7), habits or Habits(levels=50), seed, BEGAN)
    for step in range(steps):
        market.step(BEGAN + step * STEP, round(1000 * (BEGAN + step * STEP)))
    return market


def test_the_same_seed_and_times_make_the_same_trades_and_book() -> None:
    one, other = grown("7/a", 100), grown("7/a", 100)
    assert list(one.prints) == list(other.prints) != list(grown("7/b", 100).prints)
    for side in Side:
        assert list(one.book.levels(side)) == list(other.book.levels(side))


def test_two_venues_of_one_seed_agree_on_the_price() -> None:
    one, other = grown("7/one", 100), grown("7/other", 100)
    assert one.last == pytest.approx(other.last, rel=0.001)


@pytest.mark.parametrize("levels", [50, 500])
def test_a_market_opens_with_all_its_levels_and_some_trades(levels: int) -> None:
    market = grown("7", 0, Habits(levels=levels))
    assert all(market.book.depth(side) >= 0.85 * levels for side in Side)
    assert market.prints
    assert market.news == []


def test_quotes_keep_to_the_reference_and_within_the_reach() -> None:
    market = grown("7", 300)
    bid, ask = market.book.best(Side.BUY), market.book.best(Side.SELL)
    assert bid is not None
    assert ask is not None
    assert bid < ask
    assert bid == pytest.approx(market.fair, rel=0.001)
    assert ask == pytest.approx(market.fair, rel=0.001)
    assert all(abs(level.price / market.fair - 1) < 0.04 for side in Side for level in market.book.levels(side))


@settings(deadline=None)
@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=30), st.sampled_from([1, 10, 100]))
def test_the_crowd_copes_with_any_price(moves: list[float], tick: int) -> None:
    book, crowd = Book(), Crowd(Habits(levels=20), tick, Random(7))
    for move in moves:
        for action in crowd.act(book, 10_000 * move, STEP):
            if isinstance(action, Order):
                book.place(action)
            else:
                book.cancel(action.order_id)
        prices = [level.price for side in Side for level in book.levels(side)]
        assert all(price > 0 and price % tick == 0 for price in prices)


def test_a_market_of_few_prices_is_not_filled_for_ever() -> None:
    book, crowd = Book(), Crowd(Habits(levels=500), 1, Random(7))
    for _ in range(200):
        for action in crowd.act(book, 100.0, STEP):
            if isinstance(action, Order):
                book.place(action)
            else:
                book.cancel(action.order_id)
    resting = sum(len(book.queue(side, level.price)) for side in Side for level in book.levels(side))
    assert resting < 3_100


def test_who_leaves_leaves_nothing() -> None:
    book, crowd = Book(), Crowd(Habits(levels=20), 1, Random(7))
    for action in crowd.act(book, 10_000, STEP):
        assert isinstance(action, Order)
        book.place(action)
    for cancel in crowd.leave():
        book.cancel(cancel.order_id)
    assert [book.depth(side) for side in Side] == [0, 0]


def test_there_are_some_hundred_symbols_and_no_more() -> None:
    names = [each.name for each in listings(200)]
    assert len(set(names)) == 200
    assert names[:2] == ["BTC/USDT", "ETH/USDT"]
    with pytest.raises(ValueError, match="too many"):
        listings(10_000)


@given(st.sampled_from(listings(200)))
def test_a_price_has_some_six_digits_and_a_lot_is_worth_little(each: Listing) -> None:
    units = PRICES[each.base] / PRICES[each.quote] / each.price_unit
    assert 9_999 < units < 1_000_001
    assert PRICES[each.base] * each.lot <= 1
