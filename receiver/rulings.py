"""What is refused before anything else is judged, and how a decision is recorded. Within a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from occ.errors import OccError

from . import planning
from .actions import Applied, Result
from .catalogue import Action, Catalogue
from .clock import SECOND, rfc3339
from .freezes import Scope
from .life import Turn
from .policy import Approval, Person, Rule
from .requests import Change, Decision, NotFound, Request, Verdict, expired, new_id
from .rulebook import Rulebook
from .starting import approvals
from .underway import Work
from .why import SENTENCES, Why


class Refusal(OccError):  # noqa: N818 - it names what is the matter
    """Somebody may not do this, or not now."""

    def __init__(self, why: Why, message: str = "") -> None:
        super().__init__(message or SENTENCES[why])
        self.why = why


def as_planned(book: Rulebook, request: Request, plan_hash: str) -> tuple[Action, Rule]:
    """The action and its rule, where the plan seen is the request's, and both are as they were. Raises Refusal."""
    if plan_hash != request.plan_hash:
        raise Refusal(Why.PLAN_CHANGED)
    action = book.catalogue.action(request.action)
    if action is None or book.catalogue.definition_hash(action) != request.definition:
        raise Refusal(Why.DEFINITION_CHANGED)
    rule = rule_of(book, request)
    if book.policy.rule_hash(rule) != request.rule:
        raise Refusal(Why.POLICY_CHANGED)
    return action, rule


def rule_of(book: Rulebook, request: Request) -> Rule:
    if (rule := book.policy.rule(request.action)) is None:
        raise Refusal(Why.NO_RULE)
    return rule


def in_time(request: Request, now: int) -> None:
    if why := expired(request, now):
        raise Refusal(why)


def allowed(why: Why | None) -> None:
    if why is not None:
        raise Refusal(why)


def decide(
    change: Change, person: Person, request: Request, verdict: Verdict, reason: str, *, unless: Sequence[Verdict]
) -> None:
    """Records what the person decides, with what they were shown. Raises Refusal where they have decided before."""
    subject = f"request/{request.id}"
    if any(each.person == person.id and each.kind in unless for each in change.decisions(subject)):
        raise Refusal(Why.ALREADY_DECIDED)
    seen = planning.shown(request.evidence)
    roles = tuple(person.roles)
    change.decide(Decision(new_id(), subject, verdict, person.id, roles, request.plan_hash, seen, reason, change.now))


def submit(change: Change, book: Rulebook, request: Request, action: Action, by: str) -> Request:
    """Asks for what was planned. Without approvals to wait for it is approved at once."""
    approve_by = change.now + int(action.expires.approval * SECOND)
    request = change.turn(request, Turn.SUBMIT, by, submitted_at=change.now, approve_by=approve_by)
    return approved_if_enough(change, book, request, action, by)


def approved_if_enough(change: Change, book: Rulebook, request: Request, action: Action, by: str) -> Request:
    """The request, approved where no approval is missing any more; its rule is as it was when it was planned."""
    given = approvals(request, change.decisions(f"request/{request.id}"))
    if book.policy.missing(rule_of(book, request), request.person, given):
        return request
    start_by = change.now + int(action.expires.execution * SECOND)
    return change.turn(request, Turn.APPROVE, by, approved_at=change.now, start_by=start_by)


def settled(change: Change, catalogue: Catalogue, request: Request, work: Work | None) -> None:
    """Nobody can say that nothing happened while something may still happen. Raises Refusal.

    Of a request whose definition is lost, nothing is believed to take longer than what takes longest now.
    """
    until = work.settled_at if work else (request.applied_at or request.started_at or 0) + _longest(catalogue)
    if change.now <= until:
        raise Refusal(Why.UNCLEAR, f"it may still take effect until {rfc3339(until)}")


def _longest(catalogue: Catalogue) -> int:
    """From the beginning of an effect until it can not come any more, of any action and target, in microseconds."""
    windows = [target.receive_window for target in catalogue.targets.values()]
    return int((max(action.deadline for action in catalogue.actions) + max(windows, default=0.0)) * SECOND)


def released(verdict: Verdict, words: Sequence[Approval]) -> Result:
    facts = {"released_by": ", ".join(word.person for word in words)}
    if verdict is Verdict.APPLIED:
        return Result(Applied.APPLIED, None, facts)
    return Result(Applied.NOT_APPLIED, Why.NOT_APPLIED, facts)


def names(book: Rulebook, scope: Scope) -> list[str]:
    """What there is to freeze."""
    return {
        Scope.EVERYTHING: [""],
        Scope.ACTION: [action.name for action in book.catalogue.actions],
        Scope.TARGET: list(book.catalogue.targets),
    }[scope]


def known(book: Rulebook, scope: Scope, name: str) -> None:
    """Raises NotFound where there is nothing of this name to freeze."""
    if name not in names(book, scope):
        raise NotFound(f"no {scope.value} {name}")
