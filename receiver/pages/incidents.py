"""Incidents: all of them, and one with its alerts, requests and timeline, and what people do about it."""

from __future__ import annotations

from typing import Any

from receiver.incidents.life import Status
from receiver.incidents.room import Act

from .leaves import Deed, Leaf, Visit

MAX_LISTED = 60
MAX_TIMELINE = 40
MAX_ALERTS = 20
MAX_REQUESTS = 20

_OPERATIONS = {
    Act.ACKNOWLEDGE: "acknowledge_incident",
    Act.NOTE: "note_incident",
    Act.HAND_OVER: "hand_over_incident",
    Act.SEVERITY: "set_incident_severity",
    Act.MITIGATE: "mitigate_incident",
    Act.RESOLVE: "resolve_incident",
    Act.CLOSE: "close_incident",
}


async def incidents(visit: Visit) -> dict[str, Any]:
    asked = {"status": visit.query["status"]} if visit.query.get("status") else {}
    found = await visit.ask("incidents", query={"limit": str(MAX_LISTED), **asked})
    return {
        "incidents": found.incidents,
        "may": found.may,
        "cut": len(found.incidents) == MAX_LISTED,
        "statuses": [status.value for status in Status],
        "status": asked.get("status", ""),
    }


async def incident(visit: Visit) -> dict[str, Any]:
    asked = {"before": visit.query.get("before", "0"), "limit": str(MAX_TIMELINE)}
    whole = await visit.ask("incident", visit.place, asked)
    may = {found.act.value: found for found in whole.may}
    return {
        "whole": whole,
        "incident": whole.incident,
        "may": may,
        "alerts": whole.alerts[:MAX_ALERTS],
        "requests_listed": whole.requests[:MAX_REQUESTS],
        "first": asked["before"] == "0",
        "people_known": [who for who in may[Act.NOTE.value].who if who != whole.incident.commander],
    }


def _to_incident(_: Visit, answer: Any) -> str:
    return f"/i/{answer.id}"


LEAVES = (
    Leaf("/incidents", "incidents.html", incidents, {"open": Deed("open_incident", _to_incident)}),
    Leaf("/i/{id}", "incident.html", incident, {act.value: Deed(name) for act, name in _OPERATIONS.items()}),
)
