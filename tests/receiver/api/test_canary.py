"""Keys, passwords, tokens and hashes show in no answer, page, log, number, record or checkpoint: not in another spelling either."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from demo.engine.faults import Fault
from receiver.api import OPERATIONS
from receiver.api.operations import BASE
from tests.receiver import acting
from tests.receiver.house import World, world
from tests.receiver.support import TOKEN, Process, alert, message, send, started
from tests.test_canary import spellings

MOST_LINKS = 300
GUESS = "my-0ther-p4ssword"


@pytest.fixture
async def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("ENGINE_TOKEN", acting.ENGINE_TOKEN)
    async with world(tmp_path) as made:
        made.write()
        yield made


async def said(session: aiohttp.ClientSession, process: Process, tokens: dict[str, str]) -> list[str]:
    """Everything that the process answers, to people and to nobody, in words and in headers."""
    found = []
    for token in ("", tokens["opal"]):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        for operation in OPERATIONS:
            path = operation.path.format(id="0" * 16, fingerprint="0" * 16, action="halt", episode="1")
            if not path.endswith("revoke"):
                async with session.request(
                    operation.method, f"{process.url}{BASE}{path}", headers=headers, json={}
                ) as it:
                    found.append(f"{it.headers} {await it.text()}")
        found += [said async for said in _followed(session, process.url, headers)]
    return found


async def _followed(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> AsyncIterator[str]:
    """What is answered to whoever follows every link from page to page."""
    waiting, seen = ["/", "/login", "/metrics", "/api/v1/openapi.json", "/a/0123456789abcdef"], set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        async with session.get(f"{url}{path}", headers=headers) as it:
            text = await it.text()
        yield f"{it.headers} {text}"
        links = re.findall(r'(?:href|src|srcset)="(/[^"]*)"', text) if it.content_type == "text/html" else []
        waiting += [link for link in map(html.unescape, links) if link not in seen and link not in waiting]
    assert len(seen) < MOST_LINKS
    assert not headers or any(path.startswith("/r/") for path in seen), "requests were looked at"


async def test_no_secret_is_said_anywhere(outside: World) -> None:
    tokens: dict[str, str] = {}
    async with aiohttp.ClientSession() as session, started(outside.folder / "receiver.yml") as process:

        async def post(path: str, by: str | None, /, **body: object) -> dict[str, str]:
            headers = {"Authorization": f"Bearer {tokens[by]}"} if by else {}
            async with session.post(f"{process.url}{BASE}{path}", json=body, headers=headers) as response:
                answer: dict[str, str] = await response.json()
                return answer

        for person in ("opal", "tara", "rita"):
            tokens[person] = (await post("/sessions", None, person=person, password=acting.password(person)))["token"]
        await post("/sessions", None, person="opal", password=GUESS)
        await post("/sessions", None, person=GUESS, password="x")
        assert await send(session, process.url, message(alert())) == 200
        outside.fails(Fault.REFUSE)
        outside.fails(Fault.ERROR)
        for action in ("halt", "resume"):
            wanted = {"action": action, "parameters": {"venue": "binance"}, "reason": "a test"}
            request = await post("/requests", "opal", **wanted)
            await post(f"/requests/{request['id']}/submit", "opal", plan_hash=request["plan_hash"])
            for person in ("tara", "rita"):
                await post(f"/requests/{request['id']}/approve", person, plan_hash=request["plan_hash"], reason="read")
        async with asyncio.timeout(60):
            while not outside.received:  # noqa: ASYNC110 - the engine is told in its own time
                await asyncio.sleep(0.05)
        answers = await said(session, process, tokens)
        assert await process.end() == 0
        _, log = await process.process.communicate()
    with_tokens = {"mac key": acting.MAC_KEY, "engine": acting.ENGINE_TOKEN, "alertmanager": TOKEN, "guess": GUESS}
    hashes = {f"hash of {name}": acting.hashed(acting.password(name)) for name in acting.PEOPLE}
    passwords = {f"password of {name}": acting.password(name) for name in tokens}
    secrets = with_tokens | hashes | passwords | {f"token of {name}": token for name, token in tokens.items()}
    secrets["signing key"] = acting.signing_key().splitlines()[1]
    checkpoints = [path.read_text() for path in (outside.folder / "checkpoints").iterdir()]
    places = {
        "answers": "\n".join(answers),
        "log": "".join(process.log) + log.decode(),
        "checkpoints": "\n".join(checkpoints),
        "database": (outside.folder / "receiver.db").read_bytes().decode("latin-1"),
    }
    told = [
        (place, name)
        for place, text in places.items()
        for name, secret in secrets.items()
        if any(spelling in text for spelling in spellings(secret))
    ]
    assert told == []
    assert "succeeded" in places["database"] or "failed" in places["database"], "something was done"
