"""The receiver's parts put together: writer, numbers, routes, and what every request and answer must pass."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Middleware
from yarl import URL

from occ.config import Loaded
from occ.process import new_page
from occ.web import Handler, application

from . import clock
from .api import Api
from .config import ReceiverConfig
from .database import Database
from .families import FAMILIES
from .ingest import Door, Intake
from .meters import Meters
from .pages import Pages
from .queries import Standing, how_things_stand
from .writer import Writer

log = logging.getLogger(__name__)

# Nothing is loaded from anywhere but the stylesheet from here; no script runs, and no other page may frame this one.
HEADERS = {
    "Server": "occ",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@contextmanager
def running(
    loaded: Loaded[ReceiverConfig], database: Database, now: Callable[[], int] = clock.now
) -> Iterator[web.Application]:
    """The application, with its writer at work until the end of the context. Needs a running event loop."""
    page = new_page("receiver", loaded.digest, FAMILIES)
    meters = Meters(page)
    with database.reading.begin() as connection:
        meters.stand(how_things_stand(connection))
    loop = asyncio.get_running_loop()

    def committed(standing: Standing) -> None:
        loop.call_soon_threadsafe(meters.stand, standing)

    with Writer(database.writing, how_things_stand, committed) as writer:
        app = application(name="receiver", summary="", page=page, ready=lambda: True, links=None)
        app.middlewares.append(_only_for(_hosts(loaded.config)))
        app.on_response_prepare.append(_harden)
        intake = Intake(Door(loaded.config.ingest), writer, meters, now)
        app.router.add_post("/alertmanager", intake.alertmanager)
        app.add_routes(Pages(loaded.config, database.reading, now).routes())
        app.add_routes(Api(database.reading).routes())
        yield app


def _hosts(config: ReceiverConfig) -> frozenset[str]:
    external = URL(config.external_url.reveal()).host if config.external_url else None
    return frozenset((*_LOOPBACK, external or "localhost"))


def _only_for(hosts: frozenset[str]) -> Middleware:
    """Refuses requests that name another host: a foreign page whose name was made to resolve to this address."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _host(request.headers.get("Host", "")) not in hosts:
            log.warning("refused a request for another host than those of external_url and loopback")
            return web.Response(status=403, text="this host name is not served here; set external_url\n")
        return await handler(request)

    return middleware


def _host(header: str) -> str:
    try:
        return (URL(f"http://{header}").host or "").lower()
    except ValueError:
        return ""


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers[name] = value
