"""The record of the audit and how one is bound to the next. Pure; docs/audit.md is the format for those who verify it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
import rfc8785

from occ.errors import OccError

VERSION = "occ-audit-v1"
START = "0" * 64
"""What the first record has for the hash of the one before."""

CREATED = "database.created"
"""Kind of the first record; its subject is `database/<a random id>`."""
TROUBLE = "audit.trouble"
"""Kind of the record that says what was found wrong at a start; see `verify`."""

Data: TypeAlias = "str | Sequence[Data] | Mapping[str, Data]"
"""What a record may hold: strings, and lists and objects of them. Numbers are written as strings, so that they stay exact."""

DEEPEST = 16
"""So deep lists and objects may be nested in `data`."""

_LARGEST = 2**53 - 1
_DOMAIN = VERSION.encode() + b"\0"
_FIELDS = {"at": int, "by": str, "data": dict, "kind": str, "prev": str, "seq": int, "subject": str, "v": str}


class Unreadable(OccError):  # noqa: N818 - it names what is the matter
    """These bytes are no record."""


@dataclass(frozen=True, slots=True)
class Head:
    """A record by its number and hash: it stands for all that came before, too."""

    seq: int
    hash: str


NOTHING = Head(0, START)


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `at` is in microseconds since 1970, UTC; `prev` is the hash of the record before."""

    seq: int
    at: int
    kind: str
    subject: str
    by: str
    data: Mapping[str, Data]
    prev: str

    @property
    def bytes(self) -> bytes:
        """RFC 8785. Raises ValueError where it holds what is no string, or a key beyond ASCII."""
        _only_strings(self.data)
        fields: dict[str, Any] = {"at": self.at, "by": self.by, "data": self.data, "kind": self.kind, "prev": self.prev}
        return rfc8785.dumps({**fields, "seq": self.seq, "subject": self.subject, "v": VERSION})


def digest(raw: bytes) -> str:
    """SHA-256 over "occ-audit-v1", a zero byte and the record's bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(_DOMAIN + raw).hexdigest()


def parse(raw: bytes) -> Record:
    """The record that these bytes are. Raises Unreadable, also where they are not the canonical ones."""
    try:
        found = orjson.loads(raw)
        if not isinstance(found, dict) or {name: type(value) for name, value in found.items()} != _FIELDS:
            raise Unreadable("it has not the fields of a record")
        _only_strings(found["data"])
        # With keys in ASCII and neither floats nor large numbers, this is what RFC 8785 asks for, and much faster.
        canonical = orjson.dumps(found, option=orjson.OPT_SORT_KEYS) == raw
    except ValueError as error:
        raise Unreadable(f"it is no JSON that a record may be: {error}") from None
    if not (0 <= found["at"] <= _LARGEST and 0 <= found["seq"] <= _LARGEST):
        raise Unreadable("it has a number that is not exact everywhere")
    if found.pop("v") != VERSION:
        raise Unreadable(f"its version is not {VERSION}")
    if not canonical:
        raise Unreadable("it is not in canonical form")
    return Record(**found)


def _only_strings(data: Data) -> None:
    waiting = [(data, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST}")
        if isinstance(each, Mapping):
            if not all(key.isascii() for key in each):
                raise ValueError("a key that is not in ASCII")
            waiting += [(inner, depth + 1) for inner in each.values()]
        elif isinstance(each, list | tuple):
            waiting += [(inner, depth + 1) for inner in each]
        elif not isinstance(each, str):
            raise ValueError(f"{type(each).__name__} where a string is expected")  # noqa: TRY004 - as rfc8785 does
