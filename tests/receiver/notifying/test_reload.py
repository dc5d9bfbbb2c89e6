"""Notifiers come and go while the receiver runs, and nothing that waits is lost by that."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from demo.until import until
from receiver.clock import now
from receiver.database import engine
from receiver.outbox import Notice, put
from tests.receiver.notifying.far import Far
from tests.receiver.support import Process, config_file, started

WITHIN = 60.0


def configured(folder: Path, name: str, far: Far) -> Path:
    (folder / name).write_text(far.url)
    return config_file(folder, f"notifiers: [{{name: {name}, kind: slack, url: {{file: {name}}}}}]\n")


def put_up(folder: Path, subject: str) -> None:
    """As the receiver does, beside it."""
    made = engine(folder / "receiver.db")
    with made.begin() as connection:
        put(connection, Notice.FREEZE, subject, {"summary": subject}, now=now())
    made.dispose()


async def reloaded(process: Process) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{process.url}/-/reload") as response:
        assert response.status == 200, await response.text()


async def test_what_one_could_not_be_told_the_next_one_is(tmp_path: Path) -> None:
    async with Far(always=(500, {})).serving() as down, Far().serving() as well:
        async with started(configured(tmp_path, "down", down)) as process:
            put_up(tmp_path, "freeze/1")
            await down.came.wait()
            configured(tmp_path, "well", well)
            await reloaded(process)

            async def told() -> bool:
                return bool(well.taken)

            await until(told, WITHIN)
            put_up(tmp_path, "freeze/2")

            async def both() -> bool:
                return len(well.taken) == 2

            await until(both, WITHIN)
        assert [body["text"].splitlines()[1] for body in well.taken] == ["freeze/1", "freeze/2"]
