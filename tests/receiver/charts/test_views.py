"""The charts as they are served, over what a real Prometheus remembers; in `running` as in the process itself."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from occ.config import load
from receiver import clock
from receiver.app import running
from receiver.charts.views import HOURS, KEPT
from receiver.config import ReceiverConfig
from receiver.database import opened
from tests.receiver.charts.past import remembering
from tests.receiver.support import AUTHORIZED, alert, config_file, message
from tests.receiver.test_pages import Page
from tests.receiver.wire import listening

Client = TestClient[web.Request, web.Application]

UNTIL = math.floor(time.time() / 15) * 15
RULES = """
groups:
  - name: of the tests
    rules:
      - {alert: NodeLagging, expr: 'max by (node) (lag) > bound', labels: {severity: page, entity: 'ethereum/{{ $labels.node }}'}}
"""
SERIES = {
    'lag{node="a"}': lambda ago: None if 60 < ago < 90 else 180 - ago,
    'bound{node="a"}': lambda ago: 120.0,
}
FINGERPRINT = "00ff" * 4
LABELS = {"node": "a", "entity": "ethereum/a"}


@asynccontextmanager
async def serving(folder: Path, prometheus: str, now: float = UNTIL) -> AsyncIterator[Client]:
    """A receiver without people that has heard of one alert."""
    more = f'prometheus: {{url: "{prometheus}"}}\n' if prometheus else ""
    loaded = load(config_file(folder, more), ReceiverConfig, {"AM_TOKEN": AUTHORIZED["Authorization"].split()[1]})
    with opened(folder / "receiver.db") as database:
        async with (
            running(loaded, database, lambda: int(now * clock.SECOND)) as app,
            TestClient(TestServer(app)) as client,
        ):
            yield client


async def heard(client: Client, ends: float | None = None, **labels: str) -> None:
    one = alert(
        starts=int((UNTIL - 3_600) * clock.SECOND),
        ends=None if ends is None else int(ends * clock.SECOND),
        labels=LABELS | labels,
    )
    body = message(one | {"fingerprint": FINGERPRINT})
    async with client.post("/alertmanager", data=body, headers=AUTHORIZED) as response:
        assert response.status == 200


async def told(client: Client, path: str, status: int = 200) -> str:
    async with client.get(path) as response:
        assert response.status == status
        return await response.text()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with (
        remembering(tmp_path, RULES, SERIES, until=UNTIL) as prometheus,
        serving(tmp_path, prometheus) as made,
    ):
        await heard(made)
        yield made


async def test_the_picture_of_an_alert(client: Client) -> None:
    async with client.get(f"/a/{FINGERPRINT}/chart.svg") as response:
        assert response.status == 200
        assert response.content_type == "image/svg+xml"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        source = await response.text()
    root = fromstring(source)
    assert root.get("width") == "960"
    lines = [each for each in root.iter() if each.get("class") == "line" and each.tag.endswith("polyline")]
    assert len(lines) == 2, "one before the gap and one after it"
    assert any(each.get("class") == "bound" for each in root.iter())
    assert any(each.get("class") == "fires" for each in root.iter())
    narrow = fromstring(await told(client, f"/a/{FINGERPRINT}/chart.svg?hours=1&narrow="))
    assert narrow.get("width") == "360"


async def test_the_numbers_as_tables(client: Client) -> None:
    page = Page(await told(client, f"/a/{FINGERPRINT}/chart"))
    words = " ".join(page.text.split())
    assert "max by (node) (lag) > bound" in words
    assert "no value" in words, "of the time in the gap"
    assert "172.5 to 180 120" in words, "the newest first, with its bound"
    assert [attrs["src"] for tag, attrs in page.elements if tag == "img"] == [f"/a/{FINGERPRINT}/chart.svg?hours=3"]
    assert {f"/a/{FINGERPRINT}/chart?hours={hours}" for hours in HOURS if hours != 3} <= set(page.links)
    assert f"/a/{FINGERPRINT}" in page.links


async def test_an_alert_that_ended_long_ago_is_drawn_around_its_end(client: Client) -> None:
    await heard(client, ends=UNTIL - 3_000)
    assert f"to {clock.readable((UNTIL - 3_000 + 1_800) * clock.SECOND)}" in await told(
        client, f"/a/{FINGERPRINT}/chart.svg?hours=1"
    )


@pytest.mark.parametrize("hours", ["0", "-1", "73", "1.5", "1e1", "x", "", "03", "٣", "999999999999"])
async def test_a_length_that_is_none_is_refused(client: Client, hours: str) -> None:
    for what in ("chart", "chart.svg"):
        said = await told(client, f"/a/{FINGERPRINT}/{what}?hours={hours}", 400)
        assert said == "hours: expected a whole number from 1 to 72\n"


@pytest.mark.parametrize("path", ["/a/" + "1" * 16, "/a/x", "/a/" + "F" * 16, "/r/" + "1" * 16, "/r/x"])
async def test_what_is_not_known_has_no_chart(client: Client, path: str) -> None:
    await told(client, f"{path}/chart.svg", 404)
    await told(client, f"{path}/chart", 404)


async def test_an_alert_of_another_rule_says_so(client: Client) -> None:
    await heard(client, severity="ticket")
    for what in ("chart", "chart.svg"):
        assert "Prometheus has no rule that such an alert comes from" in await told(client, f"/a/{FINGERPRINT}/{what}")


async def test_without_prometheus_the_picture_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path, "") as client:
        await heard(client)
        assert "No Prometheus is configured here" in await told(client, f"/a/{FINGERPRINT}/chart.svg")
        assert "No Prometheus is configured here" in await told(client, f"/a/{FINGERPRINT}/chart")


async def test_who_looks_at_the_same_time_asks_once(tmp_path: Path) -> None:
    """The wire is faked, to count what is asked: this server knows no rule."""
    body = b'{"status":"success","data":{"groups":[]}}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with listening(answer) as wire, serving(tmp_path, wire.url) as client:
        await heard(client)
        path = f"/a/{FINGERPRINT}/chart.svg"
        await asyncio.gather(*(told(client, path) for _ in range(10)))
        assert len(wire.heard) == 1
        for hours in range(1, KEPT + 5):
            await told(client, f"{path}?hours={hours}")
        await told(client, f"{path}?hours={KEPT + 4}")
        assert len(wire.heard) == KEPT + 4
        await told(client, f"{path}?hours=1")
        assert len(wire.heard) == KEPT + 5, "of what was forgotten"
