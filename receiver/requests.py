"""Requests, decisions and effects in the database: read with their seals checked, written with an audit entry, in a transaction.

A `Change` is one such transaction. It remembers what turned, so that numbers move only once it is committed.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import Connection, Select, insert, select, update

from occ.errors import OccError

from . import leases, outbox, schema
from .actions import Applied, Result
from .audit.chain import Record
from .audit.seal import Audit
from .families import Severity
from .life import ENDED, State, Turn, after
from .outbox import Notice
from .why import SENTENCES, Why


class NotFound(OccError):  # noqa: N818 - it names what is the matter
    """There is no such request, freeze, action, target or alert."""


@dataclass(frozen=True, slots=True)
class Request:
    """A row of the table `requests`, without its seal."""

    id: str
    action: str
    definition: str
    rule: str | None
    episode_id: int | None
    origin: str
    person: str
    reason: str
    parameters: Mapping[str, str]
    plan: bytes
    plan_hash: str
    evidence: Mapping[str, Any]
    idempotency_key: str | None
    state: State
    why: Why | None
    created_at: int
    submitted_at: int | None = None
    approve_by: int | None = None
    approved_at: int | None = None
    start_by: int | None = None
    started_at: int | None = None
    applied_at: int | None = None
    ended_at: int | None = None
    audit_seq: int = 0
    """The newest audit entry about it; 0 until it is read back."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Request:
        """The request in a row, its seal left aside."""
        values = {each.name: row[each.name] for each in fields(cls)}
        return cls(**values | {"state": State(row["state"]), "why": Why(row["why"]) if row["why"] else None})

    def row(self) -> dict[str, Any]:
        """The columns beside the seal."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "audit_seq"}
        return values | {"state": self.state.value, "why": self.why or ""}


class Verdict(StrEnum):
    """What a person decides."""

    APPROVE = "approve"
    REJECT = "reject"
    REVIEW = "review"
    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    UNFREEZE = "unfreeze"


@dataclass(frozen=True, slots=True)
class Decision:
    """A row of the table `decisions`, without its seal: of somebody about `request/…` or `freeze/…`."""

    id: str
    subject: str
    kind: Verdict
    person: str
    roles: tuple[str, ...]
    plan_hash: str
    seen: str
    reason: str
    at: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Decision:
        """The decision in a row, sealed or not."""
        values = {each.name: row[each.name] for each in fields(cls)}
        return cls(**values | {"kind": Verdict(row["kind"]), "roles": tuple(row["roles"])})


OLDER = 1000
"""So many older records end the look for starts since an instant."""

STARTED = "started"
"""The state of an effect that nothing is known of but that it was begun; the others are those of `Applied`."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A row of the table `effects`: one step's side effect. `state` is STARTED or a value of Applied.

    These rows are for people. They carry no seal, and nothing is decided by them.
    """

    request_id: str
    step: int
    executor: str
    idempotency_key: str
    fence: int
    started_at: int
    deadline_at: int
    settled_at: int
    state: str = STARTED
    ended_at: int | None = None
    result: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Effect:
        """The effect in a row."""
        return cls(**{each.name: row[each.name] for each in fields(cls)})


@dataclass(slots=True)
class Change:
    """One writing transaction. `turned` are the requests that it changed, as they were left."""

    connection: Connection
    audit: Audit
    now: int
    turned: list[Request] = field(default_factory=list)

    def request(self, id_: str) -> Request:
        """Raises NotFound, or Forged where the row is not what was last recorded of it."""
        if (row := self.audit.read(self.connection, schema.requests, id_)) is None:
            raise NotFound(f"no request {id_}")
        return Request.of(row)

    def create(self, request: Request) -> Request:
        """Puts a planned request in."""
        told = {"reason": request.reason, "origin": request.origin, "parameters": dict(request.parameters)}
        bound = {"definition": request.definition, "rule": request.rule or ""}
        made = self.note(request, f"request.{request.state}", request.person, told | bound)
        self.turned.append(made)
        return made

    def turn(  # the columns that go with a turn are given by name
        self,
        request: Request,
        turn: Turn,
        by: str,
        why: Why | None = None,
        told: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> Request:
        """The request after the turn, written; what has ended lets go of its keys. Raises life.Impossible."""
        state = after(request.state, turn)
        if state in ENDED:
            columns["ended_at"] = self.now
        turned = self.note(replace(request, state=state, why=why, **columns), f"request.{state}", by, told or {})
        self.turned.append(turned)
        if state in ENDED:
            leases.release(self.connection, request.id)
        return turned

    def note(self, request: Request, kind: str, by: str, told: Mapping[str, Any]) -> Request:
        """Writes the request as it is given, with an audit entry of this kind."""
        about = {"state": request.state.value, "why": request.why or "", "plan_hash": request.plan_hash}
        who = {"action": request.action, "person": request.person}
        data = {**about, **who, **told}
        row = self.audit.write(self.connection, schema.requests, request.row(), kind=kind, by=by, data=data)
        return replace(request, audit_seq=row["audit_seq"])

    def decisions(self, subject: str) -> tuple[Decision, ...]:
        """All that was decided about the subject. Raises Forged."""
        return decisions(self.connection, self.audit, subject)

    def words(self, subject: str) -> tuple[Decision, ...]:
        """As `decisions`, and none of them is missing: for where the later word of somebody takes an earlier one back."""
        rows = self.audit.rows(self.connection, schema.decisions)
        found = (Decision.of(row) for row in rows if row["subject"] == subject)
        return tuple(sorted(found, key=lambda decision: (decision.at, decision.id)))

    def decide(self, decision: Decision) -> None:
        """Puts a decision in."""
        row = asdict(decision) | {"kind": decision.kind.value, "roles": list(decision.roles)}
        told = {name: row[name] for name in ("subject", "roles", "plan_hash", "seen", "reason")}
        kind = f"decision.{decision.kind}"
        self.audit.write(self.connection, schema.decisions, row, kind=kind, by=decision.person, data=told)

    def starts(self, action: str, since: int) -> list[int]:
        """When the action was started since an instant, whatever became of it.

        By the audit and not by the requests: no row that was changed or is gone makes room for one start more.
        """
        return [entry.at for entry in self.recorded(since) if is_start(entry, action)]

    def recorded(self, since: int) -> Iterator[Record]:
        """What was recorded since an instant, from the newest. Raises Forged.

        Records are in the order of their making, and a few may be out of that of time: those of a clock that was set back for a
        while.
        """
        older = 0
        for entry in self.audit.back(self.connection):
            if entry.at >= since:
                yield entry
            elif (older := older + 1) > OLDER:
                return

    def begin(self, effect: Effect) -> None:
        """Records that an effect is about to be sent."""
        self.connection.execute(insert(schema.effects).values(**asdict(effect)))

    def conclude(self, request: str, step: int, result: Result) -> None:
        """Records what became of an effect."""
        told = {**result.facts, **({"why": result.why.value} if result.why else {})}
        row = {"state": result.applied.value, "result": told, "ended_at": self.now}
        mine = (schema.effects.c.request_id == request) & (schema.effects.c.step == step)
        self.connection.execute(update(schema.effects).where(mine).values(**row))

    def tell(
        self, notice: Notice, request: Request, summary: str, severity: Severity = Severity.PAGE, **text: str
    ) -> None:
        """Has people told about a request."""
        why = {"why": SENTENCES[request.why]} if request.why else {}
        who = {"action": request.action, "requested_by": request.person}
        about = {"summary": summary, **who, **why, **_answered(self.connection, request.episode_id), **text}
        outbox.put(self.connection, notice, f"request/{request.id}", about, now=self.now, severity=severity)


def is_start(entry: Record, action: str) -> bool:
    """Whether the record is of the start of a request for the action."""
    return entry.kind == f"request.{State.RUNNING}" and entry.data["action"] == action


def _answered(connection: Connection, episode: int | None) -> dict[str, str]:
    """What a notice says of the alert that a request answers; nothing where it answers none."""
    table = schema.episodes
    row = connection.execute(select(table.c.fingerprint, table.c.labels).where(table.c.id == episode)).first()
    if row is None:
        return {}
    return {
        "alert": f"/a/{row.fingerprint}",
        **{key: row.labels[key] for key in ("domain", "entity") if key in row.labels},
    }


def new_id() -> str:
    """16 hexadecimal digits of chance."""
    return secrets.token_hex(8)


def found(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """The rows of a query, by the names of their columns."""
    return [row._asdict() for row in connection.execute(query)]


def decisions(connection: Connection, audit: Audit, subject: str) -> tuple[Decision, ...]:
    """All that was decided about the subject, from the first. Raises Forged."""
    rows = found(connection, select(schema.decisions).filter_by(subject=subject))
    genuine = [Decision.of(audit.check(connection, schema.decisions, row)) for row in rows]
    return tuple(sorted(genuine, key=lambda decision: (decision.at, decision.id)))


def effects(connection: Connection, request: str) -> tuple[Effect, ...]:
    """The request's effects in the order of its steps."""
    query = select(schema.effects).filter_by(request_id=request).order_by(schema.effects.c.step)
    return tuple(map(Effect.of, found(connection, query)))


