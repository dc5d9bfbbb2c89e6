"""What somebody who wants to break it would put on the chain: each takes down itself alone, with a reason. On a real chain."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from demo.chain import Rpc
from demo.evm import Contract
from demo.market import SPACINGS
from exporters.pools.__main__ import POOLS
from exporters.pools.maths.ticks import MAX_SQRT_RATIO, MAX_TICK
from tests.exporters.pools.desk import PRICE, Desk, desk
from tests.exporters.pools.test_bad_input import ALL, ELSEWHERE, page, up
from tests.exporters.support import Running, Seen, running

SPENDS_ALL_GAS = "0xfe"
RETURNS_A_MEGABYTE = "0x62100000" + "6000f3"
NO_CODE = "0x"
BALLAST = 55
"""Pairs beside those of the desk."""


async def put(anvil: Rpc, address: str, code: str) -> None:
    await anvil.rpc("anvil_setCode", address, code)


@asynccontextmanager
async def crowd() -> AsyncIterator[tuple[Desk, str]]:
    """A desk with many more pairs: `odd` is at an address where nothing is yet."""
    async with desk() as at:
        tokens = await at.market.tokens(*((f"B{number}", 18) for number in range(11)))
        chosen = list(itertools.combinations(tokens, 2))[:BALLAST]
        pairs = await at.market.v2_pools(*((one, other, 10**20, 10**20) for one, other in chosen))
        yield at, "\n".join(_crowded(at.config().splitlines(), tokens, chosen, pairs))


def _crowded(
    lines: list[str], tokens: list[Contract], chosen: list[tuple[Contract, Contract]], pairs: list[Contract]
) -> Iterator[str]:
    names = {token.address: f"B{number}" for number, token in enumerate(tokens)}
    for line in lines:
        more = "".join(f', {name}: {{address: "{address}", decimals: 18}}' for address, name in names.items())
        yield line.replace("decimals: 6}}", f"decimals: 6}}{more}}}") if line.strip().startswith("tokens:") else line
        if line.strip() == "pools:":
            yield f'      - {{name: odd, kind: uniswap_v2, address: "{ELSEWHERE}", base: WETH, quote: USDC}}'
            for number, (pair, (one, other)) in enumerate(zip(pairs, chosen, strict=True)):
                of = f"base: {names[one.address]}, quote: {names[other.address]}"
                yield f'      - {{name: p{number}, kind: uniswap_v2, address: "{pair.address}", {of}}}'


@pytest.mark.parametrize("code", [SPENDS_ALL_GAS, RETURNS_A_MEGABYTE, NO_CODE])
async def test_one_among_many_that_can_not_be_read_leaves_the_others_alone(tmp_path: Path, code: str) -> None:
    async with crowd() as (at, text):
        await put(at.anvil, ELSEWHERE, code)
        seen = await page(text, tmp_path)
        assert up(seen) == ALL
        assert [seen("occ_target_up", pool=f"p{number}") for number in range(BALLAST)] == [1] * BALLAST
        assert [seen("pool_price", pool=f"p{number}") for number in range(BALLAST)] == [1] * BALLAST
        assert seen("occ_target_up", pool="odd") == 0
        assert seen("pool_price", pool="odd") is None


def of(at: Desk, what: str) -> str:
    return {"weth-usdc-v2": at.pair.address, "weth-usdc": at.pool.address, "eth-usd": at.eth_usd.proxy.address}[what]


async def until_up(exporter: Running, **changed: float) -> Seen:
    wanted = ALL | {name.replace("_", "-"): value for name, value in changed.items()}
    return await exporter.until(lambda seen: up(seen) == wanted)


@pytest.mark.parametrize("what", ["weth-usdc-v2", "weth-usdc", "eth-usd"])
async def test_what_is_destroyed_is_down_and_what_comes_back_is_up_again(tmp_path: Path, what: str) -> None:
    async with desk() as at, running(POOLS, at.config(), tmp_path) as exporter:
        await until_up(exporter)
        code = await at.anvil.rpc("eth_getCode", of(at, what), "latest")
        await put(at.anvil, of(at, what), NO_CODE)
        await at.anvil.mine()
        held = {"lp_1": 0.0} if what == "weth-usdc" else {}  # the position is in that pool
        await until_up(exporter, **{what.replace("-", "_"): 0.0}, **held)
        await put(at.anvil, of(at, what), code)
        await at.anvil.mine()
        await until_up(exporter)


async def test_a_pair_behind_a_proxy_is_read_as_a_pair(tmp_path: Path) -> None:
    async with desk() as at:
        await put(at.anvil, ELSEWHERE, f"0x363d3d373d3d3d363d73{at.pair.address[2:]}5af43d82803e903d91602b57fd5bf3")
        for slot in map(hex, range(12)):
            value = await at.anvil.rpc("eth_getStorageAt", at.pair.address, slot, "latest")
            await at.anvil.rpc("anvil_setStorageAt", ELSEWHERE, f"0x{int(slot, 16):064x}", value)
        seen = await page(at.config().replace(at.pair.address, ELSEWHERE), tmp_path)
        assert up(seen) == ALL
        assert seen("pool_price", pool="weth-usdc-v2") == pytest.approx(PRICE)


async def test_a_pool_told_the_other_way_round_has_the_other_price(tmp_path: Path) -> None:
    async with desk() as at:
        text = at.config().replace("fee: 0.003, base: WETH, quote: USDC", "fee: 0.003, base: USDC, quote: WETH")
        seen = await page(text, tmp_path)
        assert up(seen) == ALL
        assert seen("pool_price", pool="weth-usdc-v2") == pytest.approx(1 / PRICE)
        assert seen("pool_reserve", pool="weth-usdc-v2", token="USDC") == 1000 * PRICE


async def test_the_highest_price_that_there_can_be(tmp_path: Path) -> None:
    async with desk() as at:
        (pool,) = await at.market.v3_pools((at.weth, at.usdc, 500, MAX_SQRT_RATIO - 1))
        seen = await page(at.config().replace(at.pool.address, pool.address), tmp_path)
        assert up(seen) == ALL
        assert seen("pool_liquidity", pool="weth-usdc") == 0
        assert (seen("pool_price", pool="weth-usdc") or 0) > 0
        assert seen("pool_price_impact_ratio", pool="weth-usdc", side="sell", size_usd="10000") is None


async def test_ticks_beyond_the_last_one_are_told_by_no_pool(tmp_path: Path) -> None:
    async with desk() as at:
        (pool,) = await at.market.v3_pools((at.weth, at.usdc, 500, MAX_SQRT_RATIO - 1))
        bitmap, highest = 6, MAX_TICK // SPACINGS[500] >> 8
        slot = keccak(highest.to_bytes(32) + bitmap.to_bytes(32)).hex()
        await at.anvil.rpc("anvil_setStorageAt", pool.address, f"0x{slot}", "0x" + "ff" * 32)
        seen = await page(at.config().replace(at.pool.address, pool.address), tmp_path)
        assert up(seen) == ALL | {"weth-usdc": 0}
        assert seen("occ_target_errors_total", pool="weth-usdc", reason="bad_response") == 1


async def test_a_feed_that_gets_another_aggregator_goes_on_with_its_bounds(tmp_path: Path) -> None:
    async with desk() as at, running(POOLS, at.config(), tmp_path) as exporter:
        await exporter.until(lambda seen: seen("oracle_answer_at_bound", feed="eth-usd") == 0)
        (other,) = await at.market.feeds((8, PRICE * 10**8, PRICE * 10**8, 10**14))
        for step in ("proposeAggregator", "confirmAggregator"):
            await at.market.chain.send(at.eth_usd.proxy.to(step, other.aggregator.address))
        seen = await exporter.until(lambda seen: seen("oracle_answer_at_bound", feed="eth-usd") == 1)
        assert seen("occ_target_up", feed="eth-usd") == 1
        assert seen("pool_tvl_usd", pool="weth-usdc") is None


async def test_a_feed_that_gets_an_aggregator_of_other_decimals_goes_on_with_its_price(tmp_path: Path) -> None:
    async with desk() as at, running(POOLS, at.config(), tmp_path) as exporter:
        await exporter.until(lambda seen: seen("oracle_price", feed="eth-usd") == PRICE)
        (other,) = await at.market.feeds((18, (PRICE + 1) * 10**18, 1, 10**26))
        for step in ("proposeAggregator", "confirmAggregator"):
            await at.market.chain.send(at.eth_usd.proxy.to(step, other.aggregator.address))
        seen = await exporter.until(lambda seen: seen("oracle_price", feed="eth-usd") != PRICE)
        assert seen("oracle_price", feed="eth-usd") == PRICE + 1
        assert seen("occ_target_up", feed="eth-usd") == 1
