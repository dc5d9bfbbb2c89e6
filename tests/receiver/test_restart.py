"""What the next process finds, and what it makes of it. Real processes are killed in tests/receiver/test_crash.py."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from demo.engine.faults import Befalls, Fault
from demo.until import until
from receiver.clock import SECOND
from receiver.life import State
from receiver.runner import Point
from receiver.why import Why
from tests.receiver.house import House, Place, World, world

WITHIN = 60.0


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def test_what_waits_goes_on_waiting(around: World) -> None:
    async with around.house() as house:
        waiting, ready = await house.submitted("resume"), await house.submitted("halt")
    async with around.house() as house:
        await house.engine.take_over()
        assert (await house.ended(ready)).state is State.SUCCEEDED
        assert (await house.desk.request(waiting.id)).state is State.PENDING_APPROVAL


async def test_what_is_in_doubt_is_asked_about_under_a_new_fence(around: World) -> None:
    around.fails(Fault.COMMIT_THEN_DROP)
    around.fails(Fault.ERROR, 1, Befalls.OPERATIONS)
    async with around.house() as house:
        request = await house.ended(await house.approved("resume"))
        assert request.state is State.IN_DOUBT
        (before,) = house.rows("SELECT DISTINCT fence, holder FROM leases")
    async with around.house() as house:
        await house.engine.take_over()
        (after,) = house.rows("SELECT DISTINCT fence, holder FROM leases")
        assert after["fence"] > before["fence"]
        assert after["holder"] != before["holder"]
        assert (await house.ended(request)).state is State.SUCCEEDED


async def test_the_next_process_waits_as_long_before_it_believes_that_nothing_came(around: World) -> None:
    around.fails(Fault.DROP)
    async with around.house() as house:
        request = await house.ended(await house.approved("resume"))
    around.clock.now += 3600 * SECOND  # the machine may have been off, or its clock set
    around.clock.steady = 0
    async with around.house() as house:
        await house.engine.take_over()
        assert (await house.ended(request)).state is State.IN_DOUBT
        around.clock.passes(6)
        assert (await house.ended(request)).why is Why.NOT_APPLIED


async def test_verification_goes_on_with_its_whole_time(around: World) -> None:
    around.told.confirms = False
    async with around.house() as house:
        request = await house.ended(await house.approved("resume"))
    around.clock.passes(3600)
    async with around.house() as house:
        await house.engine.take_over()
        assert (await house.ended(request)).state is State.VERIFYING
        around.told.confirms = True
        around.clock.passes(2)
        assert (await house.ended(request)).state is State.SUCCEEDED


async def test_a_database_that_was_put_back_starts_frozen_and_starts_nothing(around: World) -> None:
    database, copy = around.folder / "receiver.db", around.folder / "copy.db"
    around.told.confirms = False
    async with around.house() as house:
        verifying = await house.ended(await house.submitted("halt"))
        ready = await house.approved("unasked")
        others = [await house.submitted("resume"), await house.planned("resume")]
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
        assert (await house.ended(ready)).state is State.VERIFYING
        assert around.received == 2
    for name in ("receiver.db-wal", "receiver.db-shm"):
        (around.folder / name).unlink(missing_ok=True)
    copy.replace(database)

    async with around.house() as house:
        assert house.troubles
        await house.engine.take_over()
        await house.settle()
        found = [await house.desk.request(request.id) for request in (verifying, ready, *others)]
        assert [request.state for request in found] == [State.FAILED, State.EXPIRED, State.EXPIRED, State.EXPIRED]
        assert {request.why for request in found} == {Why.RESTORED}
        assert around.received == 2
        assert (await house.ended(await house.approved("resume"))).why is Why.FROZEN
        assert (await house.ended(await house.submitted("halt"))).state is State.VERIFYING


async def test_what_was_started_in_a_database_that_was_put_back_is_in_doubt(around: World) -> None:
    database, copy = around.folder / "receiver.db", around.folder / "copy.db"

    def at(point: Point) -> None:
        if point is Point.SENT:
            with closing(sqlite3.connect(database)) as connection:
                connection.execute("VACUUM INTO ?", (str(copy),))

    async with around.house(at) as house:
        request = await house.ended(await house.approved("resume"))
        assert request.state is State.SUCCEEDED
    for name in ("receiver.db-wal", "receiver.db-shm"):
        (around.folder / name).unlink(missing_ok=True)
    copy.replace(database)

    async with around.house() as house:
        await house.engine.take_over()
        assert (await house.desk.request(request.id)).state is State.IN_DOUBT
        assert (await house.ended(request)).state is State.SUCCEEDED
    assert list(around.effects.values()) == [1]


async def test_a_clock_that_is_behind_the_last_record_freezes(around: World) -> None:
    async with around.house() as house:
        request = await house.approved("resume")
    around.clock.now -= 3 * SECOND
    async with around.house() as house:
        await house.engine.take_over()
        assert (await house.ended(request)).why is Why.CLOCK
        assert [notice[0] for notice in house.notices()] == ["clock"]


# --- going on while the database, or another process, is in the way ---------------------------------------------------


async def test_an_outcome_that_could_not_be_committed_is_in_doubt_and_found_again(around: World) -> None:
    full = False

    def at(point: Point) -> None:
        nonlocal full
        if point is Point.SENT and not full:
            full = True
            house.writer._engine = house.database.reading  # the disk takes nothing any more

    async with around.house(at) as house:
        writing = house.writer._engine
        request = await house.approved("resume")
        await house.look()
        assert (await house.desk.request(request.id)).state is State.RUNNING
        house.writer._engine = writing
        assert (await house.ended(request)).state is State.SUCCEEDED
        assert "request.in_doubt" in house.kinds(request)
    assert list(around.effects.values()) == [1]


async def test_what_another_process_has_taken_over_is_not_sent(around: World) -> None:
    def at(point: Point) -> None:
        if point is Point.STARTED:
            house.tamper("UPDATE leases SET fence = fence + 1, holder = 'another'")

    async with around.house(at) as house:
        await house.approved("resume")
        await house.look()
        assert around.received == 0


# --- the engine at work by itself -------------------------------------------------------------------------------------


@pytest.fixture
def now(around: World) -> Place:
    """The same place, in real time, in which no machine is too slow for a deadline."""
    actions = around.actions.replace("deadline: 3s", "deadline: 30s")
    return Place(around.folder, around.engine, around.prometheus, actions=actions)


async def test_an_approval_wakes_the_engine(now: Place) -> None:
    async with now.house() as house, house.engine.running():
        request = await house.approved("resume")

        async def done() -> bool:
            return (await house.desk.request(request.id)).state is State.SUCCEEDED

        await until(done, WITHIN)


async def test_what_is_being_sent_ends_before_the_process_does(around: World, now: Place) -> None:
    sending = asyncio.Event()
    around.fails(Fault.SLOW)
    async with now.house(lambda point: sending.set() if point is Point.CLEARED else None) as house:
        async with house.engine.running():
            request = await house.approved("resume")
            await asyncio.wait_for(sending.wait(), WITHIN)
        assert (await house.desk.request(request.id)).state is State.VERIFYING
    assert list(around.effects.values()) == [1]


async def test_an_engine_that_can_not_look_says_nothing_of_how_things_stand(around: World, now: Place) -> None:
    async with now.house() as house, house.engine.running():
        await until(lambda: _known(house), WITHIN)
        with house.database.writing.begin() as connection:
            connection.execute(text("ALTER TABLE effects RENAME TO gone"))
            connection.execute(text("ALTER TABLE requests RENAME TO effects"))
        await until(lambda: _unknown(house), WITHIN)


async def _known(house: House) -> bool:
    return house.metric("receiver_frozen") == 0


async def _unknown(house: House) -> bool:
    return house.metric("receiver_frozen") is None and house.metric("action_in_doubt") is None
