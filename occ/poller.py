"""Runs jobs: one owner of time, outcome and errors for everything that is read.

Each job has a task of its own. A job with a stream follows it, and reads only while the stream is lost. A target that fails waits longer and longer, up to its pace's patience, without holding up
the others of its job: those that answered last time are asked first. What was read is put on the page as columns as soon
as the cycle ends, or within PUBLISH_INTERVAL while others of it are still awaited.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from occ import metrics
from occ.errors import CatalogueError, Reason, SourceError
from occ.job import Aged, Job, Pins, Readings, Results, Target
from occ.metrics import Family, Kind
from occ.page import Column, Event, Format, Page, Rows
from occ.state import JobState, TargetState

log = logging.getLogger(__name__)

PUBLISH_INTERVAL = 0.25
FIRST_SPREAD = 1.0
JITTER = 0.05

Board = Mapping[str, Mapping[Target, Aged[Any]]]
"""The fresh readings of the whole exporter, by check and target."""

Derive = Callable[[Board], Iterable[Column]]


@dataclass(slots=True)
class _Sight:
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
class _Work:
    """A job on its way."""

    job: Job
    rows: Rows
    sights: dict[Target, _Sight]
    expires: float = math.inf
    pending: asyncio.TimerHandle | None = None
    broken: bool = False
    finished: bool = False
    heard: int = 0
    following: bool = False
    took: float | None = None
    due_at: float = -math.inf
    shelf: dict[object, Rows] = field(default_factory=dict)


class Poller:
    """Reads the jobs of one exporter and keeps its page."""

    def __init__(
        self,
        exporter: str,
        jobs: Iterable[Job],
        page: Page,
        *,
        derive: Derive = lambda _: (),
        pin: Callable[[Board], Mapping[str, int]] = lambda _: {},
        pins: Pins | None = None,
        clock: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self._exporter = exporter
        self._page = page
        self._derive = derive
        self._pin = pin
        self._pins = Pins() if pins is None else pins
        self._clock = clock
        self._chance = chance or random.Random()
        self._duration = page.histogram(metrics.POLL_DURATION)
        self._derive_broken = False
        self._capped: set[str] = set()
        self._checks: tuple[str, ...] = ()
        self._series_rows: Rows = ()
        self._work = [self._prepare(job) for job in _distinct(jobs)]
        self._show_derived(-math.inf)
        self._show_series()
        self._show_info()

    @property
    def ready(self) -> bool:
        """True once every job has been through its first cycle."""
        return all(work.finished for work in self._work)

    async def run(self) -> None:
        """Reads everything at its pace until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work in self._work:
                tasks.create_task(self._run(work))

    async def once(self) -> None:
        """Reads everything once, and a second time where the first look pinned what the second is about."""
        for _ in range(2):
            async with asyncio.TaskGroup() as tasks:
                for work in self._work:
                    tasks.create_task(self._look(work))
            if not self._pins:
                return

    async def _look(self, work: _Work) -> None:
        """One outcome for every target: from the stream where it tells them, else by reading those that are missing."""
        missing = set(work.job.targets)
        if work.job.stream is not None:
            await self._listen(work, work.job.stream(work.job.targets), missing)
        await self._cycle(work, tuple(target for target in work.job.targets if target in missing))

    def render(self, style: Format = Format.TEXT, packed: bool = False) -> bytes:  # noqa: FBT001, FBT002 - as Page has it
        """The page as of now: what has grown too old since the last read is gone from it."""
        now = asyncio.get_running_loop().time()
        for work in self._work:
            if work.expires <= now:
                self._publish(work)
        return self._page.render(style, packed)

    def jobs(self) -> tuple[JobState, ...]:
        """How each job stands, for people."""
        now = asyncio.get_running_loop().time()
        return tuple(self._state(work, now) for work in self._work)

    # --- one configuration after another ------------------------------------------------------------------------------

    def inherit(self, old: Poller) -> None:
        """Takes over what another poller knows of the targets that both have unchanged, so that their values stay."""
        known = {(work.job.check, target.id): (work, target) for work in old._work for target in work.sights}
        now = asyncio.get_running_loop().time()
        for work in self._work:
            for target in work.sights:
                before, same = known.get((work.job.check, target.id), (None, target))
                if before is not None and (same.labels, same.facts) == (target.labels, target.facts):
                    later = work.job.pace.stale_after - before.job.pace.stale_after
                    sight = before.sights[target]
                    work.sights[target] = replace(sight, fresh_until=sight.fresh_until + later, due_at=-math.inf)
            work.finished = all(sight.attempt_at is not None for sight in work.sights.values())
            self._show(work, now)
        self._show_derived(now)
        self._show_series()

    def leave(self) -> None:
        """Takes its jobs off the page, for good. It must not be running any more. What it has counted stays there."""
        for work in self._work:
            _forget_timer(work)
            self._page.drop(work)
            self._page.drop((work, "targets"))

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _run(self, work: _Work) -> None:
        await asyncio.sleep(self._chance.uniform(0, min(work.job.pace.interval, FIRST_SPREAD)))
        stream, loop = work.job.stream, asyncio.get_running_loop()
        failures = 0
        while True:
            if stream is not None:
                failures = 1 if await self._follow(work, stream(work.job.targets)) else failures + 1
            retry_at = loop.time() + work.job.pace.wait_after(failures) * self._chance.uniform(1, 1 + JITTER)
            while stream is None or loop.time() < retry_at:
                await self._round(work)

    async def _round(self, work: _Work) -> None:
        """Reads the targets that are due, and waits until it is time for the next round."""
        loop, pace = asyncio.get_running_loop(), work.job.pace
        began = loop.time()
        due = [target for target, sight in work.sights.items() if sight.due_at <= began]
        if due:
            due.sort(key=lambda target: work.sights[target].failures)
            await self._cycle(work, tuple(due))
        work.due_at = began + pace.interval * self._chance.uniform(1 - JITTER, 1 + JITTER)
        pause = work.due_at - loop.time()
        if work.job.wake is None:
            await asyncio.sleep(max(pause, 0.0))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(pause, 0.0)):
                await work.job.wake()

    async def _follow(self, work: _Work, stream: Results) -> bool:
        """Follows a stream until it fails, which is counted for every target; returns whether it ever said something."""
        heard = work.heard
        work.following = True
        error = await self._listen(work, stream)
        work.following = False
        log.warning("%s: stream lost: %s: %s; reading instead", work.job.check, error.reason, error)
        for target in work.job.targets:
            self._count_error(work, target, error.reason)
        return work.heard > heard

    async def _listen(self, work: _Work, stream: Results, missing: set[Target] | None = None) -> SourceError:
        """Takes what a stream tells until it fails; or, with `missing`, until it has told of all those."""
        try:
            async with aclosing(stream) as updates:  # type: ignore[type-var]
                while missing is None or missing:
                    async with asyncio.timeout(work.job.pace.silence):
                        outcomes = await anext(updates)
                    self._hear(work, outcomes)
                    if missing:
                        missing.difference_update(outcomes)
            return SourceError(Reason.NOT_SUPPORTED, "all was told")
        except StopAsyncIteration:
            return SourceError(Reason.CONNECT, "the stream ended")
        except TimeoutError:
            return SourceError(Reason.TIMEOUT, f"the stream said nothing for {work.job.pace.silence:g} s")
        except SourceError as error:
            return error
        except asyncio.CancelledError as error:
            if _told_to_end():
                raise
            return _internal(error)
        except Exception as error:
            log.exception("the stream of %s failed in our own code", work.job.check)
            return _internal(error)
        finally:
            _forget_timer(work)

    def _hear(self, work: _Work, outcomes: Mapping[Target, Any]) -> None:
        now, at = asyncio.get_running_loop().time(), self._clock()
        work.heard += 1
        for target, outcome in outcomes.items():
            self._record(work, target, outcome, now, at)
        if not work.finished and all(sight.attempt_at is not None for sight in work.sights.values()):
            work.finished = True
            self._publish(work)
        self._publish_soon(work)

    async def _cycle(self, work: _Work, due: tuple[Target, ...]) -> None:
        began, begun_at = asyncio.get_running_loop().time(), self._clock()
        waiting = dict.fromkeys(due)
        try:
            async with aclosing(work.job.results(due)) as results:  # type: ignore[type-var]
                async for outcomes in results:
                    for target, outcome in outcomes.items():
                        self._took(work, began)
                        self._record(work, target, outcome, began, begun_at)
                        del waiting[target]
                    self._publish_soon(work)
        except Exception as error:
            log.exception("job %s failed", work.job.check)
            for target in waiting:
                self._took(work, began)
                self._record(work, target, _internal(error), began, begun_at)
        finally:
            _forget_timer(work)
        work.took = asyncio.get_running_loop().time() - began
        work.finished = True
        self._publish(work)

    def _took(self, work: _Work, began: float) -> None:
        seconds = asyncio.get_running_loop().time() - began
        self._duration.labels(self._exporter, work.job.check).observe(max(seconds, 0.0))

    def _record(self, work: _Work, target: Target, outcome: Any, began: float, begun_at: float) -> None:
        now, sight = asyncio.get_running_loop().time(), work.sights[target]
        sight.attempt_at = begun_at
        if isinstance(outcome, SourceError):
            self._failed(work, target, outcome, began)
            return
        try:
            for event in tuple(work.job.events(sight.reading, outcome)):
                self._page.count(event)
        except Exception as error:
            log.exception("the events of %s (%s) could not be counted", target.id, work.job.check)
            self._failed(work, target, _internal(error), began)
            return
        if sight.failures:
            log.info("%s (%s): up again after %d failed reads", target.id, work.job.check, sight.failures)
        sight.reading, sight.fresh_until, sight.success_at = outcome, now + work.job.pace.stale_after, self._clock()
        sight.up, sight.reason, sight.failures, sight.due_at = True, None, 0, -math.inf

    def _failed(self, work: _Work, target: Target, error: SourceError, began: float) -> None:
        sight = work.sights[target]
        if sight.up or not sight.failures:
            log.warning("%s (%s): down: %s: %s", target.id, work.job.check, error.reason, error)
        sight.up, sight.reason = False, error.reason
        sight.failures += 1
        asked = getattr(error, "retry_after", None) or 0.0
        # Half an interval of grace, so that jitter does not skip the cycle at which the target is due.
        wait = max(work.job.pace.wait_after(sight.failures), min(asked, 10 * work.job.pace.patience))
        sight.due_at = began + wait - work.job.pace.interval / 2
        self._count_error(work, target, error.reason)

    def _count_error(self, work: _Work, target: Target, reason: Reason, amount: float = 1.0) -> None:
        labels = {**self._labels(work.job.check, target), "reason": str(reason)}
        self._page.count(Event(metrics.TARGET_ERRORS, labels, amount))

    # --- showing -----------------------------------------------------------------------------------------------------

    def _publish_soon(self, work: _Work) -> None:
        if work.pending is None:
            work.pending = asyncio.get_running_loop().call_later(PUBLISH_INTERVAL, self._publish, work)

    def _publish(self, work: _Work) -> None:
        _forget_timer(work)
        now = asyncio.get_running_loop().time()
        self._show(work, now)
        self._show_derived(now)
        self._show_series()

    def _show(self, work: _Work, now: float) -> None:
        """Puts the fresh values of a job on the page. A mistake in its columns takes them off and its targets down."""
        fresh = {target: sight for target, sight in work.sights.items() if now < sight.fresh_until}
        work.expires = min((sight.fresh_until for sight in fresh.values()), default=math.inf)
        try:
            readings = {target: sight.reading for target, sight in fresh.items()}
            columns = work.job.columns(Readings(work.job.targets, readings, work.shelf))
            self._note_dropped(work, self._page.put(work, columns, bounded=True))
            work.broken = False
        except Exception:
            if not work.broken:
                log.exception("the columns of %s could not be made", work.job.check)
            self._broke(work)
        self._show_targets(work, now)

    def _show_targets(self, work: _Work, now: float) -> None:
        sights, healthy = work.sights.values(), not (work.broken or self._derive_broken)
        values: dict[Family, list[float | None]] = {
            metrics.TARGET_CONFIGURED: [1.0 for _ in sights],
            metrics.TARGET_UP: [float(sight.up and healthy) for sight in sights],
            metrics.TARGET_STALE: [float(now >= sight.fresh_until or work.broken) for sight in sights],
            metrics.TARGET_LAST_SUCCESS: [sight.success_at for sight in sights],
            metrics.TARGET_LAST_ATTEMPT: [sight.attempt_at for sight in sights],
        }
        self._page.put((work, "targets"), [Column(family, work.rows, column) for family, column in values.items()])

    def _show_derived(self, now: float) -> None:
        board: dict[str, dict[Target, Aged[Any]]] = {}
        for work in self._work:
            shown = board.setdefault(work.job.check, {})
            for target, sight in work.sights.items():
                if now < sight.fresh_until and sight.success_at is not None:
                    shown[target] = Aged(sight.reading, sight.success_at, sight.up)
        broken = False
        try:
            self._page.put("derived", self._derive(board))
            self._pins.set(self._pin(board))
        except Exception:
            if not self._derive_broken:
                log.exception("what is derived from several targets could not be made")
            self._page.put("derived", ())
            broken = True
        if broken != self._derive_broken:
            self._derive_broken = broken
            for work in self._work:
                if broken:
                    self._count_internal(work)
                self._show_targets(work, now)

    def _show_series(self) -> None:
        sizes: dict[str, float] = {}
        for work in self._work:
            sizes[work.job.check] = sizes.get(work.job.check, 0.0) + self._page.series(work)
        if tuple(sizes) != self._checks:
            self._checks = tuple(sizes)
            self._series_rows = tuple({"exporter": self._exporter, "check": check} for check in sizes)
        self._page.put("series", [Column(metrics.SERIES, self._series_rows, list(sizes.values()))])

    def _show_info(self) -> None:
        named = {target.id: target for work in self._work for target in work.job.targets}
        info = tuple(
            {"exporter": self._exporter, "target": name, **_owner(target), **target.labels}
            for name, target in named.items()
        )
        self._page.put("info", [Column(metrics.TARGET_INFO, info, [1.0] * len(info))])

    def _broke(self, work: _Work) -> None:
        work.broken = True
        self._page.put(work, (), bounded=True)
        self._count_internal(work)

    def _count_internal(self, work: _Work) -> None:
        for target in work.job.targets:
            self._count_error(work, target, Reason.INTERNAL)

    def _note_dropped(self, work: _Work, dropped: int) -> None:
        if not dropped:
            return
        check = work.job.check
        self._page.count(Event(metrics.SERIES_LIMIT_EXCEEDED, {"exporter": self._exporter, "check": check}))
        if check not in self._capped:
            self._capped.add(check)
            log.error("limits.series is reached: %d series of %s are left out", dropped, check)

    def _state(self, work: _Work, now: float) -> JobState:
        return JobState(
            check=work.job.check,
            pace=work.job.pace,
            stream=None if work.job.stream is None else work.following,
            took=work.took,
            due_in=None if work.following or not math.isfinite(work.due_at) else max(work.due_at - now, 0.0),
            series=self._page.series(work),
            targets=tuple(
                TargetState(
                    target.id,
                    up=sight.up,
                    stale=now >= sight.fresh_until or work.broken,
                    reason=sight.reason,
                    failures=sight.failures,
                    success_at=sight.success_at,
                    attempt_at=sight.attempt_at,
                )
                for target, sight in work.sights.items()
            ),
        )

    # --- beginning ---------------------------------------------------------------------------------------------------

    def _labels(self, check: str, target: Target) -> dict[str, str]:
        return {"exporter": self._exporter, "target": target.id, "check": check, **target.labels}

    def _prepare(self, job: Job) -> _Work:
        """Every target of a job is on the page from the first one on: configured, not up, stale, its counters at 0."""
        labels = tuple(self._labels(job.check, target) for target in job.targets)
        work = _Work(job, labels, {target: _Sight() for target in job.targets}, finished=not job.targets)
        self._duration.labels(self._exporter, job.check)
        self._page.count(Event(metrics.SERIES_LIMIT_EXCEEDED, {"exporter": self._exporter, "check": job.check}, 0))
        for target in job.targets:
            for reason in Reason:
                self._count_error(work, target, reason, 0)
            for event in _zeros(job.families, target):
                self._page.count(event)
        self._show(work, -math.inf)
        return work


def _distinct(jobs: Iterable[Job]) -> Iterable[Job]:
    """The jobs; what two of them would show under the same labels is refused."""
    seen: set[tuple[str, str]] = set()
    for job in jobs:
        for target in job.targets:
            if (job.check, target.id) in seen:
                raise CatalogueError(f"{target.id} ({job.check}) is to be read twice")
            seen.add((job.check, target.id))
        yield job


def _told_to_end() -> bool:
    """Whether this very task is being cancelled, rather than something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _internal(error: BaseException) -> SourceError:
    return SourceError(Reason.INTERNAL, f"{type(error).__name__} in our own code")


def _forget_timer(work: _Work) -> None:
    if work.pending is not None:
        work.pending.cancel()
        work.pending = None


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
