"""Goal 7: CPU of a 1000-pool cycle, against web3.py by one Multicall3 round trip, and by a call per pool."""

from __future__ import annotations

import asyncio
import statistics

import aiohttp

from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.peers import python_with_peers
from benchmarks.pools import Ours, pairs, peer, spent

COUNT = 1_000


async def _measure() -> dict[str, float]:
    """CPU seconds, the medians of rounds in which all take their turn."""
    python = python_with_peers()
    found: dict[str, list[float]] = {}
    async with pairs(COUNT) as made, aiohttp.ClientSession() as session:
        ours = Ours(made, COUNT, session)
        with peer(python, "aggregated", made, COUNT) as aggregated, peer(python, "per_pool", made, COUNT) as per_pool:
            for turn in range(ROUNDS + 1):
                await made.market.chain.anvil.mine()
                taken = {
                    "reserves": await spent(ours.reserves()),
                    "cycle": await spent(ours.cycle()),
                    "aggregated": await aggregated.once(),
                    "per pool": await per_pool.once(),
                }
                if turn:
                    for name, each in taken.items():
                        found.setdefault(name, []).append(each.cpu)
    return {name: statistics.median(each) for name, each in found.items()}


def run() -> Result:
    """Of the same: reserves of 1000 pairs as integers, at a pinned block that is verified. What else a cycle does is in the note."""
    cpu = asyncio.run(_measure())
    parts = (
        Part("one Multicall3:", cpu["reserves"] / cpu["aggregated"], 1 / 50, at_least=False),
        Part("per pool:", cpu["reserves"] / cpu["per pool"], 1 / 500, at_least=False),
    )
    note = (
        f"reserves of {COUNT} pairs as integers: {cpu['reserves'] * 1e3:.2f} ms of CPU; web3.py by Multicall3 "
        f"{cpu['aggregated'] * 1e3:.0f}, per pool {cpu['per pool'] * 1e3:.0f}. The whole cycle, with readings, prices and what "
        f"trading costs, is {cpu['cycle'] * 1e3:.1f} ms: {cpu['cycle'] / cpu['aggregated']:.3f}x and "
        f"{cpu['cycle'] / cpu['per pool']:.4f}x of those."
    )
    return Result(7, f"CPU of reading {COUNT} pools, against web3.py", parts, note)
