"""What Prometheus says now: instant queries by its HTTP API, and whether an alert fires.

Nothing of an answer is quoted in an error. An answer that may be incomplete is none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
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


class Prometheus:
    """Asks one Prometheus. What it raises is SourceError."""

    def __init__(self, session: aiohttp.ClientSession, url: str, within: float = WITHIN) -> None:
        self._session, self._within = session, within
        self._url = URL(url) / "api/v1/query"

    async def query(self, expression: str) -> tuple[Sample, ...]:
        """The instant vector of the expression; empty where nothing holds. An expression that is none raises, too."""
        # Prometheus gives up when we do.
        form = urlencode({"query": expression, "timeout": f"{self._within:.3f}"}).encode()
        try:
            async with asyncio.timeout(self._within):
                told = await http.ask(self._session, "POST", self._url, form, again=True, headers=_FORM)
        except TimeoutError as error:
            raise http.classified(error) from None
        return _vector(told)

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
        case {"metric": dict(labels), "value": [int() | float() as timestamp, str(value)]} if all(
            isinstance(text, str) for text in labels.values()
        ):
            try:
                return Sample(labels, float(value), float(timestamp))
            except ValueError:
                pass
    raise http.bad_response("a sample that is none")
