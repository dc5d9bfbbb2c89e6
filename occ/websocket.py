"""JSON-RPC over WebSocket: replies find their calls, notifications their subscriptions, and what fits neither is refused.

A frame that is garbage ends the connection, and with it, by the same error, all that was waiting there. Nothing is tried
again here: a `Line` opens a new connection when it is asked the next time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeGuard

import aiohttp
import orjson
from aiohttp import WSCloseCode, WSMsgType

from occ.config import Secret
from occ.errors import RateLimitError, Reason, SourceError
from occ.http import FOREIGN, MAX_BODY_BYTES, bad_response, classified, refused, socket_session

HEARTBEAT_SECONDS = 10.0
"""A connection that is silent for this long is pinged, and is lost when no pong comes within half of it."""

CLOSE_SECONDS = 0.5

MAX_BEHIND_BYTES = 4 * 1024 * 1024
"""How much may wait for whoever reads a subscription."""

_CODES: dict[int | None, Reason] = {
    WSCloseCode.INTERNAL_ERROR: Reason.SERVER_ERROR,
    WSCloseCode.SERVICE_RESTART: Reason.SERVER_ERROR,
    WSCloseCode.BAD_GATEWAY: Reason.SERVER_ERROR,
}

SubscriptionId = str | int


class Feed:
    """The notifications of one subscription, as they come. Ends with SourceError alone."""

    def __init__(self) -> None:
        self.id: SubscriptionId | None = None
        self._items: deque[tuple[Any, int]] = deque()
        self._behind = 0
        self._error: SourceError | None = None
        self._news = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._items:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        item, size = self._items.popleft()
        self._behind -= size
        return item

    def put(self, item: Any, size: int) -> None:
        """A notification of `size` bytes. When too much waits, the subscription has failed."""
        self._behind += size
        self._items.append((item, size))
        if self._behind > MAX_BEHIND_BYTES:
            self._items.clear()
            self.fail(SourceError(Reason.INTERNAL, "notifications come faster than they are read"))
        self._news.set()

    def fail(self, error: SourceError) -> None:
        """There will be no more after what waits."""
        self._error = self._error or error
        self._news.set()


class Socket:
    """One connection, and the task that reads it."""

    def __init__(self, session: aiohttp.ClientSession, connection: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self.users = 0
        self.error: SourceError | None = None
        self._session = session
        self._connection = connection
        self._waiting: dict[int, tuple[asyncio.Future[Any], Feed | None]] = {}
        self._feeds: dict[SubscriptionId, Feed | None] = {}
        self._last = 0
        self._reader = asyncio.create_task(self._read())

    async def exchange(self, body: bytes, numbers: Sequence[int], feed: Feed | None = None) -> Any:
        """The reply to a call, or to a batch of calls, of these ids. A subscription's notifications go into its feed."""
        if self.error is not None:
            raise self.error
        future = asyncio.get_running_loop().create_future()
        self._waiting |= dict.fromkeys(numbers, (future, feed))
        self._last = max(self._last, *numbers)
        try:
            await self._connection.send_frame(body, WSMsgType.TEXT)
            reply = await future
        except FOREIGN as failure:
            raise classified(failure) from None
        finally:
            for number in numbers:
                self._waiting.pop(number, None)
        if isinstance(reply, SourceError):
            raise reply
        return reply

    async def end(self, feed: Feed, body: Callable[[SubscriptionId], bytes]) -> bool:
        """Drops what still comes for this feed, and asks for no more of it. Returns whether there are others."""
        if feed.id is not None:
            self._feeds[feed.id] = None
        if not any(self._feeds.values()):
            return False
        if feed.id is not None and self.error is None:
            with suppress(*FOREIGN):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._connection.send_frame(body(feed.id), WSMsgType.TEXT)
        return True

    async def close(self) -> None:
        """Says goodbye, and does not wait long for an answer."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        error = SourceError(Reason.INTERNAL, "failed in our own code")
        try:
            while (message := await self._connection.receive()).type is WSMsgType.TEXT:
                self._take(message.data)
            error = _ended(message.type, message.data)
        except SourceError as failure:
            error = failure
        except asyncio.CancelledError:
            error = SourceError(Reason.CONNECT, "closed on this side")
            raise
        finally:
            self._fail(error)
            try:
                await self._connection.close()
            finally:
                await self._session.close()

    def _fail(self, error: SourceError) -> None:
        self.error = error
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_result(error)
        for feed in self._feeds.values():
            if feed is not None:
                feed.fail(error)

    def _take(self, raw: bytes) -> None:
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise bad_response("a frame that is not JSON") from None
        if isinstance(message, dict) and "method" in message:
            self._notify(message, len(raw))
        else:
            self._answer(message)

    def _notify(self, message: dict[str, Any], size: int) -> None:
        params = message.get("params")
        told: dict[str, Any] = params if isinstance(params, dict) else {}
        number = told.get("subscription")
        if not _is_id(number) or number not in self._feeds:
            raise bad_response("a notification that nobody subscribed to")
        if "result" not in told:
            raise bad_response("a notification without a result")
        feed = self._feeds[number]
        if feed is not None:
            feed.put(told["result"], size)

    def _answer(self, message: Any) -> None:
        """Gives a reply to who waits for it. What comes after its caller has given up is dropped."""
        replies = message if isinstance(message, list) else [message]
        numbers = [reply.get("id") if isinstance(reply, dict) else "" for reply in replies]
        waiting = [number for number in numbers if type(number) is int and number in self._waiting]
        if numbers == [None] and "error" in replies[0]:
            waiting = list(self._waiting)  # could not be read there, so it is any of them
        elif not waiting and not (
            numbers and all(type(number) is int and 0 < number <= self._last for number in numbers)
        ):
            raise bad_response("an answer to a call that was not asked")
        for number in waiting:
            future, feed = self._waiting[number]
            if feed is not None and isinstance(message, dict):
                self._subscribed(feed, message.get("result"))
            if not future.done():
                future.set_result(message)

    def _subscribed(self, feed: Feed, number: Any) -> None:
        """From the very next frame on, notifications may come."""
        if _is_id(number) and number not in self._feeds:
            feed.id = number
            self._feeds[number] = feed


class Line:
    """The WebSocket of a node: opened when it is needed, shared by all who need it, opened anew after it was lost.

    It closes with its last subscription, so that whoever subscribes again does so on a new connection.
    """

    def __init__(self, session: aiohttp.ClientSession, url: Secret, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._session = session
        self._url = url
        self._heartbeat = heartbeat
        self._socket: Socket | None = None
        self._opening = asyncio.Lock()

    async def exchange(self, body: bytes, numbers: Sequence[int]) -> Any:
        """The reply to a call, or to a batch of calls, of these ids."""
        async with self._used() as socket:
            return await socket.exchange(body, numbers)

    @asynccontextmanager
    async def subscribed(
        self, body: bytes, number: int, unsubscribe: Callable[[SubscriptionId], bytes]
    ) -> AsyncIterator[tuple[Any, Feed]]:
        """The reply to a call that subscribes, and what is notified from then on.

        `unsubscribe` makes the call that ends it, of the same id, for which nobody waits.
        """
        async with self._used() as socket:
            feed = Feed()
            try:
                yield await socket.exchange(body, (number,), feed), feed
            finally:
                if not await socket.end(feed, unsubscribe) and self._socket is socket:
                    self._socket = None

    async def close(self) -> None:
        """Ends the connection, and with it what waits there."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    @asynccontextmanager
    async def _used(self) -> AsyncIterator[Socket]:
        async with self._opening:
            if self._socket is None or self._socket.error is not None:
                self._socket = await _opened(self._session, self._url, self._heartbeat)
            socket = self._socket
        socket.users += 1
        try:
            yield socket
        finally:
            socket.users -= 1
            if socket is not self._socket and not socket.users:
                await socket.close()


