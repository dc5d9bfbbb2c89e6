"""Rules, the graphs that alerts link to, and runbooks use metrics and labels that a process declares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.catalogue import catalogue
from occ.metrics import INFO_LABELS, Catalogue
from tests.alerting_rules import checks, promql
from tests.alerting_rules.checks import RUNBOOKS

# What Prometheus, Alertmanager and every client library say of themselves.
FOREIGN = ("up", "ALERTS", "process_", "prometheus_", "alertmanager_")
SCRAPED = frozenset({"job", "instance"})


def faults(query: str, declared: Catalogue) -> Iterator[str]:
    series = {name: family for family in declared for name in family.series_names}
    used = promql.names(query)
    for metric, labels in used.metrics.items():
        if metric in series:
            family = series[metric]
            known = INFO_LABELS if family.entity else frozenset(family.labels)
            yield from (f"{metric} has no label {label}" for label in sorted(labels - known - SCRAPED - {"le"}))
        elif not metric.startswith(FOREIGN):
            yield f"nobody declares {metric}"
    yield from (f"there is no label {label}" for label in sorted(used.listed - INFO_LABELS - SCRAPED))


@pytest.fixture(scope="module")
def declared() -> Catalogue:
    return catalogue()


@pytest.mark.parametrize("alert", checks.shipped_alerts(), ids=lambda alert: alert.name)
def test_a_rule_and_its_graph(alert: checks.Alert, declared: Catalogue) -> None:
    graphs = promql.linked(alert.annotations["dashboard_url"])
    assert graphs
    assert [fault for query in (alert.rule["expr"], *graphs) for fault in faults(query, declared)] == []


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_the_queries_of_a_runbook(page: Path, declared: Catalogue) -> None:
    queries = checks.queries_of(page.read_text(encoding="utf-8"))
    assert [fault for query in queries for fault in faults(query, declared)] == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("rpc_block_lag_blocks > 3", []),
        ('max by (chain) (max_over_time(occ_target_up{exporter="nodes", chain="a"}[1m] offset 3m)) == 1', []),
        ("histogram_quantile(0.9, sum by (chain) (rate(rpc_request_duration_seconds_bucket[5m])))", []),
        ("rpc_block_lag", ["nobody declares rpc_block_lag"]),
        ("sum(rate(rpc_block_lags[5m])) > bool 1", ["nobody declares rpc_block_lags"]),
        ('rpc_block_lag_blocks{nodes=~"rpc_x{"}', ["rpc_block_lag_blocks has no label nodes"]),
        ("rpc_peers unless on (chian) rpc_syncing", ["there is no label chian"]),
    ],
)
def test_a_name_that_nobody_declares_is_found(query: str, found: list[str], declared: Catalogue) -> None:
    assert list(faults(query, declared)) == found
