"""A whole receiver with something of every kind in it: people, alerts, requests, incidents, and what Prometheus remembers.

Everything is real: the receiver as its process runs it, the trading engine, Prometheus with three hours of history.
"""

from __future__ import annotations

import hashlib
import math
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from demo.engine.server import Server
from demo.engine.state import Engine
from occ.config import load
from receiver.api.operations import BASE
from receiver.app import running
from receiver.config import ReceiverConfig
from receiver.database import opened
from tests.browser.tabs import Tab
from tests.receiver import acting
from tests.receiver.charts.past import remembering
from tests.receiver.support import AUTHORIZED, message

ACTIONS = """
targets:
  engine: {{url: "{engine}", token: {{env: ENGINE_TOKEN}}, operations: /operations, receive_window: 2s}}
actions:
  - name: halt
    title: Stop the engine on a venue
    protective: true
    steps: [{{executor: http, target: engine, path: /halt, body: {{venue: $venue}}}}]
    offered_by: [{{alertname: FeedFrozen}}]
    parameters: {{venue: {{from_label: venue, choices: [binance, deribit]}}}}
    automation:
      firing_for: 1s
      confirm: 'max_over_time(feed_frozen{{venue="$venue"}}[5m]) == 1'
      fresh: {{exporter: exchange, target: $venue, check: order_book}}
      at_most: 5
    deadline: 30s
    verify: {{query: 'engine_quoting{{venue="$venue"}} == 0', heartbeat: engine_heartbeat_timestamp_seconds, within: 30s}}
  - name: halt-with-approval
    title: Stop the engine on a venue, when two more people agree
    undo: resume
    steps: [{{executor: http, target: engine, path: /halt, body: {{venue: $venue}}}}]
    offered_by: [{{alertname: FeedFrozen}}]
    parameters: {{venue: {{from_label: venue, choices: [binance, deribit]}}}}
    deadline: 30s
    verify: {{query: 'engine_quoting{{venue="$venue"}} == 0', heartbeat: engine_heartbeat_timestamp_seconds, within: 30s}}
  - name: resume
    title: Let the engine quote again
    steps: [{{executor: http, target: engine, path: /resume, body: {{venue: $venue}}}}]
    parameters: {{venue: {{choices: [binance, deribit]}}}}
    deadline: 30s
    verify: {{query: 'engine_quoting{{venue="$venue"}} == 1', heartbeat: engine_heartbeat_timestamp_seconds, within: 30s}}
  - name: widen
    title: Quote wider
    steps: [{{executor: parameter, target: engine, name: quote_width_bps, value: $width, min: 1, max: 50, max_change: 10}}]
    parameters: {{width: {{number: {{min: 1, max: 50}}}}}}
    deadline: 30s
    verify: {{query: engine_quoting == 1, heartbeat: engine_heartbeat_timestamp_seconds, within: 30s}}
"""

POLICY = """
rules:
  - {action: halt, request: [operator], approvals: [], review: [risk], automation: shadow}
  - {action: "*", request: [operator], approvals: [{role: trader, count: 1}, {role: risk, count: 1}], review: [commander]}
automation: {grace: 1s}
escalation: [{severity: page, acknowledge_within: 10m, then: [commander]}]
freeze: {by: [operator, trader], unfreeze: {role: commander, count: 2}}
release: {role: commander, count: 2}
"""

RULES = """
groups:
  - name: of the tests
    rules:
      - alert: FeedFrozen
        expr: 'max by (venue) (avg_over_time(feed_frozen[1m])) > 0.5'
        labels: {severity: page, domain: exchange, entity: '{{ $labels.venue }}', parent: '{{ $labels.venue }}'}
"""

NOW = math.floor(time.time() / 15) * 15
SERIES: dict[str, Callable[[float], float | None]] = {
    'feed_frozen{venue="binance"}': lambda ago: None if 70 < ago < 80 else min(1.0, max(0.0, 1.4 - ago / 30)),
    'feed_frozen{venue="deribit"}': lambda ago: 0.0,
}


