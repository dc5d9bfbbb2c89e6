"""Goal 8: reading 1000 pools against PyPI multicall on the same chain."""

from __future__ import annotations

import asyncio
import statistics

import aiohttp

from benchmarks.goal_07_cycle import COUNTS, TRADED
from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.peers import BATCHING_PEERS, python_with_peers
from benchmarks.pools import Ours, Pairs, pairs, peer, spent


async def _measure() -> dict[int, dict[str, float]]:
    """Ratios of ours to theirs by the number of pools, the medians of rounds."""
    python = python_with_peers(BATCHING_PEERS, "bench-batching")
    async with pairs(max(COUNTS)) as made, aiohttp.ClientSession() as session:
        return {count: await _measured(made, count, session, python) for count in COUNTS}


async def _measured(made: Pairs, count: int, session: aiohttp.ClientSession, python: str) -> dict[str, float]:
    ours, found = Ours(made, count, session), dict[str, list[float]]()
    with peer(python, "multicall", made, count) as theirs:
        for turn in range(ROUNDS + 1):
            await made.trade(max(count // TRADED, 1))
            own, other = await spent(ours.cycle()), await theirs.once()
            if turn:
                found.setdefault("wall", []).append(own.wall / other.wall)
                found.setdefault("cpu", []).append(own.cpu / other.cpu)
    return {name: statistics.median(each) for name, each in found.items()}


def run() -> Result:
    """Ours is the whole cycle, theirs are reserves as integers."""
    found = asyncio.run(_measure())
    most = found[max(COUNTS)]
    parts = (
        Part("multicall, time:", most["wall"], 1, at_least=False),
        Part("multicall, CPU:", most["cpu"], 1 / 5, at_least=False),
    )
    fewer = ", ".join(
        f"of {count} pools {ratios['wall']:.2f}x of its time and {ratios['cpu']:.2f}x of its CPU"
        for count, ratios in found.items()
        if count < max(COUNTS)
    )
    note = (
        f"one in {TRADED} pools is traded in a block; {fewer}. "
        "dank-mids 4.20.215 is left out: it did not return from 300 pairs at once on anvil."
    )
    what = f"a cycle of {max(COUNTS)} pools against PyPI multicall reading their reserves"
    return Result(8, what, parts, note)
