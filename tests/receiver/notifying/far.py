"""The far side of notifiers: a real server on loopback that keeps what it is sent, and fails as a test wants it to.

Slack, PagerDuty and Grafana can not be had here; what this server takes and answers is what their documentation says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

RESET, HANG = "reset", "hang"
TAKE_THEN_RESET, TAKE_THEN_HANG = "take, then reset", "take, then hang"

Fault = str | tuple[int, Mapping[str, str]]
"""One of the above, or a status with its headers."""


@dataclass
class Far:
    """What came, and what happens to the next requests, in order; after the last of them all is well."""

    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    """What happens to every request."""
    taken: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """The Idempotency-Key of each request that came, whatever became of it."""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    let: asyncio.Event = field(default_factory=asyncio.Event)
    """Whoever hangs does so until this is set."""
    url: str = ""

    @property
    def tries(self) -> int:
        return len(self.keys)

    @asynccontextmanager
    async def serving(self, trust: ssl.SSLContext | None = None) -> AsyncIterator[Far]:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._take)
        server = TestServer(app, scheme="https" if trust else "http")
        await server.start_server(ssl=trust)
        try:
            self.url = str(server.make_url("/services/T000/B000/s3cret-of-the-hook"))
            yield self
        finally:
            self.let.set()
            await server.close()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()  # first, so that what it takes is taken once it is known to have come
        self.keys.append(request.headers.get("Idempotency-Key", ""))
        self.came.set()
        fault = self.faults.pop(0) if self.faults else self.always
        if fault == HANG:
            await self.let.wait()
        if fault in (None, HANG, TAKE_THEN_RESET, TAKE_THEN_HANG):
            self.taken.append(orjson.loads(body))
        if fault == TAKE_THEN_HANG:
            await self.let.wait()
        if fault in (RESET, TAKE_THEN_RESET):
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(fault, tuple):
            return web.Response(status=fault[0], headers=fault[1], text="c4nary-of-the-answer")
        return web.Response(text="ok")
