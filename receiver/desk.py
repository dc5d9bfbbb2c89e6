"""What people may do: plan, submit, approve, reject, cancel, review, release; freeze and unfreeze.

Each is one transaction that judges and records at once. What is refused is recorded, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine, Select, select

from . import freezes, planning, queries, rulings, schema
from .actions import Unfit
from .audit.seal import Audit, Forged
from .changes import Changes, Rules
from .freezes import Freeze, Scope
from .judging import judged, refused
from .life import ENDED, Impossible, State, Turn, after
from .planning import Draft
from .policy import Approval, Person
from .queries import EpisodeRow
from .requests import Change, Decision, Effect, NotFound, Request, Verdict, decisions, effects, new_id
from .rulebook import Rulebook
from .rulings import Refusal
from .underway import resolve, work_if_known
from .why import Why

log = logging.getLogger(__name__)

__all__ = ("Desk", "Refusal")

T = TypeVar("T")


class Desk:
    """Where people act. `person` is somebody of the policy, who has been recognised."""

    def __init__(
        self, changes: Changes, reading: Engine, audit: Audit, rules: Rules, outside: Callable[[], str | None]
    ) -> None:
        """`outside` tells what freezes from outside of the database, if anything does."""
        self._changes, self._reading, self._audit = changes, reading, audit
        self.rules, self.outside = rules, outside

    # --- asking for something -----------------------------------------------------------------------------------------

    async def plan(
        self,
        person: Person,
        action: str,
        parameters: Mapping[str, str],
        *,
        reason: str,
        origin: str,
        fingerprint: str | None = None,
        idempotency_key: str | None = None,
    ) -> Request:
        """What the action would do now, kept for `submit`. The same person's same key gives the same request again.

        Raises Refusal, NotFound and catalogue.BadParameters.
        """
        try:
            draft = await self._draft(person, action, parameters, fingerprint)
        except (Refusal, Unfit) as error:
            refusal = Refusal(error.why, str(error))
            about = {"doing": "plan", "action": action, "parameters": dict(parameters), "reason": reason}
            await self._changes.make(lambda change: refused(change, person, refusal, about))
            raise refusal from None

        def work(change: Change) -> Request:
            made = draft.request(
                person.id, reason=reason, origin=origin, idempotency_key=idempotency_key, now=change.now
            )
            return _asked_before(change, made) or planning.keep(change, made, draft)

        return await self._ruled(person, {"doing": "plan", "action": action}, work)

    async def _draft(self, person: Person, name: str, parameters: Mapping[str, str], fingerprint: str | None) -> Draft:
        book = self.rules.current
        if (action := book.catalogue.action(name)) is None:
            raise NotFound(f"no action {name}")
        rule = book.policy.rule(name)
        if why := book.policy.may_request(person, rule):
            raise Refusal(why)
        if rule is None:
            raise Refusal(Why.NO_RULE)
        episode = await self._episode(fingerprint)
        if action.requires_firing and episode is None:
            raise Refusal(Why.NOT_FIRING, "this action answers an alert; name the one it is for")
        return await planning.drafted(
            book, action, rule, parameters=parameters, episode=episode, surroundings=self.rules.around
        )

    async def _episode(self, fingerprint: str | None) -> EpisodeRow | None:
        if fingerprint is None:
            return None
        of_alert = await self._read(lambda connection: queries.of_alert(connection, fingerprint, 1))
        if not of_alert:
            raise NotFound(f"no alert {fingerprint}")
        return of_alert[0]

    async def submit(self, person: Person, id_: str, plan_hash: str) -> Request:
        """Its requester has read the plan and wants it. Without approvals to wait for it is approved at once."""

        def work(change: Change, request: Request) -> Request:
            book = self.rules.current
            if person.id != request.person:
                raise Refusal(Why.NOT_PERMITTED, "who planned it submits it")
            action, rule = rulings.as_planned(book, request, plan_hash)
            rulings.in_time(request, change.now)
            if why := book.policy.may_request(person, rule):
                return change.turn(request, Turn.DENY, person.id, why)
            return rulings.submit(change, book, request, action, person.id)

        return await self._about(person, id_, "submit", work)

    # --- deciding on it -----------------------------------------------------------------------------------------------

    async def approve(self, person: Person, id_: str, plan_hash: str, reason: str) -> Request:
        """One approval of this very plan; with the last that was missing the request is approved."""

        def work(change: Change, request: Request) -> Request:
            book = self.rules.current
            after(request.state, Turn.APPROVE)
            action, rule = rulings.as_planned(book, request, plan_hash)
            rulings.in_time(request, change.now)
            rulings.allowed(book.policy.may_approve(person, rule, request.person))
            rulings.decide(change, person, request, Verdict.APPROVE, reason, unless=(Verdict.APPROVE, Verdict.REJECT))
            return rulings.approved_if_enough(change, book, request, action, person.id)

        return await self._about(person, id_, "approve", work)

    async def reject(self, person: Person, id_: str, plan_hash: str, reason: str) -> Request:
        """One word against it ends it, before it has started."""

        def work(change: Change, request: Request) -> Request:
            book = self.rules.current
            after(request.state, Turn.REJECT)
            if plan_hash != request.plan_hash:
                raise Refusal(Why.PLAN_CHANGED)
            rule = rulings.rule_of(book, request)
            rulings.allowed(book.policy.may_approve(person, rule, request.person))
            rulings.decide(change, person, request, Verdict.REJECT, reason, unless=(Verdict.REJECT,))
            return change.turn(request, Turn.REJECT, person.id, told={"reason": reason})

        return await self._about(person, id_, "reject", work)

    async def cancel(self, person: Person, id_: str, reason: str = "") -> Request:
        """Its requester does not want it any more; possible until it has started."""

        def work(change: Change, request: Request) -> Request:
            after(request.state, Turn.CANCEL)
            rulings.allowed(self.rules.current.policy.may_cancel(person, request.person))
            return change.turn(request, Turn.CANCEL, person.id, told={"reason": reason})

        return await self._about(person, id_, "cancel", work)

    async def review(self, person: Person, id_: str, reason: str) -> Request:
        """Somebody else has looked at it afterwards."""

        def work(change: Change, request: Request) -> Request:
            book = self.rules.current
            if request.state not in ENDED:
                raise Refusal(Why.WRONG_STATE, "it is reviewed once it has ended")
            rulings.allowed(book.policy.may_review(person, rulings.rule_of(book, request), request.person))
            rulings.decide(change, person, request, Verdict.REVIEW, reason, unless=(Verdict.REVIEW,))
            return request

        return await self._about(person, id_, "review", work)

    async def release(self, person: Person, id_: str, applied: bool, reason: str) -> Request:  # noqa: FBT001 - what became of it
        """One word on what became of what is in doubt; when enough people say the same, it is what they say.

        Of who has said both, the later word counts.
        """
        verdict = Verdict.APPLIED if applied else Verdict.NOT_APPLIED

        def work(change: Change, request: Request) -> Request:
            catalogue, policy = self.rules.current.catalogue, self.rules.current.policy
            if request.state is not State.IN_DOUBT:
                raise Impossible(request.state, Turn.APPLY)
            rulings.allowed(policy.may_release(person, request.person))
            known = work_if_known(change.connection, catalogue, request)
            if not applied:
                rulings.settled(change, catalogue, request, known)
            rulings.decide(change, person, request, verdict, reason, unless=(verdict,))
            told = change.words(f"request/{request.id}")
            last = {each.person: each for each in told if each.kind in {Verdict.APPLIED, Verdict.NOT_APPLIED}}
            words = [Approval(each.person, each.roles) for each in last.values() if each.kind is verdict]
            if policy.missing_release(request.person, words):
                return request
            result, undo = rulings.released(verdict, words), self._undo(request)
            return resolve(change, request, result, by=person.id, undo=undo, verifiable=known is not None)

        return await self._about(person, id_, "release", work)

    # --- freezes ------------------------------------------------------------------------------------------------------

    async def freeze(self, person: Person, scope: Scope, name: str, reason: str) -> Freeze:
        """Stops everything, an action or a target, until enough people lift it; each freeze pages."""

        def work(change: Change) -> Freeze:
            book = self.rules.current
            rulings.known(book, scope, name)
            rulings.allowed(book.policy.may_freeze(person))
            freeze = Freeze(new_id(), scope, name, person.id, reason, change.now)
            return freezes.put(change.connection, change.audit, freeze)

        return await self._ruled(person, {"doing": "freeze", "scope": scope.value, "name": name}, work)

    async def unfreeze(self, person: Person, id_: str, reason: str) -> Freeze:
        """One word for lifting it; with the last that was missing it is lifted."""

        def work(change: Change) -> Freeze:
            policy = self.rules.current.policy
            if (row := change.audit.read(change.connection, schema.freezes, id_)) is None:
                raise NotFound(f"no freeze {id_}")
            freeze = freezes.of(row)
            if freeze.lifted_at is not None:
                raise Refusal(Why.WRONG_STATE, "it has been lifted")
            rulings.allowed(policy.may_unfreeze(person, freeze.person))
            subject = f"freeze/{id_}"
            said = change.decisions(subject)
            if any(each.person == person.id for each in said):
                raise Refusal(Why.ALREADY_DECIDED)
            decision = Decision(
                new_id(), subject, Verdict.UNFREEZE, person.id, person.roles, "", planning.shown({}), reason, change.now
            )
            change.decide(decision)
            words = [Approval(each.person, each.roles) for each in (*said, decision)]
            if policy.missing_unfreeze(freeze.person, words):
                return freeze
            return freezes.lift(change.connection, change.audit, freeze, person.id, change.now)

        return await self._ruled(person, {"doing": "unfreeze", "freeze": id_}, work)

    async def test_notifiers(self, person: Person, names: Iterable[str]) -> str:
        """Records that a test message goes to each notifier of these names; the id of the test. Raises Refusal."""

        def work(change: Change) -> str:
            if why := self.rules.current.policy.may_test_notifiers(person):
                raise Refusal(why)
            id_, data = new_id(), {"notifiers": ", ".join(names)}
            kind, subject = "notifiers.tested", f"test/{id_}"
            change.audit.append(change.connection, kind=kind, subject=subject, by=person.id, data=data)
            return id_

        return await self._ruled(person, {"doing": "test_notifiers"}, work)

    # --- looking ------------------------------------------------------------------------------------------------------

    async def request(self, id_: str) -> Request:
        """Raises NotFound, and Forged where the row is not what was last recorded of it."""
        row = await self._read(lambda connection: self._audit.read(connection, schema.requests, id_))
        if row is None:
            raise NotFound(f"no request {id_}")
        return Request.of(row)

    async def requests(
        self, limit: int = 100, state: State | None = None, before: str | None = None, episode: int | None = None
    ) -> list[Request]:
        """From the newest, of one state or of all; `before`: from the one that follows this one; `episode`: that answer it.

        One whose row is not what was recorded is left out, and the engine told.
        """
        table = schema.requests
        query = select(table.c.id).order_by(table.c.created_at.desc(), table.c.id).limit(limit)
        if before is not None:
            made = select(table.c.created_at).where(table.c.id == before).scalar_subquery()
            query = query.where((table.c.created_at < made) | ((table.c.created_at == made) & (table.c.id > before)))
        if state is not None:
            query = query.where(table.c.state == state.value)
        if episode is not None:
            query = query.where(table.c.episode_id == episode)
        return await self.those(query)

    async def waiting(self, limit: int) -> list[tuple[Request, tuple[Decision, ...]]]:
        """What waits for a word of somebody, so many of each state, from the newest; with what was decided so far. Raises Forged."""
        table = schema.requests
        query = select(table.c.id).order_by(table.c.created_at.desc(), table.c.id).limit(limit)

        def look(connection: Connection) -> list[tuple[Request, tuple[Decision, ...]]]:
            states = (State.PENDING_APPROVAL, State.IN_DOUBT)
            ids = [id_ for state in states for id_ in connection.scalars(query.where(table.c.state == state.value))]
            genuine = filter(None, (self._genuine(connection, id_) for id_ in ids))
            return [(each, decisions(connection, self._audit, f"request/{each.id}")) for each in genuine]

        return await self._read(look)

    async def those(self, query: Select[tuple[str]]) -> list[Request]:
        """The requests of these ids, in their order. One whose row is not what was recorded is left out, and the engine told."""
        return await self._read(
            lambda connection: [*filter(None, map(partial(self._genuine, connection), connection.scalars(query).all()))]
        )

    def _genuine(self, connection: Connection, id_: str) -> Request | None:
        try:
            row = self._audit.read(connection, schema.requests, id_)
        except Forged as error:
            log.error("request/%s is left out: %s", id_, error)  # noqa: TRY400 - says it all
            self._changes.suspects.add(str(error))
            return None
        return None if row is None else Request.of(row)

    async def decisions(self, subject: str) -> list[Decision]:
        """What was decided about `request/…` or `freeze/…`, from the first. Raises Forged: nobody shall trust in a word that was
        never said.
        """
        return await self._read(lambda connection: list(decisions(connection, self._audit, subject)))

    async def effects(self, id_: str) -> tuple[Effect, ...]:
        """Of each step that was begun."""
        return await self._read(lambda connection: effects(connection, id_))

    async def freezes(self, limit: int = 100) -> list[Freeze]:
        """Those in force first, then the newest. Raises Forged where a row is gone or was changed."""
        rows = await self._read(lambda connection: self._audit.rows(connection, schema.freezes))
        every = sorted(map(freezes.of, rows), key=lambda freeze: (freeze.lifted_at is not None, -freeze.at, freeze.id))
        return every[:limit]

    # --- the rules ----------------------------------------------------------------------------------------------------

    async def adopt(self, rulebook: Rulebook, by: str) -> None:
        """Takes other rules, for all that is judged from now on: nothing recorded behind this is judged by those before."""
        before = self.rules.current
        for action in rulebook.catalogue.actions:
            self._changes.meters.know(action.name)

        def work(change: Change) -> None:
            data = {"catalogue": rulebook.catalogue.hash, "policy": rulebook.policy.hash}
            subject = f"rules/{rulebook.hash[:16]}"
            change.audit.append(change.connection, kind="rules.adopted", subject=subject, by=by, data=data)
            self.rules.current = rulebook

        try:
            await self._changes.make(work)
        except Exception:
            self.rules.current = before
            raise

    # --- common to all ------------------------------------------------------------------------------------------------

    def _undo(self, request: Request) -> str | None:
        action = self.rules.current.catalogue.action(request.action)
        return action.undo if action else None

    async def _about(self, person: Person, id_: str, doing: str, work: Callable[[Change, Request], Request]) -> Request:
        about = {"doing": doing, "request": id_}
        return await self._ruled(person, about, lambda change: work(change, change.request(id_)))

    async def _ruled(self, person: Person, about: Mapping[str, str], work: Callable[[Change], T]) -> T:
        return await judged(self._changes, person, about, work)

    async def _read(self, look: Callable[[Connection], T]) -> T:
        def read() -> T:
            try:
                with self._reading.begin() as connection:
                    return look(connection)
            except Forged as error:
                self._changes.suspects.add(str(error))
                raise

        return await asyncio.to_thread(read)


def _asked_before(change: Change, made: Request) -> Request | None:
    """The request that this person's key has made already. Raises Refusal where that was another."""
    if made.idempotency_key is None:
        return None
    query = select(schema.requests.c.id).filter_by(person=made.person, idempotency_key=made.idempotency_key)
    if (id_ := change.connection.execute(query).scalar()) is None:
        return None
    before = change.request(id_)
    for name in ("action", "parameters", "episode_id", "reason"):
        if getattr(before, name) != getattr(made, name):
            raise Refusal(Why.PLAN_CHANGED, "this idempotency key has asked for something else before")
    return before
