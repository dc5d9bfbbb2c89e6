"""Panels in today's shapes. grafanalib carries what every panel has; its own kinds still emit the shapes of years ago.

A panel of states or totals asks for this instant: with a range, Grafana would show the last value of a series that has
vanished since.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_uppercase
from typing import Any, NamedTuple

import attr
from grafanalib.core import Panel as LibraryPanel

from . import theme
from .rules import Alert
from .theme import Limit, State, Unit

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Kind(StrEnum):
    """Panel types that Grafana itself brings, 7.5 to 13; the last two since 8.0, where they say more."""

    STAT = "stat"
    TIMESERIES = "timeseries"
    GAUGE = "gauge"
    BAR_GAUGE = "bargauge"
    TABLE = "table"
    TEXT = "text"
    STATE_TIMELINE = "state-timeline"
    STATUS_HISTORY = "status-history"


class Query(NamedTuple):
    """PromQL and how its series are called; `{{label}}` is the label's value."""

    expr: str
    legend: str


class Header(NamedTuple):
    """What every panel has: a title, the question that it answers, the alerts that its answer leads to."""

    title: str
    question: str
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """How values are read: their unit, where they are bad, what single ones are called, what it means to have none.

    A graph of what is `signed` goes below zero, and its limits hold on either side.
    """

    unit: Unit
    limits: tuple[Limit, ...] = ()
    states: Mapping[float, State] | None = None
    nothing: str = theme.NO_DATA
    decimals: int | None = None
    signed: bool = False


@attr.s(auto_attribs=True, kw_only=True)
class Panel(LibraryPanel):
    """A panel of any kind: its width in columns of 24, the most points of a series (by default one per pixel), its options
    and its field configuration as Grafana has them.
    """

    kind: Kind
    width: int
    points: int | None = None
    options: dict[str, Any] = attr.Factory(dict)
    fields: dict[str, Any] = attr.Factory(lambda: {"defaults": {}, "overrides": []})

    def to_json_data(self) -> dict[str, Any]:
        """The panel as JSON, nulls and dead keys included: `emit` prunes."""
        made: dict[str, Any] = self.panel_json({"type": str(self.kind), "options": self.options})  # type: ignore[no-untyped-call]
        return made | {"fieldConfig": self.fields, "maxDataPoints": self.points}


def stat(
    header: Header,
    scale: Scale,
    *queries: Query,
    width: int = 4,
    names: bool = False,
    plain: Iterable[str] = (),
) -> Panel:
    """One number per series that a wall can show, its background coloured; `names` shows the legends beside. Those of
    `plain` are neither good nor bad.
    """
    options = {
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": _LAST,
        "textMode": "value_and_name" if names else "value",
    }
    panel = _panel(Kind.STAT, header, _now(queries), defaults=_defaults(scale), options=options, width=width)
    neutral = [{"id": "color", "value": {"mode": "fixed", "fixedColor": str(theme.Colour.NEUTRAL)}}]
    panel.fields["overrides"] = [_override(legend, neutral) for legend in plain]
    return panel


def gauge(header: Header, scale: Scale, *queries: Query, width: int = 6, top: float = 1) -> Panel:
    """Shares of a whole, `top`."""
    options = {
        "orientation": "auto",
        "reduceOptions": _LAST,
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
    }
    return _panel(
        Kind.GAUGE, header, _now(queries), defaults=_defaults(scale, min=0, max=top), options=options, width=width
    )


def bar_gauge(header: Header, scale: Scale, *queries: Query, width: int = 6) -> Panel:
    """Series side by side, the value beside its bar."""
    options = {"displayMode": "basic", "orientation": "horizontal", "reduceOptions": _LAST, "showUnfilled": True}
    return _panel(Kind.BAR_GAUGE, header, _now(queries), defaults=_defaults(scale, min=0), options=options, width=width)


def timeseries(
    header: Header, scale: Scale, *queries: Query, width: int = 6, stacked: bool = False, bounds: Sequence[Query] = ()
) -> Panel:
    """Curves with the limits as lines; a gap is a time without data. `bounds` are limits that differ, as by chain; their
    legends end in `limit`.
    """
    custom: dict[str, Any] = {
        "drawStyle": "line",
        "fillOpacity": 25 if stacked else 0,
        "lineWidth": 1,
        "showPoints": "auto",
        "spanNulls": False,
        "thresholdsStyle": {"mode": "line" if scale.limits else "off"},
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
    }
    floor = {} if scale.signed else {"min": 0}
    defaults = _defaults(scale, **floor, custom=custom, color={"mode": "palette-classic"})
    defaults["thresholds"]["steps"] = theme.lines(scale.limits, scale.unit, signed=scale.signed)
    options = {"legend": _legend(len(queries)), "tooltip": {"mode": "multi", "sort": "desc"}}
    targets = _over_time((*queries, *bounds))
    panel = _panel(Kind.TIMESERIES, header, targets, defaults=defaults, options=options, width=width)
    panel.fields["overrides"] = [_DASHED] if bounds else []
    return panel


def state_timeline(header: Header, scale: Scale, *queries: Query, width: int = 6) -> Panel:
    """One band per series, coloured by its state; equal neighbours are one piece."""
    defaults = _defaults(scale, custom={"fillOpacity": 80, "lineWidth": 0, "spanNulls": False})
    options = {**_BANDS, "alignValue": "left", "mergeValues": True}
    return _panel(Kind.STATE_TIMELINE, header, _over_time(queries), defaults=defaults, options=options, width=width)


