"""The timeline of an incident: records of the audit about it, about the requests that answer its alerts, and about what was decided
on them. Nothing of it is stored twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Select, func, literal, or_, select

from receiver.audit.chain import Record, parse
from receiver.policy import OURSELVES
from receiver.schema import audit, decisions, incident_episodes, requests
from receiver.why import SENTENCES, Why


@dataclass(frozen=True, slots=True)
class Happening:
    """A record, and its hash."""

    record: Record
    hash: str

    @property
    def request(self) -> str | None:
        """The request that it is about; None where it is about the incident itself."""
        kind, _, key = self._about.partition("/")
        return key if kind == "request" else None

    @property
    def words(self) -> str:
        """What happened, in one sentence, as plain text."""
        told = {name: value for name, value in self.record.data.items() if isinstance(value, str)}
        said = WORDS.get(self.record.kind)
        if said is None:
            return self.record.kind
        return said.format_map(_Told({"by": self.record.by, **_lists(self.record.data), **told}))

    @property
    def said(self) -> str:
        """What a person has said with it; empty where nothing was."""
        return next((str(self.record.data[name]) for name in _SAID if self.record.data.get(name)), "")

    @property
    def _about(self) -> str:
        """Of a decision what was decided on."""
        told = self.record.data.get("subject")
        return told if isinstance(told, str) and self.record.kind.startswith("decision.") else self.record.subject


class _Told(dict[str, str]):
    """What a sentence needs and the record does not say."""

    def __missing__(self, key: str) -> str:
        return ""


_SAID = ("reason", "text", "summary")

WORDS: Mapping[str, str] = {
    "incident.opened": "{by} opened it: {title}",
    "incident.joined": "{alert} joined it",
    "incident.acknowledged": "{by} acknowledged it",
    "incident.handed_over": "{by} handed it over to {to}",
    "incident.severity": "{by} set its severity to {severity}, from {before}",
    "incident.note": "{by} noted",
    "incident.mitigated": "{by} says that it is mitigated",
    "incident.resolved": "{by} resolved it",
    "incident.reopened": "{alert} opened it anew",
    "incident.escalated": "nobody had acknowledged it: level {level} was told, {to} ({people})",
    "incident.sight_lost": "no alert of it fires, and whether they recovered can not be seen",
    "incident.fires_again": "an alert of it fires again",
    "incident.closed": "{by} closed it",
    "request.planned": "{by} planned {action}",
    "request.pending_approval": "{by} asked for {action}",
    "request.denied": "{action} was denied: {sentence}",
    "request.approved": "{action} has all its approvals",
    "request.rejected": "{by} rejected {action}",
    "request.cancelled": "{by} took {action} back",
    "request.expired": "{action} expired: {sentence}",
    "request.blocked": "{action} was not started: {sentence}",
    "request.running": "{action} started",
    "request.step": "{action}: step {ordinal} began",
    "request.verifying": "{action} was applied; it is looked whether it works",
    "request.succeeded": "{action} succeeded: what it is for was seen",
    "request.partial": "{action}: only a part of it was applied. {sentence}",
    "request.failed": "{action} failed: {sentence}",
    "request.in_doubt": "{action}: it may have been applied or not",
    "decision.approve": "{by} approved",
    "decision.reject": "{by} rejected",
    "decision.review": "{by} reviewed it afterwards",
    "decision.applied": "{by} says that it was applied",
    "decision.not_applied": "{by} says that it was not applied",
}
"""By the record's kind; a kind that is not here is shown as it is."""


def _lists(data: Mapping[str, Any]) -> dict[str, str]:
    """What is made of what the record has as code or list."""
    why, step, people = data.get("why"), data.get("step"), data.get("people")
    return {
        "sentence": SENTENCES[Why(why)] if why in set(Why) else "",
        "ordinal": str(int(step) + 1) if isinstance(step, str) and step.isdigit() else "",
        "people": ", ".join(map(str, people)) if isinstance(people, list) and people else "nobody",
    }


# --- reading ----------------------------------------------------------------------------------------------------------


def happenings(connection: Connection, incident: str, *, before: int = 0, limit: int | None = None) -> list[Happening]:
    """From the newest; those before a record's number alone where that is not 0."""
    query = select(audit.c.bytes, audit.c.hash).where(_about(incident)).order_by(audit.c.seq.desc())
    if before:
        query = query.where(audit.c.seq < before)
    return [Happening(parse(row.bytes), row.hash) for row in connection.execute(query.limit(limit))]


def responders(connection: Connection, incident: str) -> tuple[str, ...]:
    """Everybody who acted, in the order of their first act."""
    query = select(audit.c.bytes).where(_about(incident), func.instr(audit.c.bytes, _BY_OURSELVES) == 0)
    acts = connection.execute(query.order_by(audit.c.seq)).scalars()
    return tuple(dict.fromkeys(parse(raw).by for raw in acts))


_BY_OURSELVES = orjson.dumps({"by": OURSELVES})[1:-1]
"""So it stands in the bytes of what the receiver did, of which there may be ten thousand: quotes within a text are escaped there."""


def request_ids(incident: str) -> Select[tuple[str]]:
    """The requests that answer an alert of it."""
    mine = select(incident_episodes.c.episode_id).where(incident_episodes.c.incident_id == incident)
    return select(requests.c.id).where(requests.c.episode_id.in_(mine))


def newest_requests(incident: str, limit: int) -> Select[tuple[str]]:
    """The same, from the newest."""
    return request_ids(incident).order_by(requests.c.created_at.desc(), requests.c.id).limit(limit)


def _about(incident: str) -> Any:
    asked = request_ids(incident).subquery()
    request = literal("request/") + asked.c.id
    decided = select(literal("decision/") + decisions.c.id).where(decisions.c.subject.in_(select(request)))
    return or_(
        audit.c.subject == f"incident/{incident}", audit.c.subject.in_(select(request)), audit.c.subject.in_(decided)
    )
