"""`python -m exporters.pools`: wiring only."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
from yarl import URL

from exporters.pools.columns import Columns
from exporters.pools.config import Chain, PoolsConfig, readers
from exporters.pools.families import FAMILIES
from exporters.pools.reading import Reading
from exporters.pools.source import Source
from exporters.pools.targets import targets
from occ import egress, exporter, http
from occ.errors import SourceError
from occ.exporter import Exporter, Plan
from occ.job import Job, Target, every, on_head
from occ.jsonrpc import AT_ONCE
from occ.page import Page

STATE, HEAD = "state", "head"

LOOK_SECONDS = 1.0
"""How often it is looked whether there is a new head, at least."""

SHARE = 0.9
"""Of the timeout, for the nodes: what is left is for saying which of them was late."""


@asynccontextmanager
async def build(config: PoolsConfig, page: Page) -> AsyncIterator[Plan]:
    """Two jobs per chain: one looks for new heads, and at each of them the other reads everything."""
    async with http.session("pools", page, per_host=_per_host(config)) as session:
        jobs: list[Job] = []
        for chain in config.chains:
            jobs += _jobs(config, chain, session)
        if config.egress:
            jobs.append(egress.job(config, session))
        yield Plan(tuple(jobs))


def _per_host(config: PoolsConfig) -> int:
    """Connections to one host: what all the chains there ask at once, so that none waits for another's answer."""
    hosts = Counter(URL(rpc.url.reveal()).origin() for chain in config.chains for rpc in chain.rpc)
    return max(http.PER_HOST, AT_ONCE * max(hosts.values()))


def _jobs(config: PoolsConfig, chain: Chain, session: aiohttp.ClientSession) -> Iterator[Job]:
    named, pace = targets(config, chain), chain.pace(config)
    source = Source(chain, named, session)
    within = SHARE * pace.timeout

    async def look(_due: tuple[Target, ...]) -> Mapping[Target, SourceError | None]:
        await source.look(within)
        return {named.chain: None}

    async def read(_due: tuple[Target, ...]) -> Mapping[Target, Reading | SourceError]:
        return await source.read(within)

    sizes = {target: pool.sizes_usd for target, pool in named.pools.items()}
    yield every(
        replace(pace, interval=min(pace.interval, LOOK_SECONDS)),
        look,
        check=HEAD,
        targets=(named.chain,),
        families=(),
        columns=lambda _: (),
    )
    yield on_head(
        source.heads,
        pace,
        read,
        check=STATE,
        targets=named.all,
        families=FAMILIES,
        columns=Columns(sizes, named.feeds, named.positions),
        together=True,
    )


def _listed() -> str:
    kinds = dict.fromkeys(name for part in ("pools", "feeds", "positions") for name in readers(part))
    return f"Kinds: {', '.join(kinds)}."


POOLS = Exporter(
    name="pools",
    summary="Liquidity on chain: prices, depth, impact and reserves of pools, oracles, and positions of ours, each block.",
    port=9723,
    model=PoolsConfig,
    families=FAMILIES,
    build=build,
    more=_listed,
)


def main(argv: list[str] | None = None) -> int:
    """Runs the exporter; returns the exit code."""
    return exporter.main(POOLS, argv)


if __name__ == "__main__":
    sys.exit(main())
