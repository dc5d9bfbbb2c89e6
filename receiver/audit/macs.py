"""The seals: MACs that only this process can make, over records and over rows whose content is power. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, TypeAlias

import rfc8785
from sqlalchemy import Table

from receiver import schema

from .chain import digest

SEALED: Mapping[str, Table] = {
    "decision": schema.decisions,
    "freeze": schema.freezes,
    "request": schema.requests,
    "session": schema.sessions,
}
"""The tables whose rows are power, by what their subjects begin with."""

Values: TypeAlias = Mapping[str, Any]

_KINDS = {table.name: kind for kind, table in SEALED.items()}


def kind_of(table: Table) -> str:
    """What the subjects of the table's rows begin with."""
    return _KINDS[table.name]


def subject(table: Table, key: str) -> str:
    """How records name a row, as request/0123456789abcdef."""
    return f"{kind_of(table)}/{key}"


def complaint(key: bytes, table: Table, row: Values, entry: bytes | None, newest: int) -> str | None:
    """What is wrong with a row, whose `audit_seq` has these bytes, when `newest` is the newest record about it."""
    about = subject(table, row["id"])
    if entry is None or row["audit_seq"] != newest:
        return f"{about}: the row is of record {row['audit_seq']}, and the newest record about it is {newest}"
    try:
        seal = of_row(key, table, row, digest(entry))
    except (ValueError, TypeError) as error:
        return f"{about}: the row holds what it can not hold: {error}"
    if not hmac.compare_digest(str(seal).encode(), str(row["seal"]).encode()):
        return f"{about}: the row was not written by this receiver: its seal is wrong"
    return None


def of_row(key: bytes, table: Table, row: Values, entry: str) -> str:
    """HMAC-SHA-256 over the table's name, all columns but the seal itself, and the hash of the row's newest record."""
    values = {column.name: _plain(row[column.name]) for column in table.c if column.name != "seal"}
    return hmac.digest(key, b"occ-row-v1\0" + rfc8785.dumps([table.name, values, entry]), "sha256").hex()


def of_record(key: bytes, entry: str) -> str:
    """HMAC-SHA-256 over the hash of the record."""
    return hmac.digest(key, b"occ-record-v1\0" + bytes.fromhex(entry), "sha256").hex()


def _plain(value: Any) -> Any:
    """Bytes are told from the text that spells them."""
    return {"bytes": value.hex()} if isinstance(value, bytes) else value
