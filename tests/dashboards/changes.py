"""Boards as committed with one thing wrong, and what the checks say of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tests.dashboards import checks
from tests.dashboards.checks import Board, Panel

Change = Callable[[Board], None]

LAG = "Lag in blocks"
AT = f"occ-nodes: {LAG}"
DRILL_DOWN = "/d/occ-nodes?var-chain=${__data.fields.Chain}&var-node=${__value.raw}"


def panel(board: Board, title: str) -> Panel:
    found: Panel = next(each for each in board["panels"] if each["title"] == title)
    return found


def of(title: str, change: Callable[[Panel], Any]) -> Change:
    def changed(board: Board) -> None:
        change(panel(board, title))

    return changed


def query(expr: str, legend: str | None = None) -> Change:
    def changed(board: Board) -> None:
        target = panel(board, LAG)["targets"][0]
        target["expr"] = expr
        target["legendFormat"] = target["legendFormat"] if legend is None else legend

    return changed


def put(place: dict[str, Any], key: str, value: Any) -> None:
    place[key] = value


def override(given: Panel, column: str, name: str, value: Any) -> None:
    (found,) = (each for each in given["fieldConfig"]["overrides"] if each["matcher"]["options"] == column)
    found["properties"] = [each for each in found["properties"] if each["id"] != name] + [{"id": name, "value": value}]


def steps(given: Panel, **values: float | None) -> None:
    made = [{"color": colour.replace("_", "-"), "value": value} for colour, value in values.items()]
    given["fieldConfig"]["defaults"]["thresholds"]["steps"] = made


def found(change: Change) -> list[str]:
    """What is said besides of the boards when the one of the nodes is changed."""
    sound = checks.boards()
    changed = copy.deepcopy(sound)
    change(next(board for board in changed if board["uid"] == "occ-nodes"))
    before = set(checks.faults(sound, checks.known()))
    return [fault for fault in checks.faults(changed, checks.known()) if fault not in before]
