"""Goal 8: reading 1000 pools against PyPI multicall on the same chain."""

from __future__ import annotations

import asyncio
import statistics

import aiohttp

from benchmarks.goal_07_cycle import TRADED
from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.peers import BATCHING_PEERS, python_with_peers
from benchmarks.pools import Ours, pairs, peer, spent

COUNT = 1_000


async def _measure() -> dict[str, float]:
    """Ratios of ours to theirs, the medians of rounds."""
    python = python_with_peers(BATCHING_PEERS, "bench-batching")
    found: dict[str, list[float]] = {"wall": [], "cpu": []}
    async with pairs(COUNT) as made, aiohttp.ClientSession() as session:
        ours = Ours(made, COUNT, session)
        with peer(python, "multicall", made, COUNT) as theirs:
            for turn in range(ROUNDS + 1):
                await made.trade(TRADED)
                own, other = await spent(ours.cycle()), await theirs.once()
                if turn:
                    found["wall"].append(own.wall / other.wall)
                    found["cpu"].append(own.cpu / other.cpu)
    return {name: statistics.median(each) for name, each in found.items()}


def run() -> Result:
    """Ours is the whole cycle, theirs are reserves as integers."""
    ratios = asyncio.run(_measure())
    parts = (
        Part("multicall, time:", ratios["wall"], 1, at_least=False),
        Part("multicall, CPU:", ratios["cpu"], 1 / 5, at_least=False),
    )
    note = (
        f"{TRADED} of the pools are traded in each block. "
        "dank-mids 4.20.215 is left out: it did not return from 300 pairs at once on anvil."
    )
    return Result(8, f"a cycle of {COUNT} pools against PyPI multicall reading their reserves", parts, note)
