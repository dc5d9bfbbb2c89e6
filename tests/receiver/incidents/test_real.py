"""An incident between a real Prometheus, a real Alertmanager and the receiver as a process of its own, from alert to report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.processes import free_ports
from demo.until import until
from receiver.api.operations import BASE
from tests.receiver import acting
from tests.receiver.servers import Exposed, alertmanager, prometheus
from tests.receiver.support import started

SOON = 90.0
RULES = """
groups:
  - name: nodes
    rules:
      - alert: NodeLagging
        expr: rpc_block_lag_blocks > 3
        labels: {severity: page, domain: nodes, exporter: nodes, entity: ethereum/alchemy, parent: ethereum}
        annotations: {summary: '{{ $value }} blocks behind'}
"""
LAGS = """
rpc_block_lag_blocks{chain="ethereum",node="alchemy"} 37
occ_target_stale{exporter="nodes",target="ethereum/alchemy",check="head"} 0
"""
WELL = LAGS.replace("37", "0")
BLIND = 'occ_target_stale{exporter="nodes",target="ethereum/alchemy",check="head"} 1\n'


@dataclass
class Person:
    """Somebody who is logged in."""

    session: aiohttp.ClientSession
    url: str

    async def shows(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The newest incident, once it is what is wanted."""

        async def asked() -> dict[str, Any]:
            async with self.session.get(f"{self.url}{BASE}/incidents") as response:
                found = (await response.json())["incidents"]
            return found[0] if found and wanted(found[0]) else {}

        return await until(asked, SOON)

    async def does(self, id_: str, act: str, **said: str) -> None:
        async with self.session.post(f"{self.url}{BASE}/incidents/{id_}/{act}", json=said) as response:
            assert response.status == 200, await response.text()

    async def reads(self, path: str) -> str:
        async with self.session.get(f"{self.url}{BASE}{path}") as response:
            return await response.text()


async def logged_in(session: aiohttp.ClientSession, url: str, name: str) -> Person:
    given = {"person": name, "password": acting.password(name)}
    async with session.post(f"{url}{BASE}/sessions", json=given) as response:
        token = (await response.json())["token"]
    session.headers["Authorization"] = f"Bearer {token}"
    return Person(session, url)


async def test_it_is_resolved_and_reopened_with_its_alert_and_stays_where_sight_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_TOKEN", acting.ENGINE_TOKEN)
    am, prom = free_ports(2)
    config = acting.files(
        tmp_path,
        prometheus=f"http://127.0.0.1:{prom}",
        more=f'alertmanager: {{url: "http://127.0.0.1:{am}"}}\n',
    )
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session,
        Exposed(LAGS).serving() as exposed,
        started(config) as receiver,
        alertmanager(tmp_path, receiver.url, port=am),
        prometheus(
            tmp_path, port=prom, scrapes={"nodes": exposed.address}, rules=RULES, alertmanagers=[f"127.0.0.1:{am}"]
        ),
    ):
        cora = await logged_in(session, receiver.url, "cora")
        id_ = (await cora.shows(lambda it: it["status"] == "open" and it["firing"] == 1))["id"]
        await cora.does(id_, "acknowledge", reason="on it")
        exposed.text = WELL
        found = await cora.shows(lambda it: it["status"] == "resolved")
        assert (found["id"], found["alerts"]) == (id_, 1)
        exposed.text = LAGS
        await cora.shows(lambda it: it["status"] == "open" and it["firing"] == 1)
        await cora.does(id_, "acknowledge")
        exposed.text = BLIND
        found = await cora.shows(lambda it: it["firing"] == 0 and it["sight_lost"])
        assert (found["id"], found["status"]) == (id_, "acknowledged"), "nobody sees that it has recovered"
        await cora.does(id_, "resolve", reason="asked its provider")
        await cora.does(id_, "close", summary="The node was restarted.")
        report = await cora.reads(f"/incidents/{id_}/report")
        assert "`NodeLagging` on `ethereum/alchemy`" in report
        assert "The node was restarted." in report
