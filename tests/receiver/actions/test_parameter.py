"""The executor `parameter` against a real engine: bounds, compare-and-set, and what can go wrong between the two."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from demo.engine.faults import Befalls, Fault
from demo.engine.state import Order
from receiver.actions import Applied, Result, Step, Surroundings, Unfit, parameter
from receiver.canonical import digits
from receiver.why import Why
from tests.receiver.actions.support import TOKEN, Desk, attempt, desk, step, targets
from tests.receiver.wire import listening

KEY = "k" * 64


def to(value: object = "$size", *, size: str = "10000", **more: Any) -> Step:
    """The engine has 25000 at first."""
    written = {"target": "engine", "name": "max_order_usd", "value": value, "min": 0, "max": 50000}
    return step("parameter", written | more, size=size)


@pytest.fixture
async def at_desk() -> AsyncIterator[Desk]:
    async with desk() as made:
        yield made


def now(at_desk: Desk) -> str:
    return at_desk.engine.parameters["max_order_usd"].value


def another_sets(at_desk: Desk, value: str) -> None:
    held = at_desk.engine.parameters["max_order_usd"]
    order = Order(f"of another, {value}", 1, "set", {"value": value}, "max_order_usd", str(held.version))
    assert at_desk.engine.take(order).applied


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, "0", 50000, "50000.0", "$size", 0.5])
def test_a_value_within_its_bounds_is_taken(value: object) -> None:
    to(value)


@pytest.mark.parametrize(
    "value", [-1, 50001, "50000.000000001", "1e3", "NaN", "Infinity", "", "0x10", True, None, "1_0"]
)
def test_a_value_out_of_its_bounds_or_that_is_none_is_refused_before_anything_is_planned(value: object) -> None:
    with pytest.raises(ValidationError):
        to(value)


@pytest.mark.parametrize("more", [{"min": 10, "max": 9}, {"max_change": 0}, {"max_change": -1}, {"name": "a/b"}])
def test_bounds_that_make_no_sense_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        to("9.5", **more)


@given(st.decimals(-100, 100, places=6), st.decimals(-100, 100, places=6), st.decimals(-100, 100, places=6))
def test_what_is_taken_is_within_its_bounds_to_the_last_digit(value: Decimal, low: Decimal, high: Decimal) -> None:
    options = {"value": digits(value), "min": digits(low), "max": digits(high)}
    try:
        to(**options)
    except ValidationError:
        assert not low <= value <= high
    else:
        assert low <= value <= high


# --- the plan --------------------------------------------------------------------------------------------------------


async def test_the_plan_shows_the_new_value_and_its_bounds_and_the_old_value_beside_them(at_desk: Desk) -> None:
    planned = await parameter.plan(to(size="10000.50", max_change=20000), at_desk.surroundings)
    assert planned.does == {
        "executor": "parameter",
        "target": "engine",
        "name": "max_order_usd",
        "value": "10000.5",
        "min": "0",
        "max": "50000",
        "max_change": "20000",
    }
    assert planned.evidence == {"value": "25000", "version": "1"}
    assert not at_desk.engine.received


async def test_what_the_plan_does_is_the_same_whatever_the_value_is_now(at_desk: Desk) -> None:
    before = await parameter.plan(to(), at_desk.surroundings)
    another_sets(at_desk, "30000")
    after = await parameter.plan(to(), at_desk.surroundings)
    assert before.does == after.does
    assert before.evidence != after.evidence


async def test_a_change_that_is_too_large_can_not_be_planned(at_desk: Desk) -> None:
    with pytest.raises(Unfit, match="it is 25000 now, and may change by 14999 at most") as caught:
        await parameter.plan(to(max_change=14999), at_desk.surroundings)
    assert caught.value.why is Why.OUT_OF_BOUNDS
    await parameter.plan(to(max_change=15000), at_desk.surroundings)


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.ERROR, Fault.REFUSE])
async def test_a_value_that_can_not_be_seen_can_not_be_planned_with(at_desk: Desk, fault: Fault) -> None:
    at_desk.fails(fault, Befalls.PARAMETERS)
    with pytest.raises(Unfit) as caught:
        await parameter.plan(to(), at_desk.surroundings)
    assert caught.value.why is Why.UNREACHABLE


async def test_with_a_target_that_is_not_there_any_more_nothing_is_done_and_nothing_is_known() -> None:
    nowhere = Surroundings({})
    with pytest.raises(Unfit, match="not configured any more"):
        await parameter.plan(to(), nowhere)
    assert (await parameter.execute(to(), attempt(), nowhere)).applied is Applied.NOT_APPLIED
    assert (await parameter.reconcile(to(), attempt(final=True), nowhere)).applied is Applied.UNCLEAR
    assert (await parameter.verify(to(), attempt(), nowhere)).applied is Applied.UNCLEAR


async def test_a_parameter_that_the_target_does_not_have_can_not_be_planned(at_desk: Desk) -> None:
    with pytest.raises(Unfit, match="no_such: HTTP 404"):
        await parameter.plan(to(name="no_such"), at_desk.surroundings)


UNREADABLE = [
    b"{}",
    b"[]",
    b"null",
    b'"25000"',
    b'{"value": "25000"}',
    b'{"value": "25000", "version": 1}',
    b'{"value": "many", "version": "1"}',
    b'{"value": null, "version": "1"}',
    b'{"value": true, "version": "1"}',
    b'{"value": "25000", "version": ""}',
    b'{"value": "25000", "version": "1\\"\\r\\nX-Evil: 1"}',
    b'{"value": "25000", "version": "canary canary"}',
]


@pytest.mark.parametrize("body", UNREADABLE)
async def test_what_shows_no_value_and_version_is_refused_and_not_repeated(body: bytes) -> None:
    async with listening(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as wire:
        with pytest.raises(Unfit, match="does not show a value and a version"):
            await parameter.plan(to(), targets(wire.url))
        result = await parameter.execute(to(), attempt(), targets(wire.url))
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.UNREACHABLE)
    assert all(request.startswith("GET ") for request in wire.heard)
    assert "canary" not in str(result)


# --- the effect ------------------------------------------------------------------------------------------------------


async def test_it_replaces_the_value_that_it_has_read_and_reads_it_back(at_desk: Desk) -> None:
    result = await parameter.execute(to(), attempt(), at_desk.surroundings)
    assert result == Result(Applied.APPLIED, facts={"from": "25000", "to": "10000", "status": "200"})
    assert now(at_desk) == "10000"
    seen = await parameter.verify(to(), attempt(), at_desk.surroundings)
    assert seen == Result(Applied.APPLIED, facts={"value": "10000"})


async def test_the_bounds_of_a_change_are_judged_again_by_the_value_at_that_moment(at_desk: Desk) -> None:
    await parameter.plan(to(max_change=15000), at_desk.surroundings)
    another_sets(at_desk, "40000")
    result = await parameter.execute(to(max_change=15000), attempt(), at_desk.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.OUT_OF_BOUNDS)
    assert now(at_desk) == "40000"


async def test_a_value_that_another_changes_in_between_is_left_alone() -> None:
    """The change comes between reading and setting: it is made when leave to send the second request is asked for."""
    async with desk() as at_desk:
        asked = 0

        async def another_is_faster() -> None:
            nonlocal asked
            asked += 1
            if asked == 2:
                another_sets(at_desk, "30000")

        made = attempt()
        racing = type(made)(made.key, made.fence, another_is_faster, made.left, made.final)
        result = await parameter.execute(to(), racing, at_desk.surroundings)
        assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.REFUSED)
        assert result.facts["status"] == "412"
        assert now(at_desk) == "30000"


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.COMMIT_THEN_DROP, Fault.ERROR, Fault.COMMIT_THEN_ERROR])
async def test_an_answer_that_says_nothing_leaves_it_unclear_and_the_key_tells(at_desk: Desk, fault: Fault) -> None:
    at_desk.fails(fault, times=1)
    result = await parameter.execute(to(), attempt(), at_desk.surroundings)
    assert result.applied is Applied.UNCLEAR
    found = await parameter.reconcile(to(), attempt(final=True), at_desk.surroundings)
    assert found.applied is (Applied.APPLIED if fault.commits else Applied.NOT_APPLIED)
    assert now(at_desk) == ("10000" if fault.commits else "25000")
    assert at_desk.engine.received[KEY] <= 1


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.HANG, Fault.ERROR, Fault.REFUSE])
async def test_where_the_value_can_not_be_read_nothing_is_set(at_desk: Desk, fault: Fault) -> None:
    at_desk.fails(fault, Befalls.PARAMETERS)
    result = await parameter.execute(to(), attempt(left=0.5), at_desk.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.UNREACHABLE)
    assert not at_desk.engine.received


@pytest.mark.parametrize("why", [Why.DEADLINE, Why.FENCED])
async def test_what_must_not_go_any_more_does_not_go(at_desk: Desk, why: Why) -> None:
    assert await parameter.execute(to(), attempt(why=why), at_desk.surroundings) == Result(Applied.NOT_APPLIED, why)
    assert not at_desk.engine.received


async def test_the_targets_own_bounds_count_as_well(at_desk: Desk) -> None:
    result = await parameter.execute(to(200000, max=300000), attempt(), at_desk.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.REFUSED)
    assert now(at_desk) == "25000"


# --- whether it is there ---------------------------------------------------------------------------------------------


async def test_another_value_than_the_one_set_is_not_confirmed(at_desk: Desk) -> None:
    await parameter.execute(to(), attempt(), at_desk.surroundings)
    another_sets(at_desk, "11000")
    seen = await parameter.verify(to(), attempt(), at_desk.surroundings)
    assert seen == Result(Applied.NOT_APPLIED, Why.NOT_CONFIRMED, {"value": "11000"})


async def test_a_value_that_can_not_be_read_back_is_not_confirmed(at_desk: Desk) -> None:
    await parameter.execute(to(), attempt(), at_desk.surroundings)
    at_desk.fails(Fault.DROP, Befalls.PARAMETERS)
    seen = await parameter.verify(to(), attempt(), at_desk.surroundings)
    assert (seen.applied, seen.why) == (Applied.UNCLEAR, Why.NOT_CONFIRMED)
    assert TOKEN not in str(seen)
