"""What is known of the targets, and how that is put on the page: columns, outcomes, owners, sizes, what is derived.

The poller writes what it sees into the sights of a job and says when to show them. From there it goes one way: sights become
columns, and the job's part of the board of all fresh readings, of which `derive` makes what needs several targets.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from occ import metrics
from occ.errors import Reason
from occ.job import Aged, Job, Pins, Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column, Event, Page, Rows
from occ.state import TargetState

log = logging.getLogger(__name__)

Board = Mapping[str, Mapping[Target, Aged[Any]]]
"""The fresh readings of the whole exporter, by check and target."""

Derive = Callable[[Board], Iterable[Column]]


@dataclass(slots=True)
class Sight:
    """What is known of one target. Times are Unix time, but for `due_at` and `fresh_until`, which are the loop's."""

    reading: Any = None
    fresh_until: float = -math.inf
    success_at: float | None = None
    attempt_at: float | None = None
    up: bool = False
    reason: Reason | None = None
    failures: int = 0
    due_at: float = -math.inf


@dataclass(slots=True, eq=False)
class View:
    """A job as it is shown: its part of the board, and when (by the loop) the first of it grows too old."""

    job: Job
    rows: Rows
    sights: dict[Target, Sight]
    fresh: Mapping[Target, Aged[Any]] = field(default_factory=dict)
    expires: float = math.inf
    series: int = 0
    broken: bool = False
    shelf: dict[object, Rows] = field(default_factory=dict)

    @property
    def attempted(self) -> bool:
        """Whether there was an outcome for every target."""
        return all(sight.attempt_at is not None for sight in self.sights.values())

    def stale(self, sight: Sight, now: float) -> bool:
        """Whether the target's values are not on the page."""
        return now >= sight.fresh_until or self.broken

    def states(self, now: float) -> tuple[TargetState, ...]:
        """How its targets stand, for people."""
        return tuple(
            TargetState(
                target.id,
                up=sight.up,
                stale=self.stale(sight, now),
                reason=sight.reason,
                failures=sight.failures,
                success_at=sight.success_at,
                attempt_at=sight.attempt_at,
            )
            for target, sight in self.sights.items()
        )


