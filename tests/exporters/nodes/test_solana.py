"""What a Solana node's answers mean, right and wrong. No real one can be had: its wire is written by hand after the public
documentation, see wire_solana.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporters.nodes.__main__ import NODES
from exporters.nodes.families import solana
from tests.exporters.nodes.junk import is_withstood
from tests.exporters.nodes.test_page import steady
from tests.exporters.nodes.wire_solana import (
    FINAL,
    GENESIS,
    HEAD,
    HEAD_AT,
    HEALTHY,
    NOT_THERE,
    SKIPPED,
    UNKNOWN_METHOD,
    block,
    latest,
    node,
    time_of,
)
from tests.exporters.support import Seen, once, parsed, running
from tests.golden import compare
from tests.occ.servers import refusing

CONFIG = """
defaults: {{interval: {interval}, timeout: {interval}}}
chains:
  - name: solana
    family: solana
    genesis_hash: "{genesis}"
    block_time: 400ms
    nodes:
"""

CONFIRMED, FINALIZED = "getLatestBlockhash confirmed", "getLatestBlockhash finalized"
PINNED = f"getBlock {HEAD}"
UNHEALTHY = {"error": {"code": -32005, "message": "Node is behind by 42 slots", "data": {"numSlotsBehind": 42}}}


def config(interval: str = "5s", **urls: str) -> str:
    nodes = "".join(f'      - {{name: {name}, url: "{url}"}}\n' for name, url in urls.items())
    return CONFIG.format(genesis=GENESIS, interval=interval) + nodes


async def read(folder: Path, results: Mapping[str, Any] | None = None) -> Seen:
    """The page after a node that is odd in this way, and two healthy ones, were looked at."""
    async with node(results) as odd, node() as fine, node() as other:
        return parsed(await once(NODES, config(odd=odd, fine=fine, other=other), folder))


def at(number: int) -> Callable[[Seen], bool]:
    """Whether the head of the node `own` is there."""
    return lambda page: page("rpc_block_number", node="own", tag="latest") == number


async def test_a_healthy_node(tmp_path: Path) -> None:
    page = await read(tmp_path)
    assert page("occ_target_up", node="odd", check="solana", target="solana/odd") == 1
    assert page("rpc_block_number", node="odd", tag="latest") == HEAD
    assert page("rpc_block_timestamp_seconds", node="odd", tag="latest") == HEAD_AT
    assert page("rpc_block_number", node="odd", tag="finalized") == FINAL
    assert page("rpc_block_timestamp_seconds", node="odd", tag="finalized") == time_of(FINAL)
    assert page("rpc_finality_lag_blocks", node="odd") == 32
    assert page("rpc_chain_id_matches", node="odd") == 1
    assert page("rpc_genesis_hash_matches", node="odd") == 1
    assert page("rpc_syncing", node="odd") == 0
    assert page("rpc_peers", node="odd") is None
    assert page("rpc_client_info", node="odd", version="solana-core/2.0.18", provider="odd") == 1
    assert page("rpc_block_hash_mismatch", node="odd") == 0
    assert page("rpc_rate_limited_total", node="odd") == 0
    assert page("chain_fork_groups", chain="solana") == 1
    assert page("chain_nodes_healthy", chain="solana") == 3
    assert page("chain_head_block_number", chain="solana") == HEAD


async def test_a_node_of_another_cluster(tmp_path: Path) -> None:
    devnet = {"getGenesisHash": "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG", CONFIRMED: latest(HEAD + 500, "b")}
    page = await read(tmp_path, {**devnet, f"getBlockTime {HEAD + 500}": time_of(HEAD + 500)})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_chain_id_matches", node="odd") == 0
    assert page("rpc_genesis_hash_matches", node="odd") == 0
    assert page("chain_head_block_number", chain="solana") == HEAD
    assert page("chain_nodes_healthy", chain="solana") == 2


@pytest.mark.parametrize(("behind", "syncing"), [(128, 0), (129, 1)])
async def test_a_node_syncs_when_its_head_is_far_behind_what_it_hears_of(
    tmp_path: Path, behind: int, syncing: int
) -> None:
    page = await read(tmp_path, {"getMaxShredInsertSlot": HEAD + behind})
    assert page("rpc_syncing", node="odd") == syncing
    assert page("chain_nodes_healthy", chain="solana") == 3 - syncing


async def test_what_a_node_refuses_to_tell_is_absent_and_the_node_is_up(tmp_path: Path) -> None:
    page = await read(
        tmp_path, {FINALIZED: UNHEALTHY, "getMaxShredInsertSlot": UNKNOWN_METHOD, "getVersion": NOT_THERE}
    )
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_block_number", node="odd", tag="finalized") is None
    assert page("rpc_finality_lag_blocks", node="odd") is None
    assert page("rpc_syncing", node="odd") is None
    assert page("rpc_client_info", node="odd") is None


@pytest.mark.parametrize("time", [None, NOT_THERE])
async def test_a_finalized_block_of_which_no_time_is_known_is_absent(tmp_path: Path, time: Any) -> None:
    page = await read(tmp_path, {f"getBlockTime {FINAL}": time})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_block_number", node="odd", tag="finalized") is None


# --- forks and skipped slots -------------------------------------------------------------------------------------------


async def test_a_node_with_another_block_in_the_pinned_slot_is_on_another_fork(tmp_path: Path) -> None:
    page = await read(tmp_path, {CONFIRMED: latest(HEAD, "b"), PINNED: block(HEAD, "b")})
    assert page("chain_fork_groups", chain="solana") == 2
    assert page("rpc_block_hash_mismatch", node="odd") == 1
    assert page("rpc_block_hash_mismatch", node="fine") == 0
    assert page("chain_nodes_healthy", chain="solana") == 2


@pytest.mark.parametrize("told", [SKIPPED, NOT_THERE, UNKNOWN_METHOD, None])
async def test_a_pinned_slot_that_the_node_skipped_or_lacks_is_no_fork(tmp_path: Path, told: Any) -> None:
    page = await read(tmp_path, {PINNED: told})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_block_hash_mismatch", node="odd") is None
    assert page("chain_fork_groups", chain="solana") == 1


async def test_skipped_slots_are_no_reorg_and_another_block_in_a_slot_is_one(tmp_path: Path) -> None:
    state = dict[str, Any]()

    def turn(slot: int, branch: str = "a") -> None:
        state.update({f"getBlock {slot}": block(slot, branch), f"getBlockTime {slot}": time_of(slot)})
        state[CONFIRMED] = latest(slot, branch)

    async with node(state) as own, running(NODES, config("500ms", own=own), tmp_path) as exporter:
        await exporter.until(at(HEAD))
        turn(HEAD + 5)
        page = await exporter.until(at(HEAD + 5))
        assert page("rpc_reorgs_total", node="own") == 0
        state[f"getBlock {HEAD + 5}"] = block(HEAD + 5, "b")
        turn(HEAD + 6, "b")
        page = await exporter.until(at(HEAD + 6))
    assert page("rpc_reorgs_total", node="own") == 1
    assert page("rpc_reorg_depth_blocks_sum", chain="solana") == 1


# --- what is wrong -----------------------------------------------------------------------------------------------------


def head(**values: Any) -> dict[str, Any]:
    return {CONFIRMED: {**latest(HEAD), **values}}


BAD: list[tuple[str, dict[str, Any]]] = [
    ("latest block", {CONFIRMED: None}),
    ("latest block: context", head(context=None)),
    ("latest block: slot", head(context={"slot": None})),
    ("latest block: slot", head(context={"slot": str(HEAD)})),
    ("latest block: slot", head(context={"slot": -1})),
    ("latest block: slot", head(context={"slot": True})),
    ("latest block: slot", head(context={"slot": 1.5})),
    ("latest block: slot", head(context={"slot": 2**60})),
    ("latest block: value", head(value="hash")),
    ("latest block: blockhash", head(value={"blockhash": None})),
    ("latest block: blockhash", head(value={"blockhash": "0OIl" * 11})),
    ("latest block: blockhash", head(value={"blockhash": "a" * 100_000})),
    ("latest block: time", {f"getBlockTime {HEAD}": None}),
    ("latest block: time", {f"getBlockTime {HEAD}": str(HEAD_AT)}),
    ("latest block: time", {f"getBlockTime {HEAD}": -5}),
    ("latest block: time", {f"getBlockTime {HEAD}": 2**62}),
    ("genesis hash", {"getGenesisHash": None}),
    ("genesis hash", {"getGenesisHash": "short"}),
    ("finalized block: context", {FINALIZED: {}}),
    ("finalized block: time", {f"getBlockTime {FINAL}": "now"}),
    ("newest shred: slot", {"getMaxShredInsertSlot": "9"}),
    ("version", {"getVersion": "2.0.18"}),
    ("version: solana-core", {"getVersion": {"feature-set": 1}}),
]


@pytest.mark.parametrize(("named", "results"), BAD, ids=[f"{index}-{named}" for index, (named, _) in enumerate(BAD)])
async def test_garbage_is_a_bad_response_that_names_it_and_the_others_are_undisturbed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, named: str, results: dict[str, Any]
) -> None:
    page = await read(tmp_path, results)
    assert page("occ_target_up", node="odd") == 0
    assert page("occ_target_errors_total", node="odd", reason="bad_response") == 1
    assert f"solana/odd (solana): down: bad_response: {named}: " in caplog.text
    assert page("rpc_block_number", node="odd") is None
    assert page("chain_head_block_number", chain="solana") == HEAD


@pytest.mark.parametrize("wrong", [[], {}, {"blockhash": 7}, {"blockhash": ""}])
async def test_garbage_in_the_pinned_slot_is_a_bad_response(tmp_path: Path, wrong: Any) -> None:
    page = await read(tmp_path, {PINNED: wrong})
    assert page("occ_target_errors_total", node="odd", reason="bad_response") == 1
    assert page("rpc_block_hash_mismatch", node="fine") == 0


async def test_a_head_whose_time_is_not_available_is_no_unknown_method(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page = await read(tmp_path, {f"getBlockTime {HEAD}": NOT_THERE})
    assert page("occ_target_errors_total", node="odd", reason="rpc_error") == 1
    assert "latest block: time: JSON-RPC error -32004" in caplog.text


async def test_a_node_that_asks_for_patience_is_rate_limited(tmp_path: Path) -> None:
    page = await read(tmp_path, {CONFIRMED: {"error": {"code": 429, "message": "Too many requests"}}})
    assert page("occ_target_errors_total", node="odd", reason="rate_limited") == 1


@pytest.mark.parametrize("sent", ["", "two", 'two"}\n# evil 2.0'])
async def test_a_version_of_no_usual_form_is_other(tmp_path: Path, sent: str) -> None:
    page = await read(tmp_path, {"getVersion": {"solana-core": sent}})
    assert page("rpc_client_info", node="odd", version="other") == 1


async def test_nothing_that_stands_in_any_place_of_an_answer_is_more_than_a_bad_response(tmp_path: Path) -> None:
    sent = dict[str, Any]()
    async with node(sent) as own:
        answers = {
            **HEALTHY,
            PINNED: block(HEAD),
            f"getBlockTime {HEAD}": HEAD_AT,
            f"getBlockTime {FINAL}": time_of(FINAL),
        }
        assert await is_withstood(tmp_path, config(own=own), solana, answers, sent, pin=HEAD) > 200


async def test_a_node_that_is_down(tmp_path: Path) -> None:
    with refusing() as port:
        async with node() as fine:
            text = config(gone=f"http://127.0.0.1:{port}", fine=fine)
            page = parsed(await once(NODES, text, tmp_path, clock=lambda: HEAD_AT + 0.5))
    assert page("occ_target_errors_total", node="gone", reason="connect") == 1
    assert page("rpc_block_number", node="gone") is None
    assert page("chain_nodes_healthy", chain="solana") == 1
    assert page("chain_nodes", chain="solana") == 2


async def test_the_page(tmp_path: Path) -> None:
    late = HEAD - 200
    behind = {CONFIRMED: latest(late), FINALIZED: latest(late - 32), f"getBlock {HEAD}": NOT_THERE}
    with refusing() as port:
        async with node() as up, node(behind) as behind_url:
            text = config(up=up, behind=behind_url, gone=f"http://127.0.0.1:{port}")
            body = await once(NODES, text, tmp_path, clock=lambda: HEAD_AT + 1.5)
    compare("nodes-solana.prom", steady(body.decode()))
