"""A receiver that is killed between the send and its record tells it again, and loses nothing."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from demo.until import until
from receiver.clock import now
from receiver.database import opened
from receiver.outbox import Notice, put
from tests.receiver.notifying.far import HANG, TAKE_THEN_HANG, Far
from tests.receiver.support import config_file, started

NOTICES = 5
WITHIN = 60.0


def prepared(folder: Path, far: Far) -> Path:
    """A receiver with one notifier, and notices that nobody was told."""
    (folder / "hook").write_text(far.url)
    with opened(folder / "receiver.db") as database, database.writing.begin() as connection:
        for number in range(NOTICES):
            put(connection, Notice.FREEZE, f"freeze/{number}", {"summary": f"notice {number}"}, now=now())
    return config_file(folder, "notifiers: [{name: ops, kind: slack, url: {file: hook}}]\n")


@pytest.mark.parametrize(("fault", "sent"), [(TAKE_THEN_HANG, NOTICES + 1), (HANG, NOTICES)])
async def test_killed_while_it_tells_it_tells_all_of_it_and_nothing_more_than_twice(
    tmp_path: Path, fault: str, sent: int
) -> None:
    async with Far(faults=[fault]).serving() as far:
        config = prepared(tmp_path, far)
        async with started(config) as first:
            await far.came.wait()
            await first.end(signal.SIGKILL)
        before = len(far.taken)

        async def all_told() -> bool:
            return len({body["text"] for body in far.taken}) == NOTICES and len(far.keys) == NOTICES + 1

        async with started(config) as second:
            await until(all_told, WITHIN)
            assert await second.end() == 0
        assert before == (1 if fault == TAKE_THEN_HANG else 0)
        assert len(far.taken) == sent
        assert sorted(Counter(far.keys).values()) == [1] * (NOTICES - 1) + [2]


async def test_told_to_stop_it_ends_soon_though_a_notifier_hangs(tmp_path: Path) -> None:
    async with Far(always=HANG).serving() as far:
        async with started(prepared(tmp_path, far)) as process:
            await far.came.wait()
            assert await process.end() == 0
        assert far.url not in "".join(process.log)
