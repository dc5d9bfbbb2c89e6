"""One node of a chain, asked at a pinned block: in chunks of what it takes, which is found out once and remembered."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from occ.batches import REPROBE_SECONDS, BatchLimit
from occ.errors import HttpError, RateLimitError, Reason, RpcError, SourceError
from occ.jsonrpc import Call, Client

from .calls import BLOCK_TIMESTAMP, Decoder, EthCall, aggregated, bad_reply, raw, several

MOST_CALLS = 2_500
"""Of one aggregate3: some twenty million gas, which is below what providers give a call."""

_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,16}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_TOO_LARGE = 413

Replies = list[bytes | SourceError]
Answers = list[Any | SourceError]


@dataclass(frozen=True, slots=True)
class Block:
    """A block's height, hash, that of the one before it, and its timestamp in Unix seconds."""

    number: int
    hash: str
    parent: str
    timestamp: int


def block_call(height: int | str) -> Call:
    """Asks for the block at a height, or of a tag."""
    return Call("eth_getBlockByNumber", (height if isinstance(height, str) else hex(height), False))


def block_of(answer: Any) -> Block:
    """The block that a node has told. Raises what it told instead, or bad_response."""
    if isinstance(answer, SourceError):
        raise answer
    if not isinstance(answer, dict):
        raise bad_reply("no block")
    number, timestamp = (_matched(_NUMBER, answer.get(key)) for key in ("number", "timestamp"))
    own, parent = (_matched(_HASH, answer.get(key)).lower() for key in ("hash", "parentHash"))
    return Block(int(number, 16), own, parent, int(timestamp, 16))


