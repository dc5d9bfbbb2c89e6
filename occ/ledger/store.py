"""The file under the ledger: SQLite, one transaction per step. Synchronous; after opening, all of it runs in one thread."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from fractions import Fraction
from pathlib import Path

from occ.errors import OccError, Reason, SourceError

log = logging.getLogger(__name__)

APPLICATION = 0x4F43434C
"""`OCCL`: by it a file is known as a ledger."""

SCHEMA = 1

REMEMBERED = 64
"""This many blocks behind the cursor are all remembered; a half of those up to twice as far, and so on."""

Amount = int | Fraction
Series = tuple[str, str]
"""A family's name, and its labels as JSON with sorted keys."""

_TABLES = (
    "CREATE TABLE streams (name TEXT PRIMARY KEY, start INTEGER NOT NULL) STRICT",
    """CREATE TABLE marks (stream TEXT, seq INTEGER, number INTEGER NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (stream, seq)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE totals (stream TEXT, family TEXT, labels TEXT, amount TEXT NOT NULL,
    PRIMARY KEY (stream, family, labels)) STRICT, WITHOUT ROWID""",
)
# The lowest set bit of seq says how long a mark is kept: of every two, the odd one goes first. The first of all stays.
_FORGET = """DELETE FROM marks WHERE stream = :stream
    AND (seq >= :seq OR (seq > 0 AND :seq - seq >= :remembered * (seq & -seq)))"""
_ADD = "INSERT INTO totals VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET amount = excluded.amount"

_SAID = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_IOERR: "the disk fails to read or write",
    sqlite3.SQLITE_CANTOPEN: "the file can not be opened",
    sqlite3.SQLITE_BUSY: "another program holds the file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; a restart moves it aside",
    sqlite3.SQLITE_NOTADB: "the file is damaged; a restart moves it aside",
}


class LedgerError(OccError):
    """The file can not be used: another process has it, it is not a ledger, or it can not be opened."""


class _DamagedError(Exception):
    """The file is, or was, ours, and can not be trusted."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A block of the chain as it was when counted. Number -1 stands before the first block and has no hash."""

    seq: int
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class State:
    """What the file holds of a stream. Blocks below `start` do not count; the last mark is the cursor."""

    start: int
    marks: tuple[Mark, ...]
    totals: dict[Series, Amount]

    @property
    def cursor(self) -> Mark:
        return self.marks[-1]


class Store:
    """An open ledger file, locked against every other process until closed. Raises LedgerError when it can not be had.

    One that another process holds may be had as a `copy`: what is counted in it is not kept.

    `states` is what is on disk, by stream; a state is replaced whole, after its transaction, so any thread may look.
    """

    def __init__(self, path: str | Path, *, copy: bool = False) -> None:
        self._path = Path(os.path.realpath(path))
        self._opened: os.stat_result | None = None
        with contextlib.ExitStack() as opening:
            try:
                lock = _lock(self._path)
                if lock is not None:
                    opening.callback(os.close, lock)
                elif not copy:
                    raise LedgerError(f"{self._path}: another process counts in this file")
                self._sql, self.states = _copied(self._path) if lock is None else self._open()
                opening.callback(self._sql.close)
                if lock is not None:
                    self._opened = self._path.stat()
            except sqlite3.Error as error:
                raise LedgerError(f"{self._path}: {said(error)}") from None
            except OSError as error:
                raise LedgerError(f"{self._path}: {error.strerror}") from None
            self.close = opening.pop_all().close

    def _open(self) -> tuple[sqlite3.Connection, dict[str, State]]:
        """A ledger that is whole, and what it holds; if need be, a new one in the place of a damaged one."""
        try:
            _refuse_remains(self._path)
            return _connected(self._path)
        except _DamagedError as damage:
            aside = _moved_aside(self._path)
            log.error("%s: damaged (%s): moved aside as %s; counting begins anew", self._path, damage, aside.name)  # noqa: TRY400
            return _connected(self._path)

    @property
    def replaced(self) -> bool:
        """Whether another file, or none, is now where the open one was. A copy does not care."""
        if self._opened is None:
            return False
        try:
            return not os.path.samestat(self._path.stat(), self._opened)
        except OSError:
            return True

    def record(self, stream: str, start: int, marks: Sequence[Mark], amounts: Mapping[Series, Amount]) -> State:
        """All or nothing: the stream ends with these marks, those of their seq and later are gone, the amounts are added.

        Raises SourceError (internal) when the disk refuses; then nothing has changed, and it may be tried again.
        """
        before = self.states.get(stream, State(start, (), {}))
        totals = {series: before.totals.get(series, 0) + amount for series, amount in amounts.items()}
        with self._transaction() as sql:
            sql.execute("INSERT OR IGNORE INTO streams VALUES (?, ?)", (stream, start))
            sql.execute(_FORGET, {"stream": stream, "seq": marks[0].seq, "remembered": REMEMBERED})
            sql.executemany("INSERT INTO marks VALUES (?, ?, ?, ?)", [(stream, *astuple(mark)) for mark in marks])
            sql.executemany(_ADD, [(stream, *series, str(amount)) for series, amount in totals.items()])
            kept = _marks(sql, stream)
        after = self.states[stream] = State(before.start, kept, {**before.totals, **totals})
        return after

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self.replaced:
            raise SourceError(Reason.INTERNAL, "ledger: the file was removed or replaced")
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            yield self._sql
            self._sql.execute("COMMIT")
        except sqlite3.Error as error:
            raise SourceError(Reason.INTERNAL, f"ledger: {said(error)}") from error
        finally:
            if self._sql.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._sql.execute("ROLLBACK")


