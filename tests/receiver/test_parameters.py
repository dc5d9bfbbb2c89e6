"""Parameters: what is let through is within bounds, and is the very value that was meant."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.parameters import Parameter

SIZE = Parameter.model_validate({"number": {"min": 0, "max": 50000, "step": 0.5}})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"), ("-0", "0"), ("50000", "50000"), ("0.5", "0.5"), ("0.50", "0.5"), ("100.0", "100"),
        ("50000.5", None), ("-0.5", None), ("0.25", None), ("1e3", None), ("1E3", None), ("+1", None), ("01", None),
        (" 1", None), ("1\n", None), ("1_000", None), ("1,000", None), ("0x10", None), ("", None), ("NaN", None),
        ("Infinity", None), ("\u0661", None), (".5", None), ("5.", None), ("9" * 400, None),
    ],
)  # fmt: skip
def test_a_number_is_decimal_digits_within_the_range(text: str, value: str | None) -> None:
    assert SIZE.checked(text) == value


LARGE = "999999999999999999"
FINE = "0.000000000000000001"
CLOSE = f"999999999999999998.{'0' * 17}1"
NEXT = f"999999999999999998.{'9' * 18}"


@pytest.mark.parametrize(
    ("low", "text", "step", "value"),
    [
        (f"-{LARGE}", LARGE, FINE, LARGE),
        (f"-{LARGE}", CLOSE, FINE, CLOSE),
        (f"-{LARGE}", CLOSE, "0.1", None),
        (f"-{LARGE}.{'9' * 18}", NEXT, "0.5", None),
        (f"-{LARGE}.{'0' * 17}1", NEXT, "0.5", NEXT),
        (f"-{LARGE}.{'0' * 17}1", "0", "0.5", None),
    ],
)
def test_the_largest_and_the_finest_numbers_are_not_rounded(low: str, text: str, step: str, value: str | None) -> None:
    parameter = Parameter.model_validate({"number": {"min": low, "max": LARGE, "step": step}})
    assert parameter.checked(text) == value


DECIMALS = st.decimals(-1000, 1000, places=3)


@given(DECIMALS, DECIMALS, DECIMALS, st.decimals("0.001", 10, places=3) | st.none())
def test_what_is_let_through_is_the_same_number_within_bounds_and_on_a_step(
    low: Decimal, high: Decimal, number: Decimal, step: Decimal | None
) -> None:
    low, high = min(low, high), max(low, high)
    bounds = {"min": str(low), "max": str(high)} | ({} if step is None else {"step": str(step)})
    parameter = Parameter.model_validate({"number": bounds})
    value = parameter.checked(f"{number:f}")
    inside = low <= number <= high and (step is None or (number - low) / step == (number - low) // step)
    assert (value is not None) is inside
    assert value is None or (Decimal(value) == number and parameter.checked(value) == value)


@given(st.text(), st.lists(st.text("abc/. ", min_size=1, max_size=5), min_size=1, unique=True))
def test_a_choice_is_one_of_the_list_to_the_letter(text: str, choices: list[str]) -> None:
    parameter = Parameter.model_validate({"choices": tuple(choices)})
    assert parameter.checked(text) == (text if text in choices else None)
    assert all(parameter.checked(choice) == choice for choice in choices)
