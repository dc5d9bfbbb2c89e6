"""People across reloads and restarts of a real process."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.parts import locate
from receiver.api.operations import BASE
from receiver.families import FAMILIES, NOTIFIER_DELIVERIES, NOTIFIER_WAITING, RECONCILED
from tests.receiver import acting
from tests.receiver.house import POLICY, World, world
from tests.receiver.support import Process, alert, message, send, started

NOT_HERE = (RECONCILED, NOTIFIER_DELIVERIES, NOTIFIER_WAITING)


@dataclass
class Client:
    """Asks a running receiver as one person."""

    session: aiohttp.ClientSession
    process: Process
    token: str = ""

    async def ask(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.process.url}{BASE}{path}"
        async with self.session.request(method, url, headers=headers, json=body or None) as response:
            return response.status, await response.json()

    async def log_in(self, person: str) -> None:
        status, answer = await self.ask("POST", "/sessions", person=person, password=acting.password(person))
        assert status == 201
        self.token = answer["token"]

    async def plan(self, action: str) -> dict[str, str]:
        wanted = {"action": action, "parameters": {"venue": "binance"}, "reason": "a test"}
        status, request = await self.ask("POST", "/requests", **wanted)
        assert status == 201
        return dict(request)

    async def reload(self) -> int:
        async with self.session.post(f"{self.process.url}/-/reload") as response:
            return response.status


@pytest.fixture
async def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("ENGINE_TOKEN", acting.ENGINE_TOKEN)
    async with world(tmp_path) as made:
        made.write()
        yield made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


def config(outside: World) -> Path:
    return outside.folder / "receiver.yml"


async def test_who_is_taken_out_of_the_policy_is_out_with_the_reload(
    outside: World, session: aiohttp.ClientSession
) -> None:
    async with started(config(outside)) as process:
        opal, vic = Client(session, process), Client(session, process)
        await opal.log_in("opal")
        await vic.log_in("vic")
        people: dict[str, tuple[str, ...]] = {name: roles for name, roles in acting.PEOPLE.items() if name != "opal"}
        people["vic"] = ("operator",)
        acting.policy(outside.folder, people, POLICY.format(folder=outside.folder))
        assert (await opal.ask("GET", "/me"))[0] == 200
        assert await opal.reload() == 200
        assert (await opal.ask("GET", "/me"))[0] == 401
        assert (await vic.ask("GET", "/me"))[1]["roles"] == ["operator"]
        adopted = [
            it for it in (await vic.ask("GET", "/audit"))[1]["entries"] if it["record"]["kind"] == "rules.adopted"
        ]
        assert len({it["record"]["data"]["policy"] for it in adopted}) == 2


@pytest.mark.parametrize(
    "change", ["no policy", "broken actions", "another key", "another prometheus", "a role that is none"]
)
async def test_what_can_not_be_changed_changes_nothing(
    outside: World, session: aiohttp.ClientSession, change: str
) -> None:
    async with started(config(outside)) as process:
        opal = Client(session, process)
        await opal.log_in("opal")
        text = config(outside).read_text()
        match change:
            case "no policy":
                config(outside).write_text(text.partition("prometheus:")[0])
            case "broken actions":
                (outside.folder / "actions.yml").write_text("actions: []")
            case "another key":
                (outside.folder / "receiver.mac").write_text("x" * 40)
            case "another prometheus":
                config(outside).write_text(text.replace(outside.told.url, "http://127.0.0.1:2"))
            case _:
                acting.policy(outside.folder, {"opal": ("king",)})
        assert await opal.reload() == 500
        assert (await opal.ask("GET", "/me"))[1]["roles"] == ["operator"]
        assert (await opal.ask("GET", "/actions/halt"))[0] == 200


async def test_a_session_outlives_a_restart(outside: World, session: aiohttp.ClientSession) -> None:
    async with started(config(outside)) as process:
        opal = Client(session, process)
        await opal.log_in("opal")
        assert await process.end() == 0
    async with started(config(outside)) as process:
        opal.process = process
        assert (await opal.ask("GET", "/me"))[0] == 200


async def test_a_database_that_was_put_back_brings_no_session_back_and_starts_frozen(
    outside: World, session: aiohttp.ClientSession
) -> None:
    database = outside.folder / "receiver.db"
    async with started(config(outside)) as process:
        opal = Client(session, process)
        await opal.log_in("opal")
        assert await process.end() == 0
    shutil.copy(database, outside.folder / "older.db")
    async with started(config(outside)) as process:
        opal.process = process
        assert (await opal.ask("POST", "/sessions/revoke"))[0] == 200
        assert await process.end() == 0
    shutil.copy(outside.folder / "older.db", database)
    async with started(config(outside)) as process:
        opal.process = process
        assert (await opal.ask("GET", "/me"))[0] == 401
        await opal.log_in("opal")
        [freeze] = (await opal.ask("GET", "/freezes"))[1]["freezes"]
        assert (freeze["scope"], freeze["person"], freeze["lifted_at"]) == ("everything", "receiver", None)


async def test_every_declared_family_is_on_the_page_and_the_page_is_clean(
    outside: World, session: aiohttp.ClientSession
) -> None:
    """But for what tells of an Alertmanager and of notifiers: there are none here. One request is open, and one was blocked."""
    async with started(config(outside)) as process:
        await send(session, process.url, message(alert()))
        people = {name: Client(session, process) for name in ("opal", "tara", "rita")}
        for name, client in people.items():
            await client.log_in(name)
        await people["opal"].ask("POST", "/freezes", scope="everything", reason="a test")
        for wanted in (False, True):
            request = await people["opal"].plan("resume")
            if wanted:
                await people["opal"].ask("POST", f"/requests/{request['id']}/submit", plan_hash=request["plan_hash"])
                for name in ("tara", "rita"):
                    decision = {"plan_hash": request["plan_hash"], "reason": "read"}
                    await people[name].ask("POST", f"/requests/{request['id']}/approve", **decision)

        async def absent() -> list[str]:
            async with session.get(f"{process.url}/metrics") as response:
                page = await response.text()
            return [it.name for it in FAMILIES if it not in NOT_HERE and f"# TYPE {it.name} {it.kind}\n" not in page]

        async with asyncio.timeout(60):
            while await absent():  # noqa: ASYNC110 - a page tells nobody that it has changed
                await asyncio.sleep(0.1)
        async with session.get(f"{process.url}/metrics") as response:
            page = await response.read()
    promtool = await asyncio.create_subprocess_exec(
        locate("promtool"), "check", "metrics", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await promtool.communicate(page)
    assert (promtool.returncode, said) == (0, b"")
