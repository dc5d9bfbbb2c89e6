"""`python -m exporters.pools`: wiring only."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from yarl import URL

from exporters.pools import events, fitting
from exporters.pools.columns import Columns
from exporters.pools.config import Chain, PoolsConfig, readers
from exporters.pools.families import FAMILIES
from exporters.pools.reading import Reading
from exporters.pools.source import Source
from exporters.pools.targets import Targets, targets
from occ import egress, exporter, http
from occ.errors import SourceError
from occ.exporter import Exporter, Plan
from occ.job import Job, Pace, Target, every, on_head
from occ.jsonrpc import AT_ONCE
from occ.ledger import Ledger, looking, opened
from occ.page import Event, Page

ALL_FAMILIES = (*FAMILIES, *events.EVENT_FAMILIES)

STATE, HEAD, EVENTS = "state", "head", "events"

LOOK_SECONDS = 1.0
"""How often it is looked whether there is a new head, at least."""

SHARE = 0.9
"""Of the timeout, for the nodes: what is left is for saying which of them was late."""


@asynccontextmanager
async def build(config: PoolsConfig, page: Page) -> AsyncIterator[Plan]:
    """Three jobs per chain: one looks for new heads, and at each of them one reads everything and one counts events."""
    async with http.session("pools", page, per_host=_per_host(config)) as session, AsyncExitStack() as files:
        jobs: list[Job] = []
        counted: list[Callable[[Ledger], Job]] = []
        for chain in config.chains:
            pace, named = chain.pace(config), targets(config, chain)
            source = Source(chain, named, session, SHARE * pace.timeout)
            jobs += _jobs(pace, named, source)
            if source.logs.counted:
                counted.append(functools.partial(_counting, pace, chain, named, source))
        if counted:
            ledger = files.enter_context(opened(config.state, events.COUNTERS))
            jobs += [count(ledger) for count in counted]
        if config.egress:
            jobs.append(egress.job(config, session))
        yield Plan(tuple(jobs))


def _per_host(config: PoolsConfig) -> int:
    """Connections to one host: what all the chains there ask at once, so that none waits for another's answer."""
    hosts = Counter(URL(rpc.url.reveal()).origin() for chain in config.chains for rpc in chain.rpc)
    return max(http.PER_HOST, AT_ONCE * max(hosts.values()))


def _counting(pace: Pace, chain: Chain, named: Targets, source: Source, ledger: Ledger) -> Job:
    pools = source.logs.counted
    stream = ledger.stream(
        chain.name,
        confirmations=chain.confirmations,
        start_block=chain.start_block,
        deep_reorgs=Event(events.DEEP_REORGS, {"chain": chain.name}),
        foreseen=events.zeros(pools, chain),
        wanted=events.shown(pools, chain),
    )
    counting = events.Counting(chain, source.logs, usd=source.usd, tried=source.tried.wait)
    return ledger.job(
        pace,
        {named.chain: (stream, counting)},
        check=EVENTS,
        families=events.EVENT_FAMILIES,
        columns=events.columns(chain, pools, counting),
        heads=source.read_heads,
    )


def _jobs(pace: Pace, named: Targets, source: Source) -> Iterator[Job]:
    async def look(_due: tuple[Target, ...]) -> Mapping[Target, SourceError | None]:
        await source.look()
        return {named.chain: None}

    async def read(_due: tuple[Target, ...]) -> Mapping[Target, Reading | SourceError]:
        return await source.read()

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
    families=ALL_FAMILIES,
    build=build,
    more=_listed,
    notes=fitting.notes,
    looking=looking,
)


def main(argv: list[str] | None = None) -> int:
    """Runs the exporter; returns the exit code."""
    return exporter.main(POOLS, argv)


if __name__ == "__main__":
    sys.exit(main())
