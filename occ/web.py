"""The web server of a process: landing page, metrics, health, readiness."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from occ import __version__, process
from occ.flags import Address
from occ.page import Format, Page

log = logging.getLogger(__name__)

_QUALITY = re.compile(r"[01](\.[0-9]{0,3})?")

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
    page: Page,
    ready: Callable[[], bool],
    render: Callable[[Format, bool], bytes] | None = None,
    links: Iterable[tuple[str, str]] | None = (),
) -> web.Application:
    """The routes that every process has, and its beat. `render` writes the page as of now where that is more than the page.

    `links` are more rows for the landing page; with None the process has a `/` of its own.
    """
    write = render or page.render

    async def beat(_: web.Application) -> AsyncIterator[None]:
        async with process.beating(name, page):
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

    app = web.Application(middlewares=[_failures])
    app.cleanup_ctx.append(beat)
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


def _qualities(header: str) -> dict[str, float]:
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
    qualities = _qualities(accept)
    wanted = max(qualities.get(f"application/openmetrics-text{version}", 0.0) for version in (";version=1.0.0", ""))
    plain = max(qualities.get(f"text/plain{version}", 0.0) for version in (";version=0.0.4", ""))
    return Format.OPENMETRICS if wanted > 0 and wanted >= plain else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip, by name or as anything."""
    qualities = _qualities(accept_encoding)
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


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
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host or None, address.port).start()
        bound = Address(address.host, runner.addresses[0][1])
        log.info("serving on http://%s", bound)
        yield bound
    finally:
        await runner.cleanup()
