"""Can the chains be seen, and is what the nodes say true? Verdict, truth, speed, capacity, shape, then every node."""

from __future__ import annotations

from .kit.emit import Board, Variable
from .kit.layout import Row
from .kit.panels import (
    Column,
    Header,
    Panel,
    Query,
    Scale,
    bar_gauge,
    stat,
    state_timeline,
    status_history,
    table,
    timeseries,
)
from .kit.rules import Rules
from .kit.theme import Colour, Limit, Unit
from .queries import alerts as fires
from .queries import nodes as q

UID = "occ-nodes"

_NODE = "{{chain}} {{node}}"
_UP = {0.0: ("down", Colour.TICKET), 1.0: ("up", Colour.GOOD)}
_CHAIN_ID = {0.0: ("another chain", Colour.PAGE), 1.0: ("the right one", Colour.GOOD)}
_HASH = {0.0: ("as the others", Colour.GOOD), 1.0: ("another block", Colour.PAGE)}
_SYNCING = {0.0: ("in step", Colour.GOOD), 1.0: ("syncing", Colour.TICKET)}
_CAN = {0.0: ("no", Colour.NEUTRAL), 1.0: ("yes", Colour.GOOD), 2.0: ("missing", Colour.TICKET)}
_WEBSOCKET = {0.0: ("polled", Colour.TICKET), 1.0: ("followed", Colour.GOOD)}
_OPTIMISTIC = {0.0: ("verified", Colour.GOOD), 1.0: ("unverified", Colour.TICKET)}
_KNOWN = "occ_target_configured"


def board(rules: Rules) -> Board:
    """The board, its limits from these rules."""
    return Board(
        uid=UID,
        title="OCC / Nodes",
        description="RPC nodes, and the chains that are seen through them.",
        variables=[
            Variable("chain", "Chain", f'{_KNOWN}{{exporter="nodes"}}'),
            Variable("node", "Node", f'{_KNOWN}{{exporter="nodes",chain=~"$chain"}}'),
        ],
        rows=[
            Row("Verdict", 4, _verdict(rules)),
            Row("Truth", 7, [*_heads(rules), *_histories(rules)]),
            Row("Speed", 7, _speed(rules)),
            Row("Capacity and objectives", 7, _capacity(rules)),
            Row("Shape", 7, _shape(rules)),
            Row("Every node", 9, _nodes(rules)),
            Row("What nodes can do", 9, _capabilities(rules)),
        ],
    )


def _limit(threshold: str) -> Query:
    return Query(q.bound(threshold), "{{chain}} limit")


def _verdict(rules: Rules) -> list[Panel]:
    blind, few, stalled, down = rules["ChainBlind"], rules["ChainFewNodes"], rules["ChainStalled"], rules["NodeDown"]
    return [
        stat(
            Header("Chains with a problem", "How many chains have a node that is not healthy?", (blind, few)),
            Scale(Unit.COUNT, (Limit(">", 0, down.severity),)),
            Query(q.chains_with_a_problem(), "chains"),
        ),
        stat(
            Header("Nodes healthy", "How many nodes are fit for use, of how many?", (down, few)),
            Scale(Unit.COUNT),
            Query(q.all_nodes_healthy(), "healthy"),
            Query(q.all_nodes(), "configured"),
            names=True,
            width=5,
        ),
        stat(
            Header("Fewest healthy", "How many nodes has the chain that has the fewest healthy ones?", (blind,)),
            Scale(Unit.COUNT, (blind.limit("chain_nodes_healthy"),)),
            Query(q.fewest_healthy(), "healthy"),
            width=3,
        ),
        stat(
            Header("Nodes down", "How many nodes did not answer the last time?", (down, rules["ManyNodesDown"])),
            Scale(Unit.COUNT, (Limit(">", 0, down.severity),)),
            Query(q.nodes_down(), "down"),
        ),
        stat(
            Header("Oldest head", "How old is the head of the chain whose head is the oldest?", (stalled,)),
            Scale(Unit.SECONDS, (stalled.limit("chain_head_timestamp_seconds"),), decimals=0),
            Query(q.oldest_head(), "old"),
        ),
        stat(
            Header("Firing", "How many pages and tickets of nodes fire?", (stalled, rules["NodeLagging"])),
            Scale(Unit.COUNT, (Limit(">", 0, "ticket"),)),
            Query(fires.firing("page", domain="nodes"), "pages"),
            Query(fires.firing("ticket", domain="nodes"), "tickets"),
            names=True,
        ),
    ]


