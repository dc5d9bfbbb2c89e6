"""Request limits as Binance keeps them: weights by the minute or second, 429 when there are too many, 418 for who goes on."""

import math
from dataclasses import dataclass, field

_PATIENCE = 10  # requests that are answered 429 in one window, before a ban
_BANNED = 120  # seconds; twice as long each time, up to _LONGEST
_LONGEST = 3 * 86_400


@dataclass
class Limiter:
    """Of one address. Times are Unix seconds; a weight counts in the window of the clock, a minute unless that is said, in which
    it is used.
    """

    limit: int
    window: int = 60  # seconds
    used: int = 0
    peak: int = 0  # the largest of a window so far
    _window: int = 0
    _refused: int = 0
    _bans: int = 0
    _banned_until: float = field(default=-math.inf)

    def spend(self, weight: int, now: float) -> None:
        """Count it; TooManyRequestsError or BannedError where it is over the limit, and also then it counts."""
        if now < self._banned_until:
            raise BannedError(self._banned_until, now)
        if (window := int(now // self.window)) != self._window:
            self._window, self.used, self._refused = window, 0, 0
        self.used += weight
        self.peak = max(self.peak, self.used)
        if self.used > self.limit:
            self._refuse(now)

    def _refuse(self, now: float) -> None:
        self._refused += 1
        if self._refused > _PATIENCE:
            self._banned_until = now + min(_LONGEST, _BANNED * 2**self._bans)
            self._bans += 1
            raise BannedError(self._banned_until, now)
        raise TooManyRequestsError((self._window + 1) * self.window, now)


class TooManyRequestsError(Exception):
    """`until` is when it may be tried again."""

    def __init__(self, until: float, now: float) -> None:
        super().__init__(f"until {until}")
        self.until = until
        self.retry_after = max(1, math.ceil(until - now))


class BannedError(TooManyRequestsError):
    """Went on in spite of TooManyRequestsError."""
