"""Carries one request on: starts it, runs its steps, asks what became of what is in doubt, verifies.

Every method may be cut off at any moment, and none leaves more behind than the database says: see docs/receiver.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine, select

from occ.errors import SourceError

from . import freezes, leases, planning, schema, underway, verification
from .actions import Applied, Attempt, Result, Step, TooLate, Unfit, executors
from .audit.checkpoints import CheckpointError
from .audit.seal import Audit
from .changes import Changes, Rules
from .clock import SECOND
from .clockguard import ClockGuard
from .families import Origin
from .leases import Fences
from .life import State
from .prometheus import Prometheus
from .requests import Change, Request
from .starting import Conditions, frozen, start
from .underway import Hand, Underway, Work, key_of, work_of
from .why import Why

log = logging.getLogger(__name__)

T = TypeVar("T")

GRACE = 1.0
"""Seconds that an executor has beyond the deadline to say what it knows."""

ASKING = 10.0
"""Seconds for one question about what became of an effect."""

PAUSES = (1, 2, 5, 10, 30, 60)
"""Seconds between questions about what is in doubt; then always the last."""

LOOKING = SECOND
"""Microseconds between two looks whether an action has worked."""


class Point(StrEnum):
    """Where a process may end, and a test makes it."""

    START = "start"
    """All was looked at; nothing is committed."""
    STARTED = "started"
    """An effect is committed as begun; nothing is sent."""
    CLEARED = "cleared"
    """It may be sent, and is about to."""
    SENT = "sent"
    """The executor has answered; nothing of that is committed."""
    RECORDED = "recorded"
    """The outcome is committed, with what follows."""
    RECONCILED = "reconciled"
    """It is known what became of what was in doubt; nothing of that is committed."""
    CONFIRMED = "confirmed"
    """It was seen to work; nothing of that is committed."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Means:
    """What carrying a request on needs. `cover` returns once the newest audit record is under a checkpoint outside the
    database, or raises CheckpointError; `outside` tells what freezes from outside the database.
    """

    changes: Changes
    reading: Engine
    audit: Audit
    rules: Rules
    prometheus: Prometheus
    cover: Callable[[], None]
    outside: Callable[[], str | None]
    guard: ClockGuard
    now: Callable[[], int]
    steady: Callable[[], int]


