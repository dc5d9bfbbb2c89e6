"""The whole page of the nodes exporter, to the byte but for what is measured. The wire is faked: see wire.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from exporters.nodes.__main__ import FAMILIES, NODES
from exporters.nodes.columns import WS_RECONNECTS
from occ.metrics import KERNEL_FAMILIES, Kind
from tests.exporters.nodes.wire import BLOCK_AT, GENESIS, HEALTHY, HEIGHT, node
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
      - {{name: alchemy, provider: alchemy, url: "{up}/v2/k3y-that-must-not-show", expect: [archive, logs]}}
      - {{name: own-geth, url: "{lagging}", ws_url: "ws://127.0.0.1:1"}}
      - {{name: gone, url: "http://127.0.0.1:1"}}
"""


async def test_the_page(tmp_path: Path) -> None:
    late = {
        "number": hex(HEIGHT - 2),
        "timestamp": hex(BLOCK_AT - 24),
        "hash": "0x" + "aa" * 32,
        "baseFeePerGas": "0x7",
    }
    seen: dict[str, Any] = {}

    def grow(replies: Any) -> Any:
        """Once it has told its head, it has a block more: a first head may be old, the delay is that of the second."""
        if len(replies) > 10:
            seen["latest"] = {**HEALTHY["latest"], "number": hex(HEIGHT + 1), "timestamp": hex(BLOCK_AT + 1)}
            seen[hex(HEIGHT)] = HEALTHY["latest"]
        return replies

    async with node(seen, grow) as up, node({"latest": late}) as lagging:
        text = CONFIG.format(genesis=GENESIS, up=up, lagging=lagging)
        body = await once(NODES, text, tmp_path, clock=lambda: BLOCK_AT + 1.5)
    compare("nodes.prom", steady(body.decode()))


def steady(page: str) -> str:
    """Without what differs from run to run: the process itself, and measured times."""
    lines = [line for line in page.splitlines() if not re.match(r"(# (HELP|TYPE) )?(process|python)_", line)]
    measured = re.compile(
        r"^((?:occ_poll_duration|occ_http_request_duration|occ_event_loop_lag|rpc_request(?:_last)?_duration|rpc_head_arrival(?:_last)?_delay)_seconds(?:_bucket|_sum)?{.*}) .*$"
    )
    text = "\n".join(measured.sub(r"\1 MEASURED", line) for line in lines) + "\n"
    connections = r'^(occ_http_request_duration_seconds_(?:count|bucket){.*phase="connect".*}) .*$'
    text = re.sub(connections, r"\1 MEASURED", text, flags=re.MULTILINE)  # as many as it needs at once
    text = re.sub(r'hash="[0-9a-f]{12}"', 'hash="CONFIG"', text)
    text = re.sub(r"^(occ_config_last_reload_success_timestamp_seconds{.*}) .*$", r"\1 NOW", text, flags=re.MULTILINE)
    return sorted_methods(re.sub(r'python="[^"]*"', 'python="PYTHON"', text))


def sorted_methods(page: str) -> str:
    """With the series of requests in one order: they come in that in which the first of each was answered."""
    lines = page.splitlines(keepends=True)
    places = [place for place, line in enumerate(lines) if line.startswith("rpc_request_duration_seconds")]
    for place, line in zip(places, sorted(lines[place] for place in places), strict=True):
        lines[place] = line
    return "".join(lines)


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
            nodes = 1 if family is WS_RECONNECTS else 3  # of one alone the heads are announced
            assert len(re.findall(rf"^{family.name}{{", page, re.MULTILINE)) >= nodes, family.name
