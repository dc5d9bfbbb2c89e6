"""What happens in the pools of a chain, by their logs: counted once each by the ledger, once they are deep enough."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from adapters.evm import Block, block_call, block_of
from adapters.evm import Chain as Nodes
from exporters.pools.config import Chain
from exporters.pools.terms import PoolTerms
from occ.errors import Reason, SourceError
from occ.job import Readings
from occ.jsonrpc import Call
from occ.ledger import Logged, Standing
from occ.metrics import Family, Kind
from occ.page import Column, Event, Labels

_POOL = ("chain", "pool")
LIQUIDITY_EVENTS = ("mint", "burn")

SWAPS = Family("pool_swaps_total", Kind.COUNTER, "Swaps in blocks that are deep enough not to go away.", _POOL)
VOLUME = Family(
    "pool_volume_usd_total",
    Kind.COUNTER,
    "What was traded in those swaps, in US dollars by the price of the quote when they are counted; for pools whose quote has "
    "a configured price.",
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

_HASH = re.compile(r"0x[0-9a-f]{64}")
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,16}")
_DATA = re.compile(r"0x([0-9a-fA-F]{2})*")


@dataclass(frozen=True, slots=True)
class Counted:
    """A pool whose logs are counted: its labels, the kind that knows them, and which of its tokens is the quote."""

    labels: Labels
    terms: PoolTerms
    kind: ModuleType
    base: Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class _Log:
    """A log of a pool, looked through."""

    block: int
    hash: str
    pool: Counted
    topic: str
    data: bytes


def zeros(pools: Iterable[Counted], chain: Chain) -> Iterable[Event]:
    """The series that can be foreseen, at 0."""
    for each in pools:
        yield Event(SWAPS, each.labels, 0)
        if each.terms.pool.quote in chain.prices:
            yield Event(VOLUME, each.labels, 0)
        for event in LIQUIDITY_EVENTS:
            yield Event(LIQUIDITY, {**each.labels, "event": event}, 0)


class Logs:
    """The logs of a chain's pools, as the ledger's source. `usd` tells the last known price of a token."""

    def __init__(
        self,
        chain: Chain,
        nodes: Nodes,
        pools: Sequence[Counted],
        *,
        usd: Callable[[str], float | None],
        tried: Callable[[], Awaitable[object]],
        within: float,
    ) -> None:
        self._chain = chain
        self._nodes = nodes
        self._pools = {each.terms.pool.address: each for each in pools}
        self._topics = sorted({topic for each in pools for topic in each.kind.PoolReader.EVENTS})
        self._usd = usd
        self._tried = tried
        self._within = within
        self._last: dict[str, Block] = {}
        self.name = chain.rpc[0].name

    async def head(self) -> int:
        """Height of the newest block; once it was tried to find out prices, so that the first logs do not fail for want of them."""
        await self._tried()
        return (await self._block("latest")).number

    async def block_hash(self, number: int) -> str:
        """Hash of the block at a height. Raises bad_response when there is none."""
        return (await self._block(number)).hash

    async def logs(self, first: int, last: int) -> Sequence[Logged]:
        """What happened in these blocks."""
        wanted = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": list(self._pools),
            "topics": [self._topics],
        }
        told, block = await self._ask([Call("eth_getLogs", (wanted,)), block_call(last)])
        block_of(block)
        if isinstance(told, SourceError):
            raise told
        if not isinstance(told, list):
            raise SourceError(Reason.BAD_RESPONSE, "eth_getLogs: no list")
        found = [log for each in told if (log := self._log(each)) is not None]
        await self._note(first, last, found)
        return [Logged(log.block, log.hash, event) for log in found for event in self._events(log)]

    def last_swap(self, pool: str) -> int | None:
        """Unix time of the newest swap that was seen in a pool, by its address."""
        block = self._last.get(pool)
        return None if block is None else block.timestamp

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _ask(self, calls: Sequence[Call]) -> list[Any]:
        self.name, answers = await self._nodes.ask(calls, self._within)
        return answers

    async def _block(self, height: int | str) -> Block:
        (answer,) = await self._ask([block_call(height)])
        return block_of(answer)

    async def _note(self, first: int, last: int, logs: Sequence[_Log]) -> None:
        """Keeps when each pool was traded last. What these blocks were said to hold before does not count any more."""
        newest = {
            log.pool.terms.pool.address: log.block
            for log in logs
            if log.pool.kind.PoolReader.EVENTS.get(log.topic) == "swap"
        }
        heights = sorted(set(newest.values()))
        blocks = (
            dict(zip(heights, map(block_of, await self._ask(list(map(block_call, heights)))), strict=True))
            if heights
            else {}
        )
        self._last = {pool: block for pool, block in self._last.items() if not first <= block.number <= last}
        for pool, height in newest.items():
            if pool not in self._last or self._last[pool].number < height:
                self._last[pool] = blocks[height]

    # --- what they say -----------------------------------------------------------------------------------------------

    def _log(self, told: Any) -> _Log | None:
        """A log that was asked for; None for one that is said to be gone. Raises bad_response for anything else."""
        try:
            if told.get("removed"):
                return None
            block, own, data = told["blockNumber"], told["blockHash"].lower(), told["data"]
            pool, topic = self._pools[told["address"].lower()], told["topics"][0].lower()
            right = (
                _NUMBER.fullmatch(block) and _HASH.fullmatch(own) and _DATA.fullmatch(data) and topic in self._topics
            )
        except (AttributeError, KeyError, IndexError, TypeError):
            right = None
        if not right:
            raise SourceError(Reason.BAD_RESPONSE, "eth_getLogs: a log that was not asked for, or is none")
        return _Log(int(block, 16), own, pool, topic, bytes.fromhex(data[2:]))

    def _events(self, log: _Log) -> Iterable[Event]:
        if log.topic not in log.pool.kind.PoolReader.EVENTS:  # the topic of another kind
            return
        happened = log.pool.kind.happened(log.topic, log.data)
        if happened.event != "swap":
            yield Event(LIQUIDITY, {**log.pool.labels, "event": happened.event})
            return
        yield Event(SWAPS, log.pool.labels)
        quote = log.pool.terms.quote
        if quote.name in self._chain.prices:
            usd, base = self._usd(quote.name), log.pool.base()
            if usd is None or base is None:
                raise SourceError(Reason.NOT_SUPPORTED, f"no price of {quote.name} is known yet: volume waits for it")
            yield Event(VOLUME, log.pool.labels, happened.moved[1 - base] / 10.0**quote.decimals * usd)


def columns(chain: Chain, pools: Sequence[Counted], logs: Logs) -> Callable[[Readings[Standing]], Iterable[Column]]:
    """Where counting stands, and what is not deep enough to be counted."""
    rows, whole = tuple(each.labels for each in pools), ({"chain": chain.name},)
    addresses = [each.terms.pool.address for each in pools]

    def made(standings: Readings[Standing]) -> Iterable[Column]:
        for standing in standings.values():
            yield Column(CURSOR, whole, [float(standing.cursor)])
            yield Column(UNCONFIRMED, rows, [standing.pending(SWAPS, labels) for labels in rows])
            yield Column(LAST_SWAP, rows, [logs.last_swap(address) for address in addresses])

    return made


def shown(pools: Sequence[Counted], chain: Chain) -> Callable[[Labels], bool]:
    """Whether a stored series is of the chain, or of a pool that is (still) configured."""
    known = [each.labels["pool"] for each in pools]

    def wanted(labels: Labels) -> bool:
        return labels["chain"] == chain.name and ("pool" not in labels or labels["pool"] in known)

    return wanted
