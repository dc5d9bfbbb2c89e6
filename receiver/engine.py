"""The engine: what a process does about requests while nobody asks it to. It looks whenever something was committed, and every
second; each request that can be carried on has a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import islice
from typing import NamedTuple

from sqlalchemy import select

from . import freezes, leases, requests, schema, underway
from .audit.chain import Record
from .audit.seal import Forged
from .audit.walk import Fault, Trouble
from .clock import SECOND
from .clockguard import MOST
from .leases import Fenced
from .life import ENDED, HOLDING, State, Turn
from .meters import ActionMeters
from .outbox import Notice
from .requests import Change, Request, expired
from .runner import Means, Point, Runner
from .why import SENTENCES, Why
from .writer import NotDurable

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks when nothing is committed."""

PATIENCE = 15.0
"""Seconds that what is being sent may take to the end when the process is told to stop."""

LOOK_BACK = 1000
"""Records of the audit that are looked at for the last fence, and for a clock that was set back between two processes."""

WAITING = (State.PLANNED, State.PENDING_APPROVAL, State.APPROVED)
"""States of requests that have not started, and may."""

CARRIED = (State.APPROVED, State.RUNNING, State.VERIFYING, State.IN_DOUBT)
"""States that the engine itself leads out of."""


class Open(NamedTuple):
    """What is looked at of each request that has not ended: no more of a row than that can be in the way of the others."""

    id: str
    action: str
    state: State
    approve_by: int | None
    approved_at: int | None
    start_by: int | None

    def late(self, now: int) -> bool:
        """Whether it has expired, as far as can be seen; a row that holds nonsense is one to look at closely."""
        try:
            return expired(self, now) is not None
        except TypeError:
            return True


