"""Who may do what now with a request or a freeze, as far as can be told before it is tried: for the buttons of a page. Pure.

The desk judges again, in its transaction; what is offered here is nothing but what it would not refuse as things stand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from . import rulings
from .freezes import Freeze
from .life import ENDED, State
from .policy import Person, Policy, Rule
from .requests import Decision, Request, Verdict
from .rulebook import Rulebook
from .rulings import Refusal

Who = tuple[str, ...]
"""Ids of people, in the order of the policy."""

_WAITING = frozenset({State.PLANNED, State.PENDING_APPROVAL, State.APPROVED})


def of_request(
    book: Rulebook, request: Request, decisions: Collection[Decision], approvers: Collection[str], now: int
) -> Mapping[str, Who]:
    """By what can be done to the request, the people who may do it now. `approvers`: whose word would bring it further."""
    policy, rule = book.policy, book.policy.rule(request.action)
    as_planned = _stands(book, request, now)
    said = {(each.person, each.kind) for each in decisions}

    def unsaid(person: Person, *verdicts: Verdict) -> bool:
        return not any((person.id, verdict) in said for verdict in verdicts)

    def submits(person: Person) -> bool:
        return as_planned and person.id == request.person and policy.may_request(person, rule) is None

    def approves(person: Person) -> bool:
        return as_planned and person.id in approvers and unsaid(person, Verdict.APPROVE, Verdict.REJECT)

    def rejects(person: Person) -> bool:
        return _rejects(policy, rule, request, person) and unsaid(person, Verdict.REJECT)

    def reviews(person: Person) -> bool:
        may = rule is not None and policy.may_review(person, rule, request.person) is None
        return may and unsaid(person, Verdict.REVIEW)

    def releases(person: Person) -> bool:
        return policy.may_release(person, request.person) is None

    def cancels(person: Person) -> bool:
        return policy.may_cancel(person, request.person) is None

    ways: tuple[tuple[str, Collection[State], Callable[[Person], bool]], ...] = (
        ("submit", {State.PLANNED}, submits),
        ("approve", {State.PENDING_APPROVAL}, approves),
        ("reject", {State.PENDING_APPROVAL, State.APPROVED}, rejects),
        ("cancel", _WAITING, cancels),
        ("review", ENDED, reviews),
        ("release", {State.IN_DOUBT}, releases),
    )
    return {name: _who(policy.people, may) for name, states, may in ways if request.state in states}


def to_unfreeze(policy: Policy, freeze: Freeze, said: Iterable[str]) -> Who:
    """Who may say yet that it may end; `said` are those who have."""
    if freeze.lifted_at is not None:
        return ()
    already = set(said)
    return _who(policy.people, lambda it: it.id not in already and policy.may_unfreeze(it, freeze.person) is None)


def to_freeze(policy: Policy) -> Who:
    return _who(policy.people, lambda person: policy.may_freeze(person) is None)


def _rejects(policy: Policy, rule: Rule | None, request: Request, person: Person) -> bool:
    return rule is not None and policy.may_approve(person, rule, request.person) is None


def _stands(book: Rulebook, request: Request, now: int) -> bool:
    """Whether definition and rule are as they were, and it is in time."""
    try:
        rulings.as_planned(book, request, request.plan_hash)
        rulings.in_time(request, now)
    except Refusal:
        return False
    return True


def _who(people: Iterable[Person], may: Callable[[Person], bool]) -> Who:
    return tuple(person.id for person in people if may(person))
