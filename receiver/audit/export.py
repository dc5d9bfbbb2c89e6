"""The audit taken out of the database: the records as they are, a line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, LargeBinary, cast, select
from sqlalchemy.exc import SQLAlchemyError

from receiver import schema
from receiver.database import DatabaseError, engine

_CHUNK = 1000


def lines(connection: Connection) -> Iterator[bytes]:
    """Every record's bytes and a line feed, in order, in the moment that the connection sees."""
    query = select(cast(schema.audit.c.bytes, LargeBinary)).order_by(schema.audit.c.seq)
    for raw in connection.execution_options(yield_per=_CHUNK).execute(query).scalars():
        yield raw + b"\n"


def newest(connection: Connection, limit: int, before: int | None = None, subject: str | None = None) -> list[bytes]:
    """The bytes of the newest records, newest first; of those with smaller numbers than `before`, or of one subject."""
    query = select(cast(schema.audit.c.bytes, LargeBinary)).order_by(schema.audit.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(schema.audit.c.seq < before)
    if subject is not None:
        query = query.where(schema.audit.c.subject == subject)
    return list(connection.execute(query).scalars())


@contextmanager
def reading(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of a database, whether a receiver uses it or not. Raises DatabaseError."""
    if not path.is_file():
        raise DatabaseError(f"{path}: no such file")
    found = engine(path, readonly=True)
    try:
        with found.begin() as connection:
            yield lines(connection)
    except SQLAlchemyError as error:
        raise DatabaseError(f"can not read the audit in {path}: {getattr(error, 'orig', error)}") from None
    finally:
        found.dispose()
