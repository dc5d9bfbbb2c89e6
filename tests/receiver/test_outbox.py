"""What people must be told stands in the transaction of what it tells of; one page says what needs one."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from receiver.database import Database
from receiver.families import Severity
from receiver.outbox import Notice, put
from receiver.schema import outbox
from tests.receiver.support import NOW

TEXT = {"summary": "x"}


def told(database: Database, **more: object) -> bool:
    given = {"now": NOW} | more
    with database.writing.begin() as connection:
        return put(connection, Notice.FREEZE, "freeze/1", TEXT, **given)  # type: ignore[arg-type]


def settle(database: Database) -> None:
    with database.writing.begin() as connection:
        connection.execute(update(outbox).values(settled_at=NOW))


def test_what_is_still_to_be_told_is_not_put_up_twice(database: Database) -> None:
    assert [told(database), told(database)] == [True, False]
    settle(database)
    assert told(database)


def test_what_is_told_once_is_never_told_again(database: Database) -> None:
    assert told(database, once=True)
    settle(database)
    assert not told(database, once=True)


def test_each_of_several_about_one_subject_is_told(database: Database) -> None:
    assert [told(database, each=True), told(database, each=True)] == [True, True]


def test_another_kind_about_the_same_is_another_notice(database: Database) -> None:
    with database.writing.begin() as connection:
        assert put(connection, Notice.FREEZE, "freeze/1", TEXT, now=NOW)
        assert put(connection, Notice.TAMPERED, "freeze/1", TEXT, now=NOW)


def test_it_keeps_for_whom_it_is(database: Database) -> None:
    told(database, to=("oncall", "commander"), severity=Severity.INFO)
    with database.reading.begin() as connection:
        [row] = connection.execute(select(outbox)).all()
    assert (row.audience, row.severity, row.text, row.settled_at) == (["commander", "oncall"], "info", TEXT, None)


def test_what_fails_leaves_no_notice_behind(database: Database) -> None:
    def fails() -> None:
        with database.writing.begin() as connection:
            put(connection, Notice.FREEZE, "freeze/1", TEXT, now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with database.reading.begin() as connection:
        assert connection.execute(select(outbox)).all() == []
