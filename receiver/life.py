"""The life of a request: its states, what may happen in each, and what it is then. Pure; who may do so is `policy`.

    planned -> pending_approval -> approved -> running -> verifying -> succeeded | partial | failed

and out of that row: `denied rejected expired cancelled blocked`, and `in_doubt`, which is the honest answer when an effect
may have happened or not. A request holds its concurrency keys from `running` until it has ended; in doubt it goes on
holding them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from occ.errors import OccError


class State(StrEnum):
    """Where a request stands."""

    PLANNED = "planned"
    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    RUNNING = "running"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    DENIED = "denied"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"
    IN_DOUBT = "in_doubt"


class Turn(StrEnum):
    """What may happen to a request."""

    SUBMIT = "submit"
    """Its requester has read the plan and wants it."""
    DENY = "deny"
    """The policy lets nobody, or not this person, ask for it."""
    APPROVE = "approve"
    """The last approval that was missing is there, or none was needed."""
    REJECT = "reject"
    CANCEL = "cancel"
    EXPIRE = "expire"
    BLOCK = "block"
    """Freeze, limits or the live state forbid the start."""
    START = "start"
    APPLY = "apply"
    """Every step was applied."""
    APPLY_PART = "apply_part"
    """Some steps were applied, and the rest will not be."""
    FAIL = "fail"
    """Nothing was applied and nothing will be; or what was applied is not confirmed by its verification."""
    DOUBT = "doubt"
    """It may have been applied or not."""
    CONFIRM = "confirm"
    """The condition that means success holds, on samples newer than the effect."""


ENDED = frozenset(
    {
        State.SUCCEEDED,
        State.PARTIAL,
        State.FAILED,
        State.DENIED,
        State.REJECTED,
        State.EXPIRED,
        State.CANCELLED,
        State.BLOCKED,
    }
)
"""States that nothing leads out of."""

HOLDING = frozenset({State.RUNNING, State.VERIFYING, State.IN_DOUBT})
"""States in which a request holds its concurrency keys."""

SPENT = HOLDING | {State.SUCCEEDED, State.PARTIAL, State.FAILED}
"""States of requests that were started: they count against the limits of their action, also when in doubt."""

_WAITING = {Turn.CANCEL: State.CANCELLED, Turn.EXPIRE: State.EXPIRED, Turn.BLOCK: State.BLOCKED}

TURNS: Mapping[State, Mapping[Turn, State]] = {
    State.PLANNED: {
        Turn.SUBMIT: State.PENDING_APPROVAL,
        Turn.DENY: State.DENIED,
        Turn.CANCEL: State.CANCELLED,
        Turn.EXPIRE: State.EXPIRED,
    },
    State.PENDING_APPROVAL: {Turn.APPROVE: State.APPROVED, Turn.REJECT: State.REJECTED, **_WAITING},
    State.APPROVED: {Turn.START: State.RUNNING, Turn.REJECT: State.REJECTED, **_WAITING},
    State.RUNNING: {
        Turn.APPLY: State.VERIFYING,
        Turn.APPLY_PART: State.PARTIAL,
        Turn.FAIL: State.FAILED,
        Turn.DOUBT: State.IN_DOUBT,
    },
    State.VERIFYING: {Turn.CONFIRM: State.SUCCEEDED, Turn.FAIL: State.FAILED},
    State.IN_DOUBT: {Turn.APPLY: State.VERIFYING, Turn.APPLY_PART: State.PARTIAL, Turn.FAIL: State.FAILED},
    **{state: {} for state in ENDED},
}


class Impossible(OccError):  # noqa: N818 - it names what is the matter
    """A turn that a request in this state can not take."""

    def __init__(self, state: State, turn: Turn) -> None:
        super().__init__(f"{turn.value}: not possible for a request that is {state.value}")
        self.state, self.turn = state, turn


def after(state: State, turn: Turn) -> State:
    """The state that the turn leads to. Raises Impossible."""
    try:
        return TURNS[state][turn]
    except KeyError:
        raise Impossible(state, turn) from None
