"""What an EVM node's answers mean, right and wrong. The wire is faked: see wire.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from exporters.nodes.__main__ import NODES
from tests.exporters.nodes.wire import GENESIS, HEALTHY, HEIGHT, UNKNOWN_METHOD, Change, node
from tests.exporters.support import Seen, once, parsed

CONFIG = """
defaults: {{interval: 30s, timeout: 30s}}
chains:
  - name: ethereum
    family: evm
    chain_id: 1
    genesis_hash: "{genesis}"
    block_time: 12s
    nodes:
      - {{name: odd, url: "{odd}"}}
      - {{name: fine, url: "{fine}"}}
"""


async def read(folder: Path, results: dict[str, Any] | None = None, change: Change = lambda replies: replies) -> Seen:
    """The page after one read of a node that is odd in this way, beside a healthy one."""
    async with node(results, change) as odd, node() as fine:
        text = CONFIG.format(genesis=GENESIS, odd=odd, fine=fine)
        return of_the_looks(parsed(await once(NODES, text, folder)))


async def surveyed(folder: Path, results: dict[str, Any], change: Change = lambda replies: replies) -> Seen:
    """The page with what it was tried that the node can do."""
    async with node(results, change) as odd, node() as fine:
        return parsed(await once(NODES, CONFIG.format(genesis=GENESIS, odd=odd, fine=fine), folder))


def of_the_looks(page: Seen) -> Seen:
    """Without the targets' series of other checks."""
    return Seen({key: value for key, value in page.samples.items() if dict(key[1]).get("check", "evm") == "evm"})


async def test_a_healthy_node(tmp_path: Path) -> None:
    page = await read(tmp_path)
    assert page("occ_target_up", node="odd", check="evm", target="ethereum/odd") == 1
    assert page("rpc_block_number", node="odd", tag="latest") == 0x1406F40
    assert page("rpc_block_timestamp_seconds", node="odd", tag="latest") == 0x6553F100
    assert page("rpc_base_fee_wei", node="odd") == 1e9
    assert page("rpc_peers", node="odd") == 25
    assert page("rpc_syncing", node="odd") == 0
    assert page("rpc_chain_id_matches", node="odd") == 1
    assert page("rpc_genesis_hash_matches", node="odd") == 1
    assert page("rpc_client_info", node="odd", version="Geth/v1.14.8", provider="odd") == 1
    assert page("rpc_block_number", node="odd", tag="safe") == HEIGHT - 32
    assert page("rpc_block_number", node="odd", tag="finalized") == HEIGHT - 64
    assert page("rpc_finality_lag_blocks", node="odd") == 64
    assert page("rpc_priority_fee_wei", node="odd") == 1e8
    assert page("rpc_gas_used_ratio", node="odd") == 0.5
    assert page("rpc_txpool_transactions", node="odd", status="pending") == 100
    assert page("rpc_txpool_transactions", node="odd", status="queued") == 7
    assert page("rpc_block_hash_mismatch", node="odd") == 0
    assert page("chain_fork_groups", chain="ethereum") == 1


async def test_a_node_with_another_block_at_the_pinned_height_beside_one_other_is_a_tie(tmp_path: Path) -> None:
    page = await read(tmp_path, {"latest": {**HEALTHY["latest"], "hash": "0x" + "ee" * 32}})
    assert page("chain_fork_groups", chain="ethereum") == 2
    assert page("rpc_block_hash_mismatch", node="odd") == 0
    assert page("rpc_block_hash_mismatch", node="fine") == 0


async def test_a_node_that_answers_for_another_height_than_the_pinned_one_is_a_bad_response(tmp_path: Path) -> None:
    page = await read(tmp_path, {hex(HEIGHT): HEALTHY["finalized"]})
    assert page("occ_target_up", node="odd") == 0
    assert page("occ_target_errors_total", node="odd", reason="bad_response") == 1


async def test_a_node_of_another_chain(tmp_path: Path) -> None:
    page = await read(tmp_path, {"eth_chainId": "0x89"})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_chain_id_matches", node="odd") == 0
    assert page("chain_nodes_healthy", chain="ethereum") == 1


@pytest.mark.parametrize(
    "odd", [{"0x0": []}, {"txpool_status": []}, {"latest": {**HEALTHY["latest"], "gasUsed": 7}}, {"safe": "0x1"}]
)
async def test_that_a_node_is_of_another_chain_is_told_whatever_else_it_says(
    tmp_path: Path, odd: dict[str, Any]
) -> None:
    page = await read(tmp_path, {"eth_chainId": "0x89", **odd})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_chain_id_matches", node="odd") == 0
    assert page("rpc_peers", node="odd") is None


