"""Which notifier has still to tell what, and what came of it: rows beside those of the outbox, within a transaction.

A notice is settled once every notifier in force has a row for it that does not wait. What is about one subject is told in order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, func, insert, or_, select, true, update

from receiver.clock import SECOND
from receiver.families import Severity
from receiver.outbox import Notice
from receiver.requests import new_id
from receiver.schema import outbox
from receiver.schema import outbox_deliveries as table

from .message import Message
from .notifier import Notifier

TOO_OLD = 86_400 * SECOND
"""After so long it is given up: whoever is told of it then is led astray."""

MOST_AT_ONCE = 1_000
"""Notices that are given to a notifier in one transaction: others wait for the writer, too."""

FARTHEST = 2 * 3_600 * SECOND
"""No attempt is put off for so long; one that seems to be was, by a clock that has been set back since."""


class State(StrEnum):
    """How a delivery stands; `skipped`: it is none of this notifier's."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice that a notifier has still to be told; `attempts` were made before."""

    notifier: str
    attempts: int
    message: Message


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What nobody is told by this notifier, and why."""

    notifier: str
    subject: str
    failure: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a notifier does. `failure` is of the last attempt that failed and was not followed by a delivery; empty: none was."""

    waiting: int = 0
    oldest_waiting_at: int | None = None
    last_delivered_at: int | None = None
    last_failed_at: int | None = None
    failure: str = ""
    given_up: int = 0
    """Within the last day."""


# --- from the outbox to the notifiers ---------------------------------------------------------------------------------


def unspread(connection: Connection, names: Iterable[str]) -> bool:
    """Whether a notice is to be told that a notifier of these names has no row for."""
    return any(connection.execute(_without(name).limit(1)).first() is not None for name in names)


def spread(connection: Connection, notifiers: Collection[Notifier], now: int) -> list[GivenUp]:
    """Makes missing rows, some at a time, and settles what no notifier in force has to tell any more; what was given up by that."""
    lost: list[GivenUp] = []
    for notifier in notifiers:
        told: set[str] = set()
        rows = []
        for notice in connection.execute(_without(notifier.name).order_by(outbox.c.id).limit(MOST_AT_ONCE)).all():
            state, failure = _first(connection, notifier, notice, told, now)
            ended = None if state is State.WAITING else now
            row = {"id": new_id(), "notice_id": notice.id, "notifier": notifier.name, "state": state.value}
            rows.append({**row, "attempts": 0, "next_at": now, "ended_at": ended, "failure": failure})
            if state is not State.SKIPPED:
                told.add(notice.subject)
            if state is State.GIVEN_UP:
                lost.append(GivenUp(notifier.name, notice.subject, failure))
        if rows:
            connection.execute(insert(table), rows)
    return lost + settle(connection, [notifier.name for notifier in notifiers], now)


def settle(
    connection: Connection, names: Collection[str], now: int, *, notice: ColumnElement[bool] | None = None
) -> list[GivenUp]:
    """Closes what all of these have told or given up. What is left of it to notifiers that are gone is given up."""
    if not names:
        return []
    ended = select(func.count()).where(table.c.notice_id == outbox.c.id, table.c.notifier.in_(names), ~_WAITS)
    mine = true() if notice is None else notice
    done = and_(outbox.c.settled_at.is_(None), mine, ended.scalar_subquery() == len(names))
    connection.execute(update(outbox).where(done).values(settled_at=now))
    left = select(table.c.id, table.c.notifier, outbox.c.subject).join_from(table, outbox)
    gone = and_(_WAITS, mine, table.c.notifier.not_in(names), outbox.c.settled_at.is_not(None))
    failure = "the notifier is not configured any more"
    lost = []
    for row in connection.execute(left.where(gone)).all():
        _end(connection, row.id, State.GIVEN_UP, failure, now)
        lost.append(GivenUp(row.notifier, row.subject, failure))
    return lost


_WAITS = table.c.ended_at.is_(None)
"""As in the index of what waits, which is small however much was told."""


def _without(name: str) -> Any:
    has = exists().where(table.c.notice_id == outbox.c.id, table.c.notifier == name)
    return select(outbox).where(outbox.c.settled_at.is_(None), ~has)


def _first(
    connection: Connection, notifier: Notifier, notice: Row[Any], told: Collection[str], now: int
) -> tuple[State, str]:
    """How a delivery begins; `told` are subjects that the notifier is told of from now on."""
    if notice.kind not in Notice._value2member_map_:
        return State.GIVEN_UP, "nothing is known of such a notice"
    meant = notice.subject in told or _meant(connection, notifier, notice)
    if not meant or not notifier.takes(Notice(notice.kind), _severity(notice.severity)):
        return State.SKIPPED, ""
    if notice.created_at < now - TOO_OLD:
        return State.GIVEN_UP, "it was too old when it could be told"
    return State.WAITING, ""


