from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import func, insert, select

from receiver.audit.walk import Fault
from receiver.backup import backup, restore
from receiver.database import Database, DatabaseError, opened
from receiver.schema import deliveries
from tests.receiver.audit.support import Held, freeze
from tests.receiver.audit.support import held as _held


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    with _held(tmp_path) as found:
        yield found


def deliver(database: Database, count: int = 1) -> None:
    for _ in range(count):
        with database.writing.begin() as connection:
            row = {"received_at": 1, "source": "x", "complaint": "", "whole": True, "body": b"\0" * 1000}
            connection.execute(insert(deliveries).values(**row))


def delivered(path: Path) -> int:
    with opened(path) as database, database.reading.begin() as connection:
        count: int = connection.execute(select(func.count()).select_from(deliveries)).scalar_one()
        return count


def test_a_copy_is_one_file_that_only_its_owner_may_read(held: Held, tmp_path: Path) -> None:
    held.put(freeze())
    target = tmp_path / "copies" / "c.db"
    target.parent.mkdir()
    assert backup(held.path, target) == ()
    assert [path.name for path in target.parent.iterdir()] == ["c.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_copy_taken_while_others_write_is_of_one_moment(held: Held, tmp_path: Path) -> None:
    writing = Thread(target=deliver, args=(held.database, 200))
    writing.start()
    copies = [tmp_path / f"{n}.db" for n in range(5)]
    for copy in copies:
        assert backup(held.path, copy) == ()
    writing.join()
    counts = [delivered(copy) for copy in copies]
    assert counts == sorted(counts)
    assert delivered_here(held) == 200


def delivered_here(held: Held) -> int:
    with held.database.reading.begin() as connection:
        count: int = connection.execute(select(func.count()).select_from(deliveries)).scalar_one()
        return count


def test_a_copy_is_never_written_over_another_file(held: Held, tmp_path: Path) -> None:
    (tmp_path / "c.db").write_text("precious")
    with pytest.raises(DatabaseError, match=r"c\.db is there already"):
        backup(held.path, tmp_path / "c.db")
    assert (tmp_path / "c.db").read_text() == "precious"


def test_a_copy_of_an_audit_that_was_worked_on_is_taken_and_that_is_told(held: Held, tmp_path: Path) -> None:
    held.say(3)
    held.attack("DELETE FROM audit WHERE seq = 2")
    [trouble] = backup(held.path, tmp_path / "c.db")
    assert (trouble.fault, trouble.seq) == (Fault.GAP, 2)
    assert (tmp_path / "c.db").exists()


def test_what_is_not_there_can_not_be_copied(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"r\.db: no such file"):
        backup(tmp_path / "r.db", tmp_path / "c.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(held: Held, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"can not write .*: No such file or directory"):
        backup(held.path, tmp_path / "missing/c.db")


def test_what_was_copied_is_put_back_and_what_was_there_is_kept(tmp_path: Path) -> None:
    path, copy = tmp_path / "r.db", tmp_path / "c.db"
    with opened(path) as database:
        deliver(database, 2)
        backup(path, copy)
        deliver(database, 3)
    kept = restore(path, copy, "before")
    assert kept == tmp_path / "r.db.before"
    assert (delivered(path), delivered(kept)) == (2, 5)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_a_killed_receiver_left_in_the_log_is_kept_with_it(tmp_path: Path) -> None:
    path, copy = tmp_path / "r.db", tmp_path / "c.db"
    with opened(path) as database:
        deliver(database)
        backup(path, copy)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(
            "INSERT INTO deliveries (received_at, source, complaint, whole, body) VALUES (1, '', '', 1, '')"
        )
        connection.commit()
        left = {suffix: (tmp_path / f"r.db{suffix}").read_bytes() for suffix in ("", "-wal")}
    for suffix, content in left.items():
        (tmp_path / f"r.db{suffix}").write_bytes(content)
    kept = restore(path, copy, "before")
    assert kept is not None
    assert (delivered(path), delivered(kept)) == (1, 2)


def test_it_can_be_put_where_nothing_is(held: Held, tmp_path: Path) -> None:
    deliver(held.database)
    backup(held.path, tmp_path / "c.db")
    assert restore(tmp_path / "new.db", tmp_path / "c.db", "before") is None
    assert delivered(tmp_path / "new.db") == 1


def test_a_database_in_use_is_not_replaced(held: Held, tmp_path: Path) -> None:
    backup(held.path, tmp_path / "c.db")
    with pytest.raises(DatabaseError, match=r"r\.db is in use by another process"):
        restore(held.path, tmp_path / "c.db", "before")
    held.say()
    assert held.verify() == []


def _junk(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def _other(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")


def _newer(path: Path) -> None:
    with opened(path) as database, database.writing.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")


def _damaged(path: Path) -> None:
    with opened(path) as database:
        deliver(database, 50)
    content = bytearray(path.read_bytes())
    content[8192:24576] = b"\xff" * 16384
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (_junk, "is no database of OCC: file is not a database"),
        (_other, "is no database of OCC: no such table: deliveries"),
        (_newer, r"was written by a newer version of OCC \(schema 9999\)"),
        (_damaged, "is damaged: |is no database of OCC: database disk image is malformed"),
        (lambda _: None, "no such file"),
    ],
)
def test_what_can_not_be_used_is_refused_and_nothing_is_touched(tmp_path: Path, make: object, complaint: str) -> None:
    path, copy = tmp_path / "r.db", tmp_path / "c.db"
    with opened(path) as database:
        deliver(database)
    make(copy)  # type: ignore[operator]
    with pytest.raises(DatabaseError, match=complaint):
        restore(path, copy, "before")
    assert delivered(path) == 1
    assert not (tmp_path / "r.db.before").exists()


def test_a_restored_older_database_is_known_by_the_checkpoints(held: Held, tmp_path: Path) -> None:
    backup(held.path, tmp_path / "c.db")
    held.say(2)
    held.cover()
    held.database.reading.dispose()
    held.database.writing.dispose()
    restored = tmp_path / "other.db"
    restore(restored, tmp_path / "c.db", "before")
    with opened(restored) as database:
        held.database, held.path = database, restored
        complaint = "truncation: checkpoint-0000000002.json has seen record 3; the last one here is 1"
        assert held.start() == [complaint]
        assert held.verify() == [complaint.replace("is 1", "is 2")]
        held.cover()
        assert held.verify() == []
