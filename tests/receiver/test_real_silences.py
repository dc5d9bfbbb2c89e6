"""A receiver as a process of its own that silences a page: it pages for the silences of others, and not for its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.processes import free_ports
from demo.until import until
from receiver.clock import SECOND, now, rfc3339
from tests.receiver import acting
from tests.receiver.api.test_process import Client
from tests.receiver.servers import WITHIN, alertmanager, prometheus
from tests.receiver.support import Process, started
from tests.receiver.test_ours import LAGGING, POLICY, RULES
from tests.receiver.test_real_reconciliation import notices

ACTIONS = """
targets: {{alertmanager: {{url: "{url}"}}}}
actions:
  - name: mute-node
    title: Mute the alerts of a node that is being worked on
    parameters: {{entity: {{choices: [ethereum/alchemy]}}}}
    steps: [{{executor: silence, target: alertmanager, matchers: {{alertname: NodeLagging, entity: $entity}}, lasts: 1h}}]
    verify: {{query: vector(1), heartbeat: vector(1e12), within: 60s}}
"""


async def silenced(session: aiohttp.ClientSession, process: Process) -> dict[str, Any]:
    """Asked for by one, approved by two, and done."""
    people = {name: Client(session, process) for name in ("opal", "tara", "rita")}
    for name, client in people.items():
        await client.log_in(name)
    wanted = {"action": "mute-node", "parameters": {"entity": "ethereum/alchemy"}, "reason": "a test"}
    status, request = await people["opal"].ask("POST", "/requests", **wanted)
    assert status == 201, request
    at, plan = f"/requests/{request['id']}", {"plan_hash": request["plan_hash"]}
    assert (await people["opal"].ask("POST", f"{at}/submit", **plan))[0] == 200
    for name in ("tara", "rita"):
        assert (await people[name].ask("POST", f"{at}/approve", **plan, reason="read"))[0] == 200

    async def succeeded() -> dict[str, Any] | None:
        told: dict[str, Any] = (await people["opal"].ask("GET", at))[1]
        assert told["request"]["state"] not in {"failed", "blocked", "expired", "partial"}, told
        return told if told["request"]["state"] == "succeeded" else None

    return await until(succeeded, WITHIN) or {}


async def test_the_silence_of_an_action_pages_nobody_and_a_copy_of_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("ENGINE_TOKEN", acting.ENGINE_TOKEN)
    async with aiohttp.ClientSession() as session, prometheus(tmp_path, rules=RULES) as rules:
        config = acting.files(tmp_path, prometheus=rules, more=f'alertmanager: {{url: "{url}"}}\n')
        (tmp_path / "actions.yml").write_text(ACTIONS.format(url=url))
        acting.policy(tmp_path, None, POLICY.format())
        async with started(config) as process, alertmanager(tmp_path, process.url, port=port):
            times = {"startsAt": rfc3339(now() - 60 * SECOND), "endsAt": rfc3339(now() + 300 * SECOND)}
            labels = {**LAGGING, "severity": "page", "domain": "nodes"}
            async with session.post(f"{url}/api/v2/alerts", json=[{"labels": labels, **times}]) as response:
                assert response.status == 200
            await silenced(session, process)
            async with session.get(f"{url}/api/v2/silences") as response:
                [ours] = await response.json()
            copy = {key: ours[key] for key in ("comment", "createdBy", "startsAt")}
            wider = {"name": "alertname", "value": "NodeLagging", "isRegex": False, "isEqual": True}
            theirs = {**copy, "matchers": [wider], "endsAt": ours["endsAt"]}
            async with session.post(f"{url}/api/v2/silences", json=theirs) as response:
                id_ = (await response.json())["silenceID"]

            async def told() -> list[str]:
                return [each.subject for each in await notices(tmp_path) if each.kind == "foreign_silence"]

            assert await until(told, WITHIN) == [f"silence/{id_}"]
