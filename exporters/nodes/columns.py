"""The families of the common reading, and the columns made of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from exporters.nodes.reading import Block, Consensus, Head, Reading, Survey
from occ.job import Readings, Target
from occ.metrics import UPSTREAM_BUCKETS, Family, Kind
from occ.page import Column, Rows

_NODE = ("chain", "node")
TAGS = ("latest", "safe", "finalized")
TRANSACTIONS = ("pending", "queued")
CAPABILITIES = ("archive", "trace", "debug", "logs", "batch", "multicall", "proof")

# --- what every look at a node gives ---------------------------------------------------------------------------------

BLOCK_NUMBER = Family(
    "rpc_block_number", Kind.GAUGE, "Height of the node's block of this tag.", (*_NODE, "tag"), values={"tag": TAGS}
)
BLOCK_TIMESTAMP = Family(
    "rpc_block_timestamp_seconds",
    Kind.GAUGE,
    "The block's own timestamp, Unix time.",
    (*_NODE, "tag"),
    unit="seconds",
    values={"tag": TAGS},
)
FINALITY_LAG = Family(
    "rpc_finality_lag_blocks",
    Kind.GAUGE,
    "Blocks from the node's finalized block to its latest; absent where it tells of no finalized one.",
    _NODE,
)
CHAIN_ID_MATCHES = Family(
    "rpc_chain_id_matches", Kind.GAUGE, "1 if the node is on the configured chain id, else 0.", _NODE
)
GENESIS_MATCHES = Family(
    "rpc_genesis_hash_matches",
    Kind.GAUGE,
    "1 if the hash of the node's block 0 is the configured one, else 0; absent where none is configured or told.",
    _NODE,
)
SYNCING = Family("rpc_syncing", Kind.GAUGE, "1 while the node says that it is syncing, else 0.", _NODE)
PEERS = Family(
    "rpc_peers", Kind.GAUGE, "Peers that the node says it has; absent where it does not say.", _NODE, quiet=True
)
BASE_FEE = Family(
    "rpc_base_fee_wei", Kind.GAUGE, "Base fee of the latest block, in wei; absent before EIP-1559.", _NODE, unit="wei"
)
PRIORITY_FEE = Family(
    "rpc_priority_fee_wei",
    Kind.GAUGE,
    "Priority fee per gas that the node suggests, in wei; absent where it suggests none.",
    _NODE,
    unit="wei",
)
GAS_USED = Family(
    "rpc_gas_used_ratio", Kind.GAUGE, "Gas used by the latest block over its gas limit, 0 to 1.", _NODE, unit="ratio"
)
TXPOOL = Family(
    "rpc_txpool_transactions",
    Kind.GAUGE,
    "Transactions waiting in the node's pool; absent where it does not say.",
    (*_NODE, "status"),
    values={"status": TRANSACTIONS},
)
CLIENT_INFO = Family(
    "rpc_client_info",
    Kind.INFO,
    "Name and version of the node's software (`other` where it is not of the usual form) and its provider; always 1.",
    (*_NODE, "version", "provider"),
)
REORGS = Family(
    "rpc_reorgs_total",
    Kind.COUNTER,
    "Times that a block which the node had told was no longer in its chain.",
    _NODE,
)
REORG_DEPTH = Family(
    "rpc_reorg_depth_blocks",
    Kind.HISTOGRAM,
    "Blocks replaced by a reorg, over all nodes of the chain; at least so many, of those that were seen before.",
    ("chain",),
    unit="blocks",
    buckets=(1, 2, 3, 5, 8, 13, 21, 34, 64, 128),
)
REGRESSIONS = Family(
    "rpc_head_regressions_total",
    Kind.COUNTER,
    "Times that the node's head was lower than at the look before, as behind a load balancer.",
    _NODE,
)
DISAGREEMENTS = Family(
    "rpc_data_disagreement_total",
    Kind.COUNTER,
    "Times that the node, at a block that others have as well, told another state than most providers.",
    _NODE,
)

# --- requests --------------------------------------------------------------------------------------------------------

REQUEST_LAST_DURATION = Family(
    "rpc_request_last_duration_seconds",
    Kind.GAUGE,
    "How long the node's last successful request took; `batch` carries all calls of a cycle, where the node takes batches.",
    (*_NODE, "method"),
    unit="seconds",
)
REQUEST_DURATION = Family(
    "rpc_request_duration_seconds",
    Kind.HISTOGRAM,
    "How long requests took, failed ones included, over all nodes of the chain.",
    ("chain", "method"),
    unit="seconds",
    buckets=UPSTREAM_BUCKETS,
)
REQUESTS = Family("rpc_requests_total", Kind.COUNTER, "Requests sent to the node; a batch is one.", _NODE)
RATE_LIMITED = Family(
    "rpc_rate_limited_total", Kind.COUNTER, "Requests that the node refused because there were too many.", _NODE
)

# --- heads as they come ----------------------------------------------------------------------------------------------

ARRIVAL_DELAY = Family(
    "rpc_head_arrival_delay_seconds",
    Kind.HISTOGRAM,
    "From a head's own timestamp until a node told it, over all nodes of the chain; by polling up to an interval more.",
    ("chain",),
    unit="seconds",
    buckets=(0.25, 0.5, 1, 2, 4, 8, 12, 15, 30, 60),
)
ARRIVAL_LAST = Family(
    "rpc_head_arrival_last_delay_seconds",
    Kind.GAUGE,
    "The same of the node's newest head; 0 where the head is stamped later than it came.",
    _NODE,
    unit="seconds",
)
FIRST_SEEN = Family(
    "rpc_first_seen_total",
    Kind.COUNTER,
    "Heads that this node told before the others, and another provider told after it.",
    _NODE,
)
WS_CONNECTED = Family(
    "rpc_ws_connected",
    Kind.GAUGE,
    "1 while the node announces its heads over WebSocket, 0 while it is polled for them instead.",
    _NODE,
    quiet=True,
)
WS_RECONNECTS = Family(
    "rpc_ws_reconnects_total", Kind.COUNTER, "WebSocket subscriptions to the node after the first.", _NODE, quiet=True
)

# --- what it can do --------------------------------------------------------------------------------------------------

CAPABILITY = Family(
    "rpc_capability",
    Kind.GAUGE,
    "1 if the node could do this when last tried, else 0.",
    (*_NODE, "capability"),
    values={"capability": CAPABILITIES},
)
CAPABILITY_EXPECTED = Family(
    "rpc_capability_expected",
    Kind.GAUGE,
    "Always 1: the configuration expects this of the node.",
    (*_NODE, "capability"),
    values={"capability": CAPABILITIES},
)
ARCHIVE_DEPTH = Family(
    "rpc_archive_depth_blocks",
    Kind.GAUGE,
    "How many blocks back from its head the node still knows state: the deepest of a few depths that were tried.",
    _NODE,
)
LOGS_RANGE = Family(
    "rpc_logs_max_range_blocks",
    Kind.GAUGE,
    "Over how many blocks the node gives logs in one answer: the longest of a few ranges that were tried.",
    _NODE,
)

# --- consensus nodes -------------------------------------------------------------------------------------------------

BEACON_SLOT = Family("beacon_head_slot", Kind.GAUGE, "Slot of the consensus node's head.", _NODE, quiet=True)
BEACON_FINALIZED = Family(
    "beacon_finalized_epoch", Kind.GAUGE, "Epoch that the node holds to be finalized.", _NODE, quiet=True
)
BEACON_DISTANCE = Family(
    "beacon_sync_distance_slots",
    Kind.GAUGE,
    "Slots by which the node itself says that it is behind.",
    _NODE,
    quiet=True,
)
BEACON_OPTIMISTIC = Family(
    "beacon_execution_optimistic",
    Kind.GAUGE,
    "1 while the node's head has not been verified by its execution node, else 0; absent where it does not say.",
    _NODE,
    quiet=True,
)

CONSENSUS_FAMILIES = (BEACON_SLOT, BEACON_FINALIZED, BEACON_DISTANCE, BEACON_OPTIMISTIC)

READING_FAMILIES = (
    BLOCK_NUMBER,
    BLOCK_TIMESTAMP,
    FINALITY_LAG,
    CHAIN_ID_MATCHES,
    GENESIS_MATCHES,
    SYNCING,
    PEERS,
    BASE_FEE,
    PRIORITY_FEE,
    GAS_USED,
    TXPOOL,
    CLIENT_INFO,
    REORGS,
    REORG_DEPTH,
    REGRESSIONS,
    DISAGREEMENTS,
    REQUEST_LAST_DURATION,
    REQUEST_DURATION,
    REQUESTS,
    RATE_LIMITED,
    ARRIVAL_DELAY,
    ARRIVAL_LAST,
    FIRST_SEEN,
    *CONSENSUS_FAMILIES,
)
HEAD_FAMILIES = (WS_CONNECTED, WS_RECONNECTS, ARRIVAL_LAST)
SURVEY_FAMILIES = (CAPABILITY, ARCHIVE_DEPTH, LOGS_RANGE)


def columns(readings: Readings[Reading]) -> Iterable[Column]:
    """Everything that a node's own reading says."""
    yield readings.column(BLOCK_NUMBER, lambda reading: reading.latest.number, tag="latest")
    yield readings.column(BLOCK_TIMESTAMP, lambda reading: reading.latest.timestamp, tag="latest")
    yield readings.column(CHAIN_ID_MATCHES, lambda reading: reading.chain_id_matches)
    yield readings.column(GENESIS_MATCHES, lambda reading: reading.genesis_hash_matches)
    yield readings.column(SYNCING, lambda reading: reading.syncing)
    yield readings.column(PEERS, lambda reading: reading.peers)
    yield readings.column(BASE_FEE, lambda reading: reading.base_fee_wei)
    yield readings.column(PRIORITY_FEE, lambda reading: reading.priority_fee_wei)
    yield readings.column(GAS_USED, lambda reading: reading.gas_used_ratio)
    yield readings.column(ARRIVAL_LAST, lambda reading: reading.arrival_delay)
    for status in TRANSACTIONS:
        yield _waiting(readings, status)
    yield from _finality(readings)
    yield from _consensus(readings)
    yield from _requests(readings)


