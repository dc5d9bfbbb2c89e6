"""Who may do what: `policy.yml`, and the rulings that follow from it. Pure; it knows people by id and role, and nothing else.

Six rules, which nothing can switch off:

1. What no rule is about, nobody may do. A rule about one action replaces the rule about `"*"`, it does not add to it.
2. Approvals are an AND of clauses. One person fills one place in one clause, however many roles they hold.
3. Nobody decides on a request of their own; who froze does not count among those who unfreeze.
4. A role counts that a person held when deciding and holds now. Who has left the file has none.
5. What has an empty list of approvals starts at one person's word; that is for protective actions alone (see `rulebook`).
6. What the receiver asks for by itself starts without a person's word only where that list is empty and the rule says `auto`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, get_args

from argon2 import Type, extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from occ.config import SOME, Context, Duration, Model, Name, Secret, SecretValue, refuse, refuse_all, unique

from . import canonical
from .why import Why

Role = Literal["viewer", "operator", "trader", "risk", "commander", "admin"]
ROLES: tuple[str, ...] = get_args(Role)
ACTING = ("operator", "trader", "risk", "commander", "admin")
EVERY = "*"
OURSELVES = "receiver"
"""Who did what this process did by itself; nobody else is called so."""

# RFC 9106 and OWASP's password storage cheat sheet; what is far above them would let a login take the machine.
_MEMORY_KIB = range(19_456, 1_048_577)
_PASSES = range(2, 21)
_LANES = range(1, 17)


def _argon2id(secret: Secret, info: ValidationInfo[Context]) -> Secret:
    if not info.context.look:
        return secret
    try:
        found = extract_parameters(secret.reveal())
    except (InvalidHashError, ValueError):
        raise refuse("expected an Argon2id hash, as `occ password` prints it") from None
    strong = found.memory_cost in _MEMORY_KIB and found.time_cost in _PASSES and found.parallelism in _LANES
    if found.type is not Type.ID or not strong or found.hash_len < 16 or found.salt_len < 8:  # noqa: PLR2004 - RFC 9106
        raise refuse("expected an Argon2id hash of 19 MiB to 1 GiB, 2 to 20 passes, 1 to 16 lanes")
    return secret


def _absolute(path: str) -> str:
    if not Path(path).is_absolute() or "\0" in path:
        raise refuse("expected an absolute path")
    return path


class Person(Model):
    """Somebody who can log in. `password` is an Argon2id hash."""

    id: Name
    password: Annotated[SecretValue, AfterValidator(_argon2id)]
    roles: Annotated[tuple[Role, ...], SOME, unique()]

    @property
    def credential(self) -> str:
        """SHA-256 of the password's hash: another one, another password."""
        return canonical.sha256(self.password.reveal().encode())


class Clause(Model):
    """So many different people who hold the role."""

    role: Role
    count: Annotated[int, Field(ge=1, le=10)] = 1


class Pair(Clause):
    """As a clause, and at least two people."""

    count: Annotated[int, Field(ge=2, le=10)] = 2


def _members(value: object) -> object:
    return (EVERY,) if value == EVERY else value


Members = Annotated[tuple[str, ...], BeforeValidator(_members), unique()]
"""Ids of people; or `"*"`, which is everybody."""

Holders = Annotated[tuple[str, ...], SOME, unique()]
"""Roles and groups: who has one of them is meant."""


Mode = Literal["off", "shadow", "propose", "auto"]
"""What the receiver does by itself where an alert offers an action: nothing; tell what it would do; ask people; act."""


class Rule(Model):
    """Who may request an action, who must approve it, who reviews it afterwards."""

    action: str
    request: Holders
    approvals: Annotated[tuple[Clause, ...], unique("role")]
    review: Annotated[tuple[str, ...], unique()] = ()
    automation: Mode = "off"

    @model_validator(mode="after")
    def _acts_alone_or_asks(self) -> Self:
        if self.automation == "auto" and self.approvals:
            raise refuse("auto is for actions that need no approval; with approvals it can propose", "automation")
        return self


class Storm(Model):
    """So many new page alerts within so long, before or after an alert, and nothing is done by itself about it."""

    alerts: Annotated[int, Field(ge=2)] = 20
    within: Duration = 60.0


class Automation(Model):
    """What bounds all that the receiver does by itself: nothing within `grace` of its start, nothing in a storm of alerts, and
    at most so much within any hour.
    """

    grace: Duration = 300.0
    storm: Storm = Storm()
    per_hour: Annotated[int, Field(ge=1, le=1000)] = 6


class Escalation(Model):
    """Who is told next of what nobody has acknowledged."""

    severity: Literal["page", "ticket", "info"]
    acknowledge_within: Duration
    then: Holders


class Freeze(Model):
    """Who may stop everything, and who may let it go on. A `file` that is there freezes as well."""

    file: Annotated[str, AfterValidator(_absolute)] | None = None
    by: Holders = ACTING
    unfreeze: Pair = Pair(role="commander")


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's decision, and the roles that they held when they made it."""

    person: str
    roles: Collection[str]


