"""Alerts in: authenticate, take the bytes, answer once they are durable. Nothing executes inside the request."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
from collections.abc import Callable

from aiohttp import web

from .config import Ingest
from .families import Notification
from .meters import Meters
from .queries import Standing
from .store import ALERTMANAGER, Delivery, Outcome, record, set_aside
from .writer import NotDurable, Writer

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 10_000_000
KEPT_OF_TOO_LARGE = 1_000_000
MAX_WAITING_BYTES = 100_000_000
BODY_WITHIN = 30.0


class Door:
    """Knows a sender by what its Authorization header says."""

    def __init__(self, ingest: Ingest) -> None:
        if ingest.basic is not None:
            self._scheme = "basic"
            self._expected = _digest(f"{ingest.basic.username}:{ingest.basic.password.reveal()}".encode())
        elif ingest.bearer is not None:
            self._scheme = "bearer"
            self._expected = _digest(ingest.bearer.reveal().encode())
        self.challenge = f'{self._scheme.capitalize()} realm="occ"'

    def opens(self, header: str) -> bool:
        """Compares in a time that says nothing of what was expected."""
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() != self._scheme:
            return False
        given = credentials.strip().encode("utf-8", "surrogateescape")
        if self._scheme == "basic":
            try:
                given = base64.b64decode(given, validate=True)
            except binascii.Error:
                return False
        return hmac.compare_digest(_digest(given), self._expected)


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


class Intake:
    """`POST /alertmanager`. 5xx asks the sender to try again; 4xx would make it drop the notification."""

    def __init__(
        self,
        door: Door,
        writer: Writer[Standing],
        meters: Meters,
        now: Callable[[], int],
        told: Callable[[Outcome], object] = lambda _: None,
    ) -> None:
        """`told` hears of every notification that was kept, and may ask Alertmanager for what it left out."""
        self.door = door
        self._told = told
        self._writer = writer
        self._meters = meters
        self._now = now
        self._waiting = 0

    async def alertmanager(self, request: web.Request) -> web.Response:
        if not self.door.opens(request.headers.get("Authorization", "")):
            self._meters.notification(Notification.UNAUTHORIZED)
            headers = {"WWW-Authenticate": self.door.challenge}
            return web.Response(status=401, text="credentials are missing or wrong\n", headers=headers)
        try:
            outcome = await self._take(request)
        except NotDurable as error:
            return self._failed(f"not durable: {error}")
        except (TimeoutError, web.RequestPayloadError, ConnectionResetError):
            return self._failed("its body did not come, or could not be unpacked")
        self._meters.notification(Notification.ACCEPTED if outcome.readable else Notification.UNREADABLE)
        self._meters.alerts(outcome.taken)
        self._told(outcome)
        return web.Response(text="taken in\n")

    def _failed(self, why: str) -> web.Response:
        log.warning("a notification was not taken in: %s", why)
        self._meters.notification(Notification.FAILED)
        response = web.Response(status=503, text="not durable; try again\n")
        response.force_close()  # what is left of the body is not waited for
        return response

    async def _take(self, request: web.Request) -> Outcome:
        if self._waiting > MAX_WAITING_BYTES:
            raise NotDurable("too much waits for the disk")
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_WITHIN):
                while len(body) <= MAX_BODY_BYTES and (chunk := await request.content.readany()):
                    body += chunk
                    self._waiting += len(chunk)
            return await self._keep(self._delivery(bytes(body)))
        finally:
            self._waiting -= len(body)

    def _delivery(self, body: bytes) -> Delivery:
        if len(body) <= MAX_BODY_BYTES:
            return Delivery(ALERTMANAGER, self._now(), body)
        return Delivery(ALERTMANAGER, self._now(), body[:KEPT_OF_TOO_LARGE], whole=False)

    async def _keep(self, delivery: Delivery) -> Outcome:
        try:
            return await self._writer.run(lambda connection: record(connection, delivery))
        except NotDurable:
            raise
        except Exception:  # the web handler's boundary: a mistake of ours must not lose what was sent
            log.exception("a notification could not be recorded; its bytes are kept")
            return await self._writer.run(lambda connection: set_aside(connection, delivery))
