"""Serves the pages: what they show is what operations answer, what their forms do is what operations do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import web

from receiver.api.errors import STATUS, Failure
from receiver.api.server import Server
from receiver.config import ReceiverConfig
from receiver.doors import Visitor
from receiver.why import Why

from . import alerts, audits, catalogue, forms, freezing, incidents, rendering, requests
from .leaves import Deed, Leaf, Refused, Visit

LEAVES: tuple[Leaf, ...] = (
    *alerts.LEAVES,
    *incidents.LEAVES,
    *requests.LEAVES,
    *catalogue.LEAVES,
    *freezing.LEAVES,
    *audits.LEAVES,
)
"""Every page but the one to log in."""

_PLAIN = {"section": "", "refused": None, "refresh": None, "refreshable": None}

STATIC = {"style.css": "text/css", "icon.svg": "image/svg+xml"}
"""Files beside the pages, and their types."""

FOREIGN = "This did not come from a page of this server. Log in from here."
ANOTHER_SESSION = "the page was made for another session; look at it as it is now, and press again"

Shown = Callable[[web.Request, Visitor | None], Awaitable[web.StreamResponse]]


class Pages:
    """The pages, for whoever has been let in. They read and change nothing but by the operations of `server`."""

    def __init__(
        self, config: ReceiverConfig, server: Server, now: Callable[[], int], leaves: Iterable[Leaf] = LEAVES
    ) -> None:
        self._server, self._now, self._leaves = server, now, tuple(leaves)
        rendering.templates()
        self._static = {name: (rendering.HERE / "static" / name).read_text() for name in STATIC}
        self.link(config)

    def link(self, config: ReceiverConfig) -> None:
        """Leads to the servers of this configuration from now on."""
        self._servers = rendering.servers(config)

    def views(self) -> Mapping[str, Shown]:
        """The pages by their paths."""
        return {leaf.path: self._view(leaf) for leaf in self._leaves}

    def forms(self) -> Mapping[str, Shown]:
        """What takes the forms of the pages, by the same paths."""
        return {leaf.path: self._taking(leaf) for leaf in self._leaves if leaf.deeds}

    async def static(self, request: web.Request) -> web.Response:
        """A file that every page uses, for everybody."""
        name = request.path.removeprefix("/")
        headers = {"Cache-Control": "max-age=300"}
        return web.Response(text=self._static[name], content_type=STATIC[name], headers=headers)

    def answer(self, status: int, template: str, visitor: Visitor | None = None, /, **values: Any) -> web.Response:
        """A page of these values, as of now."""
        around = {"servers": self._servers, "people": self._server.people is not None, "visitor": visitor}
        text = rendering.render(template, {"now": self._now(), **_PLAIN, **around, **values})
        return web.Response(status=status, text=text, content_type="text/html", headers={"Cache-Control": "no-store"})

    def _view(self, leaf: Leaf) -> Shown:
        async def view(request: web.Request, visitor: Visitor | None) -> web.StreamResponse:
            return await self._shown(leaf, Visit(self._server, request, visitor), 200)

        return view

    def _taking(self, leaf: Leaf) -> Shown:
        async def take(request: web.Request, visitor: Visitor | None) -> web.StreamResponse:
            visit = Visit(self._server, request, visitor)
            fields: dict[str, str] = {}
            do = ""
            try:
                fields = await forms.read(request)
                proof, do = fields.pop("proof", ""), fields.pop("do", "")
                self._prove(visit, proof)
                to = await _deed(leaf, do).done(visit, fields)
            except Failure as failure:
                return await self._shown(leaf, visit, STATUS[failure.why], Refused(do, fields, failure))
            raise web.HTTPSeeOther(to, headers={"Cache-Control": "no-store"})

        return take

    def _prove(self, visit: Visit, proof: str) -> None:
        """Nothing of a foreign form is shown. Raises Failure for one of ours whose proof is of another session, as after a new login."""
        if visit.visitor is None or self._server.people is None:
            return
        try:
            self._server.prove(visit.visitor, visit.request, proof)
        except Failure as failure:
            if not self._server.people.doors.ours(visit.request):
                raise web.HTTPForbidden(text=FOREIGN) from None
            raise Failure(failure.why, ANOTHER_SESSION) from None

    async def _shown(self, leaf: Leaf, visit: Visit, status: int, refused: Refused | None = None) -> web.Response:
        template = leaf.template
        values: dict[str, Any] = {"section": leaf.path, "refused": refused, **_refreshing(leaf, visit)}
        try:
            values |= await leaf.make(visit)
        except Failure as failure:
            template = leaf.unknown if failure.why is Why.NOT_FOUND else "failed.html"
            status, values = STATUS[failure.why], {"section": leaf.path, "failure": failure}
        return await asyncio.to_thread(self.answer, status, template, visit.visitor, **values)


def _refreshing(leaf: Leaf, visit: Visit) -> dict[str, int | None]:
    """Whether it may load itself anew, and whether whoever looks wants it to."""
    wanted = leaf.refresh is not None and visit.query.get("refresh") == str(leaf.refresh)
    return {"refreshable": leaf.refresh, "refresh": leaf.refresh if wanted else None}


def _deed(leaf: Leaf, do: str) -> Deed:
    try:
        return leaf.deeds[do]
    except KeyError:
        raise Failure(Why.MALFORMED, "the form asks for nothing that this page does") from None