def _heads(rules: Rules) -> list[Panel]:
    """Who is where."""
    lagging, forked = rules["NodeLagging"], rules["ChainForked"]
    return [
        timeseries(
            Header("Lag in blocks", "How many blocks is each node behind the head that others agree on?", (lagging,)),
            Scale(Unit.BLOCKS),
            Query(q.lag_blocks(), _NODE),
            bounds=[_limit("lag_blocks")],
        ),
        timeseries(
            Header("Lag in time", "How much older is each node's head than that one?", (lagging,)),
            Scale(Unit.SECONDS),
            Query(q.lag_seconds(), _NODE),
            bounds=[_limit("lag_seconds")],
        ),
        timeseries(
            Header("Ahead", "How many blocks is each node above that head?", (rules["NodeAhead"],)),
            Scale(Unit.BLOCKS),
            Query(q.ahead_blocks(), _NODE),
        ),
        timeseries(
            Header("Forks", "How many different blocks do the nodes of a chain have at one height?", (forked,)),
            Scale(Unit.COUNT, (forked.limit("chain_fork_groups"),)),
            Query(q.fork_groups(), "{{chain}}"),
        ),
    ]


def _histories(rules: Rules) -> list[Panel]:
    """Who tells the same story as the others."""
    wrong, forked = rules["NodeWrongChain"], rules["NodeForked"]
    regressing, disagrees = rules["NodeHeadRegressing"], rules["NodeDataDisagrees"]
    return [
        state_timeline(
            Header("Chain", "Is each node on the chain that it should be on?", (wrong,)),
            Scale(Unit.COUNT, states=_CHAIN_ID),
            Query(q.right_chain(), f"{_NODE} id"),
            Query(q.right_genesis(), f"{_NODE} genesis"),
        ),
        status_history(
            Header("Block hash", "Which node has another block than the majority?", (forked,)),
            Scale(Unit.COUNT, states=_HASH),
            Query(q.hash_mismatch(), _NODE),
        ),
        timeseries(
            Header("Reorgs", f"How many reorgs did each node tell of in {q.REORGS}?", (rules["NodeReorgs"],)),
            Scale(Unit.COUNT),
            Query(q.reorgs(), _NODE),
            bounds=[_limit("reorgs_per_hour")],
        ),
        timeseries(
            Header("Blocks replaced", f"How many blocks did the nodes take back in {q.LATELY}?", (rules["DeepReorg"],)),
            Scale(Unit.COUNT),
            Query(q.blocks_replaced(), "{{chain}}"),
        ),
        timeseries(
            Header(
                "Heads going back",
                f"How often in {q.REGRESSIONS} was a node's head lower than before?",
                (regressing,),
            ),
            Scale(Unit.COUNT, (regressing.limit("rpc_head_regressions_total"),)),
            Query(q.regressions(), _NODE),
            width=12,
        ),
        timeseries(
            Header(
                "Other state",
                f"How often in {q.DISAGREEMENTS} did a node tell another state than most?",
                (disagrees,),
            ),
            Scale(Unit.COUNT, (disagrees.limit("rpc_data_disagreement_total"),)),
            Query(q.disagreements(), _NODE),
            width=12,
        ),
    ]


