"""An exporter's life: flags, configuration, jobs, page, server, end. The `__main__` of each only names its parts."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from occ import config, flags, logs, process
from occ.errors import ConfigError
from occ.job import Job, Pins
from occ.metrics import Family
from occ.page import Page
from occ.poller import Board, Derive, Poller
from occ.service import Service
from occ.web import ServeError
from occ.webconfig import WebConfigFile

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
    """The parts of an exporter. `build` opens what the jobs need, and closes it at the end of its context.

    At a reload, `build` is entered for the new configuration before the context of the old one ends, and by the same task.
    """

    name: str
    summary: str
    port: int
    model: type[C]
    families: tuple[Family, ...]
    build: Callable[[C, Page], AbstractAsyncContextManager[Plan]]


def main(exporter: Exporter[C], argv: list[str] | None = None) -> int:
    """Runs the exporter; returns the exit code."""
    given = flags.parse(flags.parser(exporter.name, exporter.summary, exporter.port), argv)
    logs.setup(given.log_level, given.log_format)
    return process.guarded(lambda: _checked(exporter, given), traces=False)


def _checked(exporter: Exporter[C], given: flags.Flags) -> int:
    """Runs the exporter if its configuration can be used: from here on it is known what must not be logged."""
    try:
        loaded, rules = config.load(given.config, exporter.model), WebConfigFile(given.web_config)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.check_config:
        files = filter(None, (given.config, given.web_config))
        return process.printed("".join(f"{file}: valid\n" for file in files))
    logged = logs.Logged(given.log_level, given.log_format)
    logged.mask(loaded.secrets | rules.secrets)
    life = _once(exporter, loaded) if given.once else _serve(exporter, loaded, given, rules, logged)
    return process.guarded(lambda: asyncio.run(life))


async def _once(exporter: Exporter[C], loaded: config.Loaded[C]) -> int:
    page = process.new_page(exporter.name, loaded.digest, exporter.families, loaded.config.limits.series)
    async with exporter.build(loaded.config, page) as plan:
        poller = plan.poller(exporter.name, page)
        await poller.once()
        return process.printed(poller.render().decode())


async def _serve(
    exporter: Exporter[C], loaded: config.Loaded[C], given: flags.Flags, rules: WebConfigFile, logged: logs.Logged
) -> int:
    def load() -> config.Loaded[C]:
        again = config.load(given.config, exporter.model)
        logged.mask(again.secrets | rules.secrets)
        return again

    async def live() -> int:
        async with service.serving(given.listen):
            return await service.run()

    with process.hearing() as told:
        service = Service(exporter, loaded, load, rules, logged)
        told.reload = service.reloader.ask
        try:
            return await process.until_told(told, live)
        except ServeError as error:
            log.error("%s", error)  # noqa: TRY400 - a trace says no more
            return 1
