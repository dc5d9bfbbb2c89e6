"""A receiver that may act by itself, over a real database and with a real trading engine.

Prometheus is on the wire only: a server that speaks its API and says what a test wants it to. Time stands until it is moved.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from demo.engine.server import Server
from demo.engine.state import Engine as Trading
from receiver.clock import SECOND
from receiver.requests import Request
from receiver.store import Delivery, record
from tests.receiver import acting as files
from tests.receiver import support
from tests.receiver.house import House, Moving, Told, World

CONDITIONS = """
    automation: {{firing_for: 30s, confirm: 'second{{venue="$venue"}} == 1', at_most: 3,
                  fresh: {{exporter: exchange, target: $venue, check: book, within: 20s}}}}
"""

COMMON = """
    parameters: {{venue: {{from_label: venue, choices: [binance, deribit]}}}}
    deadline: 3s
    verify: {{query: 'engine_quoting{{venue="$venue"}} == 0', heartbeat: engine_heartbeat, within: 30s}}
"""

ACTIONS = f"""
targets:
  engine: {{{{url: "{{engine}}", token: {{{{env: ENGINE_TOKEN}}}}, operations: /operations, receive_window: 2s}}}}
  other: {{{{url: "{{engine}}", token: {{{{env: ENGINE_TOKEN}}}}, operations: /operations, receive_window: 2s}}}}
actions:
  - name: halt
    title: Stop the engine on a venue
    protective: true
    offered_by: [{{{{alertname: FeedFrozen}}}}]
    steps: [{{{{executor: http, target: engine, path: /halt, body: {{{{venue: $venue}}}}}}}}]
    {COMMON.strip()}
    {CONDITIONS.strip()}
  - name: halt-all
    title: Stop the engine everywhere
    protective: true
    offered_by: [{{{{alertname: AllFrozen}}}}]
    steps:
      - {{{{executor: http, target: engine, path: /halt, body: {{{{venue: binance}}}}}}}}
      - {{{{executor: http, target: other, path: /halt, body: {{{{venue: deribit}}}}}}}}
    limits: {{{{cooldown: 10m, per_day: 3}}}}
    {COMMON.strip()}
    {CONDITIONS.strip()}
  - name: resume
    title: Let the engine quote again
    offered_by: [{{{{alertname: FeedIsBack}}}}]
    steps: [{{{{executor: http, target: engine, path: /resume, body: {{{{venue: $venue}}}}}}}}]
    {COMMON.strip()}
    {CONDITIONS.strip()}
"""

POLICY = """
groups: {{oncall: [otto, rita]}}
rules:
  - {{action: halt, request: [operator, oncall], approvals: [], review: [risk], automation: MODE}}
  - {{action: halt-all, request: [operator], approvals: [], review: [risk], automation: MODE}}
  - {{action: resume, request: [operator], approvals: [{{role: trader}}, {{role: risk}}], automation: ASKING}}
