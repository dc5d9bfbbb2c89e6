"""A notice as notifiers get it: its parts in order, and the addresses of our pages about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from yarl import URL

from receiver.families import Severity
from receiver.outbox import Notice

HEADLINES: Mapping[Notice, str] = {
    Notice.FREEZE: "Freeze",
    Notice.UNFREEZE: "Freeze lifted",
    Notice.FOREIGN_SILENCE: "Silence over a page",
    Notice.ESCALATION: "Action ended badly",
    Notice.IN_DOUBT: "Action in doubt",
    Notice.TAMPERED: "Database changed from outside",
    Notice.CLOCK: "Clock jumped",
    Notice.OUTCOME: "Action succeeded",
    Notice.AUTOMATION: "Automation",
    Notice.INCIDENT_OPENED: "Incident opened",
    Notice.INCIDENT_REOPENED: "Incident reopened",
    Notice.INCIDENT_ESCALATED: "Incident escalated",
    Notice.INCIDENT_ACKNOWLEDGED: "Incident acknowledged",
    Notice.INCIDENT_HANDED_OVER: "Incident handed over",
    Notice.INCIDENT_MITIGATED: "Incident mitigated",
    Notice.INCIDENT_SIGHT_LOST: "Incident: sight lost",
    Notice.INCIDENT_RESOLVED: "Incident resolved",
    Notice.INCIDENT_CLOSED: "Incident closed",
    Notice.INCIDENTS_MANY: "Many incidents",
    Notice.TEST: "Test",
}

SPOKEN: Mapping[str, str] = {
    "description": "",
    "why": "Why: ",
    "first_action": "First: ",
    "people": "For: ",
}
"""What is told in this order right after the summary, and what is written before it."""

_ELSEWHERE = ("summary", "link", "alert", "incident", "title")
"""What is told as summary and links."""

_PAGES = {"request": "/r/{}", "incident": "/i/{}", "freeze": "/freeze"}
_PATH = re.compile(r"(/[A-Za-z0-9_.-]+)+")


@dataclass(frozen=True, slots=True)
class Message:
    """A notice on its way. `id` stays the same however often it is sent; `at` is when the notice was put up."""

    id: str
    notice: Notice
    severity: Severity
    subject: str
    text: Mapping[str, str]
    at: int

    @property
    def headline(self) -> str:
        return HEADLINES[self.notice]

    def says(self, key: str) -> str:
        """Empty where it says nothing."""
        return self.text.get(key, "")

    @property
    def rest(self) -> tuple[tuple[str, str], ...]:
        """What has no place of its own, by name."""
        known = {*_ELSEWHERE, *SPOKEN}
        return tuple((key, value) for key, value in self.text.items() if key not in known and value)


class Links:
    """Where our pages are. `external` is `external_url`; without it there are no links."""

    def __init__(self, external: str | None) -> None:
        self._base = URL(external) if external else None

    def of(self, message: Message) -> tuple[tuple[str, str], ...]:
        """What a link is called, and where it leads: the page of the subject first, then that of the alert."""
        alert = message.says("alert")
        found = (("Open", message.says("link") or _page(message.subject)), ("Alert", alert))
        return tuple((name, url) for name, path in found if (url := self._whole(path)))

    def _whole(self, path: str) -> str:
        """Empty for what is no path of ours."""
        if self._base is None or not _PATH.fullmatch(path):
            return ""
        return str(self._base.with_path(self._base.path.rstrip("/") + path).with_query(None).with_fragment(None))


def _page(subject: str) -> str:
    kind, _, id_ = subject.partition("/")
    return _PAGES.get(kind, "").format(id_)
