"""EVM nodes by the Ethereum JSON-RPC API: one batch per node and cycle."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from exporters.nodes.reading import Block, Reading
from occ.config import Model, refuse
from occ.errors import Reason, SourceError
from occ.job import Target
from occ.jsonrpc import Call

if TYPE_CHECKING:
    from exporters.nodes.source import Source

MAX_HEIGHT = 2**53
MAX_WEI = 2**256

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_VERSION = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,23})/(v?\d{1,5}(?:\.\d{1,5}){1,3})(?![A-Za-z0-9.])")


def _hash(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise refuse("expected a hash: 0x and 64 hexadecimal digits")
    return value.lower()


class Options(Model):
    """What an EVM chain's configuration says besides."""

    chain_id: Annotated[int, Field(ge=1)]
    genesis_hash: Annotated[str, AfterValidator(_hash)] | None = None


CALLS = (
    Call("eth_chainId"),
    Call("eth_getBlockByNumber", ("latest", False)),
    Call("eth_syncing"),
    Call("net_peerCount"),
    Call("web3_clientVersion"),
)
_GENESIS = Call("eth_getBlockByNumber", ("0x0", False))


async def read(source: Source, targets: tuple[Target, ...], options: Options) -> Mapping[Target, Reading | SourceError]:
    """Reads nodes, each by one batch. A node that fails is its own outcome."""

    async def outcome(target: Target) -> Reading | SourceError:
        try:
            return await _read_one(source, target, options)
        except SourceError as error:
            return error

    if len(targets) == 1:
        return {targets[0]: await outcome(targets[0])}
    return dict(zip(targets, await asyncio.gather(*map(outcome, targets)), strict=True))


async def _read_one(source: Source, target: Target, options: Options) -> Reading:
    calls = (*CALLS, _GENESIS) if options.genesis_hash else CALLS
    chain_id, latest, syncing, peers, version, *genesis = await source.batch(target, calls)
    block = _object("latest block", _needed(latest))
    return Reading(
        latest=_block(block),
        chain_id_matches=quantity("chain id", _needed(chain_id), MAX_WEI) == options.chain_id,
        genesis_hash_matches=_object("block 0", _needed(genesis[0])).get("hash") == options.genesis_hash
        if genesis
        else None,
        syncing=_optional(syncing, _syncing),
        peers=_optional(peers, lambda value: quantity("peer count", value, MAX_HEIGHT)),
        base_fee_wei=quantity("base fee", block["baseFeePerGas"], MAX_WEI) if "baseFeePerGas" in block else None,
        version=_optional(version, _version),
        request_seconds=source.request_seconds(target),
    )


def quantity(what: str, value: Any, limit: int) -> int:
    """A QUANTITY of the API: a hexadecimal string. Raises bad_response for anything else, or from `limit` up."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: not a hexadecimal quantity")
    number = int(value, 16)
    if number >= limit:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: absurdly large")
    return number


def _block(value: Mapping[str, Any]) -> Block:
    block_hash = value.get("hash")
    if not isinstance(block_hash, str) or not _HASH.fullmatch(block_hash):
        raise SourceError(Reason.BAD_RESPONSE, "latest block: no hash")
    return Block(
        number=quantity("height", value.get("number"), MAX_HEIGHT),
        timestamp=float(quantity("timestamp", value.get("timestamp"), MAX_HEIGHT)),
        hash=block_hash.lower(),
    )


def _object(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: not an object")
    return value


def _needed(answer: Any) -> Any:
    """An answer without which there is no reading."""
    if isinstance(answer, SourceError):
        raise answer
    return answer


def _optional(answer: Any, parse: Any) -> Any:
    """An answer that a node may refuse (a hosted one has no peers to tell); garbage in its place is still an error."""
    return None if isinstance(answer, SourceError) else parse(answer)


def _syncing(value: Any) -> bool:
    if value is False or isinstance(value, dict):
        return value is not False
    raise SourceError(Reason.BAD_RESPONSE, "eth_syncing: neither false nor an object")


def _version(value: Any) -> str:
    """Name and version only: a label's value must not be whatever a node cares to send."""
    if not isinstance(value, str):
        raise SourceError(Reason.BAD_RESPONSE, "web3_clientVersion: not a string")
    match = _VERSION.match(value)
    return f"{match[1]}/{match[2]}" if match else "other"
