"""The annotations of a Grafana, as its HTTP API documents them: Grafana itself can not be had here.

https://grafana.com/docs/grafana/latest/developers/http_api/annotations/: GET /api/annotations?tags=…&type=annotation&limit=…
answers a list of those that have all the tags; POST makes one and answers its id; PATCH /api/annotations/:id changes what is
given of it. Each wants `Authorization: Bearer` with a token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "gr4fana-t0ken"


@dataclass
class Boards:
    """What annotations there are, by id; `away` answers nothing but 502, and `forgets` drops what it answers to a POST."""

    annotations: dict[int, dict[str, Any]] = field(default_factory=dict)
    away: bool = False
    forgets: int = 0
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Boards]:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/grafana/api/annotations", self._find)
        app.router.add_post("/grafana/api/annotations", self._make)
        app.router.add_patch("/grafana/api/annotations/{id}", self._change)
        async with TestServer(app) as server:
            self.url = str(server.make_url("/grafana/"))
            yield self

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.away:
            return web.Response(status=502)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Invalid API key"}, status=401)
        found: web.StreamResponse = await handler(request)
        return found

    async def _find(self, request: web.Request) -> web.Response:
        tags, limit = set(request.query.getall("tags", [])), int(request.query.get("limit", 100))
        assert request.query.get("type") == "annotation"
        found = [each for each in reversed(self.annotations.values()) if tags <= set(each["tags"])]
        return web.json_response(found[:limit])

    async def _make(self, request: web.Request) -> web.Response:
        body = await request.json()
        id_ = len(self.annotations) + 1
        self.annotations[id_] = {"timeEnd": body["time"], **body, "id": id_}
        if self.forgets:
            self.forgets -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"message": "Annotation added", "id": id_})

    async def _change(self, request: web.Request) -> web.Response:
        self.annotations[int(request.match_info["id"])].update(await request.json())
        return web.json_response({"message": "Annotation patched"})
