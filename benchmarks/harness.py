"""Measuring two things side by side: in turn, in one run, as ratios, and the median of those."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Part:
    """One figure of a goal: what was found, what was wanted, and whether that is at least or at most."""

    name: str
    found: float
    wanted: float
    at_least: bool
    unit: str = "x"

    @property
    def reached(self) -> bool:
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted

    @property
    def measured(self) -> str:
        return f"{self.name}{' ' if self.name else ''}{_short(self.found)}{self.unit}"

    @property
    def goal(self) -> str:
        return (
            f"{self.name}{' ' if self.name else ''}{'>=' if self.at_least else '<='} {_short(self.wanted)}{self.unit}"
        )


@dataclass(frozen=True, slots=True)
class Result:
    """A goal and what was measured of it."""

    number: int
    what: str
    parts: tuple[Part, ...]
    note: str = ""

    @property
    def reached(self) -> bool:
        return all(part.reached for part in self.parts)

    @property
    def cells(self) -> tuple[str, str, str]:
        """Goal, measured and verdict, in words."""
        goal, measured = "; ".join(part.goal for part in self.parts), "; ".join(part.measured for part in self.parts)
        return goal, measured, "reached" if self.reached else "short"

    def row(self) -> str:
        return f"| {self.number} | {self.what} | {' | '.join(self.cells)} |"

    def told(self) -> str:
        goal, measured, verdict = self.cells
        return "\n  ".join(
            filter(
                None,
                (
                    f"{self.number}: {self.what}",
                    f"goal: {goal}",
                    f"measured: {measured}",
                    f"verdict: {verdict}",
                    self.note,
                ),
            )
        )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits either way


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratio(above: Callable[[], object], below: Callable[[], object], *, rounds: int = ROUNDS) -> float:
    """The median over rounds of the time of `above` divided by that of `below`, the two in turn."""
    gc.collect()
    gc.disable()
    try:
        above(), below()
        found = [seconds(above) / seconds(below) for _ in range(rounds)]
    finally:
        gc.enable()
    return statistics.median(found)
