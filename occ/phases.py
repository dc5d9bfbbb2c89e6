"""How long the phases of a request take, by aiohttp's tracing and as far as that can tell.

Tracing sees a connection being made as a whole: name, TCP and TLS. It tells when a name was looked up; when a handshake
begins and ends is known from Python's own TLS object; what remains is TCP. A session that is traced pays for it with every
request, so here the connector brings the tracing along, and it costs next to nothing while connections are used again.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar, Token
from types import SimpleNamespace, TracebackType
from typing import Any, Protocol, Self

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from occ import metrics
from occ.page import Page


class _Histogram(Protocol):
    def observe(self, amount: float) -> None: ...


Phases = Mapping[str, _Histogram]
"""Where each phase is told."""


def on_page(exporter: str, page: Page) -> Phases:
    """The page's histogram, with every phase there from the first page on."""
    histogram = page.histogram(metrics.HTTP_DURATION)
    return {phase: histogram.labels(exporter, phase) for phase in metrics.PHASES}


class Timed:
    """One request, which is sent and answered while the block runs.

    Its phases are told nowhere until a connector that tells them is asked for a connection. `kept` says that the connection
    had been used before.
    """

    __slots__ = ("_token", "began", "began_connecting", "handshake", "kept", "name_seconds", "phases", "sent")

    _token: Token[Timed | None]

    def __init__(self) -> None:
        self.phases: Phases = {}
        self.began = self.began_connecting = self.sent = time.perf_counter()
        self.kept = False
        self.name_seconds = 0.0
        self.handshake: tuple[float, float] | None = None

    def __enter__(self) -> Self:
        self._token = _CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _CURRENT.reset(self._token)
        self._tell("total", time.perf_counter() - self.began)

    def answered(self) -> None:
        """Status and headers are in."""
        self._tell("first_byte", time.perf_counter() - self.sent)

    def connecting(self) -> None:
        """A new connection is needed."""
        self.kept = False
        self.began_connecting = time.perf_counter()

    def named(self) -> None:
        """The host's addresses are known."""
        self.name_seconds = time.perf_counter() - self.began_connecting

    def looked_up(self) -> None:
        """They were asked for, on behalf of this request."""
        self.named()
        self._tell("dns", self.name_seconds)

    def connected(self) -> None:
        """The new connection can be used."""
        secured = 0.0
        if self.handshake is not None:
            secured = self.handshake[1] - self.handshake[0]
            self._tell("tls", secured)
        spent = time.perf_counter() - self.began_connecting
        self._tell("connect", max(spent - self.name_seconds - secured, 0.0))

    def _tell(self, phase: str, seconds: float) -> None:
        if self.phases:
            self.phases[phase].observe(seconds)


_CURRENT: ContextVar[Timed | None] = ContextVar("occ_request", default=None)


class TimedHandshake(ssl.SSLObject):
    """Tells the request for which the connection is made when its handshake began and ended."""

    def do_handshake(self) -> None:
        """Called until it raises no more: the first call is the beginning, the last the end."""
        timing = _CURRENT.get()
        began = timing.handshake[0] if timing and timing.handshake else time.perf_counter()
        try:
            super().do_handshake()
        finally:
            if timing is not None:
                timing.handshake = (began, time.perf_counter())


class TimedConnector(aiohttp.TCPConnector):
    """Tells the phases of the requests that it connects."""

    def __init__(self, phases: Phases, **parts: Any) -> None:
        super().__init__(**parts)
        self.phases = phases
        self._moments = _moments()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp calls it
    ) -> Connection:
        """A connection that is free, or a new one."""
        timing = _CURRENT.get() or Timed()
        timing.phases, timing.kept = self.phases, True
        trace = Trace(_NO_SESSION, self._moments, SimpleNamespace(timing=timing))
        token = _CURRENT.set(timing)
        try:
            return await super().connect(req, [*traces, trace], timeout)
        finally:
            _CURRENT.reset(token)
            timing.sent = time.perf_counter()


_NO_SESSION: Any = None  # nobody who is told of a moment looks at it


def _moments() -> aiohttp.TraceConfig:
    def at(note: Callable[[Timed], None]) -> Callable[[object, SimpleNamespace, object], Awaitable[None]]:
        async def noted(_session: object, context: SimpleNamespace, _moment: object) -> None:
            note(context.timing)

        return noted

    trace: Any = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(at(Timed.connecting))
    trace.on_dns_resolvehost_end.append(at(Timed.looked_up))
    trace.on_dns_cache_hit.append(at(Timed.named))
    trace.on_connection_create_end.append(at(Timed.connected))
    trace.freeze()
    return trace  # type: ignore[no-any-return]
