"""Goal 8: reading 1000 pools against PyPI multicall and dank-mids on the same chain."""

from __future__ import annotations

import asyncio
import statistics

import aiohttp

from benchmarks.goal_07_cycle import COUNTS, TRADED
from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.peers import BATCHING_PEERS, python_with_peers
from benchmarks.pools import Ours, Pairs, pairs, peer, spent
from benchmarks.pools_peer import DANK_AT_ONCE

WAYS = {"multicall": "multicall", "dank_mids": "dank-mids"}

Ratios = dict[str, dict[str, float]]
"""Of ours to theirs by way: `wall` and `cpu`."""


async def _measure() -> dict[int, Ratios]:
    """By the number of pools, the medians of rounds."""
    python = python_with_peers(BATCHING_PEERS, "bench-batching")
    async with pairs(max(COUNTS)) as made, aiohttp.ClientSession() as session:
        return {count: await _measured(made, count, session, python) for count in COUNTS}


async def _measured(made: Pairs, count: int, session: aiohttp.ClientSession, python: str) -> Ratios:
    return {way: await _against(way, made, count, session, python) for way in WAYS}


async def _against(way: str, made: Pairs, count: int, session: aiohttp.ClientSession, python: str) -> dict[str, float]:
    ours, found = Ours(made, count, session), dict[str, list[float]]()
    with peer(python, way, made, count) as theirs:
        for turn in range(ROUNDS + 1):
            await made.trade(max(count // TRADED, 1))
            own, other = await spent(ours.cycle()), await theirs.once()
            if turn:
                found.setdefault("wall", []).append(own.wall / other.wall)
                found.setdefault("cpu", []).append(own.cpu / other.cpu)
    return {name: statistics.median(each) for name, each in found.items()}


def _told(count: int, ratios: Ratios) -> str:
    each = (
        f"{ratios[way]['wall']:.2g}x of {name}'s time and {ratios[way]['cpu']:.2g}x of its CPU"
        for way, name in WAYS.items()
    )
    return f"of {count} pools {', '.join(each)}"


def run() -> Result:
    """Ours is the whole cycle, theirs are reserves as integers."""
    found = asyncio.run(_measure())
    most = found[max(COUNTS)]
    parts = tuple(
        Part(f"{name}, {what}:", most[way][figure], goal, at_least=False)
        for way, name in WAYS.items()
        for what, figure, goal in (("time", "wall", 1), ("CPU", "cpu", 1 / 5))
    )
    note = (
        f"one in {TRADED} pools is traded in a block; "
        f"{'; '.join(_told(count, ratios) for count, ratios in found.items() if count < max(COUNTS))}. "
        f"dank-mids is asked for {DANK_AT_ONCE} pairs at once: from 300 at once it did not return on anvil."
    )
    what = f"a cycle of {max(COUNTS)} pools against PyPI multicall and dank-mids reading their reserves"
    return Result(8, what, parts, note)
