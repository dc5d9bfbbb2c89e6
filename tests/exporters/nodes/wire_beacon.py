"""A hand-written consensus node. The wire is faked here: no real one can be had for tests. Its answers are written after the
public specification of the Beacon API, v2 and v3; numbers are strings there, and a slot without a block is a 404.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.occ.servers import secret_url

HEAD = 10_000_000
GENESIS_AT = 1_606_824_023
HEAD_AT = GENESIS_AT + 12 * HEAD
GENESIS = "0x" + "4b" * 32

ROOT = "/eth/v1/beacon/genesis"
SYNCING = "/eth/v1/node/syncing"
PEERS = "/eth/v1/node/peer_count"
VERSION = "/eth/v1/node/version"
SPEC = "/eth/v1/config/spec"
CHECKPOINTS = "/eth/v1/beacon/states/head/finality_checkpoints"
HEADERS = "/eth/v1/beacon/headers/"


def root_of(slot: int, branch: str = "a") -> str:
    return "0x" + f"{branch}{slot:x}".rjust(64, "0")


def header(slot: int, branch: str = "a", **others: Any) -> dict[str, Any]:
    """The answer for a block; `others` take the place of parts of its data."""
    message = {
        "slot": str(slot),
        "proposer_index": "1",
        "parent_root": root_of(slot - 1, branch),
        "state_root": "0x" + "57" * 32,
        "body_root": "0x" + "b0" * 32,
    }
    data = {
        "root": root_of(slot, branch),
        "canonical": True,
        "header": {"message": message, "signature": "0x" + "51" * 96},
    }
    return {"execution_optimistic": False, "finalized": False, "data": data | others}


def chain(head: int, branch: str = "a", empty: tuple[int, ...] = (), common: int = 0) -> dict[str, Any]:
    """What is answered of the last 64 slots of a chain up to a head; up to `common` it is branch a."""

    def block(slot: int) -> dict[str, Any]:
        return header(slot, branch if slot > common else "a")

    slots = {f"{HEADERS}{slot}": 404 if slot in empty else block(slot) for slot in range(head - 63, head + 1)}
    return {**slots, f"{HEADERS}head": block(head)}


CHECKPOINT = {"epoch": "312498", "root": root_of(HEAD - 64)}
HEALTHY: Mapping[str, Any] = {
    ROOT: {
        "data": {
            "genesis_time": str(GENESIS_AT),
            "genesis_validators_root": GENESIS,
            "genesis_fork_version": "0x00000000",
        }
    },
    SYNCING: {
        "data": {
            "head_slot": str(HEAD),
            "sync_distance": "0",
            "is_syncing": False,
            "is_optimistic": False,
            "el_offline": False,
        }
    },
    PEERS: {"data": {"disconnected": "12", "connecting": "34", "connected": "56", "disconnecting": "5"}},
    VERSION: {"data": {"version": "Lighthouse/v5.3.0-d6ba8c3/x86_64-linux"}},
    SPEC: {
        "data": {"SECONDS_PER_SLOT": "12", "SLOTS_PER_EPOCH": "32", "DEPOSIT_CHAIN_ID": "1", "CONFIG_NAME": "mainnet"}
    },
    CHECKPOINTS: {
        "execution_optimistic": False,
        "data": {
            "previous_justified": CHECKPOINT,
            "current_justified": {"epoch": "312499", "root": root_of(HEAD - 32)},
            "finalized": CHECKPOINT,
        },
    },
    f"{HEADERS}finalized": header(HEAD - 64),
    **chain(HEAD),
}
"""What is answered at each path; a number in its place is an HTTP status, and so is the 404 of all others."""


def changed(path: str, **values: Any) -> dict[str, Any]:
    """The healthy answer at a path with other values in its data."""
    answer = HEALTHY[path]
    return {path: {**answer, "data": {**answer["data"], **values}}}


@asynccontextmanager
async def node(answers: Mapping[str, Any] | None = None, asked: list[str] | None = None) -> AsyncIterator[str]:
    """The URL of a node that answers HEALTHY but for `answers`, which may change meanwhile; it lists what it was asked."""

    async def handle(request: web.Request) -> web.Response:
        path = request.path[request.path.index("/eth/") :]  # a key stands before it
        if asked is not None:
            asked.append(path)
        answer = {**HEALTHY, **(answers or {})}.get(path, 404)
        if isinstance(answer, int):
            return web.json_response({"code": answer, "message": "no"}, status=answer)
        return web.json_response(answer)

    app = web.Application()
    app.router.add_get("/{tail:.*}", handle)
    async with TestServer(app) as server:
        yield secret_url(server.port)
