"""What people may do about incidents: open, acknowledge, note, hand over, set the severity, mitigate, resolve, close.

Each is one transaction that judges and records at once. What is refused is recorded, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import Connection, Engine, case

from receiver import queries, rulings
from receiver.changes import Rules
from receiver.families import Severity
from receiver.outbox import Notice
from receiver.policy import Person, Policy
from receiver.queries import EpisodeRow
from receiver.requests import NotFound
from receiver.rulings import Refusal
from receiver.schema import incidents
from receiver.why import Why

from . import members, opening, timeline
from .changes import IncidentChanges
from .life import Status, Turn, Unturnable, after
from .members import Stand
from .store import Entry, Incident
from .telling import Telling, tell
from .timeline import Happening
from .watch import Watch

T = TypeVar("T")

MOST = 100
"""Alerts of an incident that are shown."""


class Act(StrEnum):
    """What somebody does about an incident that is there."""

    ACKNOWLEDGE = "acknowledge"
    NOTE = "note"
    HAND_OVER = "hand-over"
    SEVERITY = "severity"
    MITIGATE = "mitigate"
    RESOLVE = "resolve"
    CLOSE = "close"


TURN_OF = {
    Act.ACKNOWLEDGE: Turn.ACKNOWLEDGE,
    Act.MITIGATE: Turn.MITIGATE,
    Act.RESOLVE: Turn.RESOLVE,
    Act.CLOSE: Turn.CLOSE,
}

ANYBODYS = frozenset({Act.ACKNOWLEDGE, Act.NOTE})
"""What everybody may do who acts; the rest is the commander's."""


@dataclass(frozen=True, slots=True)
class May:
    """Whether somebody may do it now: None, or why not in a word and in a sentence; and who may."""

    act: Act
    why_not: Why | None
    message: str
    who: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """An incident with what belongs to it. `earlier` is where the timeline goes on, None where it does not."""

    stand: Stand
    alerts: list[EpisodeRow]
    timeline: list[Happening]
    earlier: int | None
    responders: tuple[str, ...]


