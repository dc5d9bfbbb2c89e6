"""What keeps the receiver from acting by itself, as far as it follows from what is recorded. Pure.

Instants and lengths of time are microseconds; instants since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from receiver import limits
from receiver.catalogue import Automation as Conditions
from receiver.catalogue import Limits
from receiver.clock import SECOND
from receiver.limits import DAY
from receiver.policy import Automation as Bounds
from receiver.why import Why

HOUR = 3_600 * SECOND

DOMAIN_OF_FINDINGS = "security"
"""Findings, and what else the security domain tells, may come of somebody who wants the receiver to act."""


@dataclass(frozen=True, slots=True)
class Scene:
    """How things stand around an alert that fires.

    `running` is for how long this process has run, by a clock that nobody can set; `alerts` how many page alerts came within
    the storm's length before the alert, after it, or up to now, whichever is most; `acts` whether a person acts on it.
    """

    now: int
    running: int
    firing_since: int
    domain: str
    alerts: int
    incomplete: bool
    frozen: bool
    jumped: bool
    acts: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for by itself: when, which action, and about which entity."""

    at: int
    action: str
    entity: str


@dataclass(frozen=True, slots=True)
class Done:
    """What was done within the last day: all that was `asked` for by itself, and the `starts` of the action by whomever."""

    asked: Collection[Asked]
    starts: Collection[int]


def young(scene: Scene, conditions: Conditions | None) -> bool:
    """Whether the alert has yet to fire for long enough. Of one that begins in the future nobody knows for how long."""
    long_enough = conditions.firing_for if conditions else 0.0
    return scene.now - scene.firing_since < int(long_enough * SECOND)


def objection(scene: Scene, bounds: Bounds, conditions: Conditions | None) -> Why | None:
    """The first thing that is against acting on the alert."""
    against = (
        (young(scene, conditions), Why.NOT_LONG),
        (scene.domain == DOMAIN_OF_FINDINGS, Why.FINDINGS),
        (scene.jumped, Why.CLOCK),
        (scene.running < int(bounds.grace * SECOND), Why.GRACE),
        (scene.frozen, Why.FROZEN),
        (scene.alerts >= bounds.storm.alerts, Why.STORM),
        (scene.incomplete, Why.INCOMPLETE),
        (scene.acts, Why.PERSON_ACTS),
    )
    return next((why for holds, why in against if holds), None)


def exceeded(wanted: Asked, done: Done, bounds: Bounds, conditions: Conditions | None, of: Limits) -> Why | None:
    """Whether so much was done already that no more may be asked for: by this action, about this entity, over all.

    What lies in the future counts as of now: a clock that was set back must not give anything free.
    """
    ages = [(max(0, wanted.at - each.at), each) for each in done.asked]
    lately = [each for age, each in ages if age < HOUR]
    same = [each for age, each in ages if age < DAY and each.action == wanted.action]
    against = (
        (conditions is not None and len(same) >= conditions.at_most, Why.AT_MOST),
        (any(each.entity == wanted.entity for each in lately), Why.SAME_ENTITY),
        (len(lately) >= bounds.per_hour, Why.PER_HOUR),
    )
    return next((why for holds, why in against if holds), None) or limits.exceeded(of, done.starts, wanted.at)