def _finality(readings: Readings[Reading]) -> Iterable[Column]:
    yield readings.column(BLOCK_NUMBER, lambda reading: _number(reading.safe), tag="safe")
    yield readings.column(BLOCK_TIMESTAMP, lambda reading: _timestamp(reading.safe), tag="safe")
    yield readings.column(BLOCK_NUMBER, lambda reading: _number(reading.finalized), tag="finalized")
    yield readings.column(BLOCK_TIMESTAMP, lambda reading: _timestamp(reading.finalized), tag="finalized")
    yield readings.column(FINALITY_LAG, _finality_lag)


def _number(block: Block | None) -> int | None:
    return None if block is None else block.number


def _timestamp(block: Block | None) -> float | None:
    return None if block is None else block.timestamp


def _finality_lag(reading: Reading) -> int | None:
    return None if reading.finalized is None else max(reading.latest.number - reading.finalized.number, 0)


def _waiting(readings: Readings[Reading], status: str) -> Column:
    return readings.column(TXPOOL, lambda reading: reading.transactions.get(status), status=status)


def _consensus(readings: Readings[Reading]) -> Iterable[Column]:
    if not any(reading.consensus for reading in readings.values()):
        return

    def said(of: Family, value: str) -> Column:
        return readings.column(of, lambda reading: _of(reading.consensus, value))

    yield readings.column(BEACON_SLOT, lambda reading: reading.latest.number if reading.consensus else None)
    yield said(BEACON_FINALIZED, "finalized_epoch")
    yield said(BEACON_DISTANCE, "sync_distance")
    yield said(BEACON_OPTIMISTIC, "optimistic")


