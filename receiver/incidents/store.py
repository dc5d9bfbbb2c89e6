"""Incidents in the database: read, and written together with a record of the audit, which is their timeline.

An `Entry` is one such transaction. It remembers what was measured, so that numbers move only once it is committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from occ.metrics import Family
from receiver import schema
from receiver.audit.chain import Data
from receiver.audit.seal import Audit
from receiver.clock import SECOND
from receiver.families import (
    TIME_TO_ACKNOWLEDGE,
    TIME_TO_DETECT,
    TIME_TO_MITIGATE,
    TIME_TO_RESOLVE,
    Severity,
)
from receiver.policy import Escalation, Policy
from receiver.requests import Change, NotFound

from .life import Status, Turn, after


@dataclass(frozen=True, slots=True)
class Incident:
    """A row of the table `incidents`."""

    id: str
    place: str
    domain: str
    entity: str
    title: str
    status: Status
    severity: Severity
    opened_by: str
    opened_at: int
    clock_at: int
    commander: str | None = None
    started_at: int | None = None
    acknowledged_at: int | None = None
    mitigated_at: int | None = None
    resolved_at: int | None = None
    closed_at: int | None = None
    level: int = 0
    due_at: int | None = None
    sight_lost: bool = False
    summary: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Incident:
        values = {each.name: row[each.name] for each in fields(cls)}
        return cls(**values | {"status": Status(row["status"]), "severity": Severity(row["severity"])})

    @property
    def subject(self) -> str:
        """How the audit and the outbox name it."""
        return f"incident/{self.id}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A time that came to its end, in seconds."""

    family: Family
    seconds: float


_REACHED: Mapping[Turn, str] = {
    Turn.ACKNOWLEDGE: "acknowledged_at",
    Turn.MITIGATE: "mitigated_at",
    Turn.RESOLVE: "resolved_at",
    Turn.CLOSE: "closed_at",
}
"""The column that has when it was."""

_NOT_YET: Mapping[str, Any] = dict.fromkeys(("acknowledged_at", "mitigated_at", "resolved_at"))


# Made once, as those of `members`.
_INSERT = insert(schema.incidents)
_UPDATE = update(schema.incidents).where(schema.incidents.c.id == bindparam("of"))


@dataclass(slots=True)
class Entry:
    """One writing transaction about incidents, under the policy of its moment."""

    change: Change
    policy: Policy
    measured: list[Measured] = field(default_factory=list)
    escalated: int = 0

    @property
    def connection(self) -> Connection:
        return self.change.connection

    @property
    def audit(self) -> Audit:
        return self.change.audit

    @property
    def now(self) -> int:
        return self.change.now

    def incident(self, id_: str) -> Incident:
        """Raises NotFound."""
        if (found := one(self.connection, id_)) is None:
            raise NotFound(f"no incident {id_}")
        return found

    def create(self, incident: Incident, told: Mapping[str, Data]) -> Incident:
        """Puts a new one in; from now on it waits to be acknowledged."""
        made = self._waiting(incident)
        self.connection.execute(_INSERT, _row(made))
        self._record(made, "incident.opened", made.opened_by, told)
        if made.started_at is not None:
            self._measure(TIME_TO_DETECT, made.started_at)
        return made

    def turn(
        self, incident: Incident, turn: Turn, by: str, told: Mapping[str, Data] | None = None, **columns: Any
    ) -> Incident:
        """The incident after the turn, written. Raises Unturnable."""
        turned = replace(incident, status=after(incident.status, turn), **columns)
        if turn is Turn.REOPEN:
            turned = self._waiting(replace(turned, clock_at=self.now, sight_lost=False, **_NOT_YET))
        else:
            reached: dict[str, Any] = {_REACHED[turn]: self.now}
            turned = replace(turned, due_at=None, **reached)
        self._measure_turn(incident, turn)
        kind = "reopened" if turn is Turn.REOPEN else turned.status.value
        return self.note(turned, f"incident.{kind}", by, told or {})

    def note(self, incident: Incident, kind: str, by: str, told: Mapping[str, Data]) -> Incident:
        """Writes the incident as it is given, with a record of this kind."""
        self.keep(incident)
        self._record(incident, kind, by, told)
        return incident

    def keep(self, incident: Incident) -> None:
        """Writes it without a record: for what no person has to read of."""
        self.connection.execute(_UPDATE, {**_row(incident), "of": incident.id})

    def step(self, severity: Severity) -> Escalation | None:
        """Who is told, and when, of an incident that nobody acknowledges."""
        return next((step for step in self.policy.escalation if step.severity == severity), None)

    def within(self, severity: Severity) -> int | None:
        """How long it may wait, in microseconds; None: for ever."""
        step = self.step(severity)
        return None if step is None else int(step.acknowledge_within * SECOND)

    def _waiting(self, incident: Incident) -> Incident:
        within = self.within(incident.severity)
        due_at = None if within is None else self.now + within
        return replace(incident, level=0, due_at=due_at)

    def _record(self, incident: Incident, kind: str, by: str, told: Mapping[str, Data]) -> None:
        data = {"status": incident.status.value, "severity": incident.severity.value, **told}
        self.audit.append(self.connection, kind=kind, subject=incident.subject, by=by, data=data)

    def _measure_turn(self, before: Incident, turn: Turn) -> None:
        match turn:
            case Turn.ACKNOWLEDGE:
                self._measure(TIME_TO_ACKNOWLEDGE, before.clock_at)
            case Turn.MITIGATE:
                self._measure(TIME_TO_MITIGATE, before.opened_at)
            case Turn.RESOLVE:
                self._measure(TIME_TO_RESOLVE, before.opened_at)

    def _measure(self, family: Family, since: int) -> None:
        """Never negative, however the clocks are set."""
        self.measured.append(Measured(family, max(0, self.now - since) / SECOND))


def one(connection: Connection, id_: str) -> Incident | None:
    row = connection.execute(select(schema.incidents).filter_by(id=id_)).one_or_none()
    return None if row is None else Incident.of(row._asdict())


def _row(incident: Incident) -> dict[str, Any]:
    return asdict(incident) | {"status": incident.status.value, "severity": incident.severity.value}
