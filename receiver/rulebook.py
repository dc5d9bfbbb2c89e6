"""What can be done and who may do it, together: loaded, checked against each other and replaced as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from occ.config import Loaded
from occ.document import Loc
from occ.errors import Problem

from . import canonical
from .catalogue import Action, Catalogue
from .policy import EVERY, OURSELVES, Approval, Policy, Rule

BY_ITSELF = frozenset({"http", "parameter", "cancel_orders"})
"""Executors that the receiver may use without being told to; any other is for people alone."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A catalogue and the policy over it that agree with each other. Raises ValueError where they do not."""

    catalogue: Catalogue
    policy: Policy

    def __post_init__(self) -> None:
        if found := [message for _, message in disagreements(self.catalogue, self.policy)]:
            raise ValueError("; ".join(found))

    @property
    def hash(self) -> str:
        return canonical.sha256(f"occ-rulebook-v1 {self.catalogue.hash} {self.policy.hash}".encode())


def disagreements(catalogue: Catalogue, policy: Policy) -> Iterator[tuple[Loc, str]]:
    """Where in the policy it does not fit what can be done, and how."""
    for index, rule in enumerate(policy.rules):
        if rule.action != EVERY and catalogue.action(rule.action) is None:
            known = ", ".join(action.name for action in catalogue.actions)
            yield ("rules", index, "action"), f"there is no such action; there are: {known}"
        if bold := [action.name for action in _ruled_by(rule, catalogue, policy) if not action.protective]:
            message = f"may be empty for protective actions alone, and these are not: {', '.join(bold)}"
            yield ("rules", index, "approvals"), message
        for message in _not_by_itself(rule, catalogue, policy):
            yield ("rules", index, "automation"), message


def _not_by_itself(rule: Rule, catalogue: Catalogue, policy: Policy) -> Iterator[str]:
    """Why the receiver can not do by itself what the rule says it does."""
    if rule.automation not in ("propose", "auto"):
        return
    for action in (action for action in catalogue.actions if policy.rule(action.name) is rule):
        if by_people := {step.executor for step in action.steps} - BY_ITSELF:
            yield f"{action.name}: {', '.join(sorted(by_people))} is for people alone"
        if action.automation is None:
            yield f"{action.name}: has no automation, which says what must hold before"
        if not action.offered_by:
            yield f"{action.name}: no alert offers it"
        if unfilled := [name for name, parameter in action.parameters.items() if parameter.from_label is None]:
            yield f"{action.name}: no label fills {', '.join(unfilled)}"


def _ruled_by(rule: Rule, catalogue: Catalogue, policy: Policy) -> Iterator[Action]:
    """The actions that the rule decides on and wants no approval for."""
    if not rule.approvals:
        yield from (action for action in catalogue.actions if policy.rule(action.name) is rule)


def dead_ends(loaded: Loaded[Policy]) -> Iterator[Problem]:
    """What the policy allows and its people can never do: better known now than when it is needed."""
    policy = loaded.config
    everybody = [Approval(person.id, person.roles) for person in policy.people]
    for index, rule in enumerate(policy.rules):
        asking = [person.id for person in policy.people if policy.may_request(person, rule) is None]
        if not asking:
            yield loaded.problem(("rules", index, "request"), "nobody among the people may request it")
        elif all(policy.missing(rule, requester, everybody) for requester in asking):
            message = "whoever requests it, the others are not enough to approve it"
            yield loaded.problem(("rules", index, "approvals"), message)
        if rule.automation == "propose" and policy.missing(rule, OURSELVES, everybody):
            yield loaded.problem(
                ("rules", index, "automation"), "all together are not enough to approve what is proposed"
            )
    freezing = [person.id for person in policy.people if policy.may_freeze(person) is None]
    if stuck := [who for who in (*freezing, OURSELVES) if policy.missing_unfreeze(who, everybody)]:
        yield loaded.problem(("freeze",), f"the others are not enough to lift a freeze by: {', '.join(stuck)}")
    asking = sorted(
        {person.id for rule in policy.rules for person in policy.people if not policy.may_request(person, rule)}
    )
    if stuck := [who for who in asking if policy.missing_release(who, everybody)]:
        yield loaded.problem(("release",), f"the others are not enough to release a request by: {', '.join(stuck)}")
