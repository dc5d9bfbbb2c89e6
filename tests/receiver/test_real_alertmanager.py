"""A real Alertmanager posts to a real receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.parts import locate
from demo.processes import free_ports
from demo.until import until
from receiver.clock import SECOND, now, rfc3339
from receiver.webhook import fingerprint_of
from tests.receiver.support import TOKEN, config_file, episodes, started

LABELS = {"alertname": "NodeLagging", "severity": "page", "entity": "ethereum/alchemy", "odd": 'a"b\\c\näöü'}

CONFIG = """
route: {{receiver: occ, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: occ
    webhook_configs:
      - url: {url}/alertmanager
        http_config: {{authorization: {{credentials: {token}}}}}
"""


@asynccontextmanager
async def alertmanager(folder: Path, receiver: str, port: int, storage: str = "am") -> AsyncIterator[str]:
    """Until the end of the context; what it remembers stays in the folder."""
    config = folder / "alertmanager.yml"
    config.write_text(CONFIG.format(url=receiver, token=TOKEN))
    flags = [f"--config.file={config}", f"--storage.path={folder}/{storage}", "--cluster.listen-address="]
    with (folder / "alertmanager.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            locate("alertmanager"), *flags, f"--web.listen-address=127.0.0.1:{port}", stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        await until(lambda: _ready(url), 60)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def _ready(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/-/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def tell(session: aiohttp.ClientSession, url: str, *, starts: int, ends: int) -> None:
    """As Prometheus does: an end ahead while it fires, one that is past once it is resolved."""
    alert = {"labels": LABELS, "annotations": {"summary": "37 blocks behind"}}
    times = {"startsAt": rfc3339(starts), "endsAt": rfc3339(ends)}
    async with session.post(f"{url}/api/v2/alerts", json=[alert | times]) as response:
        assert response.status == 200


def has(session: aiohttp.ClientSession, url: str, status: str) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    async def ask() -> list[dict[str, Any]]:
        found = await episodes(session, url)
        return found if [episode["status"] for episode in found] == [status] else []

    return ask


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as made:
        yield made


@pytest.mark.parametrize("after", ["am", "am-that-forgot"])
async def test_fires_survives_a_restart_and_resolves_as_one_episode(
    tmp_path: Path, session: aiohttp.ClientSession, after: str
) -> None:
    """The restarted one either knows that it has notified, and says nothing until the end, or notifies once more."""
    began, (port,) = now() - 60 * SECOND, free_ports(1)
    async with started(config_file(tmp_path)) as receiver:
        async with alertmanager(tmp_path, receiver.url, port) as url:
            await tell(session, url, starts=began, ends=now() + 300 * SECOND)
            [episode] = await until(has(session, receiver.url, "firing"), 60)
            assert (episode["starts_at"], episode["labels"]) == (rfc3339(began), LABELS)
            async with session.get(f"{url}/api/v2/alerts") as response:
                [theirs] = await response.json()
            assert episode["fingerprint"] == theirs["fingerprint"] == fingerprint_of(LABELS)
        async with alertmanager(tmp_path, receiver.url, port, storage=after) as url:
            moved = now()
            await tell(session, url, starts=moved, ends=moved + 300 * SECOND)
            if after != "am":
                await until(lambda: _counted(session, receiver.url, 2), 60)
            [episode] = await episodes(session, receiver.url)
            assert (episode["status"], episode["starts_at"]) == ("firing", rfc3339(began))
            await tell(session, url, starts=moved, ends=(ended := now()))
            [episode] = await until(has(session, receiver.url, "resolved"), 60)
            assert (episode["starts_at"], episode["ends_at"]) == (rfc3339(began), rfc3339(ended))


async def _counted(session: aiohttp.ClientSession, url: str, number: int) -> bool:
    async with session.get(f"{url}/metrics") as response:
        return f'receiver_notifications_total{{outcome="accepted"}} {number}.0' in await response.text()
