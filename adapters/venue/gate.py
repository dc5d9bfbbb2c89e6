"""What ccxt takes for an aiohttp session: the only way out, for HTTP and WebSocket alike.

Wherever ccxt has an URL from (its own tables, its code, an answer of the venue), it is rewritten here when a base is set, so
that nothing can leave for another place. ccxt itself goes on to see the original URLs, over which signatures are made.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from occ import http
from occ.phases import Timed

from . import limits
from .budget import Budget
from .call import CALL, Call

MAX_BODY_BYTES = 64 * 1024 * 1024
"""The markets of the largest venues are some 20 MB."""

MAX_KEYED_BYTES = 8 * 1024 * 1024
"""Of what is told to a key: the longest answers that we know of are Binance's 10,000 open orders of contracts, the most that it allows,
and its currencies with their networks, which are some MB. In Python's objects it is several times that, and each check of each
account may hold one.
"""

CLOSE_SECONDS = 1.0
"""So long a WebSocket is given to say good-bye."""

_UNTOLD = {limits.TOO_MANY: 60.0, limits.BANNED: 120.0}
"""Seconds to leave a venue alone that does not say how long: a window, and Binance's shortest ban."""


def rebased(base: str | None, url: str) -> str:
    """`https://host/path?query` under a base: `BASE/host/path?query`; for ws and wss the same on ws or wss."""
    if base is None:
        return url
    scheme, _, rest = url.partition("://")
    own = base.rstrip("/")
    if scheme.startswith("ws"):
        own = "ws" + own.removeprefix("http")
    return f"{own}/{rest}"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What ccxt looks at."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes

    async def text(self, errors: str) -> str:
        return self.content.decode("utf-8", errors)


class Gate:
    """Stands where ccxt expects an `aiohttp.ClientSession`. Redirects are not followed, bodies are bounded (more narrowly where it
    is asked with a key), and what the headers tell of limits is heard.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str | None,
        budget: Budget,
        clock: Callable[[], float] = time.time,
        *,
        keyed: bool = False,
    ) -> None:
        self._session = session
        self._keyed = keyed
        self._sockets: aiohttp.ClientSession | None = None
        self._base = base
        self._budget = budget
        self._clock = clock
        self._used: dict[str, tuple[float, float]] = {}
        self.headers = session.headers
        self.cookie_jar = aiohttp.DummyCookieJar()

    async def close(self) -> None:
        """Ends what is open by WebSocket; the session for HTTP is its owner's."""
        if self._sockets is not None:
            await self._sockets.close()

    # --- as a session ------------------------------------------------------------------------------------------------

    def __getattr__(self, verb: str) -> Callable[..., AbstractAsyncContextManager[_Answer]]:
        """`get`, `post` and their like."""
        if verb not in {"get", "post", "put", "delete", "patch", "head", "options"}:
            raise AttributeError(verb)
        return lambda url, **parts: self._ask(verb.upper(), url, **parts)

    @asynccontextmanager
    async def _ask(self, method: str, url: URL, **parts: Any) -> AsyncIterator[_Answer]:
        there = URL(rebased(self._base, str(url)), encoded=True)
        with Timed() as timing:
            async with self._session.request(method, there, allow_redirects=False, **parts) as response:
                timing.answered()
                if call := CALL.get():
                    call.answered_at, call.round_trip = self._clock(), time.perf_counter() - timing.sent
                if 300 <= response.status < 400:  # noqa: PLR2004 - redirections
                    raise http.refused(response.status, response.headers)
                bulk = not self._keyed or (call is not None and call.bulk)
                body = await _bounded(response, MAX_BODY_BYTES if bulk else MAX_KEYED_BYTES)
        self._hear(url.host or "", response.status, response.headers, body)
        yield _Answer(response.status, response.reason or "", response.headers, body)

    def ws_connect(self, url: str, **parts: Any) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """A WebSocket, which has no deadline but to be opened and closed."""
        if self._sockets is None:
            self._sockets = http.socket_session(self._session)
        timeout = aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS)
        return self._sockets.ws_connect(URL(rebased(self._base, url), encoded=True), timeout=timeout, **parts)

    # --- hearing -----------------------------------------------------------------------------------------------------

    def _hear(self, host: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        now = self._clock()
        call = CALL.get() or Call("")
        call.answered(status, headers, body, now)
        for window, ratio in limits.used(host, headers).items():
            self._used[window] = (ratio, now)
        if status in _UNTOLD:
            self._budget.leave_alone(_UNTOLD[status] if call.patience is None else call.patience)

    def told_usage(self) -> dict[str, float]:
        """The used share of the venue's limit by window, as the venue told it within the last minute."""
        since = self._clock() - 60.0
        return {window: ratio for window, (ratio, at) in self._used.items() if at >= since}


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise http.bad_response(f"an answer of more than {most} bytes")
    return bytes(body)
