"""One act of a person: judged and recorded in one transaction; what is refused is recorded, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from occ.errors import OccError

from . import freezes
from .audit.seal import Forged
from .changes import Changes
from .life import Impossible
from .outbox import Notice
from .policy import Person
from .requests import Change
from .rulings import Refusal
from .why import Why

T = TypeVar("T")


async def judged(changes: Changes, person: Person, about: Mapping[str, Any], work: Callable[[Change], T]) -> T:
    """The work's result; where it is refused nothing of it is left but a record of that. Raises Refusal and Impossible."""

    def tried(change: Change) -> T | Refusal | Impossible:
        try:
            with change.connection.begin_nested():
                return work(change)
        except (Refusal, Impossible, Forged) as error:
            change.turned.clear()
            if isinstance(error, Forged):
                freezes.by_receiver(change.connection, change.audit, Notice.TAMPERED, str(error), change.now)
            refused(change, person, error, about)
            return Refusal(Why.FORGED) if isinstance(error, Forged) else error

    try:
        result = await changes.make(tried)
    except Forged:  # the audit itself: nothing can be recorded any more
        raise Refusal(Why.FORGED) from None
    if isinstance(result, Refusal | Impossible):
        raise result
    return result


def refused(change: Change, person: Person, error: OccError, about: Mapping[str, Any]) -> None:
    """Records that somebody was refused. Not about the request: the newest record about that is of its row."""
    why = getattr(error, "why", Why.WRONG_STATE)
    data = {**about, "why": why.value, "message": str(error)}
    change.audit.append(
        change.connection, kind="person.refused", subject=f"person/{person.id}", by=person.id, data=data
    )
