"""What is let in as a book, and what is refused, by name."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.exchange.books import Book
from occ.errors import SourceError

GOOD = [[101.0, 1.0], [102.0, 2.0], [103.0, 3.0]]


@pytest.mark.parametrize(
    ("asks", "complaint"),
    [
        ([[101.0, 1.0], [math.nan, 2.0], [103.0, 3.0]], "the price of level 1 is nan"),
        ([[math.nan, 1.0]], "the price of level 0 is nan"),
        ([[101.0, 1.0], [102.0, math.nan], [103.0, 1.0]], "the amount of level 1 is nan"),
        ([[101.0, 1.0], [math.inf, 2.0]], "the price of level 1 is inf"),
        ([[101.0, math.inf]], "the amount of level 0 is inf"),
        ([[-101.0, 1.0]], "the price of level 0 is -101"),
        ([[0.0, 1.0]], "the price of level 0 is 0"),
        ([[0, 1.0], [1, 1.0]], "the price of level 0 is 0"),
        ([[101.0, 0.0]], "the amount of level 0 is 0"),
        ([[101.0, 1.0], [102.0, -2.0]], "the amount of level 1 is -2"),
        ([[101.0, 1.0], [1e300, 1.0]], "the price of level 1 is 1e+300"),
        ([[1e-300, 1.0], [1.0, 1.0]], "the price of level 0 is 1e-300"),
        ([[101.0, 1e300]], "the amount of level 0 is 1e+300"),
        ([[10**400, 1.0]], "the price of level 0 is of type int"),
        ([[101.0, 10**400], [102.0, 1.0]], "the amount of level 0 is of type int"),
        ([[101.0, 6e29], [102.0, 6e29]], "the amounts are absurd together"),
        ([[102.0, 1.0], [101.0, 1.0]], "level 1 is out of order"),
        ([[101.0, 1.0], [103.0, 1.0], [102.0, 1.0], [104.0, 1.0]], "level 2 is out of order"),
        ([[101.0, 1.0], [101.0, 2.0]], "level 1 repeats a price"),
        ([["101.0", "1.0"], ["102.0", "1.0"]], "the price of level 0 is of type str"),
        ([[101.0, "1.0"]], "the amount of level 0 is of type str"),
        ([[Decimal(101), 1.0]], "the price of level 0 is of type Decimal"),
        ([[101.0, Decimal(1)], [102.0, Decimal(1)]], "the amount of level 0 is of type Decimal"),
        ([[101.0, Decimal("sNaN")]], "the amount of level 0 is of type Decimal"),
        ([[101.0, 1.0], [102.0, None]], "the amount of level 1 is of type NoneType"),
        ([[101.0, 1.0], [102.0]], "level 1 is not a price and an amount"),
        ([[101.0, 1.0], []], "level 1 is not a price and an amount"),
        ([101.0, 1.0], "level 0 is not a price and an amount"),
        ([{"price": 101.0, "amount": 1.0}], "level 0 is not a price and an amount"),
        ([None], "level 0 is not a price and an amount"),
        (None, "NoneType instead of levels"),
        ("garbage", "str instead of levels"),
        ("", "str instead of levels"),
        ({"101": "1"}, "dict instead of levels"),
        ({}, "dict instead of levels"),
    ],
)
def test_garbage_is_refused_with_the_side_and_the_level(asks: Any, complaint: str) -> None:
    with pytest.raises(SourceError) as refused:
        Book.of([[100.0, 1.0]], asks)
    assert (refused.value.reason, str(refused.value)) == ("bad_response", f"asks: {complaint}")


def test_bids_must_fall_as_asks_must_rise() -> None:
    with pytest.raises(SourceError, match="bids: level 1 is out of order"):
        Book.of(GOOD, [])
    assert Book.of(GOOD[::-1], GOOD).bids.best == 103.0


def test_text_from_the_far_side_is_not_repeated() -> None:
    with pytest.raises(SourceError) as refused:
        Book.of([["<key of somebody>", 1.0]], [])
    assert "key" not in str(refused.value)


def test_levels_may_have_more_than_a_price_and_an_amount() -> None:
    book = Book.of([(100.0, 1.0, 7)], [[101.0, 1.0, "order-id"], [102.0, 2.0]])
    assert (book.bids.prices, book.asks.amounts) == ((100.0,), (1.0, 2.0))


def test_a_book_without_levels_is_a_book() -> None:
    book = Book.of([], [])
    assert (book.bids.best, book.asks.best) == (None, None)


def test_five_thousand_levels_are_let_in_and_one_bad_of_them_is_found() -> None:
    levels = [[100.0 + n, 1.0] for n in range(5000)]
    assert len(Book.of([], levels).asks.prices) == 5000
    levels[4321][1] = -1.0
    with pytest.raises(SourceError, match="asks: the amount of level 4321 is -1"):
        Book.of([], levels)


def test_contracts_become_base() -> None:
    linear = Book.of([], [[50.0, 3.0]], contract_size=0.1)
    assert linear.asks.amounts == pytest.approx([0.3])
    inverse = Book.of([], [[50.0, 3.0]], contract_size=100.0, inverse=True)
    assert inverse.asks.amounts == (6.0,)
    assert Book.of([], [[50.0, 3.0]], inverse=True).asks.amounts == pytest.approx([0.06])


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf])
def test_a_contract_size_that_is_none_is_refused(size: float) -> None:
    with pytest.raises(SourceError, match="contract size"):
        Book.of([], [[50.0, 3.0]], contract_size=size)


ANYTHING = st.one_of(
    st.floats(),
    st.integers(),
    st.none(),
    st.text(max_size=3),
    st.booleans(),
    st.decimals(),
    st.lists(st.floats(), max_size=3),
)


@given(st.one_of(ANYTHING, st.lists(st.one_of(ANYTHING, st.lists(ANYTHING, max_size=3)), max_size=5)))
def test_whatever_comes_is_a_sound_book_or_refused(levels: Any) -> None:
    try:
        book = Book.of([], levels)
    except SourceError:
        return
    prices, amounts = book.asks.prices, book.asks.amounts
    assert list(prices) == sorted(set(prices))
    assert all(math.isfinite(number) and number > 0 for number in (*prices, *amounts))
