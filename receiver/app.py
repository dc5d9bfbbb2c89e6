"""The receiver's parts put together: writer, numbers, people, engine, routes, and what every request and answer must pass."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from aiohttp import ClientSession, web
from aiohttp.typedefs import Middleware
from sqlalchemy import Connection
from yarl import URL

from occ import http
from occ.config import Loaded
from occ.errors import OccError
from occ.page import Page
from occ.process import new_page
from occ.reload import Reloader
from occ.web import OPEN, Handler, application
from occ.webconfig import WebConfigFile

from . import api, clock
from .acting import acting
from .alertmanager import Alertmanager
from .api.operations import People
from .audit.checkpoints import CheckpointError, Checkpoints, private_key
from .audit.keeping import Keeping
from .audit.seal import OURSELVES, Audit, Closing
from .config import ReceiverConfig
from .database import Database
from .doors import Doors
from .families import FAMILIES, Taken
from .ingest import Door, Intake
from .login import LoginPages
from .meters import Meters
from .pages import Pages
from .prometheus import Prometheus
from .queries import Standing, how_things_stand
from .reconciliation import Reconciliation
from .sessions import Sessions
from .store import Outcome
from .writer import Writer

log = logging.getLogger(__name__)

# Nothing is loaded from anywhere but the stylesheet from here; no script runs, and no other page may frame this one.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would not say where a form came from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ALERTS_PATH = "/alertmanager"
ANEW = 5.0
"""Seconds until work in the background begins anew."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_RESTART = "can not be changed while the receiver runs; restart it"


RELOADER = web.AppKey("reloader", Reloader[ReceiverConfig])


class NotWhileRunning(OccError):  # noqa: N818 - it names what is the matter
    """A change that only a restart can bring about."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the rest is made of."""

    config: ReceiverConfig
    database: Database
    page: Page
    meters: Meters
    session: ClientSession
    writer: Writer[Any]
    now: Callable[[], int]


@dataclass(slots=True)
class Ledger:
    """The audit, and where its checkpoints go."""

    audit: Audit
    checkpoints: Checkpoints
    taken_over: bool = False
    """Whether what the start has found wrong is dealt with: a checkpoint makes it the past, so none may come before that."""

    def close(self) -> None:
        """The last checkpoint, once nothing is written any more."""
        try:
            if self.taken_over:
                self.checkpoints.write(self.audit.database, self.audit.known)
        except CheckpointError as error:
            log.error("the last records of the audit are under no checkpoint: %s", error)  # noqa: TRY400 - it says all


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
    meters, ledger = Meters(page), _ledger(loaded.config, now)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(http.session("receiver", page))
        writer = stack.enter_context(_writing(database, meters, ledger))
        parts = Parts(loaded.config, database, page, meters, session, writer, now)
        people = await stack.enter_async_context(_people(parts, ledger)) if ledger else None
        comparing = await stack.enter_async_context(Comparing(parts))
        yield _application(parts, loaded, load or (lambda: loaded), rules, people=people, comparing=comparing)


