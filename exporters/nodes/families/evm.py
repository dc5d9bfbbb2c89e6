"""EVM nodes by the Ethereum JSON-RPC API: one batch per node and cycle, and their heads over WebSocket."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from exporters.nodes.answers import each, needed, number, obj, optional, version
from exporters.nodes.reading import Block, Pinned, Reading, Survey
from exporters.nodes.trail import gone
from occ.config import Model, refuse
from occ.errors import RateLimitError, Reason, SourceError
from occ.job import Target
from occ.jsonrpc import Call

if TYPE_CHECKING:
    from exporters.nodes.source import Source

MAX_HEIGHT = 2**53
MAX_WEI = 2**256

NOWHERE = f"0x{0:040x}"
"""The zero address, of which every chain keeps a balance: what is burnt there by mistake."""

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"

DEPTHS = (16, 128, 1_024, 10_000, 100_000, 1_000_000)
"""How many blocks back state is asked for; full nodes keep 128."""

RANGES = (10, 100, 500, 1_000, 2_000, 5_000, 10_000)
"""Over how many blocks logs are asked for; what providers commonly limit them to."""

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")


def _hash(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise refuse("expected a hash: 0x and 64 hexadecimal digits")
    return value.lower()


class Options(Model):
    """What an EVM chain's configuration says besides."""

    chain_id: Annotated[int, Field(ge=1)]
    genesis_hash: Annotated[str, AfterValidator(_hash)] | None = None


def _block_call(height: int | str) -> Call:
    return Call("eth_getBlockByNumber", (height if isinstance(height, str) else hex(height), False))


NEEDED = {"chain id": Call("eth_chainId"), "latest block": _block_call("latest")}
OPTIONAL = {
    "safe block": _block_call("safe"),
    "finalized block": _block_call("finalized"),
    "eth_syncing": Call("eth_syncing"),
    "peer count": Call("net_peerCount"),
    "priority fee": Call("eth_maxPriorityFeePerGas"),
    "pool": Call("txpool_status"),
    "web3_clientVersion": Call("web3_clientVersion"),
}


# --- a look at a node ------------------------------------------------------------------------------------------------


async def read(source: Source, targets: tuple[Target, ...], options: Options) -> Mapping[Target, Reading | SourceError]:
    """Reads nodes, each by one batch. A node that fails is its own outcome."""
    return await each(targets, lambda target: _read_one(source, target, options))


async def _read_one(source: Source, target: Target, options: Options) -> Reading:
    pin, before = source.pin(), source.trail(target).last
    asked = dict(OPTIONAL) | (_of_the_pin(pin) if pin is not None else {})
    if options.genesis_hash is not None:
        asked["block 0"] = _block_call(0)
    if before is not None:
        asked["earlier block"] = _block_call(before[0])
    answers = await source.ask(target, NEEDED, asked)
    if quantity("chain id", answers["chain id"], MAX_WEI) != options.chain_id:
        # What else it says is of another chain, and however odd, must not hide that.
        elsewhere = _block("latest block", answers["latest block"])
        return Reading(elsewhere, chain_id_matches=False, request_seconds=source.request_seconds(target))
    reading, earlier = _reading(answers, options), optional(answers, "earlier block", _maybe_block)
    pinned = _pinned(source, target, pin, answers)
    # Last: what it has taken note of it does not tell again.
    lost = await _gone(source, target, reading.latest, earlier) if reading.counts else 0
    delay = source.looked(target, reading.latest, lost)
    return replace(reading, pinned=pinned, arrival_delay=delay, request_seconds=source.request_seconds(target))


def _reading(answers: Mapping[str, Any], options: Options) -> Reading:
    """What a node of the configured chain id says."""
    block = obj("latest block", answers["latest block"])
    return Reading(
        latest=_block("latest block", block),
        chain_id_matches=True,
        genesis_hash_matches=optional(answers, "block 0", lambda what, value: _is_genesis(what, value, options)),
        safe=optional(answers, "safe block", _maybe_block),
        finalized=optional(answers, "finalized block", _maybe_block),
        syncing=optional(answers, "eth_syncing", _syncing),
        peers=optional(answers, "peer count", _count),
        base_fee_wei=optional(block, "baseFeePerGas", _wei),
        priority_fee_wei=optional(answers, "priority fee", _wei),
        gas_used_ratio=_gas_used(block),
        transactions=optional(answers, "pool", _pool) or {},
        version=optional(answers, "web3_clientVersion", version),
    )