def _of(consensus: Consensus | None, value: str) -> float | None:
    found: float | None = None if consensus is None else getattr(consensus, value)
    return found


def _requests(readings: Readings[Reading]) -> Iterable[Column]:
    asked = {method for reading in readings.values() for method in reading.request_seconds}
    for method in sorted(asked):
        yield _last_duration(readings, method)
    versions = _version_rows(
        tuple((target, reading.version) for target, reading in readings.items() if reading.version)
    )
    yield Column(CLIENT_INFO, versions, [1.0] * len(versions))


def _last_duration(readings: Readings[Reading], method: str) -> Column:
    return readings.column(REQUEST_LAST_DURATION, lambda reading: reading.request_seconds.get(method), method=method)


@lru_cache(maxsize=64)
def _version_rows(versions: tuple[tuple[Target, str], ...]) -> Rows:
    return tuple(
        {**target.labels, "version": version, "provider": target.facts["provider"]} for target, version in versions
    )


def head_columns(readings: Readings[Head]) -> Iterable[Column]:
    """How a node's heads come."""
    yield readings.column(WS_CONNECTED, lambda head: head.connected)
    yield readings.column(ARRIVAL_LAST, lambda head: head.arrival_delay)


def survey_columns(readings: Readings[Survey]) -> Iterable[Column]:
    """What nodes can do."""
    for capability in CAPABILITIES:
        yield _capability(readings, capability)
    yield readings.column(ARCHIVE_DEPTH, lambda survey: survey.archive_depth)
    yield readings.column(LOGS_RANGE, lambda survey: survey.logs_max_range)


def _capability(readings: Readings[Survey], capability: str) -> Column:
    return readings.column(CAPABILITY, lambda survey: survey.capabilities.get(capability), capability=capability)
