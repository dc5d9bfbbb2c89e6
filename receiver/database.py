"""The database: one SQLite file on a local disk, held by one process, brought to the current schema."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from occ.errors import OccError

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).with_name("migrations")
MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")  # how a space in a mount point is written

# Their locks and shared memory do not hold between machines, and some not even on one.
_NETWORK = re.compile(
    r"9p|afs|afpfs|beegfs|ceph|cifs|coda|davfs|fuse\.(ceph|davfs|glusterfs|rclone|s3fs|sshfs)|glusterfs|gpfs|lustre|ncpfs"
    r"|nfs4?|ocfs2|orangefs|smb[23]|smbfs|vboxsf|virtiofs"
)


class DatabaseError(OccError):
    """The database can not be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. Only one thread writes; readers can not."""

    writing: Engine
    reading: Engine


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """Locks the file, migrates it, and closes it at the end. Raises DatabaseError."""
    path = path.resolve()
    _refuse_network(path)
    with locked(path):
        database = Database(engine(path), engine(path, readonly=True))
        try:
            _migrate(database.writing, path)
            yield database
        finally:
            database.reading.dispose()
            database.writing.dispose()


def engine(path: Path, *, readonly: bool = False) -> Engine:
    """An engine on the file: WAL, every commit on the disk before it returns, foreign keys held."""
    made = create_engine(
        URL.create("sqlite", database=str(path)),
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )

    @event.listens_for(made, "connect")
    def _(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin its own transactions, too late
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"):
            connection.execute(f"PRAGMA {pragma}")
        if readonly:
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(made, "begin")
    def _(connection: Connection) -> None:
        # A transaction that begins by reading can not become a writing one once another has written.
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return made


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds `<path>.lock`; the system lets go of it when the process ends, however it ends. Raises DatabaseError."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseError(f"can not open {lock}: {error.strerror}") from None
    try:
        _take(descriptor, lock, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, lock: Path, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.touch(mode=0o600)
    except BlockingIOError:
        raise DatabaseError(f"{path} is in use by another process, which holds {lock}") from None
    except OSError as error:
        raise DatabaseError(f"can not open {path}: {error.strerror}") from None


def known_revisions() -> set[str]:
    """Every schema that this version can bring up to date, its own included."""
    return {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _migrate(writing: Engine, path: Path) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = _alembic()
    known = known_revisions()
    try:
        with writing.begin() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in known:
                raise DatabaseError(f"{path} was written by a newer version of OCC (schema {current})")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            log.info("%s: schema %s", path, MigrationContext.configure(connection).get_current_revision())
    except SQLAlchemyError as error:
        raise DatabaseError(f"can not use {path}: {getattr(error, 'orig', error)}") from None


def _refuse_network(path: Path) -> None:
    kind = filesystem(path, MOUNTS.read_text()) if MOUNTS.exists() else ""
    if _NETWORK.fullmatch(kind):
        raise DatabaseError(f"{path} is on a network file system ({kind}), where its locks do not hold")


def filesystem(path: Path, mounts: str) -> str:
    """The type of the file system that holds `path`, out of the text of a mountinfo file; empty if none does."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ")[0]
    return kind
