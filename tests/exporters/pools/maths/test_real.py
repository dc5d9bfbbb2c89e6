"""Our maths beside the protocols' own code on a real chain: the same integers, for random pools, sizes and directions."""

from __future__ import annotations

import random
from typing import Any

from demo.evm import Contract, Reverted
from demo.market import FOREVER
from exporters.pools.maths.position import Growth, Position
from tests.exporters.pools.chain import concentrated, market, pairs, random_pools

PAIRS, V2_SWAPS = 500, 2
POOLS, V3_SWAPS = 500, 2


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


async def test_positions_hold_and_have_earned_what_burning_and_collecting_them_gives() -> None:
    chance = random.Random(4)
    async with market() as at:
        pools = await random_pools(at, 12, chance)
        swaps = []
        for pool in chance.choices(pools, k=200):
            paid, got = chance.sample(pool.tokens, 2)
            swaps.append(at.v3_swap(10 ** chance.randint(12, 19), paid, got, pool.fee))
        await at.chain.send(*swaps, may_revert=True)  # some find nothing to trade with
        count = await at.chain.call(at.manager, "totalSupply")
        minted = await at.chain.calls([(at.manager, "positions", (number,)) for number in range(1, count + 1)])
        by_key = {(pool.first.address, pool.second.address, pool.fee): pool for pool in pools}
        told = []
        for number, terms in enumerate(minted, 1):
            _, _, first, second, fee, lower, upper, liquidity, *last, owed0, owed1 = terms
            pool = by_key[first, second, fee]
            asked: list[tuple[Contract, str, tuple[Any, ...]]] = [
                (pool.contract, "slot0", ()),
                *((pool.contract, f"feeGrowthGlobal{n}X128", ()) for n in (0, 1)),
            ]
            asked += [(pool.contract, "ticks", (tick,)) for tick in (lower, upper)]
            slot0, *overall, below, above = await at.chain.calls(asked)
            growth = Growth((overall[0], overall[1]), below[2:4], above[2:4])
            position = Position(lower, upper, liquidity, (last[0], last[1]), (owed0, owed1))
            told.append((position.amounts(slot0[0], slot0[1]), position.fees(growth, slot0[1])))
            assert position.in_range(slot0[1]) == (lower <= slot0[1] < upper)
            collected, burnt = await at.chain.calls(
                [
                    (at.manager, "collect", ((number, at.chain.owner, 2**128 - 1, 2**128 - 1),)),
                    (at.manager, "decreaseLiquidity", ((number, liquidity, 0, 0, FOREVER),)),
                ]
            )
            assert told[-1] == (burnt, collected)
        assert sum(any(fees) for _, fees in told) >= 12
