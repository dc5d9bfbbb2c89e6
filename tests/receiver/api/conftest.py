"""The API over a desk and an engine that look when they are told to, with a real trading engine as their target."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from occ.config import load
from receiver import api
from receiver.api.operations import BASE, People
from receiver.api.server import Server
from receiver.app import running
from receiver.config import ReceiverConfig
from receiver.database import Database, opened
from receiver.doors import Doors
from receiver.health import Health
from receiver.login import LoginPages
from receiver.notifying import Dispatcher
from receiver.pages import Pages
from receiver.runner import Point
from receiver.sessions import Sessions
from tests.receiver import acting
from tests.receiver.house import House, Moving, World, world

Answer = dict[str, Any]


@dataclass
class Office:
    """A receiver with people, and what a test asks of it as one of them, or as nobody."""

    world: World
    clock: Moving
    house: House
    people: People
    client: TestClient[web.Request, web.Application]
    points: dict[Point, Callable[[], object]]
    """What happens when the engine comes to a point."""
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, person: str) -> str:
        if person not in self.tokens:
            found = await self.people.doors.sessions.log_in(person, acting.password(person), "10.0.0.1")
            assert found is not None
            self.tokens[person] = found[0]
        return self.tokens[person]

    async def ask(
        self,
        method: str,
        path: str,
        person: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> tuple[int, Any]:
        """Status and JSON."""
        bearer = {"Authorization": f"Bearer {await self.token(person)}"} if person else {}
        given = {**bearer, **(headers or {})}
        async with self.client.request(method, f"{BASE}{path}", headers=given, **more) as response:
            return response.status, await response.json()

    async def get(self, path: str, person: str | None = "vic") -> Answer:
        status, answer = await self.ask("GET", path, person)
        assert status == 200, answer
        return dict(answer)

    async def post(self, path: str, person: str, **body: Any) -> Answer:
        status, answer = await self.ask("POST", path, person, json=body)
        assert status in (200, 201), answer
        return dict(answer)

    async def refused(self, path: str, person: str | None, /, **body: Any) -> tuple[int, str]:
        """Status and why, of what must not be done."""
        status, answer = await self.ask("POST", path, person, json=body)
        assert status >= 400, answer
        return status, answer["error"]["why"]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    points: dict[Point, Callable[[], object]] = {}

    def at(point: Point) -> None:
        if point in points:
            points[point]()

    async with world(tmp_path) as outside, outside.house(at) as house:
        reading, now = house.database.reading, outside.clock
        assert isinstance(now, Moving)
        sessions = Sessions(house.writer, reading, house.audit, lambda: house.desk.rules.current.policy, now)
        dispatcher = Dispatcher((), reading=reading, writer=house.writer, page=house.page, now=now)
        people = People(Doors(sessions, "https://occ.example"), house.desk, house.checkpoints, house.room, dispatcher)
        app = web.Application()
        config = load(tmp_path / "receiver.yml", ReceiverConfig, acting.ENVIRONMENT).config
        health = Health()
        health.watch("database", house.writer.finding)
        server = Server(reading, people, health)
        pages = Pages(config, server, now)
        app.add_routes([*api.routes(server), *LoginPages(people.doors, pages).routes()])
        async with TestClient(TestServer(app)) as client:
            yield Office(outside, now, house, people, client, points)


@dataclass
class Whole:
    """The whole application as the process serves it, with its engine at work and the real time."""

    folder: Path
    client: TestClient[web.Request, web.Application]
    database: Database
    app: web.Application

    async def log_in(self, person: str) -> str:
        given = {"person": person, "password": acting.password(person)}
        async with self.client.post(f"{BASE}/sessions", json=given) as response:
            assert response.status == 201
            return str((await response.json())["token"])

    def digest(self) -> str:
        """Of all that is in the database."""
        with closing(sqlite3.connect(self.folder / "receiver.db")) as connection:
            return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    async with world(tmp_path) as outside:
        outside.write()
        loaded = load(tmp_path / "receiver.yml", ReceiverConfig, acting.ENVIRONMENT)
        with opened(tmp_path / "receiver.db") as database:
            async with running(loaded, database) as app, TestClient(TestServer(app)) as client:
                yield Whole(tmp_path, client, database, app)
