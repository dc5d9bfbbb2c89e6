"""A hand-written CometBFT node. The wire is faked here: no real one can be had for tests. Its answers are written after the
public RPC specification of CometBFT, v0.34 to v1: numbers are strings there, and times are RFC 3339 with nanoseconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.occ.servers import http

HEAD = 5_622_165
HEAD_AT = 1_616_680_843.356134
CHAIN_ID = "cosmoshub-4"

UNKNOWN_METHOD = {"error": {"code": -32601, "message": "Method not found"}}
OUT_OF_RANGE = {"error": {"code": -32603, "message": "Internal error", "data": "min height can't be greater than max"}}


def hash_of(height: int, branch: str = "A") -> str:
    return branch * 32 + f"{height:X}".rjust(32, "0")


def status(height: int = HEAD, branch: str = "A", **sync: Any) -> dict[str, Any]:
    """What a node says of itself; `sync` takes the place of parts of its `sync_info`."""
    return {
        "node_info": {
            "protocol_version": {"p2p": "8", "block": "11", "app": "0"},
            "id": "b93270b358a72a2db30089f3856475bb1f918d6d",
            "listen_addr": "tcp://0.0.0.0:26656",
            "network": CHAIN_ID,
            "version": "0.38.12",
            "moniker": "a-hub-node",
        },
        "sync_info": {
            "latest_block_hash": hash_of(height, branch),
            "latest_block_height": str(height),
            "latest_block_time": "2021-03-25T14:00:43.356134226Z",
            "earliest_block_height": "5200791",
            "catching_up": False,
        }
        | sync,
        "validator_info": {"voting_power": "0"},
    }


def metas(height: int, branch: str = "A") -> dict[str, Any]:
    """The answer for one height."""
    parts = {"total": 1, "hash": "38" * 32}
    head = {
        "chain_id": CHAIN_ID,
        "height": str(height),
        "time": "2021-03-25T14:00:43.356134226Z",
        "last_block_id": {"hash": hash_of(height - 1, branch), "parts": parts},
    }
    meta = {"block_id": {"hash": hash_of(height, branch), "parts": parts}, "header": head, "num_txs": "54"}
    return {"last_height": str(HEAD), "block_metas": [meta]}


HEALTHY: Mapping[str, Any] = {
    "status": status(),
    "net_info": {"listening": True, "listeners": ["Listener(@)"], "n_peers": "17", "peers": []},
    "num_unconfirmed_txs": {"n_txs": "31", "total": "82", "total_bytes": "19974"},
}
"""Results by method, and by height where one is asked for: `blockchain 5`. Else blocks are those of branch A, up to the head."""


def answer(question: Mapping[str, Any], results: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer to one call; a result that is an `error` object is sent as such."""
    method, params = question["method"], question["params"]
    if params:
        low, high = params  # each a number in quotes, as the node wants it
        assert isinstance(low, str)
        assert low == high
        there = metas(int(low)) if int(low) <= HEAD else OUT_OF_RANGE
        result = results.get(f"{method} {low}", there)
    else:
        result = results.get(method, UNKNOWN_METHOD)
    told = {"jsonrpc": "2.0", "id": question["id"]}
    return told | ({"error": result["error"]} if isinstance(result, dict) and "error" in result else {"result": result})


@asynccontextmanager
async def node(results: Mapping[str, Any] | None = None) -> AsyncIterator[str]:
    """The URL of a node that answers HEALTHY but for `results`, which may change meanwhile."""

    def reply(asked: Any) -> Any:
        told = {**HEALTHY, **(results or {})}
        return [answer(question, told) for question in asked] if isinstance(asked, list) else answer(asked, told)

    async with http(reply) as url:
        yield url
