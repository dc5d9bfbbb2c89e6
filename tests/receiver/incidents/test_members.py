"""What a look costs depends on what goes on, and not on how much has been."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from tests.receiver.incidents.scene import Scene


@contextmanager
def said(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that go through the engine meanwhile, with their values."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        found.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_no_table_is_read_from_end_to_end(scene: Scene) -> None:
    await scene.fire("Old")
    await scene.look()
    database = scene.house.database
    with said(database.reading) as reading, said(database.writing) as writing:
        await scene.fire("New", entity="else")
        await scene.look()
        await scene.recover("Old", ago=1)
        await scene.look()
    asked = [one for one in (*reading, *writing) if one[0].startswith("SELECT") and "incident" in one[0]]
    assert len(asked) > 10
    with database.reading.begin() as connection:
        for statement, values in asked:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert [step for step in plan if step.startswith("SCAN")] == [], statement
