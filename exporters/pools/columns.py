"""The columns made of what was read of a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Generic, TypeVar

from exporters.pools import families as of
from exporters.pools.reading import ORDERS, SIDES, FeedReading, PoolReading, PositionReading, Reading, Sight
from occ.job import Beside, Readings, Target
from occ.metrics import Family
from occ.page import Column, Rows

R = TypeVar("R")
V = TypeVar("V")

_BANDS: Beside = tuple((("side", side), ("band", band)) for side, band in product(SIDES, of.BAND_NAMES))


class _Sort(Generic[R]):
    """The targets of one sort, and the rows of their columns."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = tuple(targets)
        self._rows: dict[object, Rows] = {}
        self._told: dict[str, tuple[tuple[str | None, ...], Rows]] = {}

    def fresh(self, readings: Mapping[Target, Reading]) -> list[R | None]:
        """What was read of them, in their order."""
        return [None if found is None else found[1] for found in map(readings.get, self.targets)]  # type: ignore[misc]

    def sights(self, readings: Mapping[Target, Reading]) -> list[Sight | None]:
        """At which block that was."""
        return [None if found is None else found[0] for found in map(readings.get, self.targets)]

    def column(
        self,
        family: Family,
        readings: Sequence[V | None],
        value: Callable[[V], float | None],
        facts: tuple[tuple[str, str], ...] = (),
        **labels: str,
    ) -> Column:
        """A value per target; `facts` are labels that are taken from its facts: the label, and the fact's name."""
        key = family.name, facts, tuple(labels.items())
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = tuple(
                {**target.labels, **{label: target.facts[fact] for label, fact in facts}, **labels}
                for target in self.targets
            )
        return Column(family, rows, [None if reading is None else value(reading) for reading in readings])

    def table(
        self,
        family: Family,
        readings: Sequence[R | None],
        beside: Beside,
        values: Callable[[R], Sequence[float | None]],
    ) -> Column:
        """A value for each of the labels `beside`, per target."""
        rows = self._rows.get(family.name)
        if rows is None:
            rows = self._rows[family.name] = tuple(
                {**target.labels, **dict(row)} for target in self.targets for row in beside
            )
        absent = (None,) * len(beside)
        found = (absent if reading is None else values(reading) for reading in readings)
        return Column(family, rows, [value for each in found for value in each])

    def told(
        self,
        family: Family,
        readings: Sequence[V | None],
        label: str,
        value: Callable[[V], str],
        facts: tuple[tuple[str, str], ...] = (),
    ) -> Column:
        """What is told in a label: one row per target that tells it, and other rows when that changes."""
        told = tuple(None if reading is None else value(reading) for reading in readings)
        before, rows = self._told.get(family.name, ((), ()))
        if before != told:
            rows = tuple(
                {**target.labels, **{name: target.facts[fact] for name, fact in facts}, label: text}
                for target, text in zip(self.targets, told, strict=True)
                if text is not None
            )
            self._told[family.name] = told, rows
        return Column(family, rows, [1.0] * len(rows))


def _same(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, name) for name in names)


