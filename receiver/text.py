"""Text of others, as it may be shown."""

from __future__ import annotations

import re

_INVISIBLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""What Unicode calls ignorable by default (DerivedCoreProperties), but for the selectors of how the character before looks; and
controls, ends of lines and annotations.
"""


def shown(text: str) -> str:
    """The text with what is invisible, or turns the direction of what follows, spelled out."""
    return _INVISIBLE.sub(_spelled, text)


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - four digits hold it, or they do not


def clipped(text: str, limit: int) -> str:
    """As `shown`, of `limit` characters at most; where some are left out it says so."""
    found = shown(text[:limit])
    return found if len(text) <= limit and len(found) <= limit else f"{found[: limit - 1]}…"
