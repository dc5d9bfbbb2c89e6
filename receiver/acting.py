"""The desk and the engine put together over one database."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine as Reading

from occ.page import Page

from . import clock, freezes
from .audit.seal import Audit
from .audit.walk import Trouble
from .changes import Changes, Rules
from .clockguard import ClockGuard
from .desk import Desk
from .engine import Engine
from .meters import ActionMeters
from .prometheus import Prometheus
from .rulebook import Rulebook
from .runner import Means, Point
from .writer import Writer


@dataclass(frozen=True, slots=True)
class Acting:
    """Where people act, and what carries on what they have decided."""

    desk: Desk
    engine: Engine


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
    now: Callable[[], int] = clock.now,
    steady: Callable[[], int] = clock.steady,
    environment: Mapping[str, str] = os.environ,
    at: Callable[[Point], None] = lambda _: None,
) -> Acting:
    """Both, over an audit that has begun and found `troubles`. Needs a running event loop.

    `cover` returns once a checkpoint outside the database covers the newest record; `at` is told of every point at which this
    process may end, for tests.
    """
    rules = Rules(rulebook)
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
    desk = Desk(changes, reading, audit, rules)
    return Acting(desk, Engine(means, meters, troubles=troubles, at=at))
