"""Goal 7: CPU of a 1000-pool cycle, against web3.py by one Multicall3 round trip, and by a call per pool."""

from __future__ import annotations

import asyncio
import statistics

import aiohttp

from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.peers import python_with_peers
from benchmarks.pools import Ours, pairs, peer, spent

COUNT = 1_000
TRADED = 50
"""Pools that are traded in a block."""


async def _measure() -> dict[str, float]:
    """CPU seconds, the medians of rounds in which all take their turn."""
    python = python_with_peers()
    found: dict[str, list[float]] = {}
    async with pairs(COUNT) as made, aiohttp.ClientSession() as session:
        ours = Ours(made, COUNT, session)
        with peer(python, "aggregated", made, COUNT) as aggregated, peer(python, "per_pool", made, COUNT) as per_pool:
            for turn in range(ROUNDS + 1):
                await made.trade(TRADED)
                taken = {
                    "cycle": await spent(ours.cycle()),
                    "reserves": await spent(ours.reserves()),
                    "aggregated": await aggregated.once(),
                    "per pool": await per_pool.once(),
                }
                await made.trade(COUNT)
                taken["all traded"] = await spent(ours.cycle())
                if turn:
                    for name, each in taken.items():
                        found.setdefault(name, []).append(each.cpu)
    return {name: statistics.median(each) for name, each in found.items()}


def run() -> Result:
    """Ours is the whole cycle: a verified block, readings, prices and what trading costs; theirs are reserves as integers."""
    cpu = asyncio.run(_measure())
    parts = (
        Part("one Multicall3:", cpu["cycle"] / cpu["aggregated"], 1 / 50, at_least=False),
        Part("per pool:", cpu["cycle"] / cpu["per pool"], 1 / 500, at_least=False),
    )
    note = (
        f"the whole cycle of {COUNT} pairs takes {cpu['cycle'] * 1e3:.2f} ms of CPU in a block in which {TRADED} of them were traded, "
        f"{cpu['all traded'] * 1e3:.1f} ms in one in which all were; their reserves as integers alone, as the peers read them, "
        f"{cpu['reserves'] * 1e3:.2f} ms, most of it for a question of 450 kB and an answer as large. web3.py by Multicall3 takes {cpu['aggregated'] * 1e3:.0f} ms, per pool "
        f"{cpu['per pool'] * 1e3:.0f}."
    )
    return Result(7, f"CPU of a cycle of {COUNT} pools, against web3.py reading their reserves", parts, note)
