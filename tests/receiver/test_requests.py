"""The pure parts: what is too late, and what an outcome makes of a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.actions import Applied
from receiver.life import TURNS, State, Turn, after
from receiver.requests import Request, expired, turn_after
from receiver.why import Why

REQUEST = Request(
    id="0" * 16,
    action="halt",
    definition="0" * 64,
    rule="0" * 64,
    episode_id=None,
    origin="operator",
    person="opal",
    reason="",
    parameters={},
    plan=b"{}",
    plan_hash="0" * 64,
    evidence={},
    idempotency_key=None,
    state=State.PLANNED,
    why=None,
    created_at=0,
)


@pytest.mark.parametrize(
    ("state", "times", "why"),
    [
        (State.PLANNED, {"approve_by": 10}, None),
        (State.PLANNED, {"approve_by": 9}, Why.APPROVAL_EXPIRED),
        (State.PENDING_APPROVAL, {"approve_by": 10}, None),
        (State.PENDING_APPROVAL, {"approve_by": 9}, Why.APPROVAL_EXPIRED),
        (State.APPROVED, {"approve_by": 5, "approved_at": 5, "start_by": 10}, None),
        (State.APPROVED, {"approve_by": 5, "approved_at": 6, "start_by": 10}, Why.APPROVAL_EXPIRED),
        (State.APPROVED, {"approve_by": 5, "approved_at": 5, "start_by": 9}, Why.EXECUTION_EXPIRED),
        (State.APPROVED, {"approve_by": 5, "start_by": 10}, Why.APPROVAL_EXPIRED),
        (State.APPROVED, {"approve_by": 5, "approved_at": 5}, Why.EXECUTION_EXPIRED),
        (State.RUNNING, {"approve_by": 5, "approved_at": 5, "start_by": 9}, None),
        (State.IN_DOUBT, {"approve_by": 5, "approved_at": 5, "start_by": 9}, None),
    ],
)
def test_what_is_too_late(state: State, times: dict[str, Any], why: Why | None) -> None:
    assert expired(replace(REQUEST, state=state, **times), now=10) is why


@pytest.mark.parametrize(
    ("applied", "before", "left", "turn"),
    [
        (Applied.APPLIED, 0, 0, Turn.APPLY),
        (Applied.APPLIED, 1, 0, Turn.APPLY),
        (Applied.APPLIED, 0, 1, None),
        (Applied.NOT_APPLIED, 0, 1, Turn.FAIL),
        (Applied.NOT_APPLIED, 1, 0, Turn.APPLY_PART),
        (Applied.UNCLEAR, 0, 0, Turn.DOUBT),
        (Applied.UNCLEAR, 1, 1, Turn.DOUBT),
    ],
)
def test_what_an_outcome_makes_of_a_request(applied: Applied, before: int, left: int, turn: Turn | None) -> None:
    assert turn_after(applied, before, left) is turn


@given(st.sampled_from(Applied), st.integers(0, 5), st.integers(0, 5))
def test_every_outcome_is_a_turn_that_a_running_request_can_take(applied: Applied, before: int, left: int) -> None:
    turn = turn_after(applied, before, left)
    assert turn is None or turn in TURNS[State.RUNNING]
    if applied is not Applied.UNCLEAR:
        assert after(State.IN_DOUBT, turn or Turn.APPLY_PART)


@given(st.builds(replace, st.just(REQUEST), state=st.sampled_from(State), why=st.none() | st.sampled_from(Why)))
def test_a_request_is_its_row(request: Request) -> None:
    assert Request.of({**request.row(), "audit_seq": 0}) == request
