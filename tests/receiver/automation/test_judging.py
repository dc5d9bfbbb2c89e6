"""What is read of the database again and again: it must not grow with what has been."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from receiver.automation import facts
from tests.receiver.automation.support import LONG_ENOUGH, Scene

WHOLE_TABLES_OF = {"freezes", "incomplete_groups"}
"""Of these the database holds few rows, and all of them are looked at."""


@contextmanager
def statements(made: Scene) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        asked.append((statement, parameters))

    reading = made.house.database.reading
    event.listen(reading, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(reading, "before_cursor_execute", note)


async def test_what_has_been_is_found_by_an_index(auto: Scene) -> None:
    fingerprint = await auto.fires()
    await auto.house.planned("halt", fingerprint=fingerprint)
    auto.passes(LONG_ENOUGH)
    with statements(auto) as asked, auto.house.database.reading.begin() as connection:
        await auto.house.acting.automation.look()
        (candidate,) = facts.candidates(connection, auto.house.desk.rules.current)
        facts.asked_before(connection, candidate)
    assert auto.decisions() == [("halt", "auto", "held", "person_acts")]
    scanned = set()
    with auto.house.database.reading.begin() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            scanned |= {
                row.detail.split()[1] for row in plan if row.detail.startswith("SCAN") and "INDEX" not in row.detail
            }
    assert scanned <= WHOLE_TABLES_OF
