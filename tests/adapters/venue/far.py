"""Venues for tests: the venue server, and a server that answers as it is told. A canary stands in whatever must not be told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from adapters.venue import Nobody, Request, Venue
from tests.occ.servers import CANARY, listening

SPOT = {"fetchMarkets": {"types": ["spot"]}}
"""Options of Binance by which it loads no futures."""


@dataclass
class Told(Nobody):
    """An observer that remembers."""

    requests: list[Request] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def requested(self, request: Request) -> None:
        self.requests.append(request)

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)


@dataclass
class Scripted:
    """A server that answers everything by `answer`, and remembers the raw paths that it was asked for."""

    base: str = ""
    answer: Callable[[web.Request], Any] = lambda _: web.json_response({})
    paths: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.raw_path)
        answer = self.answer(request)
        found: web.StreamResponse = answer if isinstance(answer, web.StreamResponse) else await answer
        return found


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    server = Scripted()
    async with listening(server.handle) as port:
        server.base = f"http://127.0.0.1:{port}/{CANARY}"
        yield server


@asynccontextmanager
async def venue(base: str, exchange: str = "binance", **parts: Any) -> AsyncIterator[Venue]:
    async with (
        aiohttp.ClientSession() as session,
        Venue.open(exchange, session=session, base_url=base, **parts) as made,
    ):
        yield made
