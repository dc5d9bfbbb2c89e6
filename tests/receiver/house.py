"""Desk and engine over a real database, with a real trading engine as their target.

Prometheus is on the wire only: a server that speaks its API and says what a test wants it to. Time stands until a test moves
it, and the engine looks when it is told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from demo.engine.faults import Befalls, Fault, Trouble
from demo.engine.server import Server
from demo.engine.state import Engine as Trading
from occ.config import load
from occ.page import Page
from occ.process import new_page
from receiver import clock as real
from receiver.acting import Acting, acting
from receiver.audit.checkpoints import Checkpoints, private_key
from receiver.audit.keeping import Keeping
from receiver.audit.seal import Audit
from receiver.audit.walk import Trouble as Found
from receiver.config import ReceiverConfig, Venue
from receiver.database import Database, opened
from receiver.families import FAMILIES
from receiver.life import State
from receiver.policy import Person
from receiver.prometheus import Prometheus
from receiver.requests import Request
from receiver.rulebook import Rulebook
from receiver.runner import Point
from receiver.store import Delivery, record
from receiver.trading import opened as opened_venues
from receiver.writer import Writer
from tests.receiver import acting as files
from tests.receiver import support
from tests.receiver.conftest import Clock
from tests.receiver.support import NOW

ACTIONS = """
targets:
  engine: {{url: "{engine}", token: {{env: ENGINE_TOKEN}}, operations: /operations, receive_window: 2s}}
  other: {{url: "{engine}", token: {{env: ENGINE_TOKEN}}, operations: /operations, receive_window: 2s}}
  mute: {{url: "{mute}", token: {{env: ENGINE_TOKEN}}, receive_window: 2s}}
actions:
  - name: halt
    title: Stop the engine on a venue
    protective: true
    steps: [{{executor: http, target: engine, path: /halt, body: {{venue: $venue}}}}]
    parameters: {{venue: {{from_label: venue, choices: [binance, deribit]}}}}
    deadline: 3s
    verify: {{query: 'engine_quoting{{venue="$venue"}} == 0', heartbeat: engine_heartbeat, within: 30s}}
  - name: resume
    title: Let the engine quote again
    undo: halt
    steps: [{{executor: http, target: engine, path: /resume, body: {{venue: $venue}}}}]
    parameters: {{venue: {{choices: [binance, deribit]}}}}
    expires: {{approval: 10m, execution: 2m}}
    deadline: 3s
    verify: {{query: 'engine_quoting{{venue="$venue"}} == 1', heartbeat: engine_heartbeat, within: 30s}}
  - name: halt-all
    title: Stop the engine everywhere
    undo: resume
    steps:
      - {{executor: http, target: engine, path: /halt, body: {{venue: binance}}}}
      - {{executor: http, target: other, path: /halt, body: {{venue: deribit}}}}
    deadline: 3s
    verify: {{query: engine_quoting == 0, heartbeat: engine_heartbeat, within: 30s}}
  - name: seldom
    title: Stop the engine, and not often
    steps: [{{executor: http, target: engine, path: /halt, body: {{venue: binance}}}}]
    limits: {{cooldown: 1m, per_day: 3}}
    deadline: 3s
    verify: {{query: engine_quoting == 0, heartbeat: engine_heartbeat, within: 30s}}
  - name: answering
    title: Stop the engine where an alert wants it
    requires_firing: true
    steps: [{{executor: http, target: engine, path: /halt, body: {{venue: $venue}}}}]
    parameters: {{venue: {{from_label: venue, choices: [binance, deribit]}}}}
    deadline: 3s
    verify: {{query: engine_quoting == 0, heartbeat: engine_heartbeat, within: 30s}}
  - name: answering-safely
    title: As answering, and it reduces risk
    protective: true
    requires_firing: true
    steps: [{{executor: http, target: engine, path: /halt, body: {{venue: $venue}}}}]
    parameters: {{venue: {{from_label: venue, choices: [binance, deribit]}}}}
    deadline: 3s
    verify: {{query: engine_quoting == 0, heartbeat: engine_heartbeat, within: 30s}}
  - name: unasked
    title: Stop the engine, which can not be asked about it
    steps: [{{executor: http, target: mute, path: /halt, body: {{venue: binance}}}}]
    deadline: 3s
    verify: {{query: engine_quoting == 0, heartbeat: engine_heartbeat, within: 30s}}
  - name: widen
    title: Quote wider
    steps: [{{executor: parameter, target: engine, name: quote_width_bps, value: $width, min: 1, max: 50, max_change: 10}}]
    parameters: {{width: {{number: {{min: 1, max: 50}}}}}}
    deadline: 3s
    verify: {{query: engine_quoting == 1, heartbeat: engine_heartbeat, within: 30s}}
"""

POLICY = """
rules:
  - {{action: halt, request: [operator], approvals: [], review: [risk]}}
  - {{action: answering-safely, request: [operator], approvals: [], review: [risk]}}
  - {{action: "*", request: [operator], approvals: [{{role: trader, count: 1}}, {{role: risk, count: 1}}], review: [commander]}}
