"""The pools exporter on a real chain with the protocols' own bytecode: what it shows is what their own contracts say."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from demo.evm import Contract, Reverted
from exporters.pools.__main__ import POOLS
from tests.adapters.evm.provider import provider, refused
from tests.exporters.pools.desk import FEE, PACE, PRICE, Desk, desk, patient
from tests.exporters.support import Seen, once, parsed, running

UNITS = {"WETH": 10**18, "USDC": 10**6}


async def page(at: Desk, folder: Path, text: str | None = None) -> Seen:
    return parsed(await once(POOLS, patient(text or at.config()), folder))


def number(value: float | None) -> float:
    assert value is not None
    return value


async def test_the_common_facts_of_a_cycle_are_of_one_block(tmp_path: Path) -> None:
    async with desk() as at:
        seen = await page(at, tmp_path)
        height = await at.anvil.height()
        block = await at.anvil.rpc("eth_getBlockByNumber", hex(height), *[False])
        for pool in ("weth-usdc", "weth-usdc-v2"):
            assert seen("occ_target_up", pool=pool) == 1
            assert seen("pool_block_number", pool=pool) == height
            assert seen("pool_block_timestamp_seconds", pool=pool) == int(block["timestamp"], 16)
            assert seen("pool_source_info", pool=pool, node="own") == 1
            assert seen("pool_info", pool=pool, base="ETH", quote="USDC", fee="0.003", dex="uniswap") == 1
        assert seen("occ_target_up", feed="eth-usd") == 1
        assert seen("occ_target_up", position="lp-1") == 1


async def test_reserves_price_and_tvl_are_those_of_the_contracts(tmp_path: Path) -> None:
    async with desk() as at:
        seen, call = await page(at, tmp_path), at.market.chain.call
        for name, contract in (("weth-usdc-v2", at.pair), ("weth-usdc", at.pool)):
            weth, usdc = [await call(token, "balanceOf", contract.address) for token in (at.weth, at.usdc)]
            assert seen("pool_reserve", pool=name, token="WETH") == weth / 1e18
            assert seen("pool_reserve", pool=name, token="USDC") == usdc / 1e6
            assert seen("pool_tvl_usd", pool=name) == pytest.approx(weth / 1e18 * PRICE + usdc / 1e6, rel=1e-12)
        slot0 = await call(at.pool, "slot0")
        raw = (slot0[0] / 2**96) ** 2
        price = (raw if at.weth_first else 1 / raw) * 10**12
        assert seen("pool_price", pool="weth-usdc", base="WETH", quote="USDC") == pytest.approx(price, rel=1e-12)
        assert seen("pool_tick", pool="weth-usdc") == slot0[1]
        assert seen("pool_liquidity", pool="weth-usdc") == float(await call(at.pool, "liquidity"))
        assert seen("pool_fee_ratio", pool="weth-usdc") == 0.003


async def test_price_impact_is_what_router_and_quoter_say(tmp_path: Path) -> None:
    sizes = [1, 137, 10_000, 250_000, 1_000_000, 12_345_678]
    async with desk() as at:
        text = at.config().replace("fee: 0.003,", f"fee: 0.003, sizes_usd: {sizes},")
        text = text.replace("sizes_usd: [10000, 1000000]", f"sizes_usd: {sizes}")
        seen = await page(at, tmp_path, text)
        compared = 0
        for size in sizes:
            for side, paid, got in (("buy", at.usdc, at.weth), ("sell", at.weth, at.usdc)):
                amount = size * 10**6 if side == "buy" else size * 10**18 // PRICE
                for pool, out in (
                    ("weth-usdc-v2", await _routed(at, amount, paid, got)),
                    ("weth-usdc", await _quoted(at, amount, paid, got)),
                ):
                    shown = seen("pool_price_impact_ratio", pool=pool, side=side, size_usd=str(size))
                    price = number(seen("pool_price", pool=pool))
                    if out is None:
                        assert shown is None, (pool, side, size)
                        continue
                    rate = (out / 1e18) / (amount / 1e6) if side == "buy" else (out / 1e6) / (amount / 1e18)
                    wanted = 1 / (rate * price) - 1 if side == "buy" else 1 - rate / price
                    assert shown == pytest.approx(wanted, rel=1e-9, abs=1e-12), (pool, side, size)
                    compared += 1
        assert compared >= 20


async def test_a_fork_may_change_its_fee(tmp_path: Path) -> None:
    """Uniswap's own code with another number where the fee is written: what changes the fee of a fork is a matter of the fork."""
    async with desk() as at, running(POOLS, at.config(), tmp_path) as exporter:
        await exporter.until(lambda seen: seen("pool_fee_ratio", pool="weth-usdc") == 0.003)
        code = await at.anvil.rpc("eth_getCode", at.pool.address, "latest")
        fee, other = (f"7f{each:064x}" for each in (FEE, 500))
        assert fee in code
        await at.anvil.rpc("anvil_setCode", at.pool.address, code.replace(fee, other))
        out = await _quoted(at, 10_000 * 10**6, at.usdc, at.weth)
        await at.anvil.mine()
        seen = await exporter.until(lambda seen: seen("pool_fee_ratio", pool="weth-usdc") == 0.0005)
        shown = seen("pool_price_impact_ratio", pool="weth-usdc", side="buy", size_usd="10000")
        rate = (number(out) / 1e18) / 10_000
        assert shown == pytest.approx(1 / (rate * number(seen("pool_price", pool="weth-usdc"))) - 1, rel=1e-9)


