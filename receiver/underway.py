"""A request under way: the transactions from its start to its end, and those after a crash.

What is committed before what: an effect's row before anything of it is sent; its outcome together with the row of the next
effect, or with the state that follows. So a running request has exactly one effect of which nothing is known but that it was
begun, and whoever finds it after a crash knows which one is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson
from sqlalchemy import Connection, select

from occ.errors import OccError

from . import canonical, freezes, leases, schema
from .actions import Applied, Result, Step, Surroundings, executors
from .audit.chain import parse
from .audit.seal import Forged
from .catalogue import Action, Catalogue, Fresh, Template, Verify
from .clock import SECOND
from .families import Severity
from .leases import Fenced
from .life import State, Turn
from .outbox import Notice
from .outgoing import Target
from .parameters import Parameter
from .requests import Change, Effect, Request, turn_after
from .why import Why

NOTHING_AROUND = Surroundings()


@dataclass(frozen=True, slots=True)
class Work:
    """A request with what it does, as it was defined when it was planned.

    `settling` is, per step, how long after its deadline something that was sent may still take effect, in microseconds. Every
    step has the same time until its deadline.
    `servers` are keys of the servers behind its targets: two targets may be of one, which counts fences for both.
    `surroundings` have those targets that are still as they were approved: no other is sent to, and none is asked.
    """

    request: Request
    action: Action
    steps: tuple[Step, ...]
    settling: tuple[int, ...]
    servers: frozenset[str]
    surroundings: Surroundings

    @property
    def keys(self) -> tuple[str, ...]:
        """What no other request may touch meanwhile."""
        named = {key for step in self.steps for key in executors()[step.executor].keys(step)}
        return tuple(sorted(named | self.servers))

    @property
    def patience(self) -> int:
        """How long after an effect was begun it can surely not come any more, whichever step it is of, in microseconds."""
        return int(self.action.deadline * SECOND) + max(self.settling)

    @property
    def settled_at(self) -> int:
        """When that is, of the effect that was begun last: with the start, or when the one before it was applied."""
        return (self.request.applied_at or self.request.started_at or 0) + self.patience

    def of(self, request: Request) -> Work:
        """The same work, the request as it is now."""
        return replace(self, request=request)


@dataclass(frozen=True, slots=True)
class Hand:
    """Who begins an effect: a process, by what its leases say of it, under a fence. `steady` is the clock that nobody sets."""

    holder: str
    fence: int
    steady: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Underway:
    """An effect that is committed as begun, in the hands of this process. `began` is an instant of the steady clock."""

    work: Work
    effect: Effect
    hand: Hand
    began: int

    @property
    def step(self) -> Step:
        return self.work.steps[self.effect.step]

    @property
    def over(self) -> int:
        """The instant of the steady clock after which nothing of it is sent."""
        return self.began + self.effect.deadline_at - self.effect.started_at


def work_of(
    connection: Connection, catalogue: Catalogue, request: Request, around: Surroundings = NOTHING_AROUND
) -> Work:
    """What the request does by the definition that it was planned with. Raises Forged where that is not there any more.

    `around` is what its executors may use beside the targets; who only asks what the work is needs none.
    """
    query = select(schema.definitions.c.bytes).filter_by(hash=request.definition)
    definition = connection.execute(query).scalar()
    if definition is None or canonical.sha256(definition) != request.definition:
        raise Forged(f"the definition of request/{request.id} is not the one that was stored")
    told = orjson.loads(definition)
    action, was = _defined(told["action"]), told["targets"]
    steps = catalogue.steps(action, request.parameters)
    same = {name: target for name, target in catalogue.targets.items() if was.get(name) == _plain(target)}
    settling = tuple(_settling(step, was) for step in steps)
    used = [was[name] for step in steps if (name := getattr(step.options, "target", "")) in was]
    servers = frozenset(f"server/{target['server_sha256']}" for target in used if "server_sha256" in target)
    return Work(request, action, steps, settling, servers, around.to(same))


def work_if_known(connection: Connection, catalogue: Catalogue, request: Request) -> Work | None:
    """As `work_of`; None where that can not be told any more: then only people can say what became of it."""
    try:
        return work_of(connection, catalogue, request)
    except (ValueError, KeyError, OccError):
        return None


def keys_of(change: Change, request: Request) -> tuple[str, ...]:
    """What a request has taken, by the record of its start: what stands in the table can be changed by anybody."""
    mine = (f"request/{request.id}", f"request.{State.RUNNING}")
    start = next((entry for entry in change.audit.back(change.connection) if (entry.subject, entry.kind) == mine), None)
    return leases.of(change.connection, request.id) if start is None else tuple(cast("list[str]", start.data["keys"]))


def _defined(told: Mapping[str, Any]) -> Action:
    """The action by its definition, as far as running it needs it. The bytes are ours: nothing is checked again."""
    verify = told["verify"]
    fresh = None if verify["fresh"] is None else Fresh.model_construct(**verify["fresh"])
    steps = tuple(Template.model_construct(**step) for step in told["steps"])
    parameters = {name: Parameter.model_construct(**each) for name, each in told["parameters"].items()}
    names = ("name", "title", "protective", "requires_firing", "deadline", "undo")
    return Action.model_construct(
        **{name: told[name] for name in names},
        parameters=parameters,
        steps=steps,
        verify=Verify.model_construct(**{**verify, "fresh": fresh}),
    )


def _plain(target: Target) -> object:
    """A target's definition as it stands in the bytes of an action's."""
    return orjson.loads(canonical.dumps(target.definition()))


def _settling(step: Step, targets: Mapping[str, Mapping[str, Any]]) -> int:
    """The receive window of the step's target, or of what it acts on instead of one; none where it has neither."""
    own = getattr(step.options, "receive_window", 0)
    return int(targets.get(getattr(step.options, "target", ""), {}).get("receive_window", own) * SECOND)