class Engine:
    """Carries requests on from their approval to their end. `troubles` are what the audit found wrong at the start."""

    def __init__(
        self,
        means: Means,
        meters: ActionMeters,
        *,
        troubles: tuple[Trouble, ...] = (),
        at: Callable[[Point], None] = lambda _: None,
    ) -> None:
        self._means, self._meters, self._troubles = means, meters, troubles
        self._runner = Runner(means, requests.new_id(), at)
        self.tasks: dict[str, asyncio.Task[None]] = {}
        """What is carried on now, by request."""
        self._outside: str | None = None
        """What froze from outside when people were last told."""
        self._forged: set[str] = set()
        self._alarmed = set(map(str, troubles))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At work until the end of the context. What was found started is taken over before anything else."""
        await self.take_over()
        loop = asyncio.create_task(self._run(), name="engine")
        try:
            yield
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            await self._finish()

    async def _run(self) -> None:
        while True:
            self._means.changes.committed.clear()
            try:
                await self.tick()
            except Exception:  # the action runner's boundary: the next look is a second away
                log.exception("the engine could not look at what there is to do")
                self._meters.unknown()
            try:
                async with asyncio.timeout(EVERY):
                    await self._means.changes.committed.wait()
            except TimeoutError:
                pass

    async def _finish(self) -> None:
        """Lets what is being sent end, and cuts the rest off: the database says how things stand."""
        under_way = {task for id_, task in self.tasks.items() if id_ in self._runner.sending}
        if under_way:
            await asyncio.wait(under_way, timeout=PATIENCE)
        for task in (left := list(self.tasks.values())):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # --- one look ---------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Looks once: at the clock, at what has expired, at what can be carried on."""
        if self._means.guard.jumped():
            await self._jumped()
        await self.alarm(tuple(self._means.changes.suspects))
        standing = await asyncio.to_thread(self._standing)
        for request in standing:  # first of all: however much has expired, it keeps nothing waiting
            if request.state in CARRIED and request.id not in self.tasks and request.id not in self._forged:
                self._carry(request)
        late = [request.id for request in standing if request.late(self._means.now())]
        await asyncio.gather(*(self._apart(id_, self._expire(id_)) for id_ in late if id_ not in self._forged))
        await self._show(standing)
        await self._tell_of_outside()
        for id_ in self._runner.known() - {request.id for request in standing} - self.tasks.keys():
            await self._apart(id_, self._forget(id_))

    def _standing(self) -> list[Open]:
        """All that have not ended, as the database has them; nothing is done before its seal is checked."""
        table = schema.requests
        columns = [table.c[name] for name in Open._fields]
        query = select(*columns).where(table.c.state.in_([state.value for state in State if state not in ENDED]))
        with self._means.reading.begin() as connection:
            rows = connection.execute(query.order_by(table.c.created_at)).all()
        return [Open(**{**row._asdict(), "state": State(row.state)}) for row in rows]

    def _carry(self, request: Open) -> None:
        runner = self._runner
        carried = {
            State.APPROVED: runner.start,
            State.RUNNING: runner.doubt,
            State.IN_DOUBT: runner.reconcile,
            State.VERIFYING: runner.verify,
        }[request.state](request.id)
        task = asyncio.create_task(self._apart(request.id, carried), name=f"request/{request.id}")
        self.tasks[request.id] = task
        task.add_done_callback(lambda _: self.tasks.pop(request.id))

    async def _apart(self, id_: str, carried: Awaitable[None]) -> None:
        """The action runner's boundary: what fails with one request leaves the others alone."""
        try:
            await carried
        except Forged as error:
            await self._tampered(id_, error)
        except Fenced as error:
            log.critical("%s; what came of it is left to whoever has it", error)
        except Exception:  # whatever it was, the database says how the request stands, and it is looked at again
            log.exception("request/%s could not be carried on", id_)

    async def _expire(self, id_: str) -> None:
        def work(change: Change) -> None:
            request = change.request(id_)
            if why := expired(request, change.now):
                change.turn(request, Turn.EXPIRE, freezes.RECEIVER, why)

        await self._means.changes.make(work)

    async def _forget(self, id_: str) -> None:
        """What looks as if it had ended lets go of its keys only if it has, by a row that is ours."""

        def ended() -> bool:
            with self._means.reading.begin() as connection:
                row = self._means.audit.read(connection, schema.requests, id_)
            return row is None or Request.of(row).state in ENDED

        if await asyncio.to_thread(ended):
            self._runner.forget(id_)

    async def _show(self, standing: list[Open]) -> None:
        counted = Counter((request.action, request.state) for request in standing)
        self._meters.stand(counted, frozen=await asyncio.to_thread(self._frozen))

    def _frozen(self) -> bool:
        if self._means.outside():
            return True
        try:
            with self._means.reading.begin() as connection:
                return bool(freezes.standing(connection, self._means.audit))
        except Forged:
            return True

    async def _tell_of_outside(self) -> None:
        """A freeze by the file or the environment pages as any other does; at the start as well."""
        outside = await asyncio.to_thread(self._means.outside)
        if (outside is None) == (self._outside is None):
            return
        await self._means.changes.make(
            lambda change: freezes.told_of_outside(change.connection, change.audit, outside, change.now)
        )
        self._outside = outside

    # --- what must not be -------------------------------------------------------------------------------------------

    async def _tampered(self, id_: str, error: Forged) -> None:
        """Rows were written by somebody else: nothing starts until people have looked. The forged row is left as it is."""
        if id_ in self._forged:
            return
        log.critical("request/%s: %s", id_, error)
        self._forged.add(id_)

        def work(change: Change) -> None:
            freezes.by_receiver(change.connection, change.audit, Notice.TAMPERED, str(error), change.now)
            with _unless_forged(change):
                _stop(change, change.request(id_), Why.FORGED)

        await self._urgent(work)

    async def alarm(self, found: Iterable[object]) -> None:
        """Others have found what is not as it was recorded: nothing starts until people have looked. Each is said once."""
        if not (new := sorted({str(each) for each in found} - self._alarmed)):
            return
        log.critical("the database was changed from outside: %s", "; ".join(new))
        self._alarmed.update(new)
        reason = f"{SENTENCES[Why.FORGED]}; {new[0]}"
        await self._urgent(
            lambda change: freezes.by_receiver(change.connection, change.audit, Notice.TAMPERED, reason, change.now)
        )

    async def _urgent(self, work: Callable[[Change], None]) -> None:
        try:
            await self._means.changes.make(work)
        except (Forged, NotDurable):
            log.critical("the audit was changed from outside, or can not be written: nothing can be done any more")

    async def _jumped(self) -> None:
        """What waits has times that mean nothing now, so it does not start; the rest waits until people have looked."""
        guard = self._means.guard
        log.error("the clock of this machine jumped by %.3f s", guard.jump() / SECOND)
        reason = f"the clock of this machine jumped by {guard.jump() / SECOND:.3f} s"
        await self._means.changes.make(lambda change: _clock(change, reason))
        guard.settle()

    # --- after a restart --------------------------------------------------------------------------------------------

    async def take_over(self) -> None:
        """Makes what was started this process's; what was being sent when the last one ended is in doubt."""
        self._runner.held.update(await self._means.changes.make(self._taken_over))

    def _taken_over(self, change: Change) -> dict[str, tuple[str, ...]]:
        if self._troubles:
            _restored(change, self._troubles)
        last = list(islice(change.audit.back(change.connection), LOOK_BACK))
        self._runner.fences.last = max((_fence(entry) for entry in last), default=0)
        if not self._troubles and max((entry.at for entry in last), default=0) > change.now + MOST:
            _clock(change, "the clock of this machine is behind what it was when the last process ended")
        held = {}
        for id_ in requests.ids(change.connection, HOLDING):
            try:
                with change.connection.begin_nested():
                    held[id_] = self._taken(change, change.request(id_))
            except Forged as error:
                log.critical("request/%s: %s", id_, error)
                self._forged.add(id_)
                freezes.by_receiver(change.connection, change.audit, Notice.TAMPERED, str(error), change.now)
        _let_go(change, set(held))
        return held

    def _taken(self, change: Change, request: Request) -> tuple[str, ...]:
        work = underway.work_if_known(change.connection, self._means.rules.current.catalogue, request)
        if work is None:
            log.error("request/%s can not be read as it was planned; people must release it", request.id)
            keys, undo = underway.keys_of(change, request), None
        else:
            keys, undo = work.keys, work.action.undo
        fence = self._runner.fences.next(change.now)
        leases.take(change.connection, keys, request.id, self._runner.holder, fence=fence, until=change.now)
        if request.state is State.RUNNING:
            underway.doubt(change, request, undo)
        return keys


