"""The nodes exporter inside the measuring process."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.nodes import config
from exporters.nodes.__main__ import NODES
from occ.config import load
from occ.exporter import Plan
from occ.page import Page
from occ.poller import Poller
from occ.process import new_page, settle


@asynccontextmanager
async def planned(
    urls: list[str], interval: str = "1s", patience: str = "900ms", stale_after: str = "60s"
) -> AsyncIterator[tuple[Plan, Page]]:
    """The jobs of an exporter that is wired as the process wires it, and its page."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(config(urls, interval, patience, stale_after))
        file.flush()
        loaded = load(Path(file.name), NODES.model)
    page = new_page(NODES.name, loaded.digest, NODES.families)
    async with NODES.build(loaded.config, page) as plan:
        yield plan, page


@asynccontextmanager
async def exporter(*given: str | list[str]) -> AsyncIterator[Poller]:
    """The poller of all of them."""
    async with planned(*given) as (plan, page):  # type: ignore[arg-type]
        poller = plan.poller(NODES.name, page)
        settle()
        yield poller