def key_of(request: str, step: int) -> str:
    """What an effect is sent with, so that the target knows it again; nobody can make it point to another."""
    return canonical.sha256(f"{request}/{step}".encode())


def begin(change: Change, work: Work, step: int, hand: Hand) -> Underway:
    """Commits, with the rest of the change, that an effect is about to be sent; the first one starts the request."""
    until = change.now + int(work.action.deadline * SECOND)
    leases.take(change.connection, work.keys, work.request.id, hand.holder, fence=hand.fence, until=until)
    effect = Effect(
        request_id=work.request.id,
        step=step,
        executor=work.steps[step].executor,
        idempotency_key=key_of(work.request.id, step),
        fence=hand.fence,
        started_at=change.now,
        deadline_at=until,
        settled_at=until + work.settling[step],
    )
    change.begin(effect)
    told = {"step": str(step), "effect": effect.idempotency_key, "fence": str(hand.fence), "keys": list(work.keys)}
    if step == 0:
        request = change.turn(work.request, Turn.START, freezes.RECEIVER, told=told, started_at=change.now)
    else:
        request = change.note(work.request, "request.step", freezes.RECEIVER, told)
    return Underway(work.of(request), effect, hand, hand.steady())


def record(change: Change, underway: Underway, result: Result, frozen: Callable[[Change], bool]) -> Underway | Request:
    """Commits what became of an effect, with what follows: the next one, or what the request is now.

    Raises Fenced where the request is not in the hands of this process any more: then the outcome is not its to tell.
    """
    effect, work = underway.effect, underway.work
    request = change.request(effect.request_id)
    mine = leases.held(change.connection, work.keys, request.id, underway.hand.holder, effect.fence)
    if request.state is not State.RUNNING or not mine:
        raise Fenced(f"request/{request.id} is not this process's any more")
    left = len(work.steps) - effect.step - 1
    turn = turn_after(result.applied, effect.step, left)
    why = result.why
    if turn is None and frozen(change):
        turn, why = Turn.APPLY_PART, Why.FROZEN
    if turn is not None:
        return conclude(change, request, effect.step, result, turn, why=why, by=freezes.RECEIVER, undo=work.action.undo)
    change.conclude(request.id, effect.step, result)
    request = replace(request, applied_at=change.now)
    return begin(change, work.of(request), effect.step + 1, underway.hand)


