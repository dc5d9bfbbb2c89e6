"""Runs changes through the one writer: numbers move, and the engine looks again, once they are committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from .actions import Surroundings
from .audit.seal import Audit
from .meters import ActionMeters
from .requests import Change, Request
from .rulebook import Rulebook
from .writer import Writer

T = TypeVar("T")


@dataclass(slots=True)
class Rules:
    """What can be done and who may do it, as it is now; replaced as a whole. `around` is what executors may use beside the
    catalogue's targets.
    """

    current: Rulebook
    around: Surroundings = field(default_factory=Surroundings)


class Changes:
    """The way to every row of requests, decisions, effects, leases and freezes."""

    def __init__(self, writer: Writer[Any], audit: Audit, meters: ActionMeters, now: Callable[[], int]) -> None:
        self._writer, self._audit, self._now = writer, audit, now
        self.meters = meters
        self.committed = asyncio.Event()
        """Set after each commit by which a request turned; whoever waits for it clears it."""
        self.suspects: set[str] = set()
        """What was not as recorded when somebody read it, in words. Reading changes nothing: the engine takes it up."""

    async def make(self, work: Callable[[Change], T]) -> T:
        """The work's result once it is durable. Raises NotDurable, or what the work raised; then nothing of it is there."""
        turned: list[Request] = []

        def run(connection: Connection) -> T:
            change = Change(connection, self._audit, self._now())
            result = work(change)
            turned.extend(change.turned)
            return result

        result = await self._writer.run(run)
        for request in turned:
            self.meters.turned(request)
            self.committed.set()
        return result
