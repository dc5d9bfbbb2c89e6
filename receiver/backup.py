"""Copies of the database: taken while the receiver runs, and put back while it does not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from .audit.walk import Trouble, Walk
from .database import DatabaseError, known_revisions, locked


def backup(database: Path, target: Path) -> tuple[Trouble, ...]:
    """Copies the database as it is in one moment into a new file, and reads the copy through.

    What is wrong with the audit's chain in it is returned; the copy is there all the same. Raises DatabaseError.
    """
    if target.exists():
        raise DatabaseError(f"{target} is there already")
    with _draft(database, target) as draft:
        _check(draft, database)
        troubles = _chain(draft)
        _link(draft, target)
    return troubles


def restore(database: Path, source: Path, aside: str) -> Path | None:
    """Puts a copy in the place of the database, while no receiver uses it. Raises DatabaseError.

    What was there is kept beside it, with `aside` behind its name; returns where, or None where there was nothing.
    """
    database = database.resolve()
    _check(source, source)
    with locked(database), _draft(source, database) as draft:
        kept = _put_aside(database, aside)
        draft.rename(database)
        _sync(database.parent)
    return kept


@contextmanager
def _draft(source: Path, target: Path) -> Iterator[Path]:
    """A whole copy, on the disk, beside the target; gone at the end if nobody has taken it."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise DatabaseError(f"can not write {draft}: {error.strerror}") from None
    try:
        with _reading(source) as original, closing(sqlite3.connect(draft)) as copy:
            original.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # so that it is one file
        _sync(draft)
        yield draft
    except sqlite3.Error as error:
        raise DatabaseError(f"can not copy {source}: {error}") from None
    except OSError as error:
        raise DatabaseError(f"can not write {target}: {error.strerror}") from None
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise DatabaseError(f"{path}: no such file")
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
        yield connection


def _check(path: Path, name: Path) -> None:
    """Raises DatabaseError unless the file is whole, and a database of OCC that this version knows."""
    try:
        with _reading(path) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            if found != ["ok"]:
                raise DatabaseError(f"{name} is damaged: {'; '.join(found)}")
            revision = _revision(connection)
    except sqlite3.Error as error:
        raise DatabaseError(f"{name} is no database of OCC: {error}") from None
    if revision not in known_revisions():
        raise DatabaseError(f"{name} was written by a newer version of OCC (schema {revision})")


def _revision(connection: sqlite3.Connection) -> str:
    connection.execute("SELECT 1 FROM deliveries LIMIT 1")
    rows: list[tuple[str]] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return rows[0][0] if rows else "none"


def _chain(path: Path) -> tuple[Trouble, ...]:
    """What is wrong with the audit; nothing where there is none as yet."""
    walk = Walk(remember=False)
    with _reading(path) as connection:
        for (raw,) in connection.execute("SELECT CAST(bytes AS BLOB) FROM audit ORDER BY seq"):
            walk.take(raw)
    return walk.troubles() if walk.head.seq else ()


def _put_aside(database: Path, aside: str) -> Path | None:
    if not database.stat().st_size:
        return None  # only just made, for its lock
    kept = database.with_name(f"{database.name}.{aside}")
    if kept.exists():
        raise DatabaseError(f"{kept} is there already")
    for suffix in ("-wal", "-shm", ""):
        part = database.with_name(database.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return kept


def _link(draft: Path, target: Path) -> None:
    os.link(draft, target)  # fails where there is one by now, as a rename would not
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