async def test_a_node_of_the_chain_id_with_another_genesis(tmp_path: Path) -> None:
    page = await read(tmp_path, {"0x0": {**HEALTHY["0x0"], "hash": "0x" + "ee" * 32}})
    assert page("rpc_chain_id_matches", node="odd") == 1
    assert page("rpc_genesis_hash_matches", node="odd") == 0


@pytest.mark.parametrize("told", [None, UNKNOWN_METHOD, {"error": {"code": 4444, "message": "pruned history"}}])
async def test_where_a_node_has_no_block_0_any_more_its_genesis_is_unknown(tmp_path: Path, told: Any) -> None:
    page = await read(tmp_path, {"0x0": told})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_genesis_hash_matches", node="odd") is None
    assert page("chain_nodes_healthy", chain="ethereum") == 2


@pytest.mark.parametrize("told", [{"currentBlock": "0x1", "highestBlock": "0x2"}, True])
async def test_a_syncing_node(tmp_path: Path, told: Any) -> None:
    page = await read(tmp_path, {"eth_syncing": told})
    assert page("rpc_syncing", node="odd") == 1


async def test_what_a_node_refuses_to_tell_is_absent_and_the_node_is_up(tmp_path: Path) -> None:
    refused = ("net_peerCount", "eth_syncing", "web3_clientVersion", "txpool_status", "eth_maxPriorityFeePerGas")
    tags = {tag: {"error": {"code": -39001, "message": "unknown block"}} for tag in ("safe", "finalized")}
    page = await read(tmp_path, dict.fromkeys(refused, UNKNOWN_METHOD) | tags)
    assert page("occ_target_up", node="odd") == 1
    for absent in ("rpc_peers", "rpc_syncing", "rpc_client_info", "rpc_priority_fee_wei", "rpc_finality_lag_blocks"):
        assert page(absent, node="odd") is None
    assert page("rpc_txpool_transactions", node="odd", status="pending") is None
    assert page("rpc_block_number", node="odd", tag="finalized") is None


async def test_null_is_not_told_and_the_node_is_up(tmp_path: Path) -> None:
    methods = ("net_peerCount", "eth_syncing", "web3_clientVersion", "txpool_status", "eth_maxPriorityFeePerGas")
    odd = dict.fromkeys((*methods, "eth_getBalance", "safe")) | {"latest": {**HEALTHY["latest"], "baseFeePerGas": None}}
    page = await read(tmp_path, odd)
    assert page("occ_target_up", node="odd") == 1
    for absent in ("rpc_peers", "rpc_syncing", "rpc_client_info", "rpc_priority_fee_wei", "rpc_base_fee_wei"):
        assert page(absent, node="odd") is None
    assert page("rpc_txpool_transactions", node="odd", status="pending") is None


async def test_counts_may_be_plain_numbers(tmp_path: Path) -> None:
    page = await read(tmp_path, {"net_peerCount": 25, "txpool_status": {"pending": 2048, "queued": 0}})
    assert page("rpc_peers", node="odd") == 25
    assert page("rpc_txpool_transactions", node="odd", status="pending") == 2048
    assert page("rpc_txpool_transactions", node="odd", status="queued") == 0


async def test_a_chain_may_have_next_to_no_gas_limit(tmp_path: Path) -> None:
    page = await read(tmp_path, {"latest": {**HEALTHY["latest"], "gasLimit": "0x" + "f" * 64}})
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_gas_used_ratio", node="odd") == pytest.approx(0)


async def test_a_block_tag_that_is_not_known_does_not_end_the_questions_about_others(tmp_path: Path) -> None:
    page = await read(tmp_path, {"safe": UNKNOWN_METHOD})
    assert page("rpc_block_number", node="odd", tag="safe") is None
    assert page("rpc_block_number", node="odd", tag="finalized") == HEIGHT - 64
    assert page("rpc_block_hash_mismatch", node="odd") == 0


async def test_before_eip_1559_there_is_no_base_fee(tmp_path: Path) -> None:
    page = await read(
        tmp_path, {"latest": {key: value for key, value in HEALTHY["latest"].items() if key != "baseFeePerGas"}}
    )
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_base_fee_wei", node="odd") is None


@pytest.mark.parametrize("sent", ["my-own-node", "", "x" * 10_000, 'Geth/v1"}\n# evil', "sekret0123456789abcdef"])
async def test_a_version_of_no_usual_form_is_other(tmp_path: Path, sent: str) -> None:
    page = await read(tmp_path, {"web3_clientVersion": sent})
    assert page("rpc_client_info", node="odd", version="other") == 1


