"""Messages as Alertmanager sends them, and a receiver as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from receiver.clock import SECOND, rfc3339

TOKEN = "t0ken-of-the-tests"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
NOW = 1_790_000_000 * SECOND
MINUTE = 60 * SECOND


def alert(
    name: str = "NodeLagging",
    *,
    starts: int = NOW - MINUTE,
    ends: int | None = None,
    labels: Mapping[str, str] | None = None,
    **annotations: str,
) -> dict[str, Any]:
    """One alert; firing, or resolved where it `ends`."""
    return {
        "status": "firing" if ends is None else "resolved",
        "labels": {"alertname": name, "severity": "page", "entity": "ethereum/alchemy"} | dict(labels or {}),
        "annotations": {"summary": "37 blocks behind"} | annotations,
        "startsAt": rfc3339(starts),
        "endsAt": "0001-01-01T00:00:00Z" if ends is None else rfc3339(ends),
        "generatorURL": "http://prometheus:9090/graph",
    }


def message(*alerts: object, **fields: Any) -> bytes:
    return orjson.dumps(
        {"version": "4", "groupKey": '{}:{alertname="x"}', "truncatedAlerts": 0, "alerts": alerts} | fields
    )


def config_file(folder: Path, text: str = "") -> Path:
    """A configuration whose database is beside it."""
    path = folder / "receiver.yml"
    path.write_text(f'database: "sqlite:///{folder}/receiver.db"\ningest: {{bearer: {{env: AM_TOKEN}}}}\n{text}')
    return path


@dataclass
class Process:
    """A running receiver."""

    process: asyncio.subprocess.Process
    url: str
    log: list[str] = field(default_factory=list)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code. It ends soon, whatever it has under way: a body that never comes is awaited for half a minute."""
        self.process.send_signal(number)
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def started(config: Path, *before: str) -> AsyncIterator[Process]:
    """A receiver on a free port, ready; `before` is a command that starts it."""
    process = await launch(config, *before)
    log: list[str] = []
    try:
        async with asyncio.timeout(60):
            url = await _address(process, log)
        yield Process(process, url, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def launch(config: Path, *before: str, arguments: Sequence[str] = ()) -> asyncio.subprocess.Process:
    """A receiver that nobody can log in to, unless its configuration names a policy."""
    command = (*before, sys.executable, "-m", "receiver", "--config", str(config), *_logins(config))
    return await asyncio.create_subprocess_exec(
        *command,
        *(arguments or ("--web.listen-address", "127.0.0.1:0")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "AM_TOKEN": TOKEN},
    )


def _logins(config: Path) -> tuple[str, ...]:
    return () if "\npolicy:" in config.read_text() else ("--without-login",)


async def _address(process: asyncio.subprocess.Process, log: list[str]) -> str:
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        log.append(line)
        if found := re.search(r"serving on (http://\S+)", line):
            return found[1]
    raise AssertionError("".join(log))


async def send(session: aiohttp.ClientSession, url: str, body: bytes) -> int:
    async with session.post(f"{url}/alertmanager", data=body, headers=AUTHORIZED) as response:
        return response.status


async def episodes(session: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    async with session.get(f"{url}/api/v1/episodes?limit=1000") as response:
        assert response.status == 200
        found: list[dict[str, Any]] = (await response.json())["episodes"]
        return found
