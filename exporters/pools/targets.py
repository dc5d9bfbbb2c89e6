"""What is read of a chain, as targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporters.pools.config import Chain, Feed, Pool, PoolsConfig, Position
from occ.job import Target
from occ.plain import fingerprint


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of a chain, with what the configuration says of each."""

    chain: Target
    pools: Mapping[Target, Pool]
    feeds: Mapping[Target, Feed]
    positions: Mapping[Target, Position]

    @property
    def all(self) -> tuple[Target, ...]:
        """What is read at every block."""
        return (*self.pools, *self.feeds, *self.positions)


def targets(config: PoolsConfig, chain: Chain) -> Targets:
    """The targets of a chain, in the order of the configuration. A reload keeps what is known of one while that is the same."""
    common = chain.model_copy(update={"pools": (), "feeds": (), "positions": (), "rpc": ()})

    def target(place: str, sort: str, item: Pool | Feed | Position, **facts: str) -> Target:
        owner = {
            "team": item.labels.team or chain.labels.team,
            "tier": item.labels.tier or chain.labels.tier,
        }
        facts |= {"kind": item.kind, "config": fingerprint(common, item)}
        return Target(f"{chain.name}/{place}{item.name}", {"chain": chain.name, sort: item.name}, owner | facts)

    owner = {"team": chain.labels.team, "tier": chain.labels.tier}
    return Targets(
        Target(chain.name, {"chain": chain.name}, owner),
        {target("", "pool", pool, **_of_pool(config, pool)): pool for pool in chain.pools},
        {target("feeds/", "feed", feed, **_of_pair(config, feed)): feed for feed in chain.feeds},
        {target("positions/", "position", position): position for position in chain.positions},
    )


def _of_pair(config: PoolsConfig, item: Pool | Feed) -> dict[str, str]:
    bases = config.bases
    return {
        "base": item.base,
        "quote": item.quote,
        "base_asset": bases.get(item.base, item.base),
        "quote_asset": bases.get(item.quote, item.quote),
        "source": "" if item.reference is None else item.reference.source[1],
    }


def _of_pool(config: PoolsConfig, pool: Pool) -> dict[str, str]:
    return _of_pair(config, pool) | {"dex": pool.dex or pool.kind.partition("_")[0]}
