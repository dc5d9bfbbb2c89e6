"""What a page is: the answers of operations it is made of, and the operations that its forms ask for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from aiohttp import web

from receiver.api import OPERATIONS
from receiver.api.errors import Failure
from receiver.api.server import Server
from receiver.doors import Visitor

from . import forms
from .forms import Fields

Texts = Mapping[str, str]
NONE: Texts = MappingProxyType({})

_OPERATIONS = {operation.name: operation for operation in OPERATIONS}


@dataclass(frozen=True)
class Visit:
    """Somebody who looks at a page. `visitor` is None where nobody can log in."""

    server: Server
    request: web.Request
    visitor: Visitor | None

    @property
    def place(self) -> dict[str, str]:
        """What stands in the path of the page."""
        return dict(self.request.match_info)

    @property
    def person(self) -> str:
        return self.visitor.session.person.id if self.visitor else ""

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(self.request.query)

    async def ask(self, operation: str, path: Texts = NONE, query: Texts = NONE) -> Any:
        """What the operation answers. Raises Failure."""
        return await self.server.ask(
            _OPERATIONS[operation], self.request, self.visitor, path=path, query=query, body={}
        )

    async def part(self, operation: str, path: Texts = NONE, query: Texts = NONE) -> Any:
        """As `ask`, for a part of a page without which the rest is still worth seeing: a Failure is told in its place."""
        try:
            return await self.ask(operation, path, query)
        except Failure as failure:
            return failure

    async def people(self, operation: str, query: Texts = NONE) -> Any:
        """As `part`; None where nobody can log in, so that there is nothing of the kind."""
        return await self.part(operation, query=query) if self.server.people else None

    async def send(self, operation: str, path: Texts, body: Mapping[str, Any]) -> Any:
        """Does something. Raises Failure."""
        return await self.server.ask(_OPERATIONS[operation], self.request, self.visitor, path=path, query={}, body=body)


def here(visit: Visit, _: Any) -> str:
    """Back to the page that the form stands on."""
    return visit.request.path


@dataclass(frozen=True, slots=True)
class Deed:
    """What a button does: one operation. `body` makes what it takes of the fields, `then` names the page that comes next.

    What the operation's path has a place for is taken from the page's own path, or from the fields.
    """

    operation: str
    then: Callable[[Visit, Any], str] = here
    body: Callable[[Fields], dict[str, Any]] = forms.body

    async def done(self, visit: Visit, fields: Fields) -> str:
        """Where to go now that it is done. Raises Failure."""
        wanted = re.findall(r"{(\w+)}", _OPERATIONS[self.operation].path)
        of_form = {name: fields.get(name, "") for name in wanted if name not in visit.place}
        of_page = {name: visit.place[name] for name in wanted if name in visit.place}
        rest = {name: value for name, value in fields.items() if name not in of_form}
        return self.then(visit, await visit.send(self.operation, of_page | of_form, self.body(rest)))


@dataclass(frozen=True, slots=True)
class Refused:
    """What was sent and not done: the button, the fields, and why not."""

    do: str
    fields: Fields
    failure: Failure

    def given(self, do: str, **fields: str) -> Fields:
        """The fields of a form that had this button and these values in it; none where it was another form."""
        return self.fields if do == self.do and fields.items() <= self.fields.items() else {}


Make = Callable[[Visit], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page. `make` gathers what its template shows, `deeds` are its buttons by their values.

    `refresh`: seconds after which a browser loads it anew where somebody wants that; only for a page that nobody types into.
    `unknown` is the template that is shown where what the path names is not there.
    """

    path: str
    template: str
    make: Make
    deeds: Mapping[str, Deed] = field(default_factory=dict)
    refresh: int | None = None
    unknown: str = "failed.html"
