from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from demo.until import until
from occ.metrics import Catalogue
from occ.page import Page
from receiver.audit.checkpoints import CheckpointError, stored, taken
from receiver.audit.keeping import Keeping, Pace
from receiver.audit.walk import Fault, Trouble
from receiver.clock import SECOND
from receiver.families import FAMILIES
from tests.receiver.audit.support import Held, freeze
from tests.receiver.support import NOW

SLOW = Pace(look=0.01, checkpoint=3600, records=5, verify=3600)
FAST = Pace(look=0.01, checkpoint=0.01, verify=0.01)


class Kept:
    def __init__(self, held: Held, pace: Pace, *troubles: Trouble) -> None:
        self.held, self.now, self.page = held, NOW, Page(Catalogue(FAMILIES))
        reading, checkpoints = held.database.reading, held.checkpoints
        self.keeping = Keeping(
            held.audit, checkpoints, reading, self.page, lambda: self.now, troubles=troubles, pace=pace
        )

    def metric(self, name: str) -> float | None:
        lines = self.page.render().decode().splitlines()
        return next((float(line.split(" ")[1]) for line in lines if line.startswith(f"{name} ")), None)

    def covered(self) -> list[int]:
        folder, key = self.held.checkpoints.folder, self.held.checkpoints.key
        return [taken(path).read(key).seq for path in stored(folder)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keeping.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, condition: Callable[[], bool]) -> None:
        async def met() -> bool:
            return condition()

        await until(met, within=30, every=0.005)


async def test_what_is_new_is_covered_at_the_start(held: Held) -> None:
    held.say(2)
    kept = Kept(held, SLOW)
    async with kept.running():
        await kept.until(lambda: kept.covered() == [1, 3])


async def test_many_records_do_not_wait_for_their_time(held: Held) -> None:
    kept = Kept(held, SLOW)
    async with kept.running():
        await kept.until(lambda: kept.metric("audit_last_checkpoint_timestamp_seconds") is not None)
        held.say(5)
        await kept.until(lambda: kept.covered() == [1, 6])


async def test_few_records_are_covered_in_time(held: Held) -> None:
    kept = Kept(held, FAST)
    async with kept.running():
        held.say()
        await kept.until(lambda: kept.covered()[-1] == 2)


async def test_the_page_says_how_the_audit_stands(held: Held) -> None:
    held.say(3)
    kept = Kept(held, FAST)
    assert kept.metric("audit_entries_total") == 4
    assert kept.metric("audit_chain_valid") == 1
    assert kept.metric("audit_last_verified_timestamp_seconds") == NOW / SECOND
    assert kept.metric("audit_last_checkpoint_timestamp_seconds") is None
    kept.now += SECOND
    async with kept.running():
        held.say()
        await kept.until(lambda: kept.metric("audit_entries_total") == 5)
        await kept.until(lambda: kept.metric("audit_last_verified_timestamp_seconds") == kept.now / SECOND)
        await kept.until(lambda: kept.metric("audit_last_checkpoint_timestamp_seconds") == kept.now / SECOND)
    assert kept.metric("audit_chain_valid") == 1


async def test_a_row_that_was_changed_is_found_while_it_runs(held: Held) -> None:
    held.put(freeze())
    held.cover()
    kept = Kept(held, FAST)
    async with kept.running():
        held.attack("UPDATE freezes SET lifted_at = 1")
        await kept.until(lambda: kept.metric("audit_chain_valid") == 0)


async def test_what_was_found_is_told_on(held: Held) -> None:
    held.put(freeze())
    held.cover()
    kept, told = Kept(held, FAST), asyncio.Queue[tuple[Trouble, ...]]()
    task = asyncio.create_task(kept.keeping.run(told.put))
    held.attack("UPDATE freezes SET lifted_at = 1")
    async with asyncio.timeout(30):
        found = await told.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [trouble.fault for trouble in found] == [Fault.ROW]


async def test_a_database_that_can_not_be_read_is_not_valid_and_is_looked_at_again(held: Held) -> None:
    kept = Kept(held, FAST)
    async with kept.running():
        held.execute("ALTER TABLE audit RENAME TO away")
        await kept.until(lambda: kept.metric("audit_chain_valid") == 0)
        kept.now += SECOND
        held.execute("ALTER TABLE away RENAME TO audit")
        await kept.until(lambda: kept.metric("audit_last_verified_timestamp_seconds") == kept.now / SECOND)


async def test_what_somebody_else_appended_shows_at_the_next_transaction(held: Held) -> None:
    kept = Kept(held, SLOW)
    async with kept.running():
        held.attack("INSERT INTO audit VALUES (2, 'x', 'a/b', x'00', 'x')")
        held.run(lambda connection: None)
        await kept.until(lambda: kept.metric("audit_chain_valid") == 0)
        assert kept.metric("audit_entries_total") == 1


async def test_what_was_found_at_the_start_is_on_the_page_at_once(held: Held) -> None:
    kept = Kept(held, SLOW, Trouble(Fault.GAP, 1, "x"))
    assert kept.metric("audit_chain_valid") == 0


async def test_a_folder_that_is_away_for_a_while_shows_and_is_written_to_again(
    held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    folder = held.checkpoints.folder
    kept = Kept(held, FAST)
    async with kept.running():
        await kept.until(lambda: kept.metric("audit_last_checkpoint_timestamp_seconds") == NOW / SECOND)
        folder.rename(folder.with_name("away"))
        kept.now += SECOND
        held.say()
        await kept.until(lambda: "can not write the checkpoint" in caplog.text)
        await kept.until(lambda: kept.metric("audit_chain_valid") == 0)
        assert kept.metric("audit_last_checkpoint_timestamp_seconds") == NOW / SECOND
        folder.with_name("away").rename(folder)
        await kept.until(lambda: kept.metric("audit_last_checkpoint_timestamp_seconds") == kept.now / SECOND)
        await kept.until(lambda: kept.metric("audit_chain_valid") == 1)
    assert kept.covered()[-1] == 2


async def test_covering_says_what_is_in_its_way(held: Held) -> None:
    kept = Kept(held, SLOW)
    held.say()
    await asyncio.to_thread(kept.keeping.cover)
    assert kept.covered() == [1, 2]
    held.checkpoints.folder.rename(held.path.with_name("away"))
    held.say()
    with pytest.raises(CheckpointError, match="can not write the checkpoint"):
        kept.keeping.cover()


async def test_it_signs_what_it_knows_and_not_what_the_database_says(held: Held) -> None:
    kept = Kept(held, SLOW)
    held.attack("INSERT INTO audit VALUES (2, 'x', 'a/b', x'00', 'x')")
    held.run(lambda connection: None)
    kept.keeping.cover()
    assert kept.covered() == [1]
