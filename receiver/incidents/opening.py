"""Episodes of severity page open incidents, or join them. Within a transaction.

The rows of the episodes are the work to be done: whoever looks finds what has no incident yet, however the process before ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from receiver.clock import rfc3339
from receiver.families import Severity
from receiver.outbox import Notice
from receiver.policy import OURSELVES
from receiver.queries import EpisodeRow
from receiver.requests import new_id
from receiver.text import clipped

from . import members
from .life import Status, Turn
from .store import Entry, Incident
from .telling import Telling, tell_all

LONGEST = 200
"""Characters of a title, and of what a record repeats of an alert."""


def take_in(entry: Entry, episodes: Sequence[int]) -> None:
    """Gives an incident to each of these that still has none."""
    told: dict[Notice, list[Telling]] = {Notice.INCIDENT_OPENED: [], Notice.INCIDENT_REOPENED: []}
    began = members.began(entry.connection, episodes)
    for alert in members.still_wanting(entry.connection, episodes):
        home = members.home_of(entry.connection, alert)
        since = began[alert.id]
        notice, incident = _open(entry, alert, since) if home is None else _join(entry, home, alert, since)
        if notice is not None:
            told[notice].append(Telling(incident, OURSELVES, alert))
    for notice, tellings in told.items():
        tell_all(entry, notice, tellings)


def follow(entry: Entry) -> None:
    """What an episode became part of belongs where that belonged."""
    while found := members.absorbed(entry.connection):
        for incident, episode in found:
            members.join(entry.connection, incident, episode, entry.now)


def opened(entry: Entry, incident: Incident, alert: EpisodeRow | None, reason: str = "") -> Incident:
    """Puts a new incident in, with the alert that it is about."""
    said = {"reason": reason} if reason else {}
    made = entry.create(incident, {"title": incident.title, **(about(alert) if alert else {}), **said})
    if alert is not None:
        members.join(entry.connection, made.id, alert.id, entry.now)
    return made


def new(alert: EpisodeRow | None, since: int | None, now: int) -> Incident:
    """An incident about the alert, which fires `since` then, as the receiver would open it; about none where there is none."""
    id_ = new_id()
    return Incident(
        id=id_,
        place=members.place_of(alert) if alert else members.own_place(id_),
        domain=_line(alert.label("domain")) if alert else "",
        entity=_line(alert.label("entity")) if alert else "",
        title=title(alert) if alert else "",
        status=Status.OPEN,
        severity=Severity.PAGE,
        opened_by=OURSELVES,
        opened_at=now,
        clock_at=now,
        started_at=since,
    )


def title(alert: EpisodeRow) -> str:
    """Its name, and what it is about."""
    name, entity = alert.alertname or "An alert without a name", alert.label("entity")
    return _line(f"{name}: {entity}" if entity else name)


def about(alert: EpisodeRow) -> dict[str, str]:
    """The alert, as a record of the audit names it."""
    return {
        "alert": _line(alert.alertname),
        "fingerprint": alert.fingerprint,
        "episode": str(alert.id),
        "started_at": rfc3339(alert.starts_at),
        **({} if alert.ends_at is None else {"ended_at": rfc3339(alert.ends_at)}),
    }


def _open(entry: Entry, alert: EpisodeRow, since: int) -> tuple[Notice, Incident]:
    return Notice.INCIDENT_OPENED, opened(entry, new(alert, since, entry.now), alert)


def _join(entry: Entry, home: Incident, alert: EpisodeRow, since: int) -> tuple[Notice | None, Incident]:
    """The incident with the alert. One that was resolved, or acknowledged without knowing of alerts of this name, opens anew."""
    known = members.knows(entry.connection, home.id, alert.alertname)
    members.join(entry.connection, home.id, alert.id, entry.now)
    started = since if home.started_at is None else min(home.started_at, since)
    joined = entry.note(
        _graver(replace(home, started_at=started), known=known), "incident.joined", OURSELVES, about(alert)
    )
    if home.status is Status.RESOLVED or (home.status is not Status.OPEN and not known):
        commander = None if home.status is Status.RESOLVED else home.commander
        turned = entry.turn(joined, Turn.REOPEN, OURSELVES, about(alert), commander=commander)
        return Notice.INCIDENT_REOPENED, turned
    return None, joined


def _graver(incident: Incident, *, known: bool) -> Incident:
    """What somebody has said of its severity was said without knowing of this alert."""
    return incident if known else replace(incident, severity=Severity.PAGE)


def _line(text: str) -> str:
    """What an alert says, in one line, with what is invisible spelled out, and not too long."""
    return clipped(" ".join(text.split("\n")), LONGEST)
