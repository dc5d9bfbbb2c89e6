"""Servers that answer wrongly in every way that no real node does on demand. A canary stands in every URL."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

import occ

CANARY = "c4n4ryc4n4ry"

Wire = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server at 127.0.0.1 that lets `handler` answer whatever it is asked."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def http(answer: Callable[[Any], Any], **parts: Any) -> AsyncIterator[str]:
    """A node over HTTP; `answer` makes a body, a JSON value or a whole response of what was asked."""

    async def handle(request: web.Request) -> web.StreamResponse:
        found = answer(await request.json())
        if isinstance(found, web.StreamResponse):
            return found
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        return web.Response(body=body, **({"content_type": "application/json"} | parts))

    async with listening(handle) as port:
        yield secret_url(port)


@asynccontextmanager
async def wire(talk: Wire) -> AsyncIterator[str]:
    """A server that reads a request and then does as it likes with the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield secret_url(server.sockets[0].getsockname()[1])
    finally:
        server.close()


@contextmanager
def refusing() -> Iterator[int]:
    """A port that refuses connections: bound, so that nobody else can have it, and never listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def secret_url(port: int | None, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{CANARY}:{CANARY}@{host}:{port}/v2/{CANARY}?key={CANARY}"


def sends(data: bytes) -> Wire:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return talk


def response(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [
        "HTTP/1.1 200 OK",
        f"Content-Length: {len(body) if length is None else length}",
        f"X-Canary: {CANARY}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ours(before: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Tasks since `before` that the kernel has begun."""
    kernel = str(Path(occ.__file__).parent)
    begun = {task: getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks() - before}
    return [task for task, code in begun.items() if code is not None and code.co_filename.startswith(kernel)]
