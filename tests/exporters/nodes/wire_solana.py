"""A hand-written Solana node. The wire is faked here: no real one can be had for tests. Its answers are written after the
public documentation of Solana's HTTP methods, its errors after the codes of Agave.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.occ.servers import http

HEAD = 311_000_000
HEAD_AT = 1_735_000_000
FINAL = HEAD - 32
GENESIS = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"

SKIPPED = {"error": {"code": -32007, "message": "Slot was skipped, or missing due to ledger jump to recent snapshot"}}
NOT_THERE = {"error": {"code": -32004, "message": "Block not available for slot"}}
UNKNOWN_METHOD = {"error": {"code": -32601, "message": "Method not found"}}

_DIGITS = str.maketrans("0123456789", "ABCDEFGHJK")


def hash_of(slot: int, branch: str = "a") -> str:
    return branch * 31 + str(slot).rjust(12, "0").translate(_DIGITS)


def latest(slot: int, branch: str = "a") -> dict[str, Any]:
    return {
        "context": {"apiVersion": "2.0.18", "slot": slot},
        "value": {"blockhash": hash_of(slot, branch), "lastValidBlockHeight": slot - 21_000_000},
    }


def block(slot: int, branch: str = "a") -> dict[str, Any]:
    return {
        "blockHeight": slot - 21_000_150,
        "blockTime": time_of(slot),
        "blockhash": hash_of(slot, branch),
        "parentSlot": slot - 1,
        "previousBlockhash": hash_of(slot - 1, branch),
    }


def time_of(slot: int) -> int:
    return HEAD_AT - (HEAD - slot) * 2 // 5


HEALTHY: Mapping[str, Any] = {
    "getLatestBlockhash confirmed": latest(HEAD),
    "getLatestBlockhash finalized": latest(FINAL),
    "getGenesisHash": GENESIS,
    "getMaxShredInsertSlot": HEAD + 4,
    "getVersion": {"feature-set": 607245837, "solana-core": "2.0.18"},
}
"""Results by method, and by what is asked for where that matters: `getBlock 5`. Else blocks and their times are those of
branch a, up to the head.
"""


def answer(question: Mapping[str, Any], results: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer to one call; a result that is an `error` object is sent as such."""
    method, params = question["method"], question["params"]
    about = params[0]["commitment"] if method == "getLatestBlockhash" else params[0] if params else ""
    result = results.get(f"{method} {about}".strip(), _by_slot(method, about))
    told = {"jsonrpc": "2.0", "id": question["id"]}
    return told | ({"error": result["error"]} if isinstance(result, dict) and "error" in result else {"result": result})


def _by_slot(method: str, slot: Any) -> Any:
    if method == "getBlockTime":
        return time_of(slot)
    if method == "getBlock":
        return block(slot) if slot <= HEAD else NOT_THERE
    return UNKNOWN_METHOD


@asynccontextmanager
async def node(results: Mapping[str, Any] | None = None) -> AsyncIterator[str]:
    """The URL of a node that answers HEALTHY but for `results`, which may change meanwhile."""

    def reply(asked: Any) -> Any:
        told = {**HEALTHY, **(results or {})}
        return [answer(question, told) for question in asked] if isinstance(asked, list) else answer(asked, told)

    async with http(reply) as url:
        yield url
