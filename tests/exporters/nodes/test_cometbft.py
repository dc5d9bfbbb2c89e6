"""What a CometBFT node's answers mean, right and wrong. No real one can be had: its wire is written by hand after the public
specification, see wire_cometbft.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporters.nodes.__main__ import NODES
from exporters.nodes.families import cometbft
from tests.exporters.nodes.junk import is_withstood
from tests.exporters.nodes.test_page import steady
from tests.exporters.nodes.wire_cometbft import (
    CHAIN_ID,
    HEAD,
    HEAD_AT,
    HEALTHY,
    OUT_OF_RANGE,
    UNKNOWN_METHOD,
    metas,
    node,
    status,
)
from tests.exporters.support import Seen, once, parsed, running
from tests.golden import compare
from tests.occ.servers import refusing

CONFIG = """
defaults: {{interval: {interval}, timeout: {interval}}}
chains:
  - name: cosmoshub
    family: cometbft
    chain_id: {chain}
    block_time: 6s
    nodes:
"""

PINNED = f"blockchain {HEAD}"


def config(interval: str = "5s", **urls: str) -> str:
    nodes = "".join(f'      - {{name: {name}, url: "{url}"}}\n' for name, url in urls.items())
    return CONFIG.format(chain=CHAIN_ID, interval=interval) + nodes


async def read(folder: Path, results: Mapping[str, Any] | None = None) -> Seen:
    """The page after a node that is odd in this way, and two healthy ones, were looked at."""
    async with node(results) as odd, node() as fine, node() as other:
        return parsed(await once(NODES, config(odd=odd, fine=fine, other=other), folder))


def at(number: int) -> Callable[[Seen], bool]:
    """Whether the head of the node `own` is there."""
    return lambda page: page("rpc_block_number", node="own", tag="latest") == number


async def test_a_healthy_node(tmp_path: Path) -> None:
    page = await read(tmp_path)
    assert page("occ_target_up", node="odd", check="cometbft", target="cosmoshub/odd") == 1
    assert page("rpc_block_number", node="odd", tag="latest") == HEAD
    assert page("rpc_block_timestamp_seconds", node="odd", tag="latest") == pytest.approx(HEAD_AT, abs=1e-5)
    assert page("rpc_chain_id_matches", node="odd") == 1
    assert page("rpc_genesis_hash_matches", node="odd") is None
    assert page("rpc_syncing", node="odd") == 0
    assert page("rpc_peers", node="odd") == 17
    assert page("rpc_txpool_transactions", node="odd", status="pending") == 82
    assert page("rpc_txpool_transactions", node="odd", status="queued") is None
    assert page("rpc_client_info", node="odd", version="cometbft/0.38.12", provider="odd") == 1
    assert page("rpc_block_hash_mismatch", node="odd") == 0
    assert page("chain_fork_groups", chain="cosmoshub") == 1
    assert page("chain_nodes_healthy", chain="cosmoshub") == 3
    assert page("chain_head_block_number", chain="cosmoshub") == HEAD


async def test_the_head_is_final(tmp_path: Path) -> None:
    page = await read(tmp_path)
    assert page("rpc_block_number", node="odd", tag="finalized") == HEAD
    assert page("rpc_finality_lag_blocks", node="odd") == 0
    assert page("rpc_block_number", node="odd", tag="safe") is None


async def test_a_node_of_another_chain(tmp_path: Path) -> None:
    other = status(HEAD + 100, "B")
    other["node_info"]["network"] = "cosmoshub-3"
    page = await read(tmp_path, {"status": other})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_chain_id_matches", node="odd") == 0
    assert page("chain_head_block_number", chain="cosmoshub") == HEAD
    assert page("chain_nodes_healthy", chain="cosmoshub") == 2


async def test_a_node_that_is_catching_up_is_not_healthy(tmp_path: Path) -> None:
    page = await read(tmp_path, {"status": status(catching_up=True)})
    assert page("rpc_syncing", node="odd") == 1
    assert page("chain_nodes_healthy", chain="cosmoshub") == 2


async def test_what_a_node_refuses_to_tell_is_absent_and_the_node_is_up(tmp_path: Path) -> None:
    page = await read(tmp_path, {"net_info": UNKNOWN_METHOD, "num_unconfirmed_txs": OUT_OF_RANGE})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_peers", node="odd") is None
    assert page("rpc_txpool_transactions", node="odd", status="pending") is None


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("2021-03-25T14:00:43Z", 1_616_680_843.0),
        ("2021-03-25T14:00:43.5Z", 1_616_680_843.5),
        ("2021-03-25T14:00:43.356134226Z", 1_616_680_843.356134),
        ("2021-03-25T16:00:43.25+02:00", 1_616_680_843.25),
    ],
)
async def test_times_are_of_any_precision(tmp_path: Path, time: str, seconds: float) -> None:
    page = await read(tmp_path, {"status": status(latest_block_time=time)})
    assert page("rpc_block_timestamp_seconds", node="odd", tag="latest") == pytest.approx(seconds, abs=1e-5)


# --- forks -------------------------------------------------------------------------------------------------------------


async def test_a_node_with_another_block_at_the_pinned_height_is_on_another_fork(tmp_path: Path) -> None:
    page = await read(tmp_path, {"status": status(branch="B"), PINNED: metas(HEAD, "B")})
    assert page("chain_fork_groups", chain="cosmoshub") == 2
    assert page("rpc_block_hash_mismatch", node="odd") == 1
    assert page("rpc_block_hash_mismatch", node="fine") == 0
    assert page("chain_nodes_healthy", chain="cosmoshub") == 2


async def test_a_hash_is_the_same_in_small_letters(tmp_path: Path) -> None:
    told = metas(HEAD)
    told["block_metas"][0]["block_id"]["hash"] = told["block_metas"][0]["block_id"]["hash"].lower()
    page = await read(tmp_path, {PINNED: told})
    assert page("rpc_block_hash_mismatch", node="odd") == 0


@pytest.mark.parametrize("told", [OUT_OF_RANGE, {"block_metas": []}, {"block_metas": [None]}])
async def test_a_node_that_lacks_the_pinned_block_has_none_to_compare(tmp_path: Path, told: Any) -> None:
    page = await read(tmp_path, {PINNED: told})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_block_hash_mismatch", node="odd") is None
    assert page("chain_fork_groups", chain="cosmoshub") == 1


async def test_blocks_that_were_told_before_and_are_others_now_are_a_reorg(tmp_path: Path) -> None:
    state = dict[str, Any]()

    def turn(height: int, branch: str = "A") -> None:
        state.update({"status": status(height, branch), f"blockchain {height}": metas(height, branch)})

    async with node(state) as own, running(NODES, config("500ms", own=own), tmp_path) as exporter:
        for height in range(HEAD, HEAD + 3):
            turn(height)
            await exporter.until(at(height))
        assert exporter.page()("rpc_reorgs_total", node="own") == 0
        for height in (HEAD + 1, HEAD + 2, HEAD + 3):
            state[f"blockchain {height}"] = metas(height, "B")
        turn(HEAD + 3, "B")
        page = await exporter.until(at(HEAD + 3))
    assert page("rpc_reorgs_total", node="own") == 1
    assert page("rpc_reorg_depth_blocks_sum", chain="cosmoshub") == 2


async def test_a_chain_that_was_rolled_back_is_a_regression(tmp_path: Path) -> None:
    state = dict[str, Any]()
    async with node(state) as own, running(NODES, config("500ms", own=own), tmp_path) as exporter:
        await exporter.until(at(HEAD))
        state["status"] = status(HEAD - 1)
        page = await exporter.until(at(HEAD - 1))
    assert page("rpc_head_regressions_total", node="own") == 1


# --- what is wrong -----------------------------------------------------------------------------------------------------


def info(**values: Any) -> dict[str, Any]:
    told = status()
    return {"status": {**told, "node_info": {**told["node_info"], **values}}}


def sync(**values: Any) -> dict[str, Any]:
    return {"status": status(**values)}


BAD: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": None}),
    ("status: node_info", {"status": {**status(), "node_info": []}}),
    ("status: sync_info", {"status": {**status(), "sync_info": None}}),
    ("status: network", info(network=None)),
    ("status: network", info(network="x" * 1000)),
    ("status: version", info(version=38)),
    ("status: latest_block_height", sync(latest_block_height=HEAD)),
    ("status: latest_block_height", sync(latest_block_height="-1")),
    ("status: latest_block_height", sync(latest_block_height="1e6")),
    ("status: latest_block_height", sync(latest_block_height="9" * 24)),
    ("status: latest_block_height", sync(latest_block_height="9" * 100_000)),
    ("status: latest_block_hash", sync(latest_block_hash="")),
    ("status: latest_block_hash", sync(latest_block_hash=None)),
    ("status: latest_block_time", sync(latest_block_time=None)),
    ("status: latest_block_time", sync(latest_block_time="yesterday")),
    ("status: latest_block_time", sync(latest_block_time="2021-03-25T14:00:43.356134226")),
    ("status: latest_block_time", sync(latest_block_time="2021-02-30T00:00:00Z")),
    ("status: latest_block_time", sync(latest_block_time="0001-01-01T00:00:00Z")),
    ("status: catching_up", sync(catching_up="false")),
    ("status: catching_up", sync(catching_up=None)),
    ("net_info: n_peers", {"net_info": {"n_peers": 17}}),
    ("num_unconfirmed_txs: total", {"num_unconfirmed_txs": {"n_txs": "1"}}),
]


@pytest.mark.parametrize(("named", "results"), BAD, ids=[f"{index}-{named}" for index, (named, _) in enumerate(BAD)])
async def test_garbage_is_a_bad_response_that_names_it_and_the_others_are_undisturbed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, named: str, results: dict[str, Any]
) -> None:
    page = await read(tmp_path, results)
    assert page("occ_target_up", node="odd") == 0
    assert page("occ_target_errors_total", node="odd", reason="bad_response") == 1
    assert f"cosmoshub/odd (cometbft): down: bad_response: {named}: " in caplog.text
    assert page("rpc_block_number", node="odd") is None
    assert page("chain_head_block_number", chain="cosmoshub") == HEAD


async def test_null_for_what_is_optional_is_not_told_and_the_node_is_up(tmp_path: Path) -> None:
    page = await read(tmp_path, {"net_info": None, PINNED: None})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_peers", node="odd") is None
    assert page("rpc_block_hash_mismatch", node="odd") is None


def pinned(**values: Any) -> dict[str, Any]:
    told = metas(HEAD)
    return {"block_metas": [{**told["block_metas"][0], **values}]}


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {"block_metas": [1]},
        {"block_metas": metas(HEAD)["block_metas"] * 2},
        metas(HEAD - 1),
        pinned(header=None),
        pinned(header={"height": HEAD}),
        pinned(block_id={"hash": ""}),
        pinned(block_id=[]),
    ],
)
async def test_garbage_at_the_pinned_height_is_a_bad_response(tmp_path: Path, wrong: Any) -> None:
    page = await read(tmp_path, {PINNED: wrong})
    assert page("occ_target_errors_total", node="odd", reason="bad_response") == 1
    assert page("rpc_block_hash_mismatch", node="fine") == 0


@pytest.mark.parametrize("sent", ["", "main", 'main"}\n# evil 0.38'])
async def test_a_version_of_no_usual_form_is_other(tmp_path: Path, sent: str) -> None:
    page = await read(tmp_path, info(version=sent))
    assert page("rpc_client_info", node="odd", version="other") == 1


async def test_nothing_that_stands_in_any_place_of_an_answer_is_more_than_a_bad_response(tmp_path: Path) -> None:
    sent = dict[str, Any]()
    async with node(sent) as own:
        answers = {**HEALTHY, PINNED: metas(HEAD)}
        assert await is_withstood(tmp_path, config(own=own), cometbft, answers, sent, pin=HEAD) > 300


async def test_a_node_that_is_down(tmp_path: Path) -> None:
    with refusing() as port:
        async with node() as fine:
            text = config(gone=f"http://127.0.0.1:{port}", fine=fine)
            page = parsed(await once(NODES, text, tmp_path, clock=lambda: HEAD_AT + 1))
    assert page("occ_target_errors_total", node="gone", reason="connect") == 1
    assert page("rpc_block_number", node="gone") is None
    assert page("chain_nodes_healthy", chain="cosmoshub") == 1
    assert page("chain_nodes", chain="cosmoshub") == 2


async def test_the_page(tmp_path: Path) -> None:
    late = status(HEAD - 20, latest_block_time="2021-03-25T13:58:43Z", catching_up=True)
    with refusing() as port:
        async with node() as up, node({"status": late, PINNED: OUT_OF_RANGE}) as behind:
            text = config(up=up, behind=behind, gone=f"http://127.0.0.1:{port}")
            body = await once(NODES, text, tmp_path, clock=lambda: HEAD_AT + 1.5)
    compare("nodes-cometbft.prom", steady(body.decode()))
