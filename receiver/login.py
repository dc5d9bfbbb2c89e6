"""The page to log in, and the button to log out. Without JavaScript: forms, and a cookie that scripts can not read."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

from aiohttp import web

from occ.auth import Busy

from .api.errors import Failure
from .api.operations import PATH_PATTERNS
from .doors import Doors
from .pages import FOREIGN, STATIC, Pages, Shown, forms
from .people import TooMany
from .writer import NotDurable

LONGEST = 1_024
WRONG = "Name or password are wrong."
ENDED = "Not done: you are not logged in any more."
TYPED = ("title", "reason", "text", "summary")
"""Fields of forms that hold words of whoever sends them."""
LONGEST_TYPED = 4_000
NOTHING_ELSE: Mapping[str, Shown] = MappingProxyType({})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LoginPages:
    """Who comes without a session is sent to log in, and back afterwards. Without doors everybody sees the pages."""

    def __init__(self, doors: Doors | None, pages: Pages, more: Mapping[str, Shown] = NOTHING_ELSE) -> None:
        """`more` is what belongs to the pages and is seen by the same people, by its paths."""
        self._doors = doors
        self._pages = pages
        self._views = {**pages.views(), **more}
        self._ours = re.compile("|".join(map(_pattern, self._views)))

    def routes(self) -> list[web.RouteDef]:
        """The pages, and what it takes to see them."""
        shown = [web.get(path, self._behind(page)) for path, page in self._views.items()]
        shown += [web.post(path, self._behind(page)) for path, page in self._pages.forms().items()]
        shown += [web.get(f"/{name}", self._pages.static) for name in STATIC]
        if self._doors is None:
            return shown
        return [
            *shown,
            web.get("/login", self.ask),
            web.post("/login", self.log_in),
            web.post("/logout", self.log_out),
        ]

    def _behind(self, page: Shown) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            visitor = await self._doors.visitor(request) if self._doors else None
            if self._doors and visitor is None:
                if request.method == "POST" and self._doors.ours(request):
                    return await self._too_late(request)
                raise web.HTTPSeeOther(
                    f"/login?to={self._way_back(request.path)}", headers={"Cache-Control": "no-store"}
                )
            return await page(request, visitor)

        return handler

    async def _too_late(self, request: web.Request) -> web.Response:
        """For whoever sends a form of ours when their session has ended: nothing is done, and what they typed is shown to be copied."""
        given = await _form(request, LONGEST_TYPED)
        typed = [given[name] for name in TYPED if given.get(name)]
        return self._form(401, ENDED, request.path, typed=typed)

    async def ask(self, request: web.Request) -> web.Response:
        return self._form(200, "", request.query.get("to", "/"))

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """Sets the cookie. Other sites must not log people in as somebody else, so that the origin is checked here too."""
        doors, given = self._open(request), await _form(request)
        to = given.get("to", "/")
        try:
            found = await doors.sessions.log_in(
                given.get("person", ""), given.get("password", ""), doors.sender(request)
            )
        except TooMany as error:
            return self._form(429, f"Too many attempts; try again in {error.after} s.", to, error.after)
        except Busy:
            return self._form(429, "Too many logins at once; try again.", to, 1)
        except NotDurable:
            return self._form(503, "The database could not be written, so nobody can log in now.", to, 1)
        if found is None:
            return self._form(401, WRONG, to)
        if (before := await doors.visitor(request)) is not None:
            await doors.sessions.end(before.session)
        response = web.HTTPSeeOther(self._way_back(to), headers={"Cache-Control": "no-store"})
        cookie, secure = doors.cookie(request), doors.secure(request)
        response.set_cookie(cookie, found[0], path="/", secure=secure, httponly=True, samesite="Strict")
        raise response

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        """Ends the session, not only the cookie."""
        doors, given = self._open(request), await _form(request)
        visitor = await doors.visitor(request)
        if visitor is not None:
            if not visitor.proves(given.get("proof", "")):
                raise web.HTTPForbidden(text=FOREIGN)
            await doors.sessions.end(visitor.session)
        response = web.HTTPSeeOther("/login", headers={"Cache-Control": "no-store"})
        response.del_cookie(
            doors.cookie(request), path="/", secure=doors.secure(request), httponly=True, samesite="Strict"
        )
        raise response

    def _open(self, request: web.Request) -> Doors:
        if self._doors is None or not self._doors.ours(request):
            raise web.HTTPForbidden(text=FOREIGN)
        return self._doors

    def _form(
        self, status: int, said: str, to: str, retry_after: int | None = None, typed: Sequence[str] = ()
    ) -> web.Response:
        response = self._pages.answer(status, "login.html", said=said, to=self._way_back(to), typed=typed)
        if retry_after is not None:
            response.headers["Retry-After"] = str(retry_after)
        return response

    def _way_back(self, path: str) -> str:
        """Pages of this server only: the way back is written in a link, by whoever."""
        return path if self._ours.fullmatch(path) else "/"


def _pattern(path: str) -> str:
    """Of what a path with places such as `{id}` stands for."""
    return re.sub(r"\\{(\w+)\\}", lambda place: f"(?:{PATH_PATTERNS[place[1]]})", re.escape(path))


async def _form(request: web.Request, longest: int = LONGEST) -> Mapping[str, str]:
    """Its fields, cut where they are longer than any that is right."""
    try:
        return {name: value[:longest] for name, value in (await forms.read(request)).items()}
    except Failure as failure:
        raise web.HTTPBadRequest(text=f"{failure}\n") from None
