"""Goal 16: ten times the targets cost at most eleven times the CPU and ten times the memory of what is per target."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import tracemalloc

from benchmarks.exporting import exporter
from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.nodes import nodes

FEW, MANY = 50, 500


async def _cpu(few: list[str], many: list[str]) -> float:
    async with exporter(few, "30s", "20s") as small, exporter(many, "30s", "20s") as large:
        found = []
        for turn in range(ROUNDS + 2):
            spent = []
            for poller in (small, large):
                began = time.process_time()
                await poller.once()
                poller.render()
                spent.append(time.process_time() - began)
            if turn > 1:
                found.append(spent[1] / spent[0])
    return statistics.median(found)


async def _memory(urls: list[str]) -> int:
    """Bytes that an exporter of these nodes holds after a few cycles."""
    gc.collect()
    tracemalloc.start()
    async with exporter(urls, "30s", "20s") as poller:
        for _ in range(3):
            await poller.once()
            poller.render()
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size


def run() -> Result:
    """CPU of a cycle with its page, and heap, of 500 nodes by those of 50; the heap of none is taken off both."""
    with nodes(MANY) as urls:
        cpu = asyncio.run(_cpu(urls[:FEW], urls))
        one, few, many = (asyncio.run(_memory(urls[:count])) for count in (1, FEW, MANY))
    memory = (many - one) / (few - one) * (FEW - 1) / (MANY - 1) * MANY / FEW
    return Result(
        16,
        f"growth of nodes from {FEW} to {MANY}: CPU of a cycle with its page, heap per target",
        (Part("CPU:", cpu, 11, at_least=False), Part("memory:", memory, 10, at_least=False)),
    )
