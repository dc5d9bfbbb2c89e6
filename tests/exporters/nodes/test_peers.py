"""The nodes exporter on a real pair of EVM nodes that peer: EthereumJS clients, over devp2p."""

from __future__ import annotations

from pathlib import Path

from demo.ethereumjs import CHAIN_ID, MINED_EVERY, peers
from exporters.nodes.__main__ import NODES
from tests.exporters.support import Seen, running

CONFIG = """
scrape_interval: 1s
defaults: {{interval: 500ms, timeout: 500ms, stale_after: 10s}}
chains:
  - name: local
    family: evm
    chain_id: {chain_id}
    block_time: {block_time}s
    nodes:
      - {{name: ahead, url: "{ahead}"}}
      - {{name: behind, url: "{behind}"}}
"""


def both_have_a_peer(page: Seen) -> bool:
    return page("rpc_peers", node="ahead") == page("rpc_peers", node="behind") == 1


async def test_of_two_nodes_that_peer_the_one_that_lags_says_that_it_syncs(tmp_path: Path) -> None:
    async with peers() as pair:
        text = CONFIG.format(chain_id=CHAIN_ID, block_time=MINED_EVERY, ahead=pair.ahead, behind=pair.behind)
        async with running(NODES, text, tmp_path) as exporter:
            page = await exporter.until(lambda page: both_have_a_peer(page) and page("rpc_syncing", node="behind") == 1)
            assert page("rpc_syncing", node="ahead") == 0
            assert page("rpc_chain_id_matches", node="behind") == 1
            version = {dict(key[1])["version"] for key in page.samples if key[0] == "rpc_client_info"}
            assert version == {"EthereumJS/0.10.5"}

            page = await exporter.until(lambda page: (page("rpc_block_lag_blocks", node="behind") or 0) >= 3)
            assert page("rpc_block_number", node="behind", tag="latest") == 0
            assert page("rpc_block_lag_blocks", node="ahead") == 0
            await exporter.until(lambda page: page("chain_nodes_healthy", chain="local") == 1)

            # What this client has no method for is absent, and nothing else is the worse for it.
            missing = {"rpc_priority_fee_wei", "rpc_txpool_transactions"}
            assert missing & exporter.page().names() == set()
            assert exporter.page()("rpc_base_fee_wei", node="ahead") is not None
