"""`python -m exporters.nodes`: wiring only."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import ModuleType

from exporters.nodes import families
from exporters.nodes.columns import READING_FAMILIES, REQUEST_DURATION, columns
from exporters.nodes.config import Chain, NodesConfig
from exporters.nodes.derived import DERIVED_FAMILIES, Derivation
from exporters.nodes.reading import Reading
from exporters.nodes.source import Source, targets
from occ import egress, exporter, http, plugins
from occ.errors import SourceError
from occ.exporter import Exporter, Plan
from occ.job import Job, Target, every
from occ.page import Page

log = logging.getLogger(__name__)

FAMILIES = (*READING_FAMILIES, *DERIVED_FAMILIES)


@asynccontextmanager
async def build(config: NodesConfig, page: Page) -> AsyncIterator[Plan]:
    """One job per chain, which asks all its nodes at once."""
    if any(node.ws_url or node.expect for chain in config.chains for node in chain.nodes):
        log.warning("ws_url and expect are checked, and not used yet: nodes are asked over HTTP alone")
    readers = plugins.load(families, families.CONTRACT)
    durations = page.histogram(REQUEST_DURATION)
    async with http.session("nodes", page) as session:
        jobs: list[Job] = []
        for chain in config.chains:
            source = Source(chain, session, page, durations)
            jobs.append(
                every(
                    chain.pace(config),
                    functools.partial(_read, readers[chain.family], source, chain),
                    check=chain.family,
                    targets=targets(chain),
                    families=READING_FAMILIES,
                    columns=columns,
                )
            )
        if config.egress:
            jobs.append(egress.job(config, session))
        yield Plan(tuple(jobs), Derivation(config.chains))


async def _read(
    family: ModuleType, source: Source, chain: Chain, due: tuple[Target, ...]
) -> Mapping[Target, Reading | SourceError]:
    outcomes: Mapping[Target, Reading | SourceError] = await family.read(source, due, chain)
    return outcomes


NODES = Exporter(
    name="nodes",
    summary="Health of RPC nodes: up, head, lag, chain, peers; and the corroborated head of each chain.",
    port=9721,
    model=NodesConfig,
    families=FAMILIES,
    build=build,
)


def main(argv: list[str] | None = None) -> int:
    """Runs the exporter; returns the exit code."""
    return exporter.main(NODES, argv)


if __name__ == "__main__":
    sys.exit(main())
