"""Consensus nodes of Ethereum and its like by the Beacon API.

A height is a slot, and a slot may stay empty: then the block before it stands for it. The chain id is that of the execution
chain, and the genesis hash is the root of the genesis validators.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from exporters.nodes.answers import decimal, each, flag, matched, needed, obj, optional, version
from exporters.nodes.reading import Block, Consensus, Pinned, Reading
from exporters.nodes.trail import gone
from occ.config import Model, refuse
from occ.errors import HttpError, RateLimitError, Reason, SourceError
from occ.job import Target

if TYPE_CHECKING:
    from exporters.nodes.source import Source

EXPERIMENTAL = True

MAX_SLOT = 2**40
MAX_SECONDS = 2**40
MAX_CHAIN_ID = 2**64
MAX_PEERS = 2**20
MAX_SLOT_MILLISECONDS = 3_600_000

EMPTY = ""
"""Stands where the root of a slot's block would, of a slot that has none."""

LOOKED_BACK = 4
"""How many slots back from an empty one a block is looked for."""

_ROOT = re.compile(r"0x[0-9a-fA-F]{64}")
_NOT_FOUND = 404


def _root(value: str) -> str:
    if not _ROOT.fullmatch(value):
        raise refuse("expected the genesis validators' root: 0x and 64 hexadecimal digits")
    return value.lower()


class Options(Model):
    """What a beacon chain's configuration says besides: the chain id of its execution chain."""

    chain_id: Annotated[int, Field(ge=1)]
    genesis_hash: Annotated[str, AfterValidator(_root)] | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    """A path of the API, and its operation's name there."""

    path: str
    operation: str


def _header(block: str | int) -> _Question:
    return _Question(f"/eth/v1/beacon/headers/{block}", "getBlockHeader")


NEEDED = {"genesis": _Question("/eth/v1/beacon/genesis", "getGenesis"), "head": _header("head")}
OPTIONAL = {
    "syncing": _Question("/eth/v1/node/syncing", "getSyncingStatus"),
    "peer count": _Question("/eth/v1/node/peer_count", "getPeerCount"),
    "version": _Question("/eth/v1/node/version", "getNodeVersion"),
    "checkpoints": _Question("/eth/v1/beacon/states/head/finality_checkpoints", "getStateFinalityCheckpoints"),
    "finalized header": _header("finalized"),
}
SPEC = _Question("/eth/v1/config/spec", "getSpec")


@dataclass(frozen=True, slots=True)
class _Clock:
    """What a chain's slots count from, in Unix seconds, and how many seconds each takes; and which chain that is."""

    genesis_time: int
    slot_seconds: float
    chain_id: int

    def block(self, what: str, header: Mapping[str, Any]) -> Block:
        # A header names its parent but not the parent's slot, which need not be the one before.
        slot = _slot(what, header)
        timestamp = self.genesis_time + slot * self.slot_seconds
        return Block(slot, timestamp, _hash(f"{what}: root", header.get("root")))


# --- a look at a node ------------------------------------------------------------------------------------------------


async def read(source: Source, targets: tuple[Target, ...], options: Options) -> Mapping[Target, Reading | SourceError]:
    """Reads nodes, each by a few requests side by side. A node that fails is its own outcome."""
    return await each(targets, lambda target: _read_one(source, target, options))


async def _read_one(source: Source, target: Target, options: Options) -> Reading:
    answers = await _ask(source, target)
    genesis, head = _data("genesis", answers["genesis"]), _data("head", answers["head"])
    root = _hash("genesis: genesis_validators_root", genesis.get("genesis_validators_root"))
    clock = await source.seldom(target, root, lambda: _clock(source, target, genesis))
    latest = clock.block("head", head)
    header = optional(answers, "finalized header", _data)
    finalized = None if header is None else clock.block("finalized header", header)
    pin, before = source.pin(), source.trail(target).last
    ask = functools.partial(_roots, source, target, latest, finalized)
    found = await ask(sorted({slot for slot in (pin, before and before[0]) if slot is not None}))
    return Reading(
        latest=latest,
        chain_id_matches=clock.chain_id == options.chain_id,
        genesis_hash_matches=None if options.genesis_hash is None else root == options.genesis_hash,
        finalized=finalized,
        syncing=optional(answers, "syncing", _syncing),
        peers=optional(answers, "peer count", _peers),
        version=optional(answers, "version", _version),
        consensus=_consensus(answers),
        pinned=None if pin is None else await _pinned(pin, found[pin], ask),
        # Last, so that no look that fails has taken a reorg out of the trail.
        arrival_delay=source.looked(target, latest, await gone(source.trail(target), latest, found, ask)),
        request_seconds=source.request_seconds(target),
    )


async def _ask(source: Source, target: Target) -> Mapping[str, Any]:
    """The answers to all questions, by name; a refusal is one where the question is optional."""
    asked = {**NEEDED, **OPTIONAL}
    answers = dict(zip(asked, await _answers(source, target, tuple(asked.values())), strict=True))
    for name in NEEDED:
        needed(answers[name])
    return answers


async def _answers(source: Source, target: Target, questions: Sequence[_Question]) -> Sequence[Any]:
    """The answers to questions, asked side by side; one that is refused has its error there.

    Raises any other failure, when all are through.
    """
    answers = await asyncio.gather(*(_answer(source, target, question) for question in questions))
    for answer in answers:
        if isinstance(answer, SourceError) and not isinstance(answer, HttpError | RateLimitError):
            raise answer
    return answers


