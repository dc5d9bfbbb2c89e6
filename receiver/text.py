"""Text of others, as it may be shown."""

from __future__ import annotations

import re

_INVISIBLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def shown(text: str) -> str:
    """The text with what is invisible, or turns the direction of what follows, spelled out."""
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def clipped(text: str, limit: int) -> str:
    """As `shown`, of `limit` characters at most; where some are left out it says so."""
    found = shown(text[:limit])
    return found if len(text) <= limit and len(found) <= limit else f"{found[: limit - 1]}…"
