"""A hand-written Bitcoin Core. The wire is faked here, so that answers can be wrong, and because Core itself can not be had
for tests: its answers, and the statuses it sends errors with, are written after its RPC reference. What bcoin, a real node,
answers instead is in test_bitcoin_real.py.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.occ.servers import listening

USER, PASSWORD = "scraper", "p4ss:w0rd/0123456789"
QUOTED = "p4ss%3Aw0rd%2F0123456789"

HEAD = 870_000
HEAD_AT = 1_731_000_000
GENESIS = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"

UNKNOWN_METHOD = {"error": {"code": -32601, "message": "Method not found"}}
WARMING_UP = {"error": {"code": -28, "message": "Loading block index..."}}
OUT_OF_RANGE = {"error": {"code": -8, "message": "Block height out of range"}}
NOT_FOUND = {"error": {"code": -5, "message": "Block not found"}}


def hash_of(height: int, branch: str = "a") -> str:
    return GENESIS if height == 0 else branch * 56 + f"{height:08x}"


def header(height: int, branch: str = "a") -> dict[str, Any]:
    return {
        "hash": hash_of(height, branch),
        "confirmations": 1,
        "height": height,
        "version": 536870912,
        "merkleroot": "4a" * 32,
        "time": HEAD_AT - 600 * (HEAD - height),
        "mediantime": HEAD_AT - 600 * (HEAD - height) - 3000,
        "nonce": 42,
        "bits": "1702ade5",
        "difficulty": 101646843652785.3,
        "chainwork": "00" * 28 + "9ae5f4e8",
        "nTx": 3000,
        "previousblockhash": hash_of(height - 1, branch),
    }


CHAIN: Mapping[str, Any] = {
    "chain": "main",
    "blocks": HEAD,
    "headers": HEAD,
    "bestblockhash": hash_of(HEAD),
    "difficulty": 101646843652785.3,
    "time": HEAD_AT,
    "mediantime": HEAD_AT - 3000,
    "verificationprogress": 0.9999987,
    "initialblockdownload": False,
    "chainwork": "00" * 28 + "9ae5f4e8",
    "size_on_disk": 690_000_000_000,
    "pruned": False,
    "warnings": [],
}
NETWORK: Mapping[str, Any] = {
    "version": 280000,
    "subversion": "/Satoshi:28.0.0/",
    "protocolversion": 70016,
    "timeoffset": 0,
    "networkactive": True,
    "connections": 10,
    "connections_in": 0,
    "connections_out": 10,
    "warnings": [],
}
POOL: Mapping[str, Any] = {"loaded": True, "size": 41_337, "bytes": 23_000_000, "usage": 120_000_000}

HEALTHY: Mapping[str, Any] = {"getblockchaininfo": CHAIN, "getnetworkinfo": NETWORK, "getmempoolinfo": POOL}
"""Results by method, and by what is asked for where that matters: `getblockhash 5`. Else blocks are those of branch a, up to
the head.
"""


def result(question: Mapping[str, Any], results: Mapping[str, Any]) -> Any:
    method, (about,) = question["method"], question["params"] or ("",)
    return results.get(f"{method} {about}".strip(), _of_the_chain(method, about))


def _of_the_chain(method: str, about: Any) -> Any:
    if method == "getblockhash":
        return hash_of(about) if about <= HEAD else OUT_OF_RANGE
    if method == "getblockheader":
        height = int(about[56:], 16)
        return header(height) if about == hash_of(height) else NOT_FOUND
    return UNKNOWN_METHOD


def answer(question: Mapping[str, Any], results: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer to one call as in JSON-RPC 1.0, with result and error both; a result that is an `error` object is sent as such."""
    found = result(question, results)
    failed = isinstance(found, dict) and "error" in found
    return {"result": None if failed else found, "error": found["error"] if failed else None, "id": question["id"]}


@asynccontextmanager
async def node(results: Mapping[str, Any] | None = None, *, batches: bool = True) -> AsyncIterator[str]:
    """The URL, with user and password, of a node that answers HEALTHY but for `results`, which may change meanwhile.

    As one behind a proxy it may refuse batches.
    """

    async def handle(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}":
            return web.Response(status=401)
        asked, told = await request.json(), {**HEALTHY, **(results or {})}
        if isinstance(asked, list):
            return web.json_response([answer(each, told) for each in asked]) if batches else web.Response(status=400)
        reply = answer(asked, told)
        status = 200 if reply["error"] is None else {-32601: 404}.get(reply["error"]["code"], 500)
        return web.json_response(reply, status=status)

    async with listening(handle) as port:
        yield f"http://{USER}:{QUOTED}@127.0.0.1:{port}"