BLOCK = HEALTHY["latest"]
BAD: list[tuple[str, dict[str, Any]]] = [
    ("null block", {"latest": None}),
    ("block as a list", {"latest": []}),
    ("block as text", {"latest": "0x1"}),
    ("height missing", {"latest": {**BLOCK, "number": None}}),
    ("height as a number", {"latest": {**BLOCK, "number": 21_000_000}}),
    ("height not hexadecimal", {"latest": {**BLOCK, "number": "0xzz"}}),
    ("height without digits", {"latest": {**BLOCK, "number": "0x"}}),
    ("height negative", {"latest": {**BLOCK, "number": "-0x1"}}),
    ("height absurd", {"latest": {**BLOCK, "number": "0x" + "f" * 64}}),
    ("height endless", {"latest": {**BLOCK, "number": "0x" + "f" * 100_000}}),
    ("timestamp absurd", {"latest": {**BLOCK, "timestamp": "0x" + "f" * 20}}),
    ("hash missing", {"latest": {**BLOCK, "hash": None}}),
    ("hash short", {"latest": {**BLOCK, "hash": "0xab"}}),
    ("base fee absurd", {"latest": {**BLOCK, "baseFeePerGas": "0x1" + "0" * 64}}),
    ("chain id null", {"eth_chainId": None}),
    ("chain id true", {"eth_chainId": True}),
    ("chain id as a number", {"eth_chainId": 1}),
    ("syncing as text", {"eth_syncing": "false"}),
    ("peers as an object", {"net_peerCount": {}}),
    ("version as a list", {"web3_clientVersion": []}),
    ("safe block as text", {"safe": "0x1"}),
    ("finalized height absurd", {"finalized": {**BLOCK, "number": "0x" + "f" * 64}}),
    ("parent short", {"latest": {**BLOCK, "parentHash": "0x12"}}),
    ("gas used as a number", {"latest": {**BLOCK, "gasUsed": 7}}),
    ("pool as a list", {"txpool_status": []}),
    ("pending null", {"txpool_status": {"pending": None}}),
    ("priority fee as a number", {"eth_maxPriorityFeePerGas": 1.5}),
    ("peers negative", {"net_peerCount": -1}),
    ("peers true", {"net_peerCount": True}),
    ("genesis as a list", {"0x0": []}),
    ("genesis without a hash", {"0x0": {}}),
]


@pytest.mark.parametrize(("what", "results"), BAD, ids=[what for what, _ in BAD])
async def test_garbage_is_a_bad_response_and_the_other_node_is_undisturbed(
    tmp_path: Path, what: str, results: dict[str, Any]
) -> None:
    page = await read(tmp_path, results)
    assert page("occ_target_up", node="odd") == 0
    assert page("occ_target_errors_total", node="odd", reason="bad_response") == 1
    assert page("rpc_block_number", node="odd", tag="latest") is None
    assert page("occ_target_up", node="fine") == 1
    assert page("chain_head_block_number", chain="ethereum") == 0x1406F40


@pytest.mark.parametrize(
    ("code", "reason"), [(-32000, "rpc_error"), (-32601, "not_supported"), (-32005, "rate_limited"), (3, "reverted")]
)
async def test_an_error_object_in_place_of_the_head_is_classified(tmp_path: Path, code: int, reason: str) -> None:
    page = await read(tmp_path, {"latest": {"error": {"code": code, "message": "sekret says no"}}})
    assert page("occ_target_errors_total", node="odd", reason=reason) == 1


CHANGES: list[tuple[str, Change]] = [
    ("one answer missing", lambda replies: replies[:1]),
    ("wrong ids", lambda replies: [{**reply, "id": reply["id"] + 100} for reply in replies]),
    ("ids as text", lambda replies: [{**reply, "id": str(reply["id"])} for reply in replies]),
    ("the same twice", lambda replies: [replies[0], *replies]),
    ("a number", lambda _: 7),
    ("null", lambda _: None),
    ("a list of lists", lambda replies: [replies]),
]


@pytest.mark.parametrize(("what", "change"), CHANGES, ids=[what for what, _ in CHANGES])
async def test_an_answer_that_does_not_fit_the_batch_is_a_bad_response(
    tmp_path: Path, what: str, change: Change
) -> None:
    page = await read(tmp_path, change=change)
    assert page("occ_target_errors_total", node="odd", reason="bad_response") == 1
    assert page("occ_target_up", node="fine") == 1


