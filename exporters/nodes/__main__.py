"""`python -m exporters.nodes`: wiring only."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import ModuleType
from typing import Any

from yarl import URL

from exporters.nodes import families, heads
from exporters.nodes.columns import (
    HEAD_FAMILIES,
    READING_FAMILIES,
    SURVEY_FAMILIES,
    columns,
    survey_columns,
)
from exporters.nodes.config import Chain, NodesConfig, chain_models, experimental
from exporters.nodes.derived import DERIVED_FAMILIES, Derivation
from exporters.nodes.source import Source, targets
from occ import egress, exporter, http, plugins
from occ.exporter import Exporter, Plan
from occ.job import Job, Pins, Target, every
from occ.jsonrpc import AT_ONCE
from occ.page import Page

FAMILIES = tuple(dict.fromkeys((*READING_FAMILIES, *HEAD_FAMILIES, *SURVEY_FAMILIES, *DERIVED_FAMILIES)))

SURVEY = "capabilities"


@asynccontextmanager
async def build(config: NodesConfig, page: Page) -> AsyncIterator[Plan]:
    """A job per chain, which asks all its nodes at once; one for what they can do; and one per node that announces heads."""
    readers = plugins.load(families, families.CONTRACT)
    pins, jobs = Pins(), list[Job]()
    async with http.session("nodes", page, per_host=_per_host(config)) as session, AsyncExitStack() as open_sources:
        for chain in config.chains:
            source = Source(chain, session, page, pins)
            open_sources.push_async_callback(source.close)
            jobs += _jobs(config, chain, readers[chain.family], source)
        if config.egress:
            jobs.append(egress.job(config, session))
        derivation = Derivation(config.chains)
        yield Plan(tuple(jobs), derivation, derivation.pins, pins)


def _per_host(config: NodesConfig) -> int:
    """Connections to one host: what all the nodes there are asked at once, so that none waits for another's answer."""
    hosts = Counter(URL(node.url.reveal()).origin() for chain in config.chains for node in chain.nodes)
    return max(http.PER_HOST, AT_ONCE * max(hosts.values()))


def _jobs(config: NodesConfig, chain: Chain, family: ModuleType, source: Source) -> Iterator[Job]:
    nodes, pace = targets(chain), chain.pace(config)

    def reader(name: str) -> Any:
        return functools.partial(_read, family, name, source, chain)

    yield every(pace, reader("read"), check=chain.family, targets=nodes, families=READING_FAMILIES, columns=columns)
    for target, node in zip(nodes, chain.nodes, strict=True):
        if node.ws_url is not None:
            yield heads.job(family, source, target, pace)
    if hasattr(family, "survey"):
        yield every(
            chain.survey_pace(config),
            reader("survey"),
            check=SURVEY,
            targets=nodes,
            families=SURVEY_FAMILIES,
            columns=survey_columns,
            at_once=SURVEYS_AT_ONCE,
        )


SURVEYS_AT_ONCE = 8


async def _read(
    family: ModuleType, name: str, source: Source, chain: Chain, due: tuple[Target, ...]
) -> Mapping[Target, Any]:
    outcomes: Mapping[Target, Any] = await getattr(family, name)(source, due, chain)
    return outcomes


def _listed() -> str:
    names = (f"{name} (experimental)" if experimental(name) else name for name in chain_models())
    return f"Chain families: {', '.join(names)}."


NODES = Exporter(
    name="nodes",
    summary="Health of RPC nodes: who lies, forks, lags or is slow, against what the others of its chain say.",
    port=9721,
    model=NodesConfig,
    families=FAMILIES,
    build=build,
    more=_listed,
)


def main(argv: list[str] | None = None) -> int:
    """Runs the exporter; returns the exit code."""
    return exporter.main(NODES, argv)


if __name__ == "__main__":
    sys.exit(main())