freeze: {{file: "{folder}/freeze", by: [operator, trader], unfreeze: {{role: commander, count: 2}}}}
release: {{role: commander, count: 2}}
"""

FINGERPRINT = "0123456789abcdef"


@dataclass
class Told:
    """What Prometheus says."""

    confirms: bool = True
    firing: bool = True
    answers: bool = True
    labels: dict[str, str] = field(default_factory=lambda: {"venue": "binance"})
    """What its alert has beside its name."""
    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it was asked something."""
    let: asyncio.Event | None = None
    """Where there is one, it answers once this is set."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Told]:
        app = web.Application()
        app.router.add_post("/api/v1/query", self._query)
        async with TestServer(app) as server:
            self.url = f"http://{server.host}:{server.port}"
            yield self

    async def _query(self, request: web.Request) -> web.Response:
        self.asked.set()
        if self.let:
            await self.let.wait()
        if not self.answers:
            return web.Response(status=503)
        expression = parse_qs(await request.text())["query"][0]
        if expression.startswith("ALERTS"):
            alert = {"alertname": "NodeLagging", "alertstate": "firing", **self.labels}
            found = [alert] if self.firing else []
        else:
            found = [{}] if self.confirms or "heartbeat" in expression else []
        result = [{"metric": labels, "value": [1, "1e12"]} for labels in found]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})


@dataclass
class Moving(Clock):
    """A wall clock, and a steady one that goes with it unless the wall clock is set."""

    steady: int = 1_000_000

    def steadily(self) -> int:
        return self.steady

    def passes(self, seconds: float) -> None:
        self.now += int(seconds * real.SECOND)
        self.steady += int(seconds * real.SECOND)


class Running(Moving):
    """The clocks as they are."""

    def __call__(self) -> int:
        return real.now()

    def steadily(self) -> int:
        return real.steady()


@dataclass
class Place:
    """Where a receiver keeps its files, and who is around it."""

    folder: Path
    engine: str
    prometheus: str
    clock: Moving = field(default_factory=Running)
    actions: str = ACTIONS
    policy: str = POLICY
    environment: dict[str, str] = field(default_factory=dict)
    mute: str = ""
    """Where the target `mute` is; with the others where it is not said."""
    venues: dict[str, Venue] = field(default_factory=dict)
    """Where it may trade: what the file `venues.yml` in the folder adds to the configuration."""

    def write(self, actions: str | None = None, people: Mapping[str, tuple[str, ...]] = files.PEOPLE) -> Rulebook:
        """The receiver's files, read as it does."""
        key = self.folder / "audit.key"
        before = key.read_text() if key.exists() else files.signing_key()
        venues = self.folder / "venues.yml"
        more = venues.read_text() if venues.exists() else ""
        path = files.files(self.folder, engine=self.engine, prometheus=self.prometheus, more=more)
        key.write_text(before)  # it outlives the process that made it
        written = (actions or self.actions).format(engine=self.engine, mute=self.mute or self.engine)
        (self.folder / "actions.yml").write_text(written)
        files.policy(self.folder, dict(people), self.policy.format(folder=self.folder))
        config = load(path, ReceiverConfig, files.ENVIRONMENT).config
        assert config.rulebook is not None
        self.venues = config.venues
        return config.rulebook

    @asynccontextmanager
    async def house(self, at: Callable[[Point], None] = lambda _: None) -> AsyncIterator[House]:
        """A receiver's desk and engine until the end of the context; then a restart is another one."""
        rulebook = self.write()
        checkpoints = Checkpoints(
            self.folder / "checkpoints", private_key((self.folder / "audit.key").read_text()), self.clock
        )
        audit = Audit(files.MAC_KEY.encode(), self.clock)
        page = new_page("receiver", "0" * 64, FAMILIES)
        with (
            opened(self.folder / "receiver.db") as database,
            Writer(database.writing, audit.closing, audit.committed) as writer,
        ):
            troubles = await writer.run(lambda connection: audit.begin(connection, checkpoints))
            keeping = Keeping(audit, checkpoints, database.reading, page, self.clock, troubles=troubles)
            keeping.cover()
            async with aiohttp.ClientSession() as session, opened_venues(self.venues, session) as venues:
                made = acting(
                    rulebook,
                    venues=venues,
                    writer=writer,
                    reading=database.reading,
                    audit=audit,
                    prometheus=Prometheus(session, self.prometheus),
                    cover=keeping.cover,
                    page=page,
                    troubles=troubles,
                    now=self.clock,
                    steady=self.clock.steadily,
                    environment=self.environment,
                    at=at,
                )
                house = House(self, made, database, writer, page, troubles, audit, checkpoints)
                yield house
                await house.still()
                keeping.cover()


