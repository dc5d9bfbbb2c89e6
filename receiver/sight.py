"""Whether an alert that resolved has recovered, or only was not seen any more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .prometheus import Prometheus, matcher


class Sight(StrEnum):
    """Of the entity of an alert, when that resolved."""

    KEPT = "kept"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Reads:
    """Of the reads that some targets have had within the hour (a target has one per check), how many are what now."""

    known: int
    fresh: int
    """Read, and not stale at any time of the last minute."""
    never: int
    """Stale for the whole hour, so that nothing can have ended because of it."""


async def seen(prometheus: Prometheus, labels: Mapping[str, str]) -> Sight:
    """Whether sight of the alert's entity was kept while it resolved. Raises SourceError.

    It was lost where a read of the target of the entity's name has gone stale, or is not there any more; where the entity is
    what several targets hang on, as a chain, if that is so of all; where it is no target's, by those of its parent; and where
    the exporter tells of no target at all. An alert without the label `exporter` depends on no target.
    """
    exporter = labels.get("exporter", "")
    if not exporter:
        return Sight.KEPT
    whose = matcher("exporter", exporter)
    for name in filter(None, (labels.get("entity", ""), labels.get("parent", ""))):
        itself = await _reads(prometheus, f"{whose},{matcher('target', name)}")
        if itself.known:
            return Sight.KEPT if itself.fresh + itself.never >= itself.known else Sight.LOST
        below = await _reads(prometheus, f"{whose},{matcher('target', f'{re.escape(name)}/.*', '=~')}")
        if below.known:
            return Sight.KEPT if below.fresh else Sight.LOST
    return Sight.KEPT if (await _reads(prometheus, whose)).fresh else Sight.LOST


async def _reads(prometheus: Prometheus, matchers: str) -> Reads:
    stale = f"occ_target_stale{{{matchers}}}"

    async def count(expression: str) -> int:
        found = await prometheus.query(f"count({expression})")
        return int(found[0].value) if found else 0

    return Reads(
        known=await count(f"last_over_time({stale}[1h])"),
        fresh=await count(f"({stale} == 0) unless (max_over_time({stale}[1m]) == 1)"),
        never=await count(f"({stale} == 1) and (min_over_time({stale}[1h]) == 1)"),
    )
