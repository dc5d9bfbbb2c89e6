"""An exporter inside the test's process, on real connections, with its page as values."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from demo.until import until
from occ import config
from occ.exporter import Exporter
from occ.page import Page
from occ.poller import Poller
from occ.process import new_page

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True)
class Seen:
    """A page as a mapping; `page("rpc_peers", node="beta")` is the value of the one series that has these labels."""

    samples: Samples

    def __call__(self, name: str, **labels: str) -> float | None:
        found = [
            value for (known, have), value in self.samples.items() if known == name and labels.items() <= set(have)
        ]
        assert len(found) <= 1, f"{name}{labels}: {len(found)} series"
        return found[0] if found else None

    def names(self) -> set[str]:
        return {name for name, _ in self.samples}


def parsed(body: bytes) -> Seen:
    samples: Samples = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"twice on the page: {key}"
            samples[key] = math.nan if math.isnan(sample.value) else sample.value
    return Seen(samples)


@dataclass(frozen=True)
class Running:
    """A running exporter."""

    poller: Poller
    metrics: Page

    def page(self) -> Seen:
        self.metrics.refresh()
        return parsed(self.poller.render())

    async def until(self, condition: Callable[[Seen], bool], within: float = 60.0) -> Seen:
        """The first page of which the condition holds."""

        async def look() -> Seen | None:
            seen = self.page()
            return seen if condition(seen) else None

        found = await until(look, within, every=0.1)
        assert found is not None
        return found


@asynccontextmanager
async def _poller(
    exporter: Exporter[Any], text: str, folder: Path, clock: Callable[[], float]
) -> AsyncIterator[tuple[Poller, Page]]:
    path = folder / f"{exporter.name}.yml"
    path.write_text(text)
    loaded = config.load(path, exporter.model)
    page = new_page(exporter.name, loaded.digest, exporter.families)
    async with exporter.build(loaded.config, page) as plan:
        yield plan.poller(exporter.name, page, clock=clock), page


async def once(exporter: Exporter[Any], text: str, folder: Path, clock: Callable[[], float] = time.time) -> bytes:
    """The page after everything was read once with this configuration."""
    async with _poller(exporter, text, folder, clock) as (poller, _):
        await poller.once()
        return poller.render()


@asynccontextmanager
async def running(exporter: Exporter[Any], text: str, folder: Path) -> AsyncIterator[Running]:
    """Runs an exporter with this configuration for the length of the block."""
    async with _poller(exporter, text, folder, time.time) as (poller, page):
        task = asyncio.create_task(poller.run())
        try:
            yield Running(poller, page)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
