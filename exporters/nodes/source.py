"""The nodes of one chain as the far side: the only place from which they are asked, and what is remembered of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from exporters.nodes import columns
from exporters.nodes.arrivals import Arrivals
from exporters.nodes.ballots import Ballots
from exporters.nodes.config import Chain, Node
from exporters.nodes.reading import Block, Pinned
from exporters.nodes.trail import Trail
from occ import http
from occ.config import Secret
from occ.errors import Reason, RpcError, SourceError
from occ.job import Pins, Target
from occ.jsonrpc import BATCH, Call, Client, Request
from occ.page import Event, Page
from occ.plain import fingerprint

T = TypeVar("T")

ASK_AGAIN_SECONDS = 600.0
"""After so long a node is asked again for what it said it does not know, and for what hardly ever changes."""

_NO_SUCH_METHOD = -32601
_DECLINED = SourceError(Reason.NOT_SUPPORTED, "the node said lately that it does not know this method")


def targets(chain: Chain) -> tuple[Target, ...]:
    """The nodes of a chain as targets, in the order of the configuration. A reload keeps what is known of one while its
    `config` is the same.
    """
    owner = {"team": chain.labels.team, "tier": chain.labels.tier}
    common = chain.model_copy(update={"nodes": ()})
    return tuple(
        Target(
            f"{chain.name}/{node.name}",
            {"chain": chain.name, "node": node.name},
            {**owner, "provider": node.witness, "config": fingerprint(common, node)},
        )
        for node in chain.nodes
    )


@dataclass
class _Known:
    """A node, how it is asked, and what is remembered of it from one look to the next."""

    node: Node
    posts: Client
    socket: Client | None
    trail: Trail = field(default_factory=Trail)
    height: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    declined: dict[str, float] = field(default_factory=dict)
    told: tuple[Hashable, float, Any] | None = None
    subscribed: int = 0
    connected: bool = False


class Source:
    """Asks the nodes of one chain, counts what is asked, and notices what differs from the look before."""

    def __init__(
        self,
        chain: Chain,
        session: aiohttp.ClientSession,
        page: Page,
        pins: Pins | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._chain = chain
        self._session = session
        self._page = page
        self._pins = Pins() if pins is None else pins
        self._durations = page.histogram(columns.REQUEST_DURATION)
        self._depths = page.histogram(columns.REORG_DEPTH).labels(chain.name)
        delays = page.histogram(columns.ARRIVAL_DELAY).labels(chain.name)
        self._arrivals = Arrivals(len({node.witness for node in chain.nodes}), delays.observe, self._was_first, clock)
        self._ballots = Ballots()
        self._known = {
            target: self._introduced(target, node) for target, node in zip(targets(chain), chain.nodes, strict=True)
        }

    def _introduced(self, target: Target, node: Node) -> _Known:
        def client(url: Secret) -> Client:
            return Client(self._session, url, lambda request: self._asked(target, request), reads_only=True)

        return _Known(node, client(node.url), client(node.ws_url) if node.ws_url else None)

    async def close(self) -> None:
        """Ends what is open to the nodes."""
        for known in self._known.values():
            if known.socket is not None:
                await known.socket.close()

    # --- asking ------------------------------------------------------------------------------------------------------

    async def batch(self, target: Target, calls: Sequence[Call]) -> list[Any | SourceError]:
        """All these calls, in one request where the node takes them so; see `Client.batch`."""
        return await self._known[target].posts.batch(calls)

    async def ask(
        self, target: Target, needed: Mapping[str, Call], optional: Mapping[str, Call]
    ) -> dict[str, Any | SourceError]:
        """The answers to all these calls, by name. What is optional and not known to the node is not asked every time.

        Raises the SourceError of what is needed and was not answered.
        """
        declined, now = self._known[target].declined, time.monotonic()
        asked = {**needed, **{key: call for key, call in optional.items() if declined.get(key, 0.0) <= now}}
        answers = dict(zip(asked, await self.batch(target, tuple(asked.values())), strict=True))
        for key, answer in answers.items():
            if isinstance(answer, SourceError):
                if key in needed:
                    raise answer
                if is_unknown_method(answer):
                    declined[key] = now + ASK_AGAIN_SECONDS
        return {**dict.fromkeys(optional, _DECLINED), **answers}

    async def get(self, target: Target, path: str, method: str) -> Any:
        """The JSON at a path under the node's URL; `method` is what the request is called in metrics."""
        began = time.perf_counter()
        error: SourceError | None = SourceError(Reason.TIMEOUT, "given up by the caller")
        url = _under(self._known[target].node.url, path)
        try:
            answer = await http.ask(self._session, "GET", url, again=True)
            error = None
        except SourceError as failure:
            failure.args = (f"{method}: {failure}",)  # of many requests it shall be known which one failed
            error = failure
            raise
        else:
            return answer
        finally:
            self._asked(target, Request(method, time.perf_counter() - began, error))

    async def seldom(self, target: Target, about: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` told of this last, for so long as it is about the same: for what hardly ever changes."""
        known, now = self._known[target], time.monotonic()
        if known.told is None or known.told[0] != about or known.told[1] <= now:
            known.told = about, now + ASK_AGAIN_SECONDS, await ask()
        answer: T = known.told[2]
        return answer

    def takes_batches(self, target: Target) -> bool:
        """Whether the node has answered several calls in one request."""
        return self._known[target].posts.largest_batch > 1

    def subscribe(self, target: Target, *params: Any) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """What the node notifies over WebSocket; see `Client.subscribe`."""
        socket = self._known[target].socket
        if socket is None:
            raise SourceError(Reason.NOT_SUPPORTED, "no ws_url is configured")
        return socket.subscribe(*params)

    def pin(self) -> int | None:
        """The height at which all nodes of the chain are asked for the same; None until they were seen."""
        return self._pins(self._chain.name)

    # --- noticing ----------------------------------------------------------------------------------------------------

    def trail(self, target: Target) -> Trail:
        """The heads that the node has told."""
        return self._known[target].trail

    def looked(self, target: Target, latest: Block, gone: int = 0) -> float | None:
        """Takes note of the head that a look has found, and of how many blocks before it are gone.

        Seconds by which the head came after its timestamp; None where its node announces heads, for it is measured there.
        """
        known = self._known[target]
        if known.height is not None and latest.number < known.height:
            self._page.count(Event(columns.REGRESSIONS, target.labels))
        known.height = latest.number
        if gone:
            self._page.count(Event(columns.REORGS, target.labels))
            self._depths.observe(gone)
        return None if known.socket else self._arrivals.saw(target, latest)

    def heard(self, target: Target, head: Block) -> float | None:
        """Takes note of a head that the node has announced; seconds by which it came after its timestamp."""
        self._known[target].trail.add(head)
        return self._arrivals.saw(target, head)

    def state(self, target: Target, pinned: Pinned, state: str) -> None:
        """Takes note of what the node says of the state at a pinned block."""
        if self._ballots.cast(target, pinned, state):
            self._page.count(Event(columns.DISAGREEMENTS, target.labels))

    def subscribed(self, target: Target) -> None:
        """The node announces its heads from now on."""
        known = self._known[target]
        known.connected, known.subscribed = True, known.subscribed + 1
        if known.subscribed > 1:
            self._page.count(Event(columns.WS_RECONNECTS, target.labels))

    def lost(self, target: Target) -> None:
        """The node does not announce its heads any more."""
        self._known[target].connected = False

    def connected(self, target: Target) -> bool:
        """Whether the node announces its heads."""
        return self._known[target].connected

    def request_seconds(self, target: Target) -> dict[str, float]:
        """How long the node's last successful requests took, by method, of those since this was last asked.

        Beside a batch there is nothing to tell: single calls are asked rarely then.
        """
        known = self._known[target]
        seconds, known.seconds = known.seconds, {}
        return {BATCH: seconds[BATCH]} if BATCH in seconds else seconds

    def _asked(self, target: Target, request: Request) -> None:
        self._durations.labels(self._chain.name, request.method).observe(request.seconds)
        self._page.count(Event(columns.REQUESTS, target.labels))
        if request.error is None:
            self._known[target].seconds[request.method] = request.seconds
        elif request.error.reason is Reason.RATE_LIMITED:
            self._page.count(Event(columns.RATE_LIMITED, target.labels))

    def _was_first(self, target: Target) -> None:
        self._page.count(Event(columns.FIRST_SEEN, target.labels))


def is_unknown_method(answer: object) -> bool:
    """Whether an answer says that the node has no such method."""
    return isinstance(answer, RpcError) and answer.code == _NO_SUCH_METHOD


def _under(url: Secret, path: str) -> str:
    """The URL with a path after its own; a key in its query stays there."""
    base = URL(url.reveal())
    return str(base.with_path(base.path.rstrip("/") + path).with_query(base.query_string or None))