def status_history(header: Header, scale: Scale, *queries: Query, width: int = 6) -> Panel:
    """One band per series with a mark for each point in time: a short trouble does not drown between long calms."""
    defaults = _defaults(scale, custom={"fillOpacity": 80, "lineWidth": 1})
    options = {**_BANDS, "colWidth": 0.9}
    panel = _panel(Kind.STATUS_HISTORY, header, _over_time(queries), defaults=defaults, options=options, width=width)
    return attr.evolve(panel, points=_MARKS)


def text(title: str, question: str, markdown: str, width: int = 24) -> Panel:
    """Words."""
    options = {"content": markdown, "mode": "markdown"}
    return Panel(kind=Kind.TEXT, title=title, description=question, options=options, width=width)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of values: its heading, the query that fills it, how it is read."""

    heading: str
    expr: str
    scale: Scale


def table(
    header: Header,
    keys: Mapping[str, str],
    columns: Sequence[Column],
    *,
    facts: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    width: int = 24,
) -> Panel:
    """A row for each combination of the `keys`, which every query keeps, the worst of the first column first.

    `keys` and `facts` are labels with their headings; `facts` stand behind the values. `links` lead on from a key.
    """
    values = {_value(number): column for number, column in enumerate(columns)}
    names = {**keys, **{name: column.heading for name, column in values.items()}, **(facts or {})}
    order = {name: place for place, name in enumerate(names)}
    shown = [column for column in values.values() if column.heading]
    transformations = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True, **{name: True for name, heading in names.items() if not heading}},
                "indexByName": order,
                "renameByName": {name: heading for name, heading in names.items() if heading},
            },
        },
    ]
    panel = _panel(
        Kind.TABLE,
        header,
        [_target(_ref(number), Query(column.expr, ""), "table") for number, column in enumerate(columns)],
        defaults={"noValue": theme.NO_DATA, "unit": str(Unit.TEXT), "custom": {"align": "auto", "filterable": True}},
        options={"showHeader": True, "sortBy": [{"desc": True, "displayName": shown[0].heading}]},
        width=width,
    )
    panel.fields["overrides"] = [
        *(_override(column.heading, _column(column.scale)) for column in shown),
        *(
            _override(keys[key], [{"id": "links", "value": [_link(f"Go to {keys[key]}", url)]}])
            for key, url in (links or {}).items()
        ),
    ]
    return attr.evolve(panel, transformations=transformations)


_DASHED = {
    "matcher": {"id": "byRegexp", "options": "/ limit$/"},
    "properties": [
        {"id": "color", "value": {"mode": "fixed", "fixedColor": str(theme.Colour.TICKET)}},
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
    ],
}
_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_MARKS = 100
"""More marks than this on a narrow panel, and Grafana refuses to draw them."""

_BANDS = {
    "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
    "rowHeight": 0.8,
    "showValue": "never",
    "tooltip": {"mode": "single", "sort": "none"},
}


def _panel(
    kind: Kind,
    header: Header,
    targets: Sequence[Mapping[str, Any]],
    *,
    defaults: Mapping[str, Any],
    options: Mapping[str, Any],
    width: int,
) -> Panel:
    return Panel(
        kind=kind,
        title=header.title,
        description=header.question,
        links=[runbook(alert.name) for alert in header.alerts],
        dataSource=DATASOURCE,
        targets=list(targets),
        options=dict(options),
        fields={"defaults": dict(defaults), "overrides": []},
        width=width,
    )


def runbook(alert: str) -> dict[str, Any]:
    """A link to the page that says what to do."""
    return _link(f"Runbook: {alert}", f"${{repo_url:raw}}/runbooks/{alert}.md")


def _link(title: str, url: str) -> dict[str, Any]:
    return {"title": title, "url": url, "targetBlank": True}


def _now(queries: Iterable[Query]) -> list[dict[str, Any]]:
    return [_target(_ref(number), query, "time_series") for number, query in enumerate(queries)]


def _over_time(queries: Iterable[Query]) -> list[dict[str, Any]]:
    return [{**target, "instant": False, "range": True} for target in _now(queries)]


def _target(ref: str, query: Query, form: str) -> dict[str, Any]:
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "format": form,
        "instant": True,
        "legendFormat": query.legend,
        "range": False,
        "refId": ref,
    }


def _ref(number: int) -> str:
    return ascii_uppercase[number]


def _value(number: int) -> str:
    """What the table calls the values of its queries."""
    return f"Value #{_ref(number)}"


def _defaults(scale: Scale, **more: Any) -> dict[str, Any]:
    made = {
        "color": {"mode": "thresholds"},
        "mappings": theme.mappings(scale.states or {}, scale.nothing),
        "noValue": scale.nothing,
        "thresholds": {"mode": "absolute", "steps": theme.steps(scale.limits, scale.unit, scale.nothing)},
        "unit": str(scale.unit),
    }
    decimals = 0 if scale.unit in theme.WHOLE else scale.decimals
    return made | ({} if decimals is None else {"decimals": decimals}) | more


def _column(scale: Scale) -> list[dict[str, Any]]:
    defaults = _defaults(scale)
    coloured = bool(scale.limits or scale.states)
    cell = {"mode": "basic", "type": "color-background"} if coloured else {"type": "auto"}
    kept = {name: value for name, value in defaults.items() if name != "color"}
    return [
        *({"id": name, "value": value} for name, value in kept.items()),
        {"id": "custom.cellOptions", "value": cell},
    ]


def _override(heading: str, properties: list[dict[str, Any]]) -> dict[str, Any]:
    return {"matcher": {"id": "byName", "options": heading}, "properties": properties}


def _legend(queries: int) -> dict[str, Any]:
    return {
        "calcs": ["lastNotNull", "max"],
        "displayMode": "table" if queries == 1 else "list",
        "placement": "bottom",
        "showLegend": True,
    }


_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def placeholders(legend: str) -> set[str]:
    """The labels that a legend shows."""
    return set(_PLACEHOLDER.findall(legend))
