"""Answers of exchanges, taken apart with care: what has not the documented shape is refused, and never read as nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from occ.http import bad_response

Record = Mapping[str, Any]

MOST_DIGITS = 40
"""What begins further before its point, or further behind it, is no amount of anything; nor could one reckon with it."""

_NUMBER = re.compile(r"[+-]?(\d{1,80}(\.\d{0,80})?|\.\d{1,80})([eE][+-]?\d{1,3})?", re.ASCII)
"""As exchanges write them: without blanks, and in no other digits."""


def record(told: Any, what: str) -> Record:
    """`told`, where it is an object. Raises bad_response that names `what` it should be."""
    if not isinstance(told, dict):
        raise bad_response(f"{what}: the answer is no object of these")
    return told


def records(told: Any, what: str) -> Sequence[Record]:
    """`told`, where it is a list of objects. Raises bad_response."""
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise bad_response(f"{what}: the answer is no list of these")
    return told


def number(told: Record, key: str) -> Decimal:
    """The number under a key. Raises bad_response where there is none."""
    found = maybe(told, key)
    if found is None:
        raise bad_response(f"an answer without {key}")
    return found


def maybe(told: Record, key: str) -> Decimal | None:
    """The number under a key; None where it is missing or empty. Raises bad_response for what is none."""
    value = told.get(key)
    if value is None or value == "":
        return None
    written = str(value) if isinstance(value, (str, int, float)) else ""
    found = Decimal(written) if _NUMBER.fullmatch(written) else None
    if found is None or (found and abs(found.adjusted()) > MOST_DIGITS):
        raise bad_response(f"an answer whose {key} is no number")
    return found


def word(told: Record, key: str) -> str:
    """The text under a key. Raises bad_response where there is none."""
    value = told.get(key)
    if not isinstance(value, str) or not value:
        raise bad_response(f"an answer without {key}")
    return value


def flag(told: Record, key: str) -> bool:
    """The truth under a key. Raises bad_response for anything else than true or false."""
    value = told.get(key)
    if not isinstance(value, bool):
        raise bad_response(f"an answer whose {key} is neither true nor false")
    return value


def words(told: Record, key: str) -> Sequence[str]:
    """The list of texts under a key. Raises bad_response where there is none."""
    value = told.get(key)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise bad_response(f"an answer whose {key} is no list of words")
    return value


def instant(told: Record, key: str) -> float:
    """Unix seconds of the ISO 8601 time under a key, which is UTC unless it says otherwise. Raises bad_response."""
    try:
        found = datetime.fromisoformat(word(told, key))
    except ValueError:
        raise bad_response(f"an answer whose {key} is no time") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
