from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from occ.config import Loaded, load
from receiver.app import running
from receiver.config import ReceiverConfig
from receiver.database import Database, opened
from tests.receiver import support
from tests.receiver.support import AUTHORIZED, NOW, TOKEN

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path / "receiver.db") as found:
        yield found


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded[ReceiverConfig]:
    links = (
        'external_url: "https://occ.example/"\nprometheus: {url: "http://user:pass@prometheus:9090/?key=canary"}\n'
        'alertmanager: {url: "http://127.0.0.1:1"}\n'
    )
    return load(support.config_file(tmp_path, links), ReceiverConfig, {"AM_TOKEN": TOKEN})


@dataclass
class Clock:
    """A clock that stands until told."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class Receiver:
    """A receiver in this process, and what a test asks of it."""

    client: Client
    clock: Clock
    database: Database

    async def send(self, *alerts: dict[str, Any], **fields: Any) -> None:
        assert await self.post(support.message(*alerts, **fields)) == 200

    async def post(self, body: bytes) -> int:
        async with self.client.post("/alertmanager", data=BytesIO(body), headers=AUTHORIZED) as response:
            return response.status

    async def get(self, path: str, status: int = 200) -> str:
        async with self.client.get(path) as response:
            assert response.status == status, await response.text()
            return await response.text()

    async def episodes(self, query: str = "") -> list[dict[str, Any]]:
        async with self.client.get(f"/api/v1/episodes{query}") as response:
            assert response.status == 200
            found: list[dict[str, Any]] = (await response.json())["episodes"]
            return found

    async def metric(self, series: str) -> float | None:
        lines = (await self.get("/metrics")).splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} ")), None)


@pytest.fixture
async def receiver(
    loaded: Loaded[ReceiverConfig], database: Database, aiohttp_client: Callable[..., Awaitable[Client]]
) -> AsyncIterator[Receiver]:
    clock = Clock()
    async with running(loaded, database, clock) as app:
        yield Receiver(await aiohttp_client(app), clock, database)
