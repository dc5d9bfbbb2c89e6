"""Somebody at a browser without scripts, before a receiver whose engine looks when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import pytest

from tests.receiver.api.conftest import Office, office
from tests.receiver.house import ACTIONS

from .document import Document

__all__ = ("office",)

OFFERED = "offered_by: [{{alertname: NodeLagging}}]"
_OFFERING = ACTIONS
for _name in ("halt", "resume", "answering", "widen"):
    _OFFERING = _OFFERING.replace(f"  - name: {_name}\n", f"  - name: {_name}\n    {OFFERED}\n", 1)


@dataclass
class Seen:
    """What came back: where one is, with which status, and the page."""

    path: str
    status: int
    page: Document


@dataclass
class Browser:
    """One person's."""

    office: Office
    person: str

    async def cookie(self) -> str:
        return f"occ={await self.office.token(self.person)}"

    async def get(self, path: str, status: int = 200) -> Seen:
        async with self.office.client.get(path, headers={"Cookie": await self.cookie()}) as response:
            found = Seen(response.url.path, response.status, Document(await response.text()))
        assert found.status == status, found.page.text
        return found

    async def press(self, seen: Seen, do: str, within: Mapping[str, str] | None = None, /, **typed: str) -> Seen:
        """Presses a button: sends what is in its form, with what was typed or chosen, and goes where it is sent."""
        form = seen.page.form(do, **(within or {}))
        typed = {name.replace("__", "."): value for name, value in typed.items()}
        assert typed.keys() <= form.values.keys() | form.options.keys(), (typed, form)
        return await self.send(seen.path, {**form.values, **typed, "do": do})

    async def send(self, path: str, fields: dict[str, str], **headers: str) -> Seen:
        """A form, as this browser would from a page of this server, and the page after it."""
        origin = str(self.office.client.make_url("/")).rstrip("/")
        given = {"Cookie": await self.cookie(), "Origin": origin, **headers}
        post = self.office.client.post(path, data=fields, headers=given, allow_redirects=False)
        async with post as response:
            if response.status == HTTPStatus.SEE_OTHER:
                return await self.get(response.headers["Location"])
            if response.content_type != "text/html":
                return Seen(path, response.status, Document(f"<p>{await response.text()}</p>"))
            return Seen(path, response.status, Document(await response.text()))


@dataclass
class Hall:
    """Everybody's browsers."""

    office: Office

    def at(self, person: str) -> Browser:
        return Browser(self.office, person)


@pytest.fixture
async def hall(office: Office) -> Hall:
    """With actions that an alert NodeLagging offers."""
    await office.house.desk.adopt(office.world.write(_OFFERING), "receiver")
    return Hall(office)
