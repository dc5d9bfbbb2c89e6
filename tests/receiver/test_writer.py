from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from receiver.database import Database
from receiver.schema import deliveries
from receiver.writer import NotDurable, Writer


def add(connection: Connection, body: bytes = b"") -> int:
    row = {"received_at": 1, "source": "x", "complaint": "", "whole": True, "body": body}
    return connection.execute(insert(deliveries).values(**row)).rowcount


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(deliveries)).scalar_one()


def kept(database: Database) -> int:
    with database.reading.begin() as connection:
        return count(connection)


async def test_work_is_durable_when_its_result_is_there(database: Database) -> None:
    with Writer(database.writing, count, lambda _: None) as writer:
        assert await writer.run(add) == 1
        assert kept(database) == 1


async def test_what_waits_shares_one_transaction(database: Database) -> None:
    commits: list[int] = []
    busy, go = threading.Event(), threading.Event()

    def first(connection: Connection) -> int:
        busy.set()
        go.wait(60)
        return add(connection)

    with Writer(database.writing, count, commits.append) as writer:
        holding = asyncio.create_task(writer.run(first))
        await asyncio.to_thread(busy.wait, 60)
        waiting = [asyncio.create_task(writer.run(add)) for _ in range(50)]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(holding, *waiting)
    assert commits == [1, 51]


async def test_work_that_fails_takes_nothing_else_with_it(database: Database) -> None:
    def mistaken(connection: Connection) -> None:
        add(connection)
        raise KeyError

    def refused(connection: Connection) -> int:
        add(connection)
        return connection.execute(insert(deliveries).values(received_at=1)).rowcount

    with Writer(database.writing, count, lambda _: None) as writer:
        work = [writer.run(each) for each in (add, mistaken, refused, add)]
        found = await asyncio.gather(*work, return_exceptions=True)
    assert [each if isinstance(each, int) else type(each) for each in found] == [1, KeyError, IntegrityError, 1]
    assert kept(database) == 2


async def test_what_can_not_be_written_is_said_and_the_writer_goes_on(database: Database) -> None:
    with Writer(database.reading, count, lambda _: None) as writer:
        with pytest.raises(NotDurable, match="attempt to write a readonly database"):
            await writer.run(add)
        assert await writer.run(count) == 0


async def test_nobody_waits_for_ever_when_counting_fails(database: Database) -> None:
    def broken(_: Connection) -> int:
        raise ZeroDivisionError

    with Writer(database.writing, broken, lambda _: None) as writer:
        for _ in range(2):
            with pytest.raises(NotDurable):
                await writer.run(add)
    assert kept(database) == 0


async def test_the_end_commits_what_was_handed_in(database: Database) -> None:
    with Writer(database.writing, count, lambda _: None) as writer:
        tasks = [asyncio.create_task(writer.run(add)) for _ in range(20)]
        await asyncio.sleep(0)
    assert kept(database) == 20
    assert await asyncio.gather(*tasks) == [1] * 20
