"""Incidents: what is wrong, who leads, and what people do about it. Who may is the room's to say."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from receiver.audit.checkpoints import Checkpoint, CheckpointError, Checkpoints
from receiver.clock import rfc3339
from receiver.families import Severity
from receiver.incidents import room, store, timeline
from receiver.incidents.members import Stand
from receiver.incidents.report import Action, Facts
from receiver.incidents.report import report as written
from receiver.policy import Person

from . import acting
from .incident_shapes import (
    Acknowledgement,
    Closing,
    HandOver,
    Happening,
    Incident,
    IncidentAsked,
    Incidents,
    IncidentsAsked,
    IncidentWanted,
    May,
    Note,
    SeverityWanted,
    WholeIncident,
)
from .operations import AnyOperation, Call, Nothing, Operation
from .records import episode_of
from .shapes import Words

MARKDOWN = "text/markdown"

# --- looking ----------------------------------------------------------------------------------------------------------


async def incidents(call: Call[Nothing, IncidentsAsked]) -> Incidents:
    found = await call.people.room.incidents(call.query.limit, call.query.status)
    policy = call.people.desk.rules.current.policy
    may = tuple(person.id for person in policy.people if policy.may_respond(person) is None)
    return Incidents(incidents=tuple(map(_incident, found)), may=may)


async def incident(call: Call[Nothing, IncidentAsked]) -> WholeIncident:
    """With its alerts, the requests that answer them, and its timeline from the newest."""
    asked, id_ = call.query, call.path["id"]
    found = await call.people.room.incident(id_, before=asked.before, limit=asked.limit)
    requests = await call.people.desk.those(timeline.newest_requests(id_, room.MOST))
    return WholeIncident(
        incident=_incident(found.stand),
        responders=found.responders,
        alerts=tuple(map(episode_of, found.alerts)),
        requests=tuple(map(acting.request_of, requests)),
        timeline=tuple(map(_happening, found.timeline)),
        earlier=found.earlier,
        may=tuple(map(_may, call.people.room.may(call.session.person, found.stand))),
    )


async def report(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    """As Markdown, as of now."""
    people, id_ = call.people, call.path["id"]
    found = await people.room.incident(id_)
    desk = people.desk
    actions = [
        Action(each, await desk.decisions(f"request/{each.id}"), await desk.effects(each.id))
        for each in reversed(await desk.those(timeline.newest_requests(id_, room.MOST)))
    ]
    facts = Facts(
        at=people.room.now(),
        stand=found.stand,
        responders=found.responders,
        alerts=found.alerts,
        actions=actions,
        happenings=found.timeline[::-1],
        checkpoint=await asyncio.to_thread(_newest, people.checkpoints),
    )
    name = f'attachment; filename="incident-{id_}.md"'
    headers = {"Cache-Control": "no-store", "Content-Disposition": name}
    return web.Response(text=written(facts), content_type=MARKDOWN, charset="utf-8", headers=headers)


def _newest(checkpoints: Checkpoints) -> Checkpoint | str:
    try:
        found = checkpoints.newest()
        return "there is none" if found is None else found.read(checkpoints.key)
    except CheckpointError as error:
        return str(error)


def _incident(stand: Stand) -> Incident:
    found = stand.incident
    return Incident(
        id=found.id,
        title=found.title,
        domain=found.domain,
        entity=found.entity,
        status=found.status,
        severity=found.severity.value,  # type: ignore[arg-type]  # one of the three, by the room
        commander=found.commander,
        opened_by=found.opened_by,
        started_at=_instant(found.started_at),
        opened_at=rfc3339(found.opened_at),
        waiting_since=rfc3339(found.clock_at),
        acknowledged_at=_instant(found.acknowledged_at),
        mitigated_at=_instant(found.mitigated_at),
        resolved_at=_instant(found.resolved_at),
        closed_at=_instant(found.closed_at),
        escalations=found.level,
        escalates_at=_instant(found.due_at),
        alerts=stand.alerts,
        firing=stand.firing,
        sight_lost=found.sight_lost,
        summary=found.summary,
    )


def _happening(found: timeline.Happening) -> Happening:
    return Happening(
        seq=found.record.seq,
        hash=found.hash,
        at=rfc3339(found.record.at),
        kind=found.record.kind,
        by=found.record.by,
        words=found.words,
        said=found.said,
        request=found.request,
    )


def _may(found: room.May) -> May:
    return May(act=found.act, why_not=found.why_not, message=found.message, who=found.who)


def _instant(instant: int | None) -> str | None:
    return None if instant is None else rfc3339(instant)


# --- doing ------------------------------------------------------------------------------------------------------------


async def open_one(call: Call[IncidentWanted, Nothing]) -> Incident:
    wanted = call.body
    severity = Severity(wanted.severity)
    made = await call.people.room.open(call.session.person, wanted.title, severity, wanted.reason, wanted.fingerprint)
    return await _shown(call, made)


def _whose(call: Call[Any, Any]) -> tuple[Person, str]:
    """Who does it, to which incident."""
    return call.session.person, call.path["id"]


async def acknowledge(call: Call[Acknowledgement, Nothing]) -> Incident:
    return await _shown(call, await call.people.room.acknowledge(*_whose(call), call.body.reason))


async def note(call: Call[Note, Nothing]) -> Incident:
    return await _shown(call, await call.people.room.note(*_whose(call), call.body.text))


async def hand_over(call: Call[HandOver, Nothing]) -> Incident:
    return await _shown(call, await call.people.room.hand_over(*_whose(call), call.body.to, call.body.reason))


async def set_severity(call: Call[SeverityWanted, Nothing]) -> Incident:
    severity = Severity(call.body.severity)
    return await _shown(call, await call.people.room.set_severity(*_whose(call), severity, call.body.reason))


async def mitigate(call: Call[Words, Nothing]) -> Incident:
    return await _shown(call, await call.people.room.mitigate(*_whose(call), call.body.reason))


async def resolve(call: Call[Words, Nothing]) -> Incident:
    return await _shown(call, await call.people.room.resolve(*_whose(call), call.body.reason))


async def close(call: Call[Closing, Nothing]) -> Incident:
    return await _shown(call, await call.people.room.close(*_whose(call), call.body.summary))


async def _shown(call: Call[Any, Any], done: store.Incident) -> Incident:
    """As it stands after what was done."""
    return _incident(await call.people.room.stand(done.id))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("incidents", "GET", "/incidents", "Incidents, what goes on first", incidents, Incidents,
              asks=IncidentsAsked),
    Operation("open_incident", "POST", "/incidents", "Open an incident by hand", open_one, Incident, IncidentWanted,
              status=201),
    Operation("incident", "GET", "/incidents/{id}", "One incident, with its alerts, requests and timeline", incident,
              WholeIncident, asks=IncidentAsked),
    Operation("incident_report", "GET", "/incidents/{id}/report", "What happened, in Markdown, with its proof", report,
              MARKDOWN),
    Operation("acknowledge_incident", "POST", "/incidents/{id}/acknowledge", "Say that one is there; the first leads",
              acknowledge, Incident, Acknowledgement),
    Operation("note_incident", "POST", "/incidents/{id}/note", "Note something for its timeline", note, Incident, Note),
    Operation("hand_over_incident", "POST", "/incidents/{id}/hand-over", "Have somebody else lead it", hand_over, Incident,
              HandOver),
    Operation("set_incident_severity", "POST", "/incidents/{id}/severity", "Say how grave it is", set_severity, Incident,
              SeverityWanted),
    Operation("mitigate_incident", "POST", "/incidents/{id}/mitigate", "Say that it does not hurt any more", mitigate,
              Incident, Words),
    Operation("resolve_incident", "POST", "/incidents/{id}/resolve", "Say that it is over, where no alert can tell", resolve,
              Incident, Words),
    Operation("close_incident", "POST", "/incidents/{id}/close", "Close it with a summary", close, Incident, Closing),
)  # fmt: skip
