"""Each check, seen to find its fault and to say where it is: boards as committed, with one thing wrong."""

from __future__ import annotations

import pytest

from dashboards.kit.query import highest
from tests.dashboards import checks
from tests.dashboards.changes import (
    AT,
    DRILL_DOWN,
    LAG,
    Change,
    found,
    of,
    override,
    panel,
    put,
    query,
    steps,
)
from tests.dashboards.checks import Panel

NAMES = [
    pytest.param(
        query("max by (chain, node) (rpc_block_lag)"),
        f"{AT} A: nobody declares rpc_block_lag",
        id="a metric that nobody declares",
    ),
    pytest.param(
        query('max by (chain, node) (rpc_block_lag_blocks{nodes="a"})'),
        f"{AT} A: rpc_block_lag_blocks has no label nodes",
        id="a label that the metric does not have",
    ),
    pytest.param(
        query("max by (chain, nodes) (rpc_block_lag_blocks)"),
        f"{AT} A: max has no label nodes",
        id="grouped by a label that is not there",
    ),
    pytest.param(
        query("max by (chain) (rpc_block_lag_blocks)", "{{chain}} {{node}}"),
        f"{AT} A: the legend shows node, which the series do not have",
        id="a legend of a label that was aggregated away",
    ),
    pytest.param(
        lambda board: put(board["annotations"]["list"][0], "expr", "ALERT"),
        "occ-nodes: annotation Pages: nobody declares ALERT",
        id="an annotation of a metric that nobody declares",
    ),
    pytest.param(
        lambda board: put(board["templating"]["list"][3]["query"], "query", "label_values(up, chain)"),
        "occ-nodes: variable chain: count has no label chain",
        id="a variable of a label that is not there",
    ),
]


@pytest.mark.parametrize(("change", "fault"), NAMES)
def test_undeclared_names_are_found(change: Change, fault: str) -> None:
    assert found(change) == [fault]


def test_what_is_no_promql_is_found() -> None:
    (fault,) = found(query("max by (chain, node) (rpc_block_lag_blocks"))
    assert fault.startswith(f"{AT} A: no PromQL: ")


SHAPES = [
    pytest.param(
        of(LAG, lambda given: put(given, "type", "graph")),
        [f"{AT}: panel type graph is not on the list", f"{AT}: no panel type graph"],
        id="a panel type that is gone",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["fieldConfig"]["defaults"], "unit", "blocks")),
        [f"{AT}: unit blocks is not on the list"],
        id="an unknown unit",
    ),
    pytest.param(
        of(LAG, lambda given: given["fieldConfig"]["defaults"].pop("unit")),
        [f"{AT}: unit (none) is not on the list"],
        id="no unit",
    ),
    pytest.param(
        of("Nodes", lambda given: override(given, "Behind", "unit", "seconds")),
        ["occ-nodes: Nodes: unit seconds is not on the list"],
        id="an unknown unit of a column",
    ),
    pytest.param(
        of("Nodes", lambda given: put(given["transformations"][0], "id", "mergeAll")),
        ["occ-nodes: Nodes: transformation mergeAll is not on the list"],
        id="an unknown transformation",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["gridPos"], "x", 3)),
        [f"occ-nodes: {LAG} and Lag in time overlap"],
        id="overlapping panels",
    ),
    pytest.param(
        of("Firing", lambda given: put(given["gridPos"], "x", 21)),
        ["occ-nodes: Firing: outside the grid"],
        id="a panel outside the grid",
    ),
    pytest.param(
        lambda board: put(panel(board, LAG), "id", panel(board, "Forks")["id"]),
        ["occ-nodes: 2 panels have the id {Forks}"],
        id="an id given twice",
    ),
    pytest.param(
        of(LAG, lambda given: put(given, "title", "Forks")),
        ["occ-nodes: 2 panels have the title Forks"],
        id="a title given twice",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["targets"][1], "refId", "A")),
        [f"{AT}: 2 queries are called A"],
        id="a query's name given twice",
    ),
    pytest.param(
        lambda board: put(board, "uid", "nodes"),
        ["nodes: no uid of ours", f"nodes: Nodes: {DRILL_DOWN} is no board"],
        id="a uid that is none of ours",
    ),
    pytest.param(lambda board: put(board, "editable", value=True), ["occ-nodes: is editable"], id="an editable board"),
    pytest.param(
        of(LAG, lambda given: put(given, "description", "Lag.")),
        [f"{AT}: its description is no question: 'Lag.'"],
        id="a panel that answers no question",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["targets"][0], "datasource", {"type": "prometheus", "uid": "mine"})),
        [f"{AT} A: its data source is {{'type': 'prometheus', 'uid': 'mine'}}"],
        id="a fixed data source",
    ),
    pytest.param(
        lambda board: put(board["templating"]["list"][3], "datasource", {"type": "prometheus", "uid": "mine"}),
        ["occ-nodes: variable chain: its data source is {'type': 'prometheus', 'uid': 'mine'}"],
        id="a variable without data source",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["targets"][0], "instant", value=True)),
        [f"{AT} A: asks for an instant"],
        id="a curve of one instant",
    ),
    pytest.param(
        of("Oldest head", lambda given: put(given["targets"][0], "range", value=True)),
        ["occ-nodes: Oldest head A: asks for a range"],
        id="a state from the past",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["fieldConfig"]["defaults"]["custom"], "spanNulls", value=True)),
        [f"{AT}: draws over gaps"],
        id="gaps drawn over",
    ),
]


