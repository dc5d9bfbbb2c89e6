"""Goal 6: HTTP requests per chain and block for N pools, their events counted; a batch is one."""

from __future__ import annotations

import asyncio
import math
import tempfile
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.exporting import planned_pools
from benchmarks.harness import Part, Result
from benchmarks.pools import Pairs, pairs
from occ.errors import SourceError
from occ.exporter import Plan
from occ.page import Page

COUNTS = (10, 100, 1_000)
BLOCKS = 8
TRADED = 10


async def _step(plan: Plan) -> None:
    """What a new head makes the exporter do: look, read the state, count events."""
    for job in plan.jobs:
        async for outcomes in job.results(job.targets):
            failed = [each for each in outcomes.values() if isinstance(each, SourceError)]
            assert not failed, failed[0]


def _asked(page: Page) -> float:
    """Requests so far, as the exporter itself counts them."""
    page.refresh()
    families = text_string_to_metric_families(page.render().decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "occ_http_request_duration_seconds_count" and sample.labels["phase"] == "total"
    )


async def _measured(made: Pairs, pools: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with planned_pools(f"state: {Path(folder) / 'pools.db'}\n{made.config(pools)}") as (plan, page):
            for _ in range(2):  # what never changes is read once
                await _step(plan)
                await made.trade(TRADED)
            before = _asked(page)
            for _ in range(BLOCKS):
                await _step(plan)
                await made.trade(TRADED)
            return (_asked(page) - before) / BLOCKS


async def _measure() -> dict[int, float]:
    async with pairs(max(COUNTS)) as made:
        return {pools: await _measured(made, pools) for pools in COUNTS}


def run() -> Result:
    """Counted by the exporter itself, not timed."""
    found = asyncio.run(_measure())
    parts = tuple(
        Part(f"{pools} pools:", requests, math.ceil(pools / 500) + 1, at_least=False, unit="")
        for pools, requests in found.items()
    )
    note = (
        f"the look that finds the block and the batch that reads it, {TRADED} swaps in each counted. Looks that find nothing new, "
        "one a second, come on top; so do blocks in which a price goes where ticks were not read, one batch or two."
    )
    return Result(6, "HTTP requests per chain and block, events counted", parts, note)