def _application(
    parts: Parts,
    loaded: Loaded[ReceiverConfig],
    load: Callable[[], Loaded[ReceiverConfig]],
    rules: WebConfigFile,
    *,
    people: People | None,
    comparing: Comparing,
) -> web.Application:
    intake = Intake(Door(loaded.config.ingest), parts.writer, parts.meters, parts.now, comparing.told)
    pages = Pages(loaded.config, parts.database.reading, parts.now)
    hosts = Hosts(loaded.config)

    async def apply(again: Loaded[ReceiverConfig]) -> None:
        _refuse_what_needs_a_restart(loaded.config, again.config)
        door, rulebook = Door(again.config.ingest), again.config.rulebook
        if people is not None and rulebook is not None:
            await people.desk.adopt(rulebook, OURSELVES)
            people.doors.link(_external_url(again.config))
        intake.door = door
        pages.link(again.config)
        hosts.serve(again.config)
        await comparing.follow(again.config)

    reloader = Reloader(name="receiver", page=parts.page, loaded=loaded, load=load, apply=apply, rules=rules)
    alerts = web.post(ALERTS_PATH, intake.alertmanager)
    for_people = [
        *LoginPages(people.doors if people else None, pages).routes(),
        *api.routes(parts.database.reading, people),
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
    app.on_response_prepare.append(_harden)
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


def _ledger(config: ReceiverConfig, now: Callable[[], int]) -> Ledger | None:
    """None where there is no policy, so that nobody can act."""
    if config.policy is None or config.audit is None or config.mac_key is None:
        return None
    key = private_key(config.audit.signing_key.reveal())
    return Ledger(Audit(config.mac_key.reveal().encode(), now), Checkpoints(config.audit.folder, key, now))


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


@asynccontextmanager
async def _people(parts: Parts, ledger: Ledger) -> AsyncIterator[People]:
    """Where people are configured: the audit from its start, the desk and the engine, and who is logged in."""
    config, audit, reading = parts.config, ledger.audit, parts.database.reading
    if config.rulebook is None or config.prometheus is None:
        raise NotWhileRunning("policy: needs actions and prometheus")
    troubles = await parts.writer.run(lambda connection: audit.begin(connection, ledger.checkpoints))
    keeping = Keeping(audit, ledger.checkpoints, reading, parts.page, parts.now, troubles=troubles)
    acts = acting(
        config.rulebook,
        writer=parts.writer,
        reading=reading,
        audit=audit,
        cover=keeping.cover,
        troubles=troubles,
        page=parts.page,
        prometheus=Prometheus(parts.session, config.prometheus.url.reveal()),
        now=parts.now,
    )
    sessions = Sessions(parts.writer, reading, audit, lambda: acts.desk.rules.current.policy, parts.now)
    if troubles:  # an older database that was put back holds sessions that were revoked since
        await sessions.end_everyones()
    await acts.desk.adopt(config.rulebook, OURSELVES)
    async with acts.engine.running():
        ledger.taken_over = True
        async with background(partial(keeping.run, acts.engine.alarm), "audit"):
            yield People(Doors(sessions, _external_url(config)), acts.desk, ledger.checkpoints)


class Comparing:
    """Compares what fires with the Alertmanager of the configuration in force, where it names one."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
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
        parts, prometheus = self._parts, config.prometheus
        return Reconciliation(
            alertmanager=Alertmanager(parts.session, config.alertmanager.url.reveal()),
            prometheus=Prometheus(parts.session, prometheus.url.reveal()) if prometheus else None,
            reading=parts.database.reading,
            writer=parts.writer,
            meters=parts.meters,
            now=parts.now,
            receiver=config.alertmanager.receiver,
        )


@asynccontextmanager
async def background(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> AsyncIterator[None]:
    """Work that goes on until the end of the context; where a mistake of ours ends it, it begins anew."""
    task = asyncio.create_task(_kept_up(work, name), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _kept_up(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    while True:
        try:
            await work()
        except Exception:  # the supervisor's boundary: nobody would notice that it is gone
            log.critical("%s has ended, and begins anew in %.0f s", name, ANEW, exc_info=True)
        await asyncio.sleep(ANEW)


def _external_url(config: ReceiverConfig) -> str | None:
    return config.external_url.reveal() if config.external_url else None


# --- what every request and answer passes -----------------------------------------------------------------------------


class Hosts:
    """The names by which this server may be called."""

    def __init__(self, config: ReceiverConfig) -> None:
        self._served: frozenset[str] = frozenset()
        self.only = _only_for(lambda: self._served)
        self.serve(config)

    def serve(self, config: ReceiverConfig) -> None:
        """Those of loopback, and of `external_url`."""
        external = URL(config.external_url.reveal()).host if config.external_url else None
        self._served = frozenset((*_LOOPBACK, external or "localhost"))


def _only_for(hosts: Callable[[], frozenset[str]]) -> Middleware:
    """Refuses requests that name another host: a foreign page whose name was made to resolve to this address.

    Over TLS a browser has done so, by the certificate; and Alertmanager and Prometheus may call this server as they like.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.secure and _host(request.headers.get("Host", "")) not in hosts():
            log.warning("refused a request for another host than those of external_url and loopback")
            return web.Response(status=403, text="this host name is not served here; set external_url\n")
        return await handler(request)

    return middleware


def _host(header: str) -> str:
    try:
        return (URL(f"http://{header}").host or "").lower()
    except ValueError:
        return ""


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
