"""Requests to the targets of actions, so that it is always known whether one was sent.

A target's host comes from the configuration alone. Its name is looked up once for an attempt, and all of the attempt goes to
the address that answered, by connections of its own: no proxy, no redirect, no cookie, nothing sent a second time behind our
back. What the far side answers is never told on: only its status, and of its JSON what is asked for by name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from pydantic import AfterValidator
from yarl import URL

from occ import http
from occ.config import Duration, HttpUrl, Model, Secret, SecretValue, refuse
from occ.errors import OccError, SourceError

from . import canonical, fill

MAX_ANSWER_BYTES = 65_536
CONNECT_WITHIN = 5.0
"""Seconds to find the host and connect; the rest of an attempt's time is for the answer."""

ASK_WITHIN = 5.0
"""Seconds for a question that changes nothing."""

_TOKEN = re.compile(r"[\x21-\x7e]+")


# --- what the configuration says -------------------------------------------------------------------------------------


def _bare(secret: Secret) -> Secret:
    url = URL(secret.reveal())
    if url.user or url.password or url.raw_query_string or url.raw_fragment:
        raise refuse("must hold no user, password, query or fragment; what proves who we are is the token")
    return secret


def _of_a_header(token: Secret) -> Secret:
    if not _TOKEN.fullmatch(token.reveal()):
        raise refuse("expected visible ASCII characters alone: it is sent in a header")
    return token


def _operations(path: str) -> str:
    try:
        fill.PATH.fill(path, {})
    except fill.Unfillable as error:
        raise refuse(str(error)) from None
    return path.rstrip("/")


class Target(Model):
    """A server that executors talk to, and what it promises.

    `operations` is the path below which it tells what became of an idempotency key; without it only people can tell.
    `idempotent`: it does nothing for a key that it has seen. `receive_window` seconds after it was sent a request has no effect
    any more.
    """

    url: Annotated[HttpUrl, AfterValidator(_bare)]
    token: Annotated[SecretValue, AfterValidator(_of_a_header)] | None = None
    operations: Annotated[str, AfterValidator(_operations)] | None = None
    idempotent: bool = False
    receive_window: Duration = 5.0

    def definition(self) -> Mapping[str, Any]:
        """What an approval covers: another address is another target, another token is not."""
        return {
            "url_sha256": canonical.sha256(self.url.reveal().encode()),
            "server_sha256": canonical.sha256(self.server.encode()),
            "token": self.token is not None,
            **self.model_dump(include={"operations", "idempotent", "receive_window"}),
        }

    @property
    def server(self) -> str:
        """Host and port: targets that have it in common are one server, as far as can be told by the configuration."""
        url = URL(self.url.reveal())
        return f"{(url.host or '').lower().rstrip('.')}:{url.port}"

    def at(self, path: str) -> URL:
        """The whole URL of a percent-encoded path, which comes after that of the target's own URL."""
        base = URL(self.url.reveal())
        return base.with_path(base.raw_path.rstrip("/") + path, encoded=True)


# --- what can go wrong -----------------------------------------------------------------------------------------------


class NotSent(OccError):  # noqa: N818 - it names what is the matter
    """Nothing was sent: not one byte of the request has left."""


class NoAnswer(OccError):  # noqa: N818 - it names what is the matter
    """It was sent, or a part of it, and what came back tells nothing."""


# --- sending ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `path` is percent-encoded; `query` is not, and `body` becomes JSON."""

    method: str
    path: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Sequence[tuple[str, str]] = ()


