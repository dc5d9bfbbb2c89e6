"""The audit in the database: records appended with the change that they record, and rows that only this process can make.

Whoever can write to the database, but has not the MAC key, can destroy; what they write is never believed:

- A row carries a MAC over all of its columns, its table, and the hash of the newest record about it. Another row is not made
  without the key, and an old one put back is not of the newest record any more.
- A record carries a MAC of its hash, and its hash stands for all records before it. So none is made, changed or taken out
  without it being found at the next start; cutting off the end is found by the checkpoints.
- While the process runs it knows the newest record by heart, and the newest one about each row: nothing is appended behind a
  record that it did not write.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update

from occ.errors import OccError
from receiver import schema

from . import macs
from .chain import CREATED, NOTHING, TROUBLE, Data, Head, Record, digest, parse
from .checkpoints import CheckpointError, Checkpoints, Stored
from .macs import SEALED, Values, complaint, kind_of, subject
from .scan import CHUNK, RAW, Newest, note, rows_and_entries, scan
from .walk import Fault, Trouble

log = logging.getLogger(__name__)

OURSELVES = "receiver"
"""Who did it, where it was this process by itself."""

_SHORTEST = 32
_LONGEST = 128


class Forged(OccError):  # noqa: N818 - it names what is the matter
    """The database does not hold what this process wrote: it was changed from outside."""


@dataclass(frozen=True, slots=True)
class Closing:
    """How the audit stands at the end of a transaction, before its commit."""

    head: Head
    rows: tuple[tuple[str, int], ...]
    """Subject and number of the records that this transaction appended."""


class Audit:
    """Appends records and writes sealed rows, on the writer's thread; checks them on any. `begin` comes first."""

    def __init__(self, mac_key: bytes, now: Callable[[], int]) -> None:
        if len(mac_key) < _SHORTEST:
            raise ValueError(f"the MAC key has {len(mac_key)} bytes; at least {_SHORTEST} are needed")
        self._key = mac_key
        self._now = now
        self.database = ""
        self.known = NOTHING
        """The newest record of the last commit."""
        self.foreign = False
        """Whether the newest record was not ours at the end of the last transaction."""
        self._newest: Newest = {kind: {} for kind in SEALED}
        self._ours: set[str] = set()
        """Hashes of what was appended since; some of it may have been undone."""

    def begin(self, connection: Connection, checkpoints: Checkpoints) -> tuple[Trouble, ...]:
        """Looks at all there is, and goes on from it; tells what is wrong, and records that. Within a transaction that writes.

        Whoever calls it must let nothing start while there was trouble.
        """
        found = scan(connection, self._key)
        self.database, self.known, self._newest = found.database, _head(connection), found.newest
        if self.known == NOTHING:
            checkpoints.create()
        newest = _newest(checkpoints)
        troubles = (*found.troubles, *self._disagreement(connection, checkpoints, newest))
        if self.known == NOTHING:
            self.database = secrets.token_hex(16)
            self.append(connection, kind=CREATED, subject=f"database/{self.database}", by=OURSELVES)
        if troubles:
            told: dict[str, Data] = {"troubles": [str(trouble) for trouble in troubles]}
            answered: dict[str, Data] = {"checkpoint": str(newest.number)} if isinstance(newest, Stored) else {}
            about = f"database/{self.database}"[:_LONGEST]
            self.append(connection, kind=TROUBLE, subject=about, by=OURSELVES, data=told | answered)
        return troubles

    def append(
        self, connection: Connection, *, kind: str, subject: str, by: str, data: Mapping[str, Data] | None = None
    ) -> Head:
        """The new record, durable when its transaction is. Raises Forged; about a sealed row only `write` may append."""
        if subject.partition("/")[0] in SEALED:
            raise ValueError(f"{subject}: is recorded by `write`, together with its row")
        return self._append(connection, kind=kind, subject=subject, by=by, data=data or {})

    def write(
        self, connection: Connection, table: Table, row: Values, *, kind: str, by: str, data: Mapping[str, Data]
    ) -> dict[str, Any]:
        """Inserts the row, or puts it in the place of the one with its id, and records that; the row as it is then.

        `row` has all columns; `audit_seq` and `seal` are ours and may be left out. `data` must say what state it is in, so
        that the records alone tell how things stood. Raises Forged, also where the row there now is not what was written.
        """
        before = self.read(connection, table, row["id"])
        about = subject(table, row["id"])
        entry = self._append(connection, kind=kind, subject=about, by=by, data=data)
        values = {column.name: row[column.name] for column in table.c if column.name not in ("audit_seq", "seal")}
        values["audit_seq"] = entry.seq
        values["seal"] = macs.of_row(self._key, table, values, entry.hash)
        if before is None:
            written = connection.execute(insert(table).values(values))
        else:  # what stays is left alone: what it refers to may be gone
            changed = {name: value for name, value in values.items() if value != before[name]}
            written = connection.execute(update(table).where(table.c.id == row["id"]).values(changed))
        if written.rowcount != 1:
            raise Forged(f"{about}: the database did not take the row: somebody has put a trigger into it")
        return values

    def read(self, connection: Connection, table: Table, key: str) -> dict[str, Any] | None:
        """The row with this id, checked; None where there never was one. Raises Forged."""
        with _readable(table):
            found = connection.execute(select(table).where(table.c.id == key)).one_or_none()
        if found is not None:
            return self.check(connection, table, found._asdict())
        if self._newest_about(connection, kind_of(table), key):
            raise Forged(f"{subject(table, key)}: the row is gone")
        return None

    def rows(self, connection: Connection, table: Table) -> list[dict[str, Any]]:
        """All rows of the table, each checked, and none of them missing. Raises Forged."""
        kind, last, entries = kind_of(table), self.known.seq, schema.audit
        of_kind = entries.c.subject.between(f"{kind}/", f"{kind}/~")
        query = select(entries.c.subject, func.max(entries.c.seq)).where(of_kind).group_by(entries.c.subject)
        said = {about.partition("/")[2]: seq for about, seq in connection.execute(query)}
        newest = {
            key: self._newer(connection, kind, key, said.get(key, 0), last) for key in said.keys() | self._newest[kind]
        }
        rows = []
        with _readable(table):
            for row, raw in rows_and_entries(connection, table):
                self._believe(table, row, raw, newest.pop(row["id"], 0))
                rows.append(row)
        for key in (key for key, seq in newest.items() if seq):
            raise Forged(f"{kind}/{key}: the row is gone")
        return rows

    def check(self, connection: Connection, table: Table, row: Values) -> dict[str, Any]:
        """The row, if it is the newest that this process has written of it. Raises Forged."""
        newest = self._newest_about(connection, kind_of(table), row["id"])
        self._believe(table, row, _raw(connection, row["audit_seq"]), newest)
        return dict(row)

    def back(self, connection: Connection) -> Iterator[Record]:
        """From the newest record back to the first, each with the hash that the one after it holds. Raises Forged.

        Where a start has found trouble and said so, what is wrong before that is known, and ends it.
        """
        wanted, known = self.unchanged(connection), False
        query = select(RAW).order_by(schema.audit.c.seq.desc())
        for raw in connection.execution_options(yield_per=CHUNK).execute(query).scalars():
            if digest(raw) != wanted.hash:
                break
            yield (record := parse(raw))
            wanted, known = Head(record.seq - 1, record.prev), known or record.kind == TROUBLE
        if wanted != NOTHING and not known:
            raise Forged(f"record {wanted.seq} of the audit was changed, or is gone")

    def unchanged(self, connection: Connection) -> Head:
        """The newest record, if it is the one that this process wrote last. Raises Forged."""
        head = _head(connection)
        if head != self.known and head.hash not in self._ours:
            raise Forged(f"the newest record of the audit is not record {self.known.seq}, which this process wrote")
        return head

    def closing(self, connection: Connection) -> Closing | None:
        """For the end of each transaction; None where the audit was changed from outside."""
        try:
            head = self.unchanged(connection)
        except Forged as forged:
            if not self.foreign:
                log.error("audit: %s", forged)  # noqa: TRY400 - the message says it all
            self.foreign = True
            return None
        self.foreign = False
        table = schema.audit
        query = select(table.c.subject, table.c.seq).where(table.c.seq > self.known.seq).order_by(table.c.seq)
        rows = connection.execute(query) if head != self.known else ()
        return Closing(head, tuple((about, seq) for about, seq in rows))

    def committed(self, closing: Closing | None) -> None:
        """What `closing` said is durable now."""
        if closing is None:
            return
        for about, seq in closing.rows:
            note(self._newest, about, seq)
        self.known = closing.head
        self._ours.clear()

    def verify(self, connection: Connection, checkpoints: Checkpoints) -> tuple[Trouble, ...]:
        """Looks at all there is; `connection` must have read nothing yet, so that it sees the last commit at least."""
        known = self.known
        newest = _newest(checkpoints)
        found = scan(connection, self._key)
        troubles = (*found.troubles, *self._disagreement(connection, checkpoints, newest))
        raw = _raw(connection, known.seq)
        if raw is not None and digest(raw) == known.hash:
            return troubles
        message = f"record {known.seq} is not the one that this process wrote"
        return (*troubles, Trouble(Fault.FORK if raw else Fault.TRUNCATION, known.seq, message))

    def _append(self, connection: Connection, *, kind: str, subject: str, by: str, data: Mapping[str, Data]) -> Head:
        if len(subject) > _LONGEST:
            raise ValueError(f"{subject}: longer than {_LONGEST} characters")
        before = self.unchanged(connection)
        raw = Record(before.seq + 1, self._now(), kind, subject, by, data, before.hash).bytes
        entry = Head(before.seq + 1, digest(raw))
        values = {"seq": entry.seq, "hash": entry.hash, "subject": subject, "bytes": raw}
        values["seal"] = macs.of_record(self._key, entry.hash)
        if connection.execute(insert(schema.audit).values(values)).rowcount != 1:
            raise Forged("the database did not take a record: somebody has put a trigger into it")
        self._ours.add(entry.hash)
        return entry

    def _believe(self, table: Table, row: Values, entry: bytes | None, newest: int) -> None:
        if (wrong := complaint(self._key, table, row, entry, newest)) is not None:
            raise Forged(wrong)

    def _newest_about(self, connection: Connection, kind: str, key: str) -> int:
        """The number of the newest record about a row; 0 where there is none."""
        last, table = self.known.seq, schema.audit
        said = connection.execute(select(func.max(table.c.seq)).where(table.c.subject == f"{kind}/{key}")).scalar()
        return self._newer(connection, kind, key, said or 0, last)

    def _newer(self, connection: Connection, kind: str, key: str, said: int, last: int) -> int:
        """Which record is the newest about a row where the database says `said`, and `last` was known before it was asked.

        It is believed about records that are newer than this process knows: they are of this transaction, or were committed
        since. Of older ones this process knows better, as somebody may have changed the column, or brought in a record of a
        history that was given up; unless the connection sees a moment before the one that it knows.
        """
        known = self._newest[kind].get(key, 0)
        if said > last or (said < known and _head(connection).seq < known):
            return said
        return known

    def _disagreement(
        self, connection: Connection, checkpoints: Checkpoints, newest: Stored | CheckpointError | None
    ) -> Iterator[Trouble]:
        """Where the database is not the one of the newest checkpoint."""
        if newest is None:
            if self.known != NOTHING:
                message = f"{checkpoints.folder} has no checkpoint, and the audit has {self.known.seq} records"
                yield Trouble(Fault.CHECKPOINT, 0, message)
            return
        try:
            if isinstance(newest, CheckpointError):
                raise newest
            checkpoint = newest.read(checkpoints.key)
        except CheckpointError as error:
            yield Trouble(Fault.CHECKPOINT, 0, str(error))
            return
        if checkpoint.database != self.database:
            yield Trouble(Fault.CHECKPOINT, 0, f"{newest.path.name} is of another database ({checkpoint.database})")
            return
        raw = _raw(connection, checkpoint.seq)
        if raw is None:
            message = f"{newest.path.name} has seen record {checkpoint.seq}; the last one here is {self.known.seq}"
            yield Trouble(Fault.TRUNCATION, self.known.seq + 1, message)
        elif digest(raw) != checkpoint.hash:
            message = f"record {checkpoint.seq} is not the one that {newest.path.name} has seen"
            yield Trouble(Fault.FORK, checkpoint.seq, message)


@contextmanager
def _readable(table: Table) -> Iterator[None]:
    """What was written into a column that is not of its type is as good as forged."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise Forged(f"a row of {table.name} can not be read: {error}") from None


def _newest(checkpoints: Checkpoints) -> Stored | CheckpointError | None:
    try:
        return checkpoints.newest()
    except CheckpointError as error:
        return error


def _raw(connection: Connection, seq: int) -> bytes | None:
    found: bytes | None = connection.execute(select(RAW).where(schema.audit.c.seq == seq)).scalar()
    return found


def _head(connection: Connection) -> Head:
    table = schema.audit
    newest = connection.execute(select(table.c.seq, RAW).order_by(table.c.seq.desc()).limit(1)).one_or_none()
    return NOTHING if newest is None else Head(newest[0], digest(newest[1]))