class Display:
    """Keeps the page of one exporter's jobs. What it does for a job costs by that job alone; only `derive` looks at all."""

    def __init__(
        self,
        exporter: str,
        page: Page,
        jobs: tuple[Job, ...],
        *,
        derive: Derive,
        pin: Callable[[Board], Mapping[str, int]],
        pins: Pins,
    ) -> None:
        self.pins = pins
        self._exporter = exporter
        self._page = page
        self._derive = derive
        self._pin = pin
        self._broken = False
        self._capped: set[str] = set()
        self._sizes = dict.fromkeys((job.check for job in jobs), 0.0)
        self._size_rows = tuple({"exporter": exporter, "check": check} for check in self._sizes)
        self.views = tuple(self._first(job) for job in jobs)
        self.derive(-math.inf)
        self._show_sizes()
        self._show_owners()

    def _first(self, job: Job) -> View:
        """Every target of a job is on the page from the first one on: configured, not up, stale, its counters at 0."""
        labels = tuple(
            {"exporter": self._exporter, "target": target.id, "check": job.check, **target.labels}
            for target in job.targets
        )
        view = View(job, labels, {target: Sight() for target in job.targets})
        self._page.count(Event(metrics.SERIES_LIMIT_EXCEEDED, {"exporter": self._exporter, "check": job.check}, 0))
        for target, row in zip(job.targets, labels, strict=True):
            for reason in Reason:
                self._page.count(Event(metrics.TARGET_ERRORS, {**row, "reason": str(reason)}, 0))
            for event in _zeros(job.families, target):
                self._page.count(event)
        self.show(view, -math.inf)
        return view

    def drop(self) -> None:
        """Takes the jobs off the page. What was counted stays there."""
        for view in self.views:
            self._page.drop(view)
            self._page.drop((view, "targets"))

    def count_error(self, view: View, target: Target, reason: Reason) -> None:
        """One more error of a target."""
        labels = {"exporter": self._exporter, "target": target.id, "check": view.job.check, **target.labels}
        self._page.count(Event(metrics.TARGET_ERRORS, {**labels, "reason": str(reason)}))

    # --- one job -----------------------------------------------------------------------------------------------------

    def show(self, view: View, now: float) -> None:
        """Puts the fresh values of a job on the page. A mistake in its columns takes them off and its targets down."""
        readings, fresh, expires = {}, {}, math.inf
        for target, sight in view.sights.items():
            if now < sight.fresh_until and sight.success_at is not None:
                readings[target] = sight.reading
                fresh[target] = Aged(sight.reading, sight.success_at, sight.up)
                expires = min(expires, sight.fresh_until)
        view.fresh, view.expires = fresh, expires
        try:
            columns = view.job.columns(Readings(view.job.targets, readings, view.shelf))
            self._note_dropped(view, self._page.put(view, columns, bounded=True))
            view.broken = False
        except Exception:
            if not view.broken:
                log.exception("the columns of %s could not be made", view.job.check)
            view.broken = True
            self._page.put(view, (), bounded=True)
            self._count_internal(view)
        self._show_targets(view, now)
        self._resize(view)

    def expire(self, now: float) -> bool:
        """Shows again the jobs of which something has grown too old since; returns whether there were any."""
        expired = [view for view in self.views if view.expires <= now]
        for view in expired:
            self.show(view, now)
        return bool(expired)

    def _show_targets(self, view: View, now: float) -> None:
        sights, healthy = view.sights.values(), not (view.broken or self._broken)
        values: dict[Family, list[float | None]] = {
            metrics.TARGET_CONFIGURED: [1.0 for _ in sights],
            metrics.TARGET_UP: [float(sight.up and healthy) for sight in sights],
            metrics.TARGET_STALE: [float(view.stale(sight, now)) for sight in sights],
            metrics.TARGET_LAST_SUCCESS: [sight.success_at for sight in sights],
            metrics.TARGET_LAST_ATTEMPT: [sight.attempt_at for sight in sights],
        }
        self._page.put((view, "targets"), [Column(family, view.rows, column) for family, column in values.items()])

    def _resize(self, view: View) -> None:
        before, view.series = view.series, self._page.series(view)
        if view.series != before:
            self._sizes[view.job.check] += view.series - before
            self._show_sizes()

    def _count_internal(self, view: View) -> None:
        for target in view.job.targets:
            self.count_error(view, target, Reason.INTERNAL)

    def _note_dropped(self, view: View, dropped: int) -> None:
        if not dropped:
            return
        check = view.job.check
        self._page.count(Event(metrics.SERIES_LIMIT_EXCEEDED, {"exporter": self._exporter, "check": check}))
        if check not in self._capped:
            self._capped.add(check)
            log.error("limits.series is reached: %d series of %s are left out", dropped, check)

    # --- all of them -------------------------------------------------------------------------------------------------

    def derive(self, now: float) -> None:
        """Makes anew what needs several targets. It costs by all of them, however few have changed."""
        self.expire(now)
        board: dict[str, dict[Target, Aged[Any]]] = {}
        for view in self.views:
            board.setdefault(view.job.check, {}).update(view.fresh)
        broken = False
        try:
            self._page.put("derived", self._derive(board))
            self.pins.set(self._pin(board))
        except Exception:
            if not self._broken:
                log.exception("what is derived from several targets could not be made")
            self._page.put("derived", ())
            broken = True
        if broken != self._broken:
            self._broken = broken
            for view in self.views:
                if broken:
                    self._count_internal(view)
                self._show_targets(view, now)

    def _show_sizes(self) -> None:
        self._page.put("series", [Column(metrics.SERIES, self._size_rows, list(self._sizes.values()))])

    def _show_owners(self) -> None:
        named = {target.id: target for view in self.views for target in view.job.targets}
        rows = tuple(
            {"exporter": self._exporter, "target": name, **_owner(target), **target.labels}
            for name, target in named.items()
        )
        self._page.put("info", [Column(metrics.TARGET_INFO, rows, [1.0] * len(rows))])


def _owner(target: Target) -> dict[str, str]:
    return {name: target.facts.get(name, "") for name in ("team", "tier")}


def _zeros(families: Iterable[Family], target: Target) -> Iterable[Event]:
    """The counter series of a target that can be foreseen: those whose other labels have closed sets of values."""
    for family in families:
        others = [name for name in family.labels if name not in target.labels]
        if family.kind is Kind.COUNTER and all(name in family.values for name in others):
            own = {name: target.labels[name] for name in family.labels if name in target.labels}
            for values in product(*(family.values[name] for name in others)):
                yield Event(family, own | dict(zip(others, values, strict=True)), 0)
