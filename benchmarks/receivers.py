"""A receiver in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from demo.processes import free_ports
from demo.until import until

TOKEN = "bench"  # noqa: S105 - of receivers that live for some seconds


@asynccontextmanager
async def receiver(config: Path, *flags: str) -> AsyncIterator[str]:
    """Its URL, until the end of the context. Its log says what it does not like."""
    [port] = free_ports(1)
    command = ["-m", "receiver", "--config", str(config), f"--web.listen-address=127.0.0.1:{port}", *flags]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--log.level", "warning", env={**os.environ, "AM_TOKEN": TOKEN}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await until(lambda: _ready(url, process), 60)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _ready(url: str, process: asyncio.subprocess.Process) -> bool:
    if process.returncode is not None:
        raise RuntimeError(f"the receiver ended with {process.returncode}")
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/-/ready") as response:
            return response.status == 200  # noqa: PLR2004 - OK
    except aiohttp.ClientError:
        return False
