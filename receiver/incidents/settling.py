"""Incidents follow their alerts: one is resolved once all have recovered, and opens anew when one fires again. Within a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from receiver.outbox import Notice
from receiver.policy import OURSELVES
from receiver.queries import EpisodeRow

from . import members, opening
from .life import Status, Turn
from .members import Stand
from .store import Entry
from .telling import Telling, tell_all

SAID = {
    "description": "No alert of it fires any more, and what they look at could not be seen when they ended.",
    "first_action": "Find out how it really is. It stays open until its alerts fire and recover, or somebody resolves it.",
}


def settle(entry: Entry, incidents: Sequence[str], *, asked: bool) -> None:
    """Turns those of these that still stand otherwise than is written."""
    told: dict[Notice, list[Telling]] = {}
    for stand in members.turning(entry.connection, entry.now, asked=asked, among=incidents):
        if (turned := _settled(entry, stand)) is not None:
            notice, telling = turned
            told.setdefault(notice, []).append(telling)
    for notice, tellings in told.items():
        tell_all(entry, notice, tellings)


def _settled(entry: Entry, stand: Stand) -> tuple[Notice, Telling] | None:
    incident, alert = stand.incident, _first(entry, stand)
    if incident.status is Status.RESOLVED:
        turned = entry.turn(incident, Turn.REOPEN, OURSELVES, opening.about(alert) if alert else {}, commander=None)
        return Notice.INCIDENT_REOPENED, Telling(turned, OURSELVES, alert)
    if stand.over:
        turned = entry.turn(incident, Turn.RESOLVE, OURSELVES, {"alerts": str(stand.alerts)}, sight_lost=False)
        return Notice.INCIDENT_RESOLVED, Telling(turned, OURSELVES, alert)
    if stand.out_of_sight:
        noted = entry.note(
            replace(incident, sight_lost=True), "incident.sight_lost", OURSELVES, {"alerts": str(stand.lost)}
        )
        return Notice.INCIDENT_SIGHT_LOST, Telling(noted, OURSELVES, alert, SAID)
    entry.note(replace(incident, sight_lost=False), "incident.fires_again", OURSELVES, {})
    return None


def _first(entry: Entry, stand: Stand) -> EpisodeRow | None:
    """The alert that says most of how it stands: one that fires, else the newest."""
    return next(iter(members.alerts_of(entry.connection, stand.incident.id, 1)), None)
