"""Whose request it is: by a bearer token, or by the cookie of a browser, which has to prove that one of our pages sent it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from aiohttp import web
from yarl import URL

from .sessions import Session, Sessions, proof

COOKIE = "occ"
SECURE_COOKIE = "__Host-occ"
"""Over TLS: a name that no other host, and nobody in the clear, can set (RFC 6265bis)."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in."""

    session: Session
    token: str
    by_cookie: bool

    @property
    def proof(self) -> str:
        """What goes with each change that a page of ours makes."""
        return proof(self.token)

    def proves(self, given: str) -> bool:
        return hmac.compare_digest(self.proof.encode(), given.encode("utf-8", "surrogatepass"))


class Doors:
    """Knows visitors by their sessions. `external_url` is where people reach this server, if that is not where it listens."""

    def __init__(self, sessions: Sessions, external_url: str | None) -> None:
        self.sessions = sessions
        self.link(external_url)

    def link(self, external_url: str | None) -> None:
        self._external = URL(external_url).origin() if external_url else None

    async def visitor(self, request: web.Request) -> Visitor | None:
        """Who sent it, if that is anybody. A request with an Authorization header is judged by that alone."""
        header = request.headers.get("Authorization")
        token = _bearer(header) if header is not None else request.cookies.get(self.cookie(request), "")
        session = await self.sessions.find(token) if token else None
        return Visitor(session, token, by_cookie=header is None) if session else None

    def ours(self, request: web.Request) -> bool:
        """Whether a browser says that a page of this very server sent it."""
        return request.headers.get("Origin", "").lower() == self._origin(request)

    def cookie(self, request: web.Request) -> str:
        """What the session's cookie is called where the request came in."""
        return SECURE_COOKIE if self.secure(request) else COOKIE

    def secure(self, request: web.Request) -> bool:
        """Whether the browser reached this server, or the proxy before it, over TLS."""
        return request.secure or (self._by_proxy(request) and str(self._external).startswith("https:"))

    def _origin(self, request: web.Request) -> str:
        return str(self._external) if self._by_proxy(request) else f"{request.scheme}://{request.host}".lower()

    def _by_proxy(self, request: web.Request) -> bool:
        """Whether it was asked by the name of `external_url`, with or without the port."""
        if self._external is None:
            return False
        return request.host.lower() in {str(self._external).partition("://")[2], self._external.authority}


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
