"""The engine over HTTP, on loopback; docs/engine.md is its contract.

async with Server(Engine({"binance": ("BTC/USDT",)}), token="…") as server:
    ...  # told and asked at server.url
"""

import asyncio
import contextlib
import hmac
import time
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from occ.page import Format

from .faults import Befalls, Fault, Trouble
from .figures import Figures
from .ledger import Ledger
from .state import Engine, Order, RefusalError

LOOPBACK = "127.0.0.1"
TURN = 0.2
"""Seconds between two turns of the main loop."""

_OPEN = ("/metrics", "/-/ready")


class Server:
    """`port` 0 is any free one. Without a token everybody is let in. `ledger` is what the engine holds; without one, nothing."""

    def __init__(
        self,
        engine: Engine,
        *,
        ledger: Ledger | None = None,
        port: int = 0,
        token: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        self.engine, self.faults = engine, engine.faults
        self.ledger = ledger or Ledger()
        self.figures = Figures(engine, self.ledger)
        self._port, self._token, self._now = port, token, now
        self._heartbeat = now()

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._let_in])
        app.add_routes(
            [
                web.get("/-/ready", self._ready),
                web.get("/metrics", self._metrics),
                *(web.post(f"/{{verb:{verb}}}", self._tell) for verb in ("halt", "resume", "flatten", "kill-switch")),
                web.get("/parameters/{name}", self._parameter),
                web.put("/parameters/{name}", self._tell),
                web.get("/operations/{key}", self._operation),
                web.get("/effects", self._effects),
                web.put("/faults/{fault}", self._set_fault),
                web.delete("/faults", self._clear_faults),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port).start()
        self._turning = asyncio.create_task(self._turn())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turning.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._turning
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._runner.addresses[0][1]}"

    async def wait(self) -> None:
        """For ever, or until the main loop fails: with what it failed with."""
        await asyncio.shield(self._turning)

    async def _turn(self) -> None:
        while True:
            if self.faults.own is not Fault.SILENT:
                self._heartbeat = self._now()
            await asyncio.sleep(TURN)

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode()
        if (
            self._token
            and request.path not in _OPEN
            and not hmac.compare_digest(given, f"Bearer {self._token}".encode())
        ):
            return _said(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
        answer: web.StreamResponse = await handler(request)
        return answer

    # --- told ---

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        try:
            order = await _order(request)
            trouble = self.faults.strike(Befalls.CHANGES)
            if trouble and not trouble.fault.commits and (answer := await _befall(trouble, request)):
                return answer
            done = self.engine.take(order, forgetful=trouble is not None and trouble.fault is Fault.FORGETFUL)
        except RefusalError as refusal:
            return _said(refusal.status, str(refusal))
        if trouble and trouble.fault.commits and (answer := await _befall(trouble, request)):
            return answer
        return web.json_response(dict(done.answer), status=done.status)

    # --- asked ---

    async def _operation(self, request: web.Request) -> web.StreamResponse:
        if (trouble := self.faults.strike(Befalls.OPERATIONS)) and (answer := await _befall(trouble, request)):
            return answer
        known = self.engine.operations.get(request.match_info["key"])
        status = HTTPStatus.OK if known else HTTPStatus.NOT_FOUND
        return web.json_response({"applied": known is not None and known.applied}, status=status)

    async def _parameter(self, request: web.Request) -> web.StreamResponse:
        if (trouble := self.faults.strike(Befalls.PARAMETERS)) and (answer := await _befall(trouble, request)):
            return answer
        parameter = self.engine.parameters.get(request.match_info["name"])
        if parameter is None:
            return _said(HTTPStatus.NOT_FOUND, f"parameters: {', '.join(self.engine.parameters)}")
        return web.json_response(parameter.shown(), headers={"ETag": f'"{parameter.version}"'})

    async def _effects(self, _: web.Request) -> web.Response:
        return web.json_response({"effects": self.engine.effects, "received": self.engine.received})

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="ready\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self.figures.shown(self._heartbeat), headers={"Content-Type": Format.TEXT.value})

    # --- faults ---

    async def _set_fault(self, request: web.Request) -> web.Response:
        try:
            self.faults.set(Trouble.of(request.match_info["fault"], request.query))
        except ValueError as error:
            return _said(HTTPStatus.BAD_REQUEST, f"{error}; faults: {', '.join(Fault)}")
        return web.json_response({"faults": [vars(trouble) for trouble in self.faults.standing.values()]})

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.json_response({"faults": []})


def _said(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


async def _order(request: web.Request) -> Order:
    """What a request tells the engine to do. Raises RefusalError."""
    key, fence = request.headers.get("Idempotency-Key", ""), request.headers.get("X-OCC-Fence", "")
    if not key or not (fence.isascii() and fence.isdigit()):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "Idempotency-Key and X-OCC-Fence are wanted")
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "expected a JSON object")
    if "name" not in request.match_info:
        return Order(key, int(fence), request.match_info["verb"], body)
    if (match := request.headers.get("If-Match")) is None:
        raise RefusalError(HTTPStatus.PRECONDITION_REQUIRED, "If-Match is wanted: the version that is to be changed")
    return Order(key, int(fence), "set", body, request.match_info["name"], match.strip('"'))


async def _befall(trouble: Trouble, request: web.Request) -> web.StreamResponse | None:
    """What is answered instead, if anything is."""
    match trouble.fault:
        case Fault.DROP | Fault.COMMIT_THEN_DROP:
            if request.transport:
                request.transport.close()
            return web.Response()
        case Fault.HANG | Fault.COMMIT_THEN_HANG:
            await asyncio.Event().wait()
        case Fault.ERROR | Fault.COMMIT_THEN_ERROR:
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "broken on purpose")
        case Fault.REFUSE:
            return _said(trouble.status, "refused on purpose")
        case Fault.SLOW:
            await asyncio.sleep(trouble.seconds)
    return None
