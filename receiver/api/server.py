"""The operations over HTTP: who may, what was sent, what is answered, and every way in which it can fail."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import Engine

from receiver.audit.seal import Forged
from receiver.catalogue import BadParameters
from receiver.desk import Refusal
from receiver.doors import Doors, Visitor
from receiver.life import Impossible
from receiver.requests import NotFound
from receiver.why import Why
from receiver.writer import NotDurable

from .errors import STATUS, Failure
from .openapi import PROOF
from .operations import BASE, PATH_PATTERNS, AnyOperation, Call, Nothing, People
from .shapes import Complaint, Problem, Shape

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 65_536
BODY_WITHIN = 10.0
LONGEST_PLACE = 80
AT_ONCE = 2
WAITING = 16
"""Requests of one person that are answered at once, and that may wait for it: nobody shall keep the rest from acting."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Turns:
    """Lets the requests of each person through, a few at a time."""

    def __init__(self) -> None:
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._there: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, person: str) -> AsyncIterator[None]:
        """Holds one of the person's places. Raises Failure where too many wait already."""
        if self._there[person] >= AT_ONCE + WAITING:
            raise Failure(Why.TOO_MANY, headers={"Retry-After": "1"})
        self._there[person] += 1
        try:
            async with self._gates.setdefault(person, asyncio.Semaphore(AT_ONCE)):
                yield
        finally:
            self._there[person] -= 1


class Server:
    """Makes routes of operations. Without people only open operations can be asked, by whoever reaches this server."""

    def __init__(self, reading: Engine, people: People | None) -> None:
        self._reading = reading
        self._people = people
        self._turns = Turns()

    def routes(self, operations: Iterable[AnyOperation]) -> list[web.RouteDef]:
        """One for each operation; one for what its path does not take; one for all other paths below the API's."""
        methods: dict[str, list[str]] = {}
        made = []
        for operation in operations:
            methods.setdefault(operation.path, []).append(operation.method)
            route = web.get if operation.method == "GET" else web.post
            made.append(route(f"{BASE}{operation.path}", self._serve(operation)))
        wrong = [web.route("*", f"{BASE}{path}", wrong_method(allowed)) for path, allowed in methods.items()]
        return [*sorted([*made, *wrong], key=_plainer), web.route("*", "/api{rest:.*}", _nowhere)]

    def _serve(self, operation: AnyOperation) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                return await self._answer(operation, request)
            except Failure as failure:
                return _failed(failure)
            except Exception as error:  # noqa: BLE001 - the web handler's boundary: every failure is answered, and none lost
                return _failed(_failure(error, operation))

        return handler

    async def _answer(self, operation: AnyOperation, request: web.Request) -> web.StreamResponse:
        visitor = await self._visitor(operation, request)
        if visitor is None:  # logins have bounds of their own
            return await self._handled(operation, request, visitor)
        async with self._turns.turn(visitor.session.person.id):
            return await self._handled(operation, request, visitor)

    async def _handled(
        self, operation: AnyOperation, request: web.Request, visitor: Visitor | None
    ) -> web.StreamResponse:
        for name, value in request.match_info.items():
            if not re.fullmatch(PATH_PATTERNS[name], value):
                raise Failure(Why.NOT_FOUND)
        query, body = _query(operation, request), await _body(operation, request)
        call = Call(self._reading, self._people, visitor, body, query, dict(request.match_info), request)
        answer = await operation.handler(call)
        return answer if isinstance(answer, web.StreamResponse) else _json(answer, operation.status)

    async def _visitor(self, operation: AnyOperation, request: web.Request) -> Visitor | None:
        """Who sent it. Raises Failure where nobody, or not this person, may."""
        if self._people is None:
            if operation.open:
                return None
            raise Failure(Why.UNAVAILABLE, "this receiver has no policy: it takes alerts in, and nobody can log in")
        if operation.public:
            return None
        visitor = await self._people.doors.visitor(request)
        if visitor is None:
            raise Failure(Why.NOT_AUTHENTICATED, headers={"WWW-Authenticate": 'Bearer realm="occ"'})
        if operation.changes and visitor.by_cookie:
            _prove(self._people.doors, visitor, request)
        return visitor


