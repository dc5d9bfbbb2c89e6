"""Goal 15: 10,000 alerts within 10 seconds, each a notification of its own, and how long one waits to be taken in; and how
long it takes from the click that approves an action to its side effect.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
import orjson
from sqlalchemy import func, select

from benchmarks.clicks import clicks
from benchmarks.harness import Part, Result
from benchmarks.receivers import TOKEN, receiver
from receiver.clock import now, rfc3339
from receiver.database import engine
from receiver.schema import episodes

ALERTS = 10_000
SECONDS = 10.0
ROUNDS = 3
SENDERS = 50
"""As many connections as an Alertmanager has open at most to one receiver, and more."""


def _configured(folder: Path) -> Path:
    config = folder / "receiver.yml"
    config.write_text(f'database: "sqlite:///{folder}/receiver.db"\ningest: {{bearer: {{env: AM_TOKEN}}}}\n')
    return config


def _message(index: int, at: int) -> bytes:
    labels = {"alertname": "BookFrozen", "severity": "ticket", "entity": f"binance/S{index}", "parent": "binance"}
    alert = {"status": "firing", "labels": labels, "annotations": {"summary": "stands still"}, "startsAt": rfc3339(at)}
    return orjson.dumps({"version": "4", "groupKey": f"{{}}:{{{index}}}", "alerts": [alert]})


async def _storm(url: str) -> list[float]:
    """Seconds from the instant at which each was due to its 200; they are due evenly over SECONDS."""
    waits: list[float] = []
    queue = iter(range(ALERTS))
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    at, began = now(), time.monotonic()

    async def send(session: aiohttp.ClientSession) -> None:
        for index in queue:
            due = began + index * SECONDS / ALERTS
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            async with session.post(f"{url}/alertmanager", data=_message(index, at), headers=headers) as response:
                assert response.status == 200, response.status  # noqa: PLR2004 - OK
            waits.append(time.monotonic() - due)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(send(session) for _ in range(SENDERS)))
    return waits


async def _round() -> tuple[float, int]:
    """The 99th percentile of the waits, and how many alerts are in the database of a receiver that was ended."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with receiver(_configured(folder), "--without-login") as url:
            waits = await _storm(url)
        database = engine(folder / "receiver.db", readonly=True)
        with database.begin() as connection:
            kept = connection.execute(select(func.count()).select_from(episodes)).scalar_one()
        database.dispose()
    return statistics.quantiles(waits, n=100)[98], kept


def _clicks() -> float:
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(clicks(Path(name)))


def run() -> Result:
    """The median of some storms, each on a new database."""
    rounds = [asyncio.run(_round()) for _ in range(ROUNDS)]
    found = statistics.median(wait for wait, _ in rounds)
    parts = (
        Part("kept", min(kept for _, kept in rounds), ALERTS, at_least=True, unit=""),
        Part("p99 accepted", found, 1, at_least=False, unit=" s"),
        Part("click to side effect", _clicks(), 50, at_least=False, unit=" ms"),
    )
    what = (
        f"receiver: {ALERTS} alerts in {SECONDS:.0f} s, each a notification of its own, committed before it is answered"
    )
    note = f"Seconds, not a ratio; the sender shares the machine. Median of {ROUNDS} rounds."
    return Result(15, what, parts, note)
