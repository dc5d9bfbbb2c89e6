"""Goal 18: the first byte of every page, and its size, while a thousand alerts fire: a real receiver with people, asked by one."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.clicks import PEOPLE, posted, write
from benchmarks.harness import Part, Result
from benchmarks.receivers import TOKEN, receiver
from demo.until import until
from receiver.clock import now, rfc3339

FIRING, PLACES = 1_000, 100
NOTES = 300
"""Entries of a long timeline."""
LOOKS = 100
"""Of each page, in turn with the others."""
WITHIN = 60.0


def _message(at: int) -> bytes:
    said = {
        "summary": "The order book has not changed for 40 minutes",
        "first_action": "Stop the engine there; then look whether the venue itself stands still.",
        "description": "Its sequence numbers do not move. " * 10,
        "runbook_url": "https://runbooks.example/BookFrozen",
    }
    labels = {"alertname": "BookFrozen", "severity": "page", "domain": "exchange"}
    alerts = [
        {
            "status": "firing",
            "labels": {**labels, "entity": f"venue-{n % PLACES}", "symbol": f"S{n}"},
            "annotations": said,
            "startsAt": rfc3339(at - n * 1_000_000),
        }
        for n in range(FIRING)
    ]
    return orjson.dumps({"version": "4", "groupKey": "{}", "alerts": alerts})


async def _furnished(session: aiohttp.ClientSession) -> tuple[str, list[str]]:
    """A token, and the path of every page."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with session.post("/alertmanager", data=_message(now()), headers=headers) as response:
        assert response.status == 200, response.status  # noqa: PLR2004 - OK
    token = str((await posted(session, "/sessions", {"person": PEOPLE[0], "password": "password"}))["token"])
    for index in range(20):
        wanted = {"action": f"act-{index}", "parameters": {}, "reason": "measured"}
        request = await posted(session, "/requests", wanted, token)
        await posted(session, f"/requests/{request['id']}/submit", {"plan_hash": request["plan_hash"]}, token)
    await until(lambda: _all_open(session, token), WITHIN)
    incident = (await _answer(session, "/incidents?limit=1", token))["incidents"][0]["id"]
    for index in range(NOTES):
        await posted(session, f"/incidents/{incident}/note", {"text": f"note {index}"}, token)
    alert = (await _answer(session, "/now?limit=1", token))["firing"][0]["fingerprint"]
    fixed = ["/", "/incidents", "/approvals", "/actions", "/actions/act-1", "/freeze", "/history", "/automation"]
    return token, [*fixed, "/audit", "/health", f"/a/{alert}", f"/i/{incident}", f"/r/{request['id']}"]


async def _all_open(session: aiohttp.ClientSession, token: str) -> bool:
    return len((await _answer(session, "/incidents?limit=1000", token))["incidents"]) == PLACES


async def _answer(session: aiohttp.ClientSession, path: str, token: str) -> Any:
    async with session.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {token}"}) as response:
        return await response.json()


async def _measured(folder: Path) -> tuple[dict[str, list[float]], int]:
    """Milliseconds to the first byte of each page, and the bytes of the largest."""
    waits: dict[str, list[float]] = {}
    largest = 0
    async with receiver(write(folder, 9)) as url, aiohttp.ClientSession(url) as session:
        token, paths = await _furnished(session)
        headers = {"Cookie": f"occ={token}"}
        for path in paths * LOOKS:
            began = time.perf_counter()
            async with session.get(path, headers=headers) as response:
                waits.setdefault(path, []).append((time.perf_counter() - began) * 1000)
                assert response.status == 200, (path, response.status)  # noqa: PLR2004 - OK
                largest = max(largest, len(await response.read()))
    return waits, largest


def run() -> Result:
    """Milliseconds on the machine as it is; who asks shares it."""
    with tempfile.TemporaryDirectory() as name:
        waits, largest = asyncio.run(_measured(Path(name)))
    late = {path: statistics.quantiles(found, n=100)[98] for path, found in waits.items()}
    worst = max(late, key=lambda path: late[path])
    each = ", ".join(
        f"{path} {statistics.median(found):.1f} and {late[path]:.1f}" for path, found in sorted(waits.items())
    )
    parts = (
        Part("first byte, p99 of the slowest page:", late[worst], 50, at_least=False, unit=" ms"),
        Part("largest page:", largest / 1000, 100, at_least=False, unit=" kB"),
    )
    what = f"every page with {FIRING} alerts firing, {PLACES} incidents and {NOTES} entries in a timeline"
    return Result(18, what, parts, f"median and p99 of {LOOKS} looks in ms: {each}.")