@dataclass
class Site:
    """A receiver to look at. `places` has what may stand in the place of a path, by the path or by what comes before it."""

    url: str
    folder: Path
    app: web.Application
    session: ClientSession
    engine: Server
    tokens: dict[str, str] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)

    @property
    def pages(self) -> list[str]:
        """Every path that answers a browser with a page, each with everything that can stand in it."""
        return [path for resource in self._pages() for path in self._filled(resource)]

    def _pages(self) -> list[str]:
        found = {
            route.resource.canonical for route in self.app.router.routes() if route.resource and route.method == "GET"
        }
        known = ("/api", "/-/", "/metrics", "/style.css", "/alertmanager")
        return sorted(path for path in found if not path.startswith(known) and not path.endswith((".svg", "/report")))

    def _filled(self, resource: str) -> list[str]:
        """What its place is called may mean another thing in every path, as `id` does."""
        if "{" not in resource:
            return [resource]
        place = re.sub(r"\{\w+\}.*", "", resource)
        return [re.sub(r"\{\w+\}", value, resource) for value in self.places.get(resource, self.places[place])]

    async def token(self, person: str) -> str:
        if person not in self.tokens:
            given = {"person": person, "password": acting.password(person)}
            self.tokens[person] = (await self.told("POST", "/sessions", None, given))["token"]
        return self.tokens[person]

    async def told(self, method: str, path: str, person: str | None, body: object = None) -> Any:
        """What the API answers to a person."""
        bearer = {"Authorization": f"Bearer {await self.token(person)}"} if person else {}
        async with self.session.request(method, f"{self.url}{BASE}{path}", json=body, headers=bearer) as response:
            answer = await response.json()
            assert response.status < 300, answer
            return answer

    async def post(self, path: str, person: str, **body: Any) -> Any:
        return await self.told("POST", path, person, body)

    async def get(self, path: str, person: str = "vic") -> Any:
        return await self.told("GET", path, person)

    async def send(self, *alerts: dict[str, Any]) -> None:
        """Takes alerts in, as Alertmanager sends them."""
        async with self.session.post(f"{self.url}/alertmanager", data=message(*alerts), headers=AUTHORIZED) as response:
            assert response.status == 200

    async def log_in(self, tab: Tab, person: str) -> None:
        await tab.log_in(person, acting.password(person))

    def digest(self) -> str:
        """Of all that is in the database."""
        with closing(sqlite3.connect(self.folder / "receiver.db")) as connection:
            return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    """A receiver with nothing in it as yet, a trading engine, and a Prometheus that tells nobody of what fires."""
    engine = Engine({"binance": ("BTC/USDT",), "deribit": ("BTC-PERP",)})
    (folder / "measured").mkdir()
    async with (
        Server(engine, token=acting.ENGINE_TOKEN) as trading,
        remembering(folder / "measured", RULES, SERIES, until=NOW, scrapes={"engine": trading.url[7:]}) as prometheus,
        serving(folder, trading, prometheus) as made,
    ):
        yield made


@asynccontextmanager
async def serving(
    folder: Path, trading: Server, prometheus: str, *, port: int = 0, more: str = "", actions: str = ""
) -> AsyncIterator[Site]:
    """The receiver as its process runs it; `more` stands at the end of its file, `actions` at that of its catalogue."""
    path = acting.files(folder, prometheus=prometheus, more=more)
    (folder / "actions.yml").write_text(ACTIONS.format(engine=trading.url) + actions)
    acting.policy(folder, rules=POLICY)
    loaded = load(path, ReceiverConfig, acting.ENVIRONMENT)
    with opened(folder / "receiver.db") as database:
        async with running(loaded, database) as app, TestServer(app, port=port) as server, ClientSession() as session:
            yield Site(str(server.make_url("/")).rstrip("/"), folder, app, session, trading)
