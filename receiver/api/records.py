"""Alerts and the audit: what is read from the database and belongs to nobody."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import orjson
from aiohttp import web
from sqlalchemy import Connection, select

from receiver import queries, schema
from receiver.audit.checkpoints import CheckpointError, stored, taken
from receiver.clock import rfc3339
from receiver.queries import EpisodeRow
from receiver.sight import Sight
from receiver.why import Why

from .errors import Failure
from .operations import AnyOperation, Call, Nothing, Operation
from .shapes import (
    AuditAsked,
    Audited,
    Checkpoint,
    Checkpoints,
    CheckpointsAsked,
    Entry,
    Episode,
    Episodes,
    EpisodesAsked,
)

log = logging.getLogger(__name__)

EXPORTED_AT_ONCE = 500
JSON_LINES = "application/jsonl"

T = TypeVar("T")


async def read(call: Call[Any, Any], view: Callable[[Connection], T]) -> T:
    """What the view sees, in one transaction that can not write."""

    def seen() -> T:
        with call.reading.begin() as connection:
            return view(connection)

    return await asyncio.to_thread(seen)


# --- alerts -----------------------------------------------------------------------------------------------------------


async def episodes(call: Call[Nothing, EpisodesAsked]) -> Episodes:
    asked = call.query
    rows = await read(call, lambda connection: queries.newest(connection, asked.limit, asked.status))
    return Episodes(episodes=tuple(map(episode_of, rows)))


async def episode(call: Call[Nothing, Nothing]) -> Episode:
    number = int(call.path["episode"])
    row = await read(call, lambda connection: queries.episode(connection, number))
    if row is None:
        raise Failure(Why.NOT_FOUND, "there is no such episode")
    return episode_of(row)


def episode_of(row: EpisodeRow) -> Episode:
    return Episode(
        id=row.id,
        fingerprint=row.fingerprint,
        source=row.source,
        alertname=row.alertname,
        severity=row.severity,
        status=row.status,
        starts_at=rfc3339(row.starts_at),
        ends_at=None if row.ends_at is None else rfc3339(row.ends_at),
        received_at=rfc3339(row.received_at),
        updated_at=rfc3339(row.updated_at),
        labels=dict(row.labels),
        annotations=dict(row.annotations),
        generator_url=row.generator_url,
        sight=None if row.sight is None else Sight(row.sight),
    )


# --- audit ------------------------------------------------------------------------------------------------------------


async def audit(call: Call[Nothing, AuditAsked]) -> Audited:
    asked = call.query
    _note(call, f"after {asked.after}" if asked.before is None else f"before {asked.before or 'its end'}")
    rows = await read(call, functools.partial(_asked, asked=asked))
    entries = (
        Entry(seq=row.seq, hash=row.hash, subject=row.subject, record=_record(row.seq, row.bytes)) for row in rows
    )
    return Audited(entries=tuple(entries))


async def export(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    """Every record's bytes, verbatim, one on each line. The chain only grows, so that parts read one by one make a whole."""
    _note(call, "all of it")
    response = web.StreamResponse(headers={"Content-Type": JSON_LINES, "Cache-Control": "no-store"})
    await response.prepare(call.request)
    try:
        await _write(call, response)
    except Exception:
        log.exception("the export of the audit was cut off")
        if call.request.transport is not None:
            call.request.transport.abort()  # what is not whole must not look so
    return response


async def _write(call: Call[Nothing, Nothing], response: web.StreamResponse) -> None:
    last = 0
    while rows := await read(call, functools.partial(_entries, after=last, limit=EXPORTED_AT_ONCE)):
        await response.write(b"".join(row.bytes + b"\n" for row in rows))
        last = rows[-1].seq
    await response.write_eof()


def _record(seq: int, raw: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Failure(Why.FORGED, f"record {seq} is none; the export has its bytes")
    return found


def _asked(connection: Connection, *, asked: AuditAsked) -> list[Any]:
    table = schema.audit
    query = select(table).where(table.c.seq > asked.after).limit(asked.limit)
    if asked.subject is not None:
        query = query.where(table.c.subject == asked.subject)
    if asked.before:
        query = query.where(table.c.seq < asked.before)
    order = table.c.seq if asked.before is None else table.c.seq.desc()
    return list(connection.execute(query.order_by(order)))


def _entries(connection: Connection, *, after: int, limit: int) -> list[Any]:
    query = select(schema.audit).where(schema.audit.c.seq > after).order_by(schema.audit.c.seq).limit(limit)
    return list(connection.execute(query))


async def checkpoints(call: Call[Nothing, CheckpointsAsked]) -> Checkpoints:
    folder = call.people.checkpoints.folder
    try:
        found = await asyncio.to_thread(_stored, folder, call.query.limit)
    except CheckpointError as error:
        raise Failure(Why.UNAVAILABLE, str(error)) from None
    return Checkpoints(checkpoints=tuple(found))


def _stored(folder: Path, limit: int) -> list[Checkpoint]:
    """The newest first. One that can not be read is shown as what it is: none of them may go missing without a word."""
    found = []
    for path in reversed(stored(folder)[-limit:]):
        try:
            content = orjson.loads(taken(path).raw)
        except orjson.JSONDecodeError:
            content = None
        found.append(Checkpoint(name=path.name, checkpoint=content if isinstance(content, dict) else None))
    return found


def _note(call: Call[Any, Any], what: str) -> None:
    """Who has read the audit stands in the log: reading changes no database."""
    log.info("%s reads the audit, %s", call.session.person.id, what)


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("episodes", "GET", "/episodes", "Episodes of alerts, the newest first", episodes, Episodes,
              asks=EpisodesAsked, open=True),
    Operation("episode", "GET", "/episodes/{episode}", "One episode", episode, Episode, open=True),
    Operation("audit", "GET", "/audit", "Entries of the audit", audit, Audited, asks=AuditAsked),
    Operation("audit_export", "GET", "/audit/export", "The whole audit, verbatim, a record on each line", export, JSON_LINES),
    Operation("checkpoints", "GET", "/audit/checkpoints", "Signed checkpoints, the newest first", checkpoints, Checkpoints,
              asks=CheckpointsAsked),
)  # fmt: skip
