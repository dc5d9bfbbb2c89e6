"""A read on its way: its deadline, which stands still while the read holds itself back, for that is no fault of the far side."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Read:
    """Is wanted every `interval` seconds. `left` are the seconds that were left when the first of those that hold back began to."""

    timeout: asyncio.Timeout
    began: float
    interval: float
    holding: int = 0
    left: float = 0.0
    over: bool = False

    def lateness(self) -> float:
        """For how many of its intervals it goes on."""
        return (_now() - self.began) / self.interval

    def hold(self) -> None:
        """The deadline stands still."""
        when = self.timeout.when()
        if self._runs and not self.holding and when is not None:
            self.left = when - _now()
            self.timeout.reschedule(None)
        self.holding += 1

    def release(self) -> None:
        """It goes on when the last one says so."""
        self.holding -= 1
        if self._runs and not self.holding:
            self.timeout.reschedule(_now() + self.left)

    @property
    def _runs(self) -> bool:
        """Whether the block is not left yet, nor given up."""
        return not self.over and not self.timeout.expired()


_READ: ContextVar[Read | None] = ContextVar("occ_read", default=None)


@asynccontextmanager
async def deadline(seconds: float, interval: float = math.inf) -> AsyncIterator[None]:
    """Gives up the block after so many seconds, without those for which it or a task of it was `held_back`. Raises TimeoutError."""
    async with asyncio.timeout(seconds) as timeout:
        own = Read(timeout, _now(), interval)
        token = _READ.set(own)
        try:
            yield
        finally:
            own.over = True
            _READ.reset(token)


@contextmanager
def held_back() -> Iterator[Read | None]:
    """While a read waits for its turn, as within a rate limit: so long its deadline does not come nearer. Gives the read; None where
    there is none.
    """
    if (own := _READ.get()) is None:
        yield None
        return
    own.hold()
    try:
        yield own
    finally:
        own.release()


def _now() -> float:
    return asyncio.get_running_loop().time()
