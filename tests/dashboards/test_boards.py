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
from tests.dashboards import checks

NAMES = ["occ-exchange", "occ-meta", "occ-nodes", "occ-pools"]


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
    below = next(number for number, panel in enumerate(rest) if panel["type"] == "row")
    assert 4 <= below <= 8
    assert {panel["type"] for panel in rest[:below]} == {"stat"}


def test_every_family_of_exchanges_that_a_rule_watches_is_seen() -> None:
    (board,) = (board for board in checks.boards() if board["uid"] == "occ-exchange")
    seen = metrics(expr for _, expr, _ in queries(board))
    rules = [*(alert.expr for alert in checks.rules().values()), *checks.rules().recorded.values()]
    watched = {name for name in metrics(rules) if name.startswith("exchange_")}
    assert len(watched) > 20
    assert sorted(watched - seen) == []


def metrics(expressions: Iterable[str]) -> set[str]:
    """All that the expressions ask for."""
    return {name for expr in expressions for name in promql.read(expr, checks.known()).metrics}


@pytest.mark.parametrize("uid", NAMES)
def test_every_alert_of_a_domain_leads_on_from_its_board(uid: str) -> None:
    """Whoever follows an alert to its board finds there what it is about, and its runbook."""
    (board,) = (board for board in checks.boards() if board["uid"] == uid)
    linked = {name for _, panel in checks.shown(board) for name in checks.runbooks(panel)}
    path = checks.RULES / f"alerts/{uid.removeprefix('occ-')}.yml"
    rules = [rule for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    assert sorted({rule["alert"] for rule in rules} - linked) == []