def _let_go(change: Change, held: Collection[str]) -> None:
    """Leases of what does not hold any: rows that nobody could release, because they were not written by us."""
    for id_ in leases.holders(change.connection) - set(held):
        with suppress(Forged):  # who knows what it holds
            row = change.audit.read(change.connection, schema.requests, id_)
            if row is None or Request.of(row).state not in HOLDING:
                leases.release(change.connection, id_)


@contextmanager
def _unless_forged(change: Change) -> Iterator[None]:
    """Where the row, or what the database makes of it, is not ours: nothing of it, and the rest all the same."""
    with suppress(Forged), change.connection.begin_nested():
        yield


def _stop(change: Change, request: Request, why: Why) -> None:
    """Ends what has not started, and what can not be verified; what nobody runs any more is in doubt.

    What was not even submitted can only expire.
    """
    if request.state in WAITING:
        change.turn(request, Turn.EXPIRE if request.state is State.PLANNED else Turn.BLOCK, freezes.RECEIVER, why)
    elif request.state is State.RUNNING:
        underway.doubt(change, request, None)
    elif request.state is State.VERIFYING:
        underway.tell(change, change.turn(request, Turn.FAIL, freezes.RECEIVER, why), None)


def _clock(change: Change, reason: str) -> None:
    freezes.by_receiver(change.connection, change.audit, Notice.CLOCK, reason, change.now)
    for id_ in requests.ids(change.connection, WAITING):
        with _unless_forged(change):
            _stop(change, change.request(id_), Why.CLOCK)


def _restored(change: Change, troubles: tuple[Trouble, ...]) -> None:
    """The database is not what it was, or was put back: nothing of what it says is to be done is done."""
    old = any(trouble.fault in {Fault.TRUNCATION, Fault.FORK, Fault.CHECKPOINT} for trouble in troubles)
    why = Why.RESTORED if old else Why.FORGED
    reason = f"{SENTENCES[why]}; {troubles[0]}"
    freezes.by_receiver(change.connection, change.audit, Notice.TAMPERED, reason, change.now)
    for id_ in requests.ids(change.connection, (*WAITING, State.VERIFYING)):
        with _unless_forged(change):
            request = change.request(id_)
            turn = Turn.FAIL if request.state is State.VERIFYING else Turn.EXPIRE
            underway.tell(change, change.turn(request, turn, freezes.RECEIVER, why), None)


def _fence(entry: Record) -> int:
    """The fence that a record tells of; 0 where it tells of none."""
    return int(str(entry.data["fence"])) if entry.kind == f"request.{State.RUNNING}" else 0