def ids(connection: Connection, states: Collection[State]) -> list[str]:
    """The requests in these states, the oldest first. What they say of themselves is not checked here."""
    query = select(schema.requests.c.id).where(schema.requests.c.state.in_([state.value for state in states]))
    return list(connection.execute(query.order_by(schema.requests.c.created_at, schema.requests.c.id)).scalars())


class Timed(Protocol):
    """A request, as far as its times are needed."""

    @property
    def state(self) -> State: ...
    @property
    def approve_by(self) -> int | None: ...
    @property
    def approved_at(self) -> int | None: ...
    @property
    def start_by(self) -> int | None: ...


def expired(request: Timed, now: int) -> Why | None:
    """Whether the time that the request had to be approved or started in is over."""
    match request.state:
        case State.PLANNED | State.PENDING_APPROVAL if request.approve_by is not None and now > request.approve_by:
            return Why.APPROVAL_EXPIRED
        case State.APPROVED if _late(request.approved_at, request.approve_by):
            return Why.APPROVAL_EXPIRED
        case State.APPROVED if _late(now, request.start_by):
            return Why.EXECUTION_EXPIRED
    return None


def _late(at: int | None, by: int | None) -> bool:
    return at is None or by is None or at > by


def turn_after(applied: Applied, before: int, left: int) -> Turn | None:
    """What a step's outcome makes of a request of which `before` steps were applied and `left` are to come; None: go on."""
    match applied:
        case Applied.APPLIED if left:
            return None
        case Applied.APPLIED:
            return Turn.APPLY
        case Applied.PARTLY:
            return Turn.APPLY_PART
        case Applied.NOT_APPLIED:
            return Turn.APPLY_PART if before else Turn.FAIL
        case Applied.UNCLEAR:
            return Turn.DOUBT
