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
from occ.errors import OccError
from occ.process import new_page
from occ.reload import Reloader
from occ.web import OPEN, Handler, application
from occ.webconfig import WebConfigFile

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
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ALERTS_PATH = "/alertmanager"

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


RELOADER = web.AppKey("reloader", Reloader[ReceiverConfig])


@contextmanager
def running(
    loaded: Loaded[ReceiverConfig],
    database: Database,
    now: Callable[[], int] = clock.now,
    *,
    rules: WebConfigFile = OPEN,
    load: Callable[[], Loaded[ReceiverConfig]] | None = None,
) -> Iterator[web.Application]:
    """The application, with its writer at work until the end of the context. Needs a running event loop.

    `load` reads the configuration anew for a reload, which the `RELOADER` of the application does when it is wanted.
    """
    page = new_page("receiver", loaded.digest, FAMILIES)
    meters = Meters(page)
    with database.reading.begin() as connection:
        meters.stand(how_things_stand(connection))
    loop = asyncio.get_running_loop()

    def committed(standing: Standing) -> None:
        loop.call_soon_threadsafe(meters.stand, standing)

    with Writer(database.writing, how_things_stand, committed) as writer:
        intake = Intake(Door(loaded.config.ingest), writer, meters, now)
        pages = Pages(loaded.config, database.reading, now)
        hosts = Hosts(loaded.config)

        async def apply(again: Loaded[ReceiverConfig]) -> None:
            if again.config.database_path != loaded.config.database_path:
                raise NotWhileRunning("database: can not be changed while the receiver runs; restart it")
            door = Door(again.config.ingest)
            intake.door = door
            pages.link(again.config)
            hosts.serve(again.config)

        reloader = Reloader(
            name="receiver", page=page, loaded=loaded, load=load or (lambda: loaded), apply=apply, rules=rules
        )
        app = application(
            name="receiver",
            page=page,
            ready=lambda: True,
            rules=rules,
            own_logins=[ALERTS_PATH],
            routes=[
                web.post(ALERTS_PATH, intake.alertmanager),
                web.post("/-/reload", reloader.handle),
                *pages.routes(),
                *Api(database.reading).routes(),
            ],
        )
        app.middlewares.append(hosts.only)
        app.on_response_prepare.append(_harden)
        app[RELOADER] = reloader
        yield app


class NotWhileRunning(OccError):  # noqa: N818 - it names what is the matter
    """A change that only a restart can bring about."""


class Hosts:
    """The names by which this server may be called."""

    def __init__(self, config: ReceiverConfig) -> None:
        self._served: frozenset[str] = frozenset()
        self.only = _only_for(lambda: self._served)
        self.serve(config)

    def serve(self, config: ReceiverConfig) -> None:
        """Those of loopback, and of `external_url`."""
        external = URL(config.external_url.reveal()).host if config.external_url else None
        self._served = frozenset((*_LOOPBACK, external or "localhost"))


def _only_for(hosts: Callable[[], frozenset[str]]) -> Middleware:
    """Refuses requests that name another host: a foreign page whose name was made to resolve to this address.

    Over TLS a browser has done so, by the certificate; and Alertmanager and Prometheus may call this server as they like.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.secure and _host(request.headers.get("Host", "")) not in hosts():
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
        response.headers.setdefault(name, value)
