"""Whose request it is: by a bearer token, or by the cookie of a browser, which has to prove that one of our pages sent it; and
where it came from.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from aiohttp import web
from yarl import URL

from .sessions import Session, Sessions, proof

COOKIE = "occ"
SECURE_COOKIE = "__Host-occ"
"""Over TLS: a name that no other host, and nobody in the clear, can set (RFC 6265bis)."""


Network = IPv4Network | IPv6Network


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
    """Knows visitors by their sessions. `external_url` is where people reach this server, if that is not where it listens;
    `proxies` are believed where they say for whom they ask.
    """

    def __init__(self, sessions: Sessions, external_url: str | None, proxies: Sequence[Network] = ()) -> None:
        self.sessions = sessions
        self.link(external_url, proxies)

    def link(self, external_url: str | None, proxies: Sequence[Network] = ()) -> None:
        self._external = URL(external_url).origin() if external_url else None
        self._proxies = tuple(proxies)

    def sender(self, request: web.Request) -> str:
        """The address that the request came from; of one that a proxy of ours has passed on, the one that it names."""
        return sender(request.remote or "", request.headers.getall("X-Forwarded-For", []), self._proxies)

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


def sender(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The nearest address that is no proxy's. Each proxy adds the one that it was asked by at the end of X-Forwarded-For, whatever
    stood there before; so nothing is believed but what a proxy of ours has added.
    """
    said = [part.strip() for header in forwarded for part in header.split(",")]
    while said and _is_one_of(peer, proxies) and _is_address(said[-1]):
        peer = said.pop()
    return peer


def _is_one_of(address: str, networks: Sequence[Network]) -> bool:
    if not _is_address(address):
        return False
    found = ip_address(address)
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
