"""Exporters inside the measuring process."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.nodes import config
from exporters.exchange.__main__ import EXCHANGE
from exporters.nodes.__main__ import NODES
from exporters.pools.__main__ import POOLS
from occ.config import load
from occ.exporter import Exporter, Plan
from occ.page import Page
from occ.poller import Poller
from occ.process import new_page, settle


@asynccontextmanager
async def _planned(exporter: Exporter[Any], text: str) -> AsyncIterator[tuple[Plan, Page]]:
    """The jobs of an exporter that is wired as the process wires it, and its page."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(text)
        file.flush()
        loaded = load(Path(file.name), exporter.model)
    page = new_page(exporter.name, loaded.digest, exporter.families)
    async with exporter.build(loaded.config, page) as plan:
        yield plan, page


@asynccontextmanager
async def planned(
    urls: list[str], interval: str = "1s", patience: str = "900ms", stale_after: str = "60s"
) -> AsyncIterator[tuple[Plan, Page]]:
    """The nodes exporter with these nodes."""
    async with _planned(NODES, config(urls, interval, patience, stale_after)) as made:
        yield made


@asynccontextmanager
async def planned_pools(text: str) -> AsyncIterator[tuple[Plan, Page]]:
    """The pools exporter with this configuration."""
    async with _planned(POOLS, text) as made:
        yield made


@asynccontextmanager
async def exporter(*given: str | list[str]) -> AsyncIterator[Poller]:
    """The poller of all of them."""
    async with planned(*given) as (plan, page):  # type: ignore[arg-type]
        poller = plan.poller(NODES.name, page)
        settle()
        yield poller


@asynccontextmanager
async def exchanges(text: str) -> AsyncIterator[Poller]:
    """The poller of the exchange exporter with this configuration."""
    async with _planned(EXCHANGE, text) as (plan, page):
        yield plan.poller(EXCHANGE.name, page)
