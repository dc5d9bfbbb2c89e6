"""The whole page of the nodes exporter, to the byte but for what is measured. The wire is faked: see wire.py."""

from __future__ import annotations

import re
from pathlib import Path

from exporters.nodes.__main__ import FAMILIES, NODES
from occ.metrics import KERNEL_FAMILIES, Kind
from tests.exporters.nodes.wire import BLOCK_AT, GENESIS, node
from tests.exporters.support import once
from tests.golden import compare

CONFIG = """
egress: [{{name: canary-a, url: "{up}"}}, {{name: canary-b, url: "http://127.0.0.1:1"}}]
chains:
  - name: ethereum
    family: evm
    chain_id: 1
    genesis_hash: "{genesis}"
    block_time: 12s
    labels: {{team: infra, tier: "1"}}
    nodes:
      - {{name: alchemy, provider: alchemy, url: "{up}/v2/k3y-that-must-not-show"}}
      - {{name: own-geth, url: "{lagging}"}}
      - {{name: gone, url: "http://127.0.0.1:1"}}
"""


async def test_the_page(tmp_path: Path) -> None:
    late = {"number": "0x1406f3e", "timestamp": hex(BLOCK_AT - 24), "hash": "0x" + "aa" * 32, "baseFeePerGas": "0x7"}
    async with node() as up, node({"latest": late}) as lagging:
        text = CONFIG.format(genesis=GENESIS, up=up, lagging=lagging)
        body = await once(NODES, text, tmp_path, clock=lambda: BLOCK_AT + 1.5)
    compare("nodes.prom", steady(body.decode()))


def steady(page: str) -> str:
    """Without what differs from run to run: the process itself, and measured times."""
    lines = [line for line in page.splitlines() if not re.match(r"(# (HELP|TYPE) )?(process|python)_", line)]
    measured = re.compile(
        r"^((?:occ_poll_duration|occ_http_request_duration|occ_event_loop_lag|rpc_request(?:_last)?_duration)_seconds(?:_bucket|_sum)?{.*}) .*$"
    )
    text = "\n".join(measured.sub(r"\1 MEASURED", line) for line in lines) + "\n"
    text = re.sub(r'hash="[0-9a-f]{12}"', 'hash="CONFIG"', text)
    text = re.sub(r"^(occ_config_last_reload_success_timestamp_seconds{.*}) .*$", r"\1 NOW", text, flags=re.MULTILINE)
    return re.sub(r'python="[^"]*"', 'python="PYTHON"', text)


def test_every_declared_family_is_on_the_golden_page() -> None:
    page = (Path(__file__).parents[2] / "golden" / "nodes.prom").read_text()
    declared = {family.name for family in (*KERNEL_FAMILIES, *FAMILIES) if not family.quiet}
    shown = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))
    assert declared - shown == set()
    assert shown - {family.name for family in (*KERNEL_FAMILIES, *FAMILIES)} == set()


def test_every_counter_that_can_be_foreseen_is_there_for_every_node() -> None:
    page = (Path(__file__).parents[2] / "golden" / "nodes.prom").read_text()
    for family in FAMILIES:
        if family.kind is Kind.COUNTER:
            assert len(re.findall(rf"^{family.name}{{", page, re.MULTILINE)) >= 3, family.name
