"""What every request and answer passes: the names this server goes by, and what a browser may do with a page."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from yarl import URL

from occ.web import Handler

from .config import ReceiverConfig

log = logging.getLogger(__name__)

# Nothing is loaded but the stylesheet and pictures from here; no script runs, and no other page may frame this one.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would not say where a form came from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


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


async def harden(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
