"""A chart as SVG: what was measured, its bound, when it fired and what was done. Pure; nothing in it is more than text.

It is shown as a picture, so that it needs no script and loads apart from its page. Colours follow the reader's light or dark
setting; nothing is told by colour alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

from receiver import clock
from receiver.text import shown

from . import axes
from .axes import Scale
from .svg import clean, cut, rectangle, stroke, text, wrapped
from .values import Chart, Line, Panel, Points

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #16181d; stroke: #fff; stroke-width: 3px; stroke-linejoin: round; paint-order: stroke; }
.code { font-family: ui-monospace, monospace; }
.soft { fill: #50565f; }
.axis { stroke: #d3d7dd; fill: none; }
.line { stroke: #0b4fb3; stroke-width: 2; fill: none; stroke-linejoin: round; }
.dot { fill: #0b4fb3; }
.bound { stroke: #b3141f; stroke-width: 2; stroke-dasharray: 7 4; fill: none; }
.limit { fill: #b3141f; font-weight: 600; }
.fires { fill: #b3141f; fill-opacity: .1; }
.mark { stroke: #50565f; stroke-dasharray: 2 2; }
.flag { fill: #50565f; }
text.onflag { fill: #fff; stroke: none; font-weight: 600; font-size: 11px; }
@media (prefers-color-scheme: dark) {
  text { fill: #e7e9ed; stroke: #101216; }
  .soft { fill: #a9b0bb; }
  .axis { stroke: #343a44; }
  .line { stroke: #8ab8ff; }
  .dot { fill: #8ab8ff; }
  .bound { stroke: #ff8a8a; }
  .limit { fill: #ff8a8a; }
  .fires { fill: #ff8a8a; fill-opacity: .16; }
  .mark { stroke: #a9b0bb; }
  .flag { fill: #a9b0bb; }
  text.onflag { fill: #101216; }
}
"""
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'"
"""A Content-Security-Policy under which the picture is as it should be, also when it is opened by itself."""

_DASHES = ("", "9 3", "3 3", "12 3 3 3", "1 3")
_CHARACTER = 7.4
"""Pixels that a character of the monospaced font is wide."""


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels, and how many marks are written out below."""

    width: int
    height: int
    legend: int
    ticks: int

    @property
    def characters(self) -> int:
        """That a line holds, from end to end."""
        return int((self.width - 8) / _CHARACTER)


WIDE = Size(960, 420, 5, 9)
NARROW = Size(360, 420, 5, 4)

_LEFT, _RIGHT, _TITLE, _LINE, _AXIS, _FLAG = 60, 10, 20, 16, 20, 16


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where a panel is drawn."""

    size: Size
    chart: Chart
    top: float
    bottom: float

    @property
    def across(self) -> Scale:
        return Scale(self.chart.start, self.chart.end, _LEFT, self.size.width - _RIGHT)

    def down(self, panel: Panel) -> Scale:
        values = [value for line in (*panel.lines, *panel.bounds) for _, value in line.drawn]
        return Scale(*axes.spread(values), self.bottom, self.top)


def svg(chart: Chart, size: Size = WIDE) -> str:
    """The picture; always of this size."""
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {size.width} {size.height}", role="img")
    root.set("aria-labelledby", "title desc")
    root.set("width", str(size.width))
    root.set("height", str(size.height))
    SubElement(root, "title", id="title").text = "The alert's expression over time"
    SubElement(root, "desc", id="desc").text = " ".join(said(chart))
    SubElement(root, "style").text = STYLE
    if chart.words or not chart.panels:
        _paragraph(root, chart.words or "There is nothing to draw.", size)
        return tostring(root, encoding="unicode")
    for plot, panel in zip(_plots(chart, size), chart.panels, strict=True):
        _panel(root, plot, panel)
    _legend(root, chart, size)
    return tostring(root, encoding="unicode")