class World(Place):
    """A place with a trading engine and a Prometheus that a test can reach into. Time stands there until it is moved."""

    def __init__(self, folder: Path, trading: Server, mute: Server, told: Told) -> None:
        self.trading, self.told = trading, told
        super().__init__(folder, trading.url, told.url, Moving(), mute=mute.url)

    def fails(self, fault: Fault, times: int | None = 1, befalls: Befalls = Befalls.CHANGES) -> None:
        """The trading engine fails the next orders, or questions about them, in this way."""
        self.trading.faults.set(Trouble(fault, befalls, times))

    @property
    def effects(self) -> dict[str, int]:
        """How often each order took effect, by its key."""
        return {key: times for key, times in self.trading.engine.effects.items() if times}

    @property
    def received(self) -> int:
        """How many orders came to the trading engine."""
        return sum(self.trading.engine.received.values())


@dataclass
class House:
    """A receiver at work, and what a test does with it."""

    place: Place
    acting: Acting
    database: Database
    writer: Writer[Any]
    page: Page
    troubles: tuple[Found, ...]
    audit: Audit
    checkpoints: Checkpoints

    def __post_init__(self) -> None:
        self.desk, self.engine = self.acting.desk, self.acting.engine
        self.room, self.watch = self.acting.room, self.acting.watch

    @property
    def world(self) -> World:
        """The place, where a test can reach into it."""
        assert isinstance(self.place, World)
        return self.place

    def person(self, name: str) -> Person:
        found = self.desk.rules.current.policy.person(name)
        assert found is not None
        return found

    async def planned(self, action: str = "halt", by: str = "opal", **more: Any) -> Request:
        given = {"parameters": {"venue": "binance"} if action in {"halt", "resume"} else {}}
        return await self.desk.plan(
            self.person(by), action, **{**given, "reason": "a test", "origin": "operator", **more}
        )

    async def submitted(self, action: str = "halt", by: str = "opal", **more: Any) -> Request:
        request = await self.planned(action, by, **more)
        return await self.desk.submit(self.person(by), request.id, request.plan_hash)

    async def approved(self, action: str = "halt", by: str = "opal", **more: Any) -> Request:
        """Submitted, and approved by whoever must."""
        request = await self.submitted(action, by, **more)
        for name in ("tara", "rita") if request.state is State.PENDING_APPROVAL else ():
            request = await self.desk.approve(self.person(name), request.id, request.plan_hash, "seen")
        assert request.state is State.APPROVED
        return request

    async def look(self) -> None:
        """Lets the engine look once, and carry on what it can."""
        await self.engine.tick()
        await self.still()

    async def still(self) -> None:
        while self.engine.tasks:
            await asyncio.wait(list(self.engine.tasks.values()))
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Lets the engine look until nothing changes any more while time stands.

        It looks twice: what one request held is let go at the look after its end, and free for others from then on.
        """
        before = None
        while before != (before := await self.states()):
            await self.look()
            await self.look()

    async def states(self) -> dict[str, str]:
        """By what the rows say, whether they are genuine or not."""
        return {row["id"]: row["state"] for row in self.rows("SELECT id, state FROM requests ORDER BY created_at DESC")}

    async def ended(self, request: Request) -> Request:
        """The request once the engine has done what it can."""
        await self.settle()
        return await self.desk.request(request.id)

    async def alert(self, name: str = "NodeLagging", venue: str = "binance") -> str:
        """Takes an alert in, as Alertmanager sends it; its fingerprint."""
        body = support.message(support.alert(name, labels={"venue": venue}))
        await self.writer.run(lambda connection: record(connection, Delivery("alertmanager", NOW, body)))
        with self.database.reading.begin() as connection:
            return str(connection.execute(text("SELECT fingerprint FROM episodes ORDER BY id DESC")).scalars().first())

    def tamper(self, statement: str, **values: Any) -> None:
        """What somebody does who can write to the file."""
        with self.database.writing.begin() as connection:
            assert connection.execute(text(statement), values).rowcount

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.database.reading.begin() as connection:
            return [row._asdict() for row in connection.execute(text(query), values)]

    def recorded(self) -> list[dict[str, Any]]:
        """The audit from the beginning."""
        return [orjson.loads(row["bytes"]) for row in self.rows("SELECT bytes FROM audit ORDER BY seq")]

    def kinds(self, request: Request) -> list[str]:
        return [entry["kind"] for entry in self.recorded() if entry["subject"] == f"request/{request.id}"]

    def notices(self) -> list[tuple[str, str, str]]:
        """What people are told: what about, how grave, and in which words."""
        rows = self.rows("SELECT kind, severity, text FROM outbox ORDER BY id")
        return [(row["kind"], row["severity"], orjson.loads(row["text"])["summary"]) for row in rows]

    def metric(self, name: str, **labels: str) -> float | None:
        self.page.refresh()
        for family in text_string_to_metric_families(self.page.render().decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return None


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """A trading engine on two venues, served at two ports, and a Prometheus that says what it is told."""
    engine = Trading({"binance": ("BTC/USDT",), "deribit": ("BTC-PERP",)})
    trading, mute = (Server(engine, token=files.ENGINE_TOKEN) for _ in range(2))
    mute.faults = trading.faults
    async with trading, mute, Told().serving() as told:
        yield World(folder, trading, mute, told)
