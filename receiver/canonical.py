"""One value, one sequence of bytes: RFC 8785, so that equal things have equal hashes on every machine and in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import rfc8785


def dumps(value: Mapping[str, Any]) -> bytes:
    """RFC 8785 of a mapping; a Decimal is its plain digits, as a string. Raises ValueError for what JSON can not carry."""
    return rfc8785.dumps(_plain(value))


def sha256(raw: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(raw).hexdigest()


def digits(number: Decimal) -> str:
    """A number without exponent, needless zeros or a negative zero: what is equal looks equal."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def _plain(value: object) -> Any:
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case Decimal():
            return digits(value)
        case _:
            return value
