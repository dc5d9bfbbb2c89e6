"""Milliseconds from an approval, as it is sent, to the side effect's arrival at its target: a real receiver between the two.

The target is in this process, so that one clock measures both ends.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from argon2 import PasswordHasher
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.receivers import receiver

CLICKS = 21
PEOPLE = ("asks", "approves")

_RECEIVER = """
database: "sqlite:///{folder}/receiver.db"
ingest: {{bearer: {{env: AM_TOKEN}}}}
prometheus: {{url: "http://127.0.0.1:9"}}
mac_key: {{file: mac.key}}
audit: {{signing_key: {{file: audit.key}}, checkpoints: "{folder}/checkpoints"}}
actions: actions.yml
policy: policy.yml
"""
_ACTIONS = """
targets: {{{targets}}}
actions:
{actions}
"""
_ACTION = """
  - name: act-{index}
    title: An action of its own target, so that none waits for another
    steps: [{{executor: http, target: target-{index}, path: /act, body: {{}}}}]
    verify: {{query: up == 1, heartbeat: up, within: 1s}}
"""
_POLICY = """
people:
  - {id: asks, password: {file: asks.hash}, roles: [operator]}
  - {id: approves, password: {file: approves.hash}, roles: [trader]}
rules: [{action: "*", request: [operator], approvals: [{role: trader, count: 1}]}]
"""


def _address(index: int) -> str:
    """Each target has one: a server is locked while an action on it is verified, and none shall wait for another."""
    return f"127.0.0.{index + 1}"


class Target:
    """Notes when it is asked for a side effect."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[float] = asyncio.Queue()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        app = web.Application()
        app.router.add_post("/act", self._act)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, _address(0), 0).start()
        port = runner.addresses[0][1]
        for index in range(1, CLICKS):
            await web.TCPSite(runner, _address(index), port).start()
        try:
            yield port
        finally:
            await runner.cleanup()

    async def _act(self, _: web.Request) -> web.Response:
        self.arrived.put_nowait(time.monotonic())
        return web.Response()


def write(folder: Path, port: int) -> Path:
    """What a receiver needs that acts; every click has an action and a target of its own."""
    (folder / "mac.key").write_text("m" * 64)
    for person in PEOPLE:
        (folder / f"{person}.hash").write_text(PasswordHasher(2, 19_456, 1).hash("password"))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key = Ed25519PrivateKey.generate().private_bytes(pem, form, serialization.NoEncryption())
    (folder / "audit.key").write_bytes(key)
    (folder / "checkpoints").mkdir()
    targets = ", ".join(f'target-{index}: {{url: "http://{_address(index)}:{port}"}}' for index in range(CLICKS))
    actions = "".join(_ACTION.format(index=index) for index in range(CLICKS))
    (folder / "actions.yml").write_text(_ACTIONS.format(targets=targets, actions=actions))
    (folder / "policy.yml").write_text(_POLICY)
    (folder / "receiver.yml").write_text(_RECEIVER.format(folder=folder))
    return folder / "receiver.yml"


async def posted(session: aiohttp.ClientSession, path: str, body: dict[str, Any], token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.post(f"/api/v1{path}", json=body, headers=headers) as response:
        assert response.status < 300, await response.text()  # noqa: PLR2004 - the answers that are none
        return await response.json()


async def _click(session: aiohttp.ClientSession, target: Target, tokens: list[str], index: int) -> float:
    asks, approves = tokens
    plan = {"action": f"act-{index}", "parameters": {}, "reason": "measured"}
    request = await posted(session, "/requests", plan, asks)
    seen = {"plan_hash": request["plan_hash"]}
    await posted(session, f"/requests/{request['id']}/submit", seen, asks)
    began = time.monotonic()
    await posted(session, f"/requests/{request['id']}/approve", seen | {"reason": "measured"}, approves)
    async with asyncio.timeout(30):
        return await target.arrived.get() - began


async def clicks(folder: Path) -> float:
    """The median of some clicks, in milliseconds."""
    target = Target()
    async with (
        target.serving() as port,
        receiver(write(folder, port)) as url,
        aiohttp.ClientSession(url) as session,
    ):
        logins = [{"person": person, "password": "password"} for person in PEOPLE]
        tokens = [(await posted(session, "/sessions", login))["token"] for login in logins]
        found = [await _click(session, target, tokens, index) for index in range(CLICKS)]
    return statistics.median(found) * 1000
