"""A process that acts by itself is killed, whatever it is about: what it does is done once, by the next one where not by it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from demo.engine.server import Server
from demo.engine.state import Engine as Trading
from receiver.clock import now
from receiver.life import State
from receiver.runner import Point
from receiver.store import Delivery, record
from receiver.why import Why
from tests.receiver import acting as files
from tests.receiver import support
from tests.receiver.automation.dying import NOWHERE, WITHIN, finished, place
from tests.receiver.automation.support import LABELS, Word
from tests.receiver.house import Place, Running


@dataclass
class Deadly(Word):
    """Where it is asked for the `last` time, it kills who asks instead of answering."""

    last: int = 0
    asking: int = 0

    async def _query(self, request: web.Request) -> web.Response:
        self.last -= 1
        if self.last == 0:
            os.kill(self.asking, signal.SIGKILL)
            return web.Response(status=503)
        return await super()._query(request)


@dataclass
class Around:
    """What outlives a process."""

    place: Place
    trading: Trading
    word: Deadly

    async def killed(self, point: Point | str = NOWHERE, question: int = 0) -> None:
        """A process that is killed at the point, or at so manyth question that it asks."""
        arguments = (str(self.place.folder), self.place.engine, self.place.prometheus, str(point))
        self.word.last = 0
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.receiver.automation.dying", *arguments
        )
        self.word.asking, self.word.last = process.pid, question
        try:
            async with asyncio.timeout(WITHIN):
                assert await process.wait() == -signal.SIGKILL
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def outcome(self) -> tuple[State, Why | None, int]:
        """What has become of the one request, once the next process has done what can be done; how often it took effect."""
        async with self.place.house() as house:
            assert not house.troubles
            await finished(house)
            (request,) = await house.desk.requests()
            assert (request.person, request.origin) == ("receiver", "automatic")
            (row,) = house.rows("SELECT outcome, request_id FROM automations")
            assert (row["outcome"], row["request_id"]) == ("acted", request.id)
            return request.state, request.why, sum(self.trading.effects.values())


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[Around]:
    """An alert that fires, known to the receiver and to Prometheus."""
    trading = Trading({"binance": ("BTC/USDT",), "deribit": ("BTC-PERP",)})
    async with Server(trading, token=files.ENGINE_TOKEN) as engine, Deadly(clock=Running()).serving() as word:
        assert isinstance(word, Deadly)
        word.fires = [{"alertname": "FeedFrozen", **LABELS}]
        made = place(tmp_path, engine.url, word.url)
        async with made.house() as house:
            body = support.message(support.alert("FeedFrozen", starts=now(), labels=LABELS))
            await house.writer.run(lambda connection: record(connection, Delivery("alertmanager", now(), body)))
        yield Around(made, trading, word)


@pytest.mark.parametrize("question", [1, 4, 5])
async def test_killed_before_anything_was_sent(around: Around, question: int) -> None:
    await around.killed(question=question)
    assert around.trading.effects == {}
    assert await around.outcome() == (State.SUCCEEDED, None, 1)


async def test_killed_again_and_again(around: Around) -> None:
    for question in (2, 3, 5, 1):
        await around.killed(question=question)
    assert await around.outcome() == (State.SUCCEEDED, None, 1)


@pytest.mark.parametrize(
    ("point", "outcome"),
    [
        (Point.START, (State.SUCCEEDED, None, 1)),
        (Point.STARTED, (State.FAILED, Why.NOT_APPLIED, 0)),
        (Point.SENT, (State.SUCCEEDED, None, 1)),
        (Point.RECORDED, (State.SUCCEEDED, None, 1)),
    ],
)
async def test_killed_on_the_way_it_is_known_what_became_of_it_and_not_done_again(
    around: Around, point: Point, outcome: tuple[State, Why | None, int]
) -> None:
    await around.killed(point)
    assert await around.outcome() == outcome
