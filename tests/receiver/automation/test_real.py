"""From a feed that freezes to an engine that is halted: a receiver as a process of its own, Prometheus, Alertmanager and the
trading engine, all of them real. The feed's exporter alone is a page that the test writes.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from demo.engine.server import Server
from demo.engine.state import Engine as Trading
from demo.processes import free_ports
from demo.until import until
from receiver.api.operations import BASE
from tests.receiver import acting as files
from tests.receiver.automation.support import ACTIONS, policy
from tests.receiver.house import Place
from tests.receiver.servers import Exposed, alertmanager, prometheus
from tests.receiver.support import started

T = TypeVar("T")

SOON = 90.0
RULES = """
groups:
  - name: feeds
    rules:
      - alert: FeedFrozen
        expr: feed_frozen == 1
        labels: {severity: page, domain: exchange, exporter: exchange, entity: '{{ $labels.feed }}'}
"""
QUICKLY = (
    ACTIONS.replace("firing_for: 30s", "firing_for: 1s")
    .replace("deadline: 3s", "deadline: 30s")
    .replace("second{{", "max_over_time(feed_frozen{{")
    .replace("}} == 1', at_most", "}}[5s]) == 1', at_most")
    .replace("engine_heartbeat,", "engine_heartbeat_timestamp_seconds,")
)


class Feeds(Exposed):
    """The page of an exporter that has just read every feed; it says which are frozen."""

    def __init__(self) -> None:
        self.frozen: dict[str, int] = {"binance": 0}
        super().__init__()

    @property
    def text(self) -> str:
        target = '{exporter="exchange",target="binance",check="book"}'
        lines = [f'feed_frozen{{venue="binance",feed="{feed}"}} {value}' for feed, value in self.frozen.items()]
        lines += [f"occ_target_last_attempt_timestamp_seconds{target} {time.time()}", f"occ_target_up{target} 1"]
        lines += [f'occ_target_stale{{exporter="exchange",target="{feed}",check="book"}} 0' for feed in self.frozen]
        return "\n".join([*lines, ""])

    @text.setter
    def text(self, _: str) -> None:
        """It is made anew at each scrape."""


@dataclass
class Desk:
    """What people see and do from outside."""

    session: aiohttp.ClientSession
    place: Place
    trading: Trading
    feeds: Feeds
    url: str = ""
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(self, path: str, person: str = "vic", **body: Any) -> Any:
        if person not in self.tokens:
            self.tokens[person] = (await self._asked("/sessions", "", person=person, password=files.password(person)))[
                "token"
            ]
        return await self._asked(path, self.tokens[person], **body)

    async def _asked(self, path: str, token: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        method = "POST" if body else "GET"
        async with self.session.request(
            method, f"{self.url}{BASE}{path}", headers=headers, json=body or None
        ) as answer:
            assert answer.status in (200, 201), await answer.text()
            return await answer.json()

    async def adopt(self, mode: str) -> None:
        """Other rules, by a reload."""
        self.place.policy = soon(mode)
        files.policy(self.place.folder, rules=self.place.policy.format(folder=self.place.folder))
        async with self.session.post(f"{self.url}/-/reload") as answer:
            assert answer.status == 200, await answer.text()

    async def decisions(self) -> list[tuple[str, str, str | None]]:
        """Kind, outcome and why of each, the newest first."""
        found = (await self.ask("/automation"))["decisions"]
        return [(each["kind"], each["outcome"], each["why"]) for each in found]

    async def request(self, *states: str) -> dict[str, Any]:
        """The newest request that nobody asked for, once it is in one of these states."""

        async def there() -> dict[str, Any] | None:
            found = [each for each in (await self.ask("/requests"))["requests"] if each["origin"] == "automatic"]
            return found[0] if found and found[0]["state"] in states else None

        return await soon_there(there)

    async def decided(self, kind: str, outcome: str, why: str | None = None) -> None:
        async def there() -> bool:
            return (kind, outcome, why) in await self.decisions()

        await soon_there(there)


async def soon_there(condition: Callable[[], Awaitable[T | None]]) -> T:
    found = await until(condition, SOON)
    assert found is not None
    return found


def soon(mode: str) -> str:
    return policy(mode).replace("grace: 1m", "grace: 1s")


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """All of it at work, in shadow."""
    monkeypatch.setenv("ENGINE_TOKEN", files.ENGINE_TOKEN)
    ports = free_ports(2)
    told, asked = (f"http://127.0.0.1:{port}" for port in ports)
    trading = Trading({"binance": ("BTC/USDT",), "deribit": ("BTC-PERP",)})
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(Server(trading, token=files.ENGINE_TOKEN))
        feeds = await stack.enter_async_context(Feeds().serving())
        assert isinstance(feeds, Feeds)
        place = Place(tmp_path, engine.url, asked, actions=QUICKLY, policy=soon("shadow"))
        place.write()
        with (tmp_path / "receiver.yml").open("a") as config:
            config.write(f'alertmanager: {{url: "{told}"}}\n')
        receiver = await stack.enter_async_context(started(tmp_path / "receiver.yml"))
        await stack.enter_async_context(alertmanager(tmp_path, receiver.url, port=ports[0]))
        scrapes = {"engine": engine.url.removeprefix("http://"), "feeds": feeds.address}
        (tmp_path / "scraping").mkdir()
        seeing = prometheus(
            tmp_path / "scraping",
            scrapes=scrapes,
            rules=RULES,
            alertmanagers=[told.removeprefix("http://")],
            port=ports[1],
        )
        await stack.enter_async_context(seeing)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Desk(session, place, trading, feeds, receiver.url)


async def test_in_shadow_it_is_told_and_then_it_is_done_unless_frozen(desk: Desk) -> None:
    desk.feeds.frozen["binance"] = 1
    await desk.decided("shadow", "acted")
    (decision,) = (await desk.ask("/automation"))["decisions"]
    assert (decision["action"], decision["parameters"], decision["request"]) == ("halt", {"venue": "binance"}, None)
    assert decision["does"][0]["path"] == "/halt"
    assert (desk.trading.halted, desk.trading.received) == (set(), {})

    frozen = await desk.ask("/freezes", "opal", scope="everything", reason="not now")
    await desk.adopt("auto")
    await desk.decided("auto", "held", "frozen")
    for person in ("cora", "carl"):
        await desk.ask(f"/freezes/{frozen['id']}/unfreeze", person, reason="go on")
    request = await desk.request("succeeded")
    assert (request["person"], request["action"], desk.trading.halted) == ("receiver", "halt", {"binance"})
    assert sum(desk.trading.effects.values()) == 1


async def test_what_is_proposed_is_withdrawn_when_the_alert_resolves_and_approved_when_it_does_not(desk: Desk) -> None:
    await desk.adopt("propose")
    desk.feeds.frozen["binance"] = 1
    await desk.request("pending_approval")
    desk.feeds.frozen["binance"] = 0
    await desk.request("cancelled")
    await desk.decided("propose", "withdrawn", "not_firing")

    desk.feeds.frozen["binance/other"] = 1
    proposed = await desk.request("pending_approval")
    whole = await desk.ask(f"/requests/{proposed['id']}")
    assert whole["approvers"] == ["opal", "otto", "rita"]
    await desk.ask(f"/requests/{proposed['id']}/approve", "rita", plan_hash=proposed["plan_hash"], reason="go")
    assert (await desk.request("succeeded"))["id"] == proposed["id"]
    assert desk.trading.halted == {"binance"}


async def test_in_a_storm_it_stands_back(desk: Desk) -> None:
    await desk.adopt("off")
    for number in range(5):
        desk.feeds.frozen[f"binance/{number}"] = 1
    await soon_there(lambda: firing(desk, 5))
    await desk.adopt("auto")
    await desk.decided("auto", "held", "storm")
    await soon_there(lambda: all_held(desk, 5))
    assert (desk.trading.halted, desk.trading.received) == (set(), {})


async def firing(desk: Desk, number: int) -> bool:
    """Whether the receiver knows of so many alerts; each comes by itself."""
    return len((await desk.ask("/episodes?status=firing"))["episodes"]) == number


async def all_held(desk: Desk, number: int) -> bool:
    found = await desk.decisions()
    return len(found) == number and set(found) == {("auto", "held", "storm")}
