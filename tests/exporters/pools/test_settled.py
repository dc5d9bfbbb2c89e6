"""What is asked once and kept for good is not settled by an answer that is none: on a real chain, behind a node that is too busy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.market import MULTICALL3
from exporters.pools.__main__ import POOLS
from exporters.pools.kinds.chainlink import AGGREGATOR, MAX_ANSWER, MIN_ANSWER
from exporters.pools.terms import DECIMALS
from tests.adapters.evm.provider import Question, provider, refused
from tests.exporters.pools.desk import Desk, desk
from tests.exporters.pools.test_bad_input import ALL, ELSEWHERE, up
from tests.exporters.pools.test_hostile import until_up
from tests.exporters.support import running

NEVER_BEGAN = "0x600160005260a06000f3"
"""latestRoundData of a round 1 that is all zeros."""


class Busy:
    """A node without Multicall3, which has one call too many of those to an address with this calldata, while it is busy."""

    def __init__(self, address: str, data: bytes) -> None:
        self._refused = {"to": address.lower(), "data": "0x" + data.hex()}
        self.busy = True

    def __call__(self, asked: Question) -> Any:
        if asked["method"] != "eth_call":
            return None
        call = {key: value.lower() for key, value in asked["params"][0].items()}
        if call["to"] == MULTICALL3.lower():
            return {"result": "0x"}
        return refused(-32005) if self.busy and call == self._refused else None


async def test_decimals_are_not_taken_as_configured_while_a_node_is_too_busy_to_tell_them(tmp_path: Path) -> None:
    async with desk() as at:
        busy, text = Busy(at.usdc.address, DECIMALS), at.config().replace("decimals: 6", "decimals: 8")
        async with (
            provider(at.anvil.url, busy) as node,
            running(POOLS, text.replace(at.anvil.url, node.url), tmp_path) as exporter,
        ):
            down = {"weth_usdc": 0.0, "weth_usdc_v2": 0.0, "lp_1": 0.0}
            seen = await until_up(exporter, **down)
            assert seen("occ_target_errors_total", pool="weth-usdc", reason="rate_limited", check="state") is not None
            assert seen("pool_price", pool="weth-usdc") is None
            busy.busy = False
            await exporter.until(
                lambda seen: bool(seen("occ_target_errors_total", pool="weth-usdc", reason="bad_response"))
            )
            assert up(exporter.page()) == ALL | {"weth-usdc": 0, "weth-usdc-v2": 0, "lp-1": 0}


def behind(at: Desk, data: bytes) -> str:
    """Who is asked this for the sake of eth-usd."""
    return (at.eth_usd.proxy if data == AGGREGATOR else at.eth_usd.aggregator).address


@pytest.mark.parametrize("data", [AGGREGATOR, MIN_ANSWER, MAX_ANSWER], ids=["aggregator", "minAnswer", "maxAnswer"])
async def test_a_feed_is_not_without_bounds_because_a_node_is_too_busy_to_tell_them(
    tmp_path: Path, data: bytes
) -> None:
    async with desk() as at:
        busy = Busy(behind(at, data), data)
        async with (
            provider(at.anvil.url, busy) as node,
            running(POOLS, at.config(node.url), tmp_path) as exporter,
        ):
            seen = await until_up(exporter, eth_usd=0.0)
            assert seen("oracle_price", feed="eth-usd") is None
            busy.busy = False
            seen = await until_up(exporter)
            assert seen("oracle_answer_at_bound", feed="eth-usd") == 0


async def test_an_uptime_feed_that_has_not_begun_does_not_say_that_the_sequencer_is_up(tmp_path: Path) -> None:
    async with desk() as at:
        await at.anvil.rpc("anvil_setCode", ELSEWHERE, NEVER_BEGAN)
        text = at.config().replace("heartbeat: 1h,", f'heartbeat: 1h, sequencer: "{ELSEWHERE}",')
        async with running(POOLS, text, tmp_path) as exporter:
            seen = await until_up(exporter, eth_usd=0.0)
            assert seen("oracle_sequencer_up", feed="eth-usd") is None
            assert seen("pool_tvl_usd", pool="weth-usdc") is None
