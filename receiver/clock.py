"""Instants, and how people and machines read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def now() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1_000


def steady() -> int:
    """Microseconds since this machine started, those in which it slept included; nobody can set it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000


def rfc3339(instant: int) -> str:
    """With microseconds where there are any, and always Z."""
    return _utc(instant).isoformat().replace("+00:00", "Z")


def parsed(text: str) -> int:
    """What `rfc3339` has written."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def readable(instant: int) -> str:
    """To the second, in UTC."""
    return f"{_utc(instant):%Y-%m-%d %H:%M:%S} UTC"


def span(microseconds: int) -> str:
    """A length of time in its two largest units, as in `1 h 5 min`; never negative."""
    seconds = max(0, microseconds) // SECOND
    parts: list[str] = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count or parts or size == 1:
            parts.append(f"{count} {unit}" if count or not parts else "")
        if len(parts) == 2:  # noqa: PLR2004 - the two largest
            break
    return " ".join(filter(None, parts))


def _utc(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)
