"""A process is killed while alerts come in: the next one finds every alert, and tells of none twice."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.receiver.incidents.dying import place
from tests.receiver.incidents.scene import at_work

WITHIN = 60.0


async def killed(folder: Path, after: int) -> int:
    """How many alerts the process has said to be durable when it was killed, at least `after`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.receiver.incidents.dying", str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN):
        for _ in range(after):
            assert await process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        assert await process.wait() == -signal.SIGKILL
    return after + rest.count(b"\n")


@pytest.mark.parametrize("after", [1, 7, 40, 150])
async def test_nothing_is_lost_and_nothing_is_told_twice(tmp_path: Path, after: int) -> None:
    durable = await killed(tmp_path, after)
    async with at_work(place(tmp_path)) as scene:
        assert scene.house.troubles == (), "the audit holds"
        await scene.look()
        rows = scene.house.rows
        assert rows("SELECT COUNT(*) AS n FROM episodes")[0]["n"] >= durable
        homes = rows("SELECT episode_id, COUNT(*) AS n FROM incident_episodes GROUP BY episode_id")
        assert [home["n"] for home in homes] == [1] * rows("SELECT COUNT(*) AS n FROM episodes")[0]["n"]
        stands = await scene.stands()
        assert len({stand.incident.entity for stand in stands}) == len(stands), "one incident of each place"
        assert all(stand.firing == 0 for stand in stands if stand.incident.status == "resolved")
        assert all(stand.firing for stand in stands if stand.incident.status == "open")
        opened = Counter(entry["subject"] for entry in scene.house.recorded() if entry["kind"] == "incident.opened")
        assert opened == dict.fromkeys((stand.incident.subject for stand in stands), 1)
        told = rows("SELECT subject, COUNT(*) AS n FROM outbox WHERE kind = 'incident_opened' GROUP BY subject")
        assert all(each["n"] == 1 for each in told)
        assert told or rows("SELECT id FROM outbox WHERE kind = 'incidents_many'"), "one by one, or together"


async def test_it_may_be_killed_again_and_again(tmp_path: Path) -> None:
    for after in (3, 1, 9):
        await killed(tmp_path, after)
    async with at_work(place(tmp_path)) as scene:
        await scene.look()
        homes = scene.house.rows(
            "SELECT e.id FROM episodes e LEFT JOIN incident_episodes m ON m.episode_id = e.id WHERE m.episode_id IS NULL"
        )
        assert homes == []
