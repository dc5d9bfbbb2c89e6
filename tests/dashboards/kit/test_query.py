"""PromQL by name."""

from __future__ import annotations

from dashboards.kit import query


def test_a_variable_matches_any_of_its_values_and_a_constant_itself() -> None:
    assert query.series("up", job="nodes", chain="$chain") == 'up{job="nodes",chain=~"$chain"}'
    assert query.series("up", outcome="a|b") == 'up{outcome=~"a|b"}'
    assert query.series("up") == "up"


def test_instances_are_folded_away() -> None:
    assert query.largest("up", ("job",)) == "max by (job) (up)"
    assert query.smallest("up") == "min (up)"
    assert query.total("up", ("a", "b")) == "sum by (a, b) (up)"
    assert query.number("up") == "count (up)"


def test_of_many_some() -> None:
    assert query.highest("up") == "topk(20, up)"
    assert query.lowest("up") == "bottomk(20, up)"


def test_counters_over_time() -> None:
    assert query.rate("errors_total", ("reason",)) == "sum by (reason) (rate(errors_total[$__rate_interval]))"
    assert query.increase("errors_total", "10m") == "sum (increase(errors_total[10m]))"


def test_a_quantile_is_absent_where_nothing_was_observed() -> None:
    assert query.quantile(0.95, "x_seconds", ("chain",), chain="$chain") == (
        'histogram_quantile(0.95, sum by (chain, le) (rate(x_seconds_bucket{chain=~"$chain"}[$__rate_interval]))) >= 0'
    )


def test_an_age_is_not_negative() -> None:
    assert query.age("seen_timestamp_seconds", ("a",)) == "clamp_min(time() - max by (a) (seen_timestamp_seconds), 0)"
