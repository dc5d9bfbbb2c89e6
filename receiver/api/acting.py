"""Actions, requests and freezes: what there is to do, and what people do about it. Who may is the desk's to say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import orjson

from receiver import catalogue, entitlements, freezes, parameters, queries, requests, rulings
from receiver import policy as policies
from receiver.canonical import digits
from receiver.clock import rfc3339
from receiver.desk import Desk
from receiver.policy import Approval, Person, Rule
from receiver.requests import Verdict
from receiver.why import Why

from . import shapes
from .errors import Failure
from .operations import AnyOperation, Call, Nothing, Operation
from .records import read
from .shapes import (
    Action,
    Actions,
    ActionsAsked,
    Approvals,
    ApprovalsAsked,
    Clause,
    Decided,
    Decision,
    Effect,
    Freeze,
    Freezes,
    FreezeWanted,
    Parameter,
    PlanWanted,
    Release,
    Request,
    Requests,
    RequestsAsked,
    Submission,
    Waiting,
    Whole,
    Words,
)

# --- actions ----------------------------------------------------------------------------------------------------------


async def actions(call: Call[Nothing, ActionsAsked]) -> Actions:
    """All of the catalogue, or those that are offered for an alert."""
    known = call.people.desk.rules.current.catalogue
    if (fingerprint := call.query.fingerprint) is None:
        return Actions(actions=tuple(_action(call, each) for each in known.actions))
    labels = await _labels(call, fingerprint)
    return Actions(actions=tuple(_action(call, each, labels) for each in known.offered(labels)))


async def _labels(call: Call[Any, Any], fingerprint: str) -> dict[str, str]:
    rows = await read(call, lambda connection: queries.of_alert(connection, fingerprint, 1))
    if not rows:
        raise Failure(Why.NOT_FOUND, "no alert with this fingerprint has arrived")
    return dict(rows[0].labels)


async def action(call: Call[Nothing, Nothing]) -> Action:
    found = call.people.desk.rules.current.catalogue.action(call.path["action"])
    if found is None:
        raise Failure(Why.NOT_FOUND, "there is no such action")
    return _action(call, found)


def _action(call: Call[Any, Any], found: catalogue.Action, labels: Mapping[str, str] = catalogue.NO_LABELS) -> Action:
    book = call.people.desk.rules.current
    policy, rule = book.policy, book.policy.rule(found.name)
    return Action(
        name=found.name,
        title=found.title,
        protective=found.protective,
        requires_firing=found.requires_firing,
        undo=found.undo,
        executors=tuple(step.executor for step in found.steps),
        parameters=tuple(_parameter(name, each) for name, each in found.parameters.items()),
        rule=None if rule is None else _rule(rule),
        why_not=policy.may_request(call.session.person, rule),
        unfit=book.catalogue.unfit(found, labels),
    )


def _parameter(name: str, found: parameters.Parameter) -> Parameter:
    number = None
    if (bounds := found.number) is not None:
        step = None if bounds.step is None else digits(bounds.step)
        number = shapes.Bounds(min=digits(bounds.min), max=digits(bounds.max), step=step)
    return Parameter(name=name, from_label=found.from_label, choices=found.choices or (), number=number)


def _rule(rule: Rule) -> shapes.Rule:
    return shapes.Rule(request=rule.request, approvals=_clauses(rule.approvals), review=rule.review)


def _clauses(found: Iterable[policies.Clause]) -> tuple[Clause, ...]:
    return tuple(Clause(role=clause.role, count=clause.count) for clause in found)


# --- requests ---------------------------------------------------------------------------------------------------------


async def plan(call: Call[PlanWanted, Nothing]) -> Request:
    wanted = call.body
    return request_of(
        await call.people.desk.plan(
            call.session.person,
            wanted.action,
            wanted.parameters,
            fingerprint=wanted.fingerprint,
            reason=wanted.reason,
            origin="operator" if call.visitor and call.visitor.by_cookie else "api",
            idempotency_key=wanted.idempotency_key,
        )
    )


async def list_requests(call: Call[Nothing, RequestsAsked]) -> Requests:
    asked = call.query
    found = await call.people.desk.requests(asked.limit, asked.state, asked.before, asked.episode)
    return Requests(requests=tuple(map(request_of, found)))


async def request(call: Call[Nothing, Nothing]) -> Whole:
    """With its plan, and what people and targets have said so far."""
    desk, id_ = call.people.desk, call.path["id"]
    found = await desk.request(id_)
    decisions = await desk.decisions(f"request/{id_}")
    waiting = _waiting(desk, found, decisions)
    return Whole(
        request=waiting.request,
        plan=orjson.loads(found.plan),
        evidence=found.evidence,
        decisions=tuple(map(_decided, decisions)),
        effects=tuple(map(_effect, await desk.effects(id_))),
        missing=waiting.missing,
        approvers=waiting.approvers,
        may=waiting.may,
    )


async def approvals(call: Call[Nothing, ApprovalsAsked]) -> Approvals:
    desk = call.people.desk
    return Approvals(waiting=tuple(_waiting(desk, *each) for each in await desk.waiting(call.query.limit)))


def _waiting(desk: Desk, found: requests.Request, decisions: Collection[requests.Decision]) -> Waiting:
    """Who has still to say something about it, and who may."""
    policy = desk.rules.current.policy
    rule = policy.rule(found.action)
    given = [Approval(each.person, each.roles) for each in decisions if each.kind is Verdict.APPROVE]
    approvers = policy.approvers(rule, found.person, given) if rule else ()
    may = entitlements.of_request(desk.rules.current, found, decisions, approvers, desk.rules.around.now())
    missing = _clauses(policy.missing(rule, found.person, given)) if rule else ()
    return Waiting(request=request_of(found), missing=missing, approvers=approvers, may=dict(may))


def _whose(call: Call[Any, Any]) -> tuple[Person, str]:
    """Who does it, to which request."""
    return call.session.person, call.path["id"]


async def submit(call: Call[Submission, Nothing]) -> Request:
    return request_of(await call.people.desk.submit(*_whose(call), call.body.plan_hash))


async def approve(call: Call[Decision, Nothing]) -> Request:
    return request_of(await call.people.desk.approve(*_whose(call), call.body.plan_hash, call.body.reason))


async def reject(call: Call[Decision, Nothing]) -> Request:
    return request_of(await call.people.desk.reject(*_whose(call), call.body.plan_hash, call.body.reason))


async def cancel(call: Call[Words, Nothing]) -> Request:
    return request_of(await call.people.desk.cancel(*_whose(call), call.body.reason))


async def review(call: Call[Words, Nothing]) -> Request:
    return request_of(await call.people.desk.review(*_whose(call), call.body.reason))


async def release(call: Call[Release, Nothing]) -> Request:
    return request_of(await call.people.desk.release(*_whose(call), call.body.applied, call.body.reason))


def request_of(found: requests.Request) -> Request:
    return Request(
        id=found.id,
        action=found.action,
        state=found.state,
        why=found.why,
        person=found.person,
        origin=found.origin,  # type: ignore[arg-type]  # one of the three, by the desk
        reason=found.reason,
        parameters=dict(found.parameters),
        plan_hash=found.plan_hash,
        episode=found.episode_id,
        created_at=rfc3339(found.created_at),
        submitted_at=_instant(found.submitted_at),
        approve_by=_instant(found.approve_by),
        approved_at=_instant(found.approved_at),
        start_by=_instant(found.start_by),
        started_at=_instant(found.started_at),
        applied_at=_instant(found.applied_at),
        ended_at=_instant(found.ended_at),
    )


def _decided(found: requests.Decision) -> Decided:
    return Decided(
        kind=found.kind.value, person=found.person, roles=found.roles, reason=found.reason, at=rfc3339(found.at)
    )


def _effect(found: requests.Effect) -> Effect:
    return Effect(
        step=found.step,
        executor=found.executor,
        state=found.state,
        started_at=rfc3339(found.started_at),
        deadline_at=rfc3339(found.deadline_at),
        ended_at=_instant(found.ended_at),
        result=dict(found.result),
    )


def _instant(instant: int | None) -> str | None:
    return None if instant is None else rfc3339(instant)


# --- freezes ----------------------------------------------------------------------------------------------------------


async def list_freezes(call: Call[Nothing, Nothing]) -> Freezes:
    desk = call.people.desk
    book = desk.rules.current
    return Freezes(
        freezes=tuple([await _freeze(call, found) for found in await desk.freezes()]),
        outside=desk.outside(),
        may=entitlements.to_freeze(book.policy),
        names={scope.value: tuple(rulings.names(book, scope)) for scope in freezes.Scope},
    )


async def freeze(call: Call[FreezeWanted, Nothing]) -> Freeze:
    wanted, person = call.body, call.session.person
    scope = freezes.Scope(wanted.scope)
    return await _freeze(call, await call.people.desk.freeze(person, scope, wanted.name, wanted.reason))


async def unfreeze(call: Call[Words, Nothing]) -> Freeze:
    found = await call.people.desk.unfreeze(call.session.person, call.path["id"], call.body.reason)
    return await _freeze(call, found)


async def _freeze(call: Call[Any, Nothing], found: freezes.Freeze) -> Freeze:
    desk = call.people.desk
    said = await desk.decisions(f"freeze/{found.id}")
    words = [Approval(each.person, each.roles) for each in said]
    missing = desk.rules.current.policy.missing_unfreeze(found.person, words) if found.lifted_at is None else ()
    return Freeze(
        id=found.id,
        scope=found.scope.value,
        name=found.name,
        person=found.person,
        reason=found.reason,
        at=rfc3339(found.at),
        lifted_at=_instant(found.lifted_at),
        unfreezes=tuple(map(_decided, said)),
        missing=_clauses(missing),
        may=entitlements.to_unfreeze(desk.rules.current.policy, found, (each.person for each in said)),
    )


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("actions", "GET", "/actions", "What can be done, all or for an alert", actions, Actions, asks=ActionsAsked),
    Operation("action", "GET", "/actions/{action}", "One action", action, Action),
    Operation("plan", "POST", "/requests", "Plan an action; nothing happens yet", plan, Request, PlanWanted, status=201),
    Operation("requests", "GET", "/requests", "Requests, the newest first", list_requests, Requests, asks=RequestsAsked),
    Operation("approvals", "GET", "/approvals", "What waits for a word of somebody", approvals, Approvals,
              asks=ApprovalsAsked),
    Operation("request", "GET", "/requests/{id}", "One request, with its plan", request, Whole),
    Operation("submit", "POST", "/requests/{id}/submit", "Ask for what was planned", submit, Request, Submission),
    Operation("approve", "POST", "/requests/{id}/approve", "Approve the plan that was read", approve, Request, Decision),
    Operation("reject", "POST", "/requests/{id}/reject", "Reject it", reject, Request, Decision),
    Operation("cancel", "POST", "/requests/{id}/cancel", "Take back one's own", cancel, Request, Words),
    Operation("review", "POST", "/requests/{id}/review", "Say that one has looked at it afterwards", review, Request, Words),
    Operation("release", "POST", "/requests/{id}/release", "Say what became of what is in doubt", release, Request, Release),
    Operation("freezes", "GET", "/freezes", "What is frozen", list_freezes, Freezes),
    Operation("freeze", "POST", "/freezes", "Stop actions from starting", freeze, Freeze, FreezeWanted, status=201),
    Operation("unfreeze", "POST", "/freezes/{id}/unfreeze", "Let them go on, once enough people say so", unfreeze, Freeze,
              Words),
)  # fmt: skip
