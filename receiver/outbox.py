"""What people must be told: written in the transaction of what it tells of, delivered by the notifiers afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from .families import Severity
from .schema import outbox


class Notice(StrEnum):
    """What a row of the outbox is about."""

    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    FOREIGN_SILENCE = "foreign_silence"
    ESCALATION = "escalation"
    IN_DOUBT = "in_doubt"
    TAMPERED = "tampered"
    CLOCK = "clock"
    OUTCOME = "outcome"
    AUTOMATION = "automation"
    INCIDENT_OPENED = "incident_opened"
    INCIDENT_REOPENED = "incident_reopened"
    INCIDENT_ESCALATED = "incident_escalated"
    INCIDENT_ACKNOWLEDGED = "incident_acknowledged"
    INCIDENT_HANDED_OVER = "incident_handed_over"
    INCIDENT_MITIGATED = "incident_mitigated"
    INCIDENT_SIGHT_LOST = "incident_sight_lost"
    INCIDENT_RESOLVED = "incident_resolved"
    INCIDENT_CLOSED = "incident_closed"
    INCIDENTS_MANY = "incidents_many"
    TEST = "test"


def put(
    connection: Connection,
    notice: Notice,
    subject: str,
    text: Mapping[str, str],
    *,
    now: int,
    severity: Severity = Severity.PAGE,
    once: bool = False,
    each: bool = False,
    to: Collection[str] = (),
) -> bool:
    """Puts a notice up; False where one about the same is still to be told, since one page says it.

    `once`: also where one was told, however long ago. `each`: never, since each says something of its own. `to` are the roles,
    groups and people of the policy that it is for; without them it is for everybody.

    `text` has `summary`, and what else helps whoever is woken, without secrets: `description`, `first_action`, `people`, `domain`
    and `entity` mean what they say, `link` and `alert` are paths below `external_url`, all else is shown under its own name.
    Values are as they came: each notifier makes of them what its readers can not be led astray by.
    """
    same = select(outbox.c.id).where(outbox.c.subject == subject, outbox.c.kind == notice)
    told = same if once else same.where(outbox.c.settled_at.is_(None))
    if not each and connection.execute(told.limit(1)).first() is not None:
        return False
    row = {"kind": notice, "subject": subject, "severity": severity, "text": dict(text), "audience": sorted(to)}
    connection.execute(insert(outbox).values(**row, created_at=now))
    return True
