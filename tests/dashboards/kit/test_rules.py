"""Limits read from rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards.kit.rules import Rules
from dashboards.kit.theme import Limit

ALERTS = """
groups:
  - name: a
    rules:
      - {alert: Lagging, expr: 'max by (chain) (lag) > 3 and max by (chain) (seconds) > on (chain) occ:threshold:late', labels: {severity: ticket}}
      - {alert: Stalled, expr: 'max_over_time(head[1m]) <= max_over_time(head[1m] offset 3m)', labels: {severity: page}}
      - {alert: Ranged, expr: 'lag > 3 or lag > 5', labels: {severity: page}}
      - {alert: Shared, expr: 'a > 5 and a / b > 0.02', labels: {severity: info}}
      - {alert: ByChain, expr: 'lag > on (chain) occ:threshold:listed', labels: {severity: page}}
      - {alert: ByTier, expr: 'lag > 1', labels: {severity: '{{ if eq $labels.tier "1" }}page{{ else }}ticket{{ end }}'}}
"""
RECORDING = """
groups:
  - name: r
    rules:
      - {record: 'occ:threshold:late', expr: 'max by (chain) (0 * chain:tier:info + 5)'}
      - {record: 'chain:tier:info', expr: 'max by (chain, tier) (info)'}
      - {record: 'of:nothing', expr: 'max by (chain) (nobody)'}
"""
THRESHOLDS = "thresholds: {late: {default: 5, chains: {slow: 60}}, listed: {chains: {slow: 60}}}"


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    for name, text in (("alerts/a.yml", ALERTS), ("recording/r.yml", RECORDING), ("thresholds.yml", THRESHOLDS)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return Rules(tmp_path)


def test_a_limit_is_the_number_in_the_rule(rules: Rules) -> None:
    assert rules["Lagging"].limit("lag") == Limit(">", 3.0, "ticket")


def test_a_limit_by_chain_is_its_default(rules: Rules) -> None:
    assert rules["Lagging"].limit("seconds") == Limit(">", 5.0, "ticket")


def test_a_metric_that_is_compared_by_itself_goes_before_one_in_a_ratio(rules: Rules) -> None:
    assert rules["Shared"].limit("a") == Limit(">", 5.0, "info")
    assert rules["Shared"].limit("b") == Limit(">", 0.02, "info")


@pytest.mark.parametrize(
    ("alert", "metric", "count"), [("Lagging", "head", 0), ("Ranged", "lag", 2), ("ByChain", "lag", 0)]
)
def test_what_is_not_one_number_is_no_limit(rules: Rules, alert: str, metric: str, count: int) -> None:
    with pytest.raises(LookupError, match=f"{alert} compares {metric} with {count} numbers, not with one"):
        rules[alert].limit(metric)


def test_how_far_a_rule_looks_back_is_a_limit_of_age(rules: Rules) -> None:
    assert rules["Stalled"].window("head") == Limit(">", 180.0, "page")
    with pytest.raises(LookupError, match="Stalled looks back at no lag"):
        rules["Stalled"].window("lag")


def test_a_severity_that_depends_on_the_tier_counts_as_its_worst(rules: Rules) -> None:
    assert rules["ByTier"].severity == "page"


def test_what_is_recorded_may_be_asked_for_in_whatever_order_it_is_written(rules: Rules) -> None:
    known = rules.declared({"info": frozenset({"chain", "tier"})})
    assert known["occ:threshold:late"] == {"chain"}
    assert known["chain:tier:info"] == {"chain", "tier"}
    assert "of:nothing" not in known


def test_a_folder_without_alerts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no alerting rules in"):
        Rules(tmp_path)


def test_an_unknown_alert_is_refused(rules: Rules) -> None:
    with pytest.raises(KeyError, match="Gone"):
        rules["Gone"]
