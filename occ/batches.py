"""How many calls a node takes in one request: what it refused is remembered, and tried again now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

REPROBE_SECONDS = 3600.0


class BatchLimit:
    """The largest batch that may do, and in `proven` the largest that did. There is no limit until one is refused.

    A refused size is halved. After REPROBE_SECONDS twice the limit is tried: if that is taken the limit rises at once, and
    so on with the next request; if not, it is left alone for as long again. So a node that took large batches all along,
    but for one bad hour, is asked by them again, and one that never will is bothered once an hour.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._most = math.inf
        self._again_at = math.inf
        self.proven = 1

    def size(self, wanted: int) -> int:
        """How many of `wanted` calls to put into one request."""
        if wanted > self._most and self._clock() >= self._again_at:
            return int(min(wanted, 2 * self._most))
        return int(min(wanted, self._most))

    def refused(self, size: int) -> None:
        """A batch of this size was not taken."""
        self._most = min(self._most, max(size // 2, 1))
        self.proven = int(min(self.proven, self._most))
        self._again_at = self._clock() + REPROBE_SECONDS

    def accepted(self, size: int) -> None:
        """A batch of this size was."""
        self._most = max(self._most, size)
        self.proven = max(self.proven, size)
