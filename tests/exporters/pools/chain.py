"""Real pools on a real chain for the tests: a market, opened once for all tests of a module that only read it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction

from demo.chain import Anvil
from demo.evm import Chain, Contract
from demo.market import SPACINGS, Market, ordered
from exporters.pools.maths.concentrated import Concentrated
from exporters.pools.maths.constant_product import ConstantProduct
from exporters.pools.maths.ticks import MAX_TICK, Ticks, initialised, sqrt_at

V2_FEE = Fraction(3, 1000)


@asynccontextmanager
async def market() -> AsyncIterator[Market]:
    async with Anvil() as anvil:
        yield await Market.opened(Chain(anvil))


@dataclass(frozen=True)
class Pool:
    """A v3 pool and its tokens as it orders them."""

    contract: Contract
    first: Contract
    second: Contract
    fee: int

    @property
    def tokens(self) -> tuple[Contract, Contract]:
        return self.first, self.second


async def random_pools(market: Market, count: int, chance: random.Random) -> list[Pool]:
    """Pools of all fees at random prices, each with some positions, most of them around its price."""
    tokens = await market.tokens(*((f"T{number}", 18) for number in range(max(4, count // 2))))
    pairs: dict[tuple[str, str, int], tuple[Contract, Contract, int]] = {}
    while len(pairs) < count:
        one, other = ordered(*chance.sample(tokens, 2))
        fee = chance.choice(list(SPACINGS))
        pairs[one.address, other.address, fee] = (one, other, fee)
    chosen = list(pairs.values())
    at = [chance.randint(-80_000, 80_000) for _ in chosen]
    contracts = await market.v3_pools(
        *(
            (one, other, fee, sqrt_at(tick) * (10**6 + chance.randint(1, 40)) // 10**6)
            for (one, other, fee), tick in zip(chosen, at, strict=True)
        )
    )
    mints = [
        market.v3_mint(one, other, fee, _around(tick, SPACINGS[fee], chance), (10 ** chance.randint(15, 24),) * 2)
        for (one, other, fee), tick in zip(chosen, at, strict=True)
        for _ in range(chance.randint(1, 6))
    ]
    await market.chain.send(*mints)
    return [Pool(contract, *pair) for contract, pair in zip(contracts, chosen, strict=True)]


def _around(tick: int, spacing: int, chance: random.Random) -> tuple[int, int]:
    width = chance.choice([1, 2, 5, 20, 100])
    lower = tick // spacing - chance.randint(-width // 2, width)
    return lower * spacing, (lower + width + chance.randint(1, width)) * spacing


async def concentrated(market: Market, pools: list[Pool]) -> list[Concentrated]:
    """The pools as our maths has them, read one call at a time. Far from their prices they have no ticks: see `_around`."""
    states = await market.chain.calls([(pool.contract, name, ()) for pool in pools for name in ("slot0", "liquidity")])
    return [
        Concentrated(slot0[0], slot0[1], liquidity, pool.fee, await _ticks(market, pool, slot0[1]))
        for pool, slot0, liquidity in zip(pools, states[::2], states[1::2], strict=True)
    ]


async def _ticks(market: Market, pool: Pool, tick: int) -> Ticks:
    spacing = SPACINGS[pool.fee]
    middle, last = tick // spacing >> 8, MAX_TICK // spacing >> 8
    near = range(middle - 3, middle + 4)
    words = await market.chain.calls([(pool.contract, "tickBitmap", (number,)) for number in near])
    where = [each for number, bits in zip(near, words, strict=True) for each in initialised(number, bits, spacing)]
    told = await market.chain.calls([(pool.contract, "ticks", (each,)) for each in where])
    net = {each: values[1] for each, values in zip(where, told, strict=True)}
    return Ticks(spacing, dict.fromkeys(range(-last - 2, last + 2), 0) | dict(zip(near, words, strict=True)), net)


async def pairs(market: Market, count: int, chance: random.Random) -> tuple[list[Contract], list[ConstantProduct]]:
    """Random v2 pairs of tokens of their own, and the pairs as our maths has them."""
    tokens = await market.tokens(*((f"P{number}", 18) for number in range(2 * count)))
    wanted = [
        (one, other, 10 ** chance.randint(4, 25) + chance.randint(0, 10**4), 10 ** chance.randint(4, 25))
        for one, other in zip(tokens[::2], tokens[1::2], strict=True)
    ]
    contracts = await market.v2_pools(*wanted)
    told = await market.chain.calls([(contract, "getReserves", ()) for contract in contracts])
    return contracts, [ConstantProduct((first, second), V2_FEE) for first, second, _ in told]
