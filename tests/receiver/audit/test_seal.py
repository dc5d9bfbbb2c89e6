"""Rows and records against somebody who can write to the database file as they like, but has no key."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import IntegrityError

from receiver import schema
from receiver.audit.chain import START, Head, Record, digest, parse
from receiver.audit.macs import SEALED, of_row, subject
from receiver.audit.scan import scan
from receiver.audit.seal import Audit, Forged
from receiver.schema import APPEND_ONLY
from tests.receiver.audit.support import MAC_KEY, Held, freeze
from tests.receiver.support import NOW


def records(held: Held) -> list[Record]:
    return [parse(line) for line in held.export().splitlines()]


def count(connection: Connection) -> int:
    found: int = connection.execute(select(func.count()).select_from(schema.audit)).scalar_one()
    return found


# --- what it does ----------------------------------------------------------------------------------------------------


def test_the_first_record_names_the_database_by_chance(held: Held) -> None:
    [first] = records(held)
    assert (first.seq, first.kind, first.prev, first.by) == (1, "database.created", START, "receiver")
    assert first.subject == f"database/{held.audit.database}"
    assert len(held.audit.database) == 32


def test_each_record_follows_the_one_before(held: Held) -> None:
    held.say(3)
    held.say(2)
    assert [record.seq for record in records(held)] == [1, 2, 3, 4, 5, 6]
    assert held.audit.known == Head(6, digest(records(held)[-1].bytes))
    assert held.verify() == []


def test_a_row_is_written_with_its_record(held: Held) -> None:
    written = held.put(freeze())
    record = records(held)[-1]
    assert (record.kind, record.subject, record.by) == ("freeze.made", f"freeze/{1:016x}", "desk-1")
    assert record.data == {"state": "standing"}
    assert held.get() == written
    assert written["audit_seq"] == 2
    assert held.get(2) is None


def test_a_row_is_put_in_the_place_of_the_older_one(held: Held) -> None:
    held.put(freeze())
    held.put(freeze(lifted_at=NOW), "lifted")
    assert (held.get() or {})["lifted_at"] == NOW
    assert held.verify() == []


def test_what_is_undone_leaves_no_trace(held: Held) -> None:
    def work(connection: Connection) -> None:
        held.audit.append(connection, kind="a.b", subject="c/d", by="e")
        with suppress(ZeroDivisionError), connection.begin_nested():
            held.audit.append(connection, kind="a.b", subject="c/undone", by="e")
            _ = 1 / 0
        held.audit.append(connection, kind="a.b", subject="c/f", by="e")

    held.run(work)
    assert [record.subject for record in records(held)][1:] == ["c/d", "c/f"]
    assert held.verify() == []


def test_a_transaction_that_fails_leaves_the_audit_as_it_was(held: Held) -> None:
    def work(connection: Connection) -> None:
        held.audit.write(connection, schema.freezes, freeze(), kind="a.b", by="e", data={})
        raise KeyError

    with pytest.raises(KeyError):
        held.run(work)
    held.say()
    assert held.get() is None
    assert held.verify() == []


def test_a_sealed_row_has_no_records_but_those_of_its_changes(held: Held) -> None:
    with pytest.raises(ValueError, match=r"freeze/x: is recorded by `write`"):
        held.run(lambda connection: held.audit.append(connection, kind="a.b", subject="freeze/x", by="e"))


def test_a_row_must_be_whole(held: Held) -> None:
    row = freeze()
    del row["reason"]
    with pytest.raises(KeyError, match="reason"):
        held.put(row)


def test_a_subject_has_its_length(held: Held) -> None:
    with pytest.raises(ValueError, match="longer than 128"):
        held.run(lambda connection: held.audit.append(connection, kind="a.b", subject="c" * 129, by="e"))


def test_a_key_has_its_length() -> None:
    with pytest.raises(ValueError, match="has 31 bytes; at least 32"):
        Audit(b"k" * 31, lambda: 0)


def test_every_table_with_a_seal_is_known() -> None:
    sealed = {table.name for table in schema.metadata.sorted_tables if "audit_seq" in table.c}
    assert sealed == {table.name for table in SEALED.values()}
    assert subject(schema.requests, "ab") == "request/ab"


def test_it_goes_on_after_a_restart(held: Held) -> None:
    held.put(freeze())
    held.say(3)
    held.cover()
    assert held.start() == []
    held.put(freeze(lifted_at=NOW), "lifted")
    assert [record.seq for record in records(held)] == [1, 2, 3, 4, 5, 6]
    assert held.verify() == []


def test_another_mac_key_believes_nothing(held: Held) -> None:
    held.put(freeze())
    held.cover()
    complaints = held.start(mac_key=b"x" * 32)
    assert complaints[0] == "change: record 1 was not written by this receiver: its seal is wrong"
    assert complaints[-1] == f"row: freeze/{1:016x}: the row was not written by this receiver: its seal is wrong"


def test_a_connection_that_sees_an_older_moment_is_no_forgery(held: Held) -> None:
    held.put(freeze())
    with held.database.reading.begin() as connection:
        assert count(connection) == 2
        held.put(freeze(lifted_at=NOW), "lifted")
        assert (held.audit.read(connection, schema.freezes, f"{1:016x}") or {})["lifted_at"] is None
        assert len(held.audit.rows(connection, schema.freezes)) == 1
    assert (held.get() or {})["lifted_at"] == NOW


# --- rows ------------------------------------------------------------------------------------------------------------

ROW = f"freeze/{1:016x}"
SEAL = f"{ROW}: the row was not written by this receiver: its seal is wrong"
OLD = f"{ROW}: the row is of record 2, and the newest record about it is 3"
GONE = f"{ROW}: the row is gone"


def found(held: Held, complaint: str) -> None:
    """By whoever reads the row, reads them all, would write it, looks at everything, or starts."""
    with pytest.raises(Forged) as read:
        held.get()
    assert str(read.value) == complaint
    with pytest.raises(Forged), held.database.reading.begin() as connection:
        held.audit.rows(connection, schema.freezes)
    with pytest.raises(Forged):
        held.put(freeze(reason="other"))
    assert f"row: {complaint}" in held.verify()
    assert f"row: {complaint}" in held.start()


def saved(held: Held, table: str) -> str:
    """A statement that puts the rows of a table back as they are now."""
    with closing(sqlite3.connect(held.path)) as connection:
        cursor = connection.execute(f"SELECT * FROM {table}")
        columns = ", ".join(column[0] for column in cursor.description)
        rows = [", ".join(map(literal, row)) for row in cursor]
    return "".join(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({row});" for row in rows)


def literal(value: Any) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


@pytest.mark.parametrize(
    "change", ["scope = 'action'", "person = 'desk-2'", "at = at + 1", "lifted_at = 5", "name = 'x'", "reason = x'00'"]
)
def test_a_row_with_another_value_is_forged(held: Held, change: str) -> None:
    held.put(freeze())
    held.attack(f"UPDATE freezes SET {change}")
    found(held, SEAL)


def test_a_row_made_up_is_forged(held: Held) -> None:
    held.put(freeze(2))
    held.attack(
        "INSERT INTO freezes SELECT '0000000000000001',scope,name,person,reason,at,lifted_at,2,seal FROM freezes"
    )
    found(held, f"{ROW}: the row is of record 2, and the newest record about it is 0")


def test_a_row_with_the_name_of_another_is_forged(held: Held) -> None:
    held.put(freeze(1))
    held.put(freeze(2))
    held.attack("DELETE FROM freezes WHERE id LIKE '%1'; UPDATE freezes SET id = '0000000000000001'")
    found(held, f"{ROW}: the row is of record 3, and the newest record about it is 2")


def test_a_row_taken_out_is_missed(held: Held) -> None:
    held.put(freeze())
    held.attack("DELETE FROM freezes")
    found(held, GONE)


def test_an_old_row_put_back_is_forged(held: Held) -> None:
    held.put(freeze())
    old = saved(held, "freezes")
    held.put(freeze(lifted_at=NOW), "lifted")
    held.attack(old)
    found(held, OLD)


def test_an_old_row_put_back_with_the_number_of_the_newest_record_is_forged(held: Held) -> None:
    held.put(freeze())
    old = saved(held, "freezes")
    held.put(freeze(lifted_at=NOW), "lifted")
    held.attack(f"{old}; UPDATE freezes SET audit_seq = 3")
    found(held, SEAL)


def test_an_old_row_is_forged_also_where_the_newer_record_is_said_to_be_about_another(held: Held) -> None:
    held.put(freeze())
    old = saved(held, "freezes")
    held.put(freeze(lifted_at=NOW), "lifted")
    held.attack(f"{old}; UPDATE audit SET subject = 'thing/1' WHERE seq = 3")
    with pytest.raises(Forged):
        held.get()
    assert held.verify() == ["change: the columns of record 3 are not what the record says", f"row: {OLD}"]
    held.cover()
    assert held.start() == ["change: the columns of record 3 are not what the record says", f"row: {OLD}"]
    with pytest.raises(Forged):
        held.get()


def test_an_old_row_is_forged_also_where_the_newer_record_is_cut_off(held: Held) -> None:
    held.put(freeze())
    old = saved(held, "freezes")
    held.put(freeze(lifted_at=NOW), "lifted")
    held.cover()
    held.attack(f"{old}; DELETE FROM audit WHERE seq = 3")
    with pytest.raises(Forged, match="the newest record of the audit is not record 3, which this process wrote"):
        held.run(held.audit.unchanged)
    assert held.verify()[-1] == "truncation: record 3 is not the one that this process wrote"
    assert held.start() == ["truncation: checkpoint-0000000002.json has seen record 3; the last one here is 2"]


def test_a_column_that_holds_what_it_can_not_hold_is_told_and_stops_nothing(held: Held) -> None:
    columns = {column.name: None for column in schema.requests.c}
    held.attack(
        "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;"
        f"INSERT INTO requests ({', '.join(columns)}) SELECT {', '.join(_junk(name) for name in columns)}"
    )
    held.cover()
    complaint, *others = held.start()
    assert complaint.startswith("row: the table requests can not be read to its end: ")
    assert others == ["row: definition 1 is gone"]


def _junk(name: str) -> str:
    return {"parameters": "'{'", "evidence": "'['"}.get(name, "1")


# --- records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attack", "complaint"),
    [
        ("DELETE FROM audit WHERE seq = 3", "gap: record 3 is missing"),
        ("DELETE FROM audit WHERE seq = 1", "gap: record 1 is missing"),
        (
            "UPDATE audit SET bytes = CAST(replace(bytes, 'desk-1', 'desk-2') AS BLOB) WHERE seq = 3",
            "change: record 3 was changed: its hash is not what the others say it is",
        ),
        (
            "UPDATE audit SET bytes = x'00' WHERE seq = 3",
            "change: what stands in the place of record 3 is no record: it is no JSON that a record may be",
        ),
        ("UPDATE audit SET seq = 99 WHERE seq = 3", "order: record 3 stands behind record 5"),
        ("UPDATE audit SET hash = 'x' WHERE seq = 3", "change: the columns of record 3 are not what the record says"),
        ("UPDATE audit SET seal = x'00' WHERE seq = 3", "change: record 3 was not written by this receiver"),
        (
            "UPDATE audit SET subject = 'a/b' WHERE seq = 3",
            "change: the columns of record 3 are not what the record says",
        ),
    ],
)
def test_a_record_that_was_worked_on_is_found(held: Held, attack: str, complaint: str) -> None:
    held.say(4)
    held.cover()
    held.attack(attack)
    assert [said for said in held.verify() if said.startswith(complaint)]
    assert [said for said in held.start() if said.startswith(complaint)]


def forged(held: Held, seq: int, prev: str, word: str = "forged") -> str:
    """A record that fits, put in by somebody who has read docs/audit.md."""
    raw = Record(seq, NOW, "test.done", "person/x", "desk-1", {"said": word}, prev).bytes
    values = f"{seq}, '{digest(raw)}', 'person/x', x'{raw.hex()}', '{'0' * 64}'"
    return f"INSERT OR REPLACE INTO audit (seq, hash, subject, bytes, seal) VALUES ({values});"


def test_nothing_is_appended_behind_a_record_of_somebody_else(held: Held) -> None:
    held.say()
    held.attack(forged(held, 3, held.audit.known.hash))
    with pytest.raises(Forged, match="the newest record of the audit is not record 2, which this process wrote"):
        held.say()
    assert held.verify() == ["change: record 3 was not written by this receiver: its seal is wrong"]
    assert held.start() == [
        "change: record 3 was not written by this receiver: its seal is wrong",
    ]


def test_what_somebody_else_appended_is_known_at_the_next_transaction_and_alerts_go_on(held: Held) -> None:
    held.attack(forged(held, 2, held.audit.known.hash))
    assert not held.audit.foreign
    held.run(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = version_num")))
    assert held.audit.foreign
    assert held.audit.known.seq == 1
    held.attack("DELETE FROM audit WHERE seq = 2")
    held.say()
    assert not held.audit.foreign


def test_a_chain_made_anew_is_found_by_its_seals_and_by_the_checkpoint(held: Held) -> None:
    held.say(5)
    held.cover()
    prev, script = records(held)[2].prev, ""
    for seq in range(3, 7):
        script += forged(held, seq, prev)
        raw = bytes.fromhex(script.rsplit("x'", 1)[1].split("'")[0])
        prev = digest(raw)
    held.attack(script)
    with pytest.raises(Forged):
        held.say()
    assert held.verify()[-1] == "fork: record 6 is not the one that this process wrote"
    complaints = held.start()
    assert complaints[0] == "change: record 3 was not written by this receiver: its seal is wrong"
    assert complaints[-1] == "fork: record 6 is not the one that checkpoint-0000000002.json has seen"


def test_a_row_of_a_history_that_was_given_up_is_forged(held: Held) -> None:
    held.put(freeze())
    held.cover()
    audit, rows = saved(held, "audit"), saved(held, "freezes")
    held.put(freeze(lifted_at=NOW), "lifted")
    given_up = saved(held, "audit") + saved(held, "freezes")
    held.attack(f"DELETE FROM freezes; DELETE FROM audit; {audit} {rows}")
    assert held.start() == []  # as no checkpoint has seen the end
    held.say(5)
    held.attack(given_up)
    held.run(held.audit.unchanged)
    with pytest.raises(Forged, match="the row is of record 3, and the newest record about it is 2"):
        held.get()
    with pytest.raises(Forged):
        held.put(freeze(reason="other"))
    changed = "change: record 3 was changed: its hash is not what the others say it is"
    assert held.verify() == [changed]
    assert held.start() == [changed]


def test_an_older_database_is_found_by_the_checkpoint_and_works_again_after_that(held: Held) -> None:
    held.put(freeze())
    audit, rows = saved(held, "audit"), saved(held, "freezes")
    held.put(freeze(lifted_at=NOW), "lifted")
    held.cover()
    held.attack(f"DELETE FROM freezes; DELETE FROM audit; {audit} {rows}")
    complaint = "truncation: checkpoint-0000000002.json has seen record 3; the last one here is 2"
    assert held.start() == [complaint]
    last = records(held)[-1]
    assert (last.kind, last.seq, last.data) == ("audit.trouble", 3, {"checkpoint": "2", "troubles": [complaint]})
    assert (held.get() or {})["lifted_at"] is None
    held.put(freeze(lifted_at=NOW), "lifted")
    held.cover()
    assert held.start() == []


def test_checkpoints_of_another_database_are_trouble(held: Held) -> None:
    held.attack("DELETE FROM audit")
    [complaint] = held.start()
    assert complaint.startswith("checkpoint: checkpoint-0000000001.json is of another database (")
    assert [record.kind for record in records(held)] == ["database.created", "audit.trouble"]


def test_a_checkpoint_that_is_damaged_or_of_another_key_is_trouble(held: Held) -> None:
    from tests.receiver.audit.test_verify import OTHER  # noqa: PLC0415 - one key for both

    [complaint] = held.start(signing=OTHER)
    assert complaint.startswith("checkpoint: checkpoint-0000000001.json: it is signed by another key (")
    held.cover()
    assert held.start(signing=OTHER) == []
    path = held.checkpoints.folder / "checkpoint-0000000002.json"
    path.write_bytes(path.read_bytes()[:-3])
    [complaint] = held.start(signing=OTHER)
    assert complaint.startswith("checkpoint: checkpoint-0000000002.json: it can not be read")


def test_a_folder_of_checkpoints_that_is_gone_is_trouble(held: Held) -> None:
    (held.checkpoints.folder / "checkpoint-0000000001.json").unlink()
    assert held.start() == [f"checkpoint: {held.checkpoints.folder} has no checkpoint, and the audit has 1 records"]
    held.checkpoints.folder.rmdir()
    folder = held.checkpoints.folder
    assert held.start() == [f"checkpoint: can not read the folder of checkpoints {folder}: No such file or directory"]


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (
            "CREATE TRIGGER t BEFORE INSERT ON audit BEGIN SELECT RAISE(IGNORE); END",
            "schema: t is a trigger or a view that this version did not make",
        ),
        ("CREATE VIEW v AS SELECT 1", "schema: v is a trigger or a view that this version did not make"),
        (
            f"CREATE TABLE more (x); {APPEND_ONLY[0].replace('ON audit', 'ON more').replace('audit_no', 'more_no')}",
            None,
        ),
    ],
)
def test_what_would_do_more_than_our_statements_say_is_found(held: Held, script: str, complaint: str | None) -> None:
    held.attack(script)
    complaint = complaint or "schema: more_no_update is a trigger or a view that this version did not make"
    assert held.verify() == [complaint]


def test_a_record_that_the_database_does_not_take_is_no_record(held: Held) -> None:
    held.attack("CREATE TRIGGER t BEFORE INSERT ON audit BEGIN SELECT RAISE(IGNORE); END")
    with pytest.raises(Forged, match="the database did not take a record: somebody has put a trigger into it"):
        held.say()


@pytest.mark.parametrize("verb", ["INSERT", "UPDATE"])
def test_a_row_that_the_database_does_not_take_is_none(held: Held, verb: str) -> None:
    if verb == "UPDATE":
        held.put(freeze())
    before = held.audit.known
    held.attack(f"CREATE TRIGGER t BEFORE {verb} ON freezes BEGIN SELECT RAISE(IGNORE); END")
    with pytest.raises(Forged, match="the database did not take the row: somebody has put a trigger into it"):
        held.put(freeze(lifted_at=NOW), "lifted")
    assert held.audit.known == before, "there is no record of what was not done"


def test_what_keeps_the_audit_append_only_is_missed(held: Held) -> None:
    with held.database.writing.begin() as connection:
        for statement in ("UPDATE audit SET subject = 'x'", "DELETE FROM audit"):
            with pytest.raises(IntegrityError, match="audit is append-only"):
                connection.execute(text(statement))
        connection.execute(text("DROP TRIGGER audit_no_update"))
    assert held.verify() == ["schema: the triggers that keep the audit append-only are gone"]


def test_the_audit_taken_away_is_trouble(held: Held) -> None:
    held.put(freeze())
    held.attack("PRAGMA foreign_keys = OFF; DELETE FROM audit")
    complaints = held.start()
    assert complaints[0] == f"row: {ROW}: the row is of record 2, and the newest record about it is 0"
    assert complaints[1].startswith("checkpoint: checkpoint-0000000001.json is of another database (")
    assert records(held)[-1].kind == "audit.trouble"


@given(
    value=st.dictionaries(
        st.text("ab"), st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text("xyz") | st.floats(0, 1)
    )
)
def test_json_columns_are_sealed_as_they_are_read_again(value: dict[str, Any]) -> None:
    row = {column.name: "x" for column in schema.requests.c} | {"parameters": value}
    again = row | {"parameters": orjson.loads(orjson.dumps(value))}
    small = all(not isinstance(each, int) or abs(each) < 2**53 for each in value.values())
    if small:
        assert of_row(MAC_KEY, schema.requests, row, START) == of_row(MAC_KEY, schema.requests, again, START)
    else:
        with pytest.raises(ValueError, match="exceeds safe integer"):
            of_row(MAC_KEY, schema.requests, row, START)


def test_a_look_at_everything_sees_one_moment(held: Held) -> None:
    held.put(freeze())
    with held.database.reading.begin() as connection:
        assert count(connection) == 2
        held.put(freeze(lifted_at=NOW), "lifted")
        assert scan(connection, MAC_KEY).troubles == ()


# --- going back ------------------------------------------------------------------------------------------------------


def backwards(held: Held) -> list[int]:
    with held.database.reading.begin() as connection:
        return [record.seq for record in held.audit.back(connection)]


def test_records_are_read_from_the_newest_back(held: Held) -> None:
    held.say(3)
    assert backwards(held) == [4, 3, 2, 1]


def test_what_was_appended_a_moment_ago_is_read_too(held: Held) -> None:
    def work(connection: Connection) -> list[int]:
        held.audit.append(connection, kind="a.b", subject="c/d", by="e")
        return [record.seq for record in held.audit.back(connection)]

    assert held.run(work) == [2, 1]


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE audit SET bytes = CAST(replace(bytes, 'desk-1', 'desk-2') AS BLOB) WHERE seq = 3",
        "UPDATE audit SET bytes = x'00' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit WHERE seq <= 3",
    ],
)
def test_going_back_nothing_is_read_that_was_worked_on(held: Held, attack: str) -> None:
    held.say(4)
    held.attack(attack)
    with pytest.raises(Forged, match="record 3 of the audit was changed, or is gone"):
        backwards(held)


def test_going_back_ends_at_what_a_start_has_found_wrong(held: Held) -> None:
    held.say(4)
    held.attack("DELETE FROM audit WHERE seq = 3")
    held.start()
    held.say()
    assert backwards(held) == [7, 6, 5, 4]


def test_going_back_needs_the_newest_record_to_be_ours(held: Held) -> None:
    held.attack("INSERT INTO audit VALUES (2, 'x', 'a/b', x'00', 'x')")
    with pytest.raises(Forged, match="the newest record of the audit is not record 1"):
        backwards(held)