def _matched(form: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise bad_reply("a block that lacks its number, time or hashes")
    return value


@dataclass(frozen=True, slots=True)
class Chunk:
    """Calls, the calldata of the one call that they are made as, and what takes its answers apart."""

    calls: tuple[EthCall, ...]
    data: str
    decoder: Decoder


class Node:
    """A node, by its configured name. `multicall` is where Multicall3 should be."""

    def __init__(self, name: str, client: Client, multicall: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._client = client
        self._multicall = multicall
        self._clock = clock
        self._limit = BatchLimit(clock)
        self._by_number = False
        self._bare_until = 0.0
        self._apart: dict[EthCall, float] = {}
        self._kept: tuple[Sequence[EthCall], object, list[Chunk]] | None = None

    async def latest(self) -> Block:
        """Its newest block. Raises SourceError."""
        return block_of(await self._client.call(block_call("latest")))

    async def ask(self, calls: Sequence[Call]) -> Answers:
        """Other questions, in one request."""
        return await self._client.batch(calls)

    async def read(
        self, block: Block, calls: Sequence[EthCall], beside: Sequence[Call] = ()
    ) -> tuple[Replies, Answers]:
        """What contracts reply at a block, and the answers to other questions, asked along with them.

        A call that fails has its SourceError in its place. Raises reorg when the block is not, or no longer, the one of its
        height when all is read, and otherwise what befell everything.
        """
        if self._clock() < self._bare_until:
            return await self._one_by_one(block, calls, beside)
        chunks = self._chunks(calls)
        try:
            found = await asyncio.gather(
                *(self._chunk(block, chunk, () if at else beside) for at, chunk in enumerate(chunks))
            )
        except _NoMulticallError:
            self._bare_until = self._clock() + REPROBE_SECONDS
            return await self._one_by_one(block, calls, beside)
        told = [reply for told, _ in found for reply in told]
        if self._apart:  # then the chunks are not in the order of the calls
            by_call = dict(zip((call for chunk in chunks for call in chunk.calls), told, strict=True))
            told = [by_call[call] for call in calls]
        return told, found[0][1]

    # --- with Multicall3 ---------------------------------------------------------------------------------------------

    def _chunks(self, calls: Sequence[EthCall]) -> list[Chunk]:
        """The calls as they are to be asked. The same object is asked for every block, and so is taken apart once."""
        now = self._clock()
        self._apart = {call: until for call, until in self._apart.items() if until > now}
        size = self._limit.size(min(MOST_CALLS, max(len(calls), 1)))
        key = size, frozenset(self._apart)
        if self._kept is None or self._kept[0] is not calls or self._kept[1] != key:
            together = [call for call in calls if call not in self._apart] if self._apart else calls
            parts = several(together, size) + [(call,) for call in calls if call in self._apart]
            self._kept = calls, key, [self._encoded(part) for part in parts or [()]]
        return self._kept[2]

    def _encoded(self, calls: tuple[EthCall, ...]) -> Chunk:
        asked = (EthCall(self._multicall, BLOCK_TIMESTAMP), *calls)
        return Chunk(calls, aggregated(asked), Decoder(len(asked)))

    async def _chunk(self, block: Block, chunk: Chunk, beside: Sequence[Call] = ()) -> tuple[Replies, Answers]:
        by_number = self._by_number
        question = Call("eth_call", ({"to": self._multicall, "data": chunk.data}, _place(block, by_number=by_number)))
        try:
            told, header, *answers = await self._client.batch((question, block_call(block.number), *beside))
            _same(block, header)
            reply = _needed(told)
        except SourceError as error:
            if not _may_be_the_size(error):
                raise
            answers = await self._small(block, beside, error)
            if by_number != self._by_number:
                return await self._chunk(block, chunk, beside)
            return await self._in_less(block, chunk.calls, error), answers
        if reply == "0x":
            raise _NoMulticallError
        timestamp, *found = chunk.decoder.replies(reply)
        if not isinstance(timestamp, bytes) or int.from_bytes(timestamp) != block.timestamp:
            raise bad_reply("the node answered for another block than it was asked")
        self._limit.accepted(len(chunk.calls))
        return found, answers

    async def _in_less(self, block: Block, calls: tuple[EthCall, ...], refusal: SourceError) -> Replies:
        """The node is well, but the chunk was refused: it is too much, or one call in it spoils all."""
        if len(calls) <= 1:
            self._apart |= dict.fromkeys(calls, self._clock() + REPROBE_SECONDS)
            return [refusal for _ in calls]
        half = len(calls) // 2
        first, _ = await self._chunk(block, self._encoded(calls[:half]))
        second, _ = await self._chunk(block, self._encoded(calls[half:]))
        if not any(call in self._apart for call in calls):
            self._limit.refused(len(calls))
        return first + second

    async def _small(self, block: Block, beside: Sequence[Call], refusal: SourceError) -> Answers:
        """Asks for next to nothing: raises `refusal` when that is refused too. Some nodes take a block by its number alone."""
        for by_number in (True,) if self._by_number else (False, True):
            empty = Call(
                "eth_call", ({"to": self._multicall, "data": aggregated(())}, _place(block, by_number=by_number))
            )
            told, header, *answers = await self._client.batch((empty, block_call(block.number), *beside))
            _same(block, header)
            if not isinstance(told, SourceError):
                self._by_number = by_number
                return answers
        raise refusal

    # --- without -----------------------------------------------------------------------------------------------------

    async def _one_by_one(
        self, block: Block, calls: Sequence[EthCall], beside: Sequence[Call]
    ) -> tuple[Replies, Answers]:
        """The same by a batch of single calls."""
        asked = [Call("eth_call", (call.params, _place(block, by_number=self._by_number))) for call in calls]
        told = await self._client.batch((*asked, block_call(block.number), *beside))
        _same(block, told[len(calls)])
        if calls and not self._by_number and all(isinstance(each, RpcError) for each in told[: len(calls)]):
            await self._small(block, (), told[0])  # also without Multicall3 it tells whether the node knows the hash
            if self._by_number:
                return await self._one_by_one(block, calls, beside)
        return [_reply(each) for each in told[: len(calls)]], told[len(calls) + 1 :]


class _NoMulticallError(Exception):
    """There is no contract where Multicall3 should be."""


def _place(block: Block, *, by_number: bool) -> Any:
    """How a call says at which block: by its hash (EIP-1898), which can not mean another one, or by its number."""
    return hex(block.number) if by_number else {"blockHash": block.hash}


def _same(block: Block, header: Any) -> None:
    """That the block is still the one of its height. Raises reorg."""
    now = block_of(header) if header is not None else None
    if now is None or now.hash != block.hash:
        raise SourceError(
            Reason.REORG, f"block {block.number} is no longer part of the chain: all that was read at it is dropped"
        )


def _needed(answer: Any) -> Any:
    if isinstance(answer, SourceError):
        raise answer
    return answer


def _reply(answer: Any) -> bytes | SourceError:
    return answer if isinstance(answer, SourceError) else raw(answer)


def _may_be_the_size(error: SourceError) -> bool:
    """Whether fewer calls might do: what nodes say when a call needs too much gas, is too large, or takes too long."""
    if isinstance(error, RateLimitError):
        return False
    return isinstance(error, RpcError) or (isinstance(error, HttpError) and error.status == _TOO_LARGE)
