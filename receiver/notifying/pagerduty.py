"""PagerDuty's Events API v2: an alert per subject, which later notices about it acknowledge and resolve.

https://developer.pagerduty.com/docs/events-api-v2-overview; the limits of its fields are those of its reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yarl import URL

from receiver import config
from receiver.clock import rfc3339
from receiver.families import Severity
from receiver.outbox import Notice
from receiver.text import clipped

from . import wire
from .message import Links, Message

LONGEST_SUMMARY = 1024
LONGEST_KEY = 255
LONGEST_DETAIL = 1024
MOST_DETAILS = 40
"""So that an event stays far below the 512 KB that one may have."""

OURSELVES = "occ"

FOLLOWS: Mapping[Notice, str | None] = {
    Notice.UNFREEZE: "resolve",
    Notice.INCIDENT_ACKNOWLEDGED: "acknowledge",
    Notice.OUTCOME: "resolve",
    Notice.INCIDENT_RESOLVED: "resolve",
    Notice.INCIDENT_CLOSED: "resolve",
    Notice.INCIDENT_HANDED_OVER: None,
    Notice.INCIDENT_MITIGATED: None,
}
"""What becomes of the alert by notices that come after its first; None: nothing. What is not here triggers, if it is a page."""

NOT_TOLD = frozenset({"summary", "link", "alert", "title"})
"""What stands elsewhere in the event."""

_HOUR = len("2026-09-21T14")
_SEVERITIES = {Severity.PAGE: "critical", Severity.TICKET: "warning"}


class Service:
    """One service of PagerDuty's; it is told what wakes people, and what becomes of that."""

    kind = "pagerduty"

    def __init__(self, configured: config.PagerDuty, links: Links) -> None:
        self.name, self.tells = configured.name, configured.tells
        self._url, self._key, self._links = configured.url, configured.routing_key, links

    def takes(self, notice: Notice, severity: Severity) -> bool:
        return FOLLOWS[notice] is not None if notice in FOLLOWS else severity is Severity.PAGE

    async def send(self, message: Message) -> None:
        for each in events(message, self._links):
            await wire.tell(URL(self._url.reveal()), {**each, "routing_key": self._key.reveal()}, {})


def events(message: Message, links: Links) -> tuple[dict[str, Any], ...]:
    """What is sent, in order, but for the routing key. A test leaves no alert behind."""
    key = {"dedup_key": _key(message)[:LONGEST_KEY]}
    if action := FOLLOWS.get(message.notice):
        return ({"event_action": action, **key},)
    trigger = {"event_action": "trigger", **key, **_alert(message, links)}
    return (trigger, {"event_action": "resolve", **key}) if message.notice is Notice.TEST else (trigger,)


def _key(message: Message) -> str:
    """What joins: all about one subject. Nothing resolves what was said of many incidents, and the next storm must wake people too."""
    if message.notice is Notice.INCIDENTS_MANY:
        return f"{message.subject}/{rfc3339(message.at)[:_HOUR]}"
    return message.subject


def _alert(message: Message, links: Links) -> dict[str, Any]:
    """The fields of PagerDuty's common event format, and the links."""
    found = links.of(message)
    details = {key: value for key, value in message.text.items() if key not in NOT_TOLD and value}
    return {
        "client": "Operational Command Center",
        **({"client_url": found[0][1]} if found else {}),
        "links": [{"href": url, "text": name} for name, url in found],
        "payload": {
            "summary": clipped(_line(message.says("summary")) or message.headline, LONGEST_SUMMARY),
            "source": clipped(_line(message.says("entity")) or OURSELVES, LONGEST_KEY),
            "severity": _SEVERITIES.get(message.severity, "info"),
            "timestamp": rfc3339(message.at),
            "class": message.notice.value,
            **({"group": clipped(_line(domain), LONGEST_KEY)} if (domain := message.says("domain")) else {}),
            "custom_details": _details(details),
        },
    }


def _details(found: Mapping[str, str]) -> dict[str, str]:
    shown = {
        clipped(key, LONGEST_KEY): clipped(value, LONGEST_DETAIL) for key, value in [*found.items()][:MOST_DETAILS]
    }
    left = len(found) - MOST_DETAILS
    return {**shown, "…": f"and {left} more"} if left > 0 else shown


def _line(text: str) -> str:
    return " ".join(text.split())
