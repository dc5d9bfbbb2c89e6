"""The web server of a process: metrics, health, readiness, who may connect and who is let in."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Middleware

from occ import auth, process
from occ.connections import Connection, Connections
from occ.errors import OccError
from occ.flags import Address
from occ.page import Format, Page
from occ.webconfig import WebConfigFile

log = logging.getLogger(__name__)

BACKLOG = 1024
KEEP_ALIVE = 75.0
"""Seconds for which a connection may be idle, or take to send a request's head."""

LINGER = 2.0
"""Seconds for which the rest of a body is awaited that nobody wants."""

END_WITHIN = 0.5
"""Seconds that requests have to be answered when the process ends; then they are cancelled, and have as long again."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPEN = WebConfigFile()
WEB_CONFIG = web.AppKey("web_config", WebConfigFile)
CONNECTIONS = web.AppKey("connections", list[Connections])

_QUALITY = re.compile(r"[01](\.[0-9]{0,3})?")


class ServeError(OccError):
    """The address can not be served."""


def application(
    *,
    name: str,
    page: Page,
    ready: Callable[[], bool],
    front: Handler | None = None,
    render: Callable[[Format, bool], bytes] | None = None,
    routes: Iterable[web.RouteDef] = (),
    rules: WebConfigFile = OPEN,
    own_logins: Iterable[web.RouteDef] = (),
    beat: process.Beat | None = None,
) -> web.Application:
    """The routes that every process has, `front` at `/`, and its beat. `routes` are what it has besides.

    `render` writes the page as of now where that is more than the page. `rules` say who is let in, everywhere but at the
    routes of `own_logins`, which see to that themselves.
    """
    own: set[web.AbstractResource] = set()
    write = render or page.render

    async def beats(_: web.Application) -> AsyncIterator[None]:
        async with (beat or process.Beat(name, page)).beating():
            yield

    async def metrics(request: web.Request) -> web.Response:
        style = accepted_format(request.headers.get("Accept", ""))
        packed = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        headers = {"Content-Type": style.value, "Vary": "Accept, Accept-Encoding"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=write(style, packed), headers=headers)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def is_ready(_: web.Request) -> web.Response:
        return web.Response(text="ready\n") if ready() else web.Response(status=503, text="starting\n")

    app = web.Application(middlewares=[_failures, _let_in(rules, own)])
    app[WEB_CONFIG], app[CONNECTIONS] = rules, []
    app.cleanup_ctx.append(beats)
    app.on_response_prepare.append(_signed(rules))
    app.add_routes([web.get("/metrics", metrics), web.get("/-/healthy", healthy), web.get("/-/ready", is_ready)])
    app.add_routes([*([web.get("/", front)] if front else ()), *routes])
    own.update(route.resource for route in app.add_routes(own_logins) if route.resource is not None)
    return app


# --- what a request asks for -----------------------------------------------------------------------------------------


def qualities(header: str) -> dict[str, float]:
    """What a header such as Accept names, with its quality (RFC 9110): `a;v=1;q=0.5, b` is {"a;v=1": 0.5, "b": 1}."""
    found = {}
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        plain = ";".join([name, *(part for part in parameters if part.startswith("version="))])
        found[plain] = float(quality) if _QUALITY.fullmatch(quality) else 0.0
    return found


def accepted_format(accept: str) -> Format:
    """OpenMetrics 1.0 where it is asked for by name at least as much as plain text is."""
    asked = qualities(accept)
    wanted = max(asked.get(f"application/openmetrics-text{version}", 0.0) for version in (";version=1.0.0", ""))
    plain = max(asked.get(f"text/plain{version}", 0.0) for version in (";version=0.0.4", ""))
    return Format.OPENMETRICS if wanted > 0 and wanted >= plain else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip, by name or as anything."""
    asked = qualities(accept_encoding)
    return asked.get("gzip", asked.get("*", 0.0)) > 0


# --- what every request and answer passes ----------------------------------------------------------------------------


def _let_in(rules: WebConfigFile, own: set[web.AbstractResource]) -> Middleware:
    passwords = auth.Passwords()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        now = rules.current()
        request[auth.AUTHENTICATED] = now.verified
        if not now.users or request.match_info.route.resource in own:
            return await handler(request)
        given = auth.credentials(request.headers.get("Authorization", ""))
        try:
            right = given is not None and await passwords.right(now.users, *given, request.remote or "")
        except auth.Busy:
            return _refused(503, "too many logins at once; try again\n", {"Retry-After": "1"})
        if not right:
            challenge = 'Basic realm="occ", charset="UTF-8"'
            return _refused(401, "credentials are missing or wrong\n", {"WWW-Authenticate": challenge})
        request[auth.AUTHENTICATED] = True
        return await handler(request)

    return middleware


def _refused(status: int, text: str, headers: dict[str, str]) -> web.Response:
    return web.Response(status=status, text=text, headers=headers)


@web.middleware
async def _failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The web handler's boundary: a mistake of ours is logged with its trace and answered without it."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return web.Response(status=500, text="internal error; the log has it\n")


@web.middleware
async def _busy(request: web.Request, handler: Handler) -> web.StreamResponse:
    """While a request is answered its connection is not one that waits; see `connections`."""
    connection = request.transport.get_protocol() if request.transport else None
    if not isinstance(connection, Connection):
        return await handler(request)
    with connection.busy():
        return await handler(request)


def _signed(rules: WebConfigFile) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def signed(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = "occ"
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.update(rules.current().headers)

    return signed


# --- serving ---------------------------------------------------------------------------------------------------------


def _ours(record: logging.LogRecord) -> bool:
    """What a client sends that is no HTTP is its own affair: it is answered with 400, and its trace is not worth a line."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


_HTTP_LOG = logging.getLogger("occ.http")
_HTTP_LOG.addFilter(_ours)


@asynccontextmanager
async def serving(
    app: web.Application, address: Address, *, leaving_cancels: bool = False, most: int | None = None
) -> AsyncIterator[Address]:
    """Serves while the block runs; yields the address really bound. Raises ServeError when it can not be had.

    With `leaving_cancels`, what a client asked for is given up when it goes away.
    """
    rules = app[WEB_CONFIG]
    app.middlewares.insert(0, _busy)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=END_WITHIN,
        handle_signals=False,
        handler_cancellation=leaving_cancels,
        keepalive_timeout=KEEP_ALIVE,
        lingering_time=LINGER,
        logger=_HTTP_LOG,
    )
    await runner.setup()
    connections = Connections(cast("web.Server", runner.server), rules.current, most)
    app[CONNECTIONS].append(connections)
    try:
        server = await _listening(connections, address)
        try:
            bound = Address(address.host, server.sockets[0].getsockname()[1])
            log.info("serving on %s://%s", "http" if rules.current().tls is None else "https", bound)
            yield bound
        finally:
            server.close()
    finally:
        await runner.cleanup()
        connections.end()


async def _listening(connections: Connections, address: Address) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(
            connections, address.host or None, address.port, backlog=BACKLOG
        )
    except OSError as error:
        raise ServeError(f"can not serve on {address}: {error.strerror or error}") from None