@pytest.mark.parametrize(("change", "faults"), SHAPES)
def test_ill_shapes_are_found(change: Change, faults: list[str]) -> None:
    forks = next(each["id"] for board in checks.boards() for each in board["panels"] if each["title"] == "Forks")
    expected = [fault.replace("{Forks}", str(forks)) for fault in faults]
    assert found(change) == expected


def test_a_uid_of_two_boards_is_found() -> None:
    board = checks.boards()[0]
    assert f"{board['uid']}: 2 boards have this uid" in checks.faults([board, board], checks.known())


LINKS = [
    pytest.param(
        of(LAG, lambda given: put(given["links"][0], "url", "${repo_url:raw}/runbooks/NodeLaging.md")),
        [f"{AT}: ${{repo_url:raw}}/runbooks/NodeLaging.md is no file of this repository"],
        id="a runbook that is not there",
    ),
    pytest.param(of(LAG, lambda given: put(given, "links", [])), [f"{AT}: leads to no runbook"], id="no runbook"),
    pytest.param(
        lambda board: put(board["links"][1], "url", "${occ_url:raw}/alerts"),
        ["occ-nodes: What fires: ${occ_url:raw}/alerts is no page of the receiver"],
        id="a page that the receiver does not have",
    ),
    pytest.param(
        of(
            "Nodes",
            lambda given: override(
                given, "Node", "links", [{"title": "Go", "url": "${repo_url:raw}/docs/${__value.raw}.md"}]
            ),
        ),
        ["occ-nodes: Nodes: ${repo_url:raw}/docs/${__value.raw}.md is no file of this repository"],
        id="pages that not every alert has",
    ),
    pytest.param(
        of("Nodes", lambda given: override(given, "Node", "links", [{"title": "Go", "url": "/d/occ-node?var-node=a"}])),
        ["occ-nodes: Nodes: /d/occ-node?var-node=a is no board"],
        id="a board that is not there",
    ),
    pytest.param(
        of("Nodes", lambda given: override(given, "Node", "links", [{"title": "Go", "url": "/d/occ-nodes?var-nod=a"}])),
        ["occ-nodes: Nodes: /d/occ-nodes?var-nod=a sets nod, which that board does not have"],
        id="a variable that the board does not have",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["links"][0], "url", "https://example.com/x")),
        [f"{AT}: https://example.com/x is no board", f"{AT}: leads to no runbook"],
        id="an address of somebody's own",
    ),
]


