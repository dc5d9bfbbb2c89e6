"""What a Bitcoin node's answers mean, right and wrong. The wire is faked: see wire_bitcoin.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from exporters.nodes.__main__ import NODES
from tests.exporters.nodes.test_page import steady
from tests.exporters.nodes.wire_bitcoin import (
    CHAIN,
    GENESIS,
    HEAD,
    HEAD_AT,
    HEALTHY,
    NETWORK,
    NOT_FOUND,
    PASSWORD,
    POOL,
    QUOTED,
    UNKNOWN_METHOD,
    USER,
    WARMING_UP,
    hash_of,
    header,
    node,
)
from tests.exporters.support import Seen, once, parsed, running
from tests.golden import compare

CONFIG = """
scrape_interval: 1s
defaults: {{interval: {interval}, timeout: {interval}}}
chains:
  - name: bitcoin
    family: bitcoin
    chain_id: main
    genesis_hash: "{genesis}"
    block_time: 10m
    nodes:
"""

BEST = f"getblockheader {hash_of(HEAD)}"


def config(interval: str = "5s", **urls: str) -> str:
    nodes = "".join(f'      - {{name: {name}, url: "{url}"}}\n' for name, url in urls.items())
    return CONFIG.format(genesis=GENESIS.upper(), interval=interval) + nodes


async def read(folder: Path, results: Mapping[str, Any] | None = None, *, batches: bool = True) -> Seen:
    """The page after a node that is odd in this way, and two healthy ones, were looked at."""
    async with node(results, batches=batches) as odd, node() as fine, node() as other:
        return parsed(await once(NODES, config(odd=odd, fine=fine, other=other), folder))


def info(**changes: Any) -> dict[str, Any]:
    return {"getblockchaininfo": {**CHAIN, **changes}}


def without(told: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key not in keys}


async def test_a_healthy_node(tmp_path: Path) -> None:
    page = await read(tmp_path)
    assert page("occ_target_up", node="odd", check="bitcoin", target="bitcoin/odd") == 1
    assert page("rpc_block_number", node="odd", tag="latest") == HEAD
    assert page("rpc_block_timestamp_seconds", node="odd", tag="latest") == HEAD_AT
    assert page("rpc_chain_id_matches", node="odd") == 1
    assert page("rpc_genesis_hash_matches", node="odd") == 1
    assert page("rpc_syncing", node="odd") == 0
    assert page("rpc_peers", node="odd") == 10
    assert page("rpc_txpool_transactions", node="odd", status="pending") == 41_337
    assert page("rpc_client_info", node="odd", version="Satoshi/28.0.0", provider="odd") == 1
    assert page("rpc_block_hash_mismatch", node="odd") == 0
    assert page("chain_fork_groups", chain="bitcoin") == 1
    assert page("chain_nodes_healthy", chain="bitcoin") == 3


async def test_what_bitcoin_does_not_have_is_absent(tmp_path: Path) -> None:
    page = await read(tmp_path)
    assert page("rpc_block_number", node="odd", tag="safe") is None
    assert page("rpc_block_number", node="odd", tag="finalized") is None
    assert page("rpc_txpool_transactions", node="odd", status="queued") is None
    absent = {"rpc_finality_lag_blocks", "rpc_base_fee_wei", "rpc_priority_fee_wei", "rpc_gas_used_ratio"}
    assert absent & page.names() == set()


async def test_the_page(tmp_path: Path) -> None:
    late = {**info(blocks=HEAD - 2, bestblockhash=hash_of(HEAD - 2), initialblockdownload=True)}
    async with node() as up, node(late) as lagging:
        text = config(up=up, lagging=lagging, gone=f"http://{USER}:{QUOTED}@127.0.0.1:1")
        body = await once(NODES, text, tmp_path, clock=lambda: HEAD_AT + 1.5)
    compare("nodes-bitcoin.prom", steady(body.decode()))


async def test_the_header_of_a_block_is_asked_for_once(tmp_path: Path) -> None:
    results: dict[str, Any] = {}
    async with (
        node(results) as odd,
        node() as fine,
        running(NODES, config("500ms", odd=odd, fine=fine), tmp_path) as all_,
    ):
        await all_.until(lambda page: page("rpc_block_number", node="odd") == HEAD)
        results |= {BEST: NOT_FOUND, "getmempoolinfo": {**POOL, "size": 7}}
        await all_.until(lambda page: page("rpc_txpool_transactions", node="odd") == 7)
        results |= info(blocks=HEAD + 1, headers=HEAD + 1, bestblockhash=hash_of(HEAD + 1))
        results[f"getblockheader {hash_of(HEAD + 1)}"] = header(HEAD + 1)
        await all_.until(lambda page: page("rpc_block_number", node="odd") == HEAD + 1)


# --- where it is, and whether it is there yet ------------------------------------------------------------------------


async def test_a_node_of_another_chain(tmp_path: Path) -> None:
    page = await read(tmp_path, {**info(chain="test"), "getblockhash 0": hash_of(HEAD, "7")})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_chain_id_matches", node="odd") == 0
    assert page("rpc_genesis_hash_matches", node="odd") == 0
    assert page("rpc_block_lag_blocks", node="odd") is None


@pytest.mark.parametrize(
    "changes",
    [{"initialblockdownload": True}, {"headers": HEAD + 1}, {"headers": HEAD + 9, "initialblockdownload": True}],
)
async def test_a_node_that_syncs(tmp_path: Path, changes: dict[str, Any]) -> None:
    page = await read(tmp_path, info(**changes))
    assert page("rpc_syncing", node="odd") == 1
    assert page("chain_nodes_healthy", chain="bitcoin") == 2


async def test_of_a_node_that_does_not_tell_of_its_first_download_it_is_not_known_that_it_has_synced(
    tmp_path: Path,
) -> None:
    page = await read(tmp_path, {"getblockchaininfo": without(CHAIN, "initialblockdownload")})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_syncing", node="odd") is None


async def test_a_node_that_has_only_the_first_block(tmp_path: Path) -> None:
    first = {**without(header(0), "previousblockhash"), "time": HEAD_AT}
    page = await read(tmp_path, {**info(blocks=0, bestblockhash=GENESIS), f"getblockheader {GENESIS}": first})
    assert page("rpc_block_number", node="odd", tag="latest") == 0
    assert page("rpc_syncing", node="odd") == 1


async def test_a_node_on_another_fork(tmp_path: Path) -> None:
    results = {
        **info(bestblockhash=hash_of(HEAD, "b")),
        f"getblockhash {HEAD}": hash_of(HEAD, "b"),
        f"getblockheader {hash_of(HEAD, 'b')}": header(HEAD, "b"),
    }
    page = await read(tmp_path, results)
    assert page("rpc_block_hash_mismatch", node="odd") == 1
    assert page("chain_fork_groups", chain="bitcoin") == 2


async def test_a_pin_that_the_node_has_not_reached_says_nothing_of_forks(tmp_path: Path) -> None:
    page = await read(
        tmp_path, info(blocks=HEAD - 9, bestblockhash=hash_of(HEAD - 9)) | {f"getblockhash {HEAD}": NOT_FOUND}
    )
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_block_lag_blocks", node="odd") == 9
    assert page("rpc_block_hash_mismatch", node="odd") is None


# --- how Core says no ------------------------------------------------------------------------------------------------


async def test_a_node_that_takes_no_batches_is_read_by_single_calls_and_their_errors_come_with_statuses(
    tmp_path: Path,
) -> None:
    page = await read(tmp_path, {"getmempoolinfo": UNKNOWN_METHOD, f"getblockhash {HEAD}": NOT_FOUND}, batches=False)
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_block_number", node="odd", tag="latest") == HEAD
    assert page("rpc_peers", node="odd") == 10
    assert page("rpc_txpool_transactions", node="odd") is None
    assert page("rpc_block_hash_mismatch", node="odd") is None


@pytest.mark.parametrize("batches", [True, False])
async def test_a_node_that_warms_up_answers_with_errors_alone(tmp_path: Path, *, batches: bool) -> None:
    everything = dict.fromkeys((*HEALTHY, "getblockhash 0"), WARMING_UP)
    page = await read(tmp_path, everything, batches=batches)
    assert page("occ_target_up", node="odd") == 0
    assert (page("occ_target_errors_total", node="odd", reason="rpc_error") or 0) >= 1
    assert page("rpc_block_number", node="odd") is None
    assert page("chain_nodes_healthy", chain="bitcoin") == 2


async def test_a_best_block_that_is_gone_before_its_header_was_asked_for_is_an_error_of_the_node(
    tmp_path: Path,
) -> None:
    page = await read(tmp_path, {BEST: NOT_FOUND})
    assert page("occ_target_up", node="odd") == 0
    assert (page("occ_target_errors_total", node="odd", reason="rpc_error") or 0) >= 1


@pytest.mark.parametrize("method", ["getnetworkinfo", "getmempoolinfo"])
async def test_what_a_node_refuses_to_tell_is_absent_and_the_node_is_up(tmp_path: Path, method: str) -> None:
    page = await read(tmp_path, {method: UNKNOWN_METHOD})
    assert page("occ_target_up", node="odd") == 1
    absent = {"getnetworkinfo": {"rpc_peers", "rpc_client_info"}, "getmempoolinfo": {"rpc_txpool_transactions"}}[method]
    of_the_node = {name for name, labels in page.samples if ("node", "odd") in labels}
    assert absent & of_the_node == set()


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("/Satoshi:28.1.0(a comment)/", "Satoshi/28.1.0"),
        ("/Satoshi:27.1.0/Knots:20240801/", "Satoshi/27.1.0"),
        ("/btcwire:0.5.0/btcd:0.24.2/", "btcwire/0.5.0"),
        ("/bcoin:v1.0.2/", "bcoin/v1.0.2"),
    ],
)
async def test_the_name_and_version_of_the_software(tmp_path: Path, sent: str, shown: str) -> None:
    page = await read(tmp_path, {"getnetworkinfo": {**NETWORK, "subversion": sent}})
    assert page("rpc_client_info", node="odd", version=shown) == 1


@pytest.mark.parametrize("sent", ["", "Satoshi", "/Satoshi/", '/Satoshi:1"}\n# evil/', f"/{PASSWORD}/", "/" * 200])
async def test_software_of_no_usual_form_is_other(tmp_path: Path, sent: str) -> None:
    page = await read(tmp_path, {"getnetworkinfo": {**NETWORK, "subversion": sent}})
    assert page("rpc_client_info", node="odd", version="other") == 1


# --- the password ----------------------------------------------------------------------------------------------------


async def test_the_password_in_the_url_is_used_and_shows_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with node() as right:
        wrong = right.replace(USER, "nobody")
        body = await once(
            NODES, config(right=right, wrong=wrong, none=right.replace(f"{USER}:{QUOTED}@", "")), tmp_path
        )
    page = parsed(body)
    assert page("occ_target_up", node="right") == 1
    assert page("occ_target_up", node="wrong") == page("occ_target_up", node="none") == 0
    assert page("occ_target_errors_total", node="wrong", reason="auth") == 1
    assert page("occ_target_errors_total", node="none", reason="auth") == 1
    for secret in (PASSWORD, QUOTED, USER):
        assert secret not in body.decode() + caplog.text


async def test_null_for_what_is_optional_is_not_told_and_the_node_is_up(tmp_path: Path) -> None:
    page = await read(tmp_path, {"getmempoolinfo": None})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_txpool_transactions", node="odd", status="pending") is None


# --- garbage ---------------------------------------------------------------------------------------------------------

BAD: list[tuple[str, dict[str, Any]]] = [
    ("chain null", {"getblockchaininfo": None}),
    ("chain a list", {"getblockchaininfo": []}),
    ("chain name missing", {"getblockchaininfo": without(CHAIN, "chain")}),
    ("chain name a number", info(chain=1)),
    ("chain name endless", info(chain="x" * 10_000)),
    ("height missing", {"getblockchaininfo": without(CHAIN, "blocks")}),
    ("height as text", info(blocks="870000")),
    ("height with a fraction", info(blocks=870000.0)),
    ("height true", info(blocks=True)),
    ("height negative", info(blocks=-1)),
    ("height absurd", info(blocks=2**40)),
    ("hash missing", {"getblockchaininfo": without(CHAIN, "bestblockhash")}),
    ("hash short", info(bestblockhash="ab")),
    ("hash with 0x", info(bestblockhash="0x" + "a" * 64)),
    ("headers missing", {"getblockchaininfo": without(CHAIN, "headers")}),
    ("headers as text", info(headers="870000")),
    ("first download as text", info(initialblockdownload="no")),
    ("header null", {BEST: None}),
    ("header in hexadecimal", {BEST: "00" * 80}),
    ("header of another height", {BEST: {**header(HEAD), "height": HEAD - 1}}),
    ("header of another block", {BEST: header(HEAD, "b")}),
    ("header without a time", {BEST: without(header(HEAD), "time")}),
    ("header with an absurd time", {BEST: {**header(HEAD), "time": 2**40}}),
    ("header with a short parent", {BEST: {**header(HEAD), "previousblockhash": "ab"}}),
    ("genesis null", {"getblockhash 0": None}),
    ("genesis short", {"getblockhash 0": "00"}),
    ("network a list", {"getnetworkinfo": []}),
    ("peers as text", {"getnetworkinfo": {**NETWORK, "connections": "10"}}),
    ("peers negative", {"getnetworkinfo": {**NETWORK, "connections": -1}}),
    ("peers absurd", {"getnetworkinfo": {**NETWORK, "connections": 2**60}}),
    ("version null", {"getnetworkinfo": {**NETWORK, "subversion": None}}),
    ("version endless", {"getnetworkinfo": {**NETWORK, "subversion": "x" * 10_000}}),
    ("pool without a size", {"getmempoolinfo": without(POOL, "size")}),
    ("pool size a fraction", {"getmempoolinfo": {**POOL, "size": 0.5}}),
]


@pytest.mark.parametrize(("what", "results"), BAD, ids=[what for what, _ in BAD])
async def test_garbage_is_a_bad_response_and_the_other_nodes_are_undisturbed(
    tmp_path: Path, what: str, results: dict[str, Any]
) -> None:
    page = await read(tmp_path, results)
    assert page("occ_target_up", node="odd") == 0
    assert (page("occ_target_errors_total", node="odd", reason="bad_response") or 0) >= 1
    assert page("rpc_block_number", node="odd") is None
    assert page("occ_target_up", node="fine") == 1
    assert page("chain_head_block_number", chain="bitcoin") == HEAD
