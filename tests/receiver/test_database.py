from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from receiver import database as module
from receiver.database import Database, DatabaseError, filesystem, opened
from receiver.schema import deliveries, episodes, metadata
from tests.receiver.support import NOW


def statements(connection: Connection) -> set[str]:
    """What the schema was made with, white space apart."""
    query = text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name != 'alembic_version'")
    return {re.sub(r"\s+", " ", sql) for (sql,) in connection.execute(query)}


def test_the_migrations_lead_to_the_declared_schema(database: Database) -> None:
    declared = create_engine("sqlite://")
    with database.writing.begin() as migrated, declared.begin() as fresh:
        metadata.create_all(fresh)
        context = MigrationContext.configure(migrated, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert statements(migrated) == statements(fresh)
    declared.dispose()


def test_every_commit_is_on_the_disk_before_it_returns(database: Database) -> None:
    with database.writing.begin() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert values == ["wal", 2, 1]


def test_readers_can_not_write(database: Database) -> None:
    with pytest.raises(OperationalError, match="readonly"), database.reading.begin() as connection:
        connection.execute(insert(deliveries).values(received_at=1, source="x", complaint="", whole=True, body=b""))


def test_references_are_held(database: Database) -> None:
    row = {"source": "x", "fingerprint": "0" * 16, "severity": "page", "starts_at": NOW, "spans": [], "labels": {}}
    more = {"annotations": {}, "generator_url": "", "said_at": NOW, "received_at": NOW, "updated_at": NOW}
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), database.writing.begin() as connection:
        connection.execute(insert(episodes).values(**row, **more, delivery_id=77))


def test_what_is_there_stays_at_the_next_start(tmp_path: Path) -> None:
    row = {"received_at": 1, "source": "x", "complaint": "", "whole": True, "body": b"\0\xff"}
    with opened(tmp_path / "r.db") as first, first.writing.begin() as connection:
        connection.execute(insert(deliveries).values(**row))
    with opened(tmp_path / "r.db") as second, second.reading.begin() as connection:
        assert connection.execute(select(deliveries.c.body)).scalar_one() == b"\0\xff"


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    with opened(tmp_path / "r.db"):
        assert stat.S_IMODE((tmp_path / "r.db").stat().st_mode) == 0o600


def test_a_second_use_of_the_file_is_refused_also_by_another_name(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "r.db")
    with opened(tmp_path / "r.db"), pytest.raises(DatabaseError) as found, opened(tmp_path / "link.db"):
        pass
    assert str(found.value) == f"{tmp_path}/r.db is in use by another process, which holds {tmp_path}/r.db.lock"


def test_the_lock_is_let_go_of_at_the_end(tmp_path: Path) -> None:
    for _ in range(2):
        with opened(tmp_path / "r.db"):
            pass


def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with opened(path) as database, database.writing.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError) as found, opened(path):
        pass
    assert str(found.value) == f"{path} was written by a newer version of OCC (schema 9999)"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    path.write_text("something else entirely " * 100)
    with pytest.raises(DatabaseError) as found, opened(path):
        pass
    assert str(found.value) == f"can not use {path}: file is not a database"
    assert path.read_text().startswith("something else")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(DatabaseError, match=r"can not open .*/missing/r\.db\.lock: No such file or directory"),
        opened(tmp_path / "missing/r.db"),
    ):
        pass


def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "r.db").mkdir()
    with pytest.raises(DatabaseError) as found, opened(tmp_path / "r.db"):
        pass
    assert str(found.value) == f"can not use {tmp_path}/r.db: unable to open database file"


MOUNTS = """\
23 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 23 0:27 / /srv/data rw - nfs4 server:/x rw
32 31 254:1 / /srv/data/local\\040disk rw - xfs /dev/vdb rw
33 23 0:44 / /home rw,nosuid - fuse.sshfs me@there rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/r.db", "ext4"),
        ("/srv/data/r.db", "nfs4"),
        ("/srv/database/r.db", "ext4"),
        ("/srv/data/local disk/r.db", "xfs"),
        ("/home/me/r.db", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert filesystem(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounts").write_text(MOUNTS.replace(" /home ", f" {tmp_path} "))
    monkeypatch.setattr(module, "MOUNTS", tmp_path / "mounts")
    with pytest.raises(DatabaseError) as found, opened(tmp_path / "r.db"):
        pass
    assert str(found.value) == f"{tmp_path}/r.db is on a network file system (fuse.sshfs), where its locks do not hold"
    assert [each.name for each in tmp_path.iterdir()] == ["mounts"]
