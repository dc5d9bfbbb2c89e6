"""An exporter's life: flags, configuration, jobs, page, server, end. The `__main__` of each only names its parts."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from occ import config, flags, logs, process, web
from occ.errors import ConfigError
from occ.job import Job, Pins
from occ.metrics import Family
from occ.page import Page
from occ.poller import Board, Derive, Poller

log = logging.getLogger(__name__)

C = TypeVar("C", bound=config.ExporterConfig)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an exporter does with a configuration: the jobs to run, and what to derive from all of them.

    `pin` takes the heights from a board at which all nodes are asked the next time; jobs find them in `pins`.
    """

    jobs: tuple[Job, ...]
    derive: Derive = lambda _: ()
    pin: Callable[[Board], Mapping[str, int]] = lambda _: {}
    pins: Pins = field(default_factory=Pins)

    def poller(self, name: str, page: Page, **others: Any) -> Poller:
        """The poller that does it."""
        return Poller(name, self.jobs, page, derive=self.derive, pin=self.pin, pins=self.pins, **others)


@dataclass(frozen=True)
class Exporter(Generic[C]):
    """The parts of an exporter. `build` opens what the jobs need, and closes it at the end of its context."""

    name: str
    summary: str
    port: int
    model: type[C]
    families: tuple[Family, ...]
    build: Callable[[C, Page], AbstractAsyncContextManager[Plan]]


def main(exporter: Exporter[C], argv: list[str] | None = None) -> int:
    """Runs the exporter; returns the exit code."""
    given = flags.parse(flags.parser(exporter.name, exporter.summary, exporter.port), argv)
    try:
        loaded = config.load(given.config, exporter.model)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.check_config:
        sys.stdout.write(f"{given.config}: valid\n")
        return 0
    logs.setup(given.log_level, given.log_format, loaded.secrets)
    try:
        return asyncio.run(_once(exporter, loaded) if given.once else _serve(exporter, loaded, given.listen))
    except OSError as error:
        log.error("can not serve on %s: %s", given.listen, error.strerror or error)  # noqa: TRY400 - a trace says no more
        return 1


async def _once(exporter: Exporter[C], loaded: config.Loaded[C]) -> int:
    page = process.new_page(exporter.name, loaded.digest, exporter.families, loaded.config.limits.series)
    async with exporter.build(loaded.config, page) as plan:
        poller = plan.poller(exporter.name, page)
        await poller.once()
        sys.stdout.write(poller.render().decode())
    return 0


async def _serve(exporter: Exporter[C], loaded: config.Loaded[C], address: flags.Address) -> int:
    page = process.new_page(exporter.name, loaded.digest, exporter.families, loaded.config.limits.series)
    async with exporter.build(loaded.config, page) as plan:
        poller = plan.poller(exporter.name, page)
        app = web.application(
            name=exporter.name,
            summary=exporter.summary,
            page=page,
            render=poller.render,
            ready=lambda: poller.ready,
        )
        async with web.serving(app, address):
            return await _until_ended(poller)


async def _until_ended(poller: Poller) -> int:
    """Until a signal says so, or the poller ends by itself, which it never should."""
    polling, told = asyncio.create_task(poller.run()), asyncio.create_task(process.until_told())
    await asyncio.wait((polling, told), return_when=asyncio.FIRST_COMPLETED)
    failed = polling.done()
    if failed:
        log.critical("the poller ended", exc_info=polling.exception())
    for task in (polling, told):
        task.cancel()
    await asyncio.gather(polling, told, return_exceptions=True)
    return int(failed)
