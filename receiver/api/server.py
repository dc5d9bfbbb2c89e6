"""The operations over HTTP: who may, what was sent, what is answered, and every way in which it can fail."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy import Engine

from receiver.audit.seal import Forged
from receiver.catalogue import BadParameters
from receiver.desk import Refusal
from receiver.doors import Visitor
from receiver.health import Health
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

    def __init__(self, reading: Engine, people: People | None, health: Health) -> None:
        self._reading = reading
        self.people = people
        self._health = health
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

    async def ask(
        self,
        operation: AnyOperation,
        request: web.Request,
        visitor: Visitor | None,
        *,
        path: Mapping[str, str],
        query: Mapping[str, Any],
        body: Mapping[str, Any],
    ) -> Any:
        """What the operation answers where a page of ours asks, for a visitor who has been recognised; values are strings.

        Raises Failure, whatever went wrong.
        """
        try:
            self._let(operation, visitor)
            async with self._turn(visitor):
                _in_place(path)
                asked, sent = _strings(operation.asks, query, "query"), _strings(operation.takes, body, "form")
                return await operation.handler(self._call(request, visitor, path, asked, sent))
        except Failure:
            raise
        except Exception as error:  # noqa: BLE001 - as for a request over HTTP: every failure is answered, and none lost
            raise _failure(error, operation) from None

    async def _answer(self, operation: AnyOperation, request: web.Request) -> web.StreamResponse:
        visitor = await self._visitor(operation, request)
        async with self._turn(visitor):
            path = dict(request.match_info)
            _in_place(path)
            query, body = _query(operation, request), await _body(operation, request)
            answer = await operation.handler(self._call(request, visitor, path, query, body))
        return answer if isinstance(answer, web.StreamResponse) else _json(answer, operation.status)

    def _call(
        self, request: web.Request, visitor: Visitor | None, path: Mapping[str, str], query: Shape, body: Shape
    ) -> Call[Any, Any]:
        return Call(self._reading, self.people, visitor, body, query, path, request, self._health)

    def _turn(self, visitor: Visitor | None) -> AbstractAsyncContextManager[None]:
        """Logins have bounds of their own."""
        return nullcontext() if visitor is None else self._turns.turn(visitor.session.person.id)

    async def _visitor(self, operation: AnyOperation, request: web.Request) -> Visitor | None:
        """Who sent it. Raises Failure where nobody, or not this person, may."""
        visitor = None
        if self.people is not None and not operation.public:
            visitor = await self.people.doors.visitor(request)
        self._let(operation, visitor)
        if visitor is not None and operation.changes:
            self.prove(visitor, request, request.headers.get(PROOF, ""))
        return visitor

    def _let(self, operation: AnyOperation, visitor: Visitor | None) -> None:
        """Raises Failure where nobody, or nobody who is not logged in, may ask for it."""
        if self.people is None:
            if not operation.open:
                message = "this receiver has no policy: it takes alerts in, and nobody can log in"
                raise Failure(Why.UNAVAILABLE, message)
        elif visitor is None and not operation.public:
            raise Failure(Why.NOT_AUTHENTICATED, headers={"WWW-Authenticate": 'Bearer realm="occ"'})

    def prove(self, visitor: Visitor, request: web.Request, given: str) -> None:
        """A browser sends its cookie along with whatever any page makes it send: raises Failure unless one of ours did."""
        if self.people is None or not visitor.by_cookie:
            return
        if not self.people.doors.ours(request):
            raise Failure(Why.NOT_PERMITTED, "no page of this server sent it: the Origin is another, or none")
        if not visitor.proves(given):
            raise Failure(Why.NOT_PERMITTED, f"no page of this session sent it: {PROOF} is missing or wrong")


def _in_place(path: Mapping[str, str]) -> None:
    """Raises Failure for what can stand in no path of ours."""
    if not all(re.fullmatch(PATH_PATTERNS[name], value) for name, value in path.items()):
        raise Failure(Why.NOT_FOUND)


def _strings(shape: type[Shape], given: Mapping[str, Any], part: str) -> Shape:
    try:
        return shape.model_validate_strings(dict(given))
    except ValidationError as error:
        raise Failure(Why.MALFORMED, _said(error, part)) from None


def _query(operation: AnyOperation, request: web.Request) -> Shape:
    given = request.query
    if len(set(given)) != len(given):
        raise Failure(Why.MALFORMED, "query: a name stands twice")
    return _strings(operation.asks, given, "query")


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
        problems.append(f"{place if place.isprintable() and place else part}: {_told(details)}")
    return "; ".join(problems[:10])


def _told(details: ErrorDetails) -> str:
    """What is wrong; the pattern of words that a person says is nothing that a person reads."""
    message = details["msg"]
    wordy = details["type"] == "string_pattern_mismatch" and len(message) > LONGEST_PLACE
    return "It is blank, or has characters that can not be shown" if wordy else message


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
