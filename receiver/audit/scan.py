"""A look at the whole audit and at all sealed rows."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import Connection, LargeBinary, Table, cast, select
from sqlalchemy.exc import SQLAlchemyError

from receiver import canonical, schema

from .chain import NOTHING, digest
from .macs import SEALED, complaint, of_record, subject
from .walk import MOST, Fault, Trouble, Walk

Newest: TypeAlias = dict[str, dict[str, int]]
"""The newest record about each row: by what its subject begins with, then by its id."""

RAW = cast(schema.audit.c.bytes, LargeBinary)
"""The bytes of a record, whatever type was written there."""

CHUNK = 1000
"""Rows that are fetched at once."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a look at the whole audit and all sealed rows has found."""

    database: str
    newest: Newest = field(repr=False)
    troubles: tuple[Trouble, ...]


def scan(connection: Connection, key: bytes) -> Scan:
    """Reads every record and every sealed row, in the moment that the connection sees."""
    walk = Walk(remember=False)
    newest: Newest = {kind: {} for kind in SEALED}
    columns = _read("audit", _columns(connection, key, walk, newest))
    chain = () if walk.head == NOTHING else walk.troubles()
    rows = [
        trouble
        for kind, table in SEALED.items()
        for trouble in _read(table.name, _rows(connection, key, table, newest[kind]))
    ]
    definitions = _read("definitions", _definitions(connection))
    return Scan(walk.database, newest, (*_foreign(connection), *chain, *columns, *rows, *definitions)[:MOST])


def rows_and_entries(connection: Connection, table: Table) -> Iterator[tuple[dict[str, Any], bytes | None]]:
    """Every row of the table, with the bytes of the record that it says is the newest about it."""
    entries = schema.audit
    query = select(table, RAW.label("_raw")).join(entries, table.c.audit_seq == entries.c.seq, isouter=True)
    for found in connection.execution_options(yield_per=CHUNK).execute(query):
        row = found._asdict()
        raw = row.pop("_raw")
        yield row, raw


def _read(table: str, troubles: Iterator[Trouble]) -> list[Trouble]:
    """The troubles; what can not be read at all is one, and ends it."""
    found = []
    try:
        for trouble in troubles:
            found.append(trouble)  # noqa: PERF402 - it may end by an error
    except (ValueError, TypeError, SQLAlchemyError) as error:  # what was written into a column is not of its type
        reason = getattr(error, "orig", None) or error
        found.append(Trouble(Fault.ROW, 0, f"the table {table} can not be read to its end: {reason}"))
    return found


def _foreign(connection: Connection) -> Iterator[Trouble]:
    """Triggers and views are not in the schema, but for two triggers: they would do what no statement of ours says."""
    if connection.dialect.name != "sqlite":
        return
    query = "SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY name"
    there = {sql: name for name, sql in connection.exec_driver_sql(query)}
    for sql, name in there.items():
        if sql not in schema.APPEND_ONLY:
            yield Trouble(Fault.SCHEMA, 0, f"{name} is a trigger or a view that this version did not make")
    if not set(schema.APPEND_ONLY) <= set(there):
        yield Trouble(Fault.SCHEMA, 0, "the triggers that keep the audit append-only are gone")


def _columns(connection: Connection, key: bytes, walk: Walk, newest: Newest) -> Iterator[Trouble]:
    """Where the columns beside a record do not say what is in it, or its seal is not ours."""
    table = schema.audit
    query = select(table.c.seq, table.c.hash, table.c.subject, RAW, table.c.seal).order_by(table.c.seq)
    for seq, said, about, raw, seal in connection.execution_options(yield_per=CHUNK).execute(query):
        record = walk.take(raw)
        found = digest(raw)
        if record is None:
            continue  # the walk has said so
        note(newest, record.subject, record.seq)
        if (seq, about, said) != (record.seq, record.subject, found):
            yield Trouble(Fault.CHANGE, seq, f"the columns of record {seq} are not what the record says")
        elif not hmac.compare_digest(str(seal).encode(), of_record(key, found).encode()):
            yield Trouble(Fault.CHANGE, seq, f"record {seq} was not written by this receiver: its seal is wrong")


def _rows(connection: Connection, key: bytes, table: Table, newest: dict[str, int]) -> Iterator[Trouble]:
    """Rows that are not the newest that was recorded of them, and rows that are gone."""
    gone = dict(newest)
    for row, raw in rows_and_entries(connection, table):
        gone.pop(row["id"], None)
        if (wrong := complaint(key, table, row, raw, newest.get(row["id"], 0))) is not None:
            yield Trouble(Fault.ROW, row["audit_seq"], wrong)
    for key_, seq in gone.items():
        yield Trouble(Fault.ROW, seq, f"{subject(table, key_)}: the row is gone")


def _definitions(connection: Connection) -> Iterator[Trouble]:
    """Definitions that are gone or were changed. They carry no seal: a request's row, which has one, holds their hash."""
    table, of_requests = schema.definitions, schema.requests.c
    query = select(table.c.hash, cast(table.c.bytes, LargeBinary))
    stored: dict[str, bytes] = dict(connection.execute(query).all())
    wanted = select(of_requests.definition).union(select(of_requests.rule).where(of_requests.rule.is_not(None)))
    for name in sorted({*stored, *connection.execute(wanted).scalars()}):
        if (raw := stored.get(name)) is None:
            yield Trouble(Fault.ROW, 0, f"definition {name} is gone")
        elif canonical.sha256(raw) != name:
            yield Trouble(Fault.ROW, 0, f"definition {name} was changed")


def note(newest: Newest, about: str, seq: int) -> None:
    """Takes in that this is the newest record about its subject."""
    kind, _, key = about.partition("/")
    if kind in newest:
        newest[kind][key] = seq
