"""What the API can be asked, as data: routes, checks and the OpenAPI document are made of it alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from aiohttp import web
from sqlalchemy import Engine

from receiver.audit.checkpoints import Checkpoints
from receiver.desk import Desk
from receiver.doors import Doors, Visitor
from receiver.health import Health
from receiver.incidents.room import Room
from receiver.notifying import Dispatcher
from receiver.sessions import Session

from .shapes import Shape

BASE = "/api/v1"

PATH_PATTERNS: Mapping[str, str] = {
    "id": "[0-9a-f]{16}",
    "episode": "[1-9][0-9]{0,17}",
    "fingerprint": "[0-9a-f]{16}",
    "action": "[A-Za-z0-9][A-Za-z0-9_.-]{0,62}",
}
"""What may stand in a path in the place of `{…}`; anything else is not found."""


class Nothing(Shape):
    """An operation that takes no body, or no query."""


B = TypeVar("B", bound=Shape)
Q = TypeVar("Q", bound=Shape)


@dataclass(frozen=True, slots=True)
class People:
    """What there is where people are configured: who they are, and what they may do."""

    doors: Doors
    desk: Desk
    checkpoints: Checkpoints
    room: Room
    dispatcher: Dispatcher


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One request of somebody who may make it; `visitor` is there unless the operation is public, or nobody can log in."""

    reading: Engine
    configured: People | None
    visitor: Visitor | None
    body: B
    query: Q
    path: Mapping[str, str]
    request: web.Request
    health: Health

    @property
    def people(self) -> People:
        """Of an operation that is not open."""
        if self.configured is None:
            raise LookupError("an operation that needs people was called without them")
        return self.configured

    @property
    def session(self) -> Session:
        """Whose request it is, of an operation that is not public."""
        if self.visitor is None:
            raise LookupError("an operation for people was called by nobody")
        return self.visitor.session

    @property
    def address(self) -> str:
        """Where it came from, of an operation that is not open."""
        return self.people.doors.sender(self.request)


@dataclass(frozen=True, slots=True)
class Operation(Generic[B, Q]):
    """A method of a path below `BASE`.

    `answers` is the shape of the answer, or the media type of what is streamed. An operation that is not `public` needs
    somebody who is logged in and has a role; one that is not `open` needs people to be configured at all.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    handler: Callable[[Call[B, Q]], Awaitable[Shape | web.StreamResponse]]
    answers: type[Shape] | str
    takes: type[Shape] = Nothing
    asks: type[Shape] = Nothing
    status: int = 200
    public: bool = False
    open: bool = False

    @property
    def changes(self) -> bool:
        return self.method == "POST"


AnyOperation = Operation[Any, Any]
