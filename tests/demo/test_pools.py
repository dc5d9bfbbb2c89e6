"""The demo's pools: the exporter reads all of them, and they are traded without running away."""

from __future__ import annotations

from pathlib import Path

from demo.chain import Anvil
from demo.pools import TOKENS, Desk
from exporters.pools.__main__ import POOLS
from tests.exporters.support import once, parsed


async def test_a_dozen_pools_feeds_and_a_position_are_read_and_traded(tmp_path: Path) -> None:
    async with Anvil() as anvil:
        desk = await Desk.opened(anvil)
        desk.write(tmp_path / "written.yml", anvil.url, tmp_path / "pools.db")
        for _ in range(5):
            await desk.trade()
            await desk.answer()
        await anvil.mine(3)
        seen = parsed(await once(POOLS, (tmp_path / "written.yml").read_text(), tmp_path))
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
        assert seen("lp_position_in_range", position="lp-1") == 1
