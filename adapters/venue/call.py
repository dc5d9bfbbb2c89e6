"""One call of ccxt, and what the far side answered on the way. Tasks that the call starts share it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from . import limits

_CODE = re.compile(rb'"code"\s*:\s*"?(-?\d{1,9})\b')
_HEAD = 4096


@dataclass(slots=True)
class Call:
    """What is told of a call's last answer; `patience` in seconds, where the venue asks for it.

    `answered_at` is the Unix time at which the head of the answer came, `round_trip` the seconds since the request was sent on
    a connection that was open: names, handshakes and the wait for a free connection are not part of it.
    What is to take effect has a `clear`, which is awaited before each of its requests is sent, and raises where none may be. `bulk` asks
    for all that a venue lists, with or without a key.
    """

    method: str
    clear: Callable[[], Awaitable[None]] | None = None
    bulk: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    patience: float | None = None
    maintenance: bool = False
    code: str = ""
    answered_at: float | None = None
    round_trip: float | None = None

    def forget(self) -> None:
        """Nothing is answered to the request that is made now."""
        self.status = self.answered_at = self.round_trip = None

    def answered(self, status: int, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """Takes note of an answer."""
        self.status, self.headers = status, headers
        self.patience = limits.patience(status, headers, body, now)
        self.maintenance = status >= 500 and b"maintenance" in body[:_HEAD].lower()  # noqa: PLR2004 - the server's errors
        found = _CODE.search(body, 0, _HEAD)
        self.code = f" (code {found[1].decode()})" if found else ""


CALL: ContextVar[Call | None] = ContextVar("occ_venue_call", default=None)
"""The call on whose behalf something is sent."""