async def _opened(session: aiohttp.ClientSession, url: Secret, heartbeat: float) -> Socket:
    own = socket_session(session)
    try:
        connection = await own.ws_connect(
            url.reveal(),
            heartbeat=heartbeat,
            max_msg_size=MAX_BODY_BYTES,
            decode_text=False,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
        )
        return Socket(own, connection)
    except BaseException as failure:
        await own.close()
        if isinstance(failure, aiohttp.WSServerHandshakeError):
            raise _no_handshake(failure) from None
        if isinstance(failure, FOREIGN):
            raise classified(failure) from None
        raise


def _no_handshake(error: aiohttp.WSServerHandshakeError) -> SourceError:
    if error.status == 101:  # noqa: PLR2004 - Switching Protocols, and then something else is wrong
        return bad_response("not WebSocket")
    return refused(error.status, error.headers or {})


def _ended(kind: WSMsgType, data: Any) -> SourceError:
    """Why there is no further frame with text."""
    match kind:
        case WSMsgType.BINARY:
            return bad_response("a binary frame")
        case WSMsgType.ERROR:
            return _broken(data)
        case WSMsgType.CLOSE if data:
            return _closed(data)
        case _:
            return SourceError(Reason.CONNECT, "the connection closed without a word")


def _broken(error: Any) -> SourceError:
    match error:
        case aiohttp.WebSocketError(code=WSCloseCode.MESSAGE_TOO_BIG):
            return bad_response(f"a frame of more than {MAX_BODY_BYTES} bytes")
        case aiohttp.WebSocketError():
            return bad_response("not WebSocket")
        case TimeoutError():
            return SourceError(Reason.TIMEOUT, "no answer to a ping")
        case _:
            return classified(error)


def _closed(code: int) -> SourceError:
    if code == WSCloseCode.TRY_AGAIN_LATER:
        return RateLimitError(f"closed with code {code}: try again later")
    return SourceError(_CODES.get(code, Reason.CONNECT), f"closed with code {code}")


def _is_id(value: object) -> TypeGuard[SubscriptionId]:
    return isinstance(value, str | int) and not isinstance(value, bool)
