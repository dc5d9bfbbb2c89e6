"""The life of a request, against a table written by hand: every state and every turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from receiver.life import ENDED, HOLDING, SPENT, TURNS, Impossible, State, Turn, after

# A dot is what can not happen. Columns: submit, deny, approve, reject, cancel, expire, block, start, apply, apply_part, fail,
# doubt, confirm.
TABLE = """
planned           pending_approval denied  .        .         cancelled expired .       .       .         .       .      .        .
pending_approval  .                .       approved rejected  cancelled expired blocked .       .         .       .      .        .
approved          .                .       .        rejected  cancelled expired blocked running .         .       .      .        .
running           .                .       .        .         .         .       .       .       verifying partial failed in_doubt .
verifying         .                .       .        .         .         .       .       .       .         .       failed .        succeeded
in_doubt          .                .       .        .         .         .       .       .       verifying partial failed .        .
succeeded         .                .       .        .         .         .       .       .       .         .       .      .        .
partial           .                .       .        .         .         .       .       .       .         .       .      .        .
failed            .                .       .        .         .         .       .       .       .         .       .      .        .
denied            .                .       .        .         .         .       .       .       .         .       .      .        .
rejected          .                .       .        .         .         .       .       .       .         .       .      .        .
expired           .                .       .        .         .         .       .       .       .         .       .      .        .
cancelled         .                .       .        .         .         .       .       .       .         .       .      .        .
blocked           .                .       .        .         .         .       .       .       .         .       .      .        .
"""
COLUMNS = [
    "submit",
    "deny",
    "approve",
    "reject",
    "cancel",
    "expire",
    "block",
    "start",
    "apply",
    "apply_part",
    "fail",
    "doubt",
    "confirm",
]
ROWS = {row.split()[0]: row.split()[1:] for row in TABLE.strip().splitlines()}
CELLS = [(state, turn, cell) for state, row in ROWS.items() for turn, cell in zip(COLUMNS, row, strict=True)]


def test_the_table_is_about_every_state_and_every_turn() -> None:
    assert set(ROWS) == set(State)
    assert set(COLUMNS) == set(Turn)
    assert set(TURNS) == set(State)


@pytest.mark.parametrize(("state", "turn", "expected"), CELLS)
def test_what_a_turn_leads_to(state: str, turn: str, expected: str) -> None:
    if expected != ".":
        assert after(State(state), Turn(turn)) is State(expected)
        return
    with pytest.raises(Impossible) as caught:
        after(State(state), Turn(turn))
    assert str(caught.value) == f"{turn}: not possible for a request that is {state}"
    assert (caught.value.state, caught.value.turn) == (state, turn)


def test_what_has_ended_has_ended() -> None:
    assert set(ENDED) == {State(state) for state, row in ROWS.items() if set(row) == {"."}}


def test_what_was_started_counts_and_what_was_not_does_not() -> None:
    assert {state.value for state in SPENT} == {"running", "verifying", "in_doubt", "succeeded", "partial", "failed"}
    assert {state.value for state in HOLDING} == {"running", "verifying", "in_doubt"}


def lives(state: State = State.PLANNED, taken: tuple[Turn, ...] = ()) -> Iterator[tuple[State, tuple[Turn, ...]]]:
    """Every way that a request can go from here, and every stop on it."""
    yield state, taken
    assert len(taken) < len(State), "a request could go round for ever"
    for turn, then in TURNS[state].items():
        yield from lives(then, (*taken, turn))


def test_nothing_takes_effect_unless_it_was_submitted_approved_and_started() -> None:
    started = [taken for state, taken in lives() if state in SPENT]
    assert {taken[:3] for taken in started} == {(Turn.SUBMIT, Turn.APPROVE, Turn.START)}


def test_nothing_succeeds_unless_it_was_applied_and_then_confirmed() -> None:
    assert {taken[-2:] for state, taken in lives() if state is State.SUCCEEDED} == {(Turn.APPLY, Turn.CONFIRM)}


def test_from_everywhere_there_is_a_way_to_an_end_and_every_state_can_be_reached() -> None:
    assert {state for state, _ in lives()} == set(State)
    assert all({ended for ended, _ in lives(state)} & ENDED for state in State)
