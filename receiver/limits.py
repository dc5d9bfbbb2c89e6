"""How often an action may start. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .catalogue import Limits
from .clock import SECOND
from .why import Why

DAY = 86_400 * SECOND


def exceeded(limits: Limits, starts: Iterable[int], now: int) -> Why | None:
    """Why the action may not start now, after these starts; None where it may. Instants are microseconds since 1970.

    Starts are those of every request that was started, whatever became of it (`life.SPENT`). A start that lies in the future
    counts as one of now: a clock that was set back must not give anything free.
    """
    ages = [max(0, now - start) for start in starts]
    if limits.cooldown is not None and any(age < limits.cooldown * SECOND for age in ages):
        return Why.COOLDOWN
    if limits.per_day is not None and sum(age < DAY for age in ages) >= limits.per_day:
        return Why.PER_DAY
    return None
