"""What nobody has acknowledged in time is told to the next ones. Within a transaction; by the wall clock, restart-safe.

Each level of the policy's `then` is told once, `acknowledge_within` after the one before; after the last the last is told again
and again, as long as nobody acknowledges. What becomes due within a minute after its people were told of many is put off until
that is over: no level counts as told that nobody was told of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, or_, select

from receiver.clock import SECOND, span
from receiver.outbox import Notice
from receiver.policy import OURSELVES, Escalation, Policy
from receiver.schema import incidents

from . import members
from .life import Status
from .store import Entry, Incident
from .telling import MINUTE, Telling, many_told_at, tell_all


def escalate(entry: Entry, among: Sequence[str]) -> None:
    """Escalates those of these that still are due."""
    found = due(entry.connection, entry.policy, entry.now, among)
    tellings = [telling for incident in found if (telling := _next(entry, incident)) is not None]
    entry.escalated += len(tellings)
    tell_all(entry, Notice.INCIDENT_ESCALATED, tellings)


def due(connection: Connection, policy: Policy, now: int, among: Sequence[str] | None = None) -> list[Incident]:
    """What waits to be acknowledged and is due, of all or of these, or has a time that the policy of now does not give it: the
    clock was set back, or the policy changed.
    """
    table = incidents
    late = [
        (table.c.severity == step.severity)
        & or_(
            table.c.due_at.is_(None),
            table.c.due_at <= now,
            table.c.due_at > now + int(step.acknowledge_within * SECOND),
        )
        for step in policy.escalation
    ]
    if not late:
        return []
    query = select(table).where(table.c.status == Status.OPEN, or_(*late)).order_by(table.c.due_at, table.c.id)
    if among is not None:
        query = query.where(table.c.id.in_(among))
    return [Incident.of(row._asdict()) for row in connection.execute(query)]


def level_of(step: Escalation, level: int) -> str:
    """Whom the level tells, the first being 0; after the last it is the last."""
    return step.then[min(level, len(step.then) - 1)]


def _next(entry: Entry, incident: Incident) -> Telling | None:
    """One level up; None where it was only not known when, or its people hear of it in less than a minute."""
    step, within = entry.step(incident.severity), entry.within(incident.severity)
    if step is None or within is None:
        return None
    if incident.due_at is None or incident.due_at > entry.now:
        entry.keep(replace(incident, due_at=entry.now + within))
        return None
    holder = level_of(step, incident.level)
    many = many_told_at(entry, Notice.INCIDENT_ESCALATED, (holder,))
    if many is not None and incident.due_at > many:  # what was due by then is among the many
        entry.keep(replace(incident, due_at=min(many + MINUTE, entry.now + within)))
        return None
    people = entry.policy.holders((holder,))
    raised = replace(incident, level=incident.level + 1, due_at=entry.now + within)
    told = {"level": str(raised.level), "to": holder, "people": list(people)}
    raised = entry.note(raised, "incident.escalated", OURSELVES, told)
    waited = span(entry.now - incident.clock_at)
    more = {
        "description": f"It has waited for {waited}. Now it is for {holder}: {', '.join(people) or 'nobody holds that'}",
        "people": ", ".join(people),
    }
    alert = next(iter(members.alerts_of(entry.connection, incident.id, 1)), None)
    return Telling(raised, OURSELVES, alert, more, (holder,))
