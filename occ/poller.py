"""Runs jobs: one owner of time, outcome and errors for everything that is read.

Each job has a task of its own. A job with a stream follows it, and reads only while the stream is lost. A target that fails
waits longer and longer, up to its pace's patience, without holding up the others of its job: those that answered last time
are asked first. What was read is put on the page as columns as soon as the cycle ends, or within PUBLISH_INTERVAL while
others of it are still awaited; so is what is derived from it, at most once per PUBLISH_INTERVAL.
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
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client import Histogram

from occ import metrics
from occ.display import Board, Derive, Display, Sight, View
from occ.errors import CatalogueError, Reason, SourceError
from occ.job import Job, Pace, Pins, Results, Target
from occ.page import Format, Page
from occ.state import JobState

__all__ = ["JITTER", "PUBLISH_INTERVAL", "Board", "Derive", "Poller"]

log = logging.getLogger(__name__)

PUBLISH_INTERVAL = 0.25
FIRST_SPREAD = 1.0
JITTER = 0.05
NAMED = 3


@dataclass(slots=True, eq=False)
class _Work:
    """A job on its way. `due_at` is by the loop's clock, `took` is seconds."""

    view: View
    durations: Histogram
    pending: asyncio.TimerHandle | None = None
    finished: bool = False
    heard: int = 0
    following: bool = False
    took: float | None = None
    due_at: float = -math.inf

    @property
    def job(self) -> Job:
        return self.view.job

    @property
    def sights(self) -> dict[Target, Sight]:
        return self.view.sights


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
        self._page = page
        self._display = Display(
            exporter, page, _distinct(jobs), derive=derive, pin=pin, pins=Pins() if pins is None else pins
        )
        self._clock = clock
        self._chance = chance or random.Random()
        durations = page.histogram(metrics.POLL_DURATION)
        self._work = [
            _Work(view, durations.labels(exporter, view.job.check), finished=not view.sights)
            for view in self._display.views
        ]
        self._deriving: asyncio.TimerHandle | None = None
        self._changed = False

    @property
    def ready(self) -> bool:
        """True once every job has been through its first cycle."""
        return all(work.finished for work in self._work)

    async def run(self) -> None:
        """Reads everything at its pace until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in self._work:
                    tasks.create_task(self._run(work))
        finally:
            self._derive_rest()

    async def once(self) -> None:
        """Reads everything once, and what answered a second time where the first look pinned what the second is about."""
        await self._look({work: work.job.targets for work in self._work})
        if self._display.pins:
            await self._look({work: found for work in self._work if (found := _answering(work))})

    async def _look(self, wanted: Mapping[_Work, tuple[Target, ...]]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for work, targets in wanted.items():
                    tasks.create_task(self._look_at(work, targets))
        finally:
            self._derive_rest()

    async def _look_at(self, work: _Work, targets: tuple[Target, ...]) -> None:
        """One outcome for each of them: from the stream where it tells them, else by reading those that are missing."""
        missing = set(targets)
        if work.job.stream is not None:
            await self._follow(work, work.job.stream(targets), missing)
        await self._cycle(work, tuple(target for target in targets if target in missing))

    def render(self, style: Format = Format.TEXT, packed: bool = False) -> bytes:  # noqa: FBT001, FBT002 - as Page has it
        """The page as of now: what has grown too old since the last read is gone from it."""
        now = asyncio.get_running_loop().time()
        if self._display.expire(now):
            self._derive(now)
        return self._page.render(style, packed)

    def jobs(self) -> tuple[JobState, ...]:
        """How each job stands, for people."""
        now = asyncio.get_running_loop().time()
        return tuple(_state(work, now) for work in self._work)

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
            work.finished = work.view.attempted
            self._display.show(work.view, now)
        self._derive(now)

    def leave(self) -> None:
        """Takes its jobs off the page, for good. It must not be running any more. What it has counted stays there."""
        for work in self._work:
            _forget_timer(work)
        self._display.drop()

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _run(self, work: _Work) -> None:
        await asyncio.sleep(self._chance.uniform(0, min(work.job.pace.interval, FIRST_SPREAD)))
        stream, loop = work.job.stream, asyncio.get_running_loop()
        failures, wait = 0, 0.0
        while True:
            if stream is not None:
                heard, opened_at = work.heard, loop.time()
                error = await self._follow(work, stream(work.job.targets))
                # One that tells something and is then closed at once, every time, has not come back.
                held = work.heard > heard and loop.time() - opened_at > wait
                failures = 1 if held else failures + 1
                wait = _wait(work.job.pace, failures, error)
            retry_at = loop.time() + wait * self._chance.uniform(1, 1 + JITTER)
            while stream is None or loop.time() < retry_at:
                await self._round(work)

    async def _round(self, work: _Work) -> None:
        """Reads the targets that are due, and waits until it is time for the next round."""
        loop, pace = asyncio.get_running_loop(), work.job.pace
        began, woken = loop.time(), work.job.wake and work.job.wake()
        due = [target for target, sight in work.sights.items() if sight.due_at <= began]
        if due:
            due.sort(key=lambda target: work.sights[target].failures)
            await self._cycle(work, tuple(due))
        work.due_at = began + pace.step * self._chance.uniform(1 - JITTER, 1 + JITTER)
        pause = max(work.due_at - loop.time(), 0.0)
        if woken is None:
            await asyncio.sleep(pause)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await woken.wait()

    async def _follow(self, work: _Work, stream: Results, missing: set[Target] | None = None) -> SourceError | None:
        """Follows a stream until it fails, which is counted for every target and returned.

        With `missing`, it is given up as soon as it has told of all those, which are taken out; then None is returned.
        """
        work.following = True
        error = await self._listen(work, stream, missing)
        work.following = False
        if error is not None:
            name, check = _named(work.job.targets), work.job.check
            log.warning("%s (%s): stream lost: %s: %s; reading instead", name, check, error.reason, error)
            for target in work.job.targets:
                self._display.count_error(work.view, target, error.reason)
        return error

    async def _listen(self, work: _Work, stream: Results, missing: set[Target] | None) -> SourceError | None:
        try:
            async with aclosing(stream) as updates:  # type: ignore[type-var]
                while missing is None or missing:
                    async with asyncio.timeout(work.job.pace.silence):
                        outcomes = await anext(updates)
                    self._hear(work, outcomes)
                    if missing:
                        missing.difference_update(outcomes)
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
        else:
            return None
        finally:
            _forget_timer(work)

    def _hear(self, work: _Work, outcomes: Mapping[Target, Any]) -> None:
        now, at = asyncio.get_running_loop().time(), self._clock()
        work.heard += 1
        for target, outcome in outcomes.items():
            self._record(work, target, outcome, now, at)
        if not work.finished and work.view.attempted:
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
                        _took(work, began)
                        self._record(work, target, outcome, began, begun_at)
                        del waiting[target]
                    self._publish_soon(work)
        except Exception as error:
            log.exception("job %s failed", work.job.check)
            for target in waiting:
                _took(work, began)
                self._record(work, target, _internal(error), began, begun_at)
        finally:
            _forget_timer(work)
        work.took = asyncio.get_running_loop().time() - began
        work.finished = True
        self._publish(work)

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
        sight.up, sight.reason, sight.failures, sight.due_at = True, None, 0, _due_again(work.job.pace, began)

    def _failed(self, work: _Work, target: Target, error: SourceError, began: float) -> None:
        sight = work.sights[target]
        if sight.up or not sight.failures:
            log.warning("%s (%s): down: %s: %s", target.id, work.job.check, error.reason, error)
        sight.up, sight.reason = False, error.reason
        sight.failures += 1
        sight.due_at = began + _wait(work.job.pace, sight.failures, error) - _grace(work.job.pace)
        self._display.count_error(work.view, target, error.reason)

    # --- publishing --------------------------------------------------------------------------------------------------

    def _publish_soon(self, work: _Work) -> None:
        if work.pending is None:
            work.pending = asyncio.get_running_loop().call_later(PUBLISH_INTERVAL, self._publish, work)

    def _publish(self, work: _Work) -> None:
        _forget_timer(work)
        self._display.show(work.view, asyncio.get_running_loop().time())
        self._changed = True
        self._derive_soon()

    def _derive_soon(self) -> None:
        """At once, and then not again within PUBLISH_INTERVAL: it looks at all targets, however few have changed."""
        if self._deriving is None and self._changed:
            loop = asyncio.get_running_loop()
            self._derive(loop.time())
            self._deriving = loop.call_later(PUBLISH_INTERVAL, self._derive_again)

    def _derive_again(self) -> None:
        self._deriving = None
        self._derive_soon()

    def _derive_rest(self) -> None:
        """At once, and nothing is left for later."""
        if self._deriving is not None:
            self._deriving.cancel()
            self._deriving = None
        if self._changed:
            self._derive(asyncio.get_running_loop().time())

    def _derive(self, now: float) -> None:
        self._changed = False
        self._display.derive(now)


def _distinct(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """The jobs; what two of them would show under the same labels is refused."""
    given, seen = tuple(jobs), set[tuple[str, str]]()
    for job in given:
        for target in job.targets:
            if (job.check, target.id) in seen:
                raise CatalogueError(f"{target.id} ({job.check}) is to be read twice")
            seen.add((job.check, target.id))
    return given


def _answering(work: _Work) -> tuple[Target, ...]:
    return tuple(target for target, sight in work.sights.items() if sight.up)


def _grace(pace: Pace) -> float:
    """Seconds by which a target may be early, so that jitter does not skip the round at which it is due."""
    return pace.step / 2


def _due_again(pace: Pace, began: float) -> float:
    """When a target that has answered is due: at every round, but where rounds are for the sake of those that failed."""
    return -math.inf if pace.step == pace.interval else began + pace.interval - _grace(pace)


def _wait(pace: Pace, failures: int, error: SourceError | None) -> float:
    """Seconds until the next try after so many failures in a row; more where the far side asks for it, within bounds."""
    asked = getattr(error, "retry_after", None) or 0.0
    return max(pace.wait_after(failures), min(asked, 10 * pace.patience))


def _took(work: _Work, began: float) -> None:
    work.durations.observe(max(asyncio.get_running_loop().time() - began, 0.0))


def _state(work: _Work, now: float) -> JobState:
    return JobState(
        check=work.job.check,
        pace=work.job.pace,
        stream=None if work.job.stream is None else work.following,
        took=work.took,
        due_in=None if work.following or not math.isfinite(work.due_at) else max(work.due_at - now, 0.0),
        series=work.view.series,
        targets=work.view.states(now),
    )


def _named(targets: tuple[Target, ...]) -> str:
    """Targets as a log line has room for them."""
    more = len(targets) - NAMED
    return ", ".join(target.id for target in targets[:NAMED]) + (f" and {more} more" if more > 0 else "")


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