class Policy(Model):
    """The whole file, and what follows from it."""

    substitutes: ClassVar[bool] = False

    people: Annotated[tuple[Person, ...], SOME, unique("id")]
    groups: dict[Name, Members] = Field(default_factory=dict)
    rules: Annotated[tuple[Rule, ...], unique("action")]
    escalation: Annotated[tuple[Escalation, ...], unique("severity")] = ()
    freeze: Freeze = Freeze()
    release: Pair = Pair(role="commander")
    test_notifiers: Holders = ("admin", "commander")
    automation: Automation = Automation()

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo[Context]) -> Self:
        refuse_all([*self._people(look=info.context.look), *self._groups(), *self._holders()])
        return self

    def _people(self, *, look: bool) -> Iterator[PydanticCustomError]:
        """One person must not count as two."""
        ids: dict[str, int] = {OURSELVES: -1}
        hashes: dict[str, int] = {}
        for index, person in enumerate(self.people):
            if person.id.casefold() == OURSELVES:
                yield refuse("is what the receiver calls itself", "people", index, "id")
            elif (first := ids.setdefault(person.id.casefold(), index)) != index:
                yield refuse(f"differs only in capitals from item {first}", "people", index, "id")
            if look and (first := hashes.setdefault(person.password.reveal(), index)) != index:
                yield refuse(f"is the very hash of item {first}; each person has one", "people", index, "password")

    def _groups(self) -> Iterator[PydanticCustomError]:
        for name, members in self.groups.items():
            if name in ROLES:
                yield refuse("is the name of a role", "groups", name)
            for index, member in enumerate(members):
                if member != EVERY and self.person(member) is None:
                    yield refuse("nobody among the people has this id", "groups", name, index)

    def _holders(self) -> Iterator[PydanticCustomError]:
        known = {*ROLES, *self.groups}
        named: list[tuple[tuple[str, ...], tuple[str | int, ...]]] = [
            (self.freeze.by, ("freeze", "by")),
            (self.test_notifiers, ("test_notifiers",)),
        ]
        for index, rule in enumerate(self.rules):
            named += [(rule.request, ("rules", index, "request")), (rule.review, ("rules", index, "review"))]
        named += [(step.then, ("escalation", index, "then")) for index, step in enumerate(self.escalation)]
        for holders, at in named:
            for index in (index for index, holder in enumerate(holders) if holder not in known):
                yield refuse(f"is no role and no group; there are: {', '.join(sorted(known))}", *at, index)

    # --- what stands in it -------------------------------------------------------------------------------------------

    def person(self, id_: str) -> Person | None:
        return next((person for person in self.people if person.id == id_), None)

    def rule(self, action: str) -> Rule | None:
        """The rule about the action, else the rule about all others."""
        rules = {rule.action: rule for rule in self.rules}
        return rules.get(action) or rules.get(EVERY)

    def definition(self, rule: Rule) -> bytes:
        """RFC 8785 of a rule."""
        return canonical.dumps({"v": "occ-rule-v1", "rule": rule.model_dump()})

    def rule_hash(self, rule: Rule) -> str:
        return canonical.sha256(self.definition(rule))

    @property
    def hash(self) -> str:
        """Of all that the file says. Of passwords the hash of their hash: another one shows, and none can be guessed from it."""
        people = [{**person.model_dump(), "password": person.credential} for person in self.people]
        return canonical.sha256(canonical.dumps({"v": "occ-policy-v1", **self.model_dump(), "people": people}))

    @property
    def freeze_file(self) -> Path | None:
        return None if self.freeze.file is None else Path(self.freeze.file)

    # --- rulings: None, or why not -----------------------------------------------------------------------------------

    def may_request(self, person: Person, rule: Rule | None) -> Why | None:
        if rule is None:
            return Why.NO_RULE
        return self._unless(self._is_one_of(person.id, rule.request))

    def may_approve(self, person: Person, rule: Rule, requester: str) -> Why | None:
        """Also whether they may reject it. What the receiver asks for, and nobody has to approve, who may ask for it may reject."""
        if requester == OURSELVES and not rule.approvals:
            return self.may_request(person, rule)
        roles = {clause.role for clause in rule.approvals}
        return self._of_another(person, requester) or self._unless(bool(roles & self._roles(person.id)))

    def may_review(self, person: Person, rule: Rule, requester: str) -> Why | None:
        return self._of_another(person, requester) or self._unless(self._is_one_of(person.id, rule.review))

    def may_cancel(self, person: Person, requester: str) -> Why | None:
        """Who wanted it may take it back; whoever else is against it rejects it."""
        return self._unless(person.id == requester and self.person(requester) is not None)

    def may_freeze(self, person: Person) -> Why | None:
        return self._unless(self._is_one_of(person.id, self.freeze.by))

    def may_unfreeze(self, person: Person, froze_by: str) -> Why | None:
        return self._of_another(person, froze_by) or self._unless(self.freeze.unfreeze.role in self._roles(person.id))

    def may_test_notifiers(self, person: Person) -> Why | None:
        return self._unless(self._is_one_of(person.id, self.test_notifiers))

    def may_release(self, person: Person, requester: str) -> Why | None:
        """Whether they may say what became of what is in doubt."""
        return self._of_another(person, requester) or self._unless(self.release.role in self._roles(person.id))

    def may_respond(self, person: Person) -> Why | None:
        """Whether they may open an incident, acknowledge it, lead it, note something; all who act may."""
        return self._unless(bool(self._roles(person.id) & set(ACTING)))

    def may_command(self, person: Person, commander: str | None) -> Why | None:
        """Whether they may say what becomes of an incident that is led by this one, or by nobody yet."""
        if self._roles(person.id) & {"commander"}:
            return None
        return self.may_respond(person) if person.id == commander else Why.NOT_PERMITTED

    def holders(self, names: Collection[str]) -> tuple[str, ...]:
        """Who has one of these roles, or is in one of these groups, by id."""
        return tuple(person.id for person in self.people if self._is_one_of(person.id, names))

    # --- who is missing ----------------------------------------------------------------------------------------------

    def missing(self, rule: Rule, requester: str, approvals: Iterable[Approval]) -> tuple[Clause, ...]:
        """What is still to be approved, by how many; empty when it is enough.

        What the receiver only proposes needs the word of one person at least: of one who might have asked for it.
        """
        if requester == OURSELVES and rule.automation != "auto" and not rule.approvals:
            return () if any(self._might_ask(it, rule) for it in approvals) else (_one_of(rule.request),)
        return self._missing(rule.approvals, requester, approvals)

    def missing_unfreeze(self, froze_by: str, approvals: Iterable[Approval]) -> tuple[Clause, ...]:
        return self._missing((self.freeze.unfreeze,), froze_by, approvals)

    def missing_release(self, requester: str, approvals: Iterable[Approval]) -> tuple[Clause, ...]:
        return self._missing((self.release,), requester, approvals)

    def approvers(self, rule: Rule, requester: str, approvals: Iterable[Approval]) -> tuple[str, ...]:
        """Whose approval would bring the request further, by id."""
        given = tuple(approvals)
        open_places = _places(self.missing(rule, requester, given))
        said = {approval.person for approval in given}
        return tuple(
            person.id
            for person in self.people
            if person.id not in said
            and _places(self.missing(rule, requester, (*given, Approval(person.id, person.roles)))) < open_places
        )

    def _missing(self, clauses: Sequence[Clause], requester: str, approvals: Iterable[Approval]) -> tuple[Clause, ...]:
        held = {it.person: self._roles(it.person) & set(it.roles) for it in approvals if it.person != requester}
        places = [clause.role for clause in clauses for _ in range(clause.count)]
        empty = unfilled(places, held)
        left = ((clause.role, sum(places[index] == clause.role for index in empty)) for clause in clauses)
        return tuple(Clause(role=role, count=count) for role, count in left if count)

    # --- roles as they are now ---------------------------------------------------------------------------------------

    def _roles(self, id_: str) -> frozenset[str]:
        person = self.person(id_)
        return frozenset(person.roles) if person else frozenset()

    def _is_one_of(self, id_: str, holders: Collection[str]) -> bool:
        return bool(set(holders) & (self._roles(id_) | self._groups_of(id_)))

    def _might_ask(self, approval: Approval, rule: Rule) -> bool:
        held = self._roles(approval.person) & set(approval.roles)
        return bool(set(rule.request) & (held | self._groups_of(approval.person)))

    def _groups_of(self, id_: str) -> frozenset[str]:
        if self.person(id_) is None:
            return frozenset()
        return frozenset(name for name, members in self.groups.items() if EVERY in members or id_ in members)

    def _of_another(self, person: Person, whose: str) -> Why | None:
        return Why.OWN_REQUEST if person.id == whose else None

    def _unless(self, permitted: bool) -> Why | None:  # noqa: FBT001 - it is the question
        return None if permitted else Why.NOT_PERMITTED


def _one_of(holders: Iterable[str]) -> Clause:
    """One person who has one of these roles, or is in one of these groups: a clause for people to read."""
    return Clause.model_construct(role=" or ".join(holders), count=1)  # type: ignore[arg-type]


def _places(clauses: Iterable[Clause]) -> int:
    return sum(clause.count for clause in clauses)


def unfilled(places: Sequence[str], held: Mapping[str, Collection[str]]) -> tuple[int, ...]:
    """The places that stay empty when each person fills one at most, of a role that they hold.

    `places` are roles, `held` the roles of each person. As few stay empty as can be, and rather later ones than earlier ones:
    maximum bipartite matching by augmenting paths (Kuhn's algorithm), in the order of the places.
    """
    by: dict[str, int] = {}

    def fill(place: int, tried: set[str]) -> bool:
        for person, roles in held.items():
            if person not in tried and places[place] in roles:
                tried.add(person)
                if person not in by or fill(by[person], tried):
                    by[person] = place
                    return True
        return False

    return tuple(place for place in range(len(places)) if not fill(place, set()))
