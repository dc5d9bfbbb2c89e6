"""Several venues at one port of loopback: BASE/<venue>/<original host>/<original path>, over HTTP and WebSocket.

    async with Server([Binance("binance", time.time, …)]) as server:
        exchange.urls["api"] = …  # every https://HOST/… becomes server.base_url("binance") + /HOST/…

Where only one venue has a host, BASE/<original host>/… serves as well. Faults are switched at BASE/venues, while it runs.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self

from aiohttp import WSCloseCode, WSMsgType, web

from .accounts import LOOPBACK
from .exchange import Exchange
from .faults import Fault, Scope, UnknownError
from .market import STEP
from .wire import Answer, Dialect, Line, Question

_PING = 20.0  # seconds between two pings of the server, as Binance's
_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_CUTTING = (Fault.DROP, Fault.MAINTENANCE, Fault.SERVER_ERROR)  # open sockets are closed


class Server:
    """`port` 0 is any free one."""

    def __init__(self, venues: Iterable[Dialect], port: int = 0) -> None:
        self.venues = {venue.exchange.name: venue for venue in venues}
        self._port = port
        self._sockets: dict[web.WebSocketResponse, str] = {}  # to the venue's name

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/-/ready", self._show)
        app.router.add_get("/venues", self._show)
        app.router.add_put("/venues/{venue}/fault/{fault}", self._set)
        app.router.add_delete("/venues/{venue}/fault/{fault}", self._clear)
        app.router.add_delete("/venues/{venue}/fault", self._clear)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port).start()
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await self._cut(self._sockets)
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._runner.addresses[0][1]}"

    def base_url(self, venue: str) -> str:
        return f"{self.url}/{venue}"

    async def wait(self) -> None:
        """For ever, or until a venue fails: with what it failed with."""
        await asyncio.shield(self._running)

    async def _run(self) -> None:
        """The venues live, whether or not somebody looks."""
        while True:
            for venue in self.venues.values():
                venue.exchange.advance()
                venue.publish()
            broken = {name for name, venue in self.venues.items() if any(map(venue.exchange.on, _CUTTING))}
            await self._cut([socket for socket, name in self._sockets.items() if name in broken])
            await asyncio.sleep(STEP)

    async def _cut(self, sockets: Iterable[web.WebSocketResponse]) -> None:
        await asyncio.gather(*map(self._close, list(sockets)))

    async def _close(self, socket: web.WebSocketResponse) -> None:
        """Without waiting for a client that does not answer."""
        self._sockets.pop(socket, None)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(socket.close(code=WSCloseCode.GOING_AWAY, drain=False), STEP)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self._running.done():
            self._running.result()
        venue, question = await self._asked(request)
        exchange = venue.exchange
        if exchange.on(Fault.SILENCE):
            await asyncio.Event().wait()
        if slow := exchange.on(Fault.SLOW):
            await asyncio.sleep(slow.seconds)
        if exchange.on(Fault.SERVER_ERROR):
            return web.Response(status=502, text=_PAGE, content_type="text/html")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._converse(request, venue, question)
        exchange.advance()
        answer = _spoiled(venue, venue.answer(question))
        if answer.changes and exchange.on(Fault.LOST_REPLY) and request.transport:
            request.transport.abort()
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers, content_type=answer.content_type
        )

    async def _asked(self, request: web.Request) -> tuple[Dialect, Question]:
        """Which venue, and what of it: the path and query as they came, because signatures are made over them."""
        path, _, query = request.raw_path.partition("?")
        _, first, *rest = path.split("/")
        if first in self.venues:
            venue, host, rest = self.venues[first], rest[0] if rest else "", rest[1:]
        else:
            owners = [venue for venue in self.venues.values() if first in venue.hosts]
            if len(owners) != 1:
                raise web.HTTPNotFound(text=f"no venue {first}; venues: {', '.join(self.venues)}\n")
            venue, host = owners[0], first
        body = (await request.read()).decode(errors="replace")
        path = "/" + "/".join(rest)
        return venue, Question(request.method, host, path, query, body, request.headers, request.remote or "")

    async def _converse(self, request: web.Request, venue: Dialect, question: Question) -> web.StreamResponse:
        line = Line()
        target = f"{question.path}?{question.query}" if question.query else question.path
        if venue.exchange.on(Fault.MAINTENANCE) or (talk := venue.talk(question.host, target, line)) is None:
            return web.Response(status=503 if venue.exchange.on(Fault.MAINTENANCE) else 404)
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        self._sockets[socket] = venue.exchange.name
        speaking = [asyncio.create_task(_send(venue, line, socket)), asyncio.create_task(_ping(venue, socket))]
        try:
            async for message in socket:
                if venue.exchange.on(Fault.SILENCE):
                    continue
                if message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    talk.hear(message.data)
        finally:
            talk.close()
            self._sockets.pop(socket, None)
            for task in speaking:
                task.cancel()
            await asyncio.gather(*speaking, return_exceptions=True)
        return socket

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"venues": [self._shown(venue) for venue in self.venues.values()], "faults": list(Fault)}
        )

    def _shown(self, venue: Dialect) -> dict[str, object]:
        exchange = venue.exchange
        limits = {
            name: {"used": segment.limiter.used, "peak": segment.limiter.peak, "limit": segment.limiter.limit}
            for name, segment in exchange.segments.items()
        }
        return {
            "name": exchange.name,
            "base_url": self.base_url(exchange.name),
            "hosts": sorted(venue.hosts),
            "symbols": [market.name for market in exchange.markets()],
            "weights": limits,
            "orders": _orders(exchange),
            "sockets": sum(name == exchange.name for name in self._sockets.values()),
            "faults": {fault: vars(scope) for fault, scope in exchange.faults.items()},
        }

    async def _set(self, request: web.Request) -> web.Response:
        try:
            self._venue(request).exchange.set(Fault(request.match_info["fault"]), Scope.of(request.query))
        except (ValueError, UnknownError) as error:
            raise web.HTTPBadRequest(text=f"{error}; faults: {', '.join(Fault)}\n") from None
        return await self._show(request)

    async def _clear(self, request: web.Request) -> web.Response:
        """One fault, or all."""
        exchange, named = self._venue(request).exchange, request.match_info.get("fault")
        if named is not None and named not in list(Fault):
            raise web.HTTPBadRequest(text=f"no fault {named}; faults: {', '.join(Fault)}\n")
        for fault in [Fault(named)] if named else list(exchange.faults):
            exchange.clear(fault)
        return await self._show(request)

    def _venue(self, request: web.Request) -> Dialect:
        if (name := request.match_info["venue"]) not in self.venues:
            raise web.HTTPNotFound(text=f"no venue {name}; venues: {', '.join(self.venues)}\n")
        return self.venues[name]


def _orders(exchange: Exchange) -> dict[str, dict[str, int]]:
    """How many orders each account has open, by symbol."""
    desks = {id(segment.desk): segment.desk for segment in exchange.segments.values()}.values()
    return {
        account.name: Counter(each.market.name for desk in desks for each in desk.open_of(account.name))
        for account in exchange.accounts.values()
    }


async def _send(venue: Dialect, line: Line, socket: web.WebSocketResponse) -> None:
    """What is said to one client, until it is gone or too far behind."""
    exchange, clock = venue.exchange, asyncio.get_running_loop().time
    while not line.behind:
        said, text = await line.next()
        if (slow := exchange.on(Fault.SLOW)) and (left := said + slow.seconds - clock()) > 0:
            await asyncio.sleep(left)
        if not exchange.on(Fault.SILENCE):
            await socket.send_str(_spoiled_text(venue, text))
    await socket.close(code=WSCloseCode.POLICY_VIOLATION)


async def _ping(venue: Dialect, socket: web.WebSocketResponse) -> None:
    while True:
        await asyncio.sleep(_PING)
        if not venue.exchange.on(Fault.SILENCE):
            await socket.ping()


def _spoiled_text(venue: Dialect, text: str) -> str:
    if venue.exchange.on(Fault.GARBAGE):
        return _PAGE
    return text[: len(text) // 2] if venue.exchange.on(Fault.TRUNCATED) else text


def _spoiled(venue: Dialect, answer: Answer) -> Answer:
    """An answer over HTTP that says 200 and means nothing, where such a fault is set."""
    if venue.exchange.on(Fault.GARBAGE):
        return replace(answer, status=200, body=_PAGE.encode(), headers={}, content_type="text/html")
    if venue.exchange.on(Fault.TRUNCATED):
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    return answer
