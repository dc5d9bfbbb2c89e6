"""The committed boards: what their code says, and free of every fault that can be seen without a server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from cli.catalogue import catalogue
from dashboards.boards import documents
from dashboards.kit import promql
from dashboards.kit.addresses import of_prometheus
from dashboards.kit.emit import differences, queries, write
from receiver.families import FAMILIES as RECEIVER
from tests.dashboards import checks

NAMES = ["occ-accounts", "occ-command-center", "occ-exchange", "occ-meta", "occ-nodes", "occ-pools", "occ-response"]
RULES_OF = {
    "occ-accounts": ("exchange_accounts", "exchange_engine"),
    "occ-exchange": ("exchange",),
    "occ-meta": ("meta",),
    "occ-nodes": ("nodes",),
    "occ-pools": ("pools",),
    "occ-response": ("receiver",),
}

CELL, BETWEEN, BARS = 30, 8, 100
"""Pixels: Grafana's grid has cells of 30 with 8 between, and its own bars take about 100 above them."""


def test_generating_anew_changes_nothing() -> None:
    made = documents(catalogue(), checks.RULES, of_prometheus(checks.RULES / "prometheus.yml"))
    assert differences(made, checks.GENERATED) == [], "run: occ dashboards --write"


def test_what_is_generated_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write(documents(catalogue(), checks.RULES, of_prometheus(checks.RULES / "prometheus.yml")), tmp_path / name)
    assert [path.name for path in sorted((tmp_path / "one").iterdir())] == [f"{name}.json" for name in NAMES]
    for name in NAMES:
        assert (tmp_path / f"one/{name}.json").read_bytes() == (tmp_path / f"other/{name}.json").read_bytes()


def test_no_board_has_a_fault() -> None:
    assert checks.faults(checks.boards(), checks.known()) == []


@pytest.mark.parametrize("uid", NAMES)
def test_a_board_begins_with_its_verdict_and_few_panels(uid: str) -> None:
    (board,) = (board for board in checks.boards() if board["uid"] == uid)
    row, *rest = board["panels"]
    assert (row["type"], row["title"]) == ("row", "Verdict")
    first = [panel for panel in rest if panel["gridPos"]["y"] == row["gridPos"]["y"] + 1]
    assert 4 <= len(first) <= 9
    assert {panel["type"] for panel in first} == {"stat"}


def test_the_command_center_fits_a_screen_of_1400_by_900_without_scrolling() -> None:
    (board,) = (board for board in checks.boards() if board["uid"] == "occ-command-center")
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    assert rows * (CELL + BETWEEN) + BARS <= 900


def test_what_fires_leads_to_its_runbook_and_to_the_receiver() -> None:
    """No series carries a fingerprint: the receiver's first page lists what fires by the same names, the worst first."""
    (board,) = (board for board in checks.boards() if board["uid"] == "occ-command-center")
    (fires,) = (panel for panel in board["panels"] if panel["title"] == "What fires")
    links = {
        override["matcher"]["options"]: change["value"][0]["url"]
        for override in fires["fieldConfig"]["overrides"]
        for change in override["properties"]
        if change["id"] == "links"
    }
    assert links == {"Alert": "${repo_url:raw}/runbooks/${__value.raw}.md", "Of": "${occ_url:raw}/"}


def test_every_family_of_the_receiver_is_watched_by_a_rule_or_seen_on_a_board() -> None:
    shown = metrics(expr for board in checks.boards() for _, expr, _ in queries(board))
    used = shown | metrics([*(alert.expr for alert in checks.rules().values()), *checks.rules().recorded.values()])
    assert [family.name for family in RECEIVER if not used & set(family.series_names)] == []


def test_every_family_of_exchanges_and_of_the_engine_that_a_rule_watches_is_seen() -> None:
    boards = (board for board in checks.boards() if board["uid"] in ("occ-accounts", "occ-exchange"))
    seen = metrics(expr for board in boards for _, expr, _ in queries(board))
    rules = [*(alert.expr for alert in checks.rules().values()), *checks.rules().recorded.values()]
    watched = {name for name in metrics(rules) if name.startswith(("exchange_", "engine_"))}
    assert len(watched) > 30
    assert sorted(watched - seen) == []


def metrics(expressions: Iterable[str]) -> set[str]:
    """All that the expressions ask for."""
    return {name for expr in expressions for name in promql.read(expr, checks.known()).metrics}


@pytest.mark.parametrize(("uid", "files"), RULES_OF.items())
def test_every_alert_leads_on_from_its_board(uid: str, files: tuple[str, ...]) -> None:
    """Whoever follows an alert to its board finds there what it is about, and its runbook."""
    (board,) = (board for board in checks.boards() if board["uid"] == uid)
    linked = {name for _, panel in checks.shown(board) for name in checks.runbooks(panel)}
    paths = [checks.RULES / f"alerts/{name}.yml" for name in files]
    groups = [group for path in paths for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    rules = [rule for group in groups for rule in group["rules"]]
    assert sorted({rule["alert"] for rule in rules} - linked) == []
