"""Panels: what each kind asks for and says."""

from __future__ import annotations

from typing import Any

from dashboards.kit.panels import (
    Column,
    Header,
    Panel,
    Query,
    Scale,
    bar_gauge,
    gauge,
    placeholders,
    stat,
    state_timeline,
    status_history,
    table,
    timeseries,
)
from dashboards.kit.rules import Alert
from dashboards.kit.theme import Colour, Limit, Unit

DOWN = Alert("NodeDown", "ticket", "up < 0.5", {})
HEADER = Header("Up", "What is up?", (DOWN,))
STATES = Scale(Unit.COUNT, states={1.0: ("up", Colour.GOOD)})
QUERY = Query("up", "{{job}}")


def json_of(panel: Panel) -> dict[str, Any]:
    return panel.to_json_data()


def test_numbers_ask_for_this_instant_and_curves_for_a_range() -> None:
    for make, range_ in (
        (stat, False),
        (gauge, False),
        (bar_gauge, False),
        (timeseries, True),
        (state_timeline, True),
        (status_history, True),
    ):
        (target,) = json_of(make(HEADER, STATES, QUERY))["targets"]
        assert (target["instant"], target["range"]) == (not range_, range_), make.__name__
    assert [
        target["format"] for target in json_of(table(HEADER, {"job": "Job"}, [Column("Up", "up", STATES)]))["targets"]
    ] == ["table"]


def test_a_number_that_is_neither_good_nor_bad_keeps_the_neutral_colour() -> None:
    made = json_of(stat(HEADER, STATES, Query("sum(1 - up)", "down"), Query("count(up)", "of"), plain=("of",)))
    colour = {"id": "color", "value": {"mode": "fixed", "fixedColor": "blue"}}
    assert made["fieldConfig"]["overrides"] == [{"matcher": {"id": "byName", "options": "of"}, "properties": [colour]}]
    assert json_of(stat(HEADER, STATES, QUERY))["fieldConfig"]["overrides"] == []


def test_a_panel_leads_to_the_runbooks_of_its_alerts() -> None:
    assert json_of(stat(HEADER, STATES, QUERY))["links"] == [
        {"title": "Runbook: NodeDown", "url": "${repo_url:raw}/runbooks/NodeDown.md", "targetBlank": True}
    ]


def test_the_limit_of_a_graph_is_a_line_and_one_by_chain_a_dashed_curve() -> None:
    fixed = json_of(timeseries(HEADER, Scale(Unit.SECONDS, (Limit(">", 5, "ticket"),)), QUERY))
    assert fixed["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "line"}
    assert fixed["fieldConfig"]["overrides"] == []
    moving = json_of(timeseries(HEADER, Scale(Unit.SECONDS), QUERY, bounds=[Query("limit", "{{chain}} limit")]))
    assert [(target["expr"], target["legendFormat"]) for target in moving["targets"]] == [
        ("up", "{{job}}"),
        ("limit", "{{chain}} limit"),
    ]
    (dashed,) = moving["fieldConfig"]["overrides"]
    assert dashed["matcher"] == {"id": "byRegexp", "options": "/ limit$/"}


def test_a_graph_begins_at_zero_unless_its_values_have_signs() -> None:
    limits = (Limit(">", 5, "ticket"),)
    plain = json_of(timeseries(HEADER, Scale(Unit.SECONDS, limits), QUERY))["fieldConfig"]["defaults"]
    signed = json_of(timeseries(HEADER, Scale(Unit.SECONDS, limits, signed=True), QUERY))["fieldConfig"]["defaults"]
    assert (plain["min"], "min" in signed) == (0, False)
    assert [step["value"] for step in plain["thresholds"]["steps"]] == [None, 5]
    assert [step["value"] for step in signed["thresholds"]["steps"]] == [None, -5, 5]


def test_a_table_names_its_columns_and_sorts_by_the_first_value() -> None:
    columns = [Column("Age", "age", Scale(Unit.SECONDS, (Limit(">", 5, "ticket"),))), Column("", "info", STATES)]
    made = json_of(table(HEADER, {"job": "Job"}, columns, facts={"version": "Version"}, links={"job": "/d/occ-meta"}))
    organize = made["transformations"][1]["options"]
    assert organize["renameByName"] == {"job": "Job", "Value #A": "Age", "version": "Version"}
    assert organize["excludeByName"] == {"Time": True, "Value #B": True}
    assert organize["indexByName"] == {"job": 0, "Value #A": 1, "Value #B": 2, "version": 3}
    assert made["options"]["sortBy"] == [{"desc": True, "displayName": "Age"}]
    age, job = made["fieldConfig"]["overrides"]
    assert {"id": "unit", "value": "s"} in age["properties"]
    assert job["matcher"]["options"] == "Job"


def test_legends_show_labels() -> None:
    assert placeholders("{{chain}} {{ node }} limit") == {"chain", "node"}
    assert placeholders("plain") == set()
