"""An exporter at work with one configuration after another. Its page outlives them, and so do its counters.

The jobs of a new configuration are built, and tried on a page that nobody sees, while the old ones still run. Only then do
the old ones end and the new ones take their place, in one step between two scrapes, with all that is known of the targets
which both have.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from occ import process
from occ.config import ExporterConfig, Loaded
from occ.job import Job
from occ.page import Format, Page
from occ.poller import Poller
from occ.probe import Probes
from occ.reload import Reloader
from occ.state import JobState

if TYPE_CHECKING:
    from occ.exporter import Exporter, Plan

log = logging.getLogger(__name__)

C = TypeVar("C", bound=ExporterConfig)


@dataclass(slots=True, eq=False)
class _Work:
    """A configuration at work: what it opened, and its jobs."""

    plan: Plan
    opened: AsyncExitStack
    poller: Poller
    polling: asyncio.Task[None] | None = field(default=None)


class Runtime(Generic[C]):
    """Runs the jobs of the configuration in force. To be entered, run and left by one task."""

    def __init__(self, exporter: Exporter[C], page: Page) -> None:
        self.probes: Probes | None = None
        self._exporter = exporter
        self.page = page
        self._work: _Work | None = None
        self._was_ready = False

    @property
    def _now(self) -> _Work:
        if self._work is None:
            raise RuntimeError("nothing is at work")
        return self._work

    @property
    def poller(self) -> Poller:
        """What polls now."""
        return self._now.poller

    @property
    def ready(self) -> bool:
        """True from when everything was read once; targets that a reload adds do not take that back."""
        self._was_ready = self._was_ready or self.poller.ready
        return self._was_ready

    def jobs(self) -> Sequence[Job]:
        """The jobs in force."""
        return self._now.plan.jobs

    def states(self) -> tuple[JobState, ...]:
        """How they stand."""
        return self.poller.jobs()

    def render(self, style: Format = Format.TEXT, packed: bool = False) -> bytes:  # noqa: FBT001, FBT002 - as Page has it
        """The page as of now."""
        return self.poller.render(style, packed)

    async def start(self, loaded: Loaded[C]) -> None:
        """Builds the first configuration's jobs; `aclose` undoes it."""
        plan, opened = await self._open(loaded)
        self._work = _Work(plan, opened, plan.poller(self._exporter.name, self.page))

    async def aclose(self) -> None:
        """Ends the jobs and closes what they needed."""
        if self._work is not None:
            work, self._work = self._work, None
            await _end(work)
            await work.opened.aclose()

    async def run(self, reloader: Reloader[C]) -> int:
        """Polls, and reloads whenever that is wanted; returns only when the poller ends by itself, which it never should."""
        while self._work is not None:
            polling = self._work.polling = self._work.polling or asyncio.create_task(self.poller.run())
            wanted = asyncio.create_task(reloader.wanted())
            try:
                await asyncio.wait((polling, wanted), return_when=asyncio.FIRST_COMPLETED)
            finally:
                wanted.cancel()
            if polling.done():
                log.critical("the poller ended", exc_info=polling.exception())
                return 1
            await reloader.reload()
        return 1

    async def apply(self, loaded: Loaded[C]) -> None:
        """Puts another configuration in force. Raises what its building raises, and then nothing has changed."""
        plan, opened = await self._open(loaded)
        old = self._now
        try:
            self._try_on(plan, loaded)
            await _end(old)
        except BaseException:
            await opened.aclose()
            raise
        self._work = self._replace(old, _Work(plan, opened, old.poller), loaded)
        try:
            if self.probes is not None:
                await self.probes.end()
        finally:
            await old.opened.aclose()

    async def _open(self, loaded: Loaded[C]) -> tuple[Plan, AsyncExitStack]:
        async with AsyncExitStack() as opened:
            plan = await opened.enter_async_context(self._exporter.build(loaded.config, self.page))
            return plan, opened.pop_all()
        raise AssertionError

    def _try_on(self, plan: Plan, loaded: Loaded[C]) -> None:
        """Raises what stands against showing the jobs, before anything is given up for them."""
        name, limit = self._exporter.name, loaded.config.limits.series
        plan.poller(name, process.new_page(name, loaded.digest, self._exporter.families, limit))

    def _replace(self, old: _Work, new: _Work, loaded: Loaded[C]) -> _Work:
        """In one step, so that no scrape sees both, or neither."""
        old.poller.leave()
        self.page.limit = loaded.config.limits.series
        new.poller = new.plan.poller(self._exporter.name, self.page)
        new.poller.inherit(old.poller)
        return new


async def _end(work: _Work) -> None:
    if work.polling is not None:
        work.polling.cancel()
        await asyncio.gather(work.polling, return_exceptions=True)