async def test_answers_may_come_in_any_order(tmp_path: Path) -> None:
    page = await read(tmp_path, change=lambda replies: list(reversed(replies)))
    assert page("rpc_block_number", node="odd", tag="latest") == 0x1406F40


def refusal(code: int, message: str) -> Change:
    return lambda _: {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    "change",
    [refusal(-32600, "batches are not supported"), refusal(-32005, "batch too large"), lambda replies: replies[0]],
)
async def test_a_node_that_takes_no_batches_is_read_by_single_calls(tmp_path: Path, change: Change) -> None:
    page = await read(tmp_path, change=change)
    assert page("occ_target_up", node="odd") == 1
    assert page("rpc_block_number", node="odd", tag="latest") == 0x1406F40
    for method in ("eth_chainId", "eth_getBlockByNumber", "eth_syncing", "net_peerCount", "txpool_status"):
        assert (page("rpc_request_last_duration_seconds", node="odd", method=method) or 0) > 0
        assert (page("rpc_request_duration_seconds_count", chain="ethereum", method=method) or 0) >= 1
    assert page("rpc_request_last_duration_seconds", node="odd", method="batch") is None
    assert page("rpc_request_last_duration_seconds", node="fine", method="batch") is not None


async def test_a_node_that_refuses_for_too_many_requests_is_not_asked_for_more(tmp_path: Path) -> None:
    page = await read(tmp_path, change=refusal(-32005, "daily request count exceeded"))
    assert page("occ_target_errors_total", node="odd", reason="rate_limited") == 1
    assert (page("rpc_rate_limited_total", node="odd") or 0) >= 1
    assert page("rpc_request_duration_seconds_count", chain="ethereum", method="eth_chainId") is None


async def test_a_node_that_asks_for_patience_with_status_200_is_counted_so(tmp_path: Path) -> None:
    page = await read(tmp_path, {"eth_syncing": {"error": {"code": 429, "message": "slow down"}}})
    assert page("occ_target_up", node="odd") == 1
    assert (page("rpc_rate_limited_total", node="odd") or 0) >= 1
    assert page("rpc_rate_limited_total", node="fine") == 0


# --- what it can do --------------------------------------------------------------------------------------------------

TOO_MUCH = {"error": {"code": -32005, "message": "limit exceeded"}}


@pytest.mark.parametrize("told", [TOO_MUCH, UNKNOWN_METHOD, None])
async def test_one_thing_that_is_not_given_is_no_reason_to_know_nothing_of_the_others(
    tmp_path: Path, told: Any
) -> None:
    page = await surveyed(tmp_path, {"eth_getLogs": told})
    assert page("occ_target_up", node="odd", check="capabilities") == 1
    assert page("rpc_capability", node="odd", capability="logs") == 0
    assert page("rpc_logs_max_range_blocks", node="odd") is None
    for capability in ("archive", "debug", "batch", "multicall", "proof"):
        assert page("rpc_capability", node="odd", capability=capability) == 1


async def test_the_longest_range_of_logs_ends_where_a_longer_one_is_too_much(tmp_path: Path) -> None:
    def logs(question: Mapping[str, Any]) -> Any:
        (wanted,) = question["params"]
        if wanted["fromBlock"] == "latest":
            return []
        blocks = int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) + 1
        return [] if blocks <= 500 else {"error": {"code": -32005, "message": "query returned more than 10000 results"}}

    page = await surveyed(tmp_path, {"eth_getLogs": logs})
    assert page("occ_target_up", node="odd", check="capabilities") == 1
    assert page("rpc_logs_max_range_blocks", node="odd") == 500
    assert page("rpc_logs_max_range_blocks", node="fine") == 10_000


async def test_null_is_nothing_that_a_node_can_do_but_for_a_trace_of_a_transaction_that_is_not_there(
    tmp_path: Path,
) -> None:
    nothing = dict.fromkeys(("trace_call", "debug_traceCall", "eth_getLogs", "eth_getCode", "eth_getProof"))
    page = await surveyed(tmp_path, {**nothing, "eth_getBalance": None})
    for capability in ("archive", "trace", "debug", "logs", "multicall", "proof"):
        assert page("rpc_capability", node="odd", capability=capability) == 0
    page = await surveyed(tmp_path, {"trace_transaction": None})
    assert page("rpc_capability", node="odd", capability="trace") == 1


async def test_where_the_whole_survey_is_refused_nothing_is_known(tmp_path: Path) -> None:
    page = await surveyed(tmp_path, {}, refusal(-32005, "daily request count exceeded"))
    assert page("occ_target_errors_total", node="odd", check="capabilities", reason="rate_limited") == 1
    assert page("rpc_capability", node="odd", capability="logs") is None
