"""The charts over HTTP: an alert's own expression over the last hours, as a picture, and as a table of its numbers."""

from __future__ import annotations

import asyncio
import math
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web
from sqlalchemy import Connection, Engine

from receiver import clock
from receiver.doors import Visitor
from receiver.prometheus import Prometheus, Range

from . import drawing, history
from .history import MAX_MARKS, History
from .measuring import Measured, measure
from .table import numbers
from .values import Chart

POINTS = 240
HOURS = (1, 3, 6, 12, 24, 72)
"""Those that the page offers; any whole number up to the last may be asked for."""

ROUND = 15
"""Seconds that the end of a chart is a multiple of: whoever asks for it meanwhile gets the same one."""

KEPT = 32
"""Answers of Prometheus that are kept until they are too old to be asked for."""

AT_ONCE = 2
"""Charts that are measured at the same time: whoever looks at pages must not keep Prometheus from its rules."""

NOT_CONFIGURED = "No Prometheus is configured here, so that the alert's expression can not be drawn."

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_HOURS = re.compile(r"[1-9][0-9]?")

View = Callable[[web.Request, Visitor | None], Awaitable[web.StreamResponse]]
Find = Callable[[Connection, str], History | None]


class Answer(Protocol):
    """Makes a page of a template and its values."""

    def __call__(
        self, status: int, template: str, visitor: Visitor | None = None, /, **values: object
    ) -> web.Response: ...


class Charts:
    """Charts of alerts, and of the alerts that requests answer. `prometheus` is the one that is asked; None: none is configured."""

    def __init__(self, answer: Answer, reading: Engine, now: Callable[[], int], prometheus: Prometheus | None) -> None:
        self._answer, self._reading, self._now = answer, reading, now
        self.prometheus = prometheus
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._answers: OrderedDict[object, asyncio.Task[Measured]] = OrderedDict()

    def views(self) -> Mapping[str, View]:
        """The routes by their paths, for whoever may see the pages."""
        alert, request = history.of_alert, history.of_request
        return {
            "/a/{fingerprint}/chart.svg": self._picture("fingerprint", alert),
            "/a/{fingerprint}/chart": self._table("fingerprint", alert),
            "/r/{id}/chart.svg": self._picture("id", request),
            "/r/{id}/chart": self._table("id", request),
        }

    def _picture(self, name: str, find: Find) -> View:
        async def answer(request: web.Request, _visitor: Visitor | None) -> web.StreamResponse:
            hours = _hours(request)
            size = drawing.NARROW if "narrow" in request.query else drawing.WIDE
            found = await self._found(request.match_info[name], find)
            if found is None:
                raise web.HTTPNotFound(text="no such alert is known here\n")
            drawn, _ = await self._drawn(found, hours)
            headers = {"Cache-Control": "no-store", "Content-Security-Policy": drawing.POLICY}
            picture = await asyncio.to_thread(drawing.svg, drawn, size)
            return web.Response(text=picture, content_type="image/svg+xml", headers=headers)

        return answer

    def _table(self, name: str, find: Find) -> View:
        async def answer(request: web.Request, visitor: Visitor | None) -> web.StreamResponse:
            hours = _hours(request)
            found = await self._found(request.match_info[name], find)
            if found is None:
                return self._answer(404, "unknown.html", visitor)
            drawn, measured = await self._drawn(found, hours)
            back = request.path.removesuffix("/chart")
            values = {"hours": hours, "chart": drawn, "measured": measured, "alert": found, "back": back}
            return await asyncio.to_thread(self._page, visitor, values)

        return answer

    def _page(self, visitor: Visitor | None, values: dict[str, Any]) -> web.Response:
        tables = [numbers(panel, values["chart"]) for panel in values["chart"].panels]
        return self._answer(200, "chart.html", visitor, offered=HOURS, tables=tables, **values)

    async def _found(self, key: str, find: Find) -> History | None:
        def read() -> History | None:
            with self._reading.begin() as connection:
                return find(connection, key)

        return await asyncio.to_thread(read) if _FINGERPRINT.fullmatch(key) else None

    async def _drawn(self, of: History, hours: int) -> tuple[Chart, Measured]:
        """What was done until now, and what was measured until a moment ago: all who ask within it ask for the same."""
        until = min(self._now() / clock.SECOND, of.until + hours * 1_800)
        end = math.floor(until / ROUND) * ROUND
        times = Range(end - hours * 3_600, end, hours * 3_600 / POINTS)
        found = await self._measured(of, times)
        fired = tuple((max(a, times.start), min(b, until)) for a, b in of.fired if a < until and b > times.start)
        marks = tuple(mark for mark in of.marks if times.start <= mark.at <= until)[-MAX_MARKS:]
        return Chart(times.start, until, times.step, found.panels, fired, marks, found.words), found

    async def _measured(self, of: History, times: Range) -> Measured:
        """Asked once by however many look at the same time; whoever goes away does not take the answer from the rest."""
        if (prometheus := self.prometheus) is None:
            return Measured(words=NOT_CONFIGURED)
        key = (prometheus, of.fingerprint, times)
        if key not in self._answers:
            self._answers[key] = asyncio.create_task(self._in_turn(prometheus, of, times))
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)
        return await asyncio.shield(self._answers[key])

    async def _in_turn(self, prometheus: Prometheus, of: History, times: Range) -> Measured:
        async with self._turn:
            return await measure(prometheus, of.labels, times)


def _hours(request: web.Request) -> int:
    said = request.query.get("hours", "3")
    if not _HOURS.fullmatch(said) or int(said) > HOURS[-1]:
        raise web.HTTPBadRequest(text=f"hours: expected a whole number from 1 to {HOURS[-1]}\n")
    return int(said)
