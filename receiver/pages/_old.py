"""What a person sees: what fires now, what has fired, and one alert. Rendered here, escaped always, no script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Connection, Engine
from yarl import URL

from occ import __version__

from . import clock, queries
from .config import ReceiverConfig, Server
from .doors import Visitor
from .families import Severity
from .queries import Status

MAX_FIRING = 50
MAX_RESOLVED = 30
MAX_EPISODES = 50
MAX_GROUPS = 10
MAX_SHOWN = 300

_HERE = Path(__file__).parent
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_INVISIBLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")

View = Callable[[Connection, int], dict[str, Any] | None]
Shown = Callable[[web.Request, Visitor | None], Awaitable[web.StreamResponse]]


class Pages:
    """The pages. They read the database through an engine that can not write."""

    def __init__(self, config: ReceiverConfig, reading: Engine, now: Callable[[], int]) -> None:
        self._reading = reading
        self._now = now
        self._style = (_HERE / "static/style.css").read_text()
        self._templates = _templates()
        self.link(config)

    def link(self, config: ReceiverConfig) -> None:
        """Leads to the servers of this configuration from now on."""
        servers = {"Prometheus": config.prometheus, "Alertmanager": config.alertmanager}
        self._templates.globals["servers"] = {name: _public(server) for name, server in servers.items() if server}

    def views(self) -> Mapping[str, Shown]:
        """The pages by their paths, for whoever may see them."""
        return {"/": self.now, "/a/{fingerprint}": self.alert}

    async def now(self, _: web.Request, visitor: Visitor | None) -> web.Response:
        return await self._page("now.html", visitor, _now)

    async def alert(self, request: web.Request, visitor: Visitor | None) -> web.Response:
        fingerprint = request.match_info["fingerprint"]
        return await self._page("alert.html", visitor, lambda connection, _: _alert(connection, fingerprint))

    async def style(self, _: web.Request) -> web.Response:
        return web.Response(text=self._style, content_type="text/css", headers={"Cache-Control": "max-age=300"})

    async def _page(self, template: str, visitor: Visitor | None, view: View) -> web.Response:
        return await asyncio.to_thread(self._render, template, visitor, view)

    def _render(self, template: str, visitor: Visitor | None, view: View) -> web.Response:
        now = self._now()
        with self._reading.begin() as connection:
            values = view(connection, now)
        if values is None:
            return self.answer(404, "unknown.html", visitor)
        return self.answer(200, template, visitor, **values)

    def answer(self, status: int, template: str, visitor: Visitor | None = None, **values: Any) -> web.Response:
        """A page of these values, as of now."""
        text = self._templates.get_template(template).render(now=self._now(), visitor=visitor, **values)
        headers = {"Cache-Control": "no-store"}
        return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def _now(connection: Connection, _: int) -> dict[str, Any]:
    standing = queries.how_things_stand(connection)
    firing = queries.firing(connection, MAX_FIRING)
    return {
        "standing": standing,
        "firing": [row for row in firing if row.severity != Severity.NONE],
        "heartbeats": [row for row in firing if row.severity == Severity.NONE],
        "hidden": sum(standing.active.values()) - len(firing),
        "resolved": queries.newest(connection, MAX_RESOLVED, Status.RESOLVED),
        "incomplete": queries.incomplete(connection, MAX_GROUPS),
    }


def _alert(connection: Connection, fingerprint: str) -> dict[str, Any] | None:
    episodes = queries.of_alert(connection, fingerprint, MAX_EPISODES) if _FINGERPRINT.fullmatch(fingerprint) else []
    return {"latest": episodes[0], "episodes": episodes} if episodes else None


def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"rfc3339": clock.rfc3339, "readable": clock.readable, "length": clock.span}
    made.filters |= {"link": web_link, "clip": _clip, "shown": shown}
    made.globals["version"] = __version__
    return made


def web_link(text: str) -> str:
    """The text if it is an http or https URL, else nothing: annotations are written by others."""
    try:
        url = URL(text)
    except ValueError:
        return ""
    return text if url.scheme in ("http", "https") and url.host and not _UNPRINTABLE.search(text) else ""


def shown(text: str) -> str:
    """The text with what is invisible, or turns the direction of what follows, spelled out."""
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _clip(text: str, limit: int = MAX_SHOWN) -> str:
    return shown(text if len(text) <= limit else f"{text[: limit - 1]}…")


def _public(server: Server) -> str:
    """The server's address as a page may show it: keys can stand in user info and query."""
    return str(URL(server.url.reveal()).with_user(None).with_query(None).with_fragment(None))
