"""The desk, the engine, automation and the handling of incidents put together over one database."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Engine as Reading

from occ.page import Page

from . import clock, freezes
from .actions import Surroundings
from .audit.seal import Audit
from .audit.walk import Trouble
from .automation.meters import AutomationMeters
from .automation.watch import Automation
from .changes import Changes, Rules
from .clockguard import ClockGuard
from .desk import Desk
from .engine import Engine
from .incidents.changes import IncidentChanges
from .incidents.meters import IncidentMeters
from .incidents.room import Room
from .incidents.watch import Watch
from .meters import ActionMeters
from .prometheus import Prometheus
from .rulebook import Rulebook
from .runner import Means, Point
from .trading import Venue
from .writer import Writer


@dataclass(frozen=True, slots=True)
class Acting:
    """Where people act, what carries on what they have decided, what acts by itself, and the same of incidents."""

    desk: Desk
    engine: Engine
    automation: Automation
    room: Room
    watch: Watch


def acting(
    rulebook: Rulebook,
    *,
    writer: Writer[Any],
    reading: Reading,
    audit: Audit,
    prometheus: Prometheus,
    cover: Callable[[], None],
    page: Page,
    troubles: tuple[Trouble, ...] = (),
    venues: Mapping[str, Venue] = MappingProxyType({}),
    now: Callable[[], int] = clock.now,
    steady: Callable[[], int] = clock.steady,
    environment: Mapping[str, str] = os.environ,
    at: Callable[[Point], None] = lambda _: None,
) -> Acting:
    """All of them, over an audit that has begun and found `troubles`. Needs a running event loop.

    `cover` returns once a checkpoint outside the database covers the newest record; `at` is told of every point at which this
    process may end, for tests. `venues` are those of receiver.yml, for executors that trade.
    """
    rules = Rules(rulebook, Surroundings(prometheus=prometheus, venues=venues, now=now))
    meters = ActionMeters(page, (action.name for action in rulebook.catalogue.actions))

    def outside() -> str | None:
        return freezes.from_outside(rules.current.policy.freeze_file, environment)

    changes = Changes(writer, audit, meters, now)
    means = Means(
        changes=changes,
        reading=reading,
        audit=audit,
        rules=rules,
        prometheus=prometheus,
        cover=cover,
        outside=outside,
        guard=ClockGuard(now, steady),
        now=now,
        steady=steady,
    )
    desk = Desk(changes, reading, audit, rules, outside)
    engine = Engine(means, meters, troubles=troubles, at=at)
    incidents = IncidentChanges(changes, rules, IncidentMeters(page))
    watch = Watch(incidents, reading, rules, now)
    room = Room(incidents, reading, rules, now, watch)
    return Acting(desk, engine, Automation(means, AutomationMeters(page)), room, watch)
