"""Boards as files: grafanalib's dashboard, what it emits and Grafana no longer knows taken out, the same bytes each time.

Nothing is written that asks for a metric or a label which nobody declares.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafanalib.core import Annotations, Dashboard, Template, Templating, Time
from grafanalib.core import DashboardLink as Link

from . import promql
from .addresses import Addresses
from .layout import Row, placed
from .panels import DATASOURCE, placeholders
from .promql import Declared
from .theme import Colour

SCHEMA_VERSION = 41
OF_GRAFANA = {"type": "grafana", "uid": "-- Grafana --"}
"""Grafana's own data source, which has the annotations that were written into it."""
TAG = "occ"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the head of a board, filled with the values that a label has in a series; more than one may be chosen."""

    label: str
    title: str
    series: str

    @property
    def query(self) -> str:
        return f"label_values({self.series}, {self.label})"


@dataclass(frozen=True, slots=True)
class Board:
    """A board before it is JSON."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()


class Refused(Exception):  # noqa: N818 - it names what happened
    """A board that asks for what nobody declares; the message has a line for each place."""


def document(board: Board, known: Declared, addresses: Addresses) -> Document:
    """The board as Grafana reads it. Raises Refused."""
    made = _pruned(json.loads(json.dumps(_dashboard(board, addresses), default=lambda value: value.to_json_data())))
    if faults := list(undeclared(made, known)):
        raise Refused("\n".join(faults))
    return made


