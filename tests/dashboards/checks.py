"""What must hold of every board, as pure functions: each gives one line per fault, with its place."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cli.catalogue import catalogue
from dashboards import foreign
from dashboards.boards import declared
from dashboards.kit import promql
from dashboards.kit.emit import OF_GRAFANA, undeclared
from dashboards.kit.rules import Alert, Rules
from dashboards.kit.theme import BY_SEVERITY, NO_DATA, Colour, Unit
from demo.parts import ROOT
from tests.dashboards import schema

Board = dict[str, Any]
Panel = dict[str, Any]

GENERATED = ROOT / "dashboards/generated"
RULES = ROOT / "alerting-rules"
COLUMNS = 24
KINDS = frozenset(
    {"stat", "timeseries", "gauge", "bargauge", "table", "text", "logs", "state-timeline", "status-history"}
)
OVER_TIME = frozenset({"timeseries", "state-timeline", "status-history"})
TRANSFORMATIONS = frozenset({"merge", "organize", "sortBy", "labelsToFields", "filterFieldsByName", "joinByField"})
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
RECEIVER_PAGES = re.compile(r"/(a/[0-9a-f]{16}|actions/[\w-]+)?")
VALUE = "${__value.raw}"
"""In a link, the value of the cell that was clicked on."""


def boards(folder: Path = GENERATED) -> list[Board]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


@functools.cache
def rules() -> Rules:
    return Rules(RULES)


@functools.cache
def known() -> promql.Declared:
    return declared(catalogue(), rules())


@functools.cache
def quiet() -> frozenset[str]:
    """Series that may be absent while all is well."""
    ours = {name for family in catalogue() if family.quiet for name in family.series_names}
    return frozenset(ours | {each.name for each in foreign.FOREIGN if each.quiet})


def faults(every: Sequence[Board], declared: promql.Declared) -> list[str]:
    """Everything that can be said of boards without a server."""
    uids = Counter(board["uid"] for board in every)
    found = [f"{uid}: {count} boards have this uid" for uid, count in uids.items() if count > 1]
    for board in every:
        for check in CHECKS:
            found += check(board)
        found += undeclared(board, declared)
        found += links(board, every)
    return found


def shown(board: Board) -> Iterator[tuple[str, Panel]]:
    """The panels that ask something, with their places."""
    yield from ((f"{board['uid']}: {panel['title']}", panel) for panel in board["panels"] if panel["type"] != "row")


def identity(board: Board) -> Iterator[str]:
    """A uid that a link can name, panels that can be told apart."""
    uid = board["uid"]
    if not re.fullmatch(r"occ-[a-z-]{1,36}", uid):
        yield f"{uid}: no uid of ours"
    for what in ("id", "title"):
        counted = Counter(panel[what] for panel in board["panels"])
        yield from (f"{uid}: {count} panels have the {what} {value}" for value, count in counted.items() if count > 1)
    for place, panel in shown(board):
        refs = Counter(target["refId"] for target in panel.get("targets", ()))
        yield from (f"{place}: {count} queries are called {ref}" for ref, count in refs.items() if count > 1)


def layout(board: Board) -> Iterator[str]:
    """Panels inside the grid, none on another."""
    placed = [(panel["title"], panel["gridPos"]) for panel in board["panels"]]
    for title, at in placed:
        if at["x"] < 0 or at["y"] < 0 or at["w"] < 1 or at["h"] < 1 or at["x"] + at["w"] > COLUMNS:
            yield f"{board['uid']}: {title}: outside the grid"
    for (one, a), (other, b) in itertools.combinations(placed, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        if not (beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]):
            yield f"{board['uid']}: {one} and {other} overlap"


def words(board: Board) -> Iterator[str]:
    """Each panel answers one question, and says which."""
    if board["editable"] is not False:
        yield f"{board['uid']}: is editable"
    for place, panel in shown(board):
        question = panel.get("description", "")
        if not re.match(r"[A-Z][^?]+\?(?: |$)", question):
            yield f"{place}: its description is no question: {question!r}"


def kinds(board: Board) -> Iterator[str]:
    """Panel types, transformations and units that Grafana has and that boards have agreed on."""
    for place, panel in shown(board):
        if panel["type"] not in KINDS:
            yield f"{place}: panel type {panel['type']} is not on the list"
        for transformation in panel.get("transformations", ()):
            if transformation["id"] not in TRANSFORMATIONS:
                yield f"{place}: transformation {transformation['id']} is not on the list"
        for unit in _units(panel):
            if unit not in set(Unit) or not (unit in schema.UNITS or unit.startswith("suffix:")):
                yield f"{place}: unit {unit} is not on the list"


def _units(panel: Panel) -> Iterator[str]:
    if panel["type"] == "text":
        return
    yield panel["fieldConfig"]["defaults"].get("unit", "(none)")
    for properties in _overrides(panel).values():
        yield from ([properties["unit"]] if "unit" in properties else [])


def _overrides(panel: Panel) -> dict[str, dict[str, Any]]:
    """What is set otherwise, by the name of the column."""
    return {
        override["matcher"]["options"]: {change["id"]: change["value"] for change in override["properties"]}
        for override in panel["fieldConfig"]["overrides"]
    }


def sources(board: Board) -> Iterator[str]:
    """Everything is asked of the data source that the reader chose, but for what was written into Grafana itself."""
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    if variables.get("datasource", {}).get("type") != "datasource":
        yield f"{board['uid']}: no variable chooses the data source"
    asking = [(f"variable {name}", each) for name, each in variables.items() if each["type"] == "query"]
    asking += [
        (f"annotation {each['name']}", each)
        for each in board["annotations"]["list"]
        if each.get("datasource") != OF_GRAFANA
    ]
    for _, panel in shown(board):
        targets = panel.get("targets", ())
        asking += [(panel["title"], panel)] if targets else []
        asking += [(f"{panel['title']} {target['refId']}", target) for target in targets]
    for name, each in asking:
        if each.get("datasource") != DATASOURCE:
            yield f"{board['uid']}: {name}: its data source is {each.get('datasource')}"


def absence(board: Board) -> Iterator[str]:
    """A panel without data says so; it looks bad unless all the series that it asks for may be absent."""
    for place, panel in shown(board):
        if panel["type"] == "text":
            continue
        defaults = panel["fieldConfig"]["defaults"]
        if not defaults.get("noValue"):
            yield f"{place}: says nothing when there is nothing"
        if panel["type"] == "table":
            continue
        if not (nothing := [each for each in defaults.get("mappings", ()) if each["type"] == "special"]):
            yield f"{place}: no mapping of null"
        bad = [each["options"]["result"]["color"] == Colour.UNKNOWN for each in nothing]
        if defaults.get("noValue") == NO_DATA and not all(bad):
            yield f"{place}: having no data does not look bad"
        if defaults.get("noValue") != NO_DATA and not _may_be_absent(panel):
            yield f"{place}: {defaults.get('noValue')!r} hides that there is no data"


def _may_be_absent(panel: Panel) -> bool:
    return all(promql.read(target["expr"], known()).metrics & quiet() for target in panel["targets"])


def refreshing(board: Board) -> Iterator[str]:
    """Numbers and tables show this instant: a range would show what has vanished since."""
    for place, panel in shown(board):
        over_time = panel["type"] in OVER_TIME
        for target in panel.get("targets", ()) if panel["type"] in KINDS else ():
            if target["instant"] is over_time or target["range"] is not over_time:
                yield f"{place} {target['refId']}: asks for {'an instant' if over_time else 'a range'}"
        if over_time and panel["fieldConfig"]["defaults"]["custom"].get("spanNulls"):
            yield f"{place}: draws over gaps"


def schemas(board: Board) -> Iterator[str]:
    yield from schema.complaints(board)


def links(board: Board, every: Sequence[Board]) -> Iterator[str]:
    """Every link leads somewhere, and each panel leads to a runbook."""
    variables = {other["uid"]: {each["name"] for each in other["templating"]["list"]} for other in every}
    for place, url in _urls(board):
        if (why := _dead(url, variables)) is not None:
            yield f"{place}: {url} {why}"
    for place, panel in shown(board):
        if panel["type"] != "text" and not runbooks(panel):
            yield f"{place}: leads to no runbook"


def _urls(board: Board) -> Iterator[tuple[str, str]]:
    yield from ((f"{board['uid']}: {link['title']}", link["url"]) for link in board["links"] if link["type"] == "link")
    for place, panel in shown(board):
        yield from ((place, link["url"]) for link in panel.get("links", ()))
        for properties in _overrides(panel).values():
            yield from ((place, link["url"]) for link in properties.get("links", ()))
        yield from ((place, url) for url in re.findall(r"\]\(([^)]+)\)", panel["options"].get("content", "")))


def _dead(url: str, variables: Mapping[str, set[str]]) -> str | None:
    """Why a link leads nowhere; None if it leads somewhere."""
    start, _, rest = url.partition("}")
    match start:
        case "${repo_url:raw":
            there = all((ROOT / path).is_file() for path in _of_alerts(rest.lstrip("/")))
            return None if there else "is no file of this repository"
        case "${occ_url:raw":
            return None if RECEIVER_PAGES.fullmatch(rest.replace(VALUE, "any")) else "is no page of the receiver"
    return _no_board(url, variables)


def _of_alerts(path: str) -> list[str]:
    """The path, or those that it may become in a column of alerts."""
    return [path.replace(VALUE, name) for name in rules()] if VALUE in path else [path]


def _no_board(url: str, variables: Mapping[str, set[str]]) -> str | None:
    split = urlsplit(url)
    uid = split.path.removeprefix("/d/")
    if uid not in variables:
        return "is no board"
    strange = {name.removeprefix("var-") for name in parse_qs(split.query)} - variables[uid]
    return f"sets {', '.join(sorted(strange))}, which that board does not have" if strange else None


def runbooks(panel: Panel) -> list[str]:
    """The alerts whose runbooks a panel leads to."""
    found = (re.search(r"/runbooks/(\w+)\.md$", link["url"]) for link in panel.get("links", ()))
    return [match[1] for match in found if match]


# Colours against rules ------------------------------------------------------------------------------------------------

_HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda value, number: value > number,
    ">=": lambda value, number: value >= number,
    "<": lambda value, number: value < number,
    "<=": lambda value, number: value <= number,
    "==": lambda value, number: value == number,
}


def colours(board: Board) -> Iterator[str]:
    """A value that a panel's alert calls ill has the colour of that alert, the one beside it has not.

    A limit of each chain's own is a curve in the same panel instead.
    """
    for place, panel in shown(board):
        asked = {name for target in panel.get("targets", ()) for name in promql.read(target["expr"], known()).metrics}
        for alert in (rules()[name] for name in runbooks(panel) if name in rules()):
            for config, metric in _plain(panel):
                limits = {(op, limit) for op, limit in alert.compared(metric) if limit not in asked}
                yield from _disagreements(f"{place}: {metric}", config, alert, limits)


def _plain(panel: Panel) -> Iterator[tuple[dict[str, Any], str]]:
    """The metrics that are shown as they are, all or the largest, each with the configuration of its field."""
    headings = _headings(panel)
    overrides = _overrides(panel)
    for target in panel.get("targets", ()):
        shown = re.sub(r"^topk\(\d+, (.*)\)$", r"\1", target["expr"])
        if match := re.fullmatch(r"(?:max|min) (?:by \([^)]*\) )?\((\w+)(?:\{[^}]*\})?\)", shown):
            column = overrides.get(headings.get(f"Value #{target['refId']}", ""), {})
            yield {**panel["fieldConfig"]["defaults"], **column}, match[1]


def _headings(panel: Panel) -> dict[str, str]:
    organize = [each["options"] for each in panel.get("transformations", ()) if each["id"] == "organize"]
    return dict(organize[0]["renameByName"]) if organize else {}


def _disagreements(
    place: str, config: Mapping[str, Any], alert: Alert, limits: Iterable[tuple[str, float | str]]
) -> Iterator[str]:
    numbers = {(op, alert.number(limit)) for op, limit in limits}
    for op, number in sorted((op, number) for op, number in numbers if number is not None):
        for value in _probes(config, number):
            colour = colour_at(config, value)
            if _HOLDS[op](value, number) is not (colour == BY_SEVERITY[alert.severity]):
                yield f"{place}: {value:g} is {colour}, and {alert.name} says {op} {number:g}"


def _probes(config: Mapping[str, Any], number: float) -> list[float]:
    """The values that have names of their own, or those around a limit; of what is counted the whole ones."""
    if named := [value for each in config.get("mappings", ()) if each["type"] == "value" for value in each["options"]]:
        return [float(value) for value in named]
    if config["unit"] in (Unit.COUNT, Unit.BLOCKS):
        return [float(value) for value in range(max(int(number) - 1, 0), int(number) + 3)]
    return [number * 0.99, number * 1.01]


def colour_at(config: Mapping[str, Any], value: float) -> str:
    """What colour Grafana gives a value: that of its mapping, or of the last step that it reaches."""
    for mapping in config.get("mappings", ()):
        if mapping["type"] == "value" and (found := mapping["options"].get(f"{value:g}")):
            return str(found["color"])
    reached = [
        step["color"] for step in config["thresholds"]["steps"] if step["value"] is None or value >= step["value"]
    ]
    return str(reached[-1])


CHECKS: Iterable[Callable[[Board], Iterator[str]]] = (
    identity,
    layout,
    words,
    kinds,
    sources,
    absence,
    refreshing,
    colours,
    schemas,
)
