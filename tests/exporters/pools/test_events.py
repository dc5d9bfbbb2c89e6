"""Events are counted once each, whatever reorganises, is killed or refuses. On a real chain."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.evm import topic
from demo.parts import ROOT
from demo.processes import free_ports
from demo.until import until
from exporters.pools.__main__ import POOLS
from exporters.pools.kinds import uniswap_v2, uniswap_v3
from occ.errors import SourceError
from tests.adapters.evm.provider import Question, provider, refused
from tests.exporters.pools.desk import FEE, PRICE, Desk, desk, patient
from tests.exporters.pools.test_bad_input import ELSEWHERE
from tests.exporters.support import Seen, once, parsed, running

CONFIRMATIONS = 4
SIGNATURES = {
    topic("Swap(address,uint256,uint256,uint256,uint256,address)"): "swap",
    topic("Swap(address,address,int256,int256,uint160,uint128,int24)"): "swap",
    topic("Mint(address,uint256,uint256)"): "mint",
    topic("Mint(address,address,int24,int24,uint128,uint256,uint256)"): "mint",
    topic("Burn(address,uint256,uint256,address)"): "burn",
    topic("Burn(address,int24,int24,uint128,uint256,uint256)"): "burn",
}


def counting(at: Desk, url: str | None = None) -> str:
    return at.config(url).replace("    rpc:", f"    confirmations: {CONFIRMATIONS}\n    start_block: 0\n    rpc:")


Recount = dict[str, Counter[str]]


async def recount(at: Desk, confirmations: int = CONFIRMATIONS) -> tuple[int, Recount]:
    """Events by pool up to the head minus confirmations, counted from the chain as it is now; volume in millionths of USDC."""
    last = await at.anvil.height() - confirmations
    names = {at.pair.address: "weth-usdc-v2", at.pool.address: "weth-usdc"}
    found: Recount = {name: Counter() for name in names.values()}
    logs = await at.anvil.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(last), "address": list(names)})
    for log in logs:
        event = SIGNATURES.get(log["topics"][0])
        if event is None:
            continue
        counter = found[names[log["address"]]]
        counter[event] += 1
        if event == "swap":
            counter["volume"] += _usdc(at, log)
    return last, found


def _usdc(at: Desk, log: Any) -> int:
    words = [int(log["data"][2 + 64 * place : 66 + 64 * place], 16) for place in range(4)]
    place = 1 if at.weth_first else 0
    if log["address"] == at.pair.address:
        return max(words[place], words[place + 2])
    return abs(words[place] - (2**256 if words[place] >= 2**255 else 0))


def counted(seen: Seen) -> Recount:
    def of(pool: str) -> Counter[str]:
        return Counter(
            {
                "swap": int(seen("pool_swaps_total", pool=pool) or 0),
                "mint": int(seen("pool_liquidity_events_total", pool=pool, event="mint") or 0),
                "burn": int(seen("pool_liquidity_events_total", pool=pool, event="burn") or 0),
                "volume": round((seen("pool_volume_usd_total", pool=pool) or 0) * 10**6),
            }
        )

    return {pool: of(pool) for pool in ("weth-usdc-v2", "weth-usdc")}


def same(one: Recount, other: Recount) -> bool:
    return all(+one[pool] == +other[pool] for pool in one)


async def page(at: Desk, folder: Path, url: str | None = None) -> Seen:
    return parsed(await once(POOLS, patient(counting(at, url)), folder))


def happening(at: Desk, chance: random.Random) -> dict[str, str]:
    """A random transaction that makes an event."""
    market = at.market
    paid, got, unit = chance.choice(((at.usdc, at.weth, 2000 * 10**6), (at.weth, at.usdc, 10**18)))
    amount = chance.randint(unit // 100, unit)
    both = (10**17, 200 * 10**6)
    tick = at.ticks() // 60 * 60
    match chance.randrange(8):
        case 0:
            return market.router.to(
                "addLiquidity", at.weth.address, at.usdc.address, *both, 0, 0, market.chain.owner, 2**40
            )
        case 1:
            ordered = both if at.weth_first else both[::-1]
            return market.v3_mint(at.weth, at.usdc, FEE, (tick - 60_000, tick + 60_000), ordered)
        case 2:
            return market.manager.to("decreaseLiquidity", (2, chance.randint(1, 10**9), 0, 0, 2**40))
        case 3 | 4:
            return market.v2_swap(amount, paid, got)
        case _:
            return market.v3_swap(amount, paid, got, FEE)


async def test_swaps_and_liquidity_are_counted_once_they_are_deep_enough(tmp_path: Path) -> None:
    async with desk() as at:
        chance = random.Random(1)
        await at.market.chain.send(*(happening(at, chance) for _ in range(40)))
        shallow = await page(at, tmp_path)
        assert (shallow("pool_swaps_unconfirmed", pool="weth-usdc") or 0) > 0
        assert shallow("pool_swaps_total", pool="weth-usdc") == 0
        await at.anvil.mine(CONFIRMATIONS)
        last, wanted = await recount(at)
        seen = await page(at, tmp_path)
        assert same(counted(seen), wanted)
        assert wanted["weth-usdc"]["swap"] > 5
        assert wanted["weth-usdc"]["burn"] > 0
        assert seen("pool_swaps_unconfirmed", pool="weth-usdc") == 0
        assert seen("pool_log_cursor_block", chain="local") == last


async def test_the_newest_swap_is_told_by_its_block_and_taken_back_by_a_reorg(tmp_path: Path) -> None:
    async with desk() as at, running(POOLS, counting(at), tmp_path) as exporter:
        await exporter.until(lambda seen: seen("pool_log_cursor_block", chain="local") is not None)
        await at.anvil.rpc("evm_increaseTime", 50)
        await at.market.chain.send(at.market.v3_swap(10**18, at.weth, at.usdc, FEE))
        block = await at.anvil.rpc("eth_getBlockByNumber", "latest", *[False])
        stamp = float(int(block["timestamp"], 16))
        await exporter.until(
            lambda seen: (
                seen("pool_last_swap_timestamp_seconds", pool="weth-usdc") == stamp
                and seen("pool_swaps_unconfirmed", pool="weth-usdc") == 1
            )
        )
        await at.anvil.rpc("anvil_reorg", 1, [])
        await exporter.until(
            lambda seen: (
                seen("pool_last_swap_timestamp_seconds", pool="weth-usdc") is None
                and seen("pool_swaps_unconfirmed", pool="weth-usdc") == 0
            )
        )


async def test_a_pool_whose_quote_has_no_price_has_swaps_and_no_volume(tmp_path: Path) -> None:
    async with desk() as at:
        await at.market.chain.send(at.market.v2_swap(10**18, at.weth, at.usdc))
        await at.anvil.mine(CONFIRMATIONS)
        text = counting(at).replace(", USDC: {fixed: 1, check_against: {feed: usdc-usd}}", "")
        seen = parsed(await once(POOLS, patient(text), tmp_path))
        assert seen("pool_swaps_total", pool="weth-usdc-v2") == 1
        assert seen("pool_volume_usd_total", pool="weth-usdc-v2") is None


async def test_volume_waits_for_a_price_and_nothing_is_lost(tmp_path: Path) -> None:
    async with desk() as at:
        await at.market.chain.send(at.market.v2_swap(10**18, at.weth, at.usdc))
        await at.anvil.mine(CONFIRMATIONS)
        await at.market.chain.send(at.usdc_usd.aggregator.to("updateAnswer", 90_000_000))
        seen = await page(at, tmp_path)
        assert seen("pool_swaps_total", pool="weth-usdc-v2") == 0
        assert seen("occ_target_up", check="events") == 0
        await at.market.chain.send(at.usdc_usd.aggregator.to("updateAnswer", 100_000_000))
        seen = await page(at, tmp_path)
        assert seen("pool_swaps_total", pool="weth-usdc-v2") == 1
        assert seen("pool_volume_usd_total", pool="weth-usdc-v2") == pytest.approx(PRICE, rel=0.01)


async def test_in_the_end_swaps_are_counted_without_a_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("exporters.pools.events.PATIENCE_SECONDS", 0.0)
    async with desk() as at:
        await at.market.chain.send(at.market.v2_swap(10**18, at.weth, at.usdc))
        await at.anvil.mine(CONFIRMATIONS)
        await at.market.chain.send(at.usdc_usd.aggregator.to("updateAnswer", 90_000_000))
        seen = await page(at, tmp_path)
        assert seen("occ_target_up", check="events") == 1
        assert seen("pool_swaps_total", pool="weth-usdc-v2") == 1
        assert seen("pool_volume_usd_total", pool="weth-usdc-v2") == 0
        assert "weth-usdc-v2: swaps are counted without their volume: no price of USDC is known" in caplog.text


async def test_a_pool_that_can_not_be_read_holds_up_no_others_events(tmp_path: Path) -> None:
    async with desk() as at:
        (other,) = await at.market.tokens(("OTHER", 18))
        swaps = at.market.v2_swap(10**18, at.weth, at.usdc), at.market.v3_swap(10**18, at.weth, at.usdc, FEE)
        await at.market.chain.send(*swaps)
        await at.anvil.mine(CONFIRMATIONS)
        text = counting(at).replace("fee: 0.003, base: WETH", "fee: 0.003, base: OTHER")
        text = text.replace("USDC: {address", f'OTHER: {{address: "{other.address}", decimals: 18}}, USDC: {{address')
        seen = parsed(await once(POOLS, patient(text), tmp_path))
        assert seen("occ_target_up", pool="weth-usdc-v2", check="state") == 0
        assert seen("occ_target_up", check="events") == 1
        assert seen("pool_volume_usd_total", pool="weth-usdc") == pytest.approx(PRICE, rel=0.01)
        assert (seen("pool_swaps_total", pool="weth-usdc-v2"), seen("pool_volume_usd_total", pool="weth-usdc-v2")) == (
            1,
            0,
        )


async def test_a_log_of_another_form_holds_up_no_others_events(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk() as at:
        log_of_31_bytes = f"0x7f{uniswap_v2.SWAP[2:]}601f6000a100"
        await at.anvil.rpc("anvil_setCode", ELSEWHERE, log_of_31_bytes)
        await at.market.chain.send({"to": ELSEWHERE}, at.market.v3_swap(10**18, at.weth, at.usdc, FEE))
        await at.anvil.mine(CONFIRMATIONS)
        odd = f'      - {{name: odd, kind: uniswap_v2, address: "{ELSEWHERE}", base: WETH, quote: USDC}}\n'
        text = counting(at).replace("    positions:", f"{odd}    positions:")
        seen = parsed(await once(POOLS, patient(text), tmp_path))
        assert seen("occ_target_up", check="events") == 1
        assert seen("pool_volume_usd_total", pool="weth-usdc") == pytest.approx(PRICE, rel=0.01)
        assert (seen("pool_swaps_total", pool="odd"), seen("pool_volume_usd_total", pool="odd")) == (1, 0)
        assert "odd: swaps are counted without their volume: Swap: 31 bytes where 128 belong" in caplog.text


@pytest.mark.parametrize("blocks", [1, 3, 7])
async def test_where_logs_are_refused_over_long_ranges_shorter_ones_are_asked_for(tmp_path: Path, blocks: int) -> None:
    def rule(asked: Question) -> Any:
        if asked["method"] != "eth_getLogs":
            return None
        if "blockHash" in asked["params"][0]:
            return refused()
        first, last = (int(asked["params"][0][key], 16) for key in ("fromBlock", "toBlock"))
        return refused(-32000, "query exceeds max block range") if last - first >= blocks else None

    async with desk() as at, provider(at.anvil.url, rule) as node:
        chance = random.Random(2)
        for _ in range(6):
            await at.market.chain.send(*(happening(at, chance) for _ in range(5)))
        await at.anvil.mine(CONFIRMATIONS)
        last, wanted = await recount(at)
        async with running(POOLS, counting(at, node.url), tmp_path) as exporter:
            seen = await exporter.until(lambda seen: seen("pool_log_cursor_block", chain="local") == last)
            assert same(counted(seen), wanted)


# --- what must be shown ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def process(config: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The exporter as a process of its own, killed at the end."""
    (port,) = free_ports(1)
    command = [
        sys.executable,
        "-m",
        "exporters.pools",
        "--config",
        str(config),
        "--web.listen-address",
        f"127.0.0.1:{port}",
    ]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield child, f"http://127.0.0.1:{port}/metrics"
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGKILL)
        await child.wait()


