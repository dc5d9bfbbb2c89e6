"""What people must be told, the notifiers that tell it, and a test of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from receiver import schema
from receiver.clock import rfc3339
from receiver.notifying import trial
from receiver.notifying.deliveries import Standing, standing

from .notifying_shapes import Delivery, Notifier, Notifiers, Outbox, OutboxAsked, Tested, Told, Tried
from .operations import AnyOperation, Call, Nothing, Operation
from .records import read


async def outbox(call: Call[Nothing, OutboxAsked]) -> Outbox:
    return await read(call, lambda connection: _outbox(connection, call.query.limit))


def _outbox(connection: Connection, limit: int) -> Outbox:
    box, table = schema.outbox, schema.outbox_deliveries
    notices = connection.execute(select(box).order_by(box.c.id.desc()).limit(limit)).all()
    mine = select(table).where(table.c.notice_id.in_([row.id for row in notices])).order_by(table.c.notifier)
    deliveries: dict[int, list[Delivery]] = {}
    for row in connection.execute(mine):
        deliveries.setdefault(row.notice_id, []).append(_delivery(row))
    return Outbox(outbox=tuple(_told(row, tuple(deliveries.get(row.id, ()))) for row in notices))


def _told(row: Any, deliveries: tuple[Delivery, ...]) -> Told:
    return Told(
        id=row.id,
        kind=row.kind,
        severity=row.severity,
        subject=row.subject,
        text=row.text,
        audience=tuple(row.audience),
        created_at=rfc3339(row.created_at),
        settled_at=_instant(row.settled_at),
        deliveries=deliveries,
    )


def _delivery(row: Any) -> Delivery:
    return Delivery(
        notifier=row.notifier,
        state=row.state,
        attempts=row.attempts,
        next_at=_instant(row.next_at) if row.ended_at is None else None,
        ended_at=_instant(row.ended_at),
        failure=row.failure,
    )


def _instant(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


async def notifiers(call: Call[Nothing, Nothing]) -> Notifiers:
    there, policy = call.people.dispatcher.notifiers, call.people.desk.rules.current.policy
    now = call.people.dispatcher.now()
    found = await read(call, lambda connection: [standing(connection, each.name, now) for each in there])
    return Notifiers(
        notifiers=tuple(_notifier(each.name, each.kind, how) for each, how in zip(there, found, strict=True)),
        may=tuple(person.id for person in policy.people if policy.may_test_notifiers(person) is None),
    )


def _notifier(name: str, kind: str, how: Standing) -> Notifier:
    return Notifier(
        name=name,
        kind=kind,
        waiting=how.waiting,
        oldest_waiting_at=_instant(how.oldest_waiting_at),
        last_delivered_at=_instant(how.last_delivered_at),
        last_failed_at=_instant(how.last_failed_at),
        failure=how.failure,
        given_up=how.given_up,
    )


async def test_notifiers(call: Call[Nothing, Nothing]) -> Tested:
    person, dispatcher = call.session.person, call.people.dispatcher
    there = dispatcher.notifiers
    id_ = await call.people.desk.test_notifiers(person, [each.name for each in there])
    tried = await trial.test(there, id_, person.id, dispatcher.now())
    return Tested(notifiers=tuple(Tried(name=each.name, kind=each.kind, failure=each.failure) for each in tried))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("outbox", "GET", "/outbox", "What people must be told, the newest first", outbox, Outbox, asks=OutboxAsked),
    Operation("notifiers", "GET", "/notifiers", "Where people are told, and how that goes", notifiers, Notifiers),
    Operation("test_notifiers", "POST", "/notifiers/test", "Send a test message through each notifier", test_notifiers,
              Tested),
)  # fmt: skip
