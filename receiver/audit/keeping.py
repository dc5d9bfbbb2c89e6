"""Watches over the audit while the receiver runs: checkpoints of what is new, and a look at all there is now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from occ.page import Column, Event, Page
from receiver.clock import SECOND
from receiver.families import AUDIT_CHECKPOINT, AUDIT_ENTRIES, AUDIT_VALID, AUDIT_VERIFIED
from receiver.health import Condition, Finding

from .chain import Head
from .checkpoints import CheckpointError, Checkpoints
from .seal import Audit
from .walk import Trouble

log = logging.getLogger(__name__)

LATE = 3
"""So many times its pace, and what should have been done is late."""

_NO_LABELS: tuple[Mapping[str, str], ...] = ({},)


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds; a checkpoint is also due with so many records that none covers."""

    look: float = 1.0
    checkpoint: float = 60.0
    records: int = 1000
    verify: float = 3600.0


class Keeping:
    """Knows when what is due, and shows on the page how the audit stands. Used from the event loop alone."""

    def __init__(
        self,
        audit: Audit,
        checkpoints: Checkpoints,
        reading: Engine,
        page: Page,
        now: Callable[[], int],
        *,
        troubles: tuple[Trouble, ...],
        pace: Pace = Pace(),
    ) -> None:
        """`troubles` are those that `Audit.begin` has found just now."""
        self._audit = audit
        self._checkpoints = checkpoints
        self._reading = reading
        self._page = page
        self._now = now
        self._pace = pace
        self._counted = 0
        self._covered: Head | None = None
        self._covered_at: int | None = None
        self._judged(troubles)

    async def run(self, alarm: Callable[[tuple[Trouble, ...]], Awaitable[None]] | None = None) -> None:
        """Goes on until it is cancelled. `alarm` is awaited with what a look at everything has found."""
        loop = asyncio.get_running_loop()
        checkpointed = verified = loop.time()
        while True:
            new = self._audit.known != self._covered
            many = self._covered is None or self._audit.known.seq - self._covered.seq >= self._pace.records
            if new and (many or loop.time() - checkpointed >= self._pace.checkpoint):
                checkpointed = loop.time()
                await self.checkpoint()
            if loop.time() - verified >= self._pace.verify:
                found = await self.verify()
                verified = loop.time()
                if found and alarm is not None:
                    await alarm(found)
            self._show()
            await asyncio.sleep(self._pace.look)

    def finding(self) -> Finding:
        """Whether the last look at everything has found nothing, and nobody else has appended since."""
        if not self._valid or self._audit.foreign:
            return Finding(Condition.ILL, "it is not what was recorded; the log says where", self._verified_at)
        if self._now() - self._verified_at > LATE * self._pace.verify * SECOND:
            return Finding(Condition.ILL, "nobody has looked at all of it for too long", self._verified_at)
        return Finding(
            Condition.WELL, f"all of it was looked at, {self._audit.known.seq} records by now", self._verified_at
        )

    def covered(self) -> Finding:
        """Whether a checkpoint outside of the database covers the newest record, or did so a short while ago."""
        if self._covered_at is None:
            return Finding(Condition.ILL, "no checkpoint covers what was recorded")
        late = (
            self._audit.known != self._covered
            and self._now() - self._covered_at > LATE * self._pace.checkpoint * SECOND
        )
        says = "the newest records are under none" if late else "they cover what was recorded"
        return Finding(Condition.ILL if late else Condition.WELL, says, self._covered_at)

    async def checkpoint(self) -> None:
        """Tries to have the last commit covered by a checkpoint; says so where it can not."""
        try:
            await asyncio.to_thread(self.cover)
        except CheckpointError as error:
            log.error("%s", error)  # noqa: TRY400 - the message says it all

    def cover(self) -> None:
        """Returns once the last commit is covered by a checkpoint. Raises CheckpointError."""
        head = self._audit.known
        self._checkpoints.write(self._audit.database, head)
        self._covered = head

    async def verify(self) -> tuple[Trouble, ...]:
        """Looks at every record and every sealed row; what is wrong. What can not be read is not valid."""
        try:
            troubles = await asyncio.to_thread(self._look)
        except (SQLAlchemyError, ValueError, TypeError) as error:
            log.error("audit: the database can not be read: %s", getattr(error, "orig", None) or error)  # noqa: TRY400
            self._valid = False
            self._show()
            return ()
        self._judged(troubles)
        return troubles

    def _look(self) -> tuple[Trouble, ...]:
        with self._reading.begin() as connection:
            return self._audit.verify(connection, self._checkpoints)

    def _judged(self, troubles: tuple[Trouble, ...]) -> None:
        for trouble in troubles:
            log.error("audit: %s", trouble)
        self._valid, self._verified_at = not troubles, self._now()
        self._show()

    def _show(self) -> None:
        self._page.count(Event(AUDIT_ENTRIES, {}, max(0, self._audit.known.seq - self._counted)))
        self._counted = self._audit.known.seq
        if self._audit.known == self._covered:
            self._covered_at = self._now()
        covered = None if self._covered_at is None else self._covered_at / SECOND
        valid = self._valid and not self._audit.foreign
        columns = [
            Column(AUDIT_VALID, _NO_LABELS, (float(valid),)),
            Column(AUDIT_VERIFIED, _NO_LABELS, (self._verified_at / SECOND,)),
            Column(AUDIT_CHECKPOINT, _NO_LABELS, (covered,)),
        ]
        self._page.put("audit", columns)
