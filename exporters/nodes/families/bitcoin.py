"""Bitcoin nodes by the RPC of Bitcoin Core: one batch per node and cycle, and the header of each new block.

Bitcoin finalizes nothing: there is no safe and no finalized block. Its fees are no wei, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator

from exporters.nodes.answers import each, flag, matched, needed, number, obj, optional, text, version
from exporters.nodes.reading import Block, Pinned, Reading
from exporters.nodes.trail import gone
from occ.config import Model, refuse
from occ.errors import Reason, SourceError
from occ.job import Target
from occ.jsonrpc import Call

if TYPE_CHECKING:
    from exporters.nodes.source import Source

T = TypeVar("T")

MAX_HEIGHT = 2**32
MAX_SECONDS = 2**32
MAX_COUNT = 2**53

LONGEST_VERSION = 256
"""What the protocol allows a node to say of its software."""

_HASH = re.compile(r"[0-9a-fA-F]{64}")


def _configured(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise refuse("expected a hash: 64 hexadecimal digits, without 0x")
    return value.lower()


class Options(Model):
    """What a Bitcoin chain's configuration says besides; `chain_id` is what Bitcoin Core calls its chain."""

    chain_id: Literal["main", "test", "testnet4", "signet", "regtest"]
    genesis_hash: Annotated[str, AfterValidator(_configured)] | None = None


def _hash_call(height: int) -> Call:
    return Call("getblockhash", (height,))


NEEDED = {"getblockchaininfo": Call("getblockchaininfo")}
OPTIONAL = {"getnetworkinfo": Call("getnetworkinfo"), "getmempoolinfo": Call("getmempoolinfo")}


# --- a look at a node ------------------------------------------------------------------------------------------------


async def read(source: Source, targets: tuple[Target, ...], options: Options) -> Mapping[Target, Reading | SourceError]:
    """Reads nodes, each by one batch, and by one call more where its head is another than before."""
    return await each(targets, lambda target: _read_one(source, target, options))


async def _read_one(source: Source, target: Target, options: Options) -> Reading:
    pin, before = source.pin(), source.trail(target).last
    heights = {height for height in (pin, before and before[0]) if height is not None}
    wanted = dict(NEEDED) | ({_name(0): _hash_call(0)} if options.genesis_hash else {})
    answers = await source.ask(target, wanted, OPTIONAL | {_name(height): _hash_call(height) for height in heights})
    chain = obj("getblockchaininfo", answers["getblockchaininfo"])
    latest = await _latest(source, target, chain)
    found = {height: optional(answers, _name(height), _hash) for height in heights}
    lost = await _gone(source, target, latest, found)
    network = optional(answers, "getnetworkinfo", obj) or {}
    return Reading(
        latest=latest,
        chain_id_matches=text("getblockchaininfo: chain", chain.get("chain")) == options.chain_id,
        genesis_hash_matches=_genesis(answers, options),
        syncing=_syncing(chain, latest),
        peers=_given(network, "connections", _count),
        transactions=optional(answers, "getmempoolinfo", _pool) or {},
        version=_given(network, "subversion", _version),
        pinned=_pinned(pin, found),
        arrival_delay=source.looked(target, latest, lost),
        request_seconds=source.request_seconds(target),
    )


async def _latest(source: Source, target: Target, chain: Mapping[str, Any]) -> Block:
    """The best block. What a header says never changes, so that it is asked for once."""
    height = number("getblockchaininfo: blocks", chain.get("blocks"), MAX_HEIGHT)
    best = _hash("getblockchaininfo: bestblockhash", chain.get("bestblockhash"))

    async def ask() -> Block:
        (answer,) = await source.batch(target, [Call("getblockheader", (best,))])
        block = _block("getblockheader", needed(answer))
        if (block.number, block.hash) != (height, best):
            raise SourceError(Reason.BAD_RESPONSE, "getblockheader: another block than was asked for")
        return block

    return await source.seldom(target, (height, best), ask)


def _name(height: int) -> str:
    return f"block {height}"


def _genesis(answers: Mapping[str, Any], options: Options) -> bool | None:
    return None if options.genesis_hash is None else _hash(_name(0), answers[_name(0)]) == options.genesis_hash


def _pinned(pin: int | None, found: Mapping[int, str | None]) -> Pinned | None:
    known = None if pin is None else found[pin]
    return None if pin is None or known is None else Pinned(pin, known)


async def _gone(source: Source, target: Target, latest: Block, found: Mapping[int, str | None]) -> int:
    """How many blocks that the node has told before are gone."""
    before = {} if latest.parent is None else {latest.number - 1: latest.parent}

    async def ask(heights: Sequence[int]) -> Mapping[int, str | None]:
        hashes = await source.batch(target, [_hash_call(height) for height in heights])
        answers = dict(zip(map(_name, heights), hashes, strict=True))
        return {height: optional(answers, _name(height), _hash) for height in heights}

    return await gone(source.trail(target), latest, {**found, **before}, ask)


# --- values ----------------------------------------------------------------------------------------------------------


def _hash(what: str, value: Any) -> str:
    return matched(what, value, _HASH).lower()


def _count(what: str, value: Any) -> int:
    return number(what, value, MAX_COUNT)


def _block(what: str, value: Any) -> Block:
    header = obj(what, value)
    parent = header.get("previousblockhash")
    return Block(
        number=number(f"{what}: height", header.get("height"), MAX_HEIGHT),
        timestamp=float(number(f"{what}: time", header.get("time"), MAX_SECONDS)),
        hash=_hash(f"{what}: hash", header.get("hash")),
        parent=None if parent is None else _hash(f"{what}: previousblockhash", parent),
    )


def _syncing(chain: Mapping[str, Any], latest: Block) -> bool | None:
    """Whether the node knows of more than it has. Where it does not tell of its first download, only that is known."""
    first = chain.get("initialblockdownload")
    if number("getblockchaininfo: headers", chain.get("headers"), MAX_HEIGHT) > latest.number:
        return True
    return None if first is None else flag("getblockchaininfo: initialblockdownload", first)


def _given(network: Mapping[str, Any], key: str, parse: Callable[[str, Any], T]) -> T | None:
    return parse(f"getnetworkinfo: {key}", network[key]) if key in network else None


def _pool(what: str, value: Any) -> Mapping[str, int]:
    return {"pending": _count(f"{what}: size", obj(what, value).get("size"))}


def _version(what: str, value: Any) -> str:
    """Of `/Satoshi:27.0.0/` and the like the first part."""
    return version(what, text(what, value, LONGEST_VERSION).removeprefix("/").replace(":", "/", 1))
