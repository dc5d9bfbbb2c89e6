"""What Prometheus must confirm before the receiver acts by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from receiver import verification
from receiver.catalogue import Automation as Conditions
from receiver.catalogue import Recent
from receiver.clock import SECOND
from receiver.clockguard import MOST
from receiver.prometheus import Prometheus
from receiver.sight import Sight, seen
from receiver.why import Why


async def objection(
    prometheus: Prometheus,
    labels: Mapping[str, str],
    needed: Collection[str],
    conditions: Conditions | None,
    now: int,
) -> Why | None:
    """The first thing that Prometheus does not confirm of an alert with these labels, of which `needed` must be its own.

    Raises SourceError.
    """
    if conditions and not await prometheus.query(conditions.confirm):
        return Why.SECOND_QUERY
    if not await prometheus.firing(labels, needed):
        return Why.NOT_FIRING
    if conditions and not await _read_lately(prometheus, conditions.fresh, now / SECOND):
        return Why.NOT_FRESH
    return Why.SIGHT_LOST if await seen(prometheus, labels) is Sight.LOST else None


async def recovered(prometheus: Prometheus, labels: Mapping[str, str]) -> bool:
    """Whether an alert that ended has ended by Prometheus' own word, and was not only lost from sight. Raises SourceError."""
    return not await prometheus.firing(labels) and await seen(prometheus, labels) is Sight.KEPT


async def _read_lately(prometheus: Prometheus, fresh: Recent, now: float) -> bool:
    """A read that begins in the future tells of a clock that is wrong, and of nothing else."""
    begun = await verification.reads(fresh, prometheus)
    return bool(begun) and all(-MOST / SECOND <= now - at <= fresh.within for at in begun)
