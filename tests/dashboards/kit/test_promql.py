"""What an expression is found to say about itself."""

from __future__ import annotations

import pytest

from dashboards.kit import promql
from occ.metrics import Family, Kind

LAG = Family("rpc_lag_blocks", Kind.GAUGE, "Blocks.", ("chain", "node"))
ERRORS = Family("occ_errors_total", Kind.COUNTER, "Errors.", ("exporter", "reason"), entity=True)
SECONDS = Family("rpc_request_seconds", Kind.HISTOGRAM, "Time.", ("chain",), unit="seconds", buckets=(0.1, 1.0))
KNOWN = promql.declared((LAG, ERRORS, SECONDS), {"up": promql.SCRAPED, "limit": frozenset({"chain"})})


def test_what_may_be_asked_for_are_series_with_the_labels_of_their_scrape() -> None:
    assert KNOWN["rpc_lag_blocks"] == {"chain", "node", "job", "instance"}
    assert KNOWN["rpc_request_seconds_bucket"] == {"chain", "le", "job", "instance"}
    assert KNOWN["rpc_request_seconds_sum"] == {"chain", "job", "instance"}
    assert {"exporter", "reason", "venue", "tier"} <= KNOWN["occ_errors_total"]
    assert "rpc_request_seconds" not in KNOWN


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("rpc_lag_blocks", {"chain", "node", "job", "instance"}),
        ('max by (chain) (rpc_lag_blocks{node=~"$node"})', {"chain"}),
        ("max without (job, instance) (rpc_lag_blocks)", {"chain", "node"}),
        ("sum(rpc_lag_blocks)", set()),
        ("topk by (chain) (2, max by (chain, node) (rpc_lag_blocks))", {"chain", "node"}),
        ("time() - max by (chain) (rpc_lag_blocks)", {"chain"}),
        ("-sum by (chain) (rate(rpc_lag_blocks[$__rate_interval] offset 1m))", {"chain"}),
        ("max_over_time(max by (node) (rpc_lag_blocks)[5m:1m])", {"node"}),
        ("histogram_quantile(0.9, sum by (chain, le) (rate(rpc_request_seconds_bucket[5m])))", {"chain"}),
        ('label_replace(vector(1), "chain", "a", "", "")', {"chain"}),
        ("sum by (chain) (rpc_lag_blocks) or sum by (node) (rpc_lag_blocks)", {"chain", "node"}),
        ("max by (chain, node) (rpc_lag_blocks) > on (chain) group_left () limit", {"chain", "node"}),
        ("limit < on (chain) group_right () max by (chain, node) (rpc_lag_blocks)", {"chain", "node"}),
        ("sum by (chain, job) (rpc_lag_blocks) / on (chain) limit", {"chain"}),
        ("sum by (chain, job) (rpc_lag_blocks) / ignoring (job) limit", {"chain"}),
        ("sum by (chain, job) (rpc_lag_blocks) unless on (chain) limit", {"chain", "job"}),
        ("limit * on (chain) group_left (node) max by (chain, node) (rpc_lag_blocks)", {"chain", "node"}),
        ("limit and limit", {"chain"}),
        ("1", set()),
    ],
)
def test_the_labels_that_a_result_may_carry(expression: str, labels: set[str]) -> None:
    found = promql.read(expression, KNOWN)
    assert found.faults == []
    assert found.labels - promql.SCRAPED == labels - promql.SCRAPED
    assert found.labels >= labels


@pytest.mark.parametrize(
    ("expression", "faults"),
    [
        ("rpc_lag", ["nobody declares rpc_lag"]),
        ('{job="nodes"}', ["nobody declares a series without a name"]),
        ('up{node="a"}', ["up has no label node"]),
        ("sum by (nodes) (rpc_lag_blocks)", ["sum has no label nodes"]),
        ("sum by (node) (max by (chain) (rpc_lag_blocks))", ["sum has no label node"]),
        ("limit / on (node) rpc_lag_blocks", ["the left of / has no label node"]),
        ("rpc_lag_blocks / on (node) group_left () limit", ["the right of / has no label node"]),
        ("sum by (chain) (rpc_lag_blocks) / ignoring (jobb) limit", ["neither side of / has a label jobb"]),
        ("rate(rpc_lagg[5m])", ["nobody declares rpc_lagg"]),
        ("rpc_request_seconds", ["nobody declares rpc_request_seconds"]),
    ],
)
def test_names_that_nobody_declares(expression: str, faults: list[str]) -> None:
    assert promql.read(expression, KNOWN).faults == faults


@pytest.mark.parametrize("expression", ["sum(", "rate(up)", "up up", "", "sum by (job (up)"])
def test_what_is_no_promql(expression: str) -> None:
    (fault,) = promql.read(expression, KNOWN).faults
    assert fault.startswith("no PromQL: ")


def test_variables_are_filled_as_grafana_would() -> None:
    written = 'label_replace(rate(a{chain=~"$chain",node=~"${node:regex}"}[$__rate_interval]), "x", "$1", "b", "(.*)")'
    filled = 'label_replace(rate(a{chain=~".*",node=~".*"}[20s]), "x", "$1", "b", "(.*)")'
    assert promql.filled(written, "20s") == filled
    assert promql.filled("rate(a[${__interval}])", "1m") == "rate(a[1m])"


def test_comparisons_are_those_that_must_hold() -> None:
    written = "(a > 3 and max(b) <= on (c) limit) unless (d == 0) or absent(e)"
    assert list(promql.comparisons(written)) == [(frozenset({"a"}), ">", 3.0), (frozenset({"b"}), "<=", "limit")]
    assert list(promql.comparisons("a > b + 1")) == []
    assert list(promql.comparisons("max(a * on (c) b) * d > 3")) == []


def test_how_many_series_there_are_is_nothing_that_one_of_them_is_compared_with() -> None:
    assert list(promql.comparisons("count by (c) (a) >= 2 and (count(b)) > 1")) == []
    assert list(promql.comparisons("count(a > 3) >= 2")) == [(frozenset({"a"}), ">", 3.0)]
    assert list(promql.comparisons("sum(a) > 3")) == [(frozenset({"a"}), ">", 3.0)]


def test_windows_are_ranges_and_offsets() -> None:
    assert sorted(promql.windows("changes(a[10m]) > 0 unless b offset 3m")) == [("a", 600.0), ("b", 180.0)]
    assert sorted(promql.windows("max_over_time(a[1m] offset 3m)")) == [("a", 60.0), ("a", 180.0)]