freeze: {{file: "{folder}/freeze", by: [operator, trader], unfreeze: {{role: commander, count: 2}}}}
automation: {{grace: 1m, storm: {{alerts: 5, within: 1m}}, per_hour: 4}}
"""

LABELS = {"venue": "binance", "entity": "binance", "domain": "exchange", "severity": "page"}
"""Of an alert, where a test says nothing else."""

LONG_ENOUGH = 30.0
GRACE = 60.0


def policy(mode: str) -> str:
    """The policy with one mode for all; what needs approvals can not be auto."""
    return POLICY.replace("MODE", mode).replace("ASKING", "propose" if mode == "auto" else mode)


@dataclass
class Word(Told):
    """What Prometheus says: which alerts fire, by their labels; whether the second query holds; how old the last read is."""

    fires: list[dict[str, str]] = field(default_factory=list)
    second: bool = True
    age: float | None = 1.0
    up: bool = True
    stale: bool = False
    clock: Moving = field(default_factory=Moving)
    queries: list[str] = field(default_factory=list)
    refused: int = 0
    """How many questions it did not answer."""

    async def _query(self, request: web.Request) -> web.Response:
        if not self.answers:
            self.refused += 1
            return web.Response(status=503)
        expression = parse_qs(await request.text())["query"][0]
        self.queries.append(expression)
        result = [{"metric": labels, "value": [1, value]} for labels, value in self._vector(expression)]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    def _vector(self, expression: str) -> list[tuple[dict[str, str], str]]:
        now = self.clock() / SECOND
        if named := re.match(r'ALERTS\{alertname="([^"]*)"', expression):
            return [({**each, "alertstate": "firing"}, "1") for each in self.fires if each["alertname"] == named[1]]
        if expression.startswith("occ_target_last_attempt_timestamp_seconds"):
            return [] if self.age is None else [({}, str(now - self.age))]
        holds = {
            "occ_target_up": (True, str(int(self.up))),
            "second": (self.second, "1"),
            "count(last_over_time(": (True, "1"),
            "count((occ_target_stale": ("unless" in expression and not self.stale, "1"),
        }
        found = next((each for start, each in holds.items() if expression.startswith(start)), (True, "1e12"))
        return [({}, found[1])] if found[0] else []


@dataclass
class Scene:
    """A receiver at work, and what a test does around it."""

    house: House
    word: Word
    world: World

    @property
    def effects(self) -> dict[str, int]:
        """How often each order took effect, by its key."""
        return self.world.effects

    @property
    def halted(self) -> set[str]:
        return set(self.world.trading.engine.halted)

    def passes(self, seconds: float) -> None:
        self.world.clock.passes(seconds)

    async def fires(self, name: str = "FeedFrozen", *, told: bool = True, ends: bool = False, **labels: str) -> str:
        """An alert as Alertmanager sends it, and as Prometheus has it where it was `told`; its fingerprint."""
        common = LABELS | labels
        now = self.world.clock.now
        known = {"alertname": name, **common}
        if ends:
            self.word.fires = [each for each in self.word.fires if each != known]
        elif told:
            self.word.fires.append(known)
        began = self._began.setdefault(repr(sorted(known.items())), now)
        await self.sent(support.alert(name, starts=began, ends=now if ends else None, labels=common))
        return str(
            self.house.rows("SELECT fingerprint FROM episodes ORDER BY updated_at DESC, id DESC")[0]["fingerprint"]
        )

    async def sent(self, *alerts: dict[str, Any], **fields: Any) -> None:
        body, now = support.message(*alerts, **fields), self.world.clock.now
        await self.house.writer.run(lambda connection: record(connection, Delivery("alertmanager", now, body)))

    async def look(self) -> None:
        """Lets automation look, and then the engine until nothing changes any more."""
        await self.house.acting.automation.look()
        await self.house.settle()

    async def lasts(self, seconds: float = LONG_ENOUGH) -> None:
        """Time passes, and automation looks."""
        self.passes(seconds)
        await self.look()

    async def requests(self) -> list[Request]:
        """Those that nobody asked for, the oldest first."""
        found = await self.house.desk.requests()
        return [each for each in reversed(found) if each.origin == "automatic"]

    def decisions(self) -> list[tuple[str, str, str, str]]:
        """Action, kind, outcome and why of each, the oldest first."""
        rows = self.house.rows("SELECT action, kind, outcome, why FROM automations ORDER BY id")
        return [(row["action"], row["kind"], row["outcome"], row["why"]) for row in rows]

    def __post_init__(self) -> None:
        self._began: dict[str, int] = {}


@asynccontextmanager
async def around(folder: Path, mode: str = "auto") -> AsyncIterator[World]:
    """A trading engine on two venues and a Prometheus, and the files of a receiver that may act by itself."""
    engine = Trading({"binance": ("BTC/USDT",), "deribit": ("BTC-PERP",)})
    async with Server(engine, token=files.ENGINE_TOKEN) as trading, Word().serving() as told:
        assert isinstance(told, Word)
        world = World(folder, trading, trading, told)
        world.actions, world.policy, told.clock = ACTIONS, policy(mode), world.clock
        yield world


@asynccontextmanager
async def scene(world: World, *, grace: bool = False) -> AsyncIterator[Scene]:
    """A receiver that has run for long enough to act by itself; with `grace`, one that has just started."""
    async with world.house() as house:
        assert isinstance(world.told, Word)
        await house.engine.take_over()
        if not grace:
            world.clock.passes(GRACE)
        yield Scene(house, world.told, world)
