"""Whatever is written, and whatever somebody does to the file: no row is believed but the newest one written, and it shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from receiver import schema
from receiver.audit.seal import Forged
from tests.receiver.audit.support import freeze, held
from tests.receiver.support import NOW

T = TypeVar("T")
Tables = dict[str, list[tuple[Any, ...]]]
Statements = list[tuple[str, tuple[Any, ...]]]

COLUMNS = {table.name: [column.name for column in table.c] for table in (schema.audit, schema.freezes)}
NUMBERS = st.integers(1, 3)
VALUES = st.sampled_from(
    [None, 0, 1, 2, 3, NOW, "", "x", "action", b"\0", "0" * 64, f"freeze/{1:016x}", f"freeze/{2:016x}"]
)


def one(data: st.DataObject, of: Sequence[T]) -> T:
    """By its place: hashes are others each time."""
    return of[data.draw(st.integers(0, len(of) - 1))]


class Machine(RuleBasedStateMachine):
    """The audit of freezes against a model: for each the last one written; and all states that the file has had."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.model: dict[str, dict[str, Any]] = {}
        self.past: list[Tables] = []

    @initialize()
    def begin(self) -> None:
        folder = Path(self.stack.enter_context(TemporaryDirectory()))
        self.held = self.stack.enter_context(held(folder))

    def teardown(self) -> None:
        self.stack.close()

    # --- the receiver -------------------------------------------------------------------------------------------------

    @rule(number=NUMBERS, lifted=st.sampled_from([None, NOW, NOW + 1]), reason=st.text("ab", max_size=2))
    def write(self, number: int, lifted: int | None, reason: str) -> None:
        self.past.append(self.tables())
        row = self.held.put(freeze(number, lifted_at=lifted, reason=reason), "lifted" if lifted else "standing")
        self.model[row["id"]] = row

    @rule(count=st.integers(1, 3))
    def say(self, count: int) -> None:
        self.past.append(self.tables())
        self.held.say(count)

    @rule()
    def fail(self) -> None:
        def work(connection: Any) -> None:
            self.held.audit.write(connection, schema.freezes, freeze(), kind="a.b", by="c", data={})
            raise KeyError

        try:
            self.held.run(work)
        except KeyError:
            return
        raise AssertionError

    @rule()
    def restart(self) -> None:
        self.held.cover()
        assert self.held.start() == []

    @invariant()
    def is_whole(self) -> None:
        if hasattr(self, "held"):
            assert self.believed() == self.model
            assert self.held.verify() == []

    # --- somebody else ------------------------------------------------------------------------------------------------

    @rule(data=st.data(), changes=st.integers(1, 3))
    def attack(self, data: st.DataObject, changes: int) -> None:
        """It shows, no other row than the newest is believed, nothing is written; then the file is put right again."""
        genuine = self.tables()
        for _ in range(changes):
            ways = [self.change_a_value, self.take_a_row_out, self.put_a_row_back, self.put_all_back]
            with suppress(sqlite3.IntegrityError):
                self.execute(data.draw(st.sampled_from(ways))(data))
        if self.tables() == genuine:
            return
        assert self.believed(mistrusting=True).items() <= self.model.items()
        assert self.held.verify() != []
        audit = self.held.audit
        self.held.cover()
        assert self.held.start() != []
        self.held.audit = audit
        self.execute([statement for table in COLUMNS for statement in replace(table, genuine[table])])

    def change_a_value(self, data: st.DataObject) -> Statements:
        """To some value, or to that of another row."""
        table = data.draw(st.sampled_from(sorted(COLUMNS)))
        if not (rows := self.tables()[table]):
            return []
        at = data.draw(st.integers(0, len(COLUMNS[table]) - 1))
        other, value = one(data, rows)[at], data.draw(VALUES)
        statement = f"UPDATE {table} SET {COLUMNS[table][at]} = ? WHERE {COLUMNS[table][0]} = ?"
        return [(statement, (other if data.draw(st.booleans()) else value, one(data, rows)[0]))]

    def take_a_row_out(self, data: st.DataObject) -> Statements:
        table = data.draw(st.sampled_from(sorted(COLUMNS)))
        if not (rows := self.tables()[table]):
            return []
        return [(f"DELETE FROM {table} WHERE {COLUMNS[table][0]} = ?", (one(data, rows)[0],))]

    def put_a_row_back(self, data: st.DataObject) -> Statements:
        table = data.draw(st.sampled_from(["freezes", "freezes", "audit"]))
        rows = [row for past in self.past for row in past[table]]
        return [insert(table, one(data, rows))] if rows else []

    def put_all_back(self, data: st.DataObject) -> Statements:
        """A table as it was, or both."""
        if not self.past:
            return []
        past, tables = (
            one(data, self.past),
            data.draw(st.sampled_from([("audit",), ("freezes",), ("audit", "freezes")])),
        )
        return [statement for table in tables for statement in replace(table, past[table])]

    # --- the file -----------------------------------------------------------------------------------------------------

    def believed(self, *, mistrusting: bool = False) -> dict[str, dict[str, Any]]:
        """What is read of each freeze by a transaction that would start something; all of them together are the same."""
        found = {}
        with self.held.database.writing.begin() as connection:
            for number in range(1, 4):
                try:
                    self.held.audit.unchanged(connection)
                    row = self.held.audit.read(connection, schema.freezes, f"{number:016x}")
                except Forged:
                    assert mistrusting
                    continue
                if row is not None:
                    found[row["id"]] = row
            try:
                self.held.audit.unchanged(connection)
                rows = self.held.audit.rows(connection, schema.freezes)
                assert {row["id"]: row for row in rows} == self.model
            except Forged:
                assert mistrusting
        return found

    def tables(self) -> Tables:
        with closing(sqlite3.connect(self.held.path)) as connection:
            return {
                table: connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1").fetchall()
                for table, columns in COLUMNS.items()
            }

    def execute(self, statements: Statements) -> None:
        with closing(sqlite3.connect(self.held.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                for name in ("audit_no_update", "audit_no_delete"):
                    connection.execute(f"DROP TRIGGER {name}")
                for statement in (*statements, *((trigger, ()) for trigger in schema.APPEND_ONLY)):
                    connection.execute(*statement)


def replace(table: str, rows: list[tuple[Any, ...]]) -> Statements:
    return [(f"DELETE FROM {table}", ()), *(insert(table, row) for row in rows)]


def insert(table: str, row: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    marks = ", ".join("?" * len(row))
    return f"INSERT OR REPLACE INTO {table} ({', '.join(COLUMNS[table])}) VALUES ({marks})", row


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=20, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
