"""`/probe?target=…` reads one configured target now, into a page of its own, as blackbox_exporter does.

It asks with the jobs that run anyway: what they count of their requests is counted where they count it. Nothing else of a
probe is on the main page.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from aiohttp import web

from occ import auth, logs
from occ.errors import Reason, SourceError
from occ.job import Job, Pace, Readings, Results, Stream, Target
from occ.metrics import KERNEL_FAMILIES, Catalogue, Family, Kind
from occ.page import Column, Event, Format, Page
from occ.poller import Poller

log = logging.getLogger(__name__)

AT_ONCE = 8
BUSY = 503
OFFSET = 0.5
"""Seconds before Prometheus' own deadline at which a probe answers."""

END_WITHIN = 2.0
"""Seconds that probes have to end with what they began with, when a reload is about to close it."""

LONGEST_NAME = 256
NAMES_COMPARED = 2_000
DEADLINE_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"


@dataclass(frozen=True)
class Single:
    """A job for one of its targets alone, and with a deadline of its own."""

    job: Job
    target: Target
    deadline: float
    stream: Stream | None = None
    wake: Callable[[], asyncio.Event] | None = None

    @property
    def check(self) -> str:
        return self.job.check

    @property
    def targets(self) -> tuple[Target, ...]:
        return (self.target,)

    @property
    def pace(self) -> Pace:
        return replace(self.job.pace, timeout=self.deadline)

    @property
    def families(self) -> Sequence[Family]:
        """Counters that the main page has are not shown as 0 on this one."""
        return [family for family in self.job.families if family.kind is not Kind.COUNTER]

    async def results(self, due: tuple[Target, ...]) -> Results:
        found: dict[Target, Any] = {}
        error = SourceError(Reason.TIMEOUT, f"no answer within {self.deadline:g} s")
        try:
            async with asyncio.timeout(self.deadline), aclosing(self.job.results(due)) as results:  # type: ignore[type-var]
                async for outcomes in results:
                    found |= outcomes
        except TimeoutError:
            pass
        yield {target: found.get(target, error) for target in due}

    def columns(self, readings: Readings[Any]) -> Iterable[Column]:
        return self.job.columns(readings)

    def events(self, before: Any, reading: Any) -> Iterable[Event]:
        return self.job.events(before, reading)


class Refusal(Exception):  # noqa: N818 - it is an answer
    """A probe that can not be made; the status and the words of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Replaced(Exception):  # noqa: N818 - it names what happened
    """A reload took the probe's jobs away."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What is to be read, and within how many seconds."""

    target: Target
    jobs: tuple[Single, ...]
    deadline: float

    async def read(self, exporter: str, families: Iterable[Family]) -> bytes:
        """The page of a look at the target."""
        log.info("probe of %s begins, with a deadline of %g s", self.target.id, self.deadline)
        page = Page(Catalogue((*KERNEL_FAMILIES, *families)))
        poller = Poller(exporter, self.jobs, page)
        await poller.once()
        for job in poller.jobs():
            (state,) = job.targets
            outcome = "up" if state.up else f"down: {state.reason}"
            log.info("probe of %s (%s): %s after %.3f s", state.id, job.check, outcome, job.took or 0.0)
        return poller.render()


def asked_for(request: web.Request, jobs: Sequence[Job]) -> Probe:
    """The probe that a request asks for. Raises Refusal."""
    name = request.query.get("target", "")
    if not name:
        raise Refusal(400, "which target? Ask for /probe?target=NAME; /metrics has the names as `target`\n")
    found = [(job, target) for job in jobs for target in job.targets if target.id == name]
    if not found:
        raise Refusal(400, f"no such target is configured{_meant(name, jobs)}\n")
    limit = _scrape_deadline(request.headers.get(DEADLINE_HEADER))
    singles = tuple(Single(job, target, min(job.pace.timeout, limit)) for job, target in found)
    return Probe(found[0][1], singles, max(single.deadline for single in singles))


def _meant(name: str, jobs: Sequence[Job]) -> str:
    names = dict.fromkeys(target.id for job in jobs for target in job.targets)
    close = difflib.get_close_matches(name[:LONGEST_NAME], list(islice(names, NAMES_COMPARED)), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _scrape_deadline(header: str | None) -> float:
    """Seconds in which Prometheus wants its answer, less what the way back takes; infinity where it does not say."""
    if header is None:
        return math.inf
    try:
        seconds = float(header)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise Refusal(400, f"{DEADLINE_HEADER}: not a number of seconds\n")
    return max(seconds - OFFSET, seconds / 2)


class Probes:
    """`GET /probe`. `jobs` are those in force, `shown` is the configuration as it may be seen."""

    def __init__(
        self,
        exporter: str,
        families: Iterable[Family],
        jobs: Callable[[], Sequence[Job]],
        shown: Callable[[], object],
    ) -> None:
        self.running: set[asyncio.Task[bytes]] = set()
        self._exporter = exporter
        self._families = tuple(families)
        self._jobs = jobs
        self._shown = shown

    async def handle(self, request: web.Request) -> web.Response:
        debug = request.query.get("debug") == "true"
        try:
            probe = self._allowed(request, debug=debug)
        except Refusal as refusal:
            headers = {"Retry-After": "1"} if refusal.status == BUSY else {}
            return web.Response(status=refusal.status, text=str(refusal), headers=headers)
        try:
            with logs.apart() as lines:
                body = await self._made(probe)
        except Replaced:
            return web.Response(status=BUSY, text="the configuration was replaced meanwhile; try again\n")
        if debug:
            return web.Response(text=self._told(lines, body), headers={"Cache-Control": "no-store"})
        return web.Response(body=body, headers={"Content-Type": Format.TEXT.value})

    def _allowed(self, request: web.Request, *, debug: bool) -> Probe:
        if debug and not auth.trusted(request):
            raise Refusal(403, "debug=true only from this machine, or with a login (--web.config.file)\n")
        probe = asked_for(request, self._jobs())
        if len(self.running) >= AT_ONCE:
            raise Refusal(BUSY, f"{AT_ONCE} probes are under way already; try again\n")
        return probe

    async def _made(self, probe: Probe) -> bytes:
        """The probe's page. Whoever asked may go away, and then it is given up."""
        task = asyncio.create_task(probe.read(self._exporter, self._families))
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
        if task.cancelled():
            raise Replaced
        return task.result()

    async def end(self) -> None:
        """Lets those that are under way end, or ends them; for the moment in which their jobs are no more."""
        if running := set(self.running):
            _, late = await asyncio.wait(running, timeout=END_WITHIN)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _told(self, lines: Sequence[str], body: bytes) -> str:
        config = json.dumps(self._shown(), indent=2, ensure_ascii=False)
        logged = "\n".join(lines)
        return (
            f"Logs for the probe:\n{logged}\n\n\n"
            f"Metrics that would have been returned:\n{body.decode().rstrip()}\n\n\n"
            f"Configuration:\n{config}\n"
        )
