"""The numbers of a chart as tables, for whoever can not see it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from receiver import clock

from . import axes
from .values import Chart, Line, Panel, Points

ROWS = 24
MAX_COLUMNS = 5
"""Series that have a table; the picture may show more."""


@dataclass(frozen=True, slots=True)
class Row:
    """A part of the time, by its first instant in µs: the lowest and the highest value, and the bound at its end; in words."""

    at: int
    value: str
    bound: str


@dataclass(frozen=True, slots=True)
class Table:
    """Of one series; `label` is empty where there is one alone."""

    label: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of one panel; `left_out` is how many series have no table."""

    panel: Panel
    tables: tuple[Table, ...]
    left_out: int


def numbers(panel: Panel, chart: Chart) -> Numbers:
    """The panel's series, each in a table of its own."""
    tables = tuple(Table(line.label, tuple(_rows(line, panel, chart))) for line in panel.lines[:MAX_COLUMNS])
    return Numbers(panel, tables, max(0, len(panel.lines) - MAX_COLUMNS))


def _rows(line: Line, panel: Panel, chart: Chart) -> Iterator[Row]:
    """The newest first."""
    length = (chart.end - chart.start) / ROWS
    for number in reversed(range(ROWS)):
        start = chart.start + number * length
        end = start + length if number < ROWS - 1 else float("inf")
        values = [value for at, value in line.points if start <= at < end]
        yield Row(int(start) * clock.SECOND, _between(values), _bound(panel, end))


def _between(values: list[float]) -> str:
    if not values:
        return "no value"
    low, high = axes.number(min(values)), axes.number(max(values))
    return low if low == high else f"{low} to {high}"


def _bound(panel: Panel, before: float) -> str:
    """The newest before the instant, of each bound that there is; a bound that is one number is the same at all times."""
    newest = [_newest(line.points, before) for line in panel.bounds]
    return ", ".join(dict.fromkeys(axes.number(value) for value in newest if value is not None))


def _newest(points: Points, before: float) -> float | None:
    return next((value for at, value in reversed(points) if at < before), None)