def _meant(connection: Connection, notifier: Notifier, notice: Row[Any]) -> bool:
    """Whether it is for those whom the notifier tells; what they were told once they are told to the end."""
    if notifier.tells is None or set(notifier.tells) & set(notice.audience):
        return True
    before = exists().where(
        table.c.notifier == notifier.name,
        table.c.notice_id == outbox.c.id,
        table.c.state != State.SKIPPED.value,
        outbox.c.subject == notice.subject,
        outbox.c.id < notice.id,
    )
    return bool(connection.execute(select(before)).scalar())


# --- one delivery -----------------------------------------------------------------------------------------------------


def due(connection: Connection, name: str, now: int) -> Delivery | None:
    """What the notifier is told next: pages first, then the oldest; nothing before what is about the same and older."""
    mine = and_(table.c.notifier == name, _WAITS)
    heads = select(func.min(outbox.c.id)).join_from(table, outbox).where(mine).group_by(outbox.c.subject)
    ready = or_(table.c.next_at <= now, table.c.next_at > now + FARTHEST)
    said = (outbox.c[key] for key in ("kind", "severity", "subject", "text", "created_at"))
    query = (
        select(table.c.id, table.c.attempts, *said)
        .join_from(table, outbox)
        .where(mine, ready, outbox.c.id.in_(heads))
        .order_by(case((outbox.c.severity == Severity.PAGE.value, 0), else_=1), outbox.c.id)
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else Delivery(name, row.attempts, _message(row))


def begin(connection: Connection, delivery: Delivery, now: int, next_at: int) -> None:
    """Commits that it is tried before it is: who ends in between tries again then, and not at once."""
    row = {"attempts": delivery.attempts + 1, "attempted_at": now, "next_at": next_at}
    connection.execute(update(table).where(table.c.id == delivery.message.id).values(**row))


def failed(connection: Connection, delivery: Delivery, failure: str, next_at: int) -> None:
    """It is tried again."""
    row = {"failure": failure, "next_at": next_at}
    connection.execute(update(table).where(table.c.id == delivery.message.id).values(**row))


def end(
    connection: Connection, delivery: Delivery, state: State, failure: str, *, names: Collection[str], now: int
) -> list[GivenUp]:
    """It was told, or is given up; what follows from that for notifiers that are gone."""
    _end(connection, delivery.message.id, state, failure, now)
    notice = select(table.c.notice_id).where(table.c.id == delivery.message.id).scalar_subquery()
    return settle(connection, names, now, notice=outbox.c.id == notice)


def _end(connection: Connection, id_: str, state: State, failure: str, now: int) -> None:
    row = {"state": state.value, "failure": failure, "ended_at": now}
    connection.execute(update(table).where(table.c.id == id_).values(**row))


def _message(row: Row[Any]) -> Message:
    text = row.text if isinstance(row.text, dict) else {}
    words = {str(key): str(value) for key, value in text.items()}
    return Message(row.id, Notice(row.kind), _severity(row.severity), row.subject, words, row.created_at)


def _severity(text: str) -> Severity:
    return Severity(text) if text in Severity._value2member_map_ else Severity.OTHER


# --- how things stand -------------------------------------------------------------------------------------------------


def waiting(connection: Connection) -> Mapping[str, int]:
    """How much each notifier has still to tell; who has nothing is not there."""
    counted = select(table.c.notifier, func.count()).where(_WAITS).group_by(table.c.notifier)
    return {row[0]: row[1] for row in connection.execute(counted)}


def standing(connection: Connection, name: str, now: int) -> Standing:
    mine = table.c.notifier == name
    left = select(func.count(), func.min(outbox.c.created_at)).join_from(table, outbox).where(mine, _WAITS)
    count, oldest = connection.execute(left).one()
    told = and_(mine, table.c.state == State.DELIVERED.value)
    last = connection.execute(select(func.max(table.c.ended_at)).where(told)).scalar()
    lost = and_(mine, table.c.state == State.GIVEN_UP.value, table.c.ended_at > now - TOO_OLD)
    wrong = select(table.c.failure, table.c.attempted_at).where(
        or_(and_(mine, _WAITS), lost), table.c.failure != "", table.c.attempted_at > (last or 0)
    )
    failure = connection.execute(wrong.order_by(table.c.attempted_at.desc()).limit(1)).first()
    return Standing(
        waiting=count,
        oldest_waiting_at=oldest,
        last_delivered_at=last,
        last_failed_at=failure.attempted_at if failure else None,
        failure=failure.failure if failure else "",
        given_up=connection.execute(select(func.count()).where(lost)).scalar_one(),
    )
