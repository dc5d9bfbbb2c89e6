"""The receiver's parts put together: writer, numbers, people, engine, routes, and what every request and answer must pass."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Self

from aiohttp import web
from sqlalchemy import Connection

from occ import http
from occ.config import Loaded
from occ.process import new_page
from occ.reload import Reloader
from occ.web import OPEN, application
from occ.webconfig import WebConfigFile

from . import api, clock
from .alertmanager import Alertmanager
from .api.server import Server
from .audit.seal import Audit, Closing
from .background import background
from .charts import Charts
from .config import ReceiverConfig
from .database import Database
from .families import FAMILIES, Taken
from .health import Health
from .hosts import Hosts, harden
from .ingest import Door, Intake
from .login import LoginPages
from .meters import Meters
from .notifying import Dispatcher, notifiers
from .pages import Pages
from .prometheus import Prometheus
from .queries import Standing, how_things_stand
from .reconciliation import Reconciliation
from .staff import Ledger, NotWhileRunning, Parts, Staff, at_work, ledger_of
from .store import Outcome
from .writer import Writer

log = logging.getLogger(__name__)

ALERTS_PATH = "/alertmanager"
_RESTART = "can not be changed while the receiver runs; restart it"


RELOADER = web.AppKey("reloader", Reloader[ReceiverConfig])


@asynccontextmanager
async def running(
    loaded: Loaded[ReceiverConfig],
    database: Database,
    now: Callable[[], int] = clock.now,
    *,
    rules: WebConfigFile = OPEN,
    load: Callable[[], Loaded[ReceiverConfig]] | None = None,
) -> AsyncIterator[web.Application]:
    """The application, with all that is at work behind it until the end of the context.

    `load` reads the configuration anew for a reload, which the `RELOADER` of the application does when it is wanted.
    """
    page = new_page("receiver", loaded.digest, FAMILIES)
    meters, ledger = Meters(page), ledger_of(loaded.config, now)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(http.session("receiver", page))
        writer = stack.enter_context(_writing(database, meters, ledger))
        health = Health()
        health.watch("database", writer.finding)
        told = notifiers(loaded.config)
        dispatcher = Dispatcher(told, reading=database.reading, writer=writer, page=page, now=now)
        await stack.enter_async_context(background(dispatcher.run, "notifying"))
        parts = Parts(loaded.config, database, page, meters, session, writer, dispatcher, health, now)
        staff = await stack.enter_async_context(at_work(parts, ledger)) if ledger else None
        comparing = await stack.enter_async_context(Comparing(parts, ledger.audit if ledger else None))
        yield _application(parts, loaded, load or (lambda: loaded), rules, staff=staff, comparing=comparing)


def _application(
    parts: Parts,
    loaded: Loaded[ReceiverConfig],
    load: Callable[[], Loaded[ReceiverConfig]],
    rules: WebConfigFile,
    *,
    staff: Staff | None,
    comparing: Comparing,
) -> web.Application:
    people = staff.people if staff else None

    def told(outcome: Outcome) -> None:
        comparing.told(outcome)
        if staff is not None:
            staff.told()

    intake = Intake(Door(loaded.config.ingest), parts.writer, parts.meters, parts.now, told)
    server = Server(parts.database.reading, people, parts.health)
    pages = Pages(loaded.config, server, parts.now)
    charts = Charts(pages.answer, parts.database.reading, parts.now, _prometheus(parts, loaded.config))
    hosts = Hosts(loaded.config)

    async def apply(again: Loaded[ReceiverConfig]) -> None:
        _refuse_what_needs_a_restart(loaded.config, again.config)
        door = Door(again.config.ingest)
        if staff is not None:
            await staff.follow(again.config)
        intake.door = door
        parts.dispatcher.follow(notifiers(again.config))
        pages.link(again.config)
        charts.prometheus = _prometheus(parts, again.config)
        hosts.serve(again.config)
        await comparing.follow(again.config)

    reloader = Reloader(name="receiver", page=parts.page, loaded=loaded, load=load, apply=apply, rules=rules)
    alerts = web.post(ALERTS_PATH, intake.alertmanager)
    for_people = [
        *LoginPages(people.doors if people else None, pages, charts.views()).routes(),
        *api.routes(server),
    ]
    app = application(
        name="receiver",
        page=parts.page,
        ready=lambda: True,
        rules=rules,
        own_logins=[alerts, *for_people] if people else [alerts],
        routes=[web.post("/-/reload", reloader.handle), *([] if people else for_people)],
    )
    app.middlewares.append(hosts.only)
    app.on_response_prepare.append(harden)
    app[RELOADER] = reloader
    return app


def _refuse_what_needs_a_restart(before: ReceiverConfig, after: ReceiverConfig) -> None:
    """What acting leans on must not become another thing under what is under way. Raises NotWhileRunning."""
    if after.database_path != before.database_path:
        raise NotWhileRunning(f"database: {_RESTART}")
    if (after.policy is None) != (before.policy is None):
        raise NotWhileRunning(f"policy: whether there is one {_RESTART}")
    for name in ("mac_key", "audit", "prometheus") if before.policy else ():
        if getattr(after, name) != getattr(before, name):
            raise NotWhileRunning(f"{name}: {_RESTART}")


# --- what is at work --------------------------------------------------------------------------------------------------


@contextmanager
def _writing(database: Database, meters: Meters, ledger: Ledger | None) -> Iterator[Writer[Any]]:
    """The one writer. What a commit makes of the audit is known before anybody who waits for it goes on."""
    loop = asyncio.get_running_loop()
    with database.reading.begin() as connection:
        meters.stand(how_things_stand(connection))

    def closing(connection: Connection) -> tuple[Standing, Closing | None]:
        return how_things_stand(connection), ledger.audit.closing(connection) if ledger else None

    def committed(closed: tuple[Standing, Closing | None]) -> None:
        standing, of_audit = closed
        if ledger:
            ledger.audit.committed(of_audit)
        loop.call_soon_threadsafe(meters.stand, standing)

    try:
        with Writer(database.writing, closing, committed) as writer:
            yield writer
    finally:
        if ledger:
            ledger.close()


class Comparing:
    """Compares what fires with the Alertmanager of the configuration in force, where it names one."""

    def __init__(self, parts: Parts, audit: Audit | None) -> None:
        self._parts, self._audit = parts, audit
        self._current: Reconciliation | None = None
        self._work = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.follow(self._parts.config)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._work.aclose()

    async def follow(self, config: ReceiverConfig) -> None:
        """Asks the servers of this configuration from now on."""
        await self._work.aclose()
        self._current = self._made(config)
        self._parts.health.watch("alertmanager", self._current.finding if self._current else None)
        if self._current is not None:
            await self._work.enter_async_context(background(self._current.run, "reconciliation"))

    def told(self, outcome: Outcome) -> None:
        """Hears of a notification that was kept: what it left out, or ended, is asked for now."""
        if self._current is None:
            return
        if outcome.truncated or not outcome.readable:
            self._current.wake(hurry=True)
        elif outcome.taken[Taken.RESOLVED]:
            self._current.wake()

    def _made(self, config: ReceiverConfig) -> Reconciliation | None:
        if config.alertmanager is None:
            return None
        parts = self._parts
        return Reconciliation(
            alertmanager=Alertmanager(parts.session, config.alertmanager.url.reveal()),
            prometheus=_prometheus(parts, config),
            reading=parts.database.reading,
            writer=parts.writer,
            meters=parts.meters,
            now=parts.now,
            receiver=config.alertmanager.receiver,
            audit=self._audit,
        )


def _prometheus(parts: Parts, config: ReceiverConfig) -> Prometheus | None:
    """Where none is configured, none."""
    return Prometheus(parts.session, config.prometheus.url.reveal()) if config.prometheus else None
