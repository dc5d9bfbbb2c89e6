"""What is told of the requests to nodes. The wire is faked: see wire.py."""

from __future__ import annotations

from pathlib import Path

from exporters.nodes.__main__ import FAMILIES, NODES
from exporters.nodes.columns import REQUEST_DURATION
from exporters.nodes.config import NodesConfig
from exporters.nodes.source import Source, targets
from occ import config, http
from occ.jsonrpc import Call
from occ.process import new_page
from tests.exporters.nodes.wire import HEALTHY, node
from tests.exporters.support import parsed


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
            source = Source(chain, session, page, page.histogram(REQUEST_DURATION))
            await source.batch(target, [Call("eth_chainId"), Call("eth_syncing")])
            assert source.request_seconds(target).keys() == {"batch"}
            await source.batch(target, [Call("eth_syncing")])
            assert source.request_seconds(target).keys() == {"eth_syncing"}
            assert source.request_seconds(target) == {}


async def test_a_method_that_has_no_label_of_its_own_is_other(tmp_path: Path) -> None:
    async with node({"odd_method": 1}) as url:
        (chain,) = loaded(tmp_path, url).chains
        (target,) = targets(chain)
        page = new_page("nodes", "", FAMILIES)
        async with http.session("nodes", page) as session:
            source = Source(chain, session, page, page.histogram(REQUEST_DURATION))
            assert await source.batch(target, [Call("odd_method")]) == [1]
            assert source.request_seconds(target).keys() == {"other"}
        seen = parsed(page.render())
    assert seen("rpc_request_duration_seconds_count", chain="ethereum", method="other") == 1
    assert seen("rpc_request_duration_seconds_count", chain="ethereum", method="odd_method") is None
