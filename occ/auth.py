"""Who is asking: logins by bcrypt, and who may do more than read numbers.

bcrypt is slow on purpose, so it runs in threads, two at a time, and a password that was right is remembered: as a keyed
digest of user, password and hash, so that nothing is left of it when the hash changes, and nothing to read in memory. How
many may wait is bounded, in all and per address, so that guessing keeps nobody out.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import hmac
import ipaddress
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping

import bcrypt
from aiohttp import web
from yarl import URL

from occ.config import Secret

AT_ONCE = 2
WAITING = 64
WAITING_PER_ADDRESS = 4
REMEMBERED = 128
LONGEST_PASSWORD = 72
"""Bytes that bcrypt looks at; tools that make hashes ignore the rest as well."""

AUTHENTICATED = web.RequestKey("authenticated", bool)
"""Under this key of a request it stands whether its sender has shown who he is."""

_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


class Busy(Exception):  # noqa: N818 - it names what is the matter
    """Too many logins wait already."""


class Gate:
    """Lets slow checks of passwords through to threads, a few at a time; `waiting` counts who waits, by address."""

    def __init__(self) -> None:
        self.waiting: Counter[str] = Counter()
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._checks: set[asyncio.Task[bool]] = set()

    async def check(self, matches: Callable[[], bool], address: str) -> bool:
        """What the check says. Raises Busy where too many wait, in all or from this address."""
        if self.waiting.total() >= WAITING or self.waiting[address] >= WAITING_PER_ADDRESS:
            raise Busy
        # A check goes on when whoever asked has gone away: leaving must not make room for more than a few at a time.
        self.waiting[address] += 1
        check = asyncio.create_task(self._check(matches, address))
        self._checks.add(check)
        check.add_done_callback(self._checks.discard)
        return await asyncio.shield(check)

    async def _check(self, matches: Callable[[], bool], address: str) -> bool:
        try:
            async with self._gate:
                return await asyncio.to_thread(matches)
        finally:
            self.waiting[address] -= 1
            self.waiting += Counter()  # forgets addresses of which none waits


class Passwords:
    """Checks passwords against bcrypt hashes."""

    def __init__(self) -> None:
        self.gate = Gate()
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()

    async def right(self, users: Mapping[str, Secret], user: str, password: bytes, address: str) -> bool:
        """Whether this is the user's password. An unknown user takes as long as a known one. Raises Busy."""
        known = users.get(user)
        hashed = (known.reveal() if known else _nobodys(users)).encode()
        digest = self._digest(user.encode(), password, hashed)
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        matches = functools.partial(_matches, password[:LONGEST_PASSWORD], hashed)
        if not await self.gate.check(matches, address) or known is None:
            return False
        self._remember(digest)
        return True

    def _remember(self, digest: bytes) -> None:
        self._right[digest] = None
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)

    def _digest(self, *parts: bytes) -> bytes:
        return hmac.digest(self._key, b"".join(len(part).to_bytes(4, "big") + part for part in parts), "sha256")


def _matches(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:  # a NUL in the password
        return False


def _nobodys(users: Mapping[str, Secret]) -> str:
    """A hash that nothing matches, and that costs what the dearest of the users' costs."""
    cost = max((hashed.reveal().split("$")[2] for hashed in users.values()), default="10")
    return f"$2b${cost}${'.' * 53}"


def credentials(header: str) -> tuple[str, bytes] | None:
    """User and password of an Authorization header of the Basic kind (RFC 7617)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


def trusted(request: web.Request) -> bool:
    """Whether the sender may reload, and see how the process is doing: somebody logged in, or on this very machine.

    A proxy on this machine also connects from here, and so does a browser that some page makes do it: neither counts.
    """
    if not _of_this_origin(request):
        return False
    if request.get(AUTHENTICATED, False):
        return True
    peer = request.transport.get_extra_info("peername") if request.transport else None
    near = isinstance(peer, tuple) and _is_loopback(peer[0]) and _is_loopback(_host(request.headers.get("Host", "")))
    return near and not any(name in request.headers for name in _FORWARDED)


def _of_this_origin(request: web.Request) -> bool:
    """False where a browser says that another site is asking."""
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("Host", "")


def _host(header: str) -> str:
    try:
        return URL(f"http://{header}").host or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