def said(chart: Chart) -> Iterator[str]:
    """The chart in sentences."""
    yield f"From {_instant(chart.start)} to {_instant(chart.end)}."
    if chart.words:
        yield clean(chart.words)
    for panel in chart.panels:
        yield f"{clean(panel.title)}: {clean(panel.words) or _newest(panel)}."
    for start, end in chart.fired:
        yield f"It fired from {_instant(start)} to {_instant(end)}."
    for number, mark in enumerate(chart.marks, 1):
        yield f"Mark {number}, {_instant(mark.at)}: {clean(mark.text)}."


def _newest(panel: Panel) -> str:
    told = [f"{axes.number(line.drawn[-1][1])} at {_instant(line.drawn[-1][0])}" for line in panel.lines if line.drawn]
    limits = [axes.number(line.drawn[-1][1]) for line in panel.bounds if line.drawn]
    return f"{', '.join(told) or 'no value'}{f'; the bound {limits[0]}' if limits else ''}"


# --- a panel ---------------------------------------------------------------------------------------------------------


def _plots(chart: Chart, size: Size) -> list[_Plot]:
    """Panels of one height, below each other, above the legend."""
    rows = min(len(chart.marks), size.legend) + (len(chart.marks) > size.legend)
    each = (size.height - rows * _LINE - (8 if rows else 0)) / len(chart.panels)
    tops = [each * index + _TITLE + 4 for index in range(len(chart.panels))]
    return [_Plot(size, chart, top, top + each - _TITLE - _AXIS - 8) for top in tops]


def _panel(root: Element, plot: _Plot, panel: Panel) -> None:
    text(root, 4, plot.top - 8, _title(panel, plot.size.characters), kind="code")
    across, down = plot.across, plot.down(panel)
    for start, end in plot.chart.fired:
        left, right = across.at(start), across.at(end)
        rectangle(root, left, plot.top, max(right - left, 1), plot.bottom - plot.top, kind="fires")
        text(root, left + 3, plot.bottom - 4, "fires" if end >= plot.chart.end else "fired", kind="soft")
    _grid(root, plot, down)
    _marks(root, plot)
    for line in panel.bounds:
        _line(root, line, plot, down, kind="bound")
    for line, dash in zip(panel.lines, _dashes(panel.lines), strict=True):
        _line(root, line, plot, down, kind="line", dash=dash)
    _notes(root, plot, panel)


