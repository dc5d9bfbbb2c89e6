"""The transaction that starts a request: everything is judged in it, once, and what follows from it is committed before the
first thing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from . import freezes, leases, limits
from .catalogue import Action, Limits
from .changes import Rules
from .clock import SECOND
from .families import Origin
from .life import State, Turn
from .policy import OURSELVES, Approval, Rule
from .requests import Change, Decision, Request, Verdict, expired
from .rulebook import Rulebook
from .underway import Hand, Underway, Work, begin
from .why import Why

WAIT = frozenset({Why.CLOCK, Why.BUSY, Why.NO_CHECKPOINT, Why.SIGHT_LOST, Why.UNREACHABLE})
"""What may pass: the request stays approved, and is looked at again until its time is over."""

EXPIRE = frozenset({Why.APPROVAL_EXPIRED, Why.EXECUTION_EXPIRED})


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is known beside the database when a start is judged.

    `rules` and `outside` are asked within the transaction, so that neither is older than what is judged: the rules of now, and
    what freezes from outside the database. `seen` is what the live state, asked just before, has against it; `sealed` the
    newest audit entry that a checkpoint outside the database covers; `held` the keys that this process knows other requests to
    hold; `jumped` tells whether the wall clock did.
    """

    rules: Rules
    seen: Why | None
    outside: Callable[[], str | None]
    sealed: int
    held: Collection[str]
    jumped: Callable[[], bool]


def start(change: Change, work: Work, conditions: Conditions, hand: Hand) -> Underway | Request:
    """Starts an approved request, or ends it, or leaves it as it is to be looked at again.

    Raises Forged where a row it depends on is not what was recorded; NotFound.
    """
    change.audit.unchanged(change.connection)
    request = change.request(work.request.id)
    if request.state is not State.APPROVED:
        return request
    why = objection(change, request, work, conditions)
    if why is None:
        return begin(change, work.of(request), 0, hand)
    if why in WAIT:
        return request
    return change.turn(request, Turn.EXPIRE if why in EXPIRE else Turn.BLOCK, freezes.RECEIVER, why)


def objection(change: Change, request: Request, work: Work, conditions: Conditions) -> Why | None:
    """The first thing that is against starting the request now."""
    rulebook = conditions.rules.current
    catalogue, policy = rulebook.catalogue, rulebook.policy
    action, rule = catalogue.action(request.action), policy.rule(request.action)
    if action is None or catalogue.definition_hash(action) != request.definition:
        return Why.DEFINITION_CHANGED
    if rule is None or policy.rule_hash(rule) != request.rule:
        return Why.POLICY_CHANGED
    return (
        expired(request, change.now)
        or permitted(rulebook, rule, request, change.decisions(f"request/{request.id}"))
        or (Why.FROZEN if frozen(change, work, conditions.outside()) else None)
        or _exceeded(change, action)
        or conditions.seen
        or (Why.CLOCK if conditions.jumped() else None)
        or _busy(change, request, work, conditions)
        or (Why.NO_CHECKPOINT if not action.protective and conditions.sealed < request.audit_seq else None)
    )


def permitted(rulebook: Rulebook, rule: Rule, request: Request, decisions: Collection[Decision]) -> Why | None:
    """Whether the requester may still want it, and enough people have approved this very plan, as roles are now."""
    if why := _not_to_be_asked(rulebook, rule, request):
        return why
    return (
        Why.APPROVALS_MISSING if rulebook.policy.missing(rule, request.person, approvals(request, decisions)) else None
    )


def _not_to_be_asked(rulebook: Rulebook, rule: Rule, request: Request) -> Why | None:
    """Why the requester may not want it now. What this process asks for by itself, the rule must still let it ask for."""
    if request.person == OURSELVES and request.origin == Origin.AUTOMATIC:
        return None if rule.automation in ("propose", "auto") else Why.NOT_PERMITTED
    requester = rulebook.policy.person(request.person)
    return Why.NOT_PERMITTED if requester is None else rulebook.policy.may_request(requester, rule)


def approvals(request: Request, decisions: Collection[Decision]) -> list[Approval]:
    """The approvals of the very plan that the request has."""
    given = (each for each in decisions if each.kind is Verdict.APPROVE and each.plan_hash == request.plan_hash)
    return [Approval(each.person, each.roles) for each in given]


def frozen(change: Change, work: Work, outside: str | None) -> bool:
    """Whether a freeze stops the request now. One for a protective action goes on, if a person asked for it."""
    if work.action.protective and work.request.origin != Origin.AUTOMATIC:
        return False
    standing = freezes.standing(change.connection, change.audit)
    return outside is not None or freezes.stop(standing, work.action.name, work.keys) is not None


def _exceeded(change: Change, action: Action) -> Why | None:
    if action.limits == Limits():
        return None
    return limits.exceeded(action.limits, change.starts(action.name, _since(change, action)), change.now)


def _busy(change: Change, request: Request, work: Work, conditions: Conditions) -> Why | None:
    taken = set(conditions.held) & set(work.keys)
    return Why.BUSY if taken or not leases.free(change.connection, work.keys, request.id) else None


def _since(change: Change, action: Action) -> int:
    return change.now - max(limits.DAY, int((action.limits.cooldown or 0) * SECOND))