@pytest.mark.parametrize(("change", "faults"), LINKS)
def test_dead_links_are_found(change: Change, faults: list[str]) -> None:
    assert found(change) == faults


ABSENCE = [
    pytest.param(
        of(LAG, lambda given: given["fieldConfig"]["defaults"].pop("noValue")),
        [f"{AT}: says nothing when there is nothing", f"{AT}: None hides that there is no data"],
        id="no words for having no data",
    ),
    pytest.param(
        of(LAG, lambda given: put(given["fieldConfig"]["defaults"], "noValue", "all well")),
        [f"{AT}: 'all well' hides that there is no data"],
        id="good words for having no data",
    ),
    pytest.param(
        of("Nodes down", lambda given: put(given["fieldConfig"]["defaults"], "mappings", [])),
        ["occ-nodes: Nodes down: no mapping of null"],
        id="no colour of null",
    ),
    pytest.param(
        of(
            "Nodes down",
            lambda given: put(given["fieldConfig"]["defaults"]["mappings"][-1]["options"]["result"], "color", "green"),
        ),
        ["occ-nodes: Nodes down: having no data does not look bad"],
        id="a good colour of null",
    ),
]


@pytest.mark.parametrize(("change", "faults"), ABSENCE)
def test_a_panel_to_which_no_data_is_good_news_is_found(change: Change, faults: list[str]) -> None:
    assert found(change) == faults


def largest_too_early(given: Panel) -> None:
    target = given["targets"][0]
    target["expr"] = highest(target["expr"])
    steps(given, green=None, red=1)


COLOURS = [
    pytest.param(
        of("Forks", lambda given: steps(given, green=None, red=1)),
        ["occ-nodes: Forks: chain_fork_groups: 1 is red, and ChainForked says > 1"],
        id="ill too early",
    ),
    pytest.param(
        of("Forks", largest_too_early),
        ["occ-nodes: Forks: chain_fork_groups: 1 is red, and ChainForked says > 1"],
        id="ill too early, of the largest",
    ),
    pytest.param(
        of("Forks", lambda given: steps(given, green=None, red=3)),
        ["occ-nodes: Forks: chain_fork_groups: 2 is green, and ChainForked says > 1"],
        id="ill too late",
    ),
    pytest.param(
        of("Forks", lambda given: steps(given, green=None, orange=2)),
        [
            "occ-nodes: Forks: chain_fork_groups: 2 is orange, and ChainForked says > 1",
            "occ-nodes: Forks: chain_fork_groups: 3 is orange, and ChainForked says > 1",
        ],
        id="ill in another alert's colour",
    ),
    pytest.param(
        of(
            "Block hash",
            lambda given: put(given["fieldConfig"]["defaults"]["mappings"][0]["options"]["1"], "color", "green"),
        ),
        ["occ-nodes: Block hash: rpc_block_hash_mismatch: 1 is green, and NodeForked says > 0.2"],
        id="an ill state in a good colour",
    ),
    pytest.param(
        of(LAG, lambda given: given["targets"].pop()),
        [
            f"{AT}: rpc_block_lag_blocks: 4 is blue, and NodeLagging says > 3",
            f"{AT}: rpc_block_lag_blocks: 5 is blue, and NodeLagging says > 3",
        ],
        id="neither the curve of the limit nor a line",
    ),
    pytest.param(
        of(
            "Nodes",
            lambda given: override(
                given, "Behind", "thresholds", {"mode": "absolute", "steps": [{"color": "green", "value": None}]}
            ),
        ),
        ["occ-nodes: Nodes: rpc_block_lag_seconds: 5.05 is green, and NodeLagging says > 5"],
        id="a column without its limit",
    ),
]


@pytest.mark.parametrize(("change", "faults"), COLOURS)
def test_colours_that_differ_from_the_rule_are_found(change: Change, faults: list[str]) -> None:
    assert found(change) == faults
