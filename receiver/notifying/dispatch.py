"""Tells the notifiers what stands in the outbox, at least once each, and none of them holds up another.

Each notifier is told one thing at a time. What fails for a moment is tried again at once; what fails for longer again and again,
ever less often, for a day; what is refused is given up.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

import stamina
from sqlalchemy import Connection, Engine

from occ.errors import HttpError, RateLimitError, Reason, SourceError
from occ.page import Column, Event, Page
from receiver.clock import SECOND
from receiver.families import NOTIFIER_DELIVERIES, NOTIFIER_WAITING, Told
from receiver.writer import NotDurable, Writer

from . import deliveries
from .deliveries import FARTHEST, TOO_OLD, Delivery, GivenUp, State
from .message import Message
from .notifier import Notifier

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks at the outbox."""

TRIES = 3
"""Times that it is tried at once; with the pauses between them that takes two seconds beside the requests themselves."""

LONGEST_PAUSE = 60.0
"""Seconds between two attempts at most, unless the far side asks for more."""

PATIENCE = 3.0
"""Seconds that what is being sent may take to the end when the process is told to stop."""

_PASSING = frozenset({Reason.CONNECT, Reason.DNS, Reason.SERVER_ERROR})
_LATER = frozenset({408, 425})
"""Statuses of the client's errors that say nothing against what was sent."""

T = TypeVar("T")

stamina.instrumentation.set_on_retry_hooks(
    ()
)  # they would log without saying what failed, and count on a page of their own


