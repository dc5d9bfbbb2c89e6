"""What the API takes and answers about incidents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from receiver.incidents.life import Status
from receiver.incidents.room import Act
from receiver.why import Why

from .shapes import BLANK, PRINTABLE, Episode, Hash, Id, Instant, Limit, Name, Reason, Request, Sequence, Shape, Value

LONGEST_PROSE = 4_000

Prose = Annotated[str, StringConstraints(max_length=LONGEST_PROSE, pattern=rf"^{PRINTABLE}*[^{BLANK}]{PRINTABLE}*$")]
"""What somebody tells, over several lines if they like; a blank one is none."""
_IN_LINE = r"[^\x00-\x1f\x7f]"
Line = Annotated[str, StringConstraints(max_length=200, pattern=rf"^{_IN_LINE}*[^{BLANK}]{_IN_LINE}*$")]
"""Some words in one line."""
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Graveness = Literal["page", "ticket", "info"]


class IncidentsAsked(Shape):
    """Of one status, or of all."""

    limit: Limit = 100
    status: Status | None = None


class IncidentAsked(Shape):
    """Which part of the timeline: entries before this number (0: from the newest), so many at most."""

    before: Sequence = 0
    limit: Limit = 100


class Incident(Shape):
    """What is wrong in one place.

    `started_at` is the earliest start of its alerts, null where it has none. `acknowledged_at`, `mitigated_at` and
    `resolved_at` are null again after it was reopened. `escalates_at` is when it is escalated next unless somebody
    acknowledges it, `escalations` how often it was since it began to wait. `sight_lost`: nothing of it fires, and of an alert
    that ended nobody knows whether it has recovered.
    """

    id: Id
    title: str
    domain: str
    entity: str
    status: Status
    severity: Graveness
    commander: str | None
    opened_by: str
    started_at: Instant | None
    opened_at: Instant
    waiting_since: Instant
    acknowledged_at: Instant | None
    mitigated_at: Instant | None
    resolved_at: Instant | None
    closed_at: Instant | None
    escalations: int
    escalates_at: Instant | None
    alerts: int
    firing: int
    sight_lost: bool
    summary: str


class Incidents(Shape):
    """What goes on first, then what waits to be closed, then the rest; each from the newest. `may`: who may open one by hand."""

    incidents: tuple[Incident, ...]
    may: tuple[str, ...]


class Happening(Shape):
    """One record of the audit about the incident, or about a request that answers an alert of it.

    `words` says it in one sentence, `said` what a person has said with it (both plain text). `request` is the request's id, null
    where it is about the incident itself. `seq` and `hash` are the record's.
    """

    seq: int
    hash: Hash
    at: Instant
    kind: str
    by: str
    words: str
    said: str
    request: Id | None


class May(Shape):
    """Whether whoever asks may do this now: null, or why not; and who may, by id (none where its state forbids it to all)."""

    act: Act
    why_not: Why | None
    message: str
    who: tuple[str, ...]


class WholeIncident(Shape):
    """An incident with all that belongs to it.

    `alerts` are its episodes, what fires first, at most 100 of them; `requests` those that answer one of them, from the newest,
    at most 100. `timeline` is from the newest; `earlier` is what to ask for as `before` to read on, null at its beginning.
    `responders` are all who have acted on it or on its requests, in the order of their first act.
    """

    incident: Incident
    responders: tuple[str, ...]
    alerts: tuple[Episode, ...]
    requests: tuple[Request, ...]
    timeline: tuple[Happening, ...]
    earlier: int | None
    may: tuple[May, ...]


class IncidentWanted(Shape):
    """To open one by hand. `fingerprint` is of an alert that it is about: domain and entity come from there."""

    title: Line
    severity: Graveness = "page"
    reason: Reason
    fingerprint: Fingerprint | None = None


class Acknowledgement(Shape):
    """Nothing need be said; what is said goes into the timeline."""

    reason: Value = ""


class Note(Shape):
    text: Prose


class HandOver(Shape):
    """`to` is the id of who shall lead."""

    to: Name
    reason: Value = ""


class SeverityWanted(Shape):
    severity: Graveness
    reason: Reason


class Closing(Shape):
    """What happened, why, and what is done about it, for those who read it later."""

    summary: Annotated[Prose, Field(description="For those who read it later.")]