def _of_the_pin(pin: int) -> dict[str, Call]:
    return {"pinned block": _block_call(pin), "pinned state": Call("eth_getBalance", (NOWHERE, hex(pin)))}


def _is_genesis(what: str, value: Any, options: Options) -> bool:
    return _hash_of(what, obj(what, value).get("hash")) == options.genesis_hash


def _pinned(source: Source, target: Target, pin: int | None, answers: Mapping[str, Any]) -> Pinned | None:
    """What the node has at the pinned height; its state there is compared by the source."""
    block = optional(answers, "pinned block", _maybe_block)
    if block is None:
        return None
    if block.number != pin:
        raise SourceError(Reason.BAD_RESPONSE, "pinned block: another height than was asked for")
    pinned = Pinned(block.number, block.hash)
    state = optional(answers, "pinned state", lambda what, value: hex(quantity(what, value, MAX_WEI)))
    if state is not None:
        source.state(target, pinned, state)
    return pinned


async def _gone(source: Source, target: Target, latest: Block, earlier: Block | None) -> int:
    """How many blocks that the node has told before are gone."""
    found = {} if earlier is None else {earlier.number: earlier.hash}
    if latest.parent is not None:
        found[latest.number - 1] = latest.parent

    async def ask(heights: Sequence[int]) -> Mapping[int, str | None]:
        answers = await source.batch(target, [_block_call(height) for height in heights])
        return {height: _hash_in(answer) for height, answer in zip(heights, answers, strict=True)}

    return await gone(source.trail(target), latest, found, ask)


def _hash_in(answer: Any) -> str | None:
    block = None if isinstance(answer, SourceError) else _maybe_block("earlier block", answer)
    return None if block is None else block.hash


# --- heads as they come ----------------------------------------------------------------------------------------------


async def latest(source: Source, target: Target) -> Block:
    """The node's head, by HTTP."""
    (answer,) = await source.batch(target, [NEEDED["latest block"]])
    return _block("latest block", needed(answer))


@asynccontextmanager
async def heads(source: Source, target: Target) -> AsyncIterator[AsyncIterator[Block]]:
    """The node's heads as it announces them, by `eth_subscribe`."""
    async with source.subscribe(target, "newHeads") as feed:
        yield (_block("announced head", header) async for header in feed)


# --- what it can do --------------------------------------------------------------------------------------------------


async def survey(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, Survey | SourceError]:
    """Tries what nodes can do, by questions that cost them little: each about nothing, or about one block."""
    return await each(targets, lambda target: _survey_one(source, target))


async def _survey_one(source: Source, target: Target) -> Survey:
    (answer,) = await source.batch(target, [Call("eth_blockNumber")])
    head = _height("height", needed(answer))
    depths = sorted({depth for depth in DEPTHS if depth < head} | {head})
    states = [Call("eth_getBalance", (NOWHERE, hex(head - depth))) for depth in depths]
    answers = await source.batch(target, (*_TRIALS.values(), *states))
    tried = dict(zip(_TRIALS, answers, strict=False))
    done = {name: _given(answer) for name, answer in tried.items()}
    reached = _reached(depths, answers[len(_TRIALS) :])
    return Survey(
        capabilities={
            "archive": reached == head,
            "trace": done["trace_call"] or done["trace_transaction"] or tried["trace_transaction"] is None,
            "debug": done["debug"],
            "logs": done["logs"],
            "batch": source.takes_batches(target),
            "multicall": done["code"] and tried["code"] != "0x",
            "proof": done["proof"],
        },
        archive_depth=reached,
        logs_max_range=await _logs_range(source, target, head) if done["logs"] else None,
    )


