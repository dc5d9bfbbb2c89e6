"""CometBFT (formerly Tendermint) nodes by their JSON-RPC API, as the chains of the Cosmos have them.

A block that is committed is final: the head is the finalized block as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from exporters.nodes.answers import decimal, each, flag, matched, obj, optional, text, version
from exporters.nodes.reading import Block, Pinned, Reading
from exporters.nodes.trail import gone
from occ.config import Model, refuse
from occ.errors import Reason, SourceError
from occ.job import Target
from occ.jsonrpc import Call

if TYPE_CHECKING:
    from exporters.nodes.source import Source

EXPERIMENTAL = True

MAX_HEIGHT = 2**53
MAX_PEERS = 2**20

_HASH = re.compile(r"[0-9a-fA-F]{64}")
_CHAIN_ID = re.compile(r"\S{1,50}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def _chain_id(value: str) -> str:
    if not _CHAIN_ID.fullmatch(value):
        raise refuse("expected a chain id such as cosmoshub-4: 1 to 50 characters, no space")
    return value


class Options(Model):
    """What a CometBFT chain's configuration says besides: its chain id, which its nodes call their network."""

    chain_id: Annotated[str, AfterValidator(_chain_id)]


def _header_call(height: int) -> Call:
    # The one method that tells a block's hash without its transactions or its commit's signatures.
    return Call("blockchain", (str(height), str(height)))


NEEDED = {"status": Call("status")}
OPTIONAL = {"net_info": Call("net_info"), "num_unconfirmed_txs": Call("num_unconfirmed_txs")}


# --- a look at a node ------------------------------------------------------------------------------------------------


async def read(source: Source, targets: tuple[Target, ...], options: Options) -> Mapping[Target, Reading | SourceError]:
    """Reads nodes, each by one batch. A node that fails is its own outcome."""
    return await each(targets, lambda target: _read_one(source, target, options))


async def _read_one(source: Source, target: Target, options: Options) -> Reading:
    pin, before = source.pin(), source.trail(target).last
    heights = {height for height in (pin, before and before[0]) if height is not None}
    asked = dict(OPTIONAL) | {_name(height): _header_call(height) for height in heights}
    answers = await source.ask(target, NEEDED, asked)
    status = obj("status", answers["status"])
    node = obj("status: node_info", status.get("node_info"))
    sync = obj("status: sync_info", status.get("sync_info"))
    latest = _latest(sync)
    found = {height: _hash_at(height, answers) for height in heights}
    return Reading(
        latest=latest,
        chain_id_matches=text("status: network", node.get("network")) == options.chain_id,
        finalized=latest,
        syncing=flag("status: catching_up", sync.get("catching_up")),
        peers=optional(answers, "net_info", _peers),
        transactions=optional(answers, "num_unconfirmed_txs", _pool) or {},
        version=_version(node),
        pinned=_pinned(pin, found),
        # Last, so that no look that fails has taken a reorg out of the trail.
        arrival_delay=source.looked(target, latest, await _gone(source, target, latest, found)),
        request_seconds=source.request_seconds(target),
    )


def _latest(sync: Mapping[str, Any]) -> Block:
    return Block(
        number=decimal("status: latest_block_height", sync.get("latest_block_height"), MAX_HEIGHT),
        timestamp=_time("status: latest_block_time", sync.get("latest_block_time")),
        hash=_hash("status: latest_block_hash", sync.get("latest_block_hash")),
    )


def _name(height: int) -> str:
    return f"block {height}"


def _pinned(pin: int | None, found: Mapping[int, str | None]) -> Pinned | None:
    known = None if pin is None else found[pin]
    return None if pin is None or known is None else Pinned(pin, known)


async def _gone(source: Source, target: Target, latest: Block, found: Mapping[int, str | None]) -> int:
    """How many blocks that the node has told before are gone."""

    async def ask(heights: Sequence[int]) -> Mapping[int, str | None]:
        blocks = await source.batch(target, [_header_call(height) for height in heights])
        answers = dict(zip(map(_name, heights), blocks, strict=True))
        return {height: _hash_at(height, answers) for height in heights}

    return await gone(source.trail(target), latest, found, ask)


# --- values ----------------------------------------------------------------------------------------------------------


def _hash_at(height: int, answers: Mapping[str, Any]) -> str | None:
    """The hash of the block at a height; None where the node has none there, or does not say."""
    meta = optional(answers, _name(height), _meta)
    if meta is None:
        return None
    header = obj(f"{_name(height)}: header", meta.get("header"))
    if decimal(f"{_name(height)}: height", header.get("height"), MAX_HEIGHT) != height:
        raise SourceError(Reason.BAD_RESPONSE, f"{_name(height)}: another height than was asked for")
    block = obj(f"{_name(height)}: block_id", meta.get("block_id"))
    return _hash(f"{_name(height)}: hash", block.get("hash"))


def _meta(what: str, value: Any) -> Mapping[str, Any] | None:
    metas = obj(what, value).get("block_metas")
    if not isinstance(metas, list) or len(metas) > 1:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: block_metas: not a list of one block")
    return obj(f"{what}: block_metas", metas[0]) if metas and metas[0] is not None else None


def _hash(what: str, value: Any) -> str:
    return matched(what, value, _HASH).upper()


def _time(what: str, value: Any) -> float:
    """Unix seconds of an RFC 3339 time; what is finer than a microsecond is cut off."""
    try:
        seconds = datetime.fromisoformat(matched(what, value, _TIME)).timestamp()
    except ValueError:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: no such time") from None
    if seconds < 0:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: before 1970")
    return seconds


def _peers(what: str, value: Any) -> int:
    return decimal(f"{what}: n_peers", obj(what, value).get("n_peers"), MAX_PEERS)


def _pool(what: str, value: Any) -> Mapping[str, int]:
    return {"pending": decimal(f"{what}: total", obj(what, value).get("total"), MAX_HEIGHT)}


def _version(node: Mapping[str, Any]) -> str:
    return version("status: version", f"cometbft/{text('status: version', node.get('version'))}")
