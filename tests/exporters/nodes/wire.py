"""A hand-written EVM node: the wire is faked here, so that answers can be wrong in ways that no real node is on demand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.occ.servers import listening

HASH = "0x" + "ab" * 32
GENESIS = "0x" + "cd" * 32
BLOCK_AT = 0x6553F100
HEIGHT = 0x1406F40

HEALTHY: Mapping[str, Any] = {
    "eth_chainId": "0x1",
    "eth_syncing": False,
    "net_peerCount": "0x19",
    "eth_maxPriorityFeePerGas": "0x5f5e100",
    "txpool_status": {"pending": "0x64", "queued": "0x7"},
    "web3_clientVersion": "Geth/v1.14.8-stable-a9523b64/linux-amd64/go1.22.6",
    "eth_getBalance": "0x2540be400",
    "eth_blockNumber": hex(HEIGHT),
    "eth_getLogs": [],
    "eth_getCode": "0x6080",
    "eth_getProof": {"balance": "0x0"},
    "debug_traceCall": {"type": "CALL"},
    "latest": {
        "number": hex(HEIGHT),
        "timestamp": hex(BLOCK_AT),
        "hash": HASH,
        "baseFeePerGas": "0x3b9aca00",
        "gasUsed": "0xe4e1c0",
        "gasLimit": "0x1c9c380",
    },
    "safe": {"number": hex(HEIGHT - 32), "timestamp": hex(BLOCK_AT - 32 * 12), "hash": "0x" + "5a" * 32},
    "finalized": {"number": hex(HEIGHT - 64), "timestamp": hex(BLOCK_AT - 64 * 12), "hash": "0x" + "f1" * 32},
    "0x0": {"number": "0x0", "timestamp": "0x0", "hash": GENESIS},
}
"""Results by method, and blocks by tag or height; at the height of `latest` there is that block."""

UNKNOWN_METHOD = {"error": {"code": -32601, "message": "the method does not exist"}}

Change = Callable[[Any], Any]


def answer(question: Mapping[str, Any], results: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer to one call; a result that is an `error` object is sent as such, a function is asked for it."""
    result = results.get(question["method"], UNKNOWN_METHOD)
    if callable(result):
        result = result(question)
    if question["method"] == "eth_getBlockByNumber":
        result = results.get(question["params"][0], _at(question["params"][0], results["latest"]))
    told = {"jsonrpc": "2.0", "id": question["id"]}
    return told | ({"error": result["error"]} if isinstance(result, dict) and "error" in result else {"result": result})


def _at(height: str, latest: Any) -> Any:
    """The block at a height that no test says anything of."""
    return latest if isinstance(latest, dict) and latest.get("number") == height else None


@asynccontextmanager
async def node(
    results: Mapping[str, Any] | None = None, change: Change = lambda replies: replies
) -> AsyncIterator[str]:
    """The URL of a node that answers HEALTHY but for `results`; its whole answer to a batch goes through `change`."""

    async def handler(request: web.Request) -> web.Response:
        asked, told = await request.json(), {**HEALTHY, **(results or {})}
        replies = (
            change([answer(question, told) for question in asked]) if isinstance(asked, list) else answer(asked, told)
        )
        return web.Response(body=json.dumps(replies), content_type="application/json")

    async with listening(handler) as port:
        yield f"http://127.0.0.1:{port}"
