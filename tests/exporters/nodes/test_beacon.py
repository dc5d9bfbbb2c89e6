"""What a consensus node's answers mean, right and wrong. No real one can be had: its wire is written by hand after the public
specification, see wire_beacon.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporters.nodes.__main__ import NODES
from exporters.nodes.families import beacon
from tests.exporters.nodes.junk import is_withstood
from tests.exporters.nodes.test_page import steady
from tests.exporters.nodes.wire_beacon import (
    CHECKPOINTS,
    GENESIS,
    HEAD,
    HEAD_AT,
    HEADERS,
    HEALTHY,
    PEERS,
    ROOT,
    SPEC,
    SYNCING,
    VERSION,
    chain,
    changed,
    header,
    node,
)
from tests.exporters.support import Seen, once, parsed, running
from tests.golden import compare
from tests.occ.servers import refusing

CONFIG = """
defaults: {{interval: {interval}, timeout: {interval}}}
chains:
  - name: beacon
    family: beacon
    chain_id: 1
    genesis_hash: "{genesis}"
    block_time: 12s
    nodes:
"""


def config(interval: str = "5s", **urls: str) -> str:
    nodes = "".join(f'      - {{name: {name}, url: "{url}"}}\n' for name, url in urls.items())
    return CONFIG.format(genesis=GENESIS, interval=interval) + nodes


async def read(folder: Path, answers: Mapping[str, Any] | None = None) -> Seen:
    """The page after a node that is odd in this way, and two healthy ones, were looked at."""
    async with node(answers) as odd, node() as fine, node() as other:
        return parsed(await once(NODES, config(odd=odd, fine=fine, other=other), folder))


def at(number: int) -> Callable[[Seen], bool]:
    """Whether the head of the node `own` is there."""
    return lambda page: page("rpc_block_number", node="own", tag="latest") == number


async def test_a_healthy_node(tmp_path: Path) -> None:
    page = await read(tmp_path)
    assert page("occ_target_up", node="odd", check="beacon", target="beacon/odd") == 1
    assert page("rpc_block_number", node="odd", tag="latest") == HEAD
    assert page("rpc_block_timestamp_seconds", node="odd", tag="latest") == HEAD_AT
    assert page("rpc_block_number", node="odd", tag="finalized") == HEAD - 64
    assert page("rpc_block_timestamp_seconds", node="odd", tag="finalized") == HEAD_AT - 64 * 12
    assert page("rpc_finality_lag_blocks", node="odd") == 64
    assert page("rpc_block_number", node="odd", tag="safe") is None
    assert page("rpc_chain_id_matches", node="odd") == 1
    assert page("rpc_genesis_hash_matches", node="odd") == 1
    assert page("rpc_syncing", node="odd") == 0
    assert page("rpc_peers", node="odd") == 56
    assert page("rpc_client_info", node="odd", version="Lighthouse/v5.3.0", provider="odd") == 1
    assert page("beacon_head_slot", node="odd") == HEAD
    assert page("beacon_finalized_epoch", node="odd") == 312_498
    assert page("beacon_sync_distance_slots", node="odd") == 0
    assert page("beacon_execution_optimistic", node="odd") == 0
    assert page("rpc_block_hash_mismatch", node="odd") == 0
    assert page("chain_fork_groups", chain="beacon") == 1
    assert page("chain_nodes_healthy", chain="beacon") == 3
    assert page("chain_head_block_number", chain="beacon") == HEAD


async def test_requests_are_called_by_the_names_of_the_api(tmp_path: Path) -> None:
    page = await read(tmp_path)
    for method in ("getGenesis", "getBlockHeader", "getSyncingStatus", "getPeerCount", "getNodeVersion", "getSpec"):
        assert (page("rpc_request_duration_seconds_count", chain="beacon", method=method) or 0) >= 3, method


async def test_a_node_of_another_chain(tmp_path: Path) -> None:
    other = changed(ROOT, genesis_validators_root="0x" + "ee" * 32) | changed(SPEC, DEPOSIT_CHAIN_ID="100")
    page = await read(tmp_path, other | chain(HEAD + 50, "b"))
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_chain_id_matches", node="odd") == 0
    assert page("rpc_genesis_hash_matches", node="odd") == 0
    assert page("chain_head_block_number", chain="beacon") == HEAD
    assert page("chain_fork_groups", chain="beacon") == 1
    assert page("chain_nodes_healthy", chain="beacon") == 2


async def test_without_a_configured_genesis_there_is_nothing_to_match(tmp_path: Path) -> None:
    async with node() as url:
        text = "".join(line for line in config(own=url).splitlines(keepends=True) if "genesis_hash" not in line)
        page = parsed(await once(NODES, text, tmp_path))
    assert page("rpc_chain_id_matches", node="own") == 1
    assert page("rpc_genesis_hash_matches", node="own") is None


async def test_a_syncing_node_is_not_healthy(tmp_path: Path) -> None:
    syncing = changed(SYNCING, is_syncing=True, sync_distance="777")
    page = await read(tmp_path, syncing | chain(HEAD - 777))
    assert page("rpc_syncing", node="odd") == 1
    assert page("beacon_sync_distance_slots", node="odd") == 777
    assert page("rpc_block_lag_blocks", node="odd") == 777
    assert page("chain_nodes_healthy", chain="beacon") == 2


async def test_a_head_that_its_execution_node_has_not_verified(tmp_path: Path) -> None:
    page = await read(tmp_path, {f"{HEADERS}head": header(HEAD) | {"execution_optimistic": True}})
    assert page("beacon_execution_optimistic", node="odd") == 1


async def test_what_a_node_refuses_to_tell_is_absent_and_the_node_is_up(tmp_path: Path) -> None:
    refused = {SYNCING: 404, PEERS: 403, VERSION: 500, CHECKPOINTS: 404, f"{HEADERS}finalized": 429}
    page = await read(tmp_path, refused)
    assert page("occ_target_up", node="odd") == 1
    for name in ("rpc_syncing", "rpc_peers", "rpc_client_info", "beacon_finalized_epoch", "beacon_sync_distance_slots"):
        assert page(name, node="odd") is None, name
    assert page("rpc_block_number", node="odd", tag="finalized") is None
    assert page("beacon_head_slot", node="odd") == HEAD
    assert (page("rpc_rate_limited_total", node="odd") or 0) >= 1


async def test_a_slot_may_be_given_in_milliseconds(tmp_path: Path) -> None:
    spec = {SPEC: {"data": {"SLOT_DURATION_MS": "12000", "DEPOSIT_CHAIN_ID": "1"}}}
    page = await read(tmp_path, spec)
    assert page("rpc_block_timestamp_seconds", node="odd", tag="latest") == HEAD_AT


# --- forks and empty slots ---------------------------------------------------------------------------------------------


async def test_a_node_with_another_block_in_the_pinned_slot_is_on_another_fork(tmp_path: Path) -> None:
    page = await read(tmp_path, chain(HEAD, "b", common=HEAD - 3))
    assert page("chain_fork_groups", chain="beacon") == 2
    assert page("rpc_block_hash_mismatch", node="odd") == 1
    assert page("rpc_block_hash_mismatch", node="fine") == 0
    assert page("chain_nodes_healthy", chain="beacon") == 2


async def test_a_slot_that_is_empty_for_all_is_no_fork(tmp_path: Path) -> None:
    """The pin is the lowest head: that of a node which has a block in a slot that the others hold to be empty."""
    turning, others = chain(HEAD), chain(HEAD + 1, empty=(HEAD,))
    async with node(turning) as odd, node(others) as fine, node(others) as other:
        text = config("500ms", odd=odd, fine=fine, other=other)
        async with running(NODES, text, tmp_path) as exporter:
            await exporter.until(lambda page: page("rpc_block_hash_mismatch", node="odd") == 1)
            turning.update(others)
            page = await exporter.until(lambda page: page("rpc_block_hash_mismatch", node="odd") == 0)
    assert page("chain_fork_groups", chain="beacon") == 1


async def test_who_holds_the_pinned_slot_to_be_empty_where_others_have_a_block_is_on_another_fork(
    tmp_path: Path,
) -> None:
    page = await read(tmp_path, chain(HEAD + 1, "b", empty=(HEAD, HEAD - 1), common=HEAD - 2))
    assert page("chain_fork_groups", chain="beacon") == 2
    assert page("rpc_block_hash_mismatch", node="odd") == 1


async def test_a_block_that_the_node_holds_outside_of_its_chain_leaves_its_slot_empty(tmp_path: Path) -> None:
    orphaned = {f"{HEADERS}{HEAD}": header(HEAD, canonical=False)}
    page = await read(tmp_path, chain(HEAD + 1, empty=(HEAD,)) | orphaned)
    assert page("rpc_block_hash_mismatch", node="odd") == 1


async def test_where_many_slots_are_empty_the_node_has_no_block_to_compare(tmp_path: Path) -> None:
    page = await read(tmp_path, chain(HEAD + 1, empty=tuple(range(HEAD - 9, HEAD + 1))))
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_block_hash_mismatch", node="odd") is None


async def test_a_pinned_slot_that_can_not_be_read_is_not_held_to_be_empty(tmp_path: Path) -> None:
    page = await read(tmp_path, chain(HEAD + 1) | {f"{HEADERS}{HEAD}": 503})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_block_hash_mismatch", node="odd") is None


async def test_empty_slots_are_no_reorg_and_a_head_that_is_gone_is_one(tmp_path: Path) -> None:
    state = chain(HEAD)
    async with node(state) as own, running(NODES, config("500ms", own=own), tmp_path) as exporter:
        await exporter.until(at(HEAD))
        state.update(chain(HEAD + 3, empty=(HEAD + 1, HEAD + 2)))
        page = await exporter.until(at(HEAD + 3))
        assert page("rpc_reorgs_total", node="own") == 0
        state.update(chain(HEAD + 4, empty=(HEAD + 1, HEAD + 2)) | {f"{HEADERS}{HEAD + 3}": 404})
        page = await exporter.until(at(HEAD + 4))
    assert page("rpc_reorgs_total", node="own") == 1
    assert page("rpc_reorg_depth_blocks_sum", chain="beacon") == 1


async def test_a_node_that_began_anew_from_a_checkpoint_lacks_blocks_and_that_is_no_reorg(tmp_path: Path) -> None:
    state = chain(HEAD)
    async with node(state) as own, running(NODES, config("500ms", own=own), tmp_path) as exporter:
        await exporter.until(at(HEAD))
        anew = chain(HEAD + 40) | {f"{HEADERS}finalized": header(HEAD + 8)}
        state.update(anew | {f"{HEADERS}{slot}": 404 for slot in range(HEAD - 64, HEAD + 8)})
        page = await exporter.until(at(HEAD + 40))
    assert page("rpc_reorgs_total", node="own") == 0


async def test_a_reorg_is_as_deep_as_the_slots_that_were_told_before_and_are_not_as_they_were(tmp_path: Path) -> None:
    state = chain(HEAD)
    async with node(state) as own, running(NODES, config("500ms", own=own), tmp_path) as exporter:
        for head in range(HEAD, HEAD + 3):
            state.update(chain(head))
            await exporter.until(at(head))
        state.update(chain(HEAD + 3, "b", common=HEAD))
        page = await exporter.until(at(HEAD + 3))
    assert page("rpc_reorgs_total", node="own") == 1
    assert page("rpc_reorg_depth_blocks_sum", chain="beacon") == 2


# --- what is asked how often -------------------------------------------------------------------------------------------


async def test_the_specification_is_asked_for_once_and_again_when_the_genesis_is_another(tmp_path: Path) -> None:
    state, asked = dict[str, Any](), list[str]()
    async with node(state, asked) as own, running(NODES, config("1s", own=own), tmp_path) as exporter:
        await exporter.until(lambda _: asked.count(ROOT) >= 4)
        assert asked.count(SPEC) == 1
        state.update(changed(ROOT, genesis_validators_root="0x" + "ee" * 32) | changed(SPEC, DEPOSIT_CHAIN_ID="100"))
        page = await exporter.until(lambda page: page("rpc_genesis_hash_matches", node="own") == 0)
    assert page("rpc_chain_id_matches", node="own") == 0
    assert asked.count(SPEC) == 2


async def test_the_specification_is_asked_for_again_after_some_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporters.nodes.source.ASK_AGAIN_SECONDS", 0.0)
    asked = list[str]()
    async with node({}, asked) as own, running(NODES, config("500ms", own=own), tmp_path) as exporter:
        await exporter.until(lambda _: asked.count(SPEC) >= 2)


# --- what is wrong -----------------------------------------------------------------------------------------------------

PLACES = (
    ROOT,
    SYNCING,
    PEERS,
    VERSION,
    SPEC,
    CHECKPOINTS,
    *(f"{HEADERS}{it}" for it in ("head", "finalized", HEAD - 1)),
)
SLOT = "head: slot"
BAD: list[tuple[str, dict[str, Any]]] = [
    ("genesis", {ROOT: []}),
    ("genesis: data", {ROOT: {"data": None}}),
    ("genesis: genesis_validators_root", changed(ROOT, genesis_validators_root=None)),
    ("genesis: genesis_validators_root", changed(ROOT, genesis_validators_root="0xabc")),
    ("genesis: genesis_time", changed(ROOT, genesis_time=1)),
    ("genesis: genesis_time", changed(ROOT, genesis_time="9" * 20)),
    ("spec: data", {SPEC: {}}),
    ("spec: SECONDS_PER_SLOT", changed(SPEC, SECONDS_PER_SLOT="0")),
    ("spec: SECONDS_PER_SLOT", changed(SPEC, SECONDS_PER_SLOT="twelve")),
    ("spec: SECONDS_PER_SLOT", changed(SPEC, SECONDS_PER_SLOT="100000")),
    ("spec: SLOT_DURATION_MS", changed(SPEC, SLOT_DURATION_MS=None)),
    ("spec: DEPOSIT_CHAIN_ID", changed(SPEC, DEPOSIT_CHAIN_ID=True)),
    ("head", {f"{HEADERS}head": "head"}),
    ("head: data", {f"{HEADERS}head": {"data": []}}),
    ("head: root", {f"{HEADERS}head": header(HEAD, root=None)}),
    ("head: root", {f"{HEADERS}head": header(HEAD, root="0x" + "g" * 64)}),
    ("head: header", {f"{HEADERS}head": header(HEAD, header=None)}),
    ("head: message", {f"{HEADERS}head": header(HEAD, header={"message": 1})}),
    (SLOT, {f"{HEADERS}head": header(HEAD, header={"message": {"slot": HEAD}})}),
    (SLOT, {f"{HEADERS}head": header(HEAD, header={"message": {"slot": "-1"}})}),
    (SLOT, {f"{HEADERS}head": header(HEAD, header={"message": {"slot": "1" * 20}})}),
    (SLOT, {f"{HEADERS}head": header(HEAD, header={"message": {"slot": "9" * 100_000}})}),
    (SLOT, {f"{HEADERS}head": header(HEAD, header={"message": {"slot": "١٢"}})}),
    ("head: execution_optimistic", {f"{HEADERS}head": header(HEAD) | {"execution_optimistic": "false"}}),
    ("syncing: is_syncing", changed(SYNCING, is_syncing="false")),
    ("syncing: sync_distance", changed(SYNCING, sync_distance=-1)),
    ("peer count: connected", changed(PEERS, connected=56)),
    ("peer count: connected", changed(PEERS, connected="99999999")),
    ("version", changed(VERSION, version=["Lighthouse"])),
    ("checkpoints: finalized", changed(CHECKPOINTS, finalized=[])),
    ("checkpoints: finalized: epoch", changed(CHECKPOINTS, finalized={"epoch": None})),
    ("finalized header: slot", {f"{HEADERS}finalized": header(HEAD, header={"message": {}})}),
]


@pytest.mark.parametrize(("named", "answers"), BAD, ids=[f"{index}-{named}" for index, (named, _) in enumerate(BAD)])
async def test_garbage_is_a_bad_response_that_names_it_and_the_others_are_undisturbed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, named: str, answers: dict[str, Any]
) -> None:
    page = await read(tmp_path, answers)
    assert page("occ_target_up", node="odd") == 0
    assert page("occ_target_errors_total", node="odd", reason="bad_response") == 1
    assert f"beacon/odd (beacon): down: bad_response: {named}: " in caplog.text
    assert page("rpc_block_number", node="odd") is None
    assert page("chain_head_block_number", chain="beacon") == HEAD


@pytest.mark.parametrize("wrong", [header(HEAD - 1), header(HEAD, root=7), header(HEAD, canonical="yes"), []])
async def test_garbage_in_the_pinned_slot_is_a_bad_response(tmp_path: Path, wrong: Any) -> None:
    page = await read(tmp_path, chain(HEAD + 1) | {f"{HEADERS}{HEAD}": wrong})
    assert page("occ_target_errors_total", node="odd", reason="bad_response") == 1
    assert page("rpc_block_hash_mismatch", node="fine") == 0


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "auth"), (404, "bad_response"), (429, "rate_limited"), (503, "server_error")]
)
@pytest.mark.parametrize("path", [ROOT, SPEC, f"{HEADERS}head"])
async def test_a_status_in_place_of_what_is_needed_is_classified(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, status: int, reason: str
) -> None:
    page = await read(tmp_path, {path: status})
    assert page("occ_target_errors_total", node="odd", reason=reason) == 1
    name = {ROOT: "getGenesis", SPEC: "getSpec"}.get(path, "getBlockHeader")
    assert f"beacon/odd (beacon): down: {reason}: {name}: HTTP {status}" in caplog.text


@pytest.mark.parametrize("sent", ["my-own-node", "", 'Prysm/v2"}\n# evil'])
async def test_a_version_of_no_usual_form_is_other(tmp_path: Path, sent: str) -> None:
    page = await read(tmp_path, changed(VERSION, version=sent))
    assert page("rpc_client_info", node="odd", version="other") == 1


async def test_nothing_that_stands_in_any_place_of_an_answer_is_more_than_a_bad_response(tmp_path: Path) -> None:
    sent = dict[str, Any]()
    async with node(sent) as own:
        answers = {path: HEALTHY[path] for path in PLACES}
        assert await is_withstood(tmp_path, config(own=own), beacon, answers, sent, pin=HEAD - 1) > 300


async def test_a_node_that_is_down(tmp_path: Path) -> None:
    with refusing() as port:
        async with node() as fine:
            text = config(gone=f"http://127.0.0.1:{port}", fine=fine)
            page = parsed(await once(NODES, text, tmp_path, clock=lambda: HEAD_AT + 1.5))
    assert page("occ_target_errors_total", node="gone", reason="connect") == 1
    assert page("beacon_head_slot", node="gone") is None
    assert page("chain_nodes_healthy", chain="beacon") == 1
    assert page("chain_nodes", chain="beacon") == 2


async def test_the_page(tmp_path: Path) -> None:
    behind = changed(SYNCING, is_syncing=True, sync_distance="9") | chain(HEAD - 9)
    with refusing() as port:
        async with node() as up, node(behind) as behind_url:
            text = config(up=up, behind=behind_url, gone=f"http://127.0.0.1:{port}")
            body = await once(NODES, text, tmp_path, clock=lambda: HEAD_AT + 1.5)
    compare("nodes-beacon.prom", steady(body.decode()))
