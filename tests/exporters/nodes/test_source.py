"""What is told of the requests to nodes. The wire is faked: see wire.py."""

from __future__ import annotations

from pathlib import Path

from exporters.nodes.__main__ import FAMILIES, NODES
from exporters.nodes.config import NodesConfig
from exporters.nodes.source import Source, targets
from occ import config, http
from occ.jsonrpc import Call
from occ.process import new_page
from tests.exporters.nodes.wire import HEALTHY, node


def loaded(folder: Path, url: str) -> NodesConfig:
    path = folder / "nodes.yml"
    path.write_text(
        "chains:\n  - name: ethereum\n    family: evm\n    chain_id: 1\n    block_time: 12s\n"
        f'    nodes: [{{name: odd, url: "{url}"}}]\n'
    )
    found: NodesConfig = config.load(path, NODES.model).config
    return found


async def test_a_duration_is_told_once_and_not_again_when_a_method_is_no_longer_asked_for(tmp_path: Path) -> None:
    async with node({**HEALTHY, "odd_method": 1}) as url:
        (chain,) = loaded(tmp_path, url).chains
        (target,) = targets(chain)
        page = new_page("nodes", "", FAMILIES)
        async with http.session("nodes", page) as session:
            source = Source(chain, session, page)
            await source.batch(target, [Call("eth_chainId"), Call("eth_syncing")])
            assert source.request_seconds(target).keys() == {"batch"}
            await source.batch(target, [Call("eth_syncing")])
            assert source.request_seconds(target).keys() == {"eth_syncing"}
            assert source.request_seconds(target) == {}