def _title(panel: Panel, characters: int) -> str:
    """The condition on one line; what it is compared with is cut last."""
    against = cut(f" {panel.op} {panel.bound}", characters // 2) if panel.op else ""
    return f"{cut(panel.value, characters - len(against) - 1)} {against}"


def _grid(root: Element, plot: _Plot, down: Scale) -> None:
    across, right = plot.across, plot.size.width - _RIGHT
    for value in axes.ticks(down.low, down.high, 3):
        stroke(root, _LEFT, down.at(value), right, down.at(value), kind="axis")
        text(root, _LEFT - 6, down.at(value) + 4, axes.number(value), kind="soft", anchor="end")
    for at in axes.hours(plot.chart.start, plot.chart.end, plot.size.ticks):
        stroke(root, across.at(at), plot.bottom, across.at(at), plot.bottom + 4, kind="axis")
        text(root, across.at(at), plot.bottom + 16, axes.minute(at), kind="soft", anchor="middle")
    stroke(root, _LEFT, plot.bottom, right, plot.bottom, kind="axis")
    text(root, 4, plot.bottom + 16, "UTC", kind="soft")


def _line(root: Element, line: Line, plot: _Plot, down: Scale, *, kind: str, dash: str = "") -> None:
    """One stroke from gap to gap; a value alone is a dot."""
    across = plot.across
    for run in runs(line.drawn, plot.chart.step):
        places = [(across.at(at), down.at(value)) for at, value in run]
        if len(places) == 1 and kind == "line":
            SubElement(root, "circle", {"class": "dot", "cx": str(places[0][0]), "cy": str(places[0][1]), "r": "2"})
            continue
        points = " ".join(f"{x},{y}" for x, y in places)
        drawn = SubElement(root, "polyline", {"class": kind, "points": points})
        if dash:
            drawn.set("stroke-dasharray", dash)


def runs(points: Points, step: float) -> list[Points]:
    """The points, cut where more than a step lies between two."""
    cuts = [index for index, (one, other) in enumerate(pairwise(points), 1) if other[0] - one[0] > step * 1.5]
    edges = [0, *cuts, len(points)]
    return [points[start:end] for start, end in pairwise(edges) if end > start]


def _notes(root: Element, plot: _Plot, panel: Panel) -> None:
    """What the lines are, where there are several; and in words what can not be seen of a line."""
    notes = [shown(panel.words)] if panel.words else []
    ends = [line.drawn[-1][0] for line in panel.lines if line.drawn]
    if ends and plot.chart.end - max(ends) > plot.chart.step * 1.5:
        notes.append(f"no value since {_instant(max(ends))}")
    elif not ends and not panel.words:
        notes.append("no value in this time")
    for row, note in enumerate(notes):
        text(root, _LEFT + 6, plot.top + 14 + row * _LINE, cut(note, plot.size.characters - 10), kind="limit")
    if len(panel.lines) > 1:
        _names(root, plot, panel, len(notes))


def _names(root: Element, plot: _Plot, panel: Panel, before: int) -> None:
    room = int((plot.bottom - plot.top) / _LINE) - before - 1
    for row, (line, dash) in enumerate(list(zip(panel.lines, _dashes(panel.lines), strict=True))[: max(room, 0)]):
        y = plot.top + 10 + (before + row) * _LINE
        stroke(root, _LEFT + 6, y, _LEFT + 30, y, kind="line").set("stroke-dasharray", dash or "none")
        text(root, _LEFT + 36, y + 4, cut(line.label, plot.size.characters - 14), kind="code")


def _dashes(lines: tuple[Line, ...]) -> list[str]:
    return [_DASHES[index % len(_DASHES)] for index in range(len(lines))]


# --- marks -----------------------------------------------------------------------------------------------------------


def _marks(root: Element, plot: _Plot) -> None:
    free: list[float] = []
    """Of each row of flags, where the next one has room."""
    for number, mark in enumerate(plot.chart.marks, 1):
        x = plot.across.at(mark.at)
        stroke(root, x, plot.top, x, plot.bottom, kind="mark")
        row = next((row for row, place in enumerate(free) if place <= x), len(free))
        free[row : row + 1] = [x + _FLAG + 1]
        _flag(root, x, plot.top + 7 + row * (_FLAG - 1), number)


def _legend(root: Element, chart: Chart, size: Size) -> None:
    marks = list(enumerate(chart.marks, 1))
    rows = [f"{_instant(mark.at)[11:19]} {mark.text}" for _, mark in marks[: size.legend]]
    top = size.height - (len(rows) + (len(marks) > size.legend)) * _LINE
    for number, row in enumerate(rows, 1):
        _flag(root, 12, top + (number - 1) * _LINE + 7, number)
        text(root, 26, top + (number - 1) * _LINE + 11, cut(row, size.characters - 3))
    if len(marks) > size.legend:
        text(root, 26, size.height - 5, f"and {len(marks) - size.legend} more, which the table has", kind="soft")


def _flag(root: Element, x: float, y: float, number: int) -> None:
    rectangle(root, x - _FLAG / 2, y - 7, _FLAG, 14, kind="flag")
    text(root, x, y + 4, str(number), kind="onflag", anchor="middle")


def _paragraph(root: Element, said: str, size: Size) -> None:
    """Words in the place of what they are about."""
    rectangle(root, 0.5, 0.5, size.width - 1, size.height - 1, kind="axis")
    for row, words in enumerate(wrapped(said, size.characters - 4)):
        text(root, size.width / 2, size.height / 2 - 2 * _LINE + row * _LINE, words, anchor="middle")


def _instant(at: float) -> str:
    return clock.readable(int(at) * clock.SECOND)
