"""`/api/v1`: for programs, the `occ` command and the pages. Operations are data; routes and the OpenAPI document follow."""

from __future__ import annotations

from aiohttp import web

from . import acting, automation, health, incidents, logins, notifying, records, standing
from .openapi import document
from .operations import BASE, AnyOperation
from .server import Server, wrong_method

OPERATIONS: tuple[AnyOperation, ...] = (
    *logins.OPERATIONS,
    *standing.OPERATIONS,
    *health.OPERATIONS,
    *records.OPERATIONS,
    *acting.OPERATIONS,
    *automation.OPERATIONS,
    *incidents.OPERATIONS,
    *notifying.OPERATIONS,
)
"""Everything that the API can be asked, but for its own description."""


def routes(server: Server) -> list[web.RouteDef]:
    """The API's routes. Without people whoever reaches them may read the alerts, and nobody anything else."""
    described = web.json_response(document(OPERATIONS)).body

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json", headers={"Cache-Control": "max-age=300"})

    path = f"{BASE}/openapi.json"
    own = [web.get(path, openapi), web.route("*", path, wrong_method(["GET"]))]
    return [*own, *server.routes(OPERATIONS)]
