"""An exporter's life: flags, configuration, jobs, page, server, end. The `__main__` of each only names its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from occ import config, flags, process, start
from occ.job import Job, Pins
from occ.metrics import Family
from occ.page import Page
from occ.poller import Board, Derive, Poller
from occ.service import Service
from occ.start import Notes, Start, Take

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

    Where the flag `--only-…` lets it use a part of its configuration, `only` is what the parts are called, and `take` makes
    a configuration of the named ones alone. `notes` tells of a valid one what nobody would want. `looking` is entered around
    `--once`: what it holds back would stand in the way of a process that runs.

    At a reload, `build` is entered for the new configuration before the context of the old one ends, and by the same task.
    """

    name: str
    summary: str
    port: int
    model: type[C]
    families: tuple[Family, ...]
    build: Callable[[C, Page], AbstractAsyncContextManager[Plan]]
    more: Callable[[], str] = lambda: ""
    only: str | None = None
    take: Take[C] = lambda config, _: config
    notes: Notes[C] = lambda _: ()
    looking: Callable[[], AbstractContextManager[object]] = nullcontext

    @property
    def about(self) -> str:
        """The summary, and what else there is to say of it: worked out when somebody asks."""
        return f"{self.summary} {self.more()}".rstrip()


def main(exporter: Exporter[C], argv: list[str] | None = None) -> int:
    """Runs the exporter; returns the exit code."""

    async def life(begun: Start[C]) -> int:
        return await (_once if begun.flags.once else _serve)(exporter, begun)

    parser = flags.parser(exporter.name, exporter.about, exporter.port, only=exporter.only)
    return start.run(parser, exporter.model, life, argv, take=exporter.take, notes=exporter.notes)


async def _once(exporter: Exporter[C], begun: Start[C]) -> int:
    loaded = begun.loaded
    page = process.new_page(exporter.name, loaded.digest, exporter.families, loaded.config.limits.series)
    async with AsyncExitStack() as opened:
        opened.enter_context(exporter.looking())
        plan = await opened.enter_async_context(exporter.build(loaded.config, page))
        poller = plan.poller(exporter.name, page)
        await poller.once()
        return process.printed(poller.render().decode())


async def _serve(exporter: Exporter[C], begun: Start[C]) -> int:
    async def live() -> int:
        async with service.serving(begun.flags.listen):
            return await service.run()

    with process.hearing() as told:
        service = Service(exporter, begun.loaded, begun.load, begun.rules, begun.logged)
        told.reload = service.reloader.ask
        return await process.until_told(told, live)
