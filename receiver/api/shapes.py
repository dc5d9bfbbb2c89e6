"""What the API takes and answers. Instants are RFC 3339, amounts and values are strings."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from receiver.life import State
from receiver.queries import Status
from receiver.sight import Sight
from receiver.why import Why

MOST = 1_000
LONGEST_PASSWORD = 1_024


class Shape(BaseModel):
    """Unknown keys are refused, types are not bent, the value is frozen."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)


def _whole(value: object) -> object:
    """Digits alone, out of a query."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise PydanticCustomError("whole", "expected a whole number")
    return int(value)


PRINTABLE = r"[^\x00-\x09\x0b-\x1f\x7f]"
BLANK = (
    r"\x00-\x20\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff"
)
"""Controls, spaces, and what only says how others are shown: each in the same words for every kind of regular expression."""

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Value = Annotated[str, StringConstraints(max_length=255, pattern=rf"^{PRINTABLE}*$")]
Reason = Annotated[str, StringConstraints(max_length=1000, pattern=rf"^{PRINTABLE}*[^{BLANK}]{PRINTABLE}*$")]
"""Why somebody does something, in that person's words; a blank one is none."""
Limit = Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_whole)]
Sequence = Annotated[int, Field(ge=0), BeforeValidator(_whole)]


# --- failures ---------------------------------------------------------------------------------------------------------


class Complaint(Shape):
    """Why it was refused: a word of a closed set, and what it means here."""

    why: Why
    message: str


class Problem(Shape):
    """The answer to what was refused."""

    error: Complaint


# --- people -----------------------------------------------------------------------------------------------------------


class Login(Shape):
    person: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_PASSWORD)]


class LoggedIn(Shape):
    """`token` is shown this once."""

    token: str
    person: str
    roles: tuple[str, ...]
    expires_at: Instant


class Me(Shape):
    """`proof` goes with every change that a browser's session makes; it is null where a token was sent."""

    person: str
    roles: tuple[str, ...]
    expires_at: Instant
    proof: str | None


class Ended(Shape):
    sessions: int


# --- alerts -----------------------------------------------------------------------------------------------------------


class EpisodesAsked(Shape):
    limit: Limit = 100
    status: Status | None = None


class Episode(Shape):
    """One alert of one source over overlapping time. `sight` of its entity was kept or lost when it ended; null: not asked."""

    id: int
    fingerprint: str
    source: str
    alertname: str
    severity: str
    status: Status
    starts_at: Instant
    ends_at: Instant | None
    sight: Sight | None
    """Of its end: whether it has recovered, or only was not seen any more; null while nobody knows."""
    received_at: Instant
    updated_at: Instant
    labels: dict[str, str]
    annotations: dict[str, str]
    generator_url: str


class Episodes(Shape):
    episodes: tuple[Episode, ...]


# --- actions ----------------------------------------------------------------------------------------------------------


class ActionsAsked(Shape):
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = None


class Clause(Shape):
    """So many different people with this role."""

    role: str
    count: int


class Bounds(Shape):
    """Of a number, as decimal strings."""

    min: str
    max: str
    step: str | None


class Parameter(Shape):
    """What is to be chosen: one of `choices`, or a number within bounds."""

    name: str
    from_label: str | None
    choices: tuple[str, ...]
    number: Bounds | None


class Rule(Shape):
    """What the policy says about an action: who may ask for it, how many approvals it needs, who reviews it afterwards."""

    request: tuple[str, ...]
    approvals: tuple[Clause, ...]
    review: tuple[str, ...]


class Action(Shape):
    """`why_not` says why whoever asks may not request it; null where they may. `unfit` are parameters that the alert which was
    asked about fills with what they can not be: for that alert it can not be planned.
    """

    name: str
    title: str
    protective: bool
    requires_firing: bool
    undo: str | None
    executors: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    rule: Rule | None
    why_not: Why | None
    unfit: tuple[str, ...]


class Actions(Shape):
    actions: tuple[Action, ...]


# --- requests ---------------------------------------------------------------------------------------------------------


class PlanWanted(Shape):
    """`fingerprint` is of the alert that it answers: parameters that come from a label are taken from there."""

    action: Name
    parameters: Annotated[dict[Name, Value], Field(json_schema_extra={"additionalProperties": False})] = {}
    reason: Reason
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = None
    idempotency_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] | None = None


class Submission(Shape):
    """The plan that was read."""

    plan_hash: Hash


