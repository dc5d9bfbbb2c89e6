"""The web server of a process: landing page, metrics, health, readiness."""

from __future__ import annotations

import asyncio
import html
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from occ import __version__
from occ.flags import Address
from occ.page import CONTENT_TYPE

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LANDING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>occ {name}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:42rem;padding:0 1rem}}
a{{color:#0b57d0}}dt{{font-weight:600}}@media(prefers-color-scheme:dark){{body{{background:#111;color:#ddd}}a{{color:#8ab4f8}}}}</style>
</head><body><h1>occ {name}</h1><p>{summary}</p><dl>{links}</dl><p>Version {version}</p></body></html>
"""


def application(
    *,
    name: str,
    summary: str,
    page: Callable[[], bytes],
    ready: Callable[[], bool],
    links: Iterable[tuple[str, str]] = (),
) -> web.Application:
    """The routes that every process has. `page` gives the bytes of `/metrics`; it must not wait for anything.

    `links` are more rows for the landing page; with None the process has a `/` of its own.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=page(), headers={"Content-Type": CONTENT_TYPE})

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def is_ready(_: web.Request) -> web.Response:
        return web.Response(text="ready\n") if ready() else web.Response(status=503, text="starting\n")

    app = web.Application(middlewares=[_failures])
    app.add_routes([web.get("/metrics", metrics), web.get("/-/healthy", healthy), web.get("/-/ready", is_ready)])
    if links is not None:
        app.router.add_get("/", landing(name, summary, links))
    return app


def landing(name: str, summary: str, links: Iterable[tuple[str, str]]) -> Handler:
    """A page of links, so that a person who opens the port sees what this is."""
    common = (
        ("/metrics", "what Prometheus scrapes"),
        ("/-/healthy", "the process runs"),
        ("/-/ready", "everything was read once"),
    )
    rows = "".join(
        f'<dt><a href="{html.escape(path)}">{html.escape(path)}</a></dt><dd>{html.escape(text)}</dd>'
        for path, text in (*links, *common)
    )
    text = _LANDING.format(name=html.escape(name), summary=html.escape(summary), links=rows, version=__version__)

    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html")

    return handler


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


@asynccontextmanager
async def serving(app: web.Application, address: Address) -> AsyncIterator[Address]:
    """Serves while the block runs; yields the address really bound. OSError when it can not be had."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host or None, address.port).start()
        bound = Address(address.host, runner.addresses[0][1])
        log.info("serving on http://%s", bound)
        yield bound
    finally:
        await runner.cleanup()


async def until_told() -> None:
    """Waits for SIGTERM or SIGINT; a second signal ends the process at once."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    log.info("ending")