async def _routed(at: Desk, amount: int, paid: Contract, got: Contract) -> int:
    path = [paid.address, got.address]
    return int((await at.market.chain.call(at.market.router, "getAmountsOut", amount, path))[1])


async def _quoted(at: Desk, amount: int, paid: Contract, got: Contract) -> int | None:
    """What the quoter says; None where the pool can not take it all, which shows in how far it goes."""
    (told,) = await at.market.chain.calls([at.market.v3_quote(amount, paid, got, FEE)])
    if isinstance(told, Reverted) or told[1] in (4295128740, 1461446703485210103287273052203988822378723970341):
        return None
    return int(told[0])


async def test_a_position_is_worth_what_burning_and_collecting_it_gives(tmp_path: Path) -> None:
    chance = random.Random(5)
    async with desk() as at:
        swaps = []
        for _ in range(30):
            paid, got, unit = chance.choice(((at.usdc, at.weth, 2000 * 10**6), (at.weth, at.usdc, 10**18)))
            swaps.append(at.market.v3_swap(chance.randint(1, 3 * unit), paid, got, FEE))
        await at.market.chain.send(*swaps)
        seen = await page(at, tmp_path)
        chain, manager = at.market.chain, at.market.manager
        liquidity = (await chain.call(manager, "positions", 1))[7]
        burnt = await chain.call(manager, "decreaseLiquidity", (1, liquidity, 0, 0, 2**40))
        fees = await chain.call(manager, "collect", (1, chain.owner, 2**128 - 1, 2**128 - 1))

        def usd(amounts: Any) -> float:
            weth, usdc = amounts if at.weth_first else amounts[::-1]
            return float(weth / 1e18 * PRICE + usdc / 1e6)

        assert seen("lp_position_value_usd", position="lp-1") == pytest.approx(usd(burnt), rel=1e-12)
        assert seen("lp_position_uncollected_fees_usd", position="lp-1") == pytest.approx(usd(fees), rel=1e-12)
        assert usd(fees) > 0
        assert seen("lp_position_impermanent_loss_ratio", position="lp-1") == pytest.approx(usd(burnt) / 40_000 - 1)
        assert seen("lp_position_in_range", position="lp-1") == 1
        assert number(seen("lp_position_tick_distance_ratio", position="lp-1", side="lower")) > 0


async def test_a_position_that_the_price_has_left(tmp_path: Path) -> None:
    async with desk() as at:
        await at.market.chain.send(at.market.v3_swap(200 * 10**18, at.weth, at.usdc, FEE))
        seen = await page(at, tmp_path)
        assert seen("lp_position_in_range", position="lp-1") == 0
        sides = [seen("lp_position_tick_distance_ratio", position="lp-1", side=side) for side in ("lower", "upper")]
        assert sum(number(each) < 0 for each in sides) == 1


# --- as the chain goes on ---------------------------------------------------------------------------------------------


async def test_a_swap_shows_with_its_block(tmp_path: Path) -> None:
    async with desk() as at, running(POOLS, at.config(), tmp_path) as exporter:
        before = await exporter.until(lambda seen: seen("pool_price", pool="weth-usdc") is not None)
        await at.market.chain.send(at.market.v3_swap(10**18, at.weth, at.usdc, FEE))
        height = await at.anvil.height()
        after = await exporter.until(lambda seen: seen("pool_block_number", pool="weth-usdc") == height)
        assert number(after("pool_price", pool="weth-usdc")) < number(before("pool_price", pool="weth-usdc"))


async def test_liquidity_that_comes_is_in_the_depth_of_its_block(tmp_path: Path) -> None:
    async with desk() as at, running(POOLS, at.config(), tmp_path) as exporter:

        def depth(seen: Seen) -> float | None:
            return seen("pool_depth_usd", pool="weth-usdc", side="bid", band="0.0200")

        before = depth(await exporter.until(lambda seen: depth(seen) is not None))
        middle, amounts = at.ticks() // 60 * 60, (10**19, 2 * 10**10) if at.weth_first else (2 * 10**10, 10**19)
        await at.market.chain.send(
            at.market.v3_mint(at.weth, at.usdc, FEE, (middle - 120, middle + 180), amounts),
        )
        height = await at.anvil.height()
        after = await exporter.until(lambda seen: seen("pool_block_number", pool="weth-usdc") == height)
        assert number(depth(after)) > number(before) * 1.2
        assert depth(after) == depth(await page(at, tmp_path))


