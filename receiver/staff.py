"""Where people are configured: the audit from its start, who is logged in, where they act, and all that acts for them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from aiohttp import ClientSession

from occ.errors import OccError
from occ.page import Page

from .acting import Acting, acting
from .api.operations import People
from .audit.checkpoints import CheckpointError, Checkpoints, private_key
from .audit.keeping import Keeping
from .audit.seal import OURSELVES, Audit
from .background import background
from .clock import span
from .clockguard import ClockGuard
from .config import ReceiverConfig
from .database import Database
from .doors import Doors
from .health import Condition, Finding, Health
from .meters import Meters
from .notifying import Dispatcher
from .prometheus import Prometheus
from .reach import Reach
from .sessions import Sessions
from .trading import Venues
from .writer import Writer

log = logging.getLogger(__name__)


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
    dispatcher: Dispatcher
    health: Health
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


def ledger_of(config: ReceiverConfig, now: Callable[[], int]) -> Ledger | None:
    """None where there is no policy, so that nobody can act."""
    if config.policy is None or config.audit is None or config.mac_key is None:
        return None
    key = private_key(config.audit.signing_key.reveal())
    return Ledger(Audit(config.mac_key.reveal().encode(), now), Checkpoints(config.audit.folder, key, now))


@dataclass(slots=True)
class Staff:
    """People, and what works for them."""

    people: People
    acts: Acting
    venues: Venues

    def told(self) -> None:
        """Something was heard: there may be an incident to open, or an action to take."""
        self.acts.watch.wake()
        self.acts.automation.wake()

    async def follow(self, config: ReceiverConfig) -> None:
        """Goes by this configuration from now on. Raises NotDurable; then by the one before."""
        if config.rulebook is None:
            raise NotWhileRunning("policy: needs actions")
        rules = self.people.desk.rules
        await self.people.desk.adopt(config.rulebook, OURSELVES)
        rules.around = replace(rules.around, venues=await self.venues.follow(config.venues))
        self.acts.watch.asked = asks(config)
        self.people.doors.link(external_url(config), config.proxies)


@asynccontextmanager
async def at_work(parts: Parts, ledger: Ledger) -> AsyncIterator[Staff]:
    """All of it until the end of the context. What the audit finds wrong at its start is dealt with before anybody is let in."""
    config, audit, reading = parts.config, ledger.audit, parts.database.reading
    if config.rulebook is None or config.prometheus is None:
        raise NotWhileRunning("policy: needs actions and prometheus")
    troubles = await parts.writer.run(lambda connection: audit.begin(connection, ledger.checkpoints))
    keeping = Keeping(audit, ledger.checkpoints, reading, parts.page, parts.now, troubles=troubles)
    prometheus = Prometheus(parts.session, config.prometheus.url.reveal())
    reach = Reach(prometheus, parts.now)
    _watch(parts, keeping, reach)
    async with AsyncExitStack() as stack:
        venues = Venues(parts.session)
        stack.push_async_callback(venues.close)
        acts = acting(
            config.rulebook,
            writer=parts.writer,
            reading=reading,
            audit=audit,
            cover=keeping.cover,
            troubles=troubles,
            page=parts.page,
            prometheus=prometheus,
            venues=await venues.follow(config.venues),
            now=parts.now,
        )
        acts.watch.asked = asks(config)
        parts.health.watch("incidents", acts.watch.finding)
        sessions = Sessions(parts.writer, reading, audit, lambda: acts.desk.rules.current.policy, parts.now)
        if troubles:  # an older database that was put back holds sessions that were revoked since
            await sessions.end_everyones()
        await acts.desk.adopt(config.rulebook, OURSELVES)
        await stack.enter_async_context(acts.engine.running())
        ledger.taken_over = True
        for work, name in (
            (partial(keeping.run, acts.engine.alarm), "audit"),
            (acts.watch.run, "incidents"),
            (acts.automation.run, "automation"),
            (reach.run, "reach"),
        ):
            await stack.enter_async_context(background(work, name))
        doors = Doors(sessions, external_url(config), config.proxies)
        yield Staff(People(doors, acts.desk, ledger.checkpoints, acts.room, parts.dispatcher), acts, venues)


def _watch(parts: Parts, keeping: Keeping, reach: Reach) -> None:
    """What is asked when somebody wants to know how the receiver is."""
    guard = ClockGuard(parts.now)

    def of_clock() -> Finding:
        if guard.jumped():
            away = span(abs(guard.jump()))
            return Finding(Condition.ILL, f"the wall clock was set by {away} since this process started")
        return Finding(Condition.WELL, "nobody has set the wall clock since this process started")

    for part, look in {
        "audit": keeping.finding,
        "checkpoints": keeping.covered,
        "clock": of_clock,
        "prometheus": reach.finding,
    }.items():
        parts.health.watch(part, look)


def asks(config: ReceiverConfig) -> bool:
    """Whether it is asked of every alert that ends if sight of it was lost."""
    return config.alertmanager is not None and config.prometheus is not None


def external_url(config: ReceiverConfig) -> str | None:
    """Where people reach this server, if that is not where it listens."""
    return config.external_url.reveal() if config.external_url else None
