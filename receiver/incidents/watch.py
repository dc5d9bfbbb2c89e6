"""Looks after incidents while nobody asks it to: soon after every notification, and every second.

Notifications are not kept waiting by it: what they bring is read beside them, and written in small transactions of its own. What
it has not come to when the process ends is found by the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy import Engine

from receiver.audit.seal import Forged
from receiver.changes import Rules
from receiver.writer import NotDurable

from . import escalation, members, opening, settling
from .changes import IncidentChanges
from .meters import Going, going
from .store import Entry

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks when nothing is committed."""

PAUSE = 0.2
"""Seconds between two looks at least: in a storm of alerts many are taken in at once."""


class Watch:
    """Runs until it is cancelled. `asked` is whether it is asked of every end of an alert if sight of its entity was lost."""

    def __init__(
        self, changes: IncidentChanges, reading: Engine, rules: Rules, now: Callable[[], int], *, asked: bool = False
    ) -> None:
        self._changes, self._reading, self._rules, self._now = changes, reading, rules, now
        self.asked = asked
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was committed that may be about an incident."""
        self._woken.set()

    async def run(self) -> None:
        complaint = ""
        while True:
            self._woken.clear()
            said = await self._tried()
            if said and said != complaint:
                log.error("incidents can not be looked after: %s", said)
            complaint = said
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
        while await asyncio.to_thread(self._anything, asked):
            await self._changes.make(lambda entry: _do(entry, asked))
        self._changes.meters.stand(await asyncio.to_thread(self._going))

    def _anything(self, asked: bool) -> bool:  # noqa: FBT001 - as `members.turning` takes it
        now, policy = self._now(), self._rules.current.policy
        with self._reading.begin() as connection:
            behind = members.newest(connection) - members.cursor(connection)
            return bool(
                behind >= members.FAR
                or members.wanting(connection)
                or members.absorbed(connection)
                or members.turning(connection, now, asked=asked)
                or escalation.due(connection, policy, now)
            )

    def _going(self) -> Going:
        with self._reading.begin() as connection:
            return going(connection)


def _do(entry: Entry, asked: bool) -> None:  # noqa: FBT001 - as `members.turning` takes it
    """A part of it, as much as may be done at once."""
    opening.take_in(entry)
    settling.settle(entry, asked=asked)
    escalation.escalate(entry)