def _prove(doors: Doors, visitor: Visitor, request: web.Request) -> None:
    """A browser sends its cookie along with whatever any page makes it send."""
    if not doors.ours(request):
        raise Failure(Why.NOT_PERMITTED, "no page of this server sent it: the Origin is another, or none")
    if not visitor.proves(request.headers.get(PROOF, "")):
        raise Failure(Why.NOT_PERMITTED, f"no page of this session sent it: {PROOF} is missing or wrong")


def _query(operation: AnyOperation, request: web.Request) -> Shape:
    given = request.query
    if len(set(given)) != len(given):
        raise Failure(Why.MALFORMED, "query: a name stands twice")
    try:
        return operation.asks.model_validate_strings(dict(given))
    except ValidationError as error:
        raise Failure(Why.MALFORMED, _said(error, "query")) from None


async def _body(operation: AnyOperation, request: web.Request) -> Shape:
    if operation.takes is Nothing:
        return Nothing()
    if request.content_type != "application/json":
        raise Failure(Why.MEDIA_TYPE, "Content-Type: expected application/json")
    raw = await _read(request)
    with suppress(ValueError, RecursionError):  # told below, with its place
        json.loads(raw, object_pairs_hook=_once)
    try:
        return operation.takes.model_validate_json(raw)
    except ValidationError as error:
        raise Failure(Why.MALFORMED, _said(error, "body")) from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object; who reads the first of two and who reads the last would read another one. Raises Failure."""
    if len(found := dict(pairs)) != len(pairs):
        raise Failure(Why.MALFORMED, "body: a key stands twice in one object")
    return found


async def _read(request: web.Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise Failure(Why.TOO_LARGE, f"the body has more than {MAX_BODY_BYTES} bytes")
    except (
        TimeoutError,
        web.RequestPayloadError,
        ConnectionResetError,
        RuntimeError,
    ):  # RuntimeError: aiohttp, of one aborted
        raise Failure(Why.MALFORMED, "the body did not come, or could not be unpacked") from None
    return bytes(body)


def _said(error: ValidationError, part: str) -> str:
    """Every problem with its place; what was sent is not repeated, but for the names of its keys."""
    problems = []
    for details in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(map(str, details["loc"]))[:LONGEST_PLACE]
        problems.append(f"{place if place.isprintable() and place else part}: {details['msg']}")
    return "; ".join(problems[:10])


_REASONS: tuple[tuple[type[Exception], Why], ...] = (
    (NotFound, Why.NOT_FOUND),
    (Impossible, Why.WRONG_STATE),
    (BadParameters, Why.OUT_OF_BOUNDS),
)


def _failure(error: Exception, operation: AnyOperation) -> Failure:
    """What is raised on purpose says why; of anything else the log has the trace, and the answer nothing."""
    for kind, why in _REASONS:
        if isinstance(error, kind):
            return Failure(why, str(error))
    match error:
        case Refusal():
            return Failure(error.why, str(error))
        case Forged():
            log.error("%s: %s", operation.name, error)
            return Failure(Why.FORGED)
        case NotDurable():
            message = "it could not be made durable; look how things stand, and try again"
            return Failure(Why.UNAVAILABLE, message, {"Retry-After": "1"})
    log.error("%s failed", operation.name, exc_info=error)
    return Failure(Why.INTERNAL)


def _failed(failure: Failure) -> web.Response:
    response = _json(Problem(error=Complaint(why=failure.why, message=str(failure))), STATUS[failure.why])
    response.headers.update(failure.headers)
    if failure.why in (Why.TOO_LARGE, Why.MEDIA_TYPE):
        response.force_close()  # what is left of the body is not waited for
    return response


def wrong_method(allowed: Iterable[str]) -> Handler:
    """Answers whatever a path does not take."""
    headers = {"Allow": ", ".join(sorted({*allowed, *(["HEAD"] if "GET" in allowed else [])}))}

    async def handler(_: web.Request) -> web.StreamResponse:
        return _failed(Failure(Why.WRONG_METHOD, headers=headers))

    return handler


async def _nowhere(_: web.Request) -> web.StreamResponse:
    return _failed(Failure(Why.NOT_FOUND))


def _plainer(route: web.RouteDef) -> tuple[int, str, bool]:
    """Paths without a place first: `/requests/{id}` would take them too; and methods before what is left of them."""
    return route.path.count("{"), route.path, route.method == "*"


def _json(value: Shape, status: int = 200) -> web.Response:
    body: Any = orjson.dumps(value.model_dump(mode="json"))
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
