"""Grafana's schema, seen to refuse what it does not know: boards as committed, with one thing wrong."""

from __future__ import annotations

import pytest

from tests.dashboards.changes import LAG, Change, found, of, override, put

SCHEMA = [
    pytest.param(
        lambda board: put(board, "colour", "red"),
        ["occ-nodes.colour: Dashboard has no such key", "occ-nodes.colour is lost"],
        id="a key that Grafana does not know",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["options"]["legend"], "displayMode", "hidden from me")),
        [f"occ-nodes.panels[{LAG}].options.legend.displayMode is 'hidden from me', not LegendDisplayMode"],
        id="a value that is none of those that there are",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["options"], "sort", "asc")),
        [
            f"occ-nodes.panels[{LAG}].options.sort: Options has no such key",
            f"occ-nodes.panels[{LAG}].options.sort is lost",
        ],
        id="an option that the kind of panel does not have",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["fieldConfig"]["defaults"]["custom"], "lineWidth", "1")),
        [f"occ-nodes.panels[{LAG}].fieldConfig.defaults.custom.lineWidth is '1', not float"],
        id="a text for a number",
    ),
    pytest.param(
        of("Oldest head", lambda given: put(given["fieldConfig"]["defaults"], "custom", {"lineWidth": 1})),
        ["occ-nodes.panels[Oldest head].fieldConfig.defaults.custom.lineWidth is 1, not Never"],
        id="lines where there are none",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["targets"][0], "step", 15)),
        [
            f"occ-nodes.panels[{LAG}].targets[0].step: Dataquery has no such key",
            f"occ-nodes.panels[{LAG}].targets[0].step is lost",
        ],
        id="a key that a query does not have",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["links"][0], "href", "x")),
        [f"occ-nodes.panels[{LAG}].links[Runbook: NodeLagging].href: DashboardLink has no such key"],
        id="a key in what the SDK hands through",
    ),
    pytest.param(
        of("Nodes", lambda given: override(given, "Behind", "decimals", "two")),
        ["occ-nodes.panels[Nodes].fieldConfig.overrides[Behind].decimals is 'two', not float"],
        id="a column's property of another type",
    ),
    pytest.param(
        of("Nodes", lambda given: override(given, "Behind", "custom.cellOption", {})),
        ["occ-nodes.panels[Nodes].fieldConfig.overrides[Behind]: no property custom.cellOption"],
        id="a property that columns do not have",
    ),
    pytest.param(
        of(
            "Block hash",
            lambda given: put(given["fieldConfig"]["defaults"]["mappings"][0]["options"]["1"], "colour", "red"),
        ),
        [
            "occ-nodes.panels[Block hash].fieldConfig.defaults.mappings[0].options.1.colour: ValueMappingResult has no such key",
            "occ-nodes.panels[Block hash].fieldConfig.defaults.mappings[0].options.1.colour is lost",
        ],
        id="a key that a mapping does not have",
    ),
    pytest.param(
        lambda board: put(board, "refresh", None),
        ["occ-nodes.refresh is lost"],
        id="a null",
    ),
]


@pytest.mark.parametrize(("change", "faults"), SCHEMA)
def test_what_the_schema_does_not_know_is_found(change: Change, faults: list[str]) -> None:
    assert found(change) == faults
