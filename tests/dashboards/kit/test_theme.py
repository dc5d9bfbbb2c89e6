"""Colours that mean something: limits as steps, and what it looks like to have no data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.kit.theme import BY_SEVERITY, NO_DATA, WHOLE, Colour, Limit, Unit, absence, lines, mappings, steps

UNKNOWN, GOOD, TICKET, PAGE, NEUTRAL = (
    str(each) for each in (Colour.UNKNOWN, Colour.GOOD, Colour.TICKET, Colour.PAGE, Colour.NEUTRAL)
)


def pairs(made: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(step["value"], step["color"]) for step in made]


@pytest.mark.parametrize(
    ("limit", "unit", "expected"),
    [
        (Limit(">", 3, "ticket"), Unit.BLOCKS, [(None, UNKNOWN), (0, GOOD), (4, TICKET)]),
        (Limit(">=", 3, "ticket"), Unit.BLOCKS, [(None, UNKNOWN), (0, GOOD), (3, TICKET)]),
        (Limit(">", 0.5, "page"), Unit.COUNT, [(None, UNKNOWN), (0, GOOD), (1, PAGE)]),
        (Limit(">", 2.5, "page"), Unit.SECONDS, [(None, UNKNOWN), (0, GOOD), (2.5, PAGE)]),
        (Limit("==", 0, "page"), Unit.COUNT, [(None, UNKNOWN), (0, PAGE), (1, GOOD)]),
        (Limit("<", 2, "ticket"), Unit.COUNT, [(None, UNKNOWN), (0, TICKET), (2, GOOD)]),
        (Limit("<=", 2, "ticket"), Unit.COUNT, [(None, UNKNOWN), (0, TICKET), (3, GOOD)]),
        (Limit("<", 0.5, "ticket"), Unit.RATIO, [(None, UNKNOWN), (0, TICKET), (0.5, GOOD)]),
    ],
)
def test_a_limit_becomes_steps(limit: Limit, unit: Unit, expected: list[tuple[object, object]]) -> None:
    assert pairs(steps((limit,), unit, NO_DATA)) == expected


def test_two_limits_of_one_side_are_ordered() -> None:
    limits = (Limit(">", 10, "page"), Limit(">", 3, "ticket"))
    assert pairs(steps(limits, Unit.SECONDS, NO_DATA)) == [(None, UNKNOWN), (0, GOOD), (3, TICKET), (10, PAGE)]


def test_limits_of_two_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="on one side"):
        steps((Limit(">", 3, "page"), Limit("<", 1, "page")), Unit.COUNT, NO_DATA)


def test_without_a_limit_nothing_is_judged() -> None:
    assert pairs(steps((), Unit.COUNT, NO_DATA)) == [(None, UNKNOWN), (0, NEUTRAL)]
    assert pairs(lines((), Unit.COUNT)) == [(None, NEUTRAL)]


def test_a_graph_has_no_line_at_zero() -> None:
    assert pairs(lines((Limit(">", 3, "ticket"),), Unit.SECONDS)) == [(None, GOOD), (3, TICKET)]


def test_a_signed_graph_has_its_lines_on_both_sides_of_zero() -> None:
    limits = (Limit(">", 3, "ticket"), Limit(">", 5, "page"))
    expected = [(None, PAGE), (-5, TICKET), (-3, "transparent"), (3, TICKET), (5, PAGE)]
    assert pairs(lines(limits, Unit.SECONDS, signed=True)) == expected
    assert pairs(lines((), Unit.SECONDS, signed=True)) == [(None, NEUTRAL)]


@given(
    op=st.sampled_from([">", ">=", "<", "<=", "=="]),
    number=st.integers(0, 50),
    value=st.integers(0, 60),
    unit=st.sampled_from(sorted(WHOLE)),
    severity=st.sampled_from(["page", "ticket", "info"]),
)
def test_a_counted_value_is_ill_exactly_where_the_rule_says_so(
    op: str, number: int, value: int, unit: Unit, severity: str
) -> None:
    if op == "==" and number:
        return  # a count that is ill at one value in the middle has no steps
    holds = {
        ">": value > number,
        ">=": value >= number,
        "<": value < number,
        "<=": value <= number,
        "==": value == number,
    }
    made = steps((Limit(op, number, severity),), unit, NO_DATA)
    reached = [step["color"] for step in made if step["value"] is None or value >= step["value"]]
    assert (reached[-1] == BY_SEVERITY[severity]) is holds[op]


def test_no_data_looks_bad_unless_there_are_other_words_for_it() -> None:
    assert absence(NO_DATA) == Colour.UNKNOWN
    assert absence("none configured") == Colour.NEUTRAL
    (special,) = mappings({}, NO_DATA)
    assert special == {
        "type": "special",
        "options": {"match": "null+nan", "result": {"text": NO_DATA, "color": UNKNOWN}},
    }


def test_states_have_names() -> None:
    named, _ = mappings({0.0: ("down", Colour.PAGE), 1.0: ("up", Colour.GOOD)}, NO_DATA)
    assert named == {
        "type": "value",
        "options": {"0": {"text": "down", "color": PAGE}, "1": {"text": "up", "color": GOOD}},
    }
