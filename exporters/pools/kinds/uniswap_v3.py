"""Uniswap v3 and its forks: pools of concentrated liquidity, and positions in them.

Of `slot0` the first two words are taken, which are the same at all of them; the forks differ in what follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from adapters.evm import EthCall
from adapters.evm.abi import account, address, bounded, exact, number, signed, sized, word
from exporters.pools.maths.concentrated import MILLION, Concentrated
from exporters.pools.maths.position import Growth, Position
from exporters.pools.maths.ticks import MAX_SQRT_RATIO, MAX_TICK, MIN_SQRT_RATIO, MIN_TICK, Ticks, initialised
from exporters.pools.reading import TWAP_SECONDS, Happened, PoolState, PositionState
from exporters.pools.steps import Reply, Steps, needed
from occ.config import Model
from occ.errors import Reason, SourceError

if TYPE_CHECKING:
    from exporters.pools.logs import Log
    from exporters.pools.terms import PoolTerms, PositionTerms

NEAR_TICKS = 500
"""So many ticks on both sides of the price are read at first: the price may move by 5 % within them."""

FARTHEST = 64
"""Words of the bitmap on each side of the price that are read at most; what needs more finds the pool too thin."""

TOKEN0 = bytes.fromhex("0dfe1681")
TOKEN1 = bytes.fromhex("d21220a7")
FEE = bytes.fromhex("ddca3f43")
TICK_SPACING = bytes.fromhex("d0c93a7c")
SLOT0 = bytes.fromhex("3850c7bd")
LIQUIDITY = bytes.fromhex("1a686502")
BALANCE_OF = bytes.fromhex("70a08231")
OBSERVE = bytes.fromhex("883bdbfd")
TICK_BITMAP = bytes.fromhex("5339c296")
TICKS = bytes.fromhex("f30dba93")
GROWTH0 = bytes.fromhex("f3058399")
GROWTH1 = bytes.fromhex("46141319")
POSITIONS = bytes.fromhex("99fbab88")
FACTORY = bytes.fromhex("c45a0155")
GET_POOL = bytes.fromhex("1698ee82")

SWAP = "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"
PANCAKE_SWAP = "0x19b47279256b2a23a1665c810c8d55a1758940ee09377d4f8d26497a3577dc83"
MINT = "0x7a53080ba414158be7ec69b987b5fb7d07dee101fe85488f0853ae16239d0bde"
BURN = "0x0c396cd989a39f4459b5fa1aed6a9a8dcdbc45908acfd67e028cd568da98982c"


class Options(Model):
    """Nothing: the pool tells all of it."""


class PoolReader:
    """Reads one pool. Its ticks are remembered until liquidity comes or goes."""

    TOPICS = (MINT, BURN)
    EVENTS: ClassVar = {SWAP: "swap", PANCAKE_SWAP: "swap", MINT: "mint", BURN: "burn"}

    def __init__(self, terms: PoolTerms) -> None:
        self._terms = terms
        self._calls: tuple[EthCall, ...] = ()
        self.base: int | None = None
        self._spacing = 0
        self._words: dict[int, int] = {}
        self._net: dict[int, int] = {}
        self._gross: dict[int, int] = {}
        self._here = 0
        self._curve: Concentrated | None = None

    def forget(self) -> None:
        """The ticks are no longer what they were."""
        self._words, self._net, self._gross = {}, {}, {}

    def heard(self, log: Log) -> None:
        """Liquidity came or went: the ticks at the ends of its range change. What makes no sense forgets them all."""
        try:
            changed = self._ticks.with_liquidity(*_range(log))
        except (SourceError, ValueError):
            self.forget()
        else:
            self._words, self._net, self._gross = dict(changed.words), dict(changed.net), dict(changed.gross)

    @property
    def _ticks(self) -> Ticks:
        """Those that are known. More of them become known to who has it; what changes makes another one."""
        return Ticks(self._spacing, self._words, self._net, self._gross)

    def steps(self) -> Steps[PoolState]:
        """Its price, liquidity and reserves; at first its facts, and the ticks around the price where they are not known."""
        if self.base is None:
            self.base = yield from self._facts()
        told = yield self._calls
        price, tick = _slot0(told[0])
        liquidity = bounded("liquidity", word(sized("liquidity", needed("liquidity", told[1]), 1), 0), 2**128)
        fee = bounded("fee", word(sized("fee", needed("fee", told[2]), 1), 0), MILLION)
        reserves = _balance("token0", told[3]), _balance("token1", told[4])
        if price:
            self._here = self._word(tick)
            yield from self._fetch(range(self._word(tick - NEAR_TICKS), self._word(tick + NEAR_TICKS) + 1))
        return PoolState(
            self._shaped(price, tick, liquidity, fee),
            self.base,
            reserves,
            fee / MILLION,
            liquidity,
            tick if price else None,
            _average(told[5]),
        )

    def _shaped(self, price: int, tick: int, liquidity: int, fee: int) -> Concentrated:
        """The curve; the same object while the pool is as it was."""
        before = self._curve
        known = before is not None and before.ticks.words is self._words
        if (
            before is None
            or not known
            or (price, tick, liquidity, fee) != (before.sqrt_price, before.tick, before.liquidity, before.fee)
        ):
            before = Concentrated(price, tick, liquidity, fee, self._ticks)
        self._curve = before
        return before

    def reach(self, missing: set[int]) -> Steps[bool]:
        """Reads on to words of the bitmap, and as many again beyond them; whether any was read that is near enough."""
        wanted = set[int]()
        for each in missing:
            down = each < self._here
            more = max(sum((known < self._here) == down for known in self._words), 1)
            wanted.update(range(each - more + 1, each + 1) if down else range(each, each + more))
        fetched = yield from self._fetch(each for each in wanted if abs(each - self._here) <= FARTHEST)
        return fetched

    def _word(self, tick: int) -> int:
        return min(max(tick, MIN_TICK), MAX_TICK) // self._spacing >> 8

    def _facts(self) -> Steps[int]:
        """Tokens and tick spacing, which never change; returns the number of the base."""
        at = self._terms.pool.address
        first, second, spacing = yield tuple(EthCall(at, data) for data in (TOKEN0, TOKEN1, TICK_SPACING))
        tokens = [
            address(sized(what, needed(what, told), 1), 0) for what, told in (("token0", first), ("token1", second))
        ]
        base = self._terms.base_of(*tokens)
        self._spacing = bounded(
            "tickSpacing", signed(sized("tickSpacing", needed("tickSpacing", spacing), 1), 0), 2**15
        )
        if self._spacing <= 0:
            raise SourceError(Reason.BAD_RESPONSE, "tickSpacing: not positive")
        window = number(32) + number(2) + number(TWAP_SECONDS) + number(0)
        self._calls = (
            EthCall(at, SLOT0),
            EthCall(at, LIQUIDITY),
            EthCall(at, FEE),  # of forks it may change
            *(EthCall(token, BALANCE_OF + account(at)) for token in tokens),
            EthCall(at, OBSERVE + window),
        )
        return base

    def _fetch(self, numbers: Iterable[int]) -> Steps[bool]:
        """Reads the words of the bitmap that are not known, and the ticks that are initialised there; whether there were any."""
        wanted = [each for each in numbers if each not in self._words]
        if not wanted:
            return False
        at = self._terms.pool.address
        told = yield tuple(EthCall(at, TICK_BITMAP + number(each)) for each in wanted)
        words = {
            each: word(sized("tickBitmap", needed("tickBitmap", reply), 1), 0)
            for each, reply in zip(wanted, told, strict=True)
        }
        ticks = [tick for each, bits in words.items() for tick in initialised(each, bits, self._spacing)]
        if ticks:
            bounded("tickBitmap", max(map(abs, ticks)), MAX_TICK + 1)
            told = yield tuple(EthCall(at, TICKS + number(tick)) for tick in ticks)
            data = [sized("ticks", needed("ticks", reply), 2) for reply in told]
            self._net |= {tick: signed(each, 1) for tick, each in zip(ticks, data, strict=True)}
            self._gross |= {tick: word(each, 0) for tick, each in zip(ticks, data, strict=True)}
        self._words |= words
        return True


def happened(topic: str, data: bytes) -> Happened:
    """What a log of the pool tells. Raises bad_response for one that is not of its form."""
    event = PoolReader.EVENTS[topic]
    if event != "swap":
        return Happened(event)
    exact("Swap", data, 7 if topic == PANCAKE_SWAP else 5)  # amount0 and amount1, negative where the pool gave them
    return Happened(event, (abs(signed(data, 0)), abs(signed(data, 1))))


def _range(log: Log) -> tuple[int, int, int]:
    """The lower and the upper tick of a mint or a burn, and the liquidity that came. Raises bad_response for no such log."""
    sized("indexed", log.indexed, 3)  # owner, lower, upper
    came = log.topic == MINT  # sender, amount, amount0, amount1; of a burn without the sender
    amount = word(sized("Mint", log.data, 4), 1) if came else -word(sized("Burn", log.data, 3), 0)
    lower, upper = (bounded("a tick", signed(log.indexed, index), MAX_TICK + 1) for index in (1, 2))
    return lower, upper, amount


class PositionReader:
    """Reads one position, and of its pool what it takes to value it."""

    def __init__(self, terms: PositionTerms) -> None:
        self._terms = terms
        self._itself = EthCall(terms.position.manager, POSITIONS + number(terms.position.token_id))
        self._calls: tuple[EthCall, ...] = ()
        self._tokens = "", ""

    def steps(self) -> Steps[PositionState]:
        """What it holds and has earned; at first which pool it is in."""
        if not self._calls:
            yield from self._facts()
        told = yield self._calls
        terms = _position(told[0])
        price, tick = _slot0(told[1])
        if not price:
            raise SourceError(Reason.BAD_RESPONSE, "slot0: the position's pool has no price")
        overall, lower, upper = _pair("feeGrowthGlobal", told[2:4]), _outside(told[4]), _outside(told[5])
        position = Position(
            *_edges(terms),
            word(terms, 7),
            (word(terms, 8), word(terms, 9)),
            (word(terms, 10), word(terms, 11)),
        )
        return PositionState(
            self._tokens,
            position.amounts(price, tick),
            position.fees(Growth(overall, lower, upper), tick),
            position.in_range(tick),
            position.edges(price),
        )

    def _facts(self) -> Steps[None]:
        manager = self._terms.position.manager
        told, factory = yield self._itself, EthCall(manager, FACTORY)
        terms = _position(told)
        tokens = address(terms, 2), address(terms, 3)
        for each in tokens:
            if each not in self._terms.tokens:
                raise SourceError(Reason.BAD_RESPONSE, f"the position's token {each} is not configured under tokens")
        data = GET_POOL + account(tokens[0]) + account(tokens[1]) + number(word(terms, 4))
        (found,) = yield (EthCall(address(sized("factory", needed("factory", factory), 1), 0), data),)
        pool = address(sized("getPool", needed("getPool", found), 1), 0)
        self._tokens = tokens
        self._calls = (
            self._itself,
            *(EthCall(pool, each) for each in (SLOT0, GROWTH0, GROWTH1)),
            *(EthCall(pool, TICKS + number(edge)) for edge in _edges(terms)),
        )


def _slot0(reply: Reply) -> tuple[int, int]:
    """The square root of the price, 0 before there is one, and the tick."""
    data = sized("slot0", needed("slot0", reply), 6)
    price, tick = word(data, 0), signed(data, 1)
    if price and not (MIN_SQRT_RATIO <= price < MAX_SQRT_RATIO and MIN_TICK <= tick <= MAX_TICK):
        raise SourceError(Reason.BAD_RESPONSE, "slot0: a price that there can not be: another kind?")
    return price, tick


def _balance(what: str, reply: Reply) -> int:
    what = f"balance of {what}"
    return word(sized(what, needed(what, reply), 1), 0)


def _average(reply: Reply) -> float | None:
    """The mean tick of the last TWAP_SECONDS; None where the pool does not remember so long."""
    if isinstance(reply, SourceError) or len(reply) < 32 * 5:
        return None
    at = word(reply, 0) // 32
    if len(reply) < 32 * (at + 3) or word(reply, at) != 2:  # noqa: PLR2004 - the two moments
        return None
    mean = (signed(reply, at + 2) - signed(reply, at + 1)) / TWAP_SECONDS
    return mean if math.isfinite(mean) and abs(mean) <= MAX_TICK else None


def _position(reply: Reply) -> bytes:
    return sized("positions", needed("positions", reply), 12)


def _edges(terms: bytes) -> tuple[int, int]:
    """The lower and the upper tick of a position."""
    lower, upper = (bounded("a tick", signed(terms, index), MAX_TICK + 1) for index in (5, 6))
    return lower, upper


def _pair(what: str, replies: Iterable[Reply]) -> tuple[int, int]:
    first, second = (word(sized(what, needed(what, reply), 1), 0) for reply in replies)
    return first, second


def _outside(reply: Reply) -> tuple[int, int]:
    """Fee growth on the other side of a tick, of token0 and token1."""
    data = sized("ticks", needed("ticks", reply), 4)
    return word(data, 2), word(data, 3)
