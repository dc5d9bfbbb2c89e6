"""The connections of a server: TLS by the rules of the moment, and no number of idle ones that keeps a scrape out.

When there are too many, the one that has waited longest goes: first one that has never sent a whole request, then one that
is kept open between two. Only when all are being answered is a newcomer refused.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from aiohttp import web

from occ.tls import TlsError
from occ.webconfig import Rules

log = logging.getLogger(__name__)

MOST = 512
HANDSHAKE_WITHIN = 10.0
TLS_END_WITHIN = 1.0
TAKEN_WITHIN = 60.0
"""Seconds in which a client has to take what does not fit between it and us: longer than any scrape may last."""


def most_connections(wanted: int = MOST) -> int:
    """So many, but no more than half of the files that the process may have open: the rest is for the far side and the disk."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if allowed == resource.RLIM_INFINITY else max(min(wanted, allowed // 2), 8)


class Connections:
    """Makes the protocol of every connection, and knows them all."""

    def __init__(self, server: web.Server, rules: Callable[[], Rules], most: int | None = None) -> None:
        self.server = server
        self.rules = rules
        self.turned_away = 0
        self._most = most or most_connections()
        self._idle: dict[bool, dict[Connection, None]] = {False: {}, True: {}}
        self._busy: dict[Connection, None] = {}

    def __call__(self) -> Connection:
        return Connection(self)

    def __len__(self) -> int:
        return len(self._busy) + sum(map(len, self._idle.values()))

    def admit(self, newcomer: Connection) -> bool:
        """Makes room for a connection; False when there is none."""
        if len(self) >= self._most:
            self.turned_away += 1
            oldest = next((next(iter(idle)) for idle in self._idle.values() if idle), None)
            if oldest is None:
                return False
            oldest.abort()
        self._idle[False][newcomer] = None
        return True

    def begins(self, connection: Connection) -> None:
        """A whole request has come."""
        for idle in self._idle.values():
            idle.pop(connection, None)
        self._busy[connection] = None

    def ends(self, connection: Connection) -> None:
        """It is answered."""
        if connection in self._busy:
            del self._busy[connection]
            self._idle[True][connection] = None

    def end(self) -> None:
        """Ends those that are left, as one whose TLS is still being agreed on."""
        for connection in [*self._busy, *(idle for kind in self._idle.values() for idle in kind)]:
            connection.abort()

    def forget(self, connection: Connection) -> None:
        """It is no more."""
        for kind in (self._busy, *self._idle.values()):
            kind.pop(connection, None)


class Connection(asyncio.Protocol):
    """Stands between a socket and the protocol that speaks HTTP, so that TLS can be decided on for each connection."""

    def __init__(self, owner: Connections) -> None:
        self._owner = owner
        self._http = owner.server()
        self._socket: asyncio.Transport | None = None
        self._early: list[bytes] | None = []
        self._handshake: asyncio.Task[None] | None = None
        self._full: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = transport = cast("asyncio.Transport", transport)
        if not self._owner.admit(self):
            transport.abort()
            return
        rules = self._owner.rules()
        if rules.tls is None:
            self._speak(transport)
        else:
            transport.pause_reading()
            self._handshake = asyncio.create_task(self._secure(transport, rules.tls, rules.allowed_sans))

    async def _secure(
        self, transport: asyncio.Transport, context: Callable[[], ssl.SSLContext], allowed: frozenset[str]
    ) -> None:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                context(),
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_WITHIN,
                ssl_shutdown_timeout=TLS_END_WITHIN,
            )
        except (OSError, TlsError) as error:
            log.debug("TLS with a client failed: %s", getattr(error, "reason", None) or type(error).__name__)
            self.abort()
            return
        if secured is None:  # it left in the meantime
            self.abort()
        elif allowed and not allowed & names(secured):
            log.warning("refused a client whose certificate has none of client_allowed_sans")
            self.abort()
        else:
            self._speak(secured)

    def _speak(self, transport: asyncio.BaseTransport) -> None:
        self._http.connection_made(transport)
        early, self._early = self._early or (), None
        for data in early:
            self._http.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self._early is None:
            self._http.data_received(data)
        else:  # came with the end of the handshake
            self._early.append(data)

    def eof_received(self) -> bool | None:
        if self._early is None:
            self._http.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.forget(self)
        self._has_room()
        if self._handshake is not None:
            self._handshake.cancel()
        if self._early is None:
            self._http.connection_lost(exc)

    def pause_writing(self) -> None:
        self._full = asyncio.get_running_loop().call_later(TAKEN_WITHIN, self.abort)
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._has_room()
        self._http.resume_writing()

    def _has_room(self) -> None:
        if self._full is not None:
            self._full.cancel()
            self._full = None

    def abort(self) -> None:
        """Ends it at once, whatever the other side does."""
        self._owner.forget(self)
        if self._socket is not None:
            self._socket.abort()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While a request is answered, the connection does not make room for another."""
        self._owner.begins(self)
        try:
            yield
        finally:
            self._owner.ends(self)


def names(transport: asyncio.BaseTransport) -> frozenset[str]:
    """The subject alternative names of the client's certificate, whatever their kind."""
    certificate = transport.get_extra_info("peercert") or {}
    return frozenset(str(value) for _, value in certificate.get("subjectAltName", ()))
