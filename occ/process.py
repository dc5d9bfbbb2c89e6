"""What every process of OCC has: a page with its facts, a beat that keeps it fresh, and an end when it is told to."""

from __future__ import annotations

import asyncio
import logging
import platform
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, disable_created_metrics

from occ import __version__, metrics
from occ.metrics import KERNEL_FAMILIES, Catalogue, Family
from occ.page import Column, Page

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0


def new_page(name: str, digest: str, families: Iterable[Family], limit: int = 200_000) -> Page:
    """An empty page of a process: its facts are on it, and the metrics of Python and of the process."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    page = Page(Catalogue((*KERNEL_FAMILIES, *families)), limit)
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        page.registry.register(collector)
    page.histogram(metrics.EVENT_LOOP_LAG).labels(name)
    build = {"exporter": name, "version": __version__, "python": platform.python_version()}
    used = {"exporter": name, "hash": digest}
    page.put("process", [Column(metrics.BUILD_INFO, (build,), (1.0,)), Column(metrics.CONFIG_INFO, (used,), (1.0,))])
    return page


@asynccontextmanager
async def beating(name: str, page: Page) -> AsyncIterator[None]:
    """While the block runs: once a second the registry is written anew, and how late that came is the loop's lag."""
    lag = page.histogram(metrics.EVENT_LOOP_LAG).labels(name)

    async def beat() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            lag.observe(max(loop.time() - due, 0.0))
            page.refresh()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_told() -> None:
    """Waits for SIGTERM or SIGINT; a second signal ends the process at once."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    log.info("ending")
