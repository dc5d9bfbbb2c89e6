"""A hand-written EVM node: the wire is faked here, so that answers can be wrong in ways that no real node is on demand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

HASH = "0x" + "ab" * 32
GENESIS = "0x" + "cd" * 32
BLOCK_AT = 0x6553F100

HEALTHY: Mapping[str, Any] = {
    "eth_chainId": "0x1",
    "eth_syncing": False,
    "net_peerCount": "0x19",
    "web3_clientVersion": "Geth/v1.14.8-stable-a9523b64/linux-amd64/go1.22.6",
    "latest": {"number": "0x1406f40", "timestamp": "0x6553f100", "hash": HASH, "baseFeePerGas": "0x3b9aca00"},
    "0x0": {"number": "0x0", "timestamp": "0x0", "hash": GENESIS},
}

Change = Callable[[Any], Any]


def answer(question: Mapping[str, Any], results: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer to one call; a result that is an `error` object is sent as such."""
    name = question["params"][0] if question["method"] == "eth_getBlockByNumber" else question["method"]
    result = results[name]
    told = {"jsonrpc": "2.0", "id": question["id"]}
    return told | ({"error": result["error"]} if isinstance(result, dict) and "error" in result else {"result": result})


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

    app = web.Application()
    app.router.add_post("/{key:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