def _reached(depths: Sequence[int], states: Sequence[Any]) -> int | None:
    """The deepest of the depths down to which all have their state; some nodes keep the very first one besides."""
    known = itertools.takewhile(lambda pair: _given(pair[1]), zip(depths, states, strict=True))
    return max((depth for depth, _ in known), default=None)


_NOTHING = {"from": NOWHERE, "to": NOWHERE}
_TRIALS = {
    "trace_call": Call("trace_call", (_NOTHING, ["trace"], "latest")),
    "trace_transaction": Call("trace_transaction", (f"0x{0:064x}",)),
    "debug": Call("debug_traceCall", (_NOTHING, "latest", {"tracer": "callTracer"})),
    "logs": Call("eth_getLogs", ({"fromBlock": "latest", "toBlock": "latest", "address": NOWHERE},)),
    "code": Call("eth_getCode", (MULTICALL3, "latest")),
    "proof": Call("eth_getProof", (NOWHERE, [], "latest")),
}


def _given(answer: object) -> bool:
    """Whether the node did it. Raises what leaves that unknown, such as a timeout.

    Some say that a question is more than they allow (-32005) in the words of those who are asked too often. Where other
    calls of the same batch are answered it is the question.
    """
    if isinstance(answer, SourceError) and answer.reason not in _REFUSALS:
        raise answer
    return answer is not None and not isinstance(answer, SourceError)


_REFUSALS = (Reason.RPC_ERROR, Reason.NOT_SUPPORTED, Reason.REVERTED, Reason.RATE_LIMITED)


async def _logs_range(source: Source, target: Target, head: int) -> int | None:
    """The longest range that is taken, from the short ones up to the first that is not."""
    reached = None
    for blocks in sorted({min(blocks, head + 1) for blocks in RANGES}):
        wanted = {"fromBlock": hex(head - blocks + 1), "toBlock": hex(head), "address": NOWHERE}
        try:
            (answer,) = await source.batch(target, [Call("eth_getLogs", (wanted,))])
        except RateLimitError:
            break
        if not _given(answer):
            break
        reached = blocks
    return reached


# --- values ----------------------------------------------------------------------------------------------------------


def quantity(what: str, value: Any, limit: int) -> int:
    """A QUANTITY of the API: a hexadecimal string. Raises bad_response for anything else, or from `limit` up."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: not a hexadecimal quantity")
    return number(what, int(value, 16), limit)


def _height(what: str, value: Any) -> int:
    return quantity(what, value, MAX_HEIGHT)


def _count(what: str, value: Any) -> int:
    """A count, which Nethermind and others tell as a plain number."""
    return number(what, value, MAX_HEIGHT) if type(value) is int else _height(what, value)


def _wei(what: str, value: Any) -> int:
    return quantity(what, value, MAX_WEI)


def _block(what: str, value: Any) -> Block:
    block = obj(what, value)
    parent = block.get("parentHash")
    return Block(
        number=_height(f"{what}: height", block.get("number")),
        timestamp=float(_height(f"{what}: timestamp", block.get("timestamp"))),
        hash=_hash_of(what, block.get("hash")),
        parent=None if parent is None else _hash_of(what, parent),
    )


def _hash_of(what: str, value: Any) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: no hash")
    return value.lower()


def _maybe_block(what: str, value: Any) -> Block | None:
    """A block that the node may not have."""
    return None if value is None else _block(what, value)


def _gas_used(block: Mapping[str, Any]) -> float | None:
    """Gas used over the limit. Some chains state no limit worth the name, and then it says nothing."""
    if "gasUsed" not in block or "gasLimit" not in block:
        return None
    used, limit = (_wei(f"latest block: {key}", block[key]) for key in ("gasUsed", "gasLimit"))
    return used / limit if used <= limit and limit > 0 else None


def _syncing(what: str, value: Any) -> bool:
    if isinstance(value, bool | dict):
        return value is not False
    raise SourceError(Reason.BAD_RESPONSE, f"{what}: neither true nor false nor an object")


def _pool(what: str, value: Any) -> Mapping[str, int]:
    pool = obj(what, value)
    return {status: _count(f"{what}: {status}", pool[status]) for status in ("pending", "queued") if status in pool}
