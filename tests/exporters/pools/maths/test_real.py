"""Our maths beside the protocols' own code on a real chain: the same integers, for random pools, sizes and directions."""

from __future__ import annotations

import random

from demo.evm import Reverted
from tests.exporters.pools.chain import concentrated, market, pairs, random_pools

PAIRS, V2_SWAPS = 50, 10
POOLS, V3_SWAPS = 50, 10


async def test_v2_swaps_are_the_routers_to_the_unit() -> None:
    chance = random.Random(2)
    async with market() as at:
        contracts, ours = await pairs(at, PAIRS, chance)
        sides = await at.chain.calls([(each, name, ()) for each in contracts for name in ("token0", "token1")])
        asked, wanted = [], []
        for place, pool in enumerate(ours):
            tokens = sides[2 * place : 2 * place + 2]
            for _ in range(V2_SWAPS):
                paid, amount = chance.randint(0, 1), 10 ** chance.randint(0, 26) + chance.randint(0, 999)
                asked.append((at.router, "getAmountsOut", (amount, [tokens[paid], tokens[1 - paid]])))
                wanted.append(pool.swap(amount, paid))
        told = await at.chain.calls(asked)
        assert len(told) == PAIRS * V2_SWAPS
        assert [each[1] for each in told] == wanted


async def test_v3_swaps_are_the_quoters_to_the_unit_with_the_ticks_that_they_cross() -> None:
    chance = random.Random(3)
    async with market() as at:
        pools = await random_pools(at, POOLS, chance)
        ours = await concentrated(at, pools)
        asked, found = [], []
        for pool, maths in zip(pools, ours, strict=True):
            for _ in range(V3_SWAPS):
                paid, amount = chance.randint(0, 1), 10 ** chance.randint(0, 24) + chance.randint(0, 999)
                asked.append(at.v3_quote(amount, pool.tokens[paid], pool.tokens[1 - paid], pool.fee))
                found.append(maths.swapped(amount, paid))
        told = await at.chain.calls(asked)
        quoted = [None if isinstance(each, Reverted) else (each[0], each[1]) for each in told]
        assert len(found) == POOLS * V3_SWAPS
        assert sum(each.crossed for each in found) >= 100
        # The quoter reverts where there is nothing at all to be got.
        assert quoted == [(each.got, each.price) if each.paid else None for each in found]
        assert quoted.count(None) < len(quoted) // 10
