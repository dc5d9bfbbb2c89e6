"""Looks after incidents while nobody asks it to: soon after every notification, and every second.

Notifications are not kept waiting by it: what they bring is read beside them, and written in small transactions of its own. What
it has not come to when the process ends is found by the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import Engine

from receiver.audit.seal import Forged
from receiver.changes import Rules
from receiver.clock import SECOND
from receiver.health import Condition, Finding
from receiver.writer import NotDurable

from . import escalation, members, opening, settling, telling
from .changes import IncidentChanges
from .meters import Going, going
from .store import Entry

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks when nothing is committed."""

PAUSE = 0.2
"""Seconds between two looks at least: in a storm of alerts many are taken in at once."""


LATE = 60 * SECOND
"""So long may nobody look before that is worth saying."""

AT_ONCE = 25
"""Episodes, or incidents, that are written about in one transaction: notifications wait for it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Todo:
    """What a look has found: whether episodes became part of others, which episodes want an incident, how far the cursor is behind
    the newest one, which incidents stand otherwise than is written, which are due, and whether of any people are still to be told.
    """

    absorbed: bool
    wanting: Sequence[int]
    newest: int
    behind: int
    turning: Sequence[str]
    due: Sequence[str]
    owed: bool

    @property
    def anything(self) -> bool:
        more = self.turning or self.due or self.owed
        return bool(self.absorbed or self.wanting or self.behind >= members.FAR or more)


class Watch:
    """Runs until it is cancelled. `asked` is whether it is asked of every end of an alert if sight of its entity was lost."""

    def __init__(
        self, changes: IncidentChanges, reading: Engine, rules: Rules, now: Callable[[], int], *, asked: bool = False
    ) -> None:
        self._changes, self._reading, self._rules, self._now = changes, reading, rules, now
        self.asked = asked
        self._woken = asyncio.Event()
        self._looked: int | None = None
        self._complaint = ""

    def wake(self) -> None:
        """Something was committed that may be about an incident."""
        self._woken.set()

    def finding(self) -> Finding:
        """Whether incidents were looked after lately, and without a complaint."""
        if self._complaint:
            return Finding(Condition.ILL, f"nobody looks after them: {self._complaint}", self._looked)
        if self._looked is None:
            return Finding(Condition.UNKNOWN, "nobody has looked after them yet")
        if self._now() - self._looked > LATE:
            return Finding(Condition.ILL, "nobody has looked after them for too long", self._looked)
        return Finding(Condition.WELL, "every page has one, and each is told in its time", self._looked)

    async def run(self) -> None:
        while True:
            self._woken.clear()
            said = await self._tried()
            if said and said != self._complaint:
                log.error("incidents can not be looked after: %s", said)
            self._complaint = said
            await self._rest()

    async def _tried(self) -> str:
        """What went wrong, if anything did; then all that was to be done is still to be done."""
        try:
            await self.look()
        except (Forged, NotDurable) as error:
            self._changes.meters.unknown()
            return str(error)
        except Exception:
            self._changes.meters.unknown()
            self._complaint = "an error of OCC's own; the log has it"
            raise
        return ""

    async def _rest(self) -> None:
        await asyncio.sleep(PAUSE)
        try:
            async with asyncio.timeout(EVERY - PAUSE):
                await self._woken.wait()
        except TimeoutError:
            return

    async def look(self) -> None:
        """Does all that is to be done now. Raises NotDurable and Forged."""
        asked = self.asked
        while (todo := await asyncio.to_thread(self._todo, asked)).anything:
            await self._do(todo, asked)
        await self._show()

    async def _do(self, todo: Todo, asked: bool) -> None:  # noqa: FBT001 - as `members.turning` takes it
        make = self._write
        if todo.absorbed:
            await make(opening.follow)
        for part in _parts(todo.wanting):
            await make(partial(opening.take_in, episodes=part))
        if todo.wanting or todo.behind >= members.FAR:
            await make(lambda entry: members.advance(entry.connection, todo.newest))
        for few in _parts(todo.turning):
            await make(partial(settling.settle, incidents=few, asked=asked))
        for few in _parts(todo.due):
            await make(partial(escalation.escalate, among=few))
        if todo.owed:
            await make(telling.tell_owed)

    async def _write(self, work: Callable[[Entry], None]) -> None:
        """One part of it; however much there is to do, the numbers are of the last second."""
        await self._changes.make(work)
        if self._looked is None or self._now() - self._looked >= SECOND:
            await self._show()

    async def _show(self) -> None:
        self._changes.meters.stand(await asyncio.to_thread(self._going))
        self._looked = self._now()

    def _todo(self, asked: bool) -> Todo:  # noqa: FBT001 - as `members.turning` takes it
        now, policy = self._now(), self._rules.current.policy
        with self._reading.begin() as connection:
            newest = members.newest(connection)
            return Todo(
                absorbed=bool(members.absorbed(connection)),
                wanting=members.wanting(connection),
                newest=newest,
                behind=newest - members.cursor(connection),
                turning=[stand.incident.id for stand in members.turning(connection, now, asked=asked)],
                due=[incident.id for incident in escalation.due(connection, policy, now)],
                owed=bool(telling.owed(connection, now)),
            )

    def _going(self) -> Going:
        with self._reading.begin() as connection:
            return going(connection)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
