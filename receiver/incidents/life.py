"""The life of an incident: its states, what may happen in each, and what it is then. Pure.

    open -> acknowledged -> mitigated -> resolved -> closed

It resolves from any state before, and opens anew from any but `closed`: when an alert of it fires again after it was resolved,
or an alert of another name joins it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from occ.errors import OccError


class Status(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    """Nobody has acknowledged it, or not since it was reopened."""
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    """It does not hurt any more; its cause may still be there."""
    RESOLVED = "resolved"
    CLOSED = "closed"


class Turn(StrEnum):
    """What may happen to it."""

    ACKNOWLEDGE = "acknowledge"
    MITIGATE = "mitigate"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    CLOSE = "close"


TURNS: Mapping[Status, Mapping[Turn, Status]] = {
    Status.OPEN: {Turn.ACKNOWLEDGE: Status.ACKNOWLEDGED, Turn.RESOLVE: Status.RESOLVED},
    Status.ACKNOWLEDGED: {
        Turn.MITIGATE: Status.MITIGATED,
        Turn.RESOLVE: Status.RESOLVED,
        Turn.REOPEN: Status.OPEN,
    },
    Status.MITIGATED: {Turn.RESOLVE: Status.RESOLVED, Turn.REOPEN: Status.OPEN},
    Status.RESOLVED: {Turn.CLOSE: Status.CLOSED, Turn.REOPEN: Status.OPEN},
    Status.CLOSED: {},
}

UNRESOLVED = (Status.OPEN, Status.ACKNOWLEDGED, Status.MITIGATED)
"""States in which it still goes on."""

UNCLOSED = (*UNRESOLVED, Status.RESOLVED)
"""States in which an alert of its place belongs to it."""


class Unturnable(OccError):  # noqa: N818 - it names what is the matter
    """A turn that an incident in this state can not take."""

    def __init__(self, status: Status, turn: Turn) -> None:
        super().__init__(f"{turn.value}: not possible for an incident that is {status.value}")
        self.status, self.turn = status, turn


def after(status: Status, turn: Turn) -> Status:
    """The state that the turn leads to. Raises Unturnable."""
    try:
        return TURNS[status][turn]
    except KeyError:
        raise Unturnable(status, turn) from None
