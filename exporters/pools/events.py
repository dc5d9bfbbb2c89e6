"""What happens in the pools of a chain, by their logs: counted once each by the ledger, once they are deep enough."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from adapters.evm import Block
from exporters.pools.config import Chain
from exporters.pools.logs import Log, Logs, Watched
from occ.errors import Reason, SourceError
from occ.job import Readings
from occ.ledger import Logged, Standing
from occ.metrics import Family, Kind
from occ.page import Column, Event, Labels

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 300.0
"""For so long counting waits for the first price of a token: then for want of one nothing else is to go uncounted."""

_POOL = ("chain", "pool")
LIQUIDITY_EVENTS = ("mint", "burn")

SWAPS = Family("pool_swaps_total", Kind.COUNTER, "Swaps in blocks that are deep enough not to go away.", _POOL)
VOLUME = Family(
    "pool_volume_usd_total",
    Kind.COUNTER,
    "What was traded in those swaps, in US dollars by the price of the quote when they are counted; for pools whose quote has "
    "a configured price. It does not grow by swaps that nobody can value.",
    _POOL,
)
LIQUIDITY = Family(
    "pool_liquidity_events_total",
    Kind.COUNTER,
    "Times that liquidity came (mint) or went (burn), in blocks that are deep enough not to go away.",
    (*_POOL, "event"),
    values={"event": LIQUIDITY_EVENTS},
)
DEEP_REORGS = Family(
    "pool_deep_reorgs_total",
    Kind.COUNTER,
    "Reorganisations of blocks whose events were counted already: what was on both branches counts twice.",
    ("chain",),
)
UNCONFIRMED = Family(
    "pool_swaps_unconfirmed",
    Kind.GAUGE,
    "Swaps in blocks that are not deep enough yet, and may go away; absent while counting catches up.",
    _POOL,
)
LAST_SWAP = Family(
    "pool_last_swap_timestamp_seconds",
    Kind.GAUGE,
    "Timestamp of the block of the newest swap that was seen since the process began, Unix time; absent before one.",
    _POOL,
    unit="seconds",
)
CURSOR = Family(
    "pool_log_cursor_block",
    Kind.GAUGE,
    "Height of the block up to which the events of the chain are counted.",
    ("chain",),
)

COUNTERS = (SWAPS, VOLUME, LIQUIDITY, DEEP_REORGS)
EVENT_FAMILIES = (*COUNTERS, UNCONFIRMED, LAST_SWAP, CURSOR)


def zeros(pools: Iterable[Watched], chain: Chain) -> Iterable[Event]:
    """The series that can be foreseen, at 0."""
    for each in pools:
        yield Event(SWAPS, each.labels, 0)
        if each.terms.pool.quote in chain.prices:
            yield Event(VOLUME, each.labels, 0)
        for event in LIQUIDITY_EVENTS:
            yield Event(LIQUIDITY, {**each.labels, "event": event}, 0)


class Counting:
    """What happens in the pools of a chain, as the ledger's source. `usd` tells the last known price of a token."""

    def __init__(
        self,
        chain: Chain,
        logs: Logs,
        *,
        usd: Callable[[str], float | None],
        tried: Callable[[], Awaitable[object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chain = chain
        self._logs = logs
        self._usd = usd
        self._tried = tried
        self._clock = clock
        self._waits_until = clock() + PATIENCE_SECONDS
        self._last: dict[str, Block] = {}
        self._unvalued: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The node that has answered last."""
        return self._logs.node

    async def head(self) -> int:
        """Height of the newest block; once it was tried to find out prices, so that the first logs do not fail for want of them."""
        await self._tried()
        return (await self._logs.head()).number

    async def block_hash(self, number: int) -> str:
        """Hash of the block at a height. Raises bad_response when there is none."""
        return (await self._logs.block(number)).hash

    async def logs(self, first: int, last: int) -> Sequence[Logged]:
        """What happened in these blocks."""
        found = await self._logs.between(first, last)
        await self._note(first, last, found)
        return [Logged(told.block, told.hash, event) for told in found for event in self._events(told)]

    def last_swap(self, pool: str) -> int | None:
        """Unix time of the newest swap that was seen in a pool, by its address."""
        block = self._last.get(pool)
        return None if block is None else block.timestamp

    async def _note(self, first: int, last: int, logs: Sequence[Log]) -> None:
        """Keeps when each pool was traded last. What these blocks were said to hold before does not count any more."""
        newest = {
            each.pool.terms.pool.address: each.block for each in logs if each.pool.events.get(each.topic) == "swap"
        }
        blocks = await self._logs.blocks(sorted(set(newest.values())))
        self._last = {pool: block for pool, block in self._last.items() if not first <= block.number <= last}
        for pool, height in newest.items():
            if pool not in self._last or self._last[pool].number < height:
                self._last[pool] = blocks[height]

    def _events(self, told: Log) -> Iterable[Event]:
        event = told.pool.events.get(told.topic)
        if event is None:  # it changes what is remembered, or is the topic of another kind
            return
        if event != "swap":
            yield Event(LIQUIDITY, {**told.pool.labels, "event": event})
            return
        yield Event(SWAPS, told.pool.labels)
        if told.pool.terms.quote.name in self._chain.prices:
            yield from self._volume(told)

    def _volume(self, told: Log) -> Iterable[Event]:
        """What a swap was worth; nothing where that can not be known, which is the matter of its pool alone. Raises not_supported
        while the first price of its quote may still come.
        """
        quote, base = told.pool.terms.quote, told.pool.base()
        usd = self._usd(quote.name)
        if usd is None and self._clock() < self._waits_until:
            raise SourceError(Reason.NOT_SUPPORTED, f"no price of {quote.name} is known yet: volume waits for it")
        try:
            moved = told.pool.kind.happened(told.topic, told.data).moved
        except SourceError as error:
            self._say(told.pool, str(error))
            return
        if usd is None or base is None:
            self._say(told.pool, f"no price of {quote.name} is known" if usd is None else "it could not be read yet")
            return
        yield Event(VOLUME, told.pool.labels, moved[1 - base] / 10.0**quote.decimals * usd)

    def _say(self, pool: Watched, why: str) -> None:
        """Once, until there is another reason."""
        name = pool.terms.pool.name
        if self._unvalued.get(name) != why:
            self._unvalued[name] = why
            log.warning("%s/%s: swaps are counted without their volume: %s", self._chain.name, name, why)


def columns(
    chain: Chain, pools: Sequence[Watched], counting: Counting
) -> Callable[[Readings[Standing]], Iterable[Column]]:
    """Where counting stands, and what is not deep enough to be counted."""
    rows, whole = tuple(each.labels for each in pools), ({"chain": chain.name},)
    addresses = [each.terms.pool.address for each in pools]

    def made(standings: Readings[Standing]) -> Iterable[Column]:
        for standing in standings.values():
            yield Column(CURSOR, whole, [float(standing.cursor)])
            yield Column(UNCONFIRMED, rows, [standing.pending(SWAPS, labels) for labels in rows])
            yield Column(LAST_SWAP, rows, [counting.last_swap(address) for address in addresses])

    return made


def shown(pools: Sequence[Watched], chain: Chain) -> Callable[[Labels], bool]:
    """Whether a stored series is of the chain, or of a pool that is (still) configured."""
    known = [each.labels["pool"] for each in pools]

    def wanted(labels: Labels) -> bool:
        return labels["chain"] == chain.name and ("pool" not in labels or labels["pool"] in known)

    return wanted