class Line:
    """Requests of one attempt to one target."""

    def __init__(self, target: Target, session: aiohttp.ClientSession, way: _OneWay, left: Callable[[], float]) -> None:
        self._target, self._session, self._way, self._left = target, session, way, left

    async def send(self, call: Call) -> int:
        """The HTTP status that it is answered with. Raises NotSent, NoAnswer, and what `clear` raises: then nothing was sent."""
        async with self._answer(call) as response:
            return response.status

    async def ask(
        self, path: str, *, query: Sequence[tuple[str, str]] = (), most: int = MAX_ANSWER_BYTES
    ) -> tuple[int, Any]:
        """Status and JSON of an answer to GET, of so many bytes at most; None for what is no JSON. Raises NotSent, NoAnswer."""
        async with self._answer(Call("GET", path, query=query)) as response:
            body = await _bounded(response, most)
        try:
            return response.status, orjson.loads(body)
        except orjson.JSONDecodeError:
            return response.status, None

    @asynccontextmanager
    async def _answer(self, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        if self._target.token:
            headers["Authorization"] = f"Bearer {self._target.token.reveal()}"
        self._way.open()
        try:
            async with (
                asyncio.timeout(self._left()),
                self._session.request(
                    call.method,
                    self._target.at(call.path).with_query(call.query),
                    data=None if call.body is None else orjson.dumps(call.body),
                    headers={**headers, **call.headers},
                    allow_redirects=False,
                ) as response,
            ):
                yield response
        except (TimeoutError, SourceError, *http.FOREIGN) as failure:
            said = str(failure if isinstance(failure, SourceError) else http.classified(failure))
            raise (NoAnswer if self._way.used else NotSent)(said) from None


@asynccontextmanager
async def line(target: Target, clear: Callable[[], Awaitable[None]], left: Callable[[], float]) -> AsyncIterator[Line]:
    """A way to the target for one attempt. `clear` is awaited when all is connected, right before each request is sent.

    `left` tells the seconds that the attempt has.
    """
    resolver = _Once()
    way = _OneWay(clear, left, resolver=resolver, use_dns_cache=False, force_close=True, ssl=http.tls())
    async with aiohttp.ClientSession(
        connector=way,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
    ) as session:
        yield Line(target, session, way, left)


@asynccontextmanager
async def asking(target: Target) -> AsyncIterator[Line]:
    """A way for questions that change nothing and may be put at any time."""
    until = asyncio.get_running_loop().time() + ASK_WITHIN

    async def always() -> None:
        pass

    async with line(target, always, lambda: until - asyncio.get_running_loop().time()) as way:
        yield way


async def ask(target: Target, path: str) -> tuple[int, Any]:
    """One such question: status and JSON. Raises NotSent, NoAnswer."""
    async with asking(target) as way:
        return await way.ask(path)


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise http.bad_response(f"an answer of more than {most} bytes")
    return bytes(body)


class _OneWay(aiohttp.TCPConnector):
    """Makes one connection for each request, asks once more whether it may be sent, and knows whether it was.

    aiohttp sends some methods again by itself when a connection breaks: here it can not.
    """

    def __init__(
        self, clear: Callable[[], Awaitable[None]], left: Callable[[], float], *, resolver: _Once, **parts: Any
    ) -> None:
        super().__init__(resolver=resolver, **parts)
        self._clear, self._left, self._once = clear, left, resolver
        self.used = False

    def open(self) -> None:
        """One more request may be sent."""
        self.used = False

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp calls it
    ) -> Connection:
        """A new connection, about to be written to."""
        if self.used:
            raise aiohttp.ClientConnectionError
        async with asyncio.timeout(min(CONNECT_WITHIN, self._left())):
            connection = await super().connect(req, traces, timeout)
        try:
            self._once.keep(connection)
            await self._clear()
        except BaseException:
            connection.close()
            raise
        self.used = True
        return connection


class _Once(AbstractResolver):
    """Looks the host up once, and then knows no address but the one that was connected to."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()
        self._known: list[ResolveResult] | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Its addresses, but for those that no target has."""
        if self._known is None:
            self._known = [each for each in await self._resolver.resolve(host, port, family) if _fit(each["host"])]
        if not self._known:
            raise OSError("no address that a target may have")
        return self._known

    def keep(self, connection: Connection) -> None:
        """From now on it is the address of this connection."""
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        if self._known and peer:
            self._known = [each for each in self._known if each["host"] == peer[0]]

    async def close(self) -> None:
        """Nothing is held open."""


def _fit(address: str) -> bool:
    """False for the addresses of a network's own services, such as those that give a cloud's credentials away."""
    found = ipaddress.ip_address(address.partition("%")[0])
    plain = getattr(found, "ipv4_mapped", None) or found
    return not (plain.is_link_local or plain.is_multicast or plain.is_unspecified)
