"""Who of those that wait is next: the one that is the most late, by its own interval."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from occ.deadline import Read

USUAL = 10.0
"""The interval in seconds of what is no read, as a book that a stream begins with."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """Since when (by the loop's clock), for which read, and what ends it."""

    since: float
    read: Read | None
    turn: asyncio.Future[None]

    def lateness(self) -> float:
        """In intervals. It grows for as long as one waits, so that every turn comes; and with the read, whose requests belong together."""
        if self.read is not None:
            return self.read.lateness()
        return (asyncio.get_running_loop().time() - self.since) / USUAL


class Turns:
    """One at a time. Where more is wanted than there is, all intervals grow by the same factor, short ones and long ones."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def one(self, read: Read | None) -> AsyncIterator[None]:
        """The block is run when it is its turn. Who gives up is passed over."""
        if self._taken:
            await self._wait(read)
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, read: Read | None) -> None:
        loop = asyncio.get_running_loop()
        own = _Waiting(loop.time(), read, loop.create_future())
        self._waiting.append(own)
        try:
            await own.turn
        except asyncio.CancelledError:
            if own.turn.done() and not own.turn.cancelled():
                self._pass_on()  # it was its turn just now
            raise
        finally:
            self._waiting.remove(own)

    def _pass_on(self) -> None:
        """Who is given up or called already is among the waiting until it notices."""
        waiting = [each for each in self._waiting if not each.turn.done()]
        if waiting:
            max(waiting, key=_Waiting.lateness).turn.set_result(None)
        else:
            self._taken = False
