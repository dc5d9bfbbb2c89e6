"""What keeps the receiver from acting by itself."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.automation.guards import HOUR, Asked, Done, Scene, exceeded, objection, young
from receiver.catalogue import Automation as Conditions
from receiver.catalogue import Limits
from receiver.clock import SECOND
from receiver.limits import DAY
from receiver.policy import Automation as Bounds
from receiver.why import Why

NOW = 1_790_000_000 * SECOND
BOUNDS = Bounds()
FRESH = {"exporter": "exchange", "target": "binance", "check": "book"}
CONDITIONS = Conditions.model_validate({"firing_for": "30s", "confirm": "up == 1", "fresh": FRESH, "at_most": 3})
WELL = Scene(
    now=NOW,
    running=300 * SECOND,
    firing_since=NOW - 30 * SECOND,
    domain="exchange",
    alerts=19,
    incomplete=False,
    frozen=False,
    jumped=False,
    acts=False,
)
"""At the edge of every guard, and none is against it."""

AGAINST = [
    ({"firing_since": NOW - 30 * SECOND + 1}, Why.NOT_LONG),
    ({"firing_since": NOW + 3600 * SECOND}, Why.NOT_LONG),
    ({"domain": "security"}, Why.FINDINGS),
    ({"jumped": True}, Why.CLOCK),
    ({"running": 300 * SECOND - 1}, Why.GRACE),
    ({"frozen": True}, Why.FROZEN),
    ({"alerts": 20}, Why.STORM),
    ({"incomplete": True}, Why.INCOMPLETE),
    ({"acts": True}, Why.PERSON_ACTS),
]

scenes = st.builds(
    Scene,
    now=st.just(NOW),
    running=st.integers(0, 600 * SECOND),
    firing_since=st.integers(NOW - 60 * SECOND, NOW + 60 * SECOND),
    domain=st.sampled_from(["exchange", "security", ""]),
    alerts=st.integers(0, 40),
    incomplete=st.booleans(),
    frozen=st.booleans(),
    jumped=st.booleans(),
    acts=st.booleans(),
)


def test_where_nothing_is_against_it_it_may_act() -> None:
    assert objection(WELL, BOUNDS, CONDITIONS) is None


@pytest.mark.parametrize(("changed", "why"), AGAINST)
def test_each_guard_is_enough_to_hold_it_back(changed: dict[str, object], why: Why) -> None:
    assert objection(replace(WELL, **changed), BOUNDS, CONDITIONS) is why  # type: ignore[arg-type]


@given(scenes, st.sampled_from(AGAINST))
def test_no_guard_that_stands_is_lifted_by_another(scene: Scene, more: tuple[dict[str, object], Why]) -> None:
    assert objection(replace(scene, **more[0]), BOUNDS, CONDITIONS) is not None  # type: ignore[arg-type]


@given(scenes)
def test_it_is_held_back_exactly_where_a_guard_stands(scene: Scene) -> None:
    stands = (
        young(scene, CONDITIONS)
        or scene.domain == "security"
        or scene.running < 300 * SECOND
        or scene.alerts >= 20
        or scene.incomplete
        or scene.frozen
        or scene.jumped
        or scene.acts
    )
    assert (objection(scene, BOUNDS, CONDITIONS) is not None) == stands


def test_in_shadow_an_action_without_conditions_has_the_guards_of_all() -> None:
    assert objection(replace(WELL, firing_since=NOW), BOUNDS, None) is None
    assert objection(replace(WELL, firing_since=NOW + 1), BOUNDS, None) is Why.NOT_LONG
    assert objection(replace(WELL, frozen=True), BOUNDS, None) is Why.FROZEN


# --- how much was done already ----------------------------------------------------------------------------------------

WANTED = Asked(NOW, "halt", "binance")
NO_LIMITS = Limits()


def other(number: int, ago: int, action: str = "other") -> Asked:
    return Asked(NOW - ago, action, f"venue-{number}")


def judged(*asked: Asked, starts: tuple[int, ...] = (), limits: Limits = NO_LIMITS) -> Why | None:
    return exceeded(WANTED, Done(asked, starts), BOUNDS, CONDITIONS, limits)


def test_over_all_actions_so_much_may_be_asked_for_within_an_hour() -> None:
    five = [other(number, 60 * SECOND) for number in range(5)]
    assert judged(*five) is None
    assert judged(*five, other(6, HOUR)) is None
    assert judged(*five, other(6, HOUR - 1)) is Why.PER_HOUR


def test_for_one_entity_nothing_twice_within_an_hour() -> None:
    assert judged(Asked(NOW - HOUR, "other", "binance")) is None
    assert judged(Asked(NOW - HOUR + 1, "other", "binance")) is Why.SAME_ENTITY


def test_one_action_so_often_within_a_day() -> None:
    thrice = [other(number, 2 * HOUR + number, "halt") for number in range(3)]
    assert judged(*thrice[:2]) is None
    assert judged(*thrice) is Why.AT_MOST
    assert judged(*thrice[:2], other(3, DAY, "halt")) is None


def test_the_limits_of_the_action_hold_whoever_started_it() -> None:
    limits = Limits.model_validate({"cooldown": "1m", "per_day": 2})
    assert judged(starts=(NOW - 60 * SECOND,), limits=limits) is None
    assert judged(starts=(NOW - 59 * SECOND,), limits=limits) is Why.COOLDOWN
    assert judged(starts=(NOW - HOUR, NOW - 2 * HOUR), limits=limits) is Why.PER_DAY


asked = st.builds(
    Asked,
    at=st.integers(NOW - 2 * DAY, NOW + DAY),
    action=st.sampled_from(["halt", "other"]),
    entity=st.sampled_from(["binance", "deribit", ""]),
)


@given(st.lists(asked, max_size=12), asked)
def test_more_that_was_done_gives_nothing_free(before: list[Asked], more: Asked) -> None:
    if judged(*before) is not None:
        assert judged(*before, more) is not None


@given(st.lists(asked, max_size=12))
def test_what_lies_in_the_future_counts_as_of_now(before: list[Asked]) -> None:
    assert judged(*before) == judged(*(replace(each, at=min(each.at, NOW)) for each in before))


@given(st.lists(asked, max_size=12))
def test_what_is_older_than_a_day_counts_for_nothing(before: list[Asked]) -> None:
    assert judged(*before) == judged(*(each for each in before if each.at > NOW - DAY))


# --- its page ---------------------------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[3] / "docs/automation.md"
OF_PROMETHEUS = {Why.SECOND_QUERY, Why.NOT_FIRING, Why.NOT_FRESH, Why.SIGHT_LOST}
OF_WHAT_WAS_DONE = {Why.AT_MOST, Why.PER_HOUR, Why.SAME_ENTITY, Why.COOLDOWN, Why.PER_DAY}


def test_every_guard_has_its_row_on_the_page() -> None:
    text = PAGE.read_text()
    rows = {name for row in re.findall(r"(?m)^\|([^|]*)\|", text) for name in re.findall(r"`([^`]+)`", row)}
    guards = {why for _, why in AGAINST} | OF_PROMETHEUS | OF_WHAT_WAS_DONE | {Why.OUT_OF_BOUNDS}
    assert {why.value for why in guards} - rows == set()
