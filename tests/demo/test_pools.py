"""The demo's pools: the exporter reads all of them, they are traded without running away, and what goes wrong is mended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo import mishaps
from demo.chain import Anvil
from demo.pools import TOKENS, Desk
from exporters.pools.__main__ import POOLS
from tests.exporters.support import Seen, once, parsed


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Desk]:
    async with Anvil() as anvil:
        desk = await Desk.opened(anvil)
        desk.write(folder / "written.yml", anvil.url, folder / "pools.db")
        yield desk


async def page(folder: Path) -> Seen:
    return parsed(await once(POOLS, (folder / "written.yml").read_text(), folder))


async def test_a_dozen_pools_feeds_and_positions_are_read_and_traded(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        for _ in range(5):
            await desk.trade()
            await desk.answer()
        await desk.market.chain.anvil.mine(3)
        seen = await page(tmp_path)
        up = {
            dict(labels)["target"]: value for (name, labels), value in seen.samples.items() if name == "occ_target_up"
        }
        assert set(up.values()) == {1.0}
        assert len([target for target in up if target.count("/") == 1]) == 12
        names = [each.name for each in desk.traded]
        for pool in [*names, *(f"{name}-v2" for name in names)]:
            assert seen("pool_swaps_total", pool=pool) == 5
            assert abs(seen("pool_reference_deviation_ratio", pool=pool) or 1) < 0.005
            assert (seen("pool_tvl_usd", pool=pool) or 0) > 5_000_000
        for symbol, (_, dollars) in TOKENS.items():
            assert seen("oracle_price", feed=f"{symbol}-usd".lower()) == dollars
        for position in ("lp-1", "lp-2"):
            assert seen("lp_position_in_range", position=position) == 1
            assert seen("lp_position_impermanent_loss_ratio", position=position) == pytest.approx(0, abs=1e-4)


def deviation(seen: Seen) -> float:
    return seen("pool_reference_deviation_ratio", pool="wbtc-usdc") or 0


SHOWS: dict[str, Callable[[Seen], bool]] = {
    mishaps.SILENT: lambda seen: seen("oracle_round_id", feed="weth-usd") != seen("oracle_round_id", feed="wbtc-usd"),
    mishaps.DEPEGGED: lambda seen: seen("oracle_price", feed="usdc-usd") == 0.985,
    mishaps.BOUND: lambda seen: seen("oracle_answer_at_bound", feed="wbtc-usd") == 1,
    mishaps.MANIPULATION: lambda seen: 0.09 < deviation(seen) < 0.11,
    mishaps.DRAIN: lambda seen: (seen("pool_tvl_usd", pool="wbtc-dai-v2") or 0) < 2_100_000,
    mishaps.RANGE: lambda seen: seen("lp_position_in_range", position="lp-2") == 0,
    mishaps.SEQUENCER: lambda seen: seen("oracle_sequencer_up", feed="usdc-usd") == 0,
}
"""What is seen of each while it lasts, and not before."""


def test_all_that_may_go_wrong_is_looked_at() -> None:
    assert SHOWS.keys() == mishaps.MISHAPS.keys()


@pytest.mark.parametrize("name", SHOWS)
async def test_what_goes_wrong_shows_and_is_mended(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path) as desk:

        async def goes_on() -> Seen:
            for _ in range(2):
                await desk.upset()
                await desk.trade()
                await desk.answer()
            return await page(tmp_path)

        before = await goes_on()
        assert not SHOWS[name](before)
        desk.fault = name
        during = await goes_on()
        assert SHOWS[name](during)
        desk.fault = ""
        after = await goes_on()
        assert mended(before, after)


def mended(before: Seen, after: Seen) -> bool:
    """Every price, reserve, oracle and position is about where it was."""
    names = {"pool_price", "pool_reserve", "oracle_price", "lp_position_in_range", "oracle_sequencer_up"}
    return all(
        after.samples[key] == pytest.approx(value, rel=0.01) for key, value in before.samples.items() if key[0] in names
    )
