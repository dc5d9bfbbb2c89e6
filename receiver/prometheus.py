"""What Prometheus says now: instant queries by its HTTP API, and whether an alert fires.

Nothing of an answer is quoted in an error. An answer that may be incomplete is none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from occ import http

from .fill import quoted

WITHIN = 10.0
"""Seconds for one answer."""

MAX_SAMPLES = 10_000
MAX_POINTS = 300
MAX_SERIES = 2_000
"""Of a range query: instants that are asked for, and series of its answer."""

_FORM = CIMultiDict({"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"})
_PLAIN_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OF_ALERTS = ("__name__", "alertstate")
"""Labels of the series ALERTS that are not the alert's own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector; `timestamp` is the instant of the evaluation, Unix seconds."""

    labels: Mapping[str, str]
    value: float
    timestamp: float


@dataclass(frozen=True, slots=True)
class Range:
    """Instants from `start` to `end` that are `step` apart; Unix seconds."""

    start: float
    end: float
    step: float

    def instants(self) -> tuple[float, ...]:
        """From the first to the last."""
        return tuple(self.start + number * self.step for number in range(int((self.end - self.start) / self.step) + 1))


@dataclass(frozen=True, slots=True)
class Series:
    """One element of a matrix: its values by instant, Unix seconds. An instant at which it has none is not there."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The first of the series that were wanted, and how many more there are."""

    series: tuple[Series, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Rule:
    """An alerting rule as it is loaded; `labels` are those that it sets, templates as they are written."""

    name: str
    query: str
    labels: Mapping[str, str]


class Prometheus:
    """Asks one Prometheus. What it raises is SourceError."""

    def __init__(self, session: aiohttp.ClientSession, url: str, within: float = WITHIN) -> None:
        self._session, self._within = session, within
        self._url = URL(url) / "api/v1"

    async def query(self, expression: str) -> tuple[Sample, ...]:
        """The instant vector of the expression; empty where nothing holds. An expression that is none raises, too."""
        return _vector(await self._ask("query", {"query": expression}, self._within))

    async def query_range(
        self,
        expression: str,
        times: Range,
        wanted: Callable[[Mapping[str, str]], bool],
        *,
        most: int,
        within: float = WITHIN,
    ) -> Matrix:
        """What the expression is at each of the instants: so many series of those that are wanted by their labels."""
        if (times.end - times.start) / times.step >= MAX_POINTS:
            raise ValueError(f"more than {MAX_POINTS} points")
        asked = {
            "query": expression,
            "start": f"{times.start:.3f}",
            "end": f"{times.end:.3f}",
            "step": f"{times.step:.3f}",
        }
        found = _matrix(await self._ask("query_range", asked, min(within, self._within)))
        mine = [item for item in found if wanted(_labels(item))]
        return Matrix(tuple(map(_series, mine[:most])), max(0, len(mine) - most))

    async def _ask(self, what: str, asked: Mapping[str, str], within: float) -> object:
        # Prometheus gives up when we do.
        form = urlencode({**asked, "timeout": f"{within:.3f}"}).encode()
        try:
            async with asyncio.timeout(within):
                return await http.ask(self._session, "POST", self._url / what, form, again=True, headers=_FORM)
        except TimeoutError as error:
            raise http.classified(error) from None

    async def rules(self) -> tuple[Rule, ...]:
        """All alerting rules that it has loaded, in the order of its groups."""
        url = (self._url / "rules").update_query(type="alert", exclude_alerts="true")
        try:
            async with asyncio.timeout(self._within):
                return _alerting(await http.ask(self._session, "GET", url, again=True))
        except TimeoutError as error:
            raise http.classified(error) from None

    async def firing(self, labels: Mapping[str, str], needed: Collection[str] = ()) -> bool:
        """Whether the alert of these labels, as Alertmanager has them, fires by Prometheus' own word.

        What Prometheus keeps lacks the external labels that it sends: its alert is one whose every label is among these. The
        `needed` ones it must have: whoever can send an alert could put them beside its own.
        """
        matchers = f"{matcher('alertname', labels.get('alertname', ''))},{matcher('alertstate', 'firing')}"
        found = await self.query(f"ALERTS{{{matchers}}}")
        own = [{name: it for name, it in sample.labels.items() if name not in _OF_ALERTS} for sample in found]
        return any(alert.items() <= labels.items() and alert.keys() >= set(needed) for alert in own)


def matcher(name: str, value: str, op: str = "=") -> str:
    """A label matcher of PromQL. The value enters whole, whatever it holds; a name that is no plain one is quoted."""
    word = name if _PLAIN_NAME.fullmatch(name) else quoted(name)
    return f"{word}{op}{quoted(value)}"


def _vector(told: object) -> tuple[Sample, ...]:
    match told:
        case {"warnings": [_, *_]}:
            raise http.bad_response("an answer with warnings, which may be incomplete")
        case {"status": "success", "data": {"resultType": "vector", "result": list(items)}}:
            if len(items) > MAX_SAMPLES:
                raise http.bad_response(f"an answer of more than {MAX_SAMPLES} samples")
            return tuple(map(_sample, items))
    raise http.bad_response("not an instant vector")


def _sample(item: object) -> Sample:
    match item:
        case {"metric": dict(labels), "value": point} if all(isinstance(text, str) for text in labels.values()):
            timestamp, value = _point(point)
            return Sample(labels, value, timestamp)
    raise http.bad_response("a sample that is none")


def _matrix(told: object) -> list[object]:
    match told:
        case {"warnings": [_, *_]}:
            raise http.bad_response("an answer with warnings, which may be incomplete")
        case {"status": "success", "data": {"resultType": "matrix", "result": list(items)}}:
            if len(items) > MAX_SERIES:
                raise http.bad_response(f"an answer of more than {MAX_SERIES} series")
            return items
    raise http.bad_response("not a matrix")


def _labels(item: object) -> Mapping[str, str]:
    match item:
        case {"metric": dict(labels)} if all(isinstance(text, str) for text in labels.values()):
            return labels
    raise http.bad_response("a series that is none")


def _series(item: object) -> Series:
    match item:
        case {"values": list(points)}:
            return Series(_labels(item), tuple(map(_point, points)))
    raise http.bad_response("a series that is none")


def _alerting(told: object) -> tuple[Rule, ...]:
    match told:
        case {"status": "success", "data": {"groups": list(groups)}}:
            return tuple(_rule(item) for group in groups for item in _items(group))
    raise http.bad_response("no groups of rules")


def _items(group: object) -> list[object]:
    match group:
        case {"rules": list(items)}:
            return items
    raise http.bad_response("a group of rules that is none")


def _rule(item: object) -> Rule:
    match item:
        case {"type": "alerting", "name": str(name), "query": str(query), **more}:
            labels = more.get("labels", {})
            if isinstance(labels, dict) and all(isinstance(value, str) for value in labels.values()):
                return Rule(name, query, labels)
    raise http.bad_response("an alerting rule that is none")


def _point(item: object) -> tuple[float, float]:
    match item:
        case [int() | float() as timestamp, str(value)]:
            try:
                return float(timestamp), float(value)
            except ValueError:
                pass
    raise http.bad_response("a sample that is none")