def _speed(rules: Rules) -> list[Panel]:
    slow, late = rules["NodeSlow"], rules["NodeHeadsLate"]
    return [
        timeseries(
            Header("Request duration", "How long do 95 % of the requests to a chain's nodes take at most?", (slow,)),
            Scale(Unit.SECONDS),
            Query(q.request_seconds(0.95), "{{chain}} {{method}}"),
        ),
        timeseries(
            Header("Slowest node", "How long did each node's last request take?", (slow,)),
            Scale(Unit.SECONDS),
            Query(q.last_request_seconds(), _NODE),
            bounds=[_limit("request_seconds")],
        ),
        timeseries(
            Header("Head arrival", "How long after a block's own time do 95 % of the heads arrive at most?", (late,)),
            Scale(Unit.SECONDS),
            Query(q.arrival_seconds(0.95), "{{chain}}"),
            width=4,
        ),
        timeseries(
            Header("Latest arrival", "How late did each node tell its newest head?", (late,)),
            Scale(Unit.SECONDS),
            Query(q.last_arrival_seconds(), _NODE),
            bounds=[_limit("arrival_delay_seconds")],
            width=4,
        ),
        bar_gauge(
            Header("First to tell", f"Which nodes brought heads first in {q.LATELY}?", (late,)),
            Scale(Unit.COUNT),
            Query(q.first_seen(), _NODE),
            width=4,
        ),
    ]


def _capacity(rules: Rules) -> list[Panel]:
    down, limited = rules["NodeDown"], rules["NodeRateLimited"]
    burning, aging = rules["RpcAvailabilityBurning"], rules["HeadFreshnessBurning"]
    return [
        timeseries(
            Header("Failed reads", "Why do reads of nodes fail, and how often?", (down,)),
            Scale(Unit.PER_SECOND),
            Query(q.errors_by_reason(), f"{_NODE} {{{{reason}}}}"),
            stacked=True,
            width=8,
        ),
        timeseries(
            Header("Rate limited", "What share of its requests does each node refuse as too many?", (limited,)),
            Scale(Unit.RATIO, (limited.limit("rpc_rate_limited_total"),)),
            Query(q.rate_limited(), _NODE),
            width=8,
        ),
        timeseries(
            Header("Requests", "How much is asked of each node?", (limited,)),
            Scale(Unit.REQUESTS),
            Query(q.requests(), _NODE),
            width=8,
        ),
        timeseries(
            Header("Out of service", "What share of the last five minutes did no node of a chain answer?", (burning,)),
            Scale(Unit.RATIO, (burning.limit("slo:rpc_availability:error_ratio_5m"),)),
            Query(q.out_of_service(), "{{chain}}"),
            width=12,
        ),
        timeseries(
            Header("Out of date", "What share of the last five minutes was a chain's head too old?", (aging,)),
            Scale(Unit.RATIO, (aging.limit("slo:head_freshness:error_ratio_5m"),)),
            Query(q.out_of_date(), "{{chain}}"),
            width=12,
        ),
    ]


def _shape(rules: Rules) -> list[Panel]:
    stalled, distance, optimistic = rules["ChainStalled"], rules["BeaconSyncDistance"], rules["BeaconOptimistic"]
    return [
        timeseries(
            Header("Peers", "How many peers does each node have?", (rules["NodeFewPeers"],)),
            Scale(Unit.COUNT),
            Query(q.peers(), _NODE),
            bounds=[_limit("peers")],
        ),
        timeseries(
            Header("Transaction pool", "How many transactions wait in each node's pool?", (stalled,)),
            Scale(Unit.SHORT),
            Query(q.txpool(), f"{_NODE} {{{{status}}}}"),
        ),
        timeseries(
            Header("Fees", "What does gas cost?", (stalled,)),
            Scale(Unit.GWEI),
            Query(q.base_fee_gwei(), "{{chain}} base"),
            Query(q.priority_fee_gwei(), "{{chain}} priority"),
        ),
        timeseries(
            Header("Blocks filled", "How full are blocks?", (stalled,)),
            Scale(Unit.RATIO),
            Query(q.gas_used(), "{{chain}}"),
        ),
        timeseries(
            Header(
                "Finality",
                "How far behind its head is each node's finalized block?",
                (rules["FinalityLagging"], rules["FinalityStalled"]),
            ),
            Scale(Unit.BLOCKS),
            Query(q.finality_lag(), _NODE),
            bounds=[_limit("finality_lag_blocks")],
        ),
        state_timeline(
            Header("Syncing", "Which nodes are still catching up?", (rules["NodeSyncing"],)),
            Scale(Unit.COUNT, states=_SYNCING),
            Query(q.syncing(), _NODE),
        ),
        timeseries(
            Header("Consensus distance", "How many slots are consensus nodes behind?", (distance,)),
            Scale(Unit.COUNT, (distance.limit("beacon_sync_distance_slots"),), nothing="no consensus node"),
            Query(q.beacon_distance(), _NODE),
        ),
        state_timeline(
            Header("Consensus heads", "Has the execution node verified the consensus node's head?", (optimistic,)),
            Scale(Unit.COUNT, states=_OPTIMISTIC, nothing="no consensus node"),
            Query(q.beacon_optimistic(), _NODE),
        ),
    ]


