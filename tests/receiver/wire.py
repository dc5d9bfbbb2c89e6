"""A server that is nothing but a socket: what it was sent, to the byte, and what it answers, also what no server would."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Wire:
    """What came in, per connection."""

    url: str = ""
    port: int = 0
    connections: list[bytearray] = field(default_factory=list)

    @property
    def heard(self) -> list[str]:
        """The requests, without those connections over which nothing came."""
        return [bytes(each).decode() for each in self.connections if each]


def told(answer: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Answers with these bytes and hangs up."""

    async def tell(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return tell


async def silent(_: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


@asynccontextmanager
async def listening(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]] | bytes = ANSWER,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Wire]:
    """A wire on a free port. It answers once the head of a request is there, and all of its body."""
    wire, handlers = Wire(), set[asyncio.Task[None]]()
    tell = told(answer) if isinstance(answer, bytes) else answer

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        handlers.add(task)
        heard = bytearray()
        wire.connections.append(heard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            heard += await reader.readuntil(b"\r\n\r\n")
            heard += await reader.readexactly(_length(heard))
            await tell(writer)
        writer.close()

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    wire.port = server.sockets[0].getsockname()[1]
    wire.url = f"{'https' if tls else 'http'}://{host}:{wire.port}"
    try:
        yield wire
    finally:
        server.close()
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


def _length(head: bytearray) -> int:
    lines = bytes(head).decode().lower().split("\r\n")
    return next((int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")), 0)