class Columns:
    """The columns of one chain's job, whose targets are of three sorts."""

    def __init__(
        self, pools: Mapping[Target, tuple[int, ...]], feeds: Iterable[Target], positions: Iterable[Target]
    ) -> None:
        """`pools` with the sizes of trades, in dollars, of each."""
        self._pools = _Sort[PoolReading](tuple(pools))
        self._feeds = _Sort[FeedReading](tuple(feeds))
        self._positions = _Sort[PositionReading](tuple(positions))
        self._by_sizes = {
            sizes: _Sort[PoolReading]([target for target, own in pools.items() if own == sizes])
            for sizes in dict.fromkeys(pools.values())
        }

    def __call__(self, readings: Readings[Reading]) -> Iterable[Column]:
        if self._pools.targets:
            yield from self._of_pools(readings)
        if self._feeds.targets:
            yield from self._of_feeds(readings)
        if self._positions.targets:
            yield from self._of_positions(readings)

    def _of_pools(self, readings: Mapping[Target, Reading]) -> Iterable[Column]:
        sort, fresh, sights = self._pools, self._pools.fresh(readings), self._pools.sights(readings)
        named = (*_same("dex", "kind"), ("base", "base_asset"), ("quote", "quote_asset"))
        yield sort.told(of.POOL_INFO, fresh, "fee", lambda pool: f"{pool.fee:g}", named)
        yield sort.column(of.POOL_BLOCK, sights, lambda sight: sight.number)
        yield sort.column(of.POOL_BLOCK_AT, sights, lambda sight: sight.timestamp)
        yield sort.told(of.POOL_SOURCE, sights, "node", lambda sight: sight.source)
        yield sort.column(of.POOL_PRICE, fresh, lambda pool: pool.price, _same("base", "quote"))
        yield sort.column(of.POOL_RESERVE, fresh, lambda pool: pool.reserves[0], (("token", "base"),))
        yield sort.column(of.POOL_RESERVE, fresh, lambda pool: pool.reserves[1], (("token", "quote"),))
        yield sort.column(of.POOL_TVL, fresh, lambda pool: pool.tvl_usd)
        yield sort.column(of.POOL_FEE, fresh, lambda pool: pool.fee)
        yield sort.column(of.POOL_LIQUIDITY, fresh, lambda pool: pool.liquidity)
        yield sort.column(of.POOL_TICK, fresh, lambda pool: pool.tick)
        yield sort.column(of.POOL_DEVIATION, fresh, lambda pool: pool.reference_deviation, _same("source"))
        yield sort.column(of.POOL_TWAP, fresh, lambda pool: pool.twap_deviation, window=of.WINDOW)
        yield sort.table(of.POOL_DEPTH, fresh, _BANDS, lambda pool: pool.depth)
        for sizes, some in self._by_sizes.items():
            beside: Beside = tuple((("side", side), ("size_usd", str(size))) for side, size in product(ORDERS, sizes))
            yield some.table(of.POOL_IMPACT, some.fresh(readings), beside, lambda pool: pool.impact)

    def _of_feeds(self, readings: Mapping[Target, Reading]) -> Iterable[Column]:
        sort, fresh = self._feeds, self._feeds.fresh(readings)
        named = (*_same("kind"), ("base", "base_asset"), ("quote", "quote_asset"))
        yield sort.column(of.ORACLE_INFO, fresh, lambda _: 1.0, named)
        yield sort.column(of.ORACLE_PRICE, fresh, lambda feed: feed.state.price)
        yield sort.column(of.ORACLE_UPDATED, fresh, lambda feed: feed.state.at)
        yield sort.column(of.ORACLE_HEARTBEAT, fresh, lambda feed: feed.heartbeat)
        yield sort.column(of.ORACLE_STALE, fresh, lambda feed: feed.stale)
        yield sort.column(of.ORACLE_ROUND, fresh, lambda feed: feed.state.round)
        yield sort.column(of.ORACLE_DEVIATION, fresh, lambda feed: feed.deviation, _same("source"))
        yield sort.column(of.ORACLE_BOUND, fresh, lambda feed: feed.state.bound)
        yield sort.column(of.ORACLE_SEQUENCER, fresh, lambda feed: feed.state.sequencer_up)

    def _of_positions(self, readings: Mapping[Target, Reading]) -> Iterable[Column]:
        sort, fresh = self._positions, self._positions.fresh(readings)
        yield sort.column(of.LP_IN_RANGE, fresh, lambda position: position.in_range)
        for at, edge in enumerate(of.EDGES):
            yield self._distance(fresh, at, edge)
        yield sort.column(of.LP_VALUE, fresh, lambda position: position.value_usd)
        yield sort.column(of.LP_FEES, fresh, lambda position: position.fees_usd)
        yield sort.column(of.LP_LOSS, fresh, lambda position: position.impermanent_loss)

    def _distance(self, fresh: Sequence[PositionReading | None], at: int, edge: str) -> Column:
        return self._positions.column(of.LP_DISTANCE, fresh, lambda position: position.edges[at], side=edge)
