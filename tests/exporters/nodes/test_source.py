"""What is told of the requests to nodes, and what is remembered of them. The wire is faked: see wire.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from exporters.nodes.__main__ import FAMILIES, NODES
from exporters.nodes.config import NodesConfig
from exporters.nodes.families import evm
from exporters.nodes.reading import Reading
from exporters.nodes.source import Source, targets
from occ import config, http
from occ.errors import SourceError
from occ.job import Target
from occ.jsonrpc import Call
from occ.page import Page
from occ.process import new_page
from tests.exporters.nodes.wire import GENESIS, HEALTHY, UNKNOWN_METHOD, answer, node
from tests.exporters.support import once, parsed
from tests.occ.servers import listening


def loaded(folder: Path, url: str) -> NodesConfig:
    path = folder / "nodes.yml"
    path.write_text(
        "chains:\n  - name: ethereum\n    family: evm\n    chain_id: 1\n    block_time: 12s\n"
        f'    nodes: [{{name: odd, url: "{url}"}}]\n'
    )
    found: NodesConfig = config.load(path, NODES.model).config
    return found


@asynccontextmanager
async def opened(folder: Path, url: str) -> AsyncIterator[tuple[Source, Target, Page]]:
    """A chain's source, its one node, and the page on which is counted."""
    (chain,) = loaded(folder, url).chains
    page = new_page("nodes", "", FAMILIES)
    async with http.session("nodes", page) as session:
        yield Source(chain, session, page), targets(chain)[0], page


async def test_a_duration_is_told_once_and_not_again_when_a_method_is_no_longer_asked_for(tmp_path: Path) -> None:
    async with node() as url, opened(tmp_path, url) as (source, target, _):
        await source.batch(target, [Call("eth_chainId"), Call("eth_syncing")])
        assert source.request_seconds(target).keys() == {"batch"}
        await source.batch(target, [Call("eth_syncing")])
        assert source.request_seconds(target).keys() == {"eth_syncing"}
        assert source.request_seconds(target) == {}


async def test_what_a_node_does_not_know_is_asked_again_by_another_question_of_the_same_method(tmp_path: Path) -> None:
    asked: list[str] = []

    def told(question: Mapping[str, Any]) -> Any:
        (tag,) = question["params"]
        asked.append(tag)
        return UNKNOWN_METHOD if tag == "safe" else tag

    async with node({"odd_block": told}) as url, opened(tmp_path, url) as (source, target, _):
        tags = {tag: Call("odd_block", (tag,)) for tag in ("safe", "finalized")}
        for _ in range(2):
            answers = await source.ask(target, {"chain id": Call("eth_chainId")}, tags)
            assert isinstance(answers["safe"], SourceError)
            assert answers["finalized"] == "finalized"
    assert asked == ["safe", "finalized", "finalized"]


@pytest.mark.parametrize(("genesis", "reorgs"), [(GENESIS, 1), ("0x" + "ee" * 32, 0)])
async def test_what_is_gone_from_a_chain_that_is_not_the_configured_one_is_no_reorg(
    tmp_path: Path, genesis: str, reorgs: int
) -> None:
    results = {"0x0": {**HEALTHY["0x0"], "hash": genesis}}
    options = evm.Options(chain_id=1, genesis_hash=GENESIS)
    async with node(results) as url, opened(tmp_path, url) as (source, target, page):
        for fork in ("aa", "bb"):
            results["latest"] = {**HEALTHY["latest"], "hash": "0x" + fork * 32}
            (reading,) = (await evm.read(source, (target,), options)).values()
            assert isinstance(reading, Reading)
        page.refresh()
        assert (parsed(page.render())("rpc_reorgs_total", node="odd") or 0) == reorgs


NODES_OF_ONE_HOST = 2 * http.PER_HOST

EACH_ITS_CHAIN = """
  - name: c{number}
    family: evm
    chain_id: 1
    block_time: 12s
    nodes: [{{name: hosted, url: "http://127.0.0.1:{port}/key{number}"}}]
"""


async def test_all_nodes_of_one_host_are_asked_at_the_same_time(tmp_path: Path) -> None:
    asked, all_asked = set[str](), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        """Answers nobody before all have asked."""
        questions = await request.json()
        asked.add(request.path)
        if len(asked) == NODES_OF_ONE_HOST:
            all_asked.set()
        await all_asked.wait()
        if isinstance(questions, list):
            return web.json_response([answer(question, HEALTHY) for question in questions])
        return web.json_response(answer(questions, HEALTHY))

    async with listening(slow) as port:
        chains = (EACH_ITS_CHAIN.format(number=number, port=port) for number in range(NODES_OF_ONE_HOST))
        text = "defaults: {interval: 20s, timeout: 20s}\nchains:" + "".join(chains)
        page = parsed(await once(NODES, text, tmp_path))
    ups = [page("occ_target_up", check="evm", chain=f"c{number}") for number in range(NODES_OF_ONE_HOST)]
    assert ups == [1] * NODES_OF_ONE_HOST
