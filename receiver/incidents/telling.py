"""What people are told about incidents: rows of the outbox, each with where to look.

However many incidents there are, nobody is told of more than MOST of a kind within a minute one by one: what is more is told
together, once a minute. All of them are there for the eye, on the page of incidents, in the API and as `incidents_open`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, func, select

from receiver import outbox, schema
from receiver.clock import SECOND
from receiver.families import Severity
from receiver.outbox import Notice
from receiver.policy import OURSELVES
from receiver.queries import EpisodeRow

from . import members
from .life import UNRESOLVED, Status
from .store import Entry, Incident

MOST = 20
"""Notices of one kind within a minute that are told one by one."""

MINUTE = 60 * SECOND
NAMED = 5
"""Incidents that a notice about many of them names."""

QUIET = frozenset(
    {
        Notice.INCIDENT_ACKNOWLEDGED,
        Notice.INCIDENT_HANDED_OVER,
        Notice.INCIDENT_MITIGATED,
        Notice.INCIDENT_RESOLVED,
        Notice.INCIDENT_CLOSED,
    }
)
"""They wake nobody."""

SUMMARIES: Mapping[Notice, str] = {
    Notice.INCIDENT_OPENED: "Incident opened",
    Notice.INCIDENT_REOPENED: "Incident reopened",
    Notice.INCIDENT_ESCALATED: "Nobody has acknowledged",
    Notice.INCIDENT_ACKNOWLEDGED: "Acknowledged by {by}",
    Notice.INCIDENT_HANDED_OVER: "Handed over to {commander} by {by}",
    Notice.INCIDENT_MITIGATED: "Mitigated, says {by}",
    Notice.INCIDENT_SIGHT_LOST: "Not recovered, but out of sight",
    Notice.INCIDENT_RESOLVED: "Incident resolved",
    Notice.INCIDENT_CLOSED: "Incident closed by {by}",
}

MANY: Mapping[Notice, str] = {
    Notice.INCIDENT_OPENED: "opened",
    Notice.INCIDENT_REOPENED: "reopened",
    Notice.INCIDENT_ESCALATED: "escalated",
    Notice.INCIDENT_SIGHT_LOST: "out of sight",
    Notice.INCIDENT_RESOLVED: "resolved",
}
"""What happens without a person, and so may happen to many at once."""

_OPENING = (Notice.INCIDENT_OPENED, Notice.INCIDENT_REOPENED)


@dataclass(frozen=True, slots=True)
class Telling:
    """Something to be told of one incident: by whose act, about which of its alerts, and what else helps."""

    incident: Incident
    by: str
    alert: EpisodeRow | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    to: tuple[str, ...] = ()


def tell(entry: Entry, notice: Notice, telling: Telling) -> None:
    """Tells of what a person did."""
    _put(entry, notice, telling)


def tell_all(entry: Entry, notice: Notice, tellings: Sequence[Telling]) -> None:
    """Tells of what happened to each of these by itself: one by one, or together where that is too much. Of what comes within a
    minute after that, nothing more is said to the same people before it is over: see `owed`. Who was told of an incident alone
    is told of its end alone.
    """
    alone = _told_alone(entry, tellings) if notice is Notice.INCIDENT_RESOLVED else frozenset()
    for telling in tellings:
        if telling.incident.subject in alone:
            _put(entry, notice, telling)
    rest = [telling for telling in tellings if telling.incident.subject not in alone]
    for to in dict.fromkeys(telling.to for telling in rest):
        _tell_some(entry, notice, [telling for telling in rest if telling.to == to], to)


def owed(connection: Connection, now: int) -> list[Incident]:
    """What nobody has been told of, since it opened within a minute after a notice about many; once that minute is over.

    No more than tell that they are many; those that a storm must not hide come first.
    """
    box, table = schema.outbox, schema.incidents
    many = [_together(notice, ()) for notice in _OPENING]
    newest = select(func.max(box.c.created_at)).where(box.c.subject.in_(many), box.c.created_at <= now)
    last = connection.execute(newest).scalar()
    if last is None or now - last < MINUTE:
        return []
    alone = select(box.c.id).where(
        box.c.subject == "incident/" + table.c.id, box.c.kind.in_(_OPENING), box.c.created_at >= table.c.clock_at
    )
    untold = select(table).where(table.c.status == Status.OPEN, table.c.clock_at > last, ~alone.exists())
    found = connection.execute(untold.order_by(table.c.domain != members.ALONE, table.c.clock_at).limit(MOST + 1))
    return [Incident.of(row._asdict()) for row in found]


def tell_owed(entry: Entry) -> None:
    """Tells of it, as of what happens now."""
    told: dict[Notice, list[Telling]] = {notice: [] for notice in _OPENING}
    for incident in owed(entry.connection, entry.now):
        notice = Notice.INCIDENT_OPENED if incident.clock_at == incident.opened_at else Notice.INCIDENT_REOPENED
        alert = next(iter(members.alerts_of(entry.connection, incident.id, 1)), None)
        told[notice].append(Telling(incident, OURSELVES, alert))
    for notice, tellings in told.items():
        tell_all(entry, notice, tellings)


def _tell_some(entry: Entry, notice: Notice, tellings: Sequence[Telling], to: tuple[str, ...]) -> None:
    if many_told_at(entry, notice, to) is not None:
        return
    if _lately(entry, notice) + len(tellings) > MOST:
        _put_many(entry, notice, tellings, to)
        return
    for telling in tellings:
        _put(entry, notice, telling)


def _put(entry: Entry, notice: Notice, telling: Telling) -> None:
    incident = telling.incident
    text = {
        "summary": f"{_summary(notice, telling)}: {incident.title}",
        "link": f"/i/{incident.id}",
        "incident": incident.id,
        "title": incident.title,
        "domain": incident.domain,
        "entity": incident.entity,
        **_of_alert(telling.alert),
        **telling.more,
    }
    severity = Severity.INFO if notice in QUIET else incident.severity
    filled = {name: value for name, value in text.items() if value}
    outbox.put(
        entry.connection, notice, incident.subject, filled, now=entry.now, severity=severity, each=True, to=telling.to
    )


def _summary(notice: Notice, telling: Telling) -> str:
    """Names are of people of the policy, and hold no braces."""
    return SUMMARIES[notice].format(by=telling.by, commander=telling.incident.commander or "nobody")


def _of_alert(alert: EpisodeRow | None) -> dict[str, str]:
    if alert is None:
        return {}
    said = {name: alert.says(name) for name in ("description", "first_action")}
    return {"alert": f"/a/{alert.fingerprint}", "description": said["description"] or alert.says("summary")} | {
        "first_action": said["first_action"]
    }


def _put_many(entry: Entry, notice: Notice, tellings: Sequence[Telling], to: tuple[str, ...]) -> None:
    table = schema.incidents
    count = select(func.count()).select_from(table).where(table.c.status.in_(UNRESOLVED))
    going = entry.connection.execute(count).scalar_one()
    gravest = min((telling.incident.severity for telling in tellings), key=list(Severity).index)
    named = sorted(tellings, key=lambda telling: telling.incident.domain != members.ALONE)[:NAMED]
    text = {
        "summary": f"Many incidents at once were {MANY[notice]}: {going} go on now",
        "description": "They are not told one by one. Among them: "
        + "; ".join(telling.incident.title for telling in named),
        "first_action": "Look at the list; what they have in common is the thing to find.",
        "link": "/incidents",
        **{name: value for name, value in tellings[0].more.items() if name == "people"},
    }
    severity = Severity.INFO if notice in QUIET else gravest
    many, about = Notice.INCIDENTS_MANY, _together(notice, to)
    outbox.put(entry.connection, many, about, text, now=entry.now, severity=severity, each=True, to=to)


def _together(notice: Notice, to: tuple[str, ...]) -> str:
    """The subject of what is told of many together."""
    return "/".join(("incidents", MANY[notice].replace(" ", "_"), *to))


def _told_alone(entry: Entry, tellings: Sequence[Telling]) -> frozenset[str]:
    """The subjects of those that people have heard of one by one; few in a storm, as they were told so."""
    box, subjects = schema.outbox, [telling.incident.subject for telling in tellings]
    return frozenset(entry.connection.scalars(select(box.c.subject).where(box.c.subject.in_(subjects)).distinct()))


def many_told_at(entry: Entry, notice: Notice, to: tuple[str, ...]) -> int | None:
    """When these people were told of many of the kind, if that was within the last minute; a clock that was set back hides none."""
    box = schema.outbox
    query = select(func.max(box.c.created_at)).where(
        box.c.kind == Notice.INCIDENTS_MANY, box.c.subject == _together(notice, to), *_of_the_last_minute(entry.now)
    )
    return entry.connection.execute(query).scalar()


def _lately(entry: Entry, notice: Notice) -> int:
    """How many of the kind were told within the last minute."""
    query = select(func.count()).where(schema.outbox.c.kind == notice, *_of_the_last_minute(entry.now))
    return entry.connection.execute(query).scalar_one()


def _of_the_last_minute(now: int) -> tuple[ColumnElement[bool], ...]:
    made = schema.outbox.c.created_at
    return made > now - MINUTE, made <= now
