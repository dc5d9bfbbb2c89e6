"""Answers that are taken apart: what is there is told, and what is not what it should be is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue.shape import maybe, number, record, records, word
from occ.errors import Reason, SourceError

NO_NUMBERS = [
    "NaN",
    "Infinity",
    "-inf",
    "much",
    True,
    False,
    [],
    {},
    "1e41",
    "1e-41",
    "1e-9999999999",
    "0x10",
    " 1 ",
    "1_0",
    "\u0661",
]
"""The last is a digit one, but an Arabic one."""

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("told", "expected"), [("1.50", "1.50"), (2, "2"), (0.1, "0.1"), ("+3", "3"), ("-1e-8", "-1e-8"), ("0", "0")]
)
def test_a_number_is_exactly_what_was_written(told: object, expected: str) -> None:
    assert number({"x": told}, "x") == maybe({"x": told}, "x") == Decimal(expected)


@pytest.mark.parametrize("told", [{}, {"x": None}, {"x": ""}])
def test_what_is_not_told_is_none_and_never_zero(told: dict[str, object]) -> None:
    assert maybe(told, "x") is None
    with pytest.raises(SourceError, match="without x"):
        number(told, "x")


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_number_is_refused_and_not_repeated(value: object) -> None:
    with pytest.raises(SourceError) as raised:
        maybe({"x": value}, "x")
    assert raised.value.reason is Reason.BAD_RESPONSE
    assert str(raised.value) == "an answer whose x is no number"


def outcome(take: Callable[[], object]) -> object:
    """What is told, or why it is refused."""
    try:
        return take()
    except SourceError as error:
        return error.reason


@given(JSON)
def test_an_answer_is_what_it_should_be_or_is_refused(told: object) -> None:
    assert outcome(lambda: record(told, "balances")) == (told if isinstance(told, dict) else Reason.BAD_RESPONSE)
    listed = isinstance(told, list) and all(isinstance(each, dict) for each in told)
    assert outcome(lambda: records(told, "balances")) == (told if listed else Reason.BAD_RESPONSE)
    assert outcome(lambda: word({"x": told}, "x")) == (told if told and isinstance(told, str) else Reason.BAD_RESPONSE)
    found = outcome(lambda: number({"x": told}, "x"))
    assert found is Reason.BAD_RESPONSE or found == Decimal(str(told))
