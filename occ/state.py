"""How the jobs of an exporter stand, for people: what `/` and `/debug` show."""

from __future__ import annotations

from dataclasses import dataclass

from occ.errors import Reason
from occ.job import Pace


@dataclass(frozen=True, slots=True)
class TargetState:
    """One target of a job. Times are Unix time; None is: not yet."""

    id: str
    up: bool
    stale: bool
    reason: Reason | None
    failures: int
    success_at: float | None
    attempt_at: float | None


@dataclass(frozen=True, slots=True)
class JobState:
    """One job. `stream` is None without one, else whether it is followed now. `took` and `due_in` are seconds."""

    check: str
    pace: Pace
    stream: bool | None
    took: float | None
    due_in: float | None
    series: int
    targets: tuple[TargetState, ...]
