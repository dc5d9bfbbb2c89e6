"""The table `automations`: what was made of each action that an alert offered. For people alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from receiver.audit.seal import Forged
from receiver.limits import DAY
from receiver.schema import automations, episodes
from receiver.why import Why

from .guards import Asked


class Outcome(StrEnum):
    """What came of it so far."""

    HELD = "held"
    """A guard holds it back."""
    ACTED = "acted"
    """Asked for, or, in shadow, told that it would have been."""
    WITHDRAWN = "withdrawn"
    """Asked for, and taken back since the alert has ended."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A row of the table. `does` is what each step would do; it and the parameters are empty while it is not planned."""

    action: str
    episode_id: int
    kind: str
    outcome: Outcome
    why: Why | None
    request_id: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    does: tuple[Mapping[str, Any], ...] = ()

    @property
    def key(self) -> tuple[str, int, str]:
        return self.action, self.episode_id, self.kind


@dataclass(frozen=True, slots=True)
class Noted:
    """A decision as it is shown, with the alert that it is about."""

    id: int
    decision: Decision
    at: int
    changed_at: int
    fingerprint: str
    labels: Mapping[str, str]


def note(connection: Connection, decision: Decision, now: int) -> None:
    """Puts the decision in the place of what was decided before about the action and the episode."""
    named = {"action": decision.action, "episode_id": decision.episode_id, "kind": decision.kind}
    row = {
        "outcome": decision.outcome.value,
        "why": decision.why or "",
        "request_id": decision.request_id,
        "parameters": dict(decision.parameters),
        "does": list(decision.does),
        "changed_at": now,
    }
    id_ = connection.execute(select(automations.c.id).filter_by(**named)).scalar()
    if id_ is None:
        connection.execute(insert(automations).values(**named, **row, at=now))
    else:
        connection.execute(update(automations).where(automations.c.id == id_).values(**row))


def of_request(connection: Connection, request: str) -> Decision | None:
    """The decision that made the request."""
    row = connection.execute(select(automations).filter_by(request_id=request)).first()
    return None if row is None else _decision(row._asdict())


def decided(connection: Connection, wanted: set[int]) -> dict[tuple[str, int, str], Decision]:
    """What was decided about these episodes."""
    query = select(automations).where(automations.c.episode_id.in_(wanted))
    found = (_decision(row._asdict()) for row in connection.execute(query))
    return {decision.key: decision for decision in found}


def newest(connection: Connection, limit: int, action: str | None = None) -> list[Noted]:
    """From the newest."""
    query = select(automations, episodes.c.fingerprint, episodes.c.labels).join(
        episodes, episodes.c.id == automations.c.episode_id
    )
    if action is not None:
        query = query.where(automations.c.action == action)
    rows = (row._asdict() for row in connection.execute(query.order_by(automations.c.id.desc()).limit(limit)))
    names = ("id", "at", "changed_at", "fingerprint", "labels")
    return [Noted(decision=_decision(row), **{name: row[name] for name in names}) for row in rows]


def shadowed(connection: Connection, now: int) -> list[Asked]:
    """What would have been asked for within the last day, had the rules let it."""
    table = automations
    query = select(table.c.changed_at, table.c.action, episodes.c.labels).join(
        episodes, episodes.c.id == table.c.episode_id
    )
    query = query.where(table.c.kind == "shadow", table.c.outcome == Outcome.ACTED, table.c.changed_at > now - DAY)
    return [Asked(at, action, labels.get("entity", "")) for at, action, labels in connection.execute(query)]


def _decision(row: Mapping[str, Any]) -> Decision:
    named = {name: row[name] for name in ("action", "episode_id", "kind", "request_id", "parameters")}
    try:
        why = Why(row["why"]) if row["why"] else None
        return Decision(**named, outcome=Outcome(row["outcome"]), why=why, does=tuple(row["does"]))
    except (ValueError, TypeError):
        raise Forged(f"row {row['id']} of automations holds what was never written there") from None
