"""What the queries that decide something say, by promtool: also when half of what they ask for is gone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dashboards.kit import query
from dashboards.queries import alerts, meta, nodes
from tests.dashboards.said import Samples, Says


def test_a_wrong_expectation_is_noticed(says: Says) -> None:
    assert "exp:" in says("up", {"up": "1x10"}, {"up": 2})


PROBLEMS = [
    ("none", {'chain_nodes{chain="a"}': "3x10", 'chain_nodes_healthy{chain="a"}': "3x10"}, {"{}": 0}),
    (
        "a node that is not healthy",
        {'chain_nodes{chain="a"}': "3x10", 'chain_nodes_healthy{chain="a"}': "2x10"},
        {"{}": 1},
    ),
    ("a chain of which nothing is known", {'chain_nodes{chain="a"}': "3x10"}, {"{}": 1}),
    (
        "one of each",
        {
            'chain_nodes{chain="a"}': "3x10",
            'chain_nodes_healthy{chain="a"}': "3x10",
            'chain_nodes{chain="b"}': "3x10",
            'chain_nodes_healthy{chain="b"}': "0x10",
            'chain_nodes{chain="c"}': "2x10",
        },
        {"{}": 2},
    ),
    ("no chain at all", {"up": "1x10"}, {}),
]


@pytest.mark.parametrize(("given", "expected"), [case[1:] for case in PROBLEMS], ids=[case[0] for case in PROBLEMS])
def test_chains_with_a_problem(says: Says, given: Samples, expected: Mapping[str, float]) -> None:
    assert says(nodes.chains_with_a_problem(), given, expected) == ""


WATCHDOG = 'ALERTS{alertname="Watchdog",alertstate="firing",severity="none",domain="meta"}'
FIRING = 'ALERTS{alertname="NodeWrongChain",alertstate="firing",severity="page",domain="nodes"}'
PENDING = 'ALERTS{alertname="ChainStalled",alertstate="pending",severity="page",domain="nodes"}'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({WATCHDOG: "1x10"}, {"{}": 0}),
        ({WATCHDOG: "1x10", PENDING: "1x10"}, {"{}": 0}),
        ({WATCHDOG: "1x10", FIRING: "1x10"}, {"{}": 1}),
        ({FIRING: "1x10"}, {"{}": 1}),
        ({"up": "1x10"}, {}),
    ],
)
def test_no_page_fires_only_while_rules_are_evaluated(
    says: Says, given: Samples, expected: Mapping[str, float]
) -> None:
    assert says(alerts.firing("page", domain="nodes"), given, expected) == ""


TARGET = 'exporter="nodes",target="a/b",check="evm"'


def test_a_target_that_two_exporters_read_is_one(says: Says) -> None:
    ups = {f'occ_target_up{{{TARGET},instance="{name}"}}': f"{value}x10" for name, value in (("one", 0), ("two", 1))}
    assert says(meta.targets_down(), ups, {"{}": 0}) == ""
    stale = {name.replace("_up", "_stale"): values for name, values in ups.items()}
    assert says(meta.targets_stale(), stale, {"{}": 0}) == ""
    assert says(meta.targets_stale(), {f"occ_target_stale{{{TARGET}}}": "1x10"}, {"{}": 1}) == ""


def test_a_target_that_was_never_read_has_no_age(says: Says) -> None:
    seen = {f"occ_target_last_success_timestamp_seconds{{{TARGET}}}": "540x10", f"occ_target_up{{{TARGET}}}": "0x10"}
    assert says(meta.target_age(), seen, {f"{{{TARGET}}}": 60}) == ""
    assert says(meta.target_age(), {f"occ_target_up{{{TARGET}}}": "0x10"}, {}) == ""


def test_what_was_seen_by_a_clock_that_is_ahead_is_of_now(says: Says) -> None:
    assert says(query.age("seen"), {"seen": "700x10"}, {"{}": 0}) == ""


CAPABILITY = '{chain="a",node="b",capability="trace"}'


@pytest.mark.parametrize(
    ("can", "expected", "shown"),
    [
        ("1x10", None, 1),
        ("0x10", None, 0),
        ("1x10", "1x10", 1),
        ("0x10", "1x10", 2),
        (None, "1x10", 2),
        (None, None, None),
    ],
)
def test_a_capability_that_is_expected_and_not_there_is_missing(
    says: Says, can: str | None, expected: str | None, shown: float | None
) -> None:
    given = {"rpc_capability": can, "rpc_capability_expected": expected, "up": "1x10"}
    series = {f"{name}{CAPABILITY}": values for name, values in given.items() if values}
    assert says(nodes.capability(), series, {} if shown is None else {CAPABILITY: shown}) == ""


def test_a_quantile_of_nothing_is_absent_and_not_zero(says: Says) -> None:
    buckets = {'d_seconds_bucket{le="1"}': "0x10", 'd_seconds_bucket{le="+Inf"}': "0x10"}
    assert says(query.quantile(0.95, "d_seconds"), buckets, {}) == ""
    moving = {'d_seconds_bucket{le="1"}': "0+6x10", 'd_seconds_bucket{le="+Inf"}': "0+6x10"}
    assert says(query.quantile(0.5, "d_seconds"), moving, {"{}": 0.5}) == ""


def test_a_node_below_the_head_is_not_ahead(says: Says) -> None:
    ahead = {'node:ahead_blocks:max{chain="a",node="b"}': "-2x10", 'node:ahead_blocks:max{chain="a",node="c"}': "4x10"}
    assert says(nodes.ahead_blocks(), ahead, {'{chain="a",node="b"}': 0, '{chain="a",node="c"}': 4}) == ""


def test_the_fee_is_what_most_nodes_tell_of_the_chain(says: Says) -> None:
    fees = {
        f'rpc_base_fee_wei{{chain="a",node="{node}"}}': f"{gwei}e9x10" for node, gwei in (("b", 7), ("c", 7), ("d", 90))
    }
    assert says(nodes.base_fee_gwei(), fees, {'{chain="a"}': 7}) == ""
