"""Whether Prometheus can be reached: asked now and then, so that it is known before somebody has to act."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from occ.errors import SourceError

from .clock import SECOND, span
from .health import Condition, Finding
from .prometheus import Prometheus

EVERY = 15.0
WITHIN = 60 * SECOND
"""So long an answer counts, in microseconds."""


class Reach:
    """Asks until it is cancelled. Used from the event loop alone."""

    def __init__(self, prometheus: Prometheus, now: Callable[[], int]) -> None:
        self._prometheus, self._now = prometheus, now
        self._answered: int | None = None
        self._complaint = ""

    async def run(self) -> None:
        while True:
            await self.ask()
            await asyncio.sleep(EVERY)

    async def ask(self) -> None:
        try:
            await self._prometheus.query("vector(1)")
        except SourceError as error:
            self._complaint = str(error)
        else:
            self._complaint, self._answered = "", self._now()

    def finding(self) -> Finding:
        if self._complaint:
            return Finding(Condition.ILL, f"it gives no answer: {self._complaint}", self._answered)
        if self._answered is None:
            return Finding(Condition.UNKNOWN, "it was not asked yet")
        if self._now() - self._answered > WITHIN:
            return Finding(
                Condition.ILL, f"nothing was heard of it for {span(self._now() - self._answered)}", self._answered
            )
        return Finding(Condition.WELL, "it answers", self._answered)
