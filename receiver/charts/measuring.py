"""What Prometheus has measured of an alert's own expression: each of its conditions as a panel of a chart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from occ.errors import SourceError
from receiver.prometheus import Matrix, Prometheus, Range, Rule, Series

from .expression import Condition, NotDrawn, about, conditions, own, rule_of
from .narrowing import narrowed
from .values import Line, Panel

WITHIN = 5.0
"""Seconds for one answer."""

MAX_PANELS = 3
MAX_LINES = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """`words` say why there are no panels; `left_out` are conditions of the expression that none of them shows."""

    panels: tuple[Panel, ...] = ()
    expression: str = ""
    left_out: tuple[str, ...] = ()
    words: str = ""


async def measure(prometheus: Prometheus, labels: Mapping[str, str], times: Range) -> Measured:
    """The conditions of the rule that an alert of these labels comes from. What can not be had is said in words."""
    try:
        async with asyncio.timeout(WITHIN):
            rule = rule_of(await prometheus.rules(), labels)
        found = conditions(rule.query)
    except NotDrawn as reason:
        return Measured(words=str(reason))
    except SourceError as error:
        return Measured(words=f"Prometheus does not say what the alert's expression is: {error}.")
    except TimeoutError:
        return Measured(words="Prometheus does not say what the alert's expression is: no answer in time.")
    shown, left_out = found[:MAX_PANELS], found[MAX_PANELS:]
    asking = _Asking(prometheus, rule, labels, times)
    panels = [await asking.panel(condition) for condition in shown]
    return Measured(tuple(panels), rule.query, tuple(map(str, left_out)))


@dataclass(frozen=True, slots=True)
class _Asking:
    """For the panels of one alert."""

    prometheus: Prometheus
    rule: Rule
    labels: Mapping[str, str]
    times: Range

    async def panel(self, condition: Condition) -> Panel:
        bare = Panel(condition.value, condition.op, condition.bound)
        try:
            values, bounds = await self._asked(condition.value), await self._bounds(condition.bound)
        except SourceError as error:
            return replace(bare, words=f"Prometheus does not say: {error}")
        left_out = f"{values.more} more series are not drawn" if values.more else ""
        lines = tuple(Line(series.points, self._name(series)) for series in values.series)
        return replace(bare, lines=lines, bounds=bounds, words=left_out)

    async def _bounds(self, expression: str) -> tuple[Line, ...]:
        """A number is the same at every step; anything else is asked for."""
        if not expression:
            return ()
        try:
            same = float(expression)
        except ValueError:
            return tuple(Line(series.points) for series in (await self._asked(expression)).series)
        return (Line(tuple((at, same) for at in self.times.instants())),)

    async def _asked(self, expression: str) -> Matrix:
        def wanted(series: Mapping[str, str]) -> bool:
            return about(self.rule, self.labels, series)

        query = narrowed(expression, own(self.rule, self.labels))
        return await self.prometheus.query_range(query, self.times, wanted, most=MAX_LINES, within=WITHIN)

    def _name(self, series: Series) -> str:
        """What tells it from other series of the same alert."""
        more = {name: said for name, said in series.labels.items() if self.labels.get(name) != said}
        return ", ".join(f'{name}="{said}"' for name, said in sorted(more.items()) if name != "__name__")
