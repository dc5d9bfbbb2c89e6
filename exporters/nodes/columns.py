"""The families of the common reading, and the columns made of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from exporters.nodes.reading import Reading
from occ.job import Readings, Target
from occ.jsonrpc import BATCH
from occ.metrics import UPSTREAM_BUCKETS, Family, Kind
from occ.page import Column, Rows

_NODE = ("chain", "node")
TAGS = ("latest", "safe", "finalized")
OTHER = "other"
METHODS = (
    BATCH,
    "eth_chainId",
    "eth_getBlockByNumber",
    "eth_subscribe",
    "eth_syncing",
    "net_peerCount",
    "web3_clientVersion",
    OTHER,
)
"""What is asked of nodes, as labels: a batch is one request; its calls are requests of their own where a node takes none."""

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
CHAIN_ID_MATCHES = Family(
    "rpc_chain_id_matches", Kind.GAUGE, "1 if the node is on the configured chain id, else 0.", _NODE
)
GENESIS_MATCHES = Family(
    "rpc_genesis_hash_matches",
    Kind.GAUGE,
    "1 if the hash of the node's block 0 is the configured one, else 0; absent where none is configured.",
    _NODE,
)
SYNCING = Family("rpc_syncing", Kind.GAUGE, "1 while the node says that it is syncing, else 0.", _NODE)
PEERS = Family("rpc_peers", Kind.GAUGE, "Peers that the node says it has; absent where it does not say.", _NODE)
BASE_FEE = Family(
    "rpc_base_fee_wei", Kind.GAUGE, "Base fee of the latest block, in wei; absent before EIP-1559.", _NODE, unit="wei"
)
CLIENT_INFO = Family(
    "rpc_client_info",
    Kind.INFO,
    "Name and version of the node's software (`other` where it is not of the usual form) and its provider; always 1.",
    (*_NODE, "version", "provider"),
)
REQUEST_LAST_DURATION = Family(
    "rpc_request_last_duration_seconds",
    Kind.GAUGE,
    "How long the node's last successful request took; `batch` carries all calls of a cycle, where the node takes batches.",
    (*_NODE, "method"),
    unit="seconds",
    values={"method": METHODS},
)
REQUEST_DURATION = Family(
    "rpc_request_duration_seconds",
    Kind.HISTOGRAM,
    "How long requests took, failed ones included, over all nodes of the chain.",
    ("chain", "method"),
    unit="seconds",
    values={"method": METHODS},
    buckets=UPSTREAM_BUCKETS,
)
REQUESTS = Family("rpc_requests_total", Kind.COUNTER, "Requests sent to the node; a batch is one.", _NODE)
RATE_LIMITED = Family(
    "rpc_rate_limited_total", Kind.COUNTER, "Requests that the node refused because there were too many.", _NODE
)

READING_FAMILIES = (
    BLOCK_NUMBER,
    BLOCK_TIMESTAMP,
    CHAIN_ID_MATCHES,
    GENESIS_MATCHES,
    SYNCING,
    PEERS,
    BASE_FEE,
    CLIENT_INFO,
    REQUEST_LAST_DURATION,
    REQUEST_DURATION,
    REQUESTS,
    RATE_LIMITED,
)


def columns(readings: Readings[Reading]) -> Iterable[Column]:
    """Everything that a node's own reading says."""
    yield readings.column(BLOCK_NUMBER, lambda reading: reading.latest.number, tag="latest")
    yield readings.column(BLOCK_TIMESTAMP, lambda reading: reading.latest.timestamp, tag="latest")
    yield readings.column(CHAIN_ID_MATCHES, lambda reading: reading.chain_id_matches)
    yield readings.column(GENESIS_MATCHES, lambda reading: reading.genesis_hash_matches)
    yield readings.column(SYNCING, lambda reading: reading.syncing)
    yield readings.column(PEERS, lambda reading: reading.peers)
    yield readings.column(BASE_FEE, lambda reading: reading.base_fee_wei)
    asked = {method for reading in readings.values() for method in reading.request_seconds}
    for method in METHODS:
        if method in asked:
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