def _nodes(rules: Rules) -> list[Panel]:
    lagging, down, slow = rules["NodeLagging"], rules["NodeDown"], rules["NodeSlow"]
    blocks, seconds = lagging.limit("rpc_block_lag_blocks"), lagging.limit("rpc_block_lag_seconds")
    return [
        table(
            Header("Nodes", "How is each node, and what is it?", (down, lagging, slow)),
            {"chain": "Chain", "node": "Node"},
            [
                Column("Blocks behind", q.lag_blocks(), Scale(Unit.BLOCKS, (blocks,))),
                Column("Behind", q.lag_seconds(), Scale(Unit.SECONDS, (seconds,))),
                Column("Answers", q.node_up(), Scale(Unit.COUNT, states=_UP)),
                Column("Chain id", q.right_chain(), Scale(Unit.COUNT, states=_CHAIN_ID)),
                Column("Head", q.head(), Scale(Unit.COUNT)),
                Column(
                    "Last request",
                    q.last_request_seconds(),
                    Scale(Unit.SECONDS, (slow.limit("rpc_request_last_duration_seconds"),)),
                ),
                Column("Peers", q.peers(), Scale(Unit.COUNT, nothing="does not say")),
                Column("", q.client(), Scale(Unit.COUNT)),
            ],
            facts={"provider": "Provider", "version": "Version"},
            links={"node": f"/d/{UID}?var-chain=${{__data.fields.Chain}}&var-node=${{__value.raw}}"},
        )
    ]


def _capabilities(rules: Rules) -> list[Panel]:
    lost, websocket = rules["NodeCapabilityLost"], rules["NodeWebSocketLost"]
    return [
        table(
            Header("Capabilities", "What can each node do, and does it lack what is expected of it?", (lost,)),
            {"chain": "Chain", "node": "Node", "capability": "Capability"},
            [Column("Can", q.capability(), Scale(Unit.COUNT, states=_CAN))],
            width=8,
        ),
        table(
            Header("Reach", "How far back does a node know state, and logs of how many blocks does it give?", (lost,)),
            {"chain": "Chain", "node": "Node"},
            [
                Column("State, blocks back", q.archive_depth(), Scale(Unit.SHORT, nothing="none")),
                Column("Logs, blocks at once", q.logs_range(), Scale(Unit.SHORT, nothing="none")),
            ],
            width=6,
        ),
        state_timeline(
            Header(
                "Heads by WebSocket",
                "Which nodes announce their heads, and which are polled for them?",
                (websocket,),
            ),
            Scale(Unit.COUNT, states=_WEBSOCKET, nothing="none configured"),
            Query(q.websocket(), _NODE),
        ),
        timeseries(
            Header(
                "WebSocket reconnects",
                f"How often in {q.RECONNECTS} was a lost subscription made anew?",
                (websocket,),
            ),
            Scale(Unit.COUNT, (websocket.limit("rpc_ws_reconnects_total"),), nothing="none configured"),
            Query(q.websocket_reconnects(), _NODE),
            width=4,
        ),
    ]