def rendered(made: Document) -> str:
    """The text of the file."""
    return json.dumps(made, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write(boards: Iterable[Document], folder: Path) -> list[Path]:
    """Writes every board as UID.json."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for made in boards:
        path = folder / f"{made['uid']}.json"
        path.write_text(rendered(made), encoding="utf-8")
        written.append(path)
    return written


def differences(boards: Iterable[Document], folder: Path) -> list[str]:
    """What generating anew would change in the folder, a line per file."""
    wanted = {f"{made['uid']}.json": rendered(made) for made in boards}
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return [
        *(f"{name}: is missing" for name in sorted(wanted.keys() - there.keys())),
        *(f"{name}: no board has this name" for name in sorted(there.keys() - wanted.keys())),
        *(
            f"{name}: is not what its board says"
            for name in sorted(wanted.keys() & there.keys())
            if wanted[name] != there[name]
        ),
    ]


def queries(made: Document) -> Iterator[tuple[str, str, str]]:
    """Every PromQL of a board: its place, the expression, the legend of its series."""
    for panel in made["panels"]:
        for target in panel.get("targets", ()):
            place = f"{made['uid']}: {panel['title']} {target['refId']}"
            yield place, target["expr"], target.get("legendFormat", "")
    for annotation in (each for each in made["annotations"]["list"] if "expr" in each):
        legend = f"{annotation.get('titleFormat', '')}{annotation.get('textFormat', '')}"
        yield f"{made['uid']}: annotation {annotation['name']}", annotation["expr"], legend
    for variable in made["templating"]["list"]:
        if variable["type"] == "query":
            series, _, label = (
                variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rpartition(", ")
            )
            yield f"{made['uid']}: variable {variable['name']}", f"count by ({label}) ({series})", ""


def undeclared(made: Document, known: Declared) -> Iterator[str]:
    """Names of metrics and labels in queries and legends that nobody declares, with their place."""
    for place, expr, legend in queries(made):
        found = promql.read(expr, known)
        yield from (f"{place}: {fault}" for fault in found.faults)
        if not found.faults:
            strange = sorted(placeholders(legend) - found.labels)
            yield from (f"{place}: the legend shows {label}, which the series do not have" for label in strange)


def _dashboard(board: Board, addresses: Addresses) -> Dashboard:
    return Dashboard(
        uid=board.uid,
        title=board.title,
        description=board.description,
        tags=[TAG],
        editable=False,
        graphTooltip=1,
        refresh="30s",
        time=Time("now-1h", "now"),
        timezone="utc",
        schemaVersion=SCHEMA_VERSION,
        links=[
            Link(title="Boards", type="dashboards", tags=[TAG], asDropdown=True, icon="external link"),
            Link(title="What fires", type="link", uri="${occ_url:raw}/", keepTime=False, targetBlank=True),
        ],
        annotations=Annotations(
            list=[_firing("Pages", "page", Colour.PAGE), _firing("Tickets", "ticket", Colour.TICKET), _done()]
        ),
        templating=Templating(list=[*_given(addresses), *map(_choice, board.variables)]),
        panels=list(placed(board.rows)),
    )


def _firing(name: str, severity: str, colour: Colour) -> Document:
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "expr": f'max by (alertname, entity, domain) (ALERTS{{alertstate="firing",severity="{severity}"}})',
        "hide": False,
        "iconColor": str(colour),
        "name": name,
        "step": "30s",
        "tagKeys": "domain",
        "textFormat": "{{entity}}",
        "titleFormat": "{{alertname}}",
    }


def _done() -> Document:
    """What the receiver writes into Grafana: incidents as regions, what actions came to as points."""
    return {
        "datasource": OF_GRAFANA,
        "enable": True,
        "hide": False,
        "iconColor": str(Colour.NEUTRAL),
        "name": "Incidents and actions",
        "target": {"limit": 100, "matchAny": False, "tags": [TAG], "type": "tags"},
    }


def _given(addresses: Addresses) -> list[Template]:
    return [
        Template(name="datasource", label="Prometheus", type="datasource", query="prometheus", default="default"),
        _constant("occ_url", "The receiver", addresses.occ_url),
        _constant("repo_url", "This repository", addresses.repo_url),
    ]


def _constant(name: str, label: str, value: str) -> Template:
    return Template(name=name, label=label, type="constant", query=value, default=value, hide=2)


def _choice(variable: Variable) -> Template:
    template = Template(
        name=variable.label,
        label=variable.title,
        dataSource=DATASOURCE,
        query={"query": variable.query, "refId": "StandardVariableQuery"},
        refresh=2,
        includeAll=True,
        multi=True,
        allValue=".*",
        sort=1,
    )
    template._current = {"selected": True, "text": ["All"], "value": ["$__all"]}  # noqa: SLF001 - its own way knows no multi
    return template


# What grafanalib emits for Grafana 5 and 6, or for other kinds of panels and variables.
_DEAD = {
    "dashboard": {
        "__inputs",
        "gnetId",
        "hideControls",
        "id",
        "rows",
        "sharedCrosshair",
        "style",
        "timepicker",
        "version",
    },
    "panel": {"cacheTimeout", "editable", "error", "height", "hideTimeOverride", "minSpan", "span"},
    "row": {"cacheTimeout", "description", "editable", "error", "fieldConfig", "height", "hideTimeOverride", "interval"}
    | {"links", "maxDataPoints", "minSpan", "span", "targets", "transformations", "transparent"},
    "variable": {"auto", "auto_count", "auto_min", "options", "tagValuesQuery", "tags", "tagsQuery", "useTags"},
}


def _pruned(made: Document) -> Document:
    kept = _alive(made, "dashboard")
    kept["panels"] = [_alive(panel, "row" if panel["type"] == "row" else "panel") for panel in made["panels"]]
    kept["templating"] = {"list": [_variable(variable) for variable in made["templating"]["list"]]}
    return kept


def _variable(variable: Document) -> Document:
    kept = _alive(variable, "variable")
    kept["current"] = _alive(variable["current"], "variable")
    if variable["type"] == "constant":
        kept["options"] = [kept["current"]]
    return kept


def _alive(values: Mapping[str, Any], kind: str) -> Document:
    dead = _DEAD[kind]
    return {name: value for name, value in values.items() if value is not None and value != [] and name not in dead}