class Dispatcher:
    """Tells notifiers until it is cancelled. Used from the event loop alone."""

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        *,
        reading: Engine,
        writer: Writer[Any],
        page: Page,
        now: Callable[[], int],
    ) -> None:
        self._reading, self._writer, self._page, self.now = reading, writer, page, now
        self._woken = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._held: dict[str, int] = {}
        """Until when a notifier has asked to be left alone."""
        self._spread_to: tuple[Notifier, ...] | None = None
        """Those that all that is open was last given to; None: nobody yet."""
        self._ending = False
        self.follow(notifiers)

    def follow(self, notifiers: Sequence[Notifier]) -> None:
        """Tells these from now on. What is being sent goes on; what is left to one that is gone waits until the rest is told."""
        self.notifiers = tuple(notifiers)
        for notifier in self.notifiers:
            for outcome in Told:
                self._count(notifier.name, outcome, 0)
        self.wake()

    def wake(self) -> None:
        """Has it look now."""
        self._woken.set()

    async def run(self) -> None:
        self._ending = False
        try:
            while True:
                self._woken.clear()
                await self.look()
                await self._rest()
        finally:
            await self._finish()

    async def look(self) -> None:
        """Gives each notifier what is new, and has those told on who have something to tell."""
        try:
            await self._spread()
        except NotDurable as error:
            log.error("nobody can be told anything: %s", error)  # noqa: TRY400 - it says all
            return
        for notifier in self.notifiers:
            if notifier.name not in self._tasks:
                task = asyncio.create_task(self._drain(notifier.name), name=f"notifier {notifier.name}")
                self._tasks[notifier.name] = task
                task.add_done_callback(self._drained)
        await self._show()

    async def still(self) -> None:
        """Returns once nothing is being sent."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))
            await asyncio.sleep(0)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(EVERY):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _finish(self) -> None:
        self._ending = True
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- from the outbox to the notifiers -----------------------------------------------------------------------------

    async def _spread(self) -> None:
        there, names = self.notifiers, self._names()
        if self._spread_to is there and not await self._read(lambda it: deliveries.unspread(it, names)):
            return
        self._lost(await self._writer.run(lambda it: deliveries.spread(it, there, self.now())))
        self._spread_to = there
        self.wake()  # there may be more

    def _lost(self, given_up: Iterable[GivenUp]) -> None:
        for each in given_up:
            log.error("notifier %s has given up %s: %s", each.notifier, each.subject, each.failure)
            self._count(each.notifier, Told.GIVEN_UP)

    async def _show(self) -> None:
        counted = await self._read(deliveries.waiting)
        rows = tuple({"target": name} for name in self._names())
        values = [float(counted.get(name, 0)) for name in self._names()]
        self._page.put("notifying", [Column(NOTIFIER_WAITING, rows, values)])

    # --- one notifier -------------------------------------------------------------------------------------------------

    async def _drain(self, name: str) -> None:
        """Tells the notifier all that is due. It is the one in force at each, and none once it is gone."""
        while not self._ending and (notifier := self._named(name)) and not self._rests(name):
            delivery = await self._read(lambda connection: deliveries.due(connection, name, self.now()))
            if delivery is None:
                return
            await self._tell(notifier, delivery)

    def _rests(self, name: str) -> bool:
        """Whether it has asked to be left alone for longer; not by a clock that has been set back since."""
        return 0 < self._held.get(name, 0) - self.now() <= FARTHEST

    def _drained(self, task: asyncio.Task[None]) -> None:
        name = task.get_name().removeprefix("notifier ")
        self._tasks.pop(name, None)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, NotDurable):
            log.error("what notifier %s was told is not recorded, and told again: %s", name, error)
        else:
            log.critical("notifier %s could not be told on, and is tried again", name, exc_info=error)

    async def _tell(self, notifier: Notifier, delivery: Delivery) -> None:
        after = self.now() + pause(delivery.attempts + 1)
        await self._writer.run(lambda connection: deliveries.begin(connection, delivery, self.now(), after))
        try:
            await attempt(notifier, delivery.message)
        except SourceError as error:
            await self._failed(delivery, error)
        else:
            await self._end(delivery, State.DELIVERED, "")
            self._count(delivery.notifier, Told.DELIVERED)

    async def _failed(self, delivery: Delivery, error: SourceError) -> None:
        asked = int((getattr(error, "retry_after", None) or 0) * SECOND)
        after = self.now() + max(asked, pause(delivery.attempts + 1))
        self._held[delivery.notifier] = self.now() + asked
        if refuses(error) or after > delivery.message.at + TOO_OLD:
            await self._end(delivery, State.GIVEN_UP, str(error))
            self._lost([GivenUp(delivery.notifier, delivery.message.subject, str(error))])
            return
        log.warning("notifier %s can not be told of %s: %s", delivery.notifier, delivery.message.subject, error)
        await self._writer.run(lambda connection: deliveries.failed(connection, delivery, str(error), after))
        self._count(delivery.notifier, Told.FAILED)

    async def _end(self, delivery: Delivery, state: State, failure: str) -> None:
        def work(connection: Connection) -> list[GivenUp]:
            return deliveries.end(connection, delivery, state, failure, names=self._names(), now=self.now())

        self._lost(await self._writer.run(work))

    def _names(self) -> Collection[str]:
        return [notifier.name for notifier in self.notifiers]

    def _named(self, name: str) -> Notifier | None:
        return next((notifier for notifier in self.notifiers if notifier.name == name), None)

    def _count(self, name: str, outcome: Told, amount: int = 1) -> None:
        self._page.count(Event(NOTIFIER_DELIVERIES, {"target": name, "outcome": outcome.value}, amount))

    async def _read(self, look: Callable[[Connection], T]) -> T:
        def read() -> T:
            with self._reading.begin() as connection:
                return look(connection)

        return await asyncio.to_thread(read)


async def attempt(notifier: Notifier, message: Message) -> None:
    """Tells it, and again at once where only the way there failed. Raises SourceError."""
    async for each in stamina.retry_context(
        on=_passes, attempts=TRIES, timeout=None, wait_initial=0.2, wait_max=1.0, wait_jitter=0.2
    ):
        with each:
            await notifier.send(message)


def _passes(error: Exception) -> bool:
    """A far side that says when to come again is not asked before."""
    asked = getattr(error, "retry_after", None)
    return isinstance(error, SourceError) and error.reason in _PASSING and asked is None


def refuses(error: SourceError) -> bool:
    """Whether the far side will not take it however often it is sent."""
    if isinstance(error, RateLimitError) or not isinstance(error, HttpError):
        return False
    return 400 <= error.status < 500 and error.status not in _LATER  # noqa: PLR2004 - the client's errors


def pause(attempts: int) -> int:
    """Microseconds until the next attempt: 1 s, 2 s, 4 s and so on, of which a random part up to the half is taken away."""
    longest = min(LONGEST_PAUSE, 2.0 ** min(attempts - 1, 10))
    return int(longest * random.uniform(0.5, 1.0) * SECOND)
