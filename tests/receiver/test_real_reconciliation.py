"""A receiver between a real Prometheus and real Alertmanagers, of which things go missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from demo.processes import free_ports
from demo.until import until
from receiver.clock import SECOND, now, rfc3339
from receiver.database import engine
from receiver.schema import outbox
from tests.receiver.servers import Exposed, alertmanager, prometheus
from tests.receiver.support import config_file, episodes, started

SOON = 90.0
RULES = """
groups:
  - name: nodes
    rules:
      - alert: NodeLagging
        expr: rpc_block_lag_blocks > 3
        labels: {severity: page, exporter: nodes, entity: ethereum/alchemy, parent: ethereum}
        annotations: {summary: '{{ $value }} blocks behind'}
"""
LAGS = """
rpc_block_lag_blocks{chain="ethereum",node="alchemy"} 37
occ_target_stale{exporter="nodes",target="ethereum/alchemy",check="head"} 0
"""
WELL = LAGS.replace("37", "0")
BLIND = 'occ_target_stale{exporter="nodes",target="ethereum/alchemy",check="head"} 1\n'


@dataclass
class World:
    """What a test asks of the servers."""

    session: aiohttp.ClientSession
    receiver: str = ""
    alertmanager: str = ""

    async def fires(self, *names: str, lasts: float = 300, **labels: str) -> None:
        """As Prometheus tells Alertmanager of it."""
        began, ends = rfc3339(now() - 60 * SECOND), rfc3339(now() + int(lasts * SECOND))
        common = {"severity": "page", "entity": "ethereum/alchemy"} | labels
        alerts = [{"labels": {"alertname": name, **common}, "startsAt": began, "endsAt": ends} for name in names]
        async with self.session.post(f"{self.alertmanager}/api/v2/alerts", json=alerts) as response:
            assert response.status == 200

    async def silences(self, name: str, comment: str) -> str:
        matchers = [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}]
        times = {"startsAt": rfc3339(now()), "endsAt": rfc3339(now() + 3600 * SECOND)}
        silence = {"matchers": matchers, "createdBy": "somebody", "comment": comment} | times
        async with self.session.post(f"{self.alertmanager}/api/v2/silences", json=silence) as response:
            assert response.status == 200
            return str((await response.json())["silenceID"])

    async def episodes(self) -> list[dict[str, Any]]:
        return await episodes(self.session, self.receiver)

    async def shows(self, wanted: Callable[[list[dict[str, Any]]], object]) -> list[dict[str, Any]]:
        """The episodes, once they are what is wanted."""

        async def asked() -> list[dict[str, Any]]:
            found = await self.episodes()
            return found if wanted(found) else []

        return await until(asked, SOON)

    async def counts(self, series: str, least: int) -> None:
        async def asked() -> bool:
            async with self.session.get(f"{self.receiver}/metrics") as response:
                lines = (await response.text()).splitlines()
            return any(line.startswith(f"{series} ") and float(line.split()[-1]) >= least for line in lines)

        await until(asked, SOON)


async def notices(folder: Path) -> list[Any]:
    """What the receiver has in its outbox."""
    database = engine(folder / "receiver.db", readonly=True)
    try:
        with database.begin() as connection:
            return list(connection.execute(select(outbox)))
    finally:
        database.dispose()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session:
        yield World(session)


async def test_a_notification_that_was_refused_is_found_by_asking(tmp_path: Path, world: World) -> None:
    """Alertmanager has another token: its notifications are refused, which it does not try again."""
    [port] = free_ports(1)
    linked = config_file(tmp_path, f'alertmanager: {{url: "http://127.0.0.1:{port}"}}\n')
    async with (
        started(linked) as receiver,
        alertmanager(tmp_path, receiver.url, port=port, token="another") as world.alertmanager,
    ):
        world.receiver = receiver.url
        await world.fires("NodeLagging")
        await world.counts('receiver_notifications_total{outcome="unauthorized"}', 1)
        [episode] = await world.shows(len)
        assert (episode["alertname"], episode["status"]) == ("NodeLagging", "firing")


async def test_what_a_group_left_out_is_asked_for_at_once(tmp_path: Path, world: World) -> None:
    [port] = free_ports(1)
    linked = config_file(tmp_path, f'alertmanager: {{url: "http://127.0.0.1:{port}"}}\n')
    grouped = {"max_alerts": 1}
    async with (
        started(linked) as receiver,
        alertmanager(tmp_path, receiver.url, port=port, webhook=grouped, group_by=["severity"]) as world.alertmanager,
    ):
        world.receiver = receiver.url
        await world.fires("A", "B", "C")
        found = await world.shows(lambda rows: len(rows) == 3)
        assert {row["alertname"] for row in found} == {"A", "B", "C"}
        await world.counts('receiver_alerts_total{outcome="opened"}', 3)


async def test_a_silence_of_somebody_else_over_a_page_pages(tmp_path: Path, world: World) -> None:
    [port] = free_ports(1)
    linked = config_file(tmp_path, f'alertmanager: {{url: "http://127.0.0.1:{port}"}}\n')
    async with (
        started(linked) as receiver,
        alertmanager(tmp_path, receiver.url, port=port) as world.alertmanager,
    ):
        world.receiver = receiver.url
        await world.fires("NodeLagging")
        await world.shows(len)
        silence = await world.silences("NodeLagging", "a deployment")
        [notice] = await until(lambda: notices(tmp_path), SOON)
        assert (notice.kind, notice.subject) == ("foreign_silence", f"silence/{silence}")
        assert "a deployment" in notice.text["description"]


async def test_an_alert_that_ended_with_its_series_has_not_recovered(tmp_path: Path, world: World) -> None:
    ports = free_ports(2)
    links = (
        f'alertmanager: {{url: "http://127.0.0.1:{ports[0]}"}}\nprometheus: {{url: "http://127.0.0.1:{ports[1]}"}}\n'
    )
    async with (
        Exposed(LAGS).serving() as exposed,
        started(config_file(tmp_path, links)) as receiver,
        alertmanager(tmp_path, receiver.url, port=ports[0]),
        prometheus(
            tmp_path,
            port=ports[1],
            scrapes={"nodes": exposed.address},
            rules=RULES,
            alertmanagers=[f"127.0.0.1:{ports[0]}"],
        ),
    ):
        world.receiver = receiver.url
        await world.shows(lambda rows: rows and rows[0]["status"] == "firing")
        exposed.text = WELL
        await world.shows(lambda rows: rows[0]["status"] == "resolved" and rows[0]["sight"] == "kept")
        exposed.text = LAGS
        await world.shows(lambda rows: rows[0]["status"] == "firing")
        exposed.text = BLIND
        await world.shows(lambda rows: rows[0]["status"] == "resolved" and rows[0]["sight"] == "lost")


async def test_two_alertmanagers_and_a_prometheus_that_starts_anew_make_one_episode(
    tmp_path: Path, world: World
) -> None:
    """Both tell of it; the new Prometheus has forgotten since when it fires."""
    first, second, gossip, other, third = free_ports(5)
    peers = [f"127.0.0.1:{gossip}", f"127.0.0.1:{other}"]
    links = f'alertmanager: {{url: "http://127.0.0.1:{first}"}}\n'
    both = [f"127.0.0.1:{first}", f"127.0.0.1:{second}"]
    async with (
        Exposed(LAGS).serving() as exposed,
        started(config_file(tmp_path, links)) as receiver,
        alertmanager(tmp_path, receiver.url, port=first, name="one", peers=peers),
        alertmanager(tmp_path, receiver.url, port=second, name="two", peers=peers[::-1]),
    ):
        world.receiver = receiver.url
        watched = {"nodes": exposed.address}
        async with prometheus(tmp_path, port=third, scrapes=watched, rules=RULES, alertmanagers=both, storage="before"):
            [before] = await world.shows(len)
        async with prometheus(tmp_path, port=third, scrapes=watched, rules=RULES, alertmanagers=both, storage="after"):
            await until(lambda: _told_anew(world, f"http://127.0.0.1:{first}", before["starts_at"]), SOON)
            exposed.text = WELL
            [after] = await world.shows(lambda rows: all(row["status"] == "resolved" for row in rows))
    assert (after["id"], after["starts_at"]) == (before["id"], before["starts_at"])


async def _told_anew(world: World, url: str, before: str) -> bool:
    """Whether Alertmanager has heard of the alert from the new Prometheus."""
    async with world.session.get(f"{url}/api/v2/alerts") as response:
        [alert] = await response.json()
    return bool(alert["updatedAt"] > before)
