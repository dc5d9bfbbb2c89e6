"""The whole page of the pools exporter on a real chain, to the byte but for times."""

from __future__ import annotations

import re
from pathlib import Path

from exporters.pools.__main__ import ALL_FAMILIES, POOLS
from occ.metrics import KERNEL_FAMILIES
from tests.exporters.pools.desk import FEE, desk
from tests.exporters.support import once
from tests.golden import compare

GOLDEN = Path(__file__).parents[2] / "golden" / "pools.prom"


async def test_the_page(tmp_path: Path) -> None:
    async with desk() as at:
        swap = at.market.v3_swap(10**18, at.weth, at.usdc, FEE)
        await at.market.chain.send(swap, at.market.v2_swap(10**18, at.weth, at.usdc))
        (uptime,) = await at.market.feeds((0, 0, 0, 1))
        await at.anvil.rpc("evm_increaseTime", 1801)  # the mean price is over the last half hour
        await at.anvil.mine()
        text = at.config().replace("heartbeat: 1h,", f'heartbeat: 1h, sequencer: "{uptime.proxy.address}",')
        text = text.replace("    rpc:", '    labels: {team: defi, tier: "1"}\n    rpc:')
        await at.anvil.mine(2)
        text = text.replace("    rpc:", "    confirmations: 2\n    start_block: 0\n    rpc:")
        body = await once(POOLS, text, tmp_path, clock=lambda: 1_700_000_000.0)
    compare("pools.prom", steady(body.decode()))


def steady(page: str) -> str:
    """Without what differs from run to run: the process itself, measured times, and the chain's clock."""
    lines = [line for line in page.splitlines() if not re.match(r"(# (HELP|TYPE) )?(process|python)_", line)]
    measured = re.compile(
        r"^((?:occ_poll_duration|occ_http_request_duration|occ_event_loop_lag)_seconds(?:_bucket|_sum|_count)?{.*}"
        r"|(?:pool_block|oracle_updated|pool_last_swap|occ_config_last_reload_success)_timestamp_seconds{.*}) .*$"
    )
    text = "\n".join(measured.sub(r"\1 MEASURED", line) for line in lines) + "\n"
    text = re.sub(r'hash="[0-9a-f]{12}"', 'hash="CONFIG"', text)
    return re.sub(r'python="[^"]*"', 'python="PYTHON"', text)


def test_every_declared_family_is_on_the_golden_page() -> None:
    declared = {family.name for family in (*KERNEL_FAMILIES, *ALL_FAMILIES)}
    shown = set(re.findall(r"^# TYPE (\S+)", GOLDEN.read_text(), re.MULTILINE))
    assert {family.name for family in (*KERNEL_FAMILIES, *ALL_FAMILIES) if not family.quiet} - shown == set()
    assert shown - declared == set()