def said(error: sqlite3.Error) -> str:
    """In our words what SQLite says."""
    return _SAID.get(_code(error), f"SQLite fails ({getattr(error, 'sqlite_errorname', type(error).__name__)})")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock beside the real file; the system lets go of it when the process ends, however.

    None where another process holds it.
    """
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _refuse_remains(path: Path) -> None:
    """What SQLite would not take for damage: a folder, and a log whose file is gone. An empty file is a new one."""
    if path.is_dir():
        raise _DamagedError("a folder")
    wal = _beside(path, "-wal")
    if wal.exists() and wal.stat().st_size and not (path.exists() and path.stat().st_size):
        raise _DamagedError("its log is there, but not the file itself")


def _copied(path: Path) -> tuple[sqlite3.Connection, dict[str, State]]:
    """In memory, what another process has on disk now."""
    log.info("%s: another process counts in this file: what is counted here beyond it is not kept", path)
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as theirs:
            return _connected(path, theirs)
    except _DamagedError as damage:
        raise LedgerError(f"{path}: damaged ({damage})") from None


def _connected(path: Path, copied: sqlite3.Connection | None = None) -> tuple[sqlite3.Connection, dict[str, State]]:
    sql = sqlite3.connect(":memory:" if copied else path, isolation_level=None, check_same_thread=False)
    try:
        if copied:
            copied.backup(sql)
        _prepare(sql, path)
        return sql, _states(sql)
    except sqlite3.DatabaseError as error:
        sql.close()
        if _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise _DamagedError(str(error)) from None
        raise
    except BaseException:
        sql.close()
        raise


def _prepare(sql: sqlite3.Connection, path: Path) -> None:
    """Makes sure that it is a ledger of this version, whole and writable, or else makes an empty file one."""
    application, version = (sql.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    found = sql.execute("SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
    new = not (application or version or found)
    if not new and application != APPLICATION:
        raise LedgerError(f"{path}: a database of something else")
    if version > SCHEMA:
        raise LedgerError(f"{path}: written by a newer version of occ (schema {version}, known is {SCHEMA})")
    if not new and (version != SCHEMA or not set(_TABLES) <= {row[0] for row in found}):
        raise _DamagedError(f"not the tables of schema {SCHEMA}")
    if (verdict := sql.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise _DamagedError(" ".join(verdict.split()))
    sql.execute("PRAGMA journal_mode = WAL")
    sql.execute("PRAGMA synchronous = FULL")
    sql.execute("BEGIN IMMEDIATE")
    if new:
        for table in _TABLES:
            sql.execute(table)
        sql.execute(f"PRAGMA application_id = {APPLICATION}")
        sql.execute(f"PRAGMA user_version = {SCHEMA}")
    sql.execute("COMMIT")


def _states(sql: sqlite3.Connection) -> dict[str, State]:
    """All streams of the file. Raises _DamagedError where a row can not be what was written."""
    states = {}
    totals: dict[str, dict[Series, Amount]] = {}
    for stream, family, labels, amount in sql.execute("SELECT * FROM totals"):
        try:
            json.loads(labels)
            totals.setdefault(stream, {})[family, labels] = _read_amount(amount)
        except (ValueError, ZeroDivisionError):
            raise _DamagedError(f"a total of {family} that is none") from None
    for stream, start in sql.execute("SELECT * FROM streams").fetchall():
        marks = _marks(sql, stream)
        if not marks or any(one.number >= next_.number for one, next_ in itertools.pairwise(marks)):
            raise _DamagedError(f"no order in the blocks of {stream}")
        states[stream] = State(start, marks, totals.get(stream, {}))
    return states


def _marks(sql: sqlite3.Connection, stream: str) -> tuple[Mark, ...]:
    rows = sql.execute("SELECT seq, number, hash FROM marks WHERE stream = ? ORDER BY seq", (stream,))
    return tuple(itertools.starmap(Mark, rows))


def _read_amount(text: str) -> Amount:
    amount = Fraction(text)
    if amount < 0:
        raise ValueError(text)
    return amount


def _moved_aside(path: Path) -> Path:
    """Where the file is now, with its log and index beside it. The file goes first: without it the others say nothing."""
    first = aside = _beside(path, time.strftime(".corrupt-%Y%m%dT%H%M%SZ", time.gmtime()))
    another = itertools.count(2)
    while os.path.lexists(aside):
        aside = _beside(first, f"-{next(another)}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            _beside(path, suffix).rename(_beside(aside, suffix))
    return aside


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
