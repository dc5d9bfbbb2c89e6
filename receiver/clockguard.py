"""Notices when the wall clock jumps: deadlines and limits are kept by it, and must not move while something waits."""

from __future__ import annotations

from collections.abc import Callable

from . import clock
from .clock import SECOND

MOST = 2 * SECOND
"""By so much, in microseconds, may the wall clock leave the steady one. Slewing moves both alike; only setting it does not."""


class ClockGuard:
    """Compares the wall clock with the steady one, from when it was made or last `settle`d."""

    def __init__(self, wall: Callable[[], int] = clock.now, steady: Callable[[], int] = clock.steady) -> None:
        self._wall, self._steady = wall, steady
        self.settle()

    def settle(self) -> None:
        """Takes the wall clock as it is now for the right one."""
        while True:
            self._earliest, self._latest = self._apart()
            if self._latest - self._earliest < MOST:
                return

    def jump(self) -> int:
        """How far the wall clock has surely jumped, in microseconds: at least so far ahead, or back where negative."""
        earliest, latest = self._apart()
        if earliest > self._latest:
            return earliest - self._latest
        return min(latest - self._earliest, 0)

    def jumped(self) -> bool:
        """Whether it left by more than MOST."""
        return abs(self.jump()) > MOST

    def _apart(self) -> tuple[int, int]:
        """The least and the most that the wall clock is ahead: this process may be stopped between two readings."""
        before = self._steady()
        wall = self._wall()
        return wall - self._steady(), wall - before
