"""Solana nodes by their JSON-RPC API.

A height is a slot, and a slot may be skipped. The head is the newest confirmed block: what is only processed may still be
dropped. A cluster's identity is its genesis hash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from exporters.nodes.answers import each, matched, number, obj, optional, text, version
from exporters.nodes.reading import Block, Pinned, Reading
from exporters.nodes.trail import gone
from occ.config import Model, refuse
from occ.errors import Reason, RpcError, SourceError
from occ.job import Target
from occ.jsonrpc import Call

if TYPE_CHECKING:
    from exporters.nodes.source import Source

EXPERIMENTAL = True

MAX_SLOT = 2**53
MAX_SECONDS = 2**40

BEHIND_SLOTS = 128
"""So many slots behind what it hears of, a node holds itself to be unhealthy, unless told otherwise."""

_HASH = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")

_Told = tuple[int, str]
"""A slot and the hash of its block."""


def _hash(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise refuse("expected a hash in base 58: 32 to 44 letters and digits, none of them 0, O, I or l")
    return value


class Options(Model):
    """What a Solana chain's configuration says besides: which cluster it is."""

    genesis_hash: Annotated[str, AfterValidator(_hash)]


def _latest(commitment: str) -> Call:
    return Call("getLatestBlockhash", ({"commitment": commitment},))


def _block_call(slot: int) -> Call:
    said = {"commitment": "confirmed", "transactionDetails": "none", "rewards": False}
    return Call("getBlock", (slot, {**said, "maxSupportedTransactionVersion": 0}))


# Not getHealth: its error, -32005, is what other nodes say to too many requests. Not getClusterNodes: it lists thousands.
NEEDED = {"latest block": _latest("confirmed"), "genesis hash": Call("getGenesisHash")}
OPTIONAL = {
    "finalized block": _latest("finalized"),
    "newest shred": Call("getMaxShredInsertSlot"),
    "version": Call("getVersion"),
}


# --- a look at a node ------------------------------------------------------------------------------------------------


async def read(source: Source, targets: tuple[Target, ...], options: Options) -> Mapping[Target, Reading | SourceError]:
    """Reads nodes, each by two batches. A node that fails is its own outcome."""
    return await each(targets, lambda target: _read_one(source, target, options))


async def _read_one(source: Source, target: Target, options: Options) -> Reading:
    pin, before = source.pin(), source.trail(target).last
    asked = dict(OPTIONAL) | {
        _name(slot): _block_call(slot) for slot in (pin, before and before[0]) if slot is not None
    }
    answers = await source.ask(target, NEEDED, asked)
    head = _told("latest block", answers["latest block"])
    latest, finalized = await _blocks(source, target, head, optional(answers, "finalized block", _told))
    newest = optional(answers, "newest shred", _slot)
    same = matched("genesis hash", answers["genesis hash"], _HASH) == options.genesis_hash
    return Reading(
        latest=latest,
        chain_id_matches=same,
        genesis_hash_matches=same,
        finalized=finalized,
        syncing=None if newest is None else newest - latest.number > BEHIND_SLOTS,
        version=optional(answers, "version", _version),
        pinned=_pinned(pin, answers),
        # Last, so that no look that fails has taken a reorg out of the trail.
        arrival_delay=source.looked(target, latest, await _gone(source, target, latest, answers)),
        request_seconds=source.request_seconds(target),
    )


async def _blocks(source: Source, target: Target, head: _Told, final: _Told | None) -> tuple[Block, Block | None]:
    """The head and the finalized block, with their times: those have to be asked for by their slots."""
    needed = {"latest block: time": Call("getBlockTime", (head[0],))}
    asked = {} if final is None else {"finalized block: time": Call("getBlockTime", (final[0],))}
    try:
        answers = await source.ask(target, needed, asked)
    except RpcError as error:  # -32004 is a block that is not available here, and no method that is unknown
        raise SourceError(Reason.RPC_ERROR, f"latest block: time: JSON-RPC error {error.code}") from None
    latest = Block(head[0], _seconds("latest block: time", answers["latest block: time"]), head[1])
    seconds = optional(answers, "finalized block: time", _maybe_seconds)
    return latest, None if final is None or seconds is None else Block(final[0], seconds, final[1])


def _name(slot: int) -> str:
    return f"block {slot}"


def _pinned(pin: int | None, answers: Mapping[str, Any]) -> Pinned | None:
    """What the node has at the pinned slot. It gives the same error for one that it skipped and one that it lacks."""
    found = None if pin is None else optional(answers, _name(pin), _blockhash)
    return None if pin is None or found is None else Pinned(pin, found)


async def _gone(source: Source, target: Target, latest: Block, answers: Mapping[str, Any]) -> int:
    """How many slots up to its former head have other blocks than the node has told before."""
    trail = source.trail(target)
    found = {} if trail.last is None else {trail.last[0]: optional(answers, _name(trail.last[0]), _blockhash)}

    async def ask(slots: Sequence[int]) -> Mapping[int, str | None]:
        blocks = await source.batch(target, [_block_call(slot) for slot in slots])
        named = dict(zip(map(_name, slots), blocks, strict=True))
        return {slot: optional(named, _name(slot), _blockhash) for slot in slots}

    return await gone(trail, latest, found, ask)


# --- values ----------------------------------------------------------------------------------------------------------


def _slot(what: str, value: Any) -> int:
    return number(f"{what}: slot", value, MAX_SLOT)


def _seconds(what: str, value: Any) -> float:
    return float(number(what, value, MAX_SECONDS))


def _maybe_seconds(what: str, value: Any) -> float | None:
    return None if value is None else _seconds(what, value)


def _told(what: str, value: Any) -> _Told:
    answer = obj(what, value)
    context, found = obj(f"{what}: context", answer.get("context")), obj(f"{what}: value", answer.get("value"))
    return _slot(what, context.get("slot")), matched(f"{what}: blockhash", found.get("blockhash"), _HASH)


def _blockhash(what: str, value: Any) -> str | None:
    return None if value is None else matched(f"{what}: blockhash", obj(what, value).get("blockhash"), _HASH)


def _version(what: str, value: Any) -> str:
    found = text(f"{what}: solana-core", obj(what, value).get("solana-core"))
    return version(what, f"solana-core/{found}")