async def cursor(url: str) -> float | None:
    """Up to which block a running exporter has counted; None while it does not answer."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            text = await response.text()
    except aiohttp.ClientError:
        return None
    families = text_string_to_metric_families(text)
    samples = (sample for family in families for sample in family.samples)
    return next((sample.value for sample in samples if sample.name == "pool_log_cursor_block"), None)


async def test_a_thousand_events_with_reorgs_and_kills_are_counted_as_a_recount_says(tmp_path: Path) -> None:
    chance, rounds, blocks, events = random.Random(9), 8, 5, 40
    async with desk() as at:
        config = tmp_path / "pools.yml"
        config.write_text(counting(at).replace("interval: 2s, timeout: 2s", "interval: 1s, timeout: 1s"))
        for number in range(rounds):
            async with process(config) as (_, url):
                await until(lambda url=url: cursor(url), 60.0)  # type: ignore[misc]
                for block in range(blocks):
                    await at.market.chain.send(*(happening(at, chance) for _ in range(events)), may_revert=True)
                    if block == number % blocks:
                        await _reorganised(at, chance)
                if number % 2:  # killed wherever it is, else as soon as it has counted on
                    reached = await at.anvil.height() - CONFIRMATIONS - chance.randrange(3)
                    await until(lambda url=url, reached=reached: _counted_to(url, reached), 60.0)  # type: ignore[misc]
        await at.anvil.mine(CONFIRMATIONS)
        last, wanted = await recount(at)
        seen = await page(at, tmp_path)
        assert seen("pool_log_cursor_block", chain="local") == last
        assert same(counted(seen), wanted), (counted(seen), wanted)
        assert sum(counter[event] for counter in wanted.values() for event in ("swap", "mint", "burn")) >= 1000
        assert seen("pool_deep_reorgs_total", chain="local") == 0


async def _counted_to(url: str, block: int) -> bool:
    return (await cursor(url) or 0) >= block


async def _reorganised(at: Desk, chance: random.Random) -> None:
    """The newest blocks are replaced, fewer than confirm, with other events in them."""
    depth = chance.randint(1, CONFIRMATIONS - 1)
    terms = {"from": at.market.chain.owner, "gas": hex(2_000_000)}
    others = [[{**terms, **happening(at, chance)}, chance.randrange(depth)] for _ in range(3)]
    await at.anvil.rpc("anvil_reorg", depth, others)


def test_topics_are_those_of_their_events() -> None:
    declared = uniswap_v2.PoolReader.EVENTS | uniswap_v3.PoolReader.EVENTS
    pancake = topic("Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)")
    assert declared == SIGNATURES | {pancake: "swap"}


@pytest.mark.parametrize("kind", [uniswap_v2, uniswap_v3])
@pytest.mark.parametrize("size", [0, 31, 32 * 3, 32 * 6])
def test_a_log_of_another_size_is_refused(kind: Any, size: int) -> None:
    with pytest.raises(SourceError, match="Swap"):
        kind.happened(kind.SWAP, bytes(size))