@dataclass(slots=True)
class Runner:
    """One process's hands. `holder` is what its leases say of it; `at` is told of every Point."""

    means: Means
    holder: str
    at: Callable[[Point], None] = lambda _: None
    fences: Fences = field(default_factory=Fences)
    held: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The keys of each request that holds some, as this process knows it."""
    sending: set[str] = field(default_factory=set)
    """Requests that this process is about to start, or has an effect of that it must commit the outcome of."""
    found: dict[str, int] = field(default_factory=dict)
    """When, by the steady clock, this process began or found the effect under way of each request."""
    looking: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By the steady clock, since when it is looked whether each request has worked, and when again."""
    asked: dict[str, int] = field(default_factory=dict)
    """How often it was asked in vain what became of it."""
    due: dict[str, int] = field(default_factory=dict)
    """When, by the steady clock, it is asked again."""

    # --- starting and running ---------------------------------------------------------------------------------------

    async def start(self, id_: str) -> None:
        """Starts an approved request, if nothing is against it, and runs it."""
        work = await self._work(id_)
        if work.request.state is not State.APPROVED:
            return
        conditions = await self._conditions(work)
        self.at(Point.START)
        self.sending.add(id_)
        try:
            following: Underway | Request = await self.means.changes.make(
                lambda change: start(change, work, conditions, self._hand(change))
            )
            while isinstance(following, Underway):
                following = await self._step(following)
        finally:
            self.sending.discard(id_)

    async def _conditions(self, work: Work) -> Conditions:
        sealed = self.means.audit.known.seq
        if not work.action.protective:
            sealed = await self._covered(sealed)
        seen = await self._seen(work)
        return Conditions(
            rules=self.means.rules,
            seen=seen,
            outside=self.means.outside,
            sealed=sealed,
            held={key for id_, keys in self.held.items() if id_ != work.request.id for key in keys},
            jumped=self.means.guard.jumped,
        )

    async def _covered(self, newest: int) -> int:
        """The newest audit record that is surely under a checkpoint outside the database; 0 where there is none."""
        try:
            await asyncio.to_thread(self.means.cover)
        except CheckpointError as error:
            log.error("no checkpoint, so nothing but what is protective starts: %s", error)  # noqa: TRY400 - says it all
            return 0
        return newest

    async def _seen(self, work: Work) -> Why | None:
        """What the live state has against it."""
        if why := await self._silent(work):
            return why
        try:
            steps = await planning.planned(work.steps, work.surroundings)
        except Unfit as unfit:
            return unfit.why
        return None if planning.same(work.request.plan, steps) else Why.OUT_OF_BOUNDS

    async def _silent(self, work: Work) -> Why | None:
        """Whether the alert that the action needs does not fire. A protective one does not wait for who can not tell, if a person
        asked for it; what nobody asked for needs the alert, whatever the action.
        """
        automatic = work.request.origin == Origin.AUTOMATIC
        if not (work.action.requires_firing or automatic):
            return None
        labels = work.request.evidence["alert"]  # of the sealed row: no change to an episode makes it another alert
        filled = {each.from_label for each in work.action.parameters.values()} & labels.keys()
        try:
            return None if await self.means.prometheus.firing(labels, filled) else Why.NOT_FIRING
        except SourceError as error:
            log.warning("request/%s: Prometheus can not be asked whether its alert fires: %s", work.request.id, error)
            return None if work.action.protective and not automatic else Why.SIGHT_LOST

    async def _step(self, begun: Underway) -> Underway | Request:
        """Sends an effect that is committed as begun, and commits what became of it."""
        id_ = begun.work.request.id
        self.held[id_], self.found[id_] = begun.work.keys, begun.began
        self.at(Point.STARTED)
        result = await self._sent(begun)
        self.at(Point.SENT)
        outside = self.means.outside()
        following = await self.means.changes.make(
            lambda change: underway.record(
                change,
                begun,
                result,
                partial(frozen, work=begun.work, outside=outside),
            )
        )
        self.at(Point.RECORDED)
        return following

    async def _sent(self, begun: Underway) -> Result:
        """What is not protective is sent only once a checkpoint knows that it was begun: a database that was put back, however
        young it is, must not begin it again. Who is not in charge any more signs none.
        """
        if not begun.work.action.protective:
            if not await self._read(partial(_mine, begun=begun)):
                return Result(Applied.NOT_APPLIED, Why.FENCED)
            if not await self._covered(self.means.audit.known.seq):
                return Result(Applied.NOT_APPLIED, Why.NO_CHECKPOINT)
        return await self._execute(begun)

    async def _execute(self, begun: Underway) -> Result:
        effect = begun.effect
        clear, left, settled = partial(self._clear, begun), self._until(begun.over), partial(self._settled, begun.work)
        attempt = Attempt(key_of(effect.request_id, effect.step), effect.fence, clear, left, settled)
        executor = executors()[begun.step.executor]
        try:
            async with asyncio.timeout(max(0.0, attempt.left()) + GRACE):
                result: Result = await executor.execute(begun.step, attempt, begun.work.surroundings)
                return result
        except TimeoutError:
            return Result(Applied.UNCLEAR, Why.DEADLINE)
        except Exception:  # the action runner's boundary: whatever failed, the effect may have been sent
            log.exception("request/%s: executor %s", begun.effect.request_id, begun.step.executor)
            return Result(Applied.UNCLEAR, Why.INTERNAL)

    async def _clear(self, begun: Underway) -> None:
        """Right before a send. Raises TooLate."""
        if not await self._read(partial(_mine, begun=begun)):
            raise TooLate(Why.FENCED)
        self.at(Point.CLEARED)
        if self.means.steady() >= begun.over:
            raise TooLate(Why.DEADLINE)

    # --- what is in doubt -------------------------------------------------------------------------------------------

    async def doubt(self, id_: str) -> None:
        """A request that is running by the database, and that nothing in this process runs: its outcome was lost."""
        self.found.setdefault(id_, self.means.steady())

        def work(change: Change) -> None:
            request = change.request(id_)
            if request.state is State.RUNNING:
                underway.doubt(change, request, self._undo(request))

        await self.means.changes.make(work)

    async def reconcile(self, id_: str) -> None:
        """Asks the target what became of an effect. Not applied is believed only once nothing that was sent can come."""
        if self.means.steady() < self.due.get(id_, 0):
            return
        work = await self._work(id_)
        if work.request.state is not State.IN_DOUBT:
            return
        step = await self._read(partial(underway.step_of, request=work.request))
        attempt = await self._question(work, step, partial(self._settled, work))
        settled = attempt.final()
        result = await self._ask(work, work.steps[step], attempt, "reconcile")
        if result.applied is Applied.UNCLEAR or (result.applied is Applied.NOT_APPLIED and not settled):
            self._later(id_)
            return
        self.at(Point.RECONCILED)
        await self.means.changes.make(
            lambda change: underway.resolve(
                change, change.request(id_), result, by=freezes.RECEIVER, undo=work.action.undo
            )
        )

    async def _ask(self, work: Work, step: Step, attempt: Attempt, what: str) -> Result:
        """What an executor says of an effect, where it says anything."""
        try:
            async with asyncio.timeout(ASKING):
                ask = getattr(executors()[step.executor], what)
                result: Result = await ask(step, attempt, work.surroundings)
                return result
        except TimeoutError:
            return Result(Applied.UNCLEAR, Why.UNREACHABLE)
        except Exception:  # the action runner's boundary: it can be asked again
            log.exception("request/%s: executor %s can not %s", work.request.id, step.executor, what)
            return Result(Applied.UNCLEAR, Why.INTERNAL)

    def _later(self, id_: str) -> None:
        count = self.asked.get(id_, 0)
        self.asked[id_] = count + 1
        self.due[id_] = self.means.steady() + PAUSES[min(count, len(PAUSES) - 1)] * SECOND

    # --- what was applied -------------------------------------------------------------------------------------------

    async def verify(self, id_: str) -> None:
        """Looks once whether it has worked; gives up when its time is over. Whoever goes on after a restart has it anew."""
        since, due = self.looking.setdefault(id_, (self.means.steady(), 0))
        if self.means.steady() < due:
            return
        work = await self._work(id_)
        if work.request.state is not State.VERIFYING or work.request.applied_at is None:
            return
        over = self.means.steady() - since >= int(work.action.verify.within * SECOND)
        confirmed, facts = await self._looked(work, work.request.applied_at)
        if confirmed:
            self.at(Point.CONFIRMED)
            await self.means.changes.make(lambda change: underway.confirm(change, id_, facts))
        elif over:
            undo = work.action.undo
            await self.means.changes.make(lambda change: underway.not_confirmed(change, id_, facts, undo))
        else:
            self.looking[id_] = since, self.means.steady() + LOOKING
            return
        self.at(Point.ENDED)

    async def _looked(self, work: Work, applied_at: int) -> tuple[bool, Mapping[str, str]]:
        """Whether each target tells that its step is done, and then Prometheus that it has worked."""
        for step in work.steps:
            attempt = await self._question(work, step.index, lambda: True)
            told = await self._ask(work, step, attempt, "verify")
            if told.applied is not Applied.APPLIED:
                return False, {"step": str(step.index), **told.facts}
        condition = work.action.verify.filled(work.request.parameters)
        seen = await verification.look(condition, applied_at, self.means.prometheus)
        return seen.confirmed, {"seen": seen.said}

    # --- common to all ----------------------------------------------------------------------------------------------

    def known(self) -> set[str]:
        """The requests that something is remembered of."""
        return {*self.held, *self.found, *self.looking, *self.asked, *self.due}

    def forget(self, id_: str) -> None:
        """Once a request has ended."""
        for known in (self.held, self.found, self.looking, self.asked, self.due):
            known.pop(id_, None)

    async def _question(self, work: Work, step: int, settled: Callable[[], bool]) -> Attempt:
        """What executors are given to ask with: nothing can be sent again by it."""
        fence = await self._read(partial(_fence, request=work.request.id))
        left = self._until(self.means.steady() + int(ASKING * SECOND))
        return Attempt(key_of(work.request.id, step), fence, _never, left, settled)

    def _settled(self, work: Work) -> bool:
        """Whether nothing that was sent can take effect any more.

        By the steady clock, from when this process began the effect or found it: nobody can set it, in the machine or in the
        database, and what another process sent was sent before.
        """
        found = self.found.setdefault(work.request.id, self.means.steady())
        return self.means.steady() - found > work.patience

    def _until(self, instant: int) -> Callable[[], float]:
        """Seconds left until an instant of the steady clock."""
        return lambda: (instant - self.means.steady()) / SECOND

    def _hand(self, change: Change) -> Hand:
        return Hand(self.holder, self.fences.next(change.now), self.means.steady)

    def _undo(self, request: Request) -> str | None:
        action = self.means.rules.current.catalogue.action(request.action)
        return action.undo if action else None

    async def _work(self, id_: str) -> Work:
        rules = self.means.rules

        def read(connection: Connection) -> Work:
            row = self.means.audit.read(connection, schema.requests, id_)
            if row is None:
                raise LookupError(f"no request {id_}")
            return work_of(connection, rules.current.catalogue, Request.of(row), rules.around)

        return await self._read(read)

    async def _read(self, look: Callable[[Connection], T]) -> T:
        def read() -> T:
            with self.means.reading.begin() as connection:
                return look(connection)

        return await asyncio.to_thread(read)


def _mine(connection: Connection, *, begun: Underway) -> bool:
    id_ = begun.work.request.id
    state = connection.execute(select(schema.requests.c.state).filter_by(id=id_)).scalar()
    held = leases.held(connection, begun.work.keys, id_, begun.hand.holder, begun.effect.fence)
    return held and state == State.RUNNING.value


def _fence(connection: Connection, *, request: str) -> int:
    """Under which the request's keys are held now."""
    query = select(schema.leases.c.fence).filter_by(request_id=request)
    return connection.execute(query).scalars().first() or 0


async def _never() -> None:
    """Nothing is sent again by who only asks."""
    raise TooLate(Why.DEADLINE)
