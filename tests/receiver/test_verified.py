"""Success is what a real Prometheus has seen of a real engine after the effect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from demo.engine.server import Server
from demo.engine.state import Engine as Trading
from demo.until import until
from receiver.life import ENDED, State
from receiver.requests import Request
from receiver.why import Why
from tests.receiver import acting as files
from tests.receiver.house import ACTIONS, House, Place
from tests.receiver.servers import WITHIN, prometheus


@pytest.fixture
async def trading() -> AsyncIterator[Server]:
    async with Server(Trading({"binance": ("BTC/USDT",)}), token=files.ENGINE_TOKEN) as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path, trading: Server) -> AsyncIterator[House]:
    works, name, fails = ACTIONS.partition("- name: resume")  # what fails is waited for to the end
    actions = (works + name + fails.replace("30s", "5s")).replace("heartbeat,", "heartbeat_timestamp_seconds,")
    (tmp_path / "scraping").mkdir()
    async with (
        prometheus(tmp_path / "scraping", scrapes={"engine": trading.url.removeprefix("http://")}) as url,
        Place(tmp_path, trading.url, url, actions=actions).house() as made,
        made.engine.running(),
    ):
        yield made


async def ended(house: House, request: Request) -> Request:
    async def there() -> bool:
        return (await house.desk.request(request.id)).state in ENDED

    await until(there, WITHIN)
    return await house.desk.request(request.id)


async def test_what_works_is_seen_to_work(house: House, trading: Server) -> None:
    request = await ended(house, await house.submitted("halt"))
    assert request.state is State.SUCCEEDED
    assert trading.engine.halted == {"binance"}
    (said,) = (entry["data"]["facts"] for entry in house.recorded() if entry["kind"] == "request.succeeded")
    assert said == {"seen": "the condition holds, on samples newer than the effect"}


async def test_what_was_applied_and_does_not_work_has_failed(house: House, trading: Server) -> None:
    trading.engine.killed = True  # the engine takes the order, and quotes nowhere all the same
    request = await ended(house, await house.approved("resume"))
    assert (request.state, request.why) == (State.FAILED, Why.NOT_CONFIRMED)
    assert ("escalation", "page", "resume: failed") in house.notices()
