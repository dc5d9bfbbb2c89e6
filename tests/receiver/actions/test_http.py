"""The executor `http` against a real engine, with all that can go wrong between the two."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from demo.engine.faults import Befalls, Fault
from demo.engine.server import Server
from demo.engine.state import Engine
from demo.processes import free_ports
from demo.until import until
from receiver.actions import Applied, Result, Step, Surroundings, Unfit, http
from receiver.canonical import dumps
from receiver.fill import Unfillable
from receiver.why import Why
from tests.receiver.actions.support import MARKETS, TOKEN, Desk, attempt, desk, step, targets
from tests.receiver.wire import listening

KEY = "k" * 64


def halt(venue: str = "binance", **more: Any) -> Step:
    return step("http", {"target": "engine", "path": "/halt", "body": {"venue": "$venue"}} | more, venue=venue)


@pytest.fixture
async def at_desk() -> AsyncIterator[Desk]:
    async with desk() as made:
        yield made


# --- the plan --------------------------------------------------------------------------------------------------------


async def test_the_plan_is_the_request_with_the_secret_masked_and_sends_nothing() -> None:
    async with listening() as wire:
        planned = await http.plan(halt(), targets(f"{wire.url}/hidden"))
    assert planned.does == {
        "executor": "http",
        "target": "engine",
        "method": "POST",
        "path": "/halt",
        "headers": {"authorization": "***"},
        "body": {"venue": "binance"},
        "expect": 200,
    }
    assert wire.connections == []
    assert not [word for word in (TOKEN, "hidden", "127.0.0.1") if word.encode() in dumps(planned.does)]


async def test_with_a_target_that_is_not_there_any_more_nothing_is_done_and_nothing_is_known() -> None:
    nowhere = Surroundings({})
    with pytest.raises(Unfit, match="not configured any more") as caught:
        await http.plan(halt(), nowhere)
    assert caught.value.why is Why.DEFINITION_CHANGED
    assert (await http.execute(halt(), attempt(), nowhere)).applied is Applied.NOT_APPLIED
    assert (await http.reconcile(halt(), attempt(final=True), nowhere)).applied is Applied.UNCLEAR
    assert (await http.verify(halt(), attempt(), nowhere)).applied is Applied.UNCLEAR


def test_one_request_at_a_time_has_a_target() -> None:
    assert http.keys(halt("binance")) == http.keys(halt("deribit")) == ("target/engine",)


@pytest.mark.parametrize("venues", [("$venue", {"of": "$venue"}), ["$venue", {"of": "$venue"}]])
async def test_parameters_are_put_in_however_deep_also_where_the_step_was_stored(venues: object) -> None:
    planned = await http.plan(halt(body={"venues": venues}), targets("http://engine"))
    assert planned.does["body"] == {"venues": ("binance", {"of": "binance"})}


@pytest.mark.parametrize("venue", ["../resume", "a/b", "..", ".", "", "a\\b", "a\nb"])
def test_a_parameter_does_not_leave_its_part_of_the_path(venue: str) -> None:
    with pytest.raises(Unfillable):
        halt(venue, path="/venues/$venue/halt")


@pytest.mark.parametrize("path", ["halt", "//evil/halt", "http://evil/", "/a?b", "/a#b", "/a/../b", "/%2e%2e/b"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(Unfillable):
        halt(path=path)


def test_the_target_is_no_parameter() -> None:
    with pytest.raises(Unfillable, match="no parameter may stand here"):
        halt(target="$venue")


@pytest.mark.parametrize("status", [199, 300, 404, "200"])
def test_only_success_can_be_expected(status: object) -> None:
    with pytest.raises(ValidationError):
        halt(expect={"status": status})


# --- the effect ------------------------------------------------------------------------------------------------------


async def test_what_is_answered_as_expected_is_applied(at_desk: Desk) -> None:
    result = await http.execute(halt(), attempt(), at_desk.surroundings)
    assert result == Result(Applied.APPLIED, facts={"status": "200"})
    assert not at_desk.engine.quoting("binance")
    assert at_desk.engine.quoting("deribit")


LOST = [fault for fault in Fault if fault.endswith(("drop", "hang", "error"))]
"""Faults after which nobody here can know whether it took effect."""


@pytest.mark.parametrize("fault", LOST)
async def test_an_answer_that_says_nothing_leaves_it_unclear_and_the_key_tells(at_desk: Desk, fault: Fault) -> None:
    at_desk.fails(fault, times=1)
    seconds = 4.0 if "hang" in fault else 20.0
    result = await http.execute(halt(), attempt(left=seconds), at_desk.surroundings)
    assert (result.applied, result.why) == (Applied.UNCLEAR, Why.UNCLEAR)
    assert at_desk.engine.effects[KEY] == fault.commits
    assert at_desk.engine.received[KEY] <= 1, "it was sent once"

    found = await http.reconcile(halt(), attempt(final=True), at_desk.surroundings)
    assert found.applied is (Applied.APPLIED if fault.commits else Applied.NOT_APPLIED)
    assert at_desk.engine.effects[KEY] == fault.commits, "asking changes nothing"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412, 422, 428, 429])
async def test_what_the_target_refuses_is_not_applied(at_desk: Desk, status: int) -> None:
    at_desk.fails(Fault.REFUSE, status=status)
    result = await http.execute(halt(), attempt(), at_desk.surroundings)
    assert result == Result(Applied.NOT_APPLIED, Why.REFUSED, {"status": str(status)})


@pytest.mark.parametrize("status", [408, 409, 499, 500, 502, 503, 504])
async def test_a_refusal_that_does_not_say_that_nothing_was_done_leaves_it_unclear(at_desk: Desk, status: int) -> None:
    at_desk.fails(Fault.REFUSE, status=status)
    result = await http.execute(halt(), attempt(), at_desk.surroundings)
    assert result == Result(Applied.UNCLEAR, Why.UNCLEAR, {"status": str(status)})


@pytest.mark.parametrize("status", [201, 202, 204, 303, 307])
async def test_success_of_another_kind_than_expected_is_unclear(status: int) -> None:
    async with listening(f"HTTP/1.1 {status} X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".encode()) as wire:
        result = await http.execute(halt(), attempt(), targets(wire.url))
    assert (result.applied, len(wire.heard)) == (Applied.UNCLEAR, 1)


async def test_where_nobody_listens_nothing_is_applied() -> None:
    (port,) = free_ports(1)
    result = await http.execute(halt(), attempt(), targets(f"http://127.0.0.1:{port}"))
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.UNREACHABLE)


@pytest.mark.parametrize("why", [Why.DEADLINE, Why.FENCED])
async def test_what_must_not_go_any_more_does_not_go(at_desk: Desk, why: Why) -> None:
    result = await http.execute(halt(), attempt(why=why), at_desk.surroundings)
    assert result == Result(Applied.NOT_APPLIED, why)
    assert not at_desk.engine.received


async def test_when_the_time_is_over_it_does_not_go(at_desk: Desk) -> None:
    result = await http.execute(halt(), attempt(left=0.0), at_desk.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.DEADLINE)
    assert not at_desk.engine.received


async def test_a_process_that_was_taken_over_is_refused_by_its_fence(at_desk: Desk) -> None:
    assert (await http.execute(halt(), attempt("a", fence=8), at_desk.surroundings)).applied is Applied.APPLIED
    late = await http.execute(halt("deribit"), attempt("b", fence=7), at_desk.surroundings)
    assert (late.applied, late.why) == (Applied.NOT_APPLIED, Why.REFUSED)
    assert at_desk.engine.quoting("deribit")


async def test_the_same_key_takes_effect_once_however_often_it_is_sent(at_desk: Desk) -> None:
    results = [await http.execute(halt(), attempt(), at_desk.surroundings) for _ in range(3)]
    assert {result.applied for result in results} == {Applied.APPLIED}
    assert (at_desk.engine.received[KEY], at_desk.engine.effects[KEY]) == (3, 1)


async def test_nothing_of_the_answer_is_told() -> None:
    body = b"canary"
    async with listening(b"HTTP/1.1 403 canary\r\nX: canary\r\nContent-Length: 6\r\n\r\n" + body) as wire:
        result = await http.execute(halt(), attempt(), targets(wire.url))
    assert result.why is Why.REFUSED
    assert "canary" not in str(result)


# --- what became of it -----------------------------------------------------------------------------------------------


async def test_not_applied_is_final_only_when_nothing_can_arrive_any_more(at_desk: Desk) -> None:
    """The request has arrived, and takes effect seconds later, when who sent it is gone."""
    at_desk.fails(Fault.SLOW, seconds=6.0, times=1)

    async def arrived() -> bool:
        return not at_desk.server.faults.standing

    async def took_effect() -> bool:
        return at_desk.engine.effects[KEY] == 1

    sending = asyncio.create_task(http.execute(halt(), attempt(), at_desk.surroundings))
    assert await until(arrived, 20)
    sending.cancel()
    early = await http.reconcile(halt(), attempt(final=False), at_desk.surroundings)
    assert (early.applied, early.why) == (Applied.UNCLEAR, Why.UNCLEAR)
    assert await until(took_effect, 20)
    assert (await http.reconcile(halt(), attempt(final=True), at_desk.surroundings)).applied is Applied.APPLIED


async def test_a_refusal_that_the_target_remembers_is_told_as_not_applied(at_desk: Desk) -> None:
    await http.execute(halt("nowhere"), attempt(), at_desk.surroundings)
    found = await http.reconcile(halt("nowhere"), attempt(final=True), at_desk.surroundings)
    assert (found.applied, found.why) == (Applied.NOT_APPLIED, Why.NOT_APPLIED)


TELLS_NOTHING = {
    "the 404 of a proxy": b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found",
    "JSON of another kind": b'HTTP/1.1 404 Not Found\r\nContent-Length: 16\r\n\r\n{"error":"none"}',
    "a word for the truth": b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"applied":"yes"}',
    "a number for it": b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"applied":1}',
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[true]",
    "an error": b'HTTP/1.1 500 Oh\r\nContent-Length: 17\r\n\r\n{"applied":false}',
    "not applied, and yet known": b'HTTP/1.1 404 X\r\nContent-Length: 16\r\n\r\n{"applied":true}',
    "an empty answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("answer", TELLS_NOTHING.values(), ids=TELLS_NOTHING.keys())
async def test_an_answer_that_does_not_tell_leaves_it_unclear_for_ever(answer: bytes) -> None:
    async with listening(answer) as wire:
        found = await http.reconcile(halt(), attempt(final=True), targets(wire.url))
    assert (found.applied, found.why) == (Applied.UNCLEAR, Why.UNCLEAR)


async def test_a_target_that_can_not_be_asked_leaves_it_to_people() -> None:
    async with desk(operations=None) as made:
        await http.execute(halt(), attempt(), made.surroundings)
        found = await http.reconcile(halt(), attempt(final=True), made.surroundings)
    assert (found.applied, found.why) == (Applied.UNCLEAR, Why.UNCLEAR)


async def test_reconciling_needs_neither_time_left_nor_leave(at_desk: Desk) -> None:
    await http.execute(halt(), attempt(), at_desk.surroundings)
    late = attempt(left=-100.0, why=Why.DEADLINE, final=True)
    assert (await http.reconcile(halt(), late, at_desk.surroundings)).applied is Applied.APPLIED


async def test_an_engine_remembers_over_its_own_end_and_start(tmp_path: Path) -> None:
    async with Server(Engine(MARKETS, file=tmp_path / "engine.json"), token=TOKEN) as first:
        await http.execute(halt(), attempt(fence=5), targets(first.url))
    async with Server(Engine(MARKETS, file=tmp_path / "engine.json"), token=TOKEN) as second:
        assert (await http.reconcile(halt(), attempt(final=True), targets(second.url))).applied is Applied.APPLIED
        late = await http.execute(halt(), attempt("later", fence=4), targets(second.url))
        assert late.why is Why.REFUSED


# --- whether it is there ---------------------------------------------------------------------------------------------


async def test_an_effect_is_there_when_the_target_remembers_it(at_desk: Desk) -> None:
    assert (await http.verify(halt(), attempt(), at_desk.surroundings)).applied is Applied.NOT_APPLIED
    await http.execute(halt(), attempt(), at_desk.surroundings)
    assert (await http.verify(halt(), attempt(), at_desk.surroundings)).applied is Applied.APPLIED
    at_desk.fails(Fault.DROP, Befalls.OPERATIONS)
    assert (await http.verify(halt(), attempt(), at_desk.surroundings)).applied is Applied.UNCLEAR


async def test_a_target_that_can_not_be_asked_again_has_said_so_by_its_answer() -> None:
    async with desk(operations=None) as made:
        assert (await http.verify(halt(), attempt(), made.surroundings)).applied is Applied.APPLIED


# --- whatever a far side may answer ----------------------------------------------------------------------------------

GOOD = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"applied":true}'


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A good answer with a part cut out and other bytes in its place."""
    start = draw(st.integers(0, len(GOOD)))
    end = draw(st.integers(start, len(GOOD)))
    return GOOD[:start] + draw(st.binary(max_size=20)) + GOOD[end:]


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=200), spoiled()))
def test_whatever_is_answered_nothing_raises_and_only_the_expected_status_is_success(answer: bytes) -> None:
    """The wire is faked: no server answers so."""

    async def act() -> list[Result]:
        async with listening(answer) as wire:
            at = targets(wire.url)
            effect = await http.execute(halt(), attempt(), at)
            assert len(wire.heard) == 1
            return [
                effect,
                await http.reconcile(halt(), attempt(final=True), at),
                await http.verify(halt(), attempt(), at),
            ]

    effect, *asked = asyncio.run(act())
    if effect.applied is Applied.APPLIED:
        assert re.match(rb"\s*HTTP/\d\.\d\s+200\b", answer)
    if any(each.applied is Applied.APPLIED for each in asked):
        assert b'"applied":true' in answer
