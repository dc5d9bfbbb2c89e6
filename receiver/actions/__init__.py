"""Executors: what a step of an action can do. The folder is the registry, a file's name is the executor's.

A plugin file has, in the order in which they work:

    class Options(Model)                                          the keys of a step beside `executor`
    def keys(step) -> tuple[str, ...]                             what only one request may touch at a time, as target/engine
    async def plan(step, surroundings) -> StepPlan                what it would do now; raises Unfit where it may not
    async def execute(step, attempt, surroundings) -> Result      does it, once
    async def reconcile(step, attempt, surroundings) -> Result    what became of it, when nobody knows
    async def verify(step, attempt, surroundings) -> Result       whether its effect is there, as the target itself tells it

None of them raises what the far side does: that is a Result. What is shown, returned or logged never holds a secret, a URL or
a body.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from occ import plugins
from occ.config import Model
from occ.errors import OccError
from receiver import clock
from receiver.outgoing import Target
from receiver.prometheus import Prometheus
from receiver.why import Why

if TYPE_CHECKING:
    from receiver.trading import Venue

CONTRACT = ("Options", "keys", "plan", "execute", "reconcile", "verify")


class Applied(StrEnum):
    """Whether a side effect took place."""

    APPLIED = "applied"
    PARTLY = "partly"
    """Some of it did, and the rest will not."""
    NOT_APPLIED = "not_applied"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Step:
    """One step with the parameters in place: `options` hold no `$name` any more."""

    index: int
    executor: str
    options: Model


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What a step would do.

    `does` is part of the plan and its hash: it says all that the step may do, and does not depend on the moment. `evidence`
    is what was seen while planning, beside the plan. Values are strings.
    """

    does: Mapping[str, Any]
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it. `facts` are for people, in our words. `why` is there unless it was applied."""

    applied: Applied
    why: Why | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


class Unfit(OccError):  # noqa: N818 - it names what is the matter
    """A step can not or must not be done as things are now."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


class TooLate(OccError):  # noqa: N818 - it names what is the matter
    """What was about to be sent must not be: the deadline is over, or another process has taken over."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class Attempt:
    """One effect under way, or one that was.

    `key` is sent with it so that the target knows it again; `fence` grows with every holder of the lease. `clear` is awaited
    right before each send: it raises TooLate. `left` tells the seconds until the deadline, which end any waiting. `final`
    tells whether nothing that was sent can take effect any more.
    """

    key: str
    fence: int
    clear: Callable[[], Awaitable[None]]
    left: Callable[[], float]
    final: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What executors may use: the targets of actions.yml, the Prometheus that tells what is so, the venues of receiver.yml.

    A part that is not configured is not there; an executor that needs it says so when it plans. `now` tells the instant.
    """

    targets: Mapping[str, Target] = field(default_factory=dict)
    prometheus: Prometheus | None = None
    venues: Mapping[str, Venue] = field(default_factory=dict)
    now: Callable[[], int] = clock.now

    def to(self, targets: Mapping[str, Target]) -> Surroundings:
        """The same, with these targets."""
        return replace(self, targets=targets)


@cache
def executors() -> Mapping[str, ModuleType]:
    """All executors by name. The folder is looked at once."""
    return plugins.load(__import__(__name__, fromlist=["*"]), CONTRACT)
