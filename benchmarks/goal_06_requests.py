"""Goal 6: HTTP requests per chain and block for N pools; a batch is one."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace

import aiohttp

from benchmarks.harness import Part, Result
from benchmarks.pools import Ours, pairs

COUNTS = (10, 100, 1_000)
BLOCKS = 5


async def _measure() -> dict[int, float]:
    asked = 0

    async def count(_session: aiohttp.ClientSession, _context: SimpleNamespace, _told: object) -> None:
        nonlocal asked
        asked += 1

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(count)
    found = {}
    async with pairs(max(COUNTS)) as made, aiohttp.ClientSession(trace_configs=[trace]) as session:
        for pools in COUNTS:
            ours = Ours(made, pools, session)
            await ours.cycle()  # what never changes is read once
            asked = 0
            for _ in range(BLOCKS):
                await made.market.chain.anvil.mine()
                await ours.cycle()
            found[pools] = asked / BLOCKS
    return found


def run() -> Result:
    """Counted, not timed."""
    found = asyncio.run(_measure())
    parts = tuple(
        Part(f"{pools} pools:", requests, math.ceil(pools / 500) + 1, at_least=False, unit="")
        for pools, requests in found.items()
    )
    return Result(
        6, "HTTP requests per chain and block", parts, "of a cycle; events are counted by requests of their own"
    )
