"""`make soak`: 200 simulated nodes of which a quarter dies and returns, again and again, while the page is scraped.

Memory stays flat, no task is left over, and no value is shown that is older than `stale_after`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.exporting import exporter
from benchmarks.nodes import nodes
from demo.processes import free_ports
from occ.flags import Address
from occ.poller import Poller
from occ.process import new_page
from occ.web import application, serving

COUNT = 200
DYING = 4
"""One in so many dies at a time."""

PERIOD = 10.0
STALE_AFTER, SLACK = 3.0, 1.5
GROWTH = 1.1
TASKS_PER_NODE = 5
"""A node that is asked has a task, another while it is tried what it can do, and while it is connected to some more."""

TASKS_BESIDE = 8
"""The server's, the beat's, ours. Between two cycles there are no others."""

QUIET_WITHIN = 120.0
"""Seconds from the last death in which there is such a moment: far longer than any node is waited for."""


@dataclass
class Report:
    """What was seen, and what was wrong with it."""

    count: int
    scrapes: int = 0
    deaths: int = 0
    quietest: int = 0
    tasks: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def verdict(self) -> bool:
        settled = self.memory[len(self.memory) // 3 :]
        if settled and settled[-1] > settled[0] * GROWTH:
            self.complaints.append(f"memory grew from {settled[0] >> 20} to {settled[-1] >> 20} MiB")
        if self.quietest > TASKS_BESIDE:
            self.complaints.append(f"at the quietest there are {self.quietest} tasks")
        if max(self.tasks, default=0) > self.count * TASKS_PER_NODE + TASKS_BESIDE:
            self.complaints.append(f"{max(self.tasks)} tasks at once")
        if not self.deaths:
            self.complaints.append("no node ever died")
        return not self.complaints


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def stale_and_shown(page: str, now: float) -> Iterator[str]:
    """Nodes whose head is on the page although it was read too long ago."""
    read_at: dict[str, float] = {}
    shown: set[str] = set()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if family.name == "occ_target_last_success_timestamp_seconds":
                read_at[sample.labels["node"]] = sample.value
            elif family.name == "rpc_block_number":
                shown.add(sample.labels["node"])
    for node in sorted(shown):
        age = now - read_at.get(node, 0.0)
        if age > STALE_AFTER + SLACK:
            yield f"{node} is shown {age:.1f} s after its last read"


async def _scraping(url: str, session: aiohttp.ClientSession, report: Report, over: Callable[[], bool]) -> None:
    while not over():
        asked_at = time.time()  # what is stale by then is so on the page, however long that is on its way
        async with session.get(url) as reply:
            page = await reply.text()
        report.scrapes += 1
        report.complaints += stale_and_shown(page, asked_at)
        report.tasks.append(len(asyncio.all_tasks()))
        await asyncio.sleep(1.0)


async def _dying(urls: list[str], session: aiohttp.ClientSession, report: Report, periods: int) -> None:
    """Others each time; they are dead for half of each period."""
    paths = [urlsplit(url).path for url in urls]
    control = urls[0].removesuffix(paths[0]) + "/dead"
    for _ in range(periods):
        for dead in (paths[report.deaths % DYING :: DYING], []):
            async with session.post(control, data=json.dumps(dead)) as reply:
                reply.raise_for_status()
            await asyncio.sleep(PERIOD / 2)
        report.deaths += 1
        gc.collect()
        report.memory.append(resident())


async def _quietest() -> int:
    """The fewest tasks of any moment until nobody is asked anything; a task that is left over would be among them."""
    fewest, until = len(asyncio.all_tasks()), time.monotonic() + QUIET_WITHIN
    while fewest > TASKS_BESIDE and time.monotonic() < until:
        await asyncio.sleep(0.01)
        fewest = min(fewest, len(asyncio.all_tasks()))
    return fewest


async def _polled(poller: Poller, urls: list[str], periods: int) -> Report:
    report = Report(len(urls))
    before = len(asyncio.all_tasks())
    (port,) = free_ports(1)
    app = application(name="soak", page=new_page("soak", "", ()), render=poller.render, ready=lambda: True)
    polling = asyncio.create_task(poller.run())
    async with serving(app, Address("127.0.0.1", port)), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}/metrics"
        dying = asyncio.create_task(_dying(urls, session, report, periods))
        await _scraping(url, session, report, dying.done)
        await dying
        report.quietest = await _quietest()
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)
    if (left := len(asyncio.all_tasks()) - before) > 0:
        report.complaints.append(f"{left} tasks are left over")
    return report


async def soak(seconds: float, count: int = COUNT) -> Report:
    """Runs it for as many periods as that is, which takes longer on a busy machine, and says what was seen."""
    logging.disable()
    try:
        with nodes(count) as urls:
            async with exporter(urls, "500ms", "400ms", f"{STALE_AFTER:g}s") as poller:
                return await _polled(poller, urls, max(round(seconds / PERIOD), 1))
    finally:
        logging.disable(logging.NOTSET)


def main() -> int:
    """Exit code 1 when something was wrong."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long (default: %(default)g)")
    report = asyncio.run(soak(parser.parse_args().seconds))
    good = report.verdict()
    sizes = [size >> 20 for size in report.memory]
    print(
        f"{report.scrapes} scrapes, {report.deaths} times {COUNT // DYING} of {COUNT} nodes dead, "
        f"{report.quietest} to {max(report.tasks)} tasks"
    )
    print(f"memory after each, MiB: {' '.join(map(str, sizes))}")
    print("\n".join(report.complaints[:20]) or "nothing stale was shown, no task was left over, memory stayed flat")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