async def test_a_halted_chain_is_read_on(tmp_path: Path) -> None:
    text_of = (
        PACE,
        "defaults: {interval: 200ms, timeout: 200ms, stale_after: 2s}",
    )
    async with desk() as at, running(POOLS, at.config().replace(*text_of), tmp_path) as exporter:
        first = await exporter.until(lambda seen: seen("occ_target_up", pool="weth-usdc") == 1)
        at_first = number(first("occ_target_last_success_timestamp_seconds", pool="weth-usdc"))
        seen = await exporter.until(
            lambda seen: number(seen("occ_target_last_success_timestamp_seconds", pool="weth-usdc")) > at_first + 3
        )
        assert seen("pool_price", pool="weth-usdc") == first("pool_price", pool="weth-usdc")


async def test_a_reorg_takes_its_swap_back(tmp_path: Path) -> None:
    async with desk() as at, running(POOLS, at.config(), tmp_path) as exporter:
        before = await exporter.until(lambda seen: seen("pool_price", pool="weth-usdc") is not None)
        price = before("pool_price", pool="weth-usdc")
        await at.market.chain.send(at.market.v3_swap(10**18, at.weth, at.usdc, FEE))
        await exporter.until(lambda seen: seen("pool_price", pool="weth-usdc") != price)
        await at.anvil.rpc("anvil_reorg", 1, [])
        await exporter.until(lambda seen: seen("pool_price", pool="weth-usdc") == price)


async def test_when_its_node_fails_another_tells_it(tmp_path: Path) -> None:
    async with desk() as at, provider(at.anvil.url) as first:
        both = f'rpc: [{{name: first, url: "{first.url}"}}, {{name: own, url: "{at.anvil.url}"}}]'
        text = at.config().replace(f'rpc: [{{name: own, url: "{at.anvil.url}"}}]', both)
        async with running(POOLS, text, tmp_path) as exporter:
            await exporter.until(lambda seen: seen("pool_source_info", pool="weth-usdc", node="first") == 1)
            first.rule = lambda _: refused(-32603, "internal")
            seen = await exporter.until(lambda seen: seen("pool_source_info", pool="weth-usdc", node="own") == 1)
            assert seen("pool_source_info", pool="weth-usdc", node="first") is None
            assert seen("occ_target_up", pool="weth-usdc") == 1


async def test_a_price_that_was_moved_within_a_block_is_far_from_the_pools_own_mean(tmp_path: Path) -> None:
    async with desk() as at:
        await at.market.chain.send(at.pool.to("increaseObservationCardinalityNext", 20))
        await at.market.chain.send(at.market.v3_swap(10**15, at.weth, at.usdc, FEE))
        await at.anvil.rpc("evm_increaseTime", 1801)
        await at.market.chain.send(at.market.v3_swap(100 * 10**18, at.weth, at.usdc, FEE))
        seen, chain = await page(at, tmp_path), at.market.chain
        (before, now), _ = await chain.call(at.pool, "observe", [1800, 0])
        tick = (await chain.call(at.pool, "slot0"))[1]
        above = tick - (now - before) / 1800
        wanted = 1.0001 ** (above if at.weth_first else -above) - 1
        shown = number(seen("pool_twap_deviation_ratio", pool="weth-usdc", window="30m"))
        assert shown == pytest.approx(wanted)
        assert shown < -0.05


async def test_a_restart_keeps_what_was_counted_and_a_new_pool_counts_from_there_on(tmp_path: Path) -> None:
    async with desk() as at:
        await at.market.chain.send(at.market.v2_swap(10**18, at.weth, at.usdc))
        whole = at.config().replace("    rpc:", "    confirmations: 0\n    start_block: 0\n    rpc:")
        part = "\n".join(line for line in whole.splitlines() if "name: weth-usdc," not in line)
        part = part.replace(", reference: {pool: weth-usdc}", "")
        first = await page(at, tmp_path, part)
        assert first("pool_swaps_total", pool="weth-usdc-v2") == 1
        assert first("occ_target_configured", pool="weth-usdc") is None
        await at.market.chain.send(at.market.v3_swap(10**18, at.weth, at.usdc, FEE))
        second = await page(at, tmp_path, whole)
        assert second("pool_swaps_total", pool="weth-usdc-v2") == 1
        assert second("pool_swaps_total", pool="weth-usdc") == 1  # what is added later counts from there on
