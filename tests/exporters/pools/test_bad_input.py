"""What is wrong with one thing is named, and touches nothing else. On a real chain; where no real node would lie, a provider does."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from demo.evm import artifact
from demo.market import NOWHERE
from exporters.pools.__main__ import POOLS
from tests.adapters.evm.provider import Question, provider, refused
from tests.exporters.pools.desk import FEE, PRICE, Desk, desk, patient
from tests.exporters.support import Seen, once, parsed, running

ELSEWHERE = "0x" + "12" * 20

Change = Callable[[Desk, str], Awaitable[str]]


async def page(text: str, folder: Path) -> Seen:
    return parsed(await once(POOLS, patient(text), folder))


def up(seen: Seen) -> dict[str, float | None]:
    pools = {name: seen("occ_target_up", pool=name) for name in ("weth-usdc", "weth-usdc-v2")}
    feeds = {name: seen("occ_target_up", feed=name) for name in ("eth-usd", "usdc-usd")}
    return pools | feeds | {"lp-1": seen("occ_target_up", position="lp-1")}


ALL = dict.fromkeys(("weth-usdc", "weth-usdc-v2", "eth-usd", "usdc-usd", "lp-1"), 1.0)


async def nothing_there(at: Desk, text: str) -> str:
    return text.replace(at.pair.address, ELSEWHERE)


async def a_v3_pool_for_a_pair(at: Desk, text: str) -> str:
    (pool,) = await at.market.v3_pools((at.weth, at.usdc, 500, 2**96))
    return text.replace(at.pair.address, pool.address)


async def a_token_for_a_pair(at: Desk, text: str) -> str:
    return text.replace(at.pair.address, at.weth.address)


async def a_pair_of_other_tokens(at: Desk, text: str) -> str:
    one, other = await at.market.tokens(("ONE", 18), ("TWO", 18))
    (pair,) = await at.market.v2_pools((one, other, 10**18, 10**18))
    return text.replace(at.pair.address, pair.address)


async def a_feed_for_a_pair(at: Desk, text: str) -> str:
    return text.replace(at.pair.address, at.eth_usd.proxy.address)


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        (nothing_there, "bad_response", "no contract of this kind is at the address"),
        (a_v3_pool_for_a_pair, "reverted", "getReserves: the call was reverted"),
        (a_token_for_a_pair, "reverted", "token0: the call was reverted"),
        (a_feed_for_a_pair, "reverted", "token0: the call was reverted"),
        (a_pair_of_other_tokens, "bad_response", "not WETH and USDC as configured"),
    ],
)
async def test_a_pool_that_is_not_what_it_is_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Change, reason: str, said: str
) -> None:
    async with desk() as at:
        seen = await page(await change(at, at.config()), tmp_path)
        assert up(seen) == ALL | {"weth-usdc-v2": 0}
        assert seen("occ_target_errors_total", pool="weth-usdc-v2", reason=reason) == 1
        assert seen("pool_price", pool="weth-usdc-v2") is None
        assert said in caplog.text


async def a_pair_for_a_v3_pool(at: Desk, text: str) -> str:
    one, other = await at.market.tokens(("ONE", 18), ("TWO", 18))
    (pair,) = await at.market.v2_pools((one, other, 10**18, 10**18))
    return text.replace(at.pool.address, pair.address)


async def nothing_for_a_v3_pool(at: Desk, text: str) -> str:
    return text.replace(at.pool.address, ELSEWHERE)


@pytest.mark.parametrize("change", [a_pair_for_a_v3_pool, nothing_for_a_v3_pool])
async def test_a_v3_pool_that_is_none(tmp_path: Path, change: Change) -> None:
    async with desk() as at:
        seen = await page(await change(at, at.config()), tmp_path)
        assert up(seen) == ALL | {"weth-usdc": 0}
        assert seen("oracle_deviation_ratio", feed="eth-usd") is None


@pytest.mark.parametrize("address", [ELSEWHERE, "token"])
async def test_a_feed_that_is_none_takes_its_dollars_with_it(tmp_path: Path, address: str) -> None:
    async with desk() as at:
        wrong = at.weth.address if address == "token" else address
        seen = await page(at.config().replace(at.eth_usd.proxy.address, wrong), tmp_path)
        assert up(seen) == ALL | {"eth-usd": 0}
        assert seen("pool_tvl_usd", pool="weth-usdc") is None
        assert seen("pool_price_impact_ratio", pool="weth-usdc", side="sell", size_usd="10000") is None
        assert seen("pool_price_impact_ratio", pool="weth-usdc", side="buy", size_usd="10000") is not None
        assert seen("pool_price", pool="weth-usdc") is not None
        assert seen("lp_position_value_usd", position="lp-1") is None


async def test_decimals_that_are_not_the_chains_take_down_all_that_has_the_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk() as at:
        seen = await page(at.config().replace("decimals: 6", "decimals: 8"), tmp_path)
        assert up(seen) == ALL | {"weth-usdc": 0, "weth-usdc-v2": 0, "lp-1": 0}
        assert "token USDC: 6 decimals on chain, 8 configured" in caplog.text


@pytest.mark.parametrize("decimals", [0, 77])
async def test_tokens_without_decimals_and_with_as_many_as_there_can_be(tmp_path: Path, decimals: int) -> None:
    async with desk() as at:
        (odd,) = await at.market.tokens(("ODD", decimals))
        amount = 10**4 if decimals == 0 else 10**30
        (pair,) = await at.market.v2_pools((odd, at.usdc, amount, 10**9))
        text = at.config().replace(
            "USDC: {address", f'ODD: {{address: "{odd.address}", decimals: {decimals}}}, USDC: {{address'
        )
        text = text.replace(
            "    positions:",
            f'      - {{name: odd, kind: uniswap_v2, address: "{pair.address}", base: ODD, quote: USDC}}\n    positions:',
        )
        seen = await page(text, tmp_path)
        assert seen("occ_target_up", pool="odd") == 1
        assert seen("pool_price", pool="odd") == pytest.approx(1000 * 10.0**decimals / amount)
        assert seen("pool_reserve", pool="odd", token="ODD") == pytest.approx(amount / 10.0**decimals)


async def test_tokens_whose_symbol_is_a_bytes32_or_that_tell_nothing_at_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk() as at:
        old, mute = await at.market.chain.deploy(
            (artifact("compiled", "Bytes32Token"), ()), (artifact("compiled", "RevertingToken"), ())
        )
        text = at.config().replace(
            "USDC: {address",
            f'OLD: {{address: "{old.address}", decimals: 18}}, MUTE: {{address: "{mute.address}", decimals: 9}}, USDC: {{address',
        )
        assert up(await page(text, tmp_path)) == ALL
        assert "token MUTE tells no decimals" in caplog.text


async def test_a_pair_that_was_never_filled_has_no_price(tmp_path: Path) -> None:
    async with desk() as at:
        one, other = await at.market.tokens(("ONE", 18), ("TWO", 18))
        await at.market.chain.send(at.market.v2_factory.to("createPair", one.address, other.address))
        pair = await at.market.chain.call(at.market.v2_factory, "getPair", one.address, other.address)
        text = at.config().replace(at.pair.address, pair).replace(at.weth.address, one.address)
        seen = await page(text.replace(at.usdc.address, other.address).replace("decimals: 6", "decimals: 18"), tmp_path)
        assert seen("occ_target_up", pool="weth-usdc-v2") == 1
        assert seen("pool_price", pool="weth-usdc-v2") is None
        assert seen("pool_reserve", pool="weth-usdc-v2", token="WETH") == 0
        assert seen("pool_tvl_usd", pool="weth-usdc-v2") == 0
        assert seen("pool_price_impact_ratio", pool="weth-usdc-v2", side="buy", size_usd="10000") is None


@pytest.mark.parametrize("initialised", [False, True])
async def test_a_v3_pool_without_a_price_or_without_liquidity(tmp_path: Path, initialised: bool) -> None:  # noqa: FBT001
    async with desk() as at:
        await at.market.chain.send(at.market.v3_factory.to("createPool", at.weth.address, at.usdc.address, 500))
        address = await at.market.chain.call(at.market.v3_factory, "getPool", at.weth.address, at.usdc.address, 500)
        if initialised:  # at the very edge of the prices that there are
            pool = type(at.pool)(address, at.pool.artifact)
            await at.market.chain.send(pool.to("initialize", 4295128739))
        seen = await page(at.config().replace(at.pool.address, address), tmp_path)
        assert up(seen) == ALL
        assert (seen("pool_price", pool="weth-usdc") is not None) == initialised
        assert seen("pool_liquidity", pool="weth-usdc") == 0
        assert seen("pool_price_impact_ratio", pool="weth-usdc", side="buy", size_usd="10000") is None


async def test_what_nobody_trades_at_is_no_price_to_lean_on(tmp_path: Path) -> None:
    async with desk() as at:
        await at.market.chain.send(at.market.v3_factory.to("createPool", at.weth.address, at.usdc.address, 500))
        address = await at.market.chain.call(at.market.v3_factory, "getPool", at.weth.address, at.usdc.address, 500)
        await at.market.chain.send(type(at.pool)(address, at.pool.artifact).to("initialize", 2**96))
        text = at.config().replace(at.pool.address, address)
        seen = await page(text.replace("WETH: {feed: eth-usd}", "WETH: {pool: weth-usdc}"), tmp_path)
        assert up(seen) == ALL
        assert seen("pool_liquidity", pool="weth-usdc") == 0
        assert seen("pool_price", pool="weth-usdc") is not None
        assert seen("pool_tvl_usd", pool="weth-usdc-v2") is None
        assert seen("oracle_deviation_ratio", feed="eth-usd") is None


async def test_a_position_that_does_not_exist(tmp_path: Path) -> None:
    async with desk() as at:
        seen = await page(at.config().replace("token_id: 1", "token_id: 77"), tmp_path)
        assert up(seen) == ALL | {"lp-1": 0}
        assert seen("occ_target_errors_total", position="lp-1", reason="reverted") == 1


async def test_a_position_whose_pool_has_no_price(tmp_path: Path) -> None:
    async with desk() as at:
        await at.anvil.rpc("anvil_setStorageAt", at.pool.address, "0x0", "0x" + "00" * 32)
        seen = await page(at.config(), tmp_path)
        assert up(seen) == ALL | {"lp-1": 0}
        assert seen("occ_target_errors_total", position="lp-1", reason="bad_response") == 1


# --- oracles ---------------------------------------------------------------------------------------------------------


async def test_a_stale_feed_is_shown_as_such_and_no_dollar_leans_on_it(tmp_path: Path) -> None:
    async with desk() as at:
        await at.anvil.rpc("evm_increaseTime", 3901)  # one hour, five minutes and a second
        await at.anvil.mine()
        seen = await page(at.config(), tmp_path)
        assert up(seen) == ALL
        assert seen("oracle_stale", feed="eth-usd") == 1
        assert seen("oracle_stale", feed="usdc-usd") == 0
        assert seen("oracle_price", feed="eth-usd") == PRICE
        assert seen("pool_tvl_usd", pool="weth-usdc") is None
        assert seen("pool_reference_deviation_ratio", pool="weth-usdc") is None
        assert seen("pool_depth_usd", pool="weth-usdc", side="bid", band="0.0100") is not None


async def test_a_dollar_that_is_none_any_more_takes_what_was_counted_in_it(tmp_path: Path) -> None:
    async with desk() as at:
        await at.market.chain.send(at.usdc_usd.aggregator.to("updateAnswer", 97_000_000))
        seen = await page(at.config(), tmp_path)
        assert seen("oracle_price", feed="usdc-usd") == 0.97
        assert seen("pool_tvl_usd", pool="weth-usdc") is None
        assert seen("pool_depth_usd", pool="weth-usdc", side="bid", band="0.0100") is None


@pytest.mark.parametrize("answer", [1, 10**14])
async def test_an_answer_at_a_bound(tmp_path: Path, answer: int) -> None:
    async with desk() as at:
        await at.market.chain.send(at.eth_usd.aggregator.to("updateAnswer", answer))
        seen = await page(at.config(), tmp_path)
        assert seen("oracle_answer_at_bound", feed="eth-usd") == 1
        assert seen("oracle_answer_at_bound", feed="usdc-usd") == 0
        assert seen("pool_tvl_usd", pool="weth-usdc") is None


async def test_an_aggregator_without_a_proxy_has_bounds_of_its_own(tmp_path: Path) -> None:
    async with desk() as at:
        text = at.config().replace(at.eth_usd.proxy.address, at.eth_usd.aggregator.address)
        seen = await page(text, tmp_path)
        assert seen("oracle_price", feed="eth-usd") == PRICE
        assert seen("oracle_answer_at_bound", feed="eth-usd") == 0


@pytest.mark.parametrize("answer", [0, -5])
async def test_an_answer_that_is_no_price(tmp_path: Path, answer: int) -> None:
    async with desk() as at:
        await at.market.chain.send(at.eth_usd.aggregator.to("updateAnswer", answer))
        seen = await page(at.config(), tmp_path)
        assert up(seen) == ALL | {"eth-usd": 0}


async def test_a_new_phase_has_bounds_of_its_own(tmp_path: Path) -> None:
    async with desk() as at:
        (other,) = await at.market.feeds((8, PRICE * 10**8, PRICE * 10**8, 10**14))
        proxy = at.eth_usd.proxy
        await at.market.chain.send(proxy.to("proposeAggregator", other.aggregator.address))
        await at.market.chain.send(proxy.to("confirmAggregator", other.aggregator.address))
        seen = await page(at.config(), tmp_path)
        assert seen("oracle_answer_at_bound", feed="eth-usd") == 1
        assert seen("oracle_round_id", feed="eth-usd") == 1


async def test_an_answer_from_the_future_is_none_of_now(tmp_path: Path) -> None:
    async with desk() as at:
        later = 2**40
        await at.market.chain.send(at.eth_usd.aggregator.to("updateRoundData", 2, PRICE * 10**8, later, later))
        seen = await page(at.config(), tmp_path)
        assert seen("oracle_stale", feed="eth-usd") == 1
        assert seen("pool_tvl_usd", pool="weth-usdc") is None


async def test_while_the_sequencer_is_down_its_feed_counts_for_nothing(tmp_path: Path) -> None:
    async with desk() as at:
        (uptime,) = await at.market.feeds((0, 1, 0, 1))
        text = at.config().replace("heartbeat: 1h,", f'heartbeat: 1h, sequencer: "{uptime.proxy.address}",')
        seen = await page(text, tmp_path)
        assert seen("oracle_sequencer_up", feed="eth-usd") == 0
        assert seen("oracle_sequencer_up", feed="usdc-usd") is None
        assert seen("pool_tvl_usd", pool="weth-usdc") is None


# --- nodes that lie --------------------------------------------------------------------------------------------------


async def through(at: Desk, rule: Callable[[Question], Any], folder: Path) -> Seen:
    async with provider(at.anvil.url, rule) as node:
        return await page(at.config(node.url), folder)


@pytest.mark.parametrize("told", ["0x", "0x00", None, 7, [], {"a": 1}])
async def test_a_node_whose_answers_are_none_tells_nothing(tmp_path: Path, told: Any) -> None:
    async with desk() as at:
        seen = await through(at, lambda asked: {"result": told} if asked["method"] == "eth_call" else None, tmp_path)
        assert up(seen) == dict.fromkeys(ALL, 0)
        assert seen("pool_price", pool="weth-usdc") is None


@pytest.mark.parametrize("told", [refused(), {"result": None}, {"result": [7]}, {"result": [{}]}])
async def test_where_a_node_gives_no_logs_the_ticks_are_read_again_at_each_block(tmp_path: Path, told: Any) -> None:
    async with (
        desk() as at,
        provider(at.anvil.url, lambda asked: told if asked["method"] == "eth_getLogs" else None) as node,
        running(POOLS, at.config(node.url), tmp_path) as exporter,
    ):
        await exporter.until(lambda seen: up(seen) == ALL)
        middle, amounts = at.ticks() // 60 * 60, (10**19, 2 * 10**10) if at.weth_first else (2 * 10**10, 10**19)
        await at.market.chain.send(at.market.v3_mint(at.weth, at.usdc, FEE, (middle - 120, middle + 180), amounts))
        height = await at.anvil.height()
        seen = await exporter.until(lambda seen: seen("pool_block_number", pool="weth-usdc") == height)
        fresh = await page(at.config(), tmp_path)
        depth = {"pool": "weth-usdc", "side": "bid", "band": "0.0200"}
        assert seen("pool_depth_usd", **depth) == fresh("pool_depth_usd", **depth)


async def test_what_is_wrong_shows_no_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with desk() as at, provider(at.anvil.url, lambda _: refused()) as node:
        body = await once(POOLS, at.config(f"{node.url}/v2/c4n4ry-k3y-0123456789"), tmp_path)
        assert b"c4n4ry" not in body
        ours = [record for record in caplog.records if record.name != "aiohttp.access"]  # that is the provider's own
        assert ours
        assert "c4n4ry" not in "".join(record.getMessage() for record in ours)
        assert NOWHERE not in body.decode()
