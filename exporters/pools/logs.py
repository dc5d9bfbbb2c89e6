"""The logs of a chain's pools, block by block.

Those of the newest blocks are asked for by the hash of their block: such an answer is of all that block and of no other,
whatever the chain does meanwhile, and a node that lacks the block refuses. From the newest block down each is the parent of the
one above it, so the logs of a whole chain of blocks are known although each was asked for once, together with the state at that
block. What is deeper is asked for by ranges.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from adapters.evm import Block, View, block_call, block_of
from adapters.evm import Chain as Nodes
from exporters.pools.terms import PoolTerms
from occ.errors import Reason, RpcError, SourceError
from occ.jsonrpc import Call
from occ.page import Labels

FOLLOWED = 256
"""Chains of at most so many confirmations are followed block by block, down to what is not confirmed."""

NEAR = 32
"""So many blocks are followed in any case: what comes between two looks at a fast chain."""

FEWEST = 20
"""Addresses that are asked for in one question at least, whatever is refused."""

_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,16}")
_WORD = 32


@dataclass(frozen=True)
class Watched:
    """A pool whose logs are asked for: its labels, the kind that knows them, and which of its tokens is the base."""

    labels: Labels
    terms: PoolTerms
    kind: ModuleType
    base: Callable[[], int | None]

    @cached_property
    def events(self) -> Mapping[str, str]:
        """What is counted, by first topic."""
        found: Mapping[str, str] = getattr(self.kind.PoolReader, "EVENTS", {})
        return found

    @cached_property
    def changes(self) -> Sequence[str]:
        """First topics of what changes what the reader remembers."""
        found: Sequence[str] = getattr(self.kind.PoolReader, "TOPICS", ())
        return found


@dataclass(frozen=True, slots=True)
class Log:
    """A log of a pool, looked through. `topic` is the first one, `indexed` are the words of the others; `place` is its
    transaction, and its index.
    """

    block: int
    hash: str
    place: tuple[str, str]
    pool: Watched
    topic: str
    indexed: bytes
    data: bytes


class Logs:
    """Asks for them, and remembers those of the newest blocks.

    `confirmations` is how far down they are needed, `within` seconds are for each request, and `node` has answered the last.
    All pools are asked for in one question, until a node refuses even those of a single block: then in questions of half as many.
    """

    def __init__(self, nodes: Nodes, pools: Iterable[Watched], confirmations: int, within: float) -> None:
        self.pools = tuple(each for each in pools if each.events or each.changes)
        self.counted = tuple(each for each in self.pools if each.events)
        self.node = ""
        self._nodes = nodes
        self._within = within
        self._by_address = {each.terms.pool.address: each for each in self.pools}
        self._topics = frozenset(topic for each in self.pools for topic in (*each.events, *each.changes))
        self._addresses = tuple(self._by_address)
        self._most = max(len(self._addresses), FEWEST)
        self._depth = max(confirmations + 1, NEAR) if confirmations < FOLLOWED else NEAR
        self._blocks: dict[str, Block] = {}
        self._told: dict[str, tuple[Log, ...]] = {}
        self._fresh: Block | None = None
        self._chain: dict[int, Block] = {}

    # --- of one block ------------------------------------------------------------------------------------------------

    def question(self, block: Block) -> list[Call]:
        """Asks for the logs of a block; nothing where they are known, or there is nothing to ask for."""
        return self._calls(blockHash=block.hash) if block.hash not in self._told else []

    def keep(self, view: View, answers: Sequence[Any | SourceError]) -> None:
        """Takes note of the newest block, and of the answers to the questions for its logs, where there were any."""
        self.node = view.source
        self._fresh = self._blocks[view.block.hash] = view.block
        if answers:
            self._take(view.block, answers)
        self._forget_below(view.block.number - 2 * self._depth)

    def since(self, before: Block, block: Block) -> list[Log] | None:
        """The logs after one block up to another, in their order; None where they are not known, or it is of another chain."""
        found = list[tuple[Log, ...]]()
        at: Block | None = block
        while at is not None and at.hash != before.hash:
            logs = self._told.get(at.hash)
            if logs is None or at.number <= before.number:
                return None
            found.append(logs)
            at = self._before(at)
        return None if at is None else [log for logs in reversed(found) for log in logs]

    def _take(self, block: Block, answers: Iterable[Any | SourceError]) -> None:
        """Logs that are refused, or are not those of the block, stay unknown."""
        try:
            logs = self._looked_through(answers)
        except SourceError:
            return
        if all((log.block, log.hash) == (block.number, block.hash) for log in logs):
            self._told[block.hash] = logs

    # --- of a chain --------------------------------------------------------------------------------------------------

    async def head(self) -> Block:
        """The newest block: that at which the state was read, or else as it is now. What follows is of its chain."""
        fresh, self._fresh = self._fresh, None
        head = fresh or block_of((await self._ask([block_call("latest")]))[0])
        self._chain = {block.number: block for block in await self.follow(head)}
        return head

    async def follow(self, head: Block) -> list[Block]:
        """The chain from a head down, as far as it can be had; its logs become known, where they are given."""
        self._blocks[head.hash] = head
        last = max(head.number - self._depth, 0)
        newest = max((block.number for block in self._blocks.values() if block is not head), default=-1)
        for first in (newest + 1, last):  # what has come since; all of it, where that does not lead to what is known
            found = self._known(head)
            if missing := range(max(first, last), found[-1].number):
                self._blocks |= {each.hash: each for each in _blocks(await self._ask(list(map(block_call, missing))))}
        found = self._known(head)
        if unknown := [block for block in found if block.hash not in self._told and self.pools]:
            answers = await self._ask([call for block in unknown for call in self.question(block)])
            each = len(answers) // len(unknown)
            for number, block in enumerate(unknown):
                self._take(block, answers[number * each : (number + 1) * each])
        self._forget_below(head.number - 2 * self._depth)
        return found

    async def block(self, number: int) -> Block:
        """The block at a height."""
        if (known := self._chain.get(number)) is not None:
            return known
        self._chain = {}  # now that a node is asked, it is asked for all: what is remembered would agree with itself only
        return block_of((await self._ask([block_call(number)]))[0])

    async def between(self, first: int, last: int) -> Sequence[Log]:
        """The logs of these blocks."""
        known = [self._told.get(self._chain[at].hash) if at in self._chain else None for at in range(first, last + 1)]
        if None not in known:
            return [log for logs in known if logs for log in logs]
        self._chain = {}
        *told, block = await self._ask([*self._calls(fromBlock=hex(first), toBlock=hex(last)), block_call(last)])
        block_of(block)
        if first == last and any(isinstance(each, RpcError) for each in told):
            self._most = max(self._most // 2, FEWEST)
        return self._looked_through(told)

    async def blocks(self, numbers: Iterable[int]) -> Mapping[int, Block]:
        """Blocks by their heights."""
        missing = [number for number in numbers if number not in self._chain]
        answers = await self._ask(list(map(block_call, missing))) if missing else []
        return self._chain | dict(zip(missing, map(block_of, answers), strict=True))

    def _known(self, head: Block) -> list[Block]:
        """The blocks from a head down, as far as they are remembered."""
        found = [head]
        while (parent := self._before(found[-1])) is not None:
            found.append(parent)
        return found

    def _before(self, block: Block) -> Block | None:
        parent = self._blocks.get(block.parent)
        return parent if parent is not None and parent.number == block.number - 1 else None

    def _forget_below(self, height: int) -> None:
        self._blocks = {key: block for key, block in self._blocks.items() if block.number >= height}
        self._told = {key: logs for key, logs in self._told.items() if key in self._blocks}

    # --- asking ------------------------------------------------------------------------------------------------------

    def _calls(self, **where: str) -> list[Call]:
        topics, parts = [sorted(self._topics)], range(0, len(self._addresses), self._most)
        return [
            Call("eth_getLogs", ({**where, "address": list(self._addresses[at : at + self._most]), "topics": topics},))
            for at in parts
        ]

    async def _ask(self, calls: Sequence[Call]) -> list[Any]:
        self.node, answers = await self._nodes.ask(calls, self._within)
        return answers

    def _looked_through(self, answers: Iterable[Any | SourceError]) -> tuple[Log, ...]:
        """The logs of all answers, as they are in their blocks; one that is told twice is there once. Raises what was told
        instead of logs, or bad_response.
        """
        found = dict[tuple[str, tuple[str, str]], Log]()
        for told in answers:
            if isinstance(told, SourceError):
                raise told
            if not isinstance(told, list):
                raise SourceError(Reason.BAD_RESPONSE, "eth_getLogs: no list")
            found |= {(log.hash, log.place): log for log in map(self._log, told)}
        return tuple(found.values())

    def _log(self, told: Any) -> Log:
        """A log that was asked for. Raises reorg for one that is said to be gone, and bad_response for anything else."""
        try:
            pool, number = self._by_address[told["address"].lower()], told["blockNumber"]
            topic, *indexed = map(str.lower, told["topics"])
            own, data = told["blockHash"].lower(), _bytes(told["data"])
            words, place = b"".join(map(_bytes, indexed)), (told["transactionHash"].lower(), told["logIndex"].lower())
            right = _NUMBER.fullmatch(number) and len(_bytes(own)) == _WORD and topic in self._topics
        except (AttributeError, KeyError, TypeError, ValueError):
            right = None
        if not right:
            raise SourceError(Reason.BAD_RESPONSE, "eth_getLogs: a log that was not asked for, or is none")
        if told.get("removed"):
            raise SourceError(Reason.REORG, "eth_getLogs: a log that is said to be gone")
        return Log(int(number, 16), own, place, pool, topic, words, data)


def _bytes(told: str) -> bytes:
    """Raises ValueError for what is no hexadecimal text of whole bytes."""
    data = bytes.fromhex(told[2:])
    if told[:2] != "0x" or 2 * len(data) + 2 != len(told):  # there would be blanks in it
        raise ValueError("no bytes")
    return data


def _blocks(answers: Iterable[Any | SourceError]) -> Iterable[Block]:
    """Those that were told; what is missing is asked for in another way."""
    for answer in answers:
        with contextlib.suppress(SourceError):
            yield block_of(answer)
