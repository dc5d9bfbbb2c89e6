"""What the receiver does about an alert that offers an action: judged once more and recorded, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import orjson

from receiver import canonical, planning, rulings
from receiver.audit.chain import Data
from receiver.clock import rfc3339
from receiver.families import Origin, Severity
from receiver.life import State, Turn
from receiver.limits import DAY
from receiver.outbox import Notice
from receiver.planning import Draft
from receiver.policy import OURSELVES
from receiver.requests import Change, Request, is_start
from receiver.text import clipped
from receiver.why import Why

from . import facts, guards, judging, store
from .facts import Candidate
from .guards import Asked, Done
from .judging import Hour
from .store import Decision, Outcome

WAITING = (State.PENDING_APPROVAL, State.APPROVED)
"""States of requests that the receiver may take back."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An action that Prometheus has nothing against, and what it would do."""

    candidate: Candidate
    draft: Draft


def hold(change: Change, held: Iterable[tuple[Candidate, Why]]) -> list[Decision]:
    """Records what holds each of these actions back."""
    return [_noted(change, Decision(*candidate.key, Outcome.HELD, why)) for candidate, why in held]


def act(change: Change, wish: Wish, hour: Hour) -> Decision | None:
    """Asks for the action, if nothing is against it by now, or records what is.

    None where the alert has ended meanwhile. Raises Forged where a row that it depends on is not what was recorded.
    """
    change.audit.unchanged(change.connection)
    if (candidate := facts.still(change.connection, wish.candidate)) is None:
        return None
    if (before := facts.asked_before(change.connection, candidate)) and candidate.kind != "shadow":
        return _noted(change, Decision(*candidate.key, Outcome.ACTED, None, change.request(before).id))
    if why := _objection(change, candidate, hour):
        return _noted(change, Decision(*candidate.key, Outcome.HELD, why))
    if candidate.kind == "shadow":
        return _would(change, wish)
    request = _asked(change, wish)
    _tell(change, request, candidate)
    return _noted(change, _made(wish, request.id))


def _objection(change: Change, candidate: Candidate, hour: Hour) -> Why | None:
    bounds, conditions = candidate.book.policy.automation, candidate.action.automation
    around = judging.around(change.connection, change.audit, candidate.book, hour)
    if why := judging.objection(change.connection, candidate, around):
        return why
    wanted = Asked(change.now, candidate.action.name, candidate.entity)
    return guards.exceeded(wanted, _done(change, candidate), bounds, conditions, candidate.action.limits)


def _done(change: Change, candidate: Candidate) -> Done:
    """By the audit and the sealed rows that it leads to: no row that was changed or is gone makes room for more.

    In shadow, also by what would have been asked for.
    """
    asked, starts, name = [], [], candidate.action.name
    for entry in change.recorded(change.now - DAY):
        if is_start(entry, name):
            starts.append(entry.at)
        elif (entry.kind, entry.by) == (f"request.{State.PLANNED}", OURSELVES):
            request = change.request(entry.subject.partition("/")[2])
            asked.append(Asked(entry.at, request.action, request.evidence["alert"].get("entity", "")))
    if candidate.kind == "shadow":
        would = store.shadowed(change.connection, change.now)
        asked += would
        starts += [each.at for each in would if each.action == name]
    return Done(asked, starts)


def _asked(change: Change, wish: Wish) -> Request:
    candidate = wish.candidate
    episode = candidate.episode
    made = wish.draft.request(
        OURSELVES,
        reason=clipped(f"{episode.alertname} fires for {candidate.entity or 'what it does not name'}", 200),
        origin=Origin.AUTOMATIC,
        idempotency_key=canonical.sha256(f"{candidate.action.name}/{episode.id}".encode()),
        now=change.now,
    )
    planned = planning.keep(change, made, wish.draft)
    return rulings.submit(change, candidate.book, planned, candidate.action, OURSELVES)


def _would(change: Change, wish: Wish) -> Decision:
    candidate, plan = wish.candidate, wish.draft.plan
    of_plan: dict[str, Data] = {"plan_hash": plan.hash, "parameters": dict(plan.parameters)}
    told = {"episode": str(candidate.episode.id), **of_plan}
    subject = f"automation/{candidate.action.name}"
    change.audit.append(change.connection, kind="automation.would", subject=subject, by=OURSELVES, data=told)
    return _noted(change, _made(wish, None))


def _made(wish: Wish, request: str | None) -> Decision:
    plan = wish.draft.plan
    does = orjson.loads(plan.bytes)["steps"]
    return Decision(*wish.candidate.key, Outcome.ACTED, None, request, plan.parameters, does)


def _noted(change: Change, decision: Decision) -> Decision:
    store.note(change.connection, decision, change.now)
    return decision


def _tell(change: Change, request: Request, candidate: Candidate) -> None:
    episode = candidate.episode
    if request.state is State.APPROVED:
        summary, first = "The receiver starts {}, by itself", "See what it does; freeze if it must not."
    else:
        until = rfc3339(request.approve_by or change.now)
        summary, first = "The receiver proposes {}", f"Approve or reject it, until {until}."
    told = {"domain": episode.label("domain"), "entity": candidate.entity, "alertname": episode.alertname}
    about = {"first_action": first, "alert": f"/a/{episode.fingerprint}", **told}
    change.tell(Notice.AUTOMATION, request, summary.format(candidate.action.name), Severity.PAGE, **about)


# --- what is not wanted any more -------------------------------------------------------------------------------------


def withdraw(change: Change, id_: str) -> Decision | None:
    """Takes back what was asked for and has not started, since its alert has ended. None where that is not so any more."""
    request = change.request(id_)
    ours = request.person == OURSELVES and request.origin == Origin.AUTOMATIC
    over = request.episode_id is not None and facts.ended(change.connection, request.episode_id)
    if not (ours and over and request.state in WAITING):
        return None
    change.turn(request, Turn.CANCEL, OURSELVES, Why.NOT_FIRING)
    made = store.of_request(change.connection, id_)
    if made is None:
        return None
    return _noted(change, replace(made, outcome=Outcome.WITHDRAWN, why=Why.NOT_FIRING))
