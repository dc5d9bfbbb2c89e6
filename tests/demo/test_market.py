"""The protocols of the local chain are themselves, and work."""

from __future__ import annotations

import pytest

from demo.chain import Anvil
from demo.evm import Chain, Reverted, selector
from demo.market import MULTICALL3, Market, ordered


async def test_a_market_of_real_protocols_trades() -> None:
    async with Anvil() as anvil:
        chain = Chain(anvil)
        market = await Market.opened(chain)
        one, other = await market.tokens(("ONE", 18), ("SIX", 6))
        (pair,) = await market.v2_pools((one, other, 10**21, 10**10))
        (pool,) = await market.v3_pools((one, other, 3000, 2**96))
        await chain.send(market.v3_mint(one, other, 3000, (-600, 600), (10**18, 10**18)))
        wanted = await chain.call(market.router, "getAmountsOut", 10**18, [one.address, other.address])
        (quoted, *_) = (await chain.calls([market.v3_quote(10**15, one, other, 3000)]))[0]
        before = await chain.call(other, "balanceOf", chain.owner)
        await chain.send(market.v2_swap(10**18, one, other), market.v3_swap(10**15, one, other, 3000))
        assert await chain.call(other, "balanceOf", chain.owner) - before == wanted[1] + quoted
        assert (await chain.call(pool, "slot0"))[0] != 2**96
        assert await chain.call(pair, "token0") == ordered(one, other)[0].address
        assert await anvil.rpc("eth_getCode", MULTICALL3, "latest") != "0x"


async def test_a_feed_is_asked_through_its_proxy() -> None:
    async with Anvil() as anvil:
        market = await Market.opened(Chain(anvil))
        (feed,) = await market.feeds((8, 2000 * 10**8, 1, 10**12))
        answer = await market.chain.call(feed.proxy, "latestRoundData")
        assert answer[1] == 2000 * 10**8
        assert answer[0] >> 64 == 1
        await market.chain.send(feed.aggregator.to("updateAnswer", 7))
        assert (await market.chain.call(feed.proxy, "latestRoundData"))[1] == 7


async def test_what_reverts_is_told() -> None:
    async with Anvil() as anvil:
        market = await Market.opened(Chain(anvil))
        (token,) = await market.tokens(("ONE", 18))
        with pytest.raises(Reverted):
            await market.chain.call(token, "transfer", market.manager.address, 2**255)


def test_selectors_are_those_of_the_abi() -> None:
    assert selector("transfer(address,uint256)").hex() == "a9059cbb"
