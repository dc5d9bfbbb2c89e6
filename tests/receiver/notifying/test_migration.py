"""What waited to be told before there were notifiers is still to be told afterwards."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import select, text

from receiver.database import MIGRATIONS, engine, opened
from receiver.schema import outbox

BEFORE = """
INSERT INTO outbox (id, kind, severity, subject, text, created_at, attempts, next_at, delivered_at)
VALUES (7, 'freeze', 'page', 'freeze/1', '{"summary": "x"}', 5, 0, 5, NULL)
"""


def test_what_stood_in_the_outbox_stays_there(tmp_path: Path) -> None:
    path = tmp_path / "receiver.db"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    before = engine(path)
    with before.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.execute(text(BEFORE))
    before.dispose()
    with opened(path) as database, database.reading.begin() as connection:
        (row,) = connection.execute(select(outbox)).all()
    assert row._asdict() == {
        "id": 7,
        "kind": "freeze",
        "severity": "page",
        "subject": "freeze/1",
        "text": {"summary": "x"},
        "audience": [],
        "created_at": 5,
        "settled_at": None,
    }
