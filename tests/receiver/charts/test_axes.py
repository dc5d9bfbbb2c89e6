from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.charts.axes import LARGEST, Scale, hours, minute, number, spread, ticks

values = st.floats(min_value=-LARGEST, max_value=LARGEST)


@given(st.lists(values))
def test_every_value_has_room_on_its_axis(found: list[float]) -> None:
    low, high = spread(found)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert all(low <= value <= high for value in found)
    assert high - low > 1e-307
    assert len(ticks(low, high, 3)) <= 4


@given(st.lists(values, min_size=1))
def test_a_value_is_drawn_between_the_ends(found: list[float]) -> None:
    scale = Scale(*spread(found), 100.0, 20.0)
    assert all(20 <= scale.at(value) <= 100 for value in (*found, -math.inf, math.inf))


@given(st.lists(st.floats(min_value=-1e15, max_value=1e15), min_size=1))
def test_marks_of_an_axis_are_few_and_within(found: list[float]) -> None:
    low, high = spread(found)
    marks = ticks(low, high, 3)
    assert len(marks) <= 4
    assert all(low - (high - low) * 1e-6 <= mark <= high + (high - low) * 1e-6 for mark in marks)


def test_marks_are_round_numbers() -> None:
    assert ticks(0.3, 9.7, 3) == [5.0]
    assert ticks(-0.1, 1.1, 3) == [0.0, 0.5, 1.0]
    assert ticks(12, 88, 4) == [20.0, 40.0, 60.0, 80.0]


NIGHT = 1_790_035_200
"""A midnight, UTC."""


def test_times_are_whole_ones() -> None:
    assert [minute(at) for at in hours(NIGHT - 1800, NIGHT + 3600, 4)] == ["23:30", "09-22", "00:30", "01:00"]
    for length in (60, 3_600, 10_800, 86_400, 259_200):
        assert len(hours(NIGHT - length, NIGHT, 9)) <= 10


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (0.05, "0.05"), (1.0, "1"), (1234.5, "1.234k"), (-3_000_000.0, "-3M"), (5e13, "50T"), (1e-9, "1e-09")],
)
def test_numbers_are_short(value: float, said: str) -> None:
    assert number(value) == said
