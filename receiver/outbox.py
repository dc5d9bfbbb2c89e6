"""What people must be told: written in the transaction of what it tells of, delivered by the notifiers afterwards."""

from __future__ import annotations

from collections.abc import Mapping
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


def put(
    connection: Connection,
    notice: Notice,
    subject: str,
    text: Mapping[str, str],
    *,
    now: int,
    severity: Severity = Severity.PAGE,
    once: bool = False,
) -> bool:
    """Puts a notice up; False where one about the same is still undelivered, since one page says it.

    `once`: also where one was delivered, however long ago.

    `text` has `summary`, and what else helps whoever is woken: strings in our words, without secrets.
    """
    same = select(outbox.c.id).where(outbox.c.kind == notice, outbox.c.subject == subject)
    if connection.execute(same if once else same.where(outbox.c.delivered_at.is_(None))).first() is not None:
        return False
    row = {"kind": notice, "subject": subject, "severity": severity, "text": dict(text)}
    connection.execute(insert(outbox).values(**row, created_at=now, next_at=now, attempts=0))
    return True
