"""From an alert to the people and back: the whole application, told by Alertmanager's message, asked by its API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from demo.until import until
from occ.config import load
from receiver.api.operations import BASE
from receiver.app import running
from receiver.clock import now
from receiver.config import ReceiverConfig
from receiver.database import opened
from tests.receiver import acting, support
from tests.receiver.house import world
from tests.receiver.notifying.boards import TOKEN, Boards
from tests.receiver.notifying.far import Far
from tests.receiver.support import AUTHORIZED, MINUTE

WITHIN = 60.0

MORE = """
external_url: "https://occ.example"
notifiers:
  - {{name: ops, kind: slack, url: {{env: HOOK}}}}
  - {{name: pager, kind: pagerduty, routing_key: {{env: KEY}}, url: "{pager}"}}
grafana: {{url: "{grafana}", token: {{env: GRAFANA}}}}
"""


@dataclass
class Centre:
    """A receiver with a chat, a pager and boards."""

    client: TestClient[web.Request, web.Application]
    chat: Far
    pager: Far
    boards: Boards

    async def hears(self, **alert: Any) -> None:
        labels = {"domain": "nodes", "entity": "base <!here>"}
        body = support.message(support.alert("NodeLagging", starts=now() - MINUTE, labels=labels, **alert))
        async with self.client.post("/alertmanager", data=body, headers=AUTHORIZED) as response:
            assert response.status == 200

    async def post(self, person: str, path: str, **body: Any) -> None:
        given = {"person": person, "password": acting.password(person)}
        async with self.client.post(f"{BASE}/sessions", json=given) as response:
            token = (await response.json())["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        async with self.client.post(f"{BASE}{path}", json=body, headers=bearer) as response:
            assert response.status == 200, await response.text()

    def said(self) -> list[str]:
        return [body["text"].splitlines()[0] for body in self.chat.taken]

    def events(self) -> list[tuple[str, str]]:
        return [(body["event_action"], body["dedup_key"]) for body in self.pager.taken]


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[Centre]:
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(world(tmp_path))
        chat, pager = [await stack.enter_async_context(Far().serving()) for _ in range(2)]
        boards = await stack.enter_async_context(Boards().serving())
        outside.write()
        with (tmp_path / "receiver.yml").open("a") as config:
            config.write(MORE.format(pager=pager.url, grafana=boards.url))
        environment = {**acting.ENVIRONMENT, "HOOK": chat.url, "KEY": "r0uting-key", "GRAFANA": TOKEN}
        loaded = load(tmp_path / "receiver.yml", ReceiverConfig, environment)
        database = stack.enter_context(opened(tmp_path / "receiver.db"))
        app = await stack.enter_async_context(running(loaded, database))
        client = await stack.enter_async_context(TestClient(TestServer(app)))
        yield Centre(client, chat, pager, boards)


async def comes(what: Callable[[], bool]) -> None:
    async def there() -> bool:
        return what()

    await until(there, WITHIN)


async def test_an_incident_is_told_from_its_opening_to_its_end(centre: Centre) -> None:
    await centre.hears()
    await comes(lambda: bool(centre.events() and centre.said() and centre.boards.annotations))
    [(action, subject)] = centre.events()
    assert (action, centre.said()) == ("trigger", ["*PAGE: Incident opened*"])
    id_ = subject.removeprefix("incident/")
    assert centre.pager.taken[0]["client_url"] == f"https://occ.example/i/{id_}"
    assert f"<https://occ.example/i/{id_}|Open> <https://occ.example/a/" in centre.chat.taken[0]["text"]
    assert "entity: base &lt;!here&gt;" in centre.chat.taken[0]["text"]

    await centre.post("opal", f"/incidents/{id_}/acknowledge")
    await comes(lambda: len(centre.events()) == 2 and len(centre.said()) == 2)
    assert centre.events()[1] == ("acknowledge", subject)

    await centre.hears(ends=now())
    await comes(
        lambda: (
            len(centre.events()) == 3 and centre.boards.annotations[1]["timeEnd"] > centre.boards.annotations[1]["time"]
        )
    )
    assert centre.events()[2] == ("resolve", subject)
    assert centre.boards.annotations[1]["tags"] == ["occ", subject, "incident_opened", "nodes", "base <!here>"]
    await comes(lambda: len(centre.said()) == 3)
    assert centre.said() == ["*PAGE: Incident opened*", "*INFO: Incident acknowledged*", "*INFO: Incident resolved*"]