async def _answer(source: Source, target: Target, question: _Question) -> Any:
    try:
        return await source.get(target, question.path, question.operation)
    except SourceError as error:
        return error


async def _clock(source: Source, target: Target, genesis: Mapping[str, Any]) -> _Clock:
    """Asks for what a chain's specification says; it hardly ever changes, and the answer is long."""
    spec = _data("spec", await source.get(target, SPEC.path, SPEC.operation))
    return _Clock(
        genesis_time=decimal("genesis: genesis_time", genesis.get("genesis_time"), MAX_SECONDS),
        slot_seconds=_slot_seconds(spec),
        chain_id=decimal("spec: DEPOSIT_CHAIN_ID", spec.get("DEPOSIT_CHAIN_ID"), MAX_CHAIN_ID),
    )


def _slot_seconds(spec: Mapping[str, Any]) -> float:
    """The newer of two names for it is in milliseconds."""
    name, unit = ("SLOT_DURATION_MS", 1000) if "SLOT_DURATION_MS" in spec else ("SECONDS_PER_SLOT", 1)
    found = decimal(f"spec: {name}", spec.get(name), MAX_SLOT_MILLISECONDS * unit // 1000)
    if not found:
        raise SourceError(Reason.BAD_RESPONSE, f"spec: {name}: zero")
    return found / unit


# --- slots that were told before, or that others tell of ---------------------------------------------------------------


async def _pinned(
    pin: int, root: str | None, ask: Callable[[Sequence[int]], Awaitable[Mapping[int, str | None]]]
) -> Pinned | None:
    """The block that stands for the pinned slot: where that is empty, the one before it.

    A slot's proposer is on one side of a fork, and on the other the slot stays empty: to compare blocks of the same slot
    alone would hardly ever show one.
    """
    for slot in range(pin - 1, pin - 1 - LOOKED_BACK, -1):
        if root != EMPTY or slot < 0:
            break
        root = (await ask([slot]))[slot]
    return Pinned(pin, root) if root else None


async def _roots(
    source: Source, target: Target, latest: Block, finalized: Block | None, slots: Sequence[int]
) -> Mapping[int, str | None]:
    """Of each slot the root of its block in the chain up to `latest`; EMPTY without one, None where it is not known."""
    below = [slot for slot in slots if slot < latest.number]
    answers = await _answers(source, target, [_header(slot) for slot in below])
    found: dict[int, str | None] = {latest.number: latest.hash}
    for slot, answer in zip(below, answers, strict=True):
        # Of what is final a node may simply not keep the blocks, as after it began from a checkpoint.
        kept = finalized is None or slot > finalized.number
        found[slot] = (EMPTY if kept else None) if _is_missing(answer) else _root_in(slot, answer)
    return {slot: found.get(slot) for slot in slots}


def _is_missing(answer: Any) -> bool:
    return isinstance(answer, HttpError) and answer.status == _NOT_FOUND


def _root_in(slot: int, answer: Any) -> str | None:
    if isinstance(answer, SourceError):
        return None
    header = _data("earlier header", answer)
    if _slot("earlier header", header) != slot:
        raise SourceError(Reason.BAD_RESPONSE, "earlier header: another slot than was asked for")
    root = _hash("earlier header: root", header.get("root"))
    return root if flag("earlier header: canonical", header.get("canonical", True)) else EMPTY


# --- values ----------------------------------------------------------------------------------------------------------


def _data(what: str, answer: Any) -> Mapping[str, Any]:
    return obj(f"{what}: data", obj(what, answer).get("data"))


def _slot(what: str, header: Mapping[str, Any]) -> int:
    message = obj(f"{what}: message", obj(f"{what}: header", header.get("header")).get("message"))
    return decimal(f"{what}: slot", message.get("slot"), MAX_SLOT)


def _hash(what: str, value: Any) -> str:
    return matched(what, value, _ROOT).lower()


def _syncing(what: str, answer: Any) -> bool:
    return flag(f"{what}: is_syncing", _data(what, answer).get("is_syncing"))


def _sync_distance(what: str, answer: Any) -> int:
    return decimal(f"{what}: sync_distance", _data(what, answer).get("sync_distance"), MAX_SLOT)


def _peers(what: str, answer: Any) -> int:
    return decimal(f"{what}: connected", _data(what, answer).get("connected"), MAX_PEERS)


def _version(what: str, answer: Any) -> str:
    return version(what, _data(what, answer).get("version"))


def _finalized_epoch(what: str, answer: Any) -> int:
    checkpoint = obj(f"{what}: finalized", _data(what, answer).get("finalized"))
    return decimal(f"{what}: finalized: epoch", checkpoint.get("epoch"), MAX_SLOT)


def _consensus(answers: Mapping[str, Any]) -> Consensus:
    optimistic = obj("head", answers["head"]).get("execution_optimistic")
    return Consensus(
        finalized_epoch=optional(answers, "checkpoints", _finalized_epoch),
        sync_distance=optional(answers, "syncing", _sync_distance),
        optimistic=None if optimistic is None else flag("head: execution_optimistic", optimistic),
    )
