"""The jobs of a venue: one per check, and where a check is followed rather than polled, one per target of it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from types import ModuleType
from typing import Any

from exporters.exchange.checks import CheckOptions
from exporters.exchange.declared import check_files
from exporters.exchange.source import ASK_AGAIN_SECONDS, Source
from occ.errors import Reason, SourceError
from occ.job import Pace, Polled, Results, Target, every
from occ.page import Event

AT_ONCE = 8
"""So many requests of one check are on their way to a venue at most."""


REOPEN_SECONDS = 2.0
"""So soon a lost stream is opened again, and ever later while it fails; it is polled at its interval meanwhile."""


def of(source: Source) -> Iterator[Polled[Any]]:
    """The jobs. What the venue does not offer has none, and `source.supported` says so."""
    venue = source.venue
    for name, check in check_files().items():
        options, targets = venue.chosen(name), source.targets.per[check.PER]
        if options is None or not targets:
            continue
        source.supported[name] = source.offers(check.NEEDS)
        if source.supported[name]:
            yield from _of(name, check, source, options, targets)


def _of(
    name: str, check: ModuleType, source: Source, options: CheckOptions, targets: tuple[Target, ...]
) -> Iterator[Polled[Any]]:
    parts: dict[str, Any] = {
        "check": name,
        "families": check.FAMILIES,
        "columns": check.columns,
        "together": getattr(check, "TOGETHER", False),
        "at_once": AT_ONCE,
    }
    if hasattr(check, "events"):
        parts["events"] = functools.partial(_events, check)
    pace = source.venue.pace(source.config, check.INTERVAL, options)
    read = _Read(name, check, source, options, pace)
    if source.venue.stream and hasattr(check, "stream") and source.offers((check.STREAMS,)):
        stream = functools.partial(_stream, check, source, options, pace)
        soon = replace(pace, retry=min(REOPEN_SECONDS, pace.interval))
        for target in targets:
            yield every(soon, read, targets=(target,), stream=stream, **parts)
    else:
        yield every(pace, read, targets=targets, **parts)


def _events(check: ModuleType, before: Any, reading: Any) -> Iterable[Event]:
    """What is not offered counts nothing."""
    return () if reading is None else check.events(before, reading)


async def _stream(
    check: ModuleType, source: Source, options: CheckOptions, pace: Pace, targets: tuple[Target, ...]
) -> Results:
    await _priced(check, source, pace.silence)
    async with aclosing(check.stream(source, targets, options)) as updates:
        async for update in updates:
            yield update


async def _priced(check: ModuleType, source: Source, deadline: float) -> None:
    """Waits for prices where the check needs them, but leaves half of the time for what is to be read."""
    if getattr(check, "DOLLARS", False):
        await source.first_prices(deadline / 2)


class _Read:
    """A check's read. What the venue says that it does not offer is a fact (None), and not asked for a while; of a check that is
    `OWED` it is a failure.
    """

    def __init__(self, name: str, check: ModuleType, source: Source, options: CheckOptions, pace: Pace) -> None:
        self._pace = pace
        self._name = name
        self._check = check
        self._source = source
        self._options = options
        self._again_at: dict[tuple[Target, ...], float] = {}
        self._offered: dict[tuple[Target, ...], bool] = {}

    async def __call__(self, due: tuple[Target, ...]) -> Mapping[Target, Any]:
        now = asyncio.get_running_loop().time()
        if now < self._again_at.get(due, 0.0):
            return self._not_offered(due)
        await _priced(self._check, self._source, self._pace.timeout)
        try:
            outcomes: Mapping[Target, Any] = await self._check.read(self._source, due, self._options)
        except SourceError as error:
            if error.reason is not Reason.NOT_SUPPORTED:
                raise
            outcomes = dict.fromkeys(due)
        self._offered[due] = any(outcome is not None for outcome in outcomes.values())
        self._source.supported[self._name] = any(self._offered.values())
        if self._offered[due]:
            return outcomes
        self._again_at[due] = now + ASK_AGAIN_SECONDS
        return self._not_offered(due)

    def _not_offered(self, due: tuple[Target, ...]) -> Mapping[Target, Any]:
        told = f"it is not known how this exchange tells it; `{self._name}: off` accepts that"
        owed = SourceError(Reason.NOT_SUPPORTED, told)
        return dict.fromkeys(due, owed if getattr(self._check, "OWED", False) else None)
