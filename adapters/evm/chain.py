"""A chain seen through several nodes: whatever is read together is of one block, told by one node."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from occ.errors import Reason, SourceError
from occ.jsonrpc import Call, Client

from .calls import EthCall
from .node import Answers, Block, Node, Replies

T = TypeVar("T")

log = logging.getLogger(__name__)

SHUNNED_SECONDS = 30.0
"""For so long a node that failed is asked after the others."""

ATTEMPTS = 3
"""How often a read is begun anew because its block went away under it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A node by its configured name, and the client that speaks to it."""

    name: str
    client: Client


@dataclass(frozen=True, slots=True)
class View:
    """A block as one node has it. Everything asked of it is of that block, or fails."""

    node: Node
    block: Block

    @property
    def source(self) -> str:
        """The configured name of the node."""
        return self.node.name

    async def read(self, calls: Sequence[EthCall], beside: Sequence[Call] = ()) -> tuple[Replies, Answers]:
        """See `Node.read`."""
        return await self.node.read(self.block, calls, beside)


class Chain:
    """Reads a chain through the first of its nodes that answers."""

    def __init__(
        self, endpoints: Sequence[Endpoint], multicall: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._nodes = [Node(each.name, each.client, multicall, clock) for each in endpoints]
        self._failed: dict[str, float] = {}
        self._fresh: View | None = None

    async def head(self, within: float) -> View:
        """The newest block of the first node that answers, kept for the next `read`. `within` seconds are for all of them."""

        async def latest(node: Node) -> View:
            return View(node, await node.latest())

        self._fresh = await self._first(latest, within)
        return self._fresh

    async def read(self, read: Callable[[View], Awaitable[T]], within: float) -> T:
        """What `read` makes of the newest block, with the next node when one fails, and anew when the block goes away.

        Raises the SourceError of the node that was asked last.
        """
        fresh, self._fresh = self._fresh, None

        async def attempt(node: Node) -> T:
            nonlocal fresh
            for left in reversed(range(ATTEMPTS)):
                block = fresh.block if fresh is not None and fresh.node is node else await node.latest()
                fresh = None
                try:
                    return await read(View(node, block))
                except SourceError as error:
                    if error.reason is not Reason.REORG or not left:
                        raise
                    log.info("%s: %s", node.name, error)
            raise AssertionError

        return await self._first(attempt, within)

    async def ask(self, calls: Sequence[Call], within: float) -> tuple[str, Answers]:
        """The answers of the first node that answers, in one request, and which that is. A call may have a SourceError."""

        async def asked(node: Node) -> tuple[str, Answers]:
            return node.name, await node.ask(calls)

        return await self._first(asked, within)

    async def _first(self, ask: Callable[[Node], Awaitable[T]], within: float) -> T:
        """The outcome of the first node that has one; each gets its share of the time, so that a dead one leaves some."""
        order = self._in_order()
        for at, node in enumerate(order):
            try:
                async with asyncio.timeout(within / len(order)):
                    found = await ask(node)
            except TimeoutError:
                error = SourceError(Reason.TIMEOUT, f"{node.name}: no answer within {within / len(order):g} s")
            except SourceError as failure:
                error = failure
            else:
                self._failed.pop(node.name, None)
                return found
            self._failed[node.name] = self._clock()
            if at == len(order) - 1:
                raise error
            log.warning("%s failed (%s): %s is asked instead", node.name, error, order[at + 1].name)
        raise AssertionError

    def _in_order(self) -> list[Node]:
        """As configured, but those that failed lately last."""
        since = self._clock() - SHUNNED_SECONDS
        return sorted(self._nodes, key=lambda node: self._failed.get(node.name, since) > since)
