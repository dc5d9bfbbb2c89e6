from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import stamina
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from occ.config import Secret
from occ.process import new_page
from receiver import config
from receiver.database import Database, opened
from receiver.families import FAMILIES, Severity
from receiver.notifying import Dispatcher
from receiver.notifying.dispatch import TRIES
from receiver.notifying.message import Links, Message
from receiver.notifying.notifier import Notifier
from receiver.notifying.pagerduty import Service
from receiver.notifying.slack import Channel
from receiver.outbox import Notice, put
from receiver.writer import Writer
from tests.receiver.conftest import Clock
from tests.receiver.notifying.far import Far
from tests.receiver.support import NOW

LINKS = Links("https://occ.example")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is tried again at once is tried without a pause; and a machine that is busy is no far side that hangs."""
    monkeypatch.setattr("receiver.notifying.wire.WITHIN", 120.0)
    monkeypatch.setattr("receiver.notifying.dispatch.PATIENCE", 120.0)
    stamina.set_testing(testing=True, attempts=TRIES, cap=True)
    yield
    stamina.set_testing(testing=False)


def message(notice: Notice = Notice.INCIDENT_OPENED, severity: Severity = Severity.PAGE, /, **text: str) -> Message:
    words = {"summary": "ethereum has stalled"} | text
    return Message("0123456789abcdef", notice, severity, "incident/00112233aabbccdd", words, NOW)


def slack(far: Far, name: str = "ops", tells: tuple[str, ...] | None = None) -> Channel:
    return Channel(config.Slack.model_construct(name=name, kind="slack", url=Secret(far.url), tells=tells), LINKS)


def pagerduty(far: Far, name: str = "pager", tells: tuple[str, ...] | None = None) -> Service:
    key, url = Secret("r0uting-key"), Secret(far.url)
    made = config.PagerDuty.model_construct(name=name, kind="pagerduty", routing_key=key, url=url, tells=tells)
    return Service(made, LINKS)


@dataclass
class Post:
    """An outbox, and a dispatcher that looks when it is told to while time stands."""

    database: Database
    writer: Writer[Any]
    clock: Clock
    stack: AsyncExitStack
    notifiers: Sequence[Notifier] = ()
    dispatcher: Dispatcher = field(init=False)

    def __post_init__(self) -> None:
        self.page = new_page("receiver", "0" * 64, FAMILIES)
        self.restart()

    def restart(self) -> None:
        """Another process over the same database."""
        self.dispatcher = Dispatcher(
            self.notifiers, reading=self.database.reading, writer=self.writer, page=self.page, now=self.clock
        )

    def follow(self, *notifiers: Notifier) -> None:
        self.notifiers = notifiers
        self.dispatcher.follow(notifiers)

    async def far(self) -> Far:
        return await self.stack.enter_async_context(Far().serving())

    async def put(
        self, summary: str = "x", subject: str = "freeze/1", notice: Notice = Notice.FREEZE, **more: Any
    ) -> None:
        words = {"summary": summary, **more.pop("text", {})}
        given = {"each": True, "now": self.clock.now, **more}
        await self.writer.run(lambda connection: put(connection, notice, subject, words, **given))

    async def look(self) -> None:
        await self.dispatcher.look()
        await self.dispatcher.still()

    async def later(self, seconds: float = 0.0) -> None:
        """Looks after a while."""
        self.clock.now += int(seconds * 1_000_000)
        await self.look()

    def rows(self) -> list[dict[str, Any]]:
        query = (
            "SELECT d.*, o.subject FROM outbox_deliveries d JOIN outbox o ON o.id = d.notice_id ORDER BY o.id, notifier"
        )
        with self.database.reading.begin() as connection:
            return [row._asdict() for row in connection.execute(text(query))]

    def states(self) -> list[tuple[str, str]]:
        return [(row["notifier"], row["state"]) for row in self.rows()]

    def settled(self) -> list[bool]:
        with self.database.reading.begin() as connection:
            rows = connection.execute(text("SELECT settled_at FROM outbox ORDER BY id")).scalars()
            return [row is not None for row in rows]

    def metric(self, name: str, **labels: str) -> float | None:
        self.page.refresh()
        for family in text_string_to_metric_families(self.page.render().decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return None

    def told(self, target: str = "ops") -> dict[str, float | None]:
        """How often what came of telling a notifier."""
        outcomes = ("delivered", "failed", "given_up")
        return {each: self.metric("notifier_deliveries_total", target=target, outcome=each) for each in outcomes}


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with AsyncExitStack() as stack:
        database = stack.enter_context(opened(tmp_path / "receiver.db"))
        writer: Writer[None] = stack.enter_context(Writer(database.writing, lambda _: None, lambda _: None))
        made = Post(database, writer, Clock(), stack)
        yield made
        await made.dispatcher.still()