def resolve(
    change: Change, request: Request, result: Result, *, by: str, undo: str | None, verifiable: bool = True
) -> Request:
    """Commits what is known now of the effect that is in doubt. What had not begun is not done any more.

    A request that is not in doubt any more is left as it is. What was applied and is not `verifiable` has ended with that.
    """
    if request.state is not State.IN_DOUBT:
        return request
    step = step_of(change.connection, request)
    turn = turn_after(result.applied, step, steps_in(request) - step - 1) or Turn.APPLY_PART
    why = result.why
    if turn is Turn.APPLY and not verifiable:
        turn, why = Turn.FAIL, Why.NOT_CONFIRMED
    return conclude(change, request, step, result, turn, why=why, by=by, undo=undo)


def step_of(connection: Connection, request: Request) -> int:
    """The step that was begun last, by the record that the seal of the request's row is bound to."""
    query = select(schema.audit.c.bytes).filter_by(seq=request.audit_seq)
    return int(str(parse(connection.execute(query).scalar_one()).data["step"]))


def steps_in(request: Request) -> int:
    """How many steps the plan has."""
    return len(orjson.loads(request.plan)["steps"])


def conclude(
    change: Change,
    request: Request,
    step: int,
    result: Result,
    turn: Turn,
    *,
    why: Why | None,
    by: str,
    undo: str | None,
) -> Request:
    """Commits an effect's outcome and the turn that the request takes with it; tells people where they must act."""
    change.conclude(request.id, step, result)
    told = {"step": str(step), "outcome": result.applied.value, "facts": dict(result.facts)}
    columns = {"applied_at": change.now} if result.applied in {Applied.APPLIED, Applied.PARTLY} else {}
    turned = change.turn(request, turn, by, why, told, **columns)
    tell(change, turned, undo)
    return turned


def doubt(change: Change, request: Request, undo: str | None) -> Request:
    """What a request is that was found running, and nobody runs it: its effect may have been sent or not."""
    step = step_of(change.connection, request)
    result = Result(Applied.UNCLEAR, Why.UNCLEAR, {"found": "begun, and without an outcome"})
    return conclude(change, request, step, result, Turn.DOUBT, why=Why.UNCLEAR, by=freezes.RECEIVER, undo=undo)


def confirm(change: Change, id_: str, facts: Mapping[str, str]) -> Request:
    """Commits that what the action is for was seen."""
    request = change.request(id_)
    if request.state is not State.VERIFYING:
        return request
    turned = change.turn(request, Turn.CONFIRM, freezes.RECEIVER, told={"facts": dict(facts)})
    change.tell(Notice.OUTCOME, turned, f"{request.action}: succeeded", Severity.INFO)
    return turned


def not_confirmed(change: Change, id_: str, facts: Mapping[str, str], undo: str | None) -> Request:
    """Commits that it was applied and not seen to work; people are told, and what undoes it."""
    request = change.request(id_)
    if request.state is not State.VERIFYING:
        return request
    turned = change.turn(request, Turn.FAIL, freezes.RECEIVER, Why.NOT_CONFIRMED, {"facts": dict(facts)})
    tell(change, turned, undo, **facts)
    return turned


_SUMMARIES = {
    State.IN_DOUBT: "{action}: it may have been applied or not; what it touches stays locked until that is known",
    State.PARTIAL: "{action}: only a part of it was applied",
    State.FAILED: "{action}: failed",
}


def tell(change: Change, request: Request, undo: str | None, **facts: str) -> None:
    """Has people told of what they must look at. What changed nothing is a ticket, the rest a page."""
    if (summary := _SUMMARIES.get(request.state)) is None:
        return
    harmless = request.state is State.FAILED and request.applied_at is None
    notice = Notice.IN_DOUBT if request.state is State.IN_DOUBT else Notice.ESCALATION
    undoing = {"undo": undo} if undo and not harmless else {}
    severity = Severity.TICKET if harmless else Severity.PAGE
    change.tell(notice, request, summary.format(action=request.action), severity, **undoing, **facts)