class Room:
    """Where people handle incidents. `person` is somebody of the policy, who has been recognised."""

    def __init__(
        self, changes: IncidentChanges, reading: Engine, rules: Rules, now: Callable[[], int], watch: Watch
    ) -> None:
        self._changes, self._reading, self._rules, self._watch = changes, reading, rules, watch
        self.now = now

    # --- doing --------------------------------------------------------------------------------------------------------

    async def open(
        self, person: Person, title: str, severity: Severity, reason: str, fingerprint: str | None = None
    ) -> Incident:
        """A new one by hand, about an alert or about none. Raises Refusal, and NotFound where there is no such alert."""

        def work(entry: Entry) -> Incident:
            rulings.allowed(entry.policy.may_respond(person))
            alert = None if fingerprint is None else _latest(entry, fingerprint)
            if alert is not None and (home := members.home_of(entry.connection, alert)) is not None:
                raise Refusal(Why.WRONG_STATE, f"incident {home.id} is about this, and not closed")
            since = None if alert is None else members.began(entry.connection, [alert.id])[alert.id]
            made = opening.new(alert, since, entry.now)
            wanted = replace(made, title=title, severity=severity, opened_by=person.id)
            made = opening.opened(entry, wanted, alert, reason)
            tell(entry, Notice.INCIDENT_OPENED, Telling(made, person.id, alert, {"description": reason}))
            return made

        made = await self._changes.judge(person, {"doing": "open an incident", "title": title}, work)
        self._watch.wake()
        return made

    async def acknowledge(self, person: Person, id_: str, reason: str = "") -> Incident:
        """Somebody is there. Who is the first leads."""

        def work(entry: Entry, incident: Incident) -> Incident:
            leader = incident.commander or person.id
            turned = entry.turn(incident, Turn.ACKNOWLEDGE, person.id, _said(reason), commander=leader)
            tell(entry, Notice.INCIDENT_ACKNOWLEDGED, Telling(turned, person.id))
            return turned

        return await self._act(person, id_, Act.ACKNOWLEDGE, work)

    async def note(self, person: Person, id_: str, text: str) -> Incident:
        """Something worth knowing, for the timeline."""
        return await self._act(
            person,
            id_,
            Act.NOTE,
            lambda entry, incident: entry.note(incident, "incident.note", person.id, {"text": text}),
        )

    async def hand_over(self, person: Person, id_: str, to: str, reason: str = "") -> Incident:
        """Somebody else leads from now on."""

        def work(entry: Entry, incident: Incident) -> Incident:
            heir = entry.policy.person(to)
            if heir is None or entry.policy.may_respond(heir):
                raise Refusal(Why.OUT_OF_BOUNDS, f"nobody who may act is called {to}")
            if to == incident.commander:
                raise Refusal(Why.WRONG_STATE, f"{to} leads it already")
            told = {"to": to, **_said(reason)}
            handed = entry.note(replace(incident, commander=to), "incident.handed_over", person.id, told)
            tell(entry, Notice.INCIDENT_HANDED_OVER, Telling(handed, person.id, more={"people": to}))
            return handed

        return await self._act(person, id_, Act.HAND_OVER, work)

    async def set_severity(self, person: Person, id_: str, severity: Severity, reason: str) -> Incident:
        """How grave it is, until an alert of another name joins. What waits to be acknowledged waits anew."""

        def work(entry: Entry, incident: Incident) -> Incident:
            within = entry.within(severity) if incident.status is Status.OPEN else None
            due_at = None if within is None else entry.now + within
            told = {"before": incident.severity.value, **_said(reason)}
            changed = replace(incident, severity=severity, due_at=due_at)
            return entry.note(changed, "incident.severity", person.id, told)

        return await self._act(person, id_, Act.SEVERITY, work)

    async def mitigate(self, person: Person, id_: str, reason: str) -> Incident:
        """It does not hurt any more."""
        return await self._turned(person, id_, Act.MITIGATE, Notice.INCIDENT_MITIGATED, reason)

    async def resolve(self, person: Person, id_: str, reason: str) -> Incident:
        """It is over, as somebody knows; for what no alert can tell. What fires is not over."""
        return await self._turned(person, id_, Act.RESOLVE, Notice.INCIDENT_RESOLVED, reason, sight_lost=False)

    async def close(self, person: Person, id_: str, summary: str) -> Incident:
        """Nothing is left to be done but to read it."""

        def work(entry: Entry, incident: Incident) -> Incident:
            turned = entry.turn(incident, Turn.CLOSE, person.id, {"summary": summary}, summary=summary)
            tell(entry, Notice.INCIDENT_CLOSED, Telling(turned, person.id, more={"description": summary}))
            return turned

        return await self._act(person, id_, Act.CLOSE, work)

    async def _turned(
        self, person: Person, id_: str, act: Act, notice: Notice, reason: str, **columns: object
    ) -> Incident:
        def work(entry: Entry, incident: Incident) -> Incident:
            turned = entry.turn(incident, TURN_OF[act], person.id, _said(reason), **columns)
            tell(entry, notice, Telling(turned, person.id, more={"description": reason}))
            return turned

        return await self._act(person, id_, act, work)

    async def _act(self, person: Person, id_: str, act: Act, work: Callable[[Entry, Incident], Incident]) -> Incident:
        def judged(entry: Entry) -> Incident:
            stand = _stand(entry.connection, id_, entry.now, asked=self._watch.asked)
            if said := impossible(act, stand):
                raise Refusal(Why.WRONG_STATE, said)
            rulings.allowed(not_allowed(entry.policy, act, person, stand.incident))
            return work(entry, stand.incident)

        done = await self._changes.judge(person, {"doing": act.value, "incident": id_}, judged)
        self._watch.wake()
        return done

    # --- looking ------------------------------------------------------------------------------------------------------

    async def incidents(self, limit: int = 100, status: Status | None = None) -> list[Stand]:
        """What goes on first, then what waits to be closed, then the rest; each from the newest."""
        conditions = () if status is None else (incidents.c.status == status,)
        rank = case({Status.CLOSED.value: 2, Status.RESOLVED.value: 1}, value=incidents.c.status, else_=0)
        order = (rank, incidents.c.opened_at.desc(), incidents.c.id)
        asked = self._watch.asked
        return await self._read(
            lambda connection: members.stands(connection, conditions, order, limit, self.now(), asked=asked)
        )

    async def incident(self, id_: str, *, before: int = 0, limit: int | None = None) -> Whole:
        """One, with so much of its timeline, from the newest. Raises NotFound."""

        def look(connection: Connection) -> Whole:
            stand = _stand(connection, id_, self.now(), asked=self._watch.asked)
            found = timeline.happenings(connection, id_, before=before, limit=limit and limit + 1)
            shown = found[:limit]
            earlier = shown[-1].record.seq if len(shown) < len(found) else None
            alerts = members.alerts_of(connection, id_, MOST)
            return Whole(stand, alerts, shown, earlier, timeline.responders(connection, id_))

        return await self._read(look)

    async def stand(self, id_: str) -> Stand:
        """One, and how it stands by its alerts. Raises NotFound."""
        asked = self._watch.asked
        return await self._read(lambda connection: _stand(connection, id_, self.now(), asked=asked))

    def may(self, person: Person, stand: Stand) -> tuple[May, ...]:
        """What this person may do about it now, and who else may."""
        policy = self._rules.current.policy
        return tuple(_may(policy, act, person, stand) for act in Act)

    async def _read(self, look: Callable[[Connection], T]) -> T:
        def read() -> T:
            with self._reading.begin() as connection:
                return look(connection)

        return await asyncio.to_thread(read)


# --- rulings ----------------------------------------------------------------------------------------------------------


def impossible(act: Act, stand: Stand) -> str:
    """Why nobody may do it as the incident stands; empty where somebody may."""
    status = stand.incident.status
    if act is Act.RESOLVE and stand.firing:
        return "an alert of it fires: it is resolved once that has recovered"
    if (turn := TURN_OF.get(act)) is None:
        return "it is closed" if status is Status.CLOSED else ""
    try:
        after(status, turn)
    except Unturnable as error:
        return str(error)
    return ""


def not_allowed(policy: Policy, act: Act, person: Person, incident: Incident) -> Why | None:
    return policy.may_respond(person) if act in ANYBODYS else policy.may_command(person, incident.commander)


def _may(policy: Policy, act: Act, person: Person, stand: Stand) -> May:
    if said := impossible(act, stand):
        return May(act, Why.WRONG_STATE, said, ())
    who = tuple(each.id for each in policy.people if not_allowed(policy, act, each, stand.incident) is None)
    why = not_allowed(policy, act, person, stand.incident)
    return May(act, why, str(Refusal(why)) if why else "", who)


def _stand(connection: Connection, id_: str, now: int, *, asked: bool) -> Stand:
    found = members.stands(connection, (incidents.c.id == id_,), (), 1, now, asked=asked)
    if not found:
        raise NotFound(f"no incident {id_}")
    return found[0]


def _latest(entry: Entry, fingerprint: str) -> EpisodeRow:
    found = queries.of_alert(entry.connection, fingerprint, 1)
    if not found:
        raise NotFound(f"no alert {fingerprint}")
    return found[0]


def _said(reason: str) -> dict[str, str]:
    return {"reason": reason} if reason else {}
