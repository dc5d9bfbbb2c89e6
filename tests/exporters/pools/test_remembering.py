"""What is remembered from block to block shows nothing that a fresh reading would not: on a real chain, whatever happens there."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exporters.pools.config import PoolsConfig
from exporters.pools.source import Source
from exporters.pools.targets import targets
from occ import config
from occ.job import Target
from tests.adapters.evm.provider import logs_twice, provider
from tests.exporters.pools.desk import FEE, PRICE, Desk, desk
from tests.exporters.pools.test_events import happening

BLOCKS = 40


def source(at: Desk, session: aiohttp.ClientSession, folder: Path, text: str | None = None) -> Source:
    path = folder / "pools.yml"
    path.write_text(text or at.config())
    loaded = config.load(path, PoolsConfig).config
    (chain,) = loaded.chains
    return Source(chain, targets(loaded, chain), session, 20.0)


async def fresh(at: Desk, session: aiohttp.ClientSession, folder: Path) -> dict[Target, Any]:
    return dict(await source(at, session, folder).read())


async def block(at: Desk, chance: random.Random) -> None:
    """One of the things that may happen in a block, or nothing."""
    chain = at.market.chain
    match chance.randrange(7):
        case 0:
            await at.anvil.mine()
        case 1:
            answer = int(PRICE * 10**8 * chance.uniform(0.9, 1.1))
            await chain.send(at.eth_usd.aggregator.to("updateAnswer", answer))
        case 2:
            await chain.send(at.usdc_usd.aggregator.to("updateAnswer", chance.choice((97, 99, 100)) * 10**6))
        case _:
            await chain.send(*(happening(at, chance) for _ in range(chance.randint(1, 5))), may_revert=True)


@pytest.mark.parametrize("seed", range(3))
async def test_at_every_block_it_is_what_a_fresh_reading_is(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with desk() as at, aiohttp.ClientSession() as session:
        remembering = source(at, session, tmp_path)
        for _ in range(BLOCKS):
            for _ in range(chance.choice((1, 1, 1, 3))):
                await block(at, chance)
            if chance.randrange(8) == 0:
                await at.anvil.rpc("anvil_reorg", chance.randint(1, 3), [])
            assert dict(await remembering.read()) == await fresh(at, session, tmp_path)


async def position(at: Desk, ticks: tuple[int, int]) -> int:
    """The number of a new position."""
    amounts = (10**18, PRICE * 10**6) if at.weth_first else (PRICE * 10**6, 10**18)
    await at.market.chain.send(at.market.v3_mint(at.weth, at.usdc, FEE, ticks, amounts))
    manager = at.market.manager
    return int(
        await at.market.chain.call(manager, "tokenByIndex", await at.market.chain.call(manager, "totalSupply") - 1)
    )


async def test_ticks_that_come_and_go_are_those_of_the_chain(tmp_path: Path) -> None:
    async with desk() as at, aiohttp.ClientSession() as session:
        remembering = source(at, session, tmp_path)
        await remembering.read()
        middle = at.ticks() // 60 * 60
        for ticks in ((middle - 120, middle + 180), (middle - 600, middle + 120), (middle + 240, middle + 300)):
            number = await position(at, ticks)
            assert dict(await remembering.read()) == await fresh(at, session, tmp_path)
            liquidity = (await at.market.chain.call(at.market.manager, "positions", number))[7]
            for part in (liquidity // 3, liquidity - liquidity // 3):
                await at.market.chain.send(at.market.manager.to("decreaseLiquidity", (number, part, 0, 0, 2**40)))
                assert dict(await remembering.read()) == await fresh(at, session, tmp_path)


async def test_those_who_read_at_the_same_time_as_a_probe_beside_the_poller_change_the_ticks_once(
    tmp_path: Path,
) -> None:
    async with desk() as at, aiohttp.ClientSession() as session:
        remembering = source(at, session, tmp_path)
        await remembering.read()
        (other,) = await at.market.feeds((8, PRICE * 10**8, 1, 10**14))
        for step in ("proposeAggregator", "confirmAggregator"):  # so that the next reading takes more than one step
            await at.market.chain.send(at.eth_usd.proxy.to(step, other.aggregator.address))
        middle = at.ticks() // 60 * 60
        await position(at, (middle - 120, middle + 180))
        found = await asyncio.gather(*(remembering.read() for _ in range(3)))
        wanted = await fresh(at, session, tmp_path)
        assert [dict(each) for each in found] == [wanted] * 3
        await at.anvil.mine()
        assert dict(await remembering.read()) == await fresh(at, session, tmp_path)


async def test_liquidity_of_which_a_node_tells_twice_has_come_once(tmp_path: Path) -> None:
    async with (
        desk() as at,
        aiohttp.ClientSession() as session,
        provider(at.anvil.url, after=logs_twice) as node,
    ):
        remembering = source(at, session, tmp_path, at.config(node.url))
        await remembering.read()
        middle = at.ticks() // 60 * 60
        await position(at, (middle - 120, middle + 180))
        found = dict(await remembering.read())
        await position(at, (middle - 60, middle + 60))
        found = dict(await remembering.read())
        assert list(found.values()) == list((await fresh(at, session, tmp_path)).values())


async def test_what_is_compared_by_the_price_of_no_token_moves_with_it(tmp_path: Path) -> None:
    async with desk() as at, aiohttp.ClientSession() as session:
        weth_eur, eur_usd = await at.market.feeds((8, 1_800 * 10**8, 1, 10**14), (8, 110_000_000, 1, 10**14))
        feeds = "".join(
            f'      - {{name: {name}, kind: chainlink, address: "{feed.proxy.address}", base: {base}, quote: {quote}, heartbeat: 1h}}\n'
            for name, feed, base, quote in (("weth-eur", weth_eur, "WETH", "EUR"), ("eur-usd", eur_usd, "EUR", "USD"))
        )
        text = (
            at.config()
            .replace("    pools:\n", f"{feeds}    pools:\n")
            .replace("prices: {", "prices: {EUR: {feed: eur-usd}, ")
        )
        text = text.replace("reference: {feed: eth-usd}", "reference: {feed: weth-eur}")
        remembering = source(at, session, tmp_path, text)
        for _ in range(3):  # until it is remembered
            await at.anvil.mine()
            before = dict(await remembering.read())
        await at.market.chain.send(eur_usd.aggregator.to("updateAnswer", 120_000_000))
        after = dict(await remembering.read())
        assert after == dict(await source(at, session, tmp_path, text).read())
        assert after != before
