"""What stops actions from starting: freezes that people, or the receiver itself, put into the database, and switches outside.

A freeze goes on until enough people have lifted it. A file, or the environment, freezes too: that needs no receiver to be set,
and none can lift it. A protective action is not stopped by any of them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from . import outbox, schema
from .audit.seal import OURSELVES, Audit, Forged
from .families import Severity
from .outbox import Notice

VARIABLE = "OCC_FREEZE"
"""Of the environment: anything but nothing in it freezes."""

RECEIVER = OURSELVES
"""Who froze, where no person did."""

_FINDER = "receiver/engine"
_FROM_OUTSIDE = "freeze/outside"


class Scope(StrEnum):
    """What a freeze is about."""

    EVERYTHING = "everything"
    ACTION = "action"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Freeze:
    """A row of the table `freezes`."""

    id: str
    scope: Scope
    name: str
    person: str
    reason: str
    at: int
    lifted_at: int | None = None

    def stops(self, action: str, keys: Iterable[str]) -> bool:
        """Whether it is about an action that touches these keys, which are written kind/target or kind/target/part."""
        match self.scope:
            case Scope.EVERYTHING:
                return True
            case Scope.ACTION:
                return self.name == action
            case Scope.TARGET:
                return any(self.name in key.split("/")[1:2] for key in keys)


def of(row: Mapping[str, Any]) -> Freeze:
    """The freeze in a row of the table, sealed or not."""
    return Freeze(
        row["id"], Scope(row["scope"]), row["name"], row["person"], row["reason"], row["at"], row["lifted_at"]
    )


def standing(connection: Connection, audit: Audit) -> tuple[Freeze, ...]:
    """Those in force. Raises Forged where a row is gone or was changed: that must not be a way to lift one."""
    return tuple(of(row) for row in audit.rows(connection, schema.freezes) if row["lifted_at"] is None)


def put(connection: Connection, audit: Audit, freeze: Freeze, notice: Notice = Notice.FREEZE) -> Freeze:
    """Freezes, and pages for it."""
    told = {"scope": freeze.scope.value, "name": freeze.name, "reason": freeze.reason}
    audit.write(connection, schema.freezes, _row(freeze), kind="freeze.placed", by=freeze.person, data=told)
    text = {"summary": f"Frozen by {freeze.person}: {_what(freeze)}", "description": freeze.reason}
    outbox.put(connection, notice, f"freeze/{freeze.id}", text, now=freeze.at)
    return freeze


def lift(connection: Connection, audit: Audit, freeze: Freeze, by: str, now: int) -> Freeze:
    """Ends a freeze, and tells people."""
    lifted = replace(freeze, lifted_at=now)
    told = {"scope": freeze.scope.value, "name": freeze.name}
    audit.write(connection, schema.freezes, _row(lifted), kind="freeze.lifted", by=by, data=told)
    text = {"summary": f"Not frozen any more: {_what(freeze)}", "description": freeze.reason}
    outbox.put(connection, Notice.UNFREEZE, f"freeze/{freeze.id}", text, now=now, severity=Severity.TICKET)
    return lifted


def by_receiver(connection: Connection, audit: Audit, notice: Notice, reason: str, now: int) -> None:
    """Freezes everything, unless the receiver has done so already and nobody lifted it; records why, and pages."""
    audit.append(connection, kind=f"found.{notice}", subject=_FINDER, by=RECEIVER, data={"reason": reason})
    mine = select(schema.freezes).filter_by(person=RECEIVER, lifted_at=None)
    standing_ones = (of(row._asdict()) for row in connection.execute(mine).all() if _genuine(connection, audit, row))
    if (there := next(standing_ones, None)) is None:
        put(connection, audit, Freeze(secrets.token_hex(8), Scope.EVERYTHING, "", RECEIVER, reason, now), notice)
    else:
        outbox.put(connection, notice, f"freeze/{there.id}", {"summary": reason}, now=now)


def _genuine(connection: Connection, audit: Audit, row: Row[Any]) -> bool:
    try:
        audit.check(connection, schema.freezes, row._asdict())
    except Forged:
        return False
    return True


def _row(freeze: Freeze) -> dict[str, Any]:
    return asdict(freeze) | {"scope": freeze.scope.value}


def _what(freeze: Freeze) -> str:
    return f"{freeze.scope.value} {freeze.name}".rstrip()


def from_outside(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """What outside the database freezes everything; None where nothing does. What can not be looked at does."""
    if environment.get(VARIABLE):
        return f"{VARIABLE} is set"
    if file is None:
        return None
    try:
        os.lstat(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"the freeze file can not be looked at: {error.strerror}"
    return "the freeze file is there"


def told_of_outside(connection: Connection, audit: Audit, reason: str | None, now: int) -> None:
    """Records that something outside freezes everything, and pages for it; with None, that nothing does any more."""
    if reason is not None:
        text = {"summary": f"Frozen from outside: {reason}", "first_action": "Find out who did it, and why."}
        audit.append(connection, kind="found.freeze", subject=_FINDER, by=RECEIVER, data={"reason": reason})
        outbox.put(connection, Notice.FREEZE, _FROM_OUTSIDE, text, now=now)
    else:
        text = {"summary": "Not frozen from outside any more"}
        audit.append(connection, kind="found.unfreeze", subject=_FINDER, by=RECEIVER)
        outbox.put(connection, Notice.UNFREEZE, _FROM_OUTSIDE, text, now=now, severity=Severity.TICKET)


def stop(found: Collection[Freeze], action: str, keys: Collection[str]) -> Freeze | None:
    """The freeze among these that stops the action, if any."""
    return next((freeze for freeze in found if freeze.stops(action, keys)), None)
