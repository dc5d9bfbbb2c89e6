"""Goal 7: CPU of a 1000-pool cycle, against web3.py by one Multicall3 round trip, and by a call per pool."""

from __future__ import annotations

import asyncio
import statistics

import aiohttp

from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.peers import python_with_peers
from benchmarks.pools import Ours, Pairs, pairs, peer, spent

COUNTS = (10, 100, 1_000)
TRADED = 20
"""One in so many pools is traded in a block."""


async def _measure() -> dict[int, dict[str, float]]:
    """CPU seconds by the number of pools, the medians of rounds in which all take their turn."""
    python = python_with_peers()
    async with pairs(max(COUNTS)) as made, aiohttp.ClientSession() as session:
        return {count: await _measured(made, count, session, python) for count in COUNTS}


async def _measured(made: Pairs, count: int, session: aiohttp.ClientSession, python: str) -> dict[str, float]:
    ours, found = Ours(made, count, session), dict[str, list[float]]()
    with peer(python, "aggregated", made, count) as aggregated, peer(python, "per_pool", made, count) as per_pool:
        for turn in range(ROUNDS + 1):
            await made.trade(max(count // TRADED, 1))
            taken = {
                "cycle": await spent(ours.cycle()),
                "reserves": await spent(ours.reserves()),
                "aggregated": await aggregated.once(),
                "per pool": await per_pool.once(),
            }
            await made.trade(count)
            taken["all traded"] = await spent(ours.cycle())
            if turn:
                for name, each in taken.items():
                    found.setdefault(name, []).append(each.cpu)
    return {name: statistics.median(each) for name, each in found.items()}


def _told(count: int, cpu: dict[str, float]) -> str:
    ours, theirs = cpu["cycle"], (cpu["aggregated"], cpu["per pool"])
    ratios = " and ".join(f"{ours / each:.3g}x" for each in theirs)
    return (
        f"{count} pools: {ours * 1e3:.2f} ms of CPU, {cpu['all traded'] * 1e3:.1f} where all were traded, "
        f"{cpu['reserves'] * 1e3:.2f} for their reserves alone; web3.py by Multicall3 {theirs[0] * 1e3:.1f} and per pool "
        f"{theirs[1] * 1e3:.0f}, of which the cycle is {ratios}"
    )


def run() -> Result:
    """Ours is the whole cycle: a verified block, readings, prices and what trading costs; theirs are reserves as integers."""
    found = asyncio.run(_measure())
    most = found[max(COUNTS)]
    parts = (
        Part("one Multicall3:", most["cycle"] / most["aggregated"], 1 / 50, at_least=False),
        Part("per pool:", most["cycle"] / most["per pool"], 1 / 500, at_least=False),
    )
    note = (
        f"one in {TRADED} pools is traded in a block. {'. '.join(_told(*each) for each in found.items())}. Of {max(COUNTS)} "
        "pools most of it is a question of 450 kB and an answer as large."
    )
    return Result(7, f"CPU of a cycle of {max(COUNTS)} pools, against web3.py reading their reserves", parts, note)
