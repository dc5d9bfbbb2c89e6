"""Goal 13: how long a scrape takes at worst while 50 of 200 targets are dead, against all of them alive."""

from __future__ import annotations

import asyncio
import statistics
import time

import aiohttp

from benchmarks.exporting import exporter
from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.nodes import nodes
from demo.processes import free_ports
from occ.flags import Address
from occ.poller import Poller
from occ.process import new_page
from occ.web import application, serving

COUNT = 200
DEAD = 50
SCRAPES = 300


async def _p99(session: aiohttp.ClientSession, port: int) -> float:
    """Of scrapes one after the other over some cycles of polling."""
    found = []
    for _ in range(SCRAPES):
        began = time.perf_counter()
        async with session.get(f"http://127.0.0.1:{port}/metrics") as reply:
            await reply.read()
        found.append(time.perf_counter() - began)
        await asyncio.sleep(0.005)
    return statistics.quantiles(found, n=100)[98]


async def _compare(some_dead: list[str], alive: list[str]) -> float:
    ports = free_ports(2)
    async with exporter(some_dead) as ill, exporter(alive) as well, aiohttp.ClientSession() as session:
        for poller in (ill, well):
            await poller.once()
        ratios = [await _turn(session, ill, ports[0]) / await _turn(session, well, ports[1]) for _ in range(ROUNDS)]
    return statistics.median(ratios)


async def _turn(session: aiohttp.ClientSession, poller: Poller, port: int) -> float:
    """Only one of the two polls at a time: they share this process."""
    page = new_page("bench", "", ())
    app = application(name="bench", page=page, render=poller.render, ready=lambda: True)
    polling = asyncio.create_task(poller.run())
    try:
        async with serving(app, Address("127.0.0.1", port)):
            return await _p99(session, port)
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)


def run() -> Result:
    """The median ratio of the 99th percentiles."""
    with nodes(COUNT, DEAD) as some_dead, nodes(COUNT) as alive:
        found = asyncio.run(_compare(some_dead, alive))
    what = f"scrape p99 with {DEAD} of {COUNT} targets dead against all alive, while they are polled every second"
    return Result(13, what, (Part("", found, 2, at_least=False),))