class Decision(Shape):
    """On the plan that was read."""

    plan_hash: Hash
    reason: Reason


class Words(Shape):
    reason: Reason


class Release(Shape):
    """`applied`: whether it took effect, as people have found out."""

    applied: bool
    reason: Reason


class RequestsAsked(Shape):
    """`before` is the id of a request: those that follow it in the list. `episode` is of the alert that they answer."""

    limit: Limit = 100
    state: State | None = None
    before: Id | None = None
    episode: Sequence | None = None


class Request(Shape):
    """What somebody wants done. `why` is there where it was refused or ended badly."""

    id: Id
    action: str
    state: State
    why: Why | None
    person: str
    origin: Literal["operator", "automatic", "api"]
    reason: str
    parameters: dict[str, str]
    plan_hash: Hash
    episode: int | None
    created_at: Instant
    submitted_at: Instant | None
    approve_by: Instant | None
    approved_at: Instant | None
    start_by: Instant | None
    started_at: Instant | None
    applied_at: Instant | None
    ended_at: Instant | None


class Requests(Shape):
    requests: tuple[Request, ...]


class Decided(Shape):
    """What a person has decided, with the roles of that time."""

    kind: str
    person: str
    roles: tuple[str, ...]
    reason: str
    at: Instant


class Effect(Shape):
    """A step that was begun. `result` is what came of it, in our words."""

    step: int
    executor: str
    state: str
    started_at: Instant
    deadline_at: Instant
    ended_at: Instant | None
    result: dict[str, Any]


class Whole(Shape):
    """A request with its plan. `plan` is what `plan_hash` is of; `evidence` is what was seen beside it, step by step.

    `missing` are the clauses that still want approvals, `approvers` the people who could give one. `may` has the people who may
    do something with it as it stands, by the name of the operation: submit, approve, reject, cancel, review, release.
    """

    request: Request
    plan: dict[str, Any]
    evidence: Any
    decisions: tuple[Decided, ...]
    effects: tuple[Effect, ...]
    missing: tuple[Clause, ...]
    approvers: tuple[str, ...]
    may: dict[str, tuple[str, ...]]


class ApprovalsAsked(Shape):
    limit: Limit = 30


class Waiting(Shape):
    """A request that waits for a word of somebody, as the whole of it says."""

    request: Request
    missing: tuple[Clause, ...]
    approvers: tuple[str, ...]
    may: dict[str, tuple[str, ...]]


class Approvals(Shape):
    """What waits for approvals, then what is in doubt; each from the newest."""

    waiting: tuple[Waiting, ...]


# --- freezes ----------------------------------------------------------------------------------------------------------


class FreezeWanted(Shape):
    """`name` is of the action or target; empty for everything."""

    scope: Literal["everything", "action", "target"]
    name: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$")] = ""
    reason: Reason


class Freeze(Shape):
    """Stands until `lifted_at`. `unfreezes` is who has said that it may end, `missing` who must say so yet, `may` who could."""

    id: Id
    scope: str
    name: str
    person: str
    reason: str
    at: Instant
    lifted_at: Instant | None
    unfreezes: tuple[Decided, ...]
    missing: tuple[Clause, ...]
    may: tuple[str, ...]


class Freezes(Shape):
    """`outside` is what freezes everything beside them: a file, or the environment; null where nothing does.

    `may` has the people who may freeze, `names` what there is to freeze of each scope.
    """

    freezes: tuple[Freeze, ...]
    outside: str | None
    may: tuple[str, ...]
    names: dict[str, tuple[str, ...]]


# --- records ----------------------------------------------------------------------------------------------------------


class AuditAsked(Shape):
    """Entries after this number, the oldest first; with `before` those before that one, the newest first (0: from the end).

    `subject` is of what they are about, as `request/0123456789abcdef`.
    """

    after: Sequence = 0
    before: Sequence | None = None
    subject: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}/[A-Za-z0-9_.:-]{1,100}$")] | None = None
    limit: Limit = 100


class Entry(Shape):
    """`record` is what the hash is of, read; the export has its bytes."""

    seq: int
    hash: Hash
    subject: str
    record: dict[str, Any]


class Audited(Shape):
    entries: tuple[Entry, ...]


class CheckpointsAsked(Shape):
    limit: Limit = 100


class Checkpoint(Shape):
    """A signed checkpoint, as its file has it; null where that is no JSON object."""

    name: str
    checkpoint: dict[str, Any] | None


class Checkpoints(Shape):
    checkpoints: tuple[Checkpoint, ...]
