"""RPC nodes and the chains that are seen through them, for the chains and nodes that the board's variables choose."""

from __future__ import annotations

from dashboards.kit.query import age, increase, largest, quantile, rate, series, smallest, total

CHAIN = ("chain",)
NODE = ("chain", "node")
CAPABILITY = (*NODE, "capability")
LATELY = "10m"
REORGS, REGRESSIONS, DISAGREEMENTS, RECONNECTS = "1h", "30m", "15m", "30m"
"""As far back as their alerts look."""

_CHAIN = {"chain": "$chain"}
_NODE = {"chain": "$chain", "node": "$node"}


def _of_node(metric: str, **more: str) -> str:
    return largest(series(metric, **_NODE, **more), (*NODE, *more))


def _of_chain(metric: str) -> str:
    return largest(series(metric, **_CHAIN), CHAIN)


def _went_up(counter: str, window: str) -> str:
    return increase(series(counter, **_NODE), window, NODE)


def bound(threshold: str) -> str:
    """What is too much, for each chain: the same series that the alert compares with."""
    return _of_chain(f"occ:threshold:{threshold}")


def chains_with_a_problem() -> str:
    """Chains of which a node is not healthy, or of whose nodes nothing is known."""
    ill = f"{nodes()} > bool {nodes_healthy()}"
    return total(f"({ill}) or {nodes()} * 0 + 1")


def nodes() -> str:
    return _of_chain("chain_nodes")


def nodes_healthy() -> str:
    return _of_chain("chain_nodes_healthy")


def all_nodes() -> str:
    return total(nodes())


def all_nodes_healthy() -> str:
    return total(nodes_healthy())


def fewest_healthy() -> str:
    """Healthy nodes of the chain that has the fewest."""
    return smallest(nodes_healthy())


def nodes_down() -> str:
    return total(f"1 - {node_up()}")


def node_up() -> str:
    return largest(series("node:rpc_up:max", **_NODE), NODE)


def head_age() -> str:
    return age(series("chain_head_timestamp_seconds", **_CHAIN), CHAIN)


def oldest_head() -> str:
    return largest(head_age())


def lag_blocks() -> str:
    return _of_node("rpc_block_lag_blocks")


def lag_seconds() -> str:
    return _of_node("rpc_block_lag_seconds")


def ahead_blocks() -> str:
    """Above the head that others agree on; 0 where not."""
    return f"clamp_min({_of_node('node:ahead_blocks:max')}, 0)"


def right_chain() -> str:
    """0 where a node says another chain id than the configuration."""
    return smallest(series("rpc_chain_id_matches", **_NODE), NODE)


def right_genesis() -> str:
    """0 where a node has another block 0 than the configuration; absent where none is configured."""
    return smallest(series("rpc_genesis_hash_matches", **_NODE), NODE)


def fork_groups() -> str:
    return _of_chain("chain_fork_groups")


def hash_mismatch() -> str:
    return _of_node("rpc_block_hash_mismatch")


def reorgs() -> str:
    return _went_up("rpc_reorgs_total", REORGS)


def blocks_replaced() -> str:
    """By reorgs, over all nodes of a chain: a reorg that three nodes tell of counts thrice."""
    return increase(series("rpc_reorg_depth_blocks_sum", **_CHAIN), LATELY, CHAIN)


def disagreements() -> str:
    return _went_up("rpc_data_disagreement_total", DISAGREEMENTS)


def regressions() -> str:
    return _went_up("rpc_head_regressions_total", REGRESSIONS)


def request_seconds(share: float) -> str:
    return quantile(share, "rpc_request_duration_seconds", ("chain", "method"), **_CHAIN)


def last_request_seconds() -> str:
    """The slowest kind of request of each node."""
    return _of_node("rpc_request_last_duration_seconds")


def arrival_seconds(share: float) -> str:
    return quantile(share, "rpc_head_arrival_delay_seconds", CHAIN, **_CHAIN)


def last_arrival_seconds() -> str:
    return _of_node("rpc_head_arrival_last_delay_seconds")


def first_seen() -> str:
    return _went_up("rpc_first_seen_total", LATELY)


def requests() -> str:
    return rate(series("rpc_requests_total", **_NODE), NODE)


def rate_limited() -> str:
    """The share of its requests that a node refuses because there are too many."""
    return f"{rate(series('rpc_rate_limited_total', **_NODE), NODE)} / {requests()}"


def errors_by_reason() -> str:
    return rate(series("occ_target_errors_total", exporter="nodes", **_NODE), (*NODE, "reason"))


def peers() -> str:
    return _of_node("rpc_peers")


def txpool() -> str:
    return largest(series("rpc_txpool_transactions", **_NODE), (*NODE, "status"))


def base_fee_gwei() -> str:
    """As most nodes of the chain tell it: the fee is the chain's, not the node's."""
    return _fee("rpc_base_fee_wei")


def priority_fee_gwei() -> str:
    return _fee("rpc_priority_fee_wei")


def _fee(metric: str) -> str:
    return f"quantile by (chain) (0.5, {series(metric, **_NODE)}) / 1e9"


def gas_used() -> str:
    """By the node that is furthest: the fullest of the nodes' latest blocks."""
    return largest(series("rpc_gas_used_ratio", **_NODE), CHAIN)


def finality_lag() -> str:
    return _of_node("rpc_finality_lag_blocks")


def syncing() -> str:
    return _of_node("rpc_syncing")


def out_of_service() -> str:
    """The share of the last five minutes in which no node of a chain answered."""
    return _of_chain("slo:rpc_availability:error_ratio_5m")


def out_of_date() -> str:
    """The share of the last five minutes in which a chain's newest known block was too old, or none was known."""
    return _of_chain("slo:head_freshness:error_ratio_5m")


def head() -> str:
    return largest(series("rpc_block_number", tag="latest", **_NODE), NODE)


def client() -> str:
    return largest(series("rpc_client_info", **_NODE), (*NODE, "provider", "version"))


def beacon_distance() -> str:
    return _of_node("beacon_sync_distance_slots")


def beacon_optimistic() -> str:
    return _of_node("beacon_execution_optimistic")


def capability() -> str:
    """1 where a node can do it, 0 where it can not, 2 where it can not, or nobody knows, and it is expected to."""
    can = largest(series("rpc_capability", **_NODE), CAPABILITY)
    expected = largest(series("rpc_capability_expected", **_NODE), CAPABILITY)
    return f"2 * ({expected} unless on ({', '.join(CAPABILITY)}) {can} == 1) or {can}"


def archive_depth() -> str:
    return _of_node("rpc_archive_depth_blocks")


def logs_range() -> str:
    return _of_node("rpc_logs_max_range_blocks")


def websocket() -> str:
    """1 while heads are announced, 0 while they are polled for."""
    return smallest(series("rpc_ws_connected", **_NODE), NODE)


def websocket_reconnects() -> str:
    return _went_up("rpc_ws_reconnects_total", RECONNECTS)
