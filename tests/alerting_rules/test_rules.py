"""The rules load, are written as people and routes need them, and do what their own tests say."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.alerting_rules import checks
from tests.alerting_rules.checks import RULES, Alert, Document
from tests.alerting_rules.conftest import Run

Passes = Callable[[Alert, dict[str, str]], bool]

NAMES = [alert.name for alert in checks.shipped_alerts()]


def test_promtool_finds_nothing_to_say(promtool: Run) -> None:
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", *checks.rule_files())
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_example_configuration_loads_with_the_rules(promtool: Run) -> None:
    checked = promtool("check", "config", "--lint=all", "--lint-fatal", RULES / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("rules found") == len(checks.rule_files())


def test_the_example_scrapes_the_jobs_that_the_rules_know_and_tells_no_replicas_apart() -> None:
    example = checks.load(RULES / "prometheus.yml")
    assert [job["job_name"] for job in example["scrape_configs"]] == [
        "nodes",
        "exchange",
        "pools",
        "receiver",
        "prometheus",
        "alertmanager",
    ]
    (dropping,) = example["alerting"]["alert_relabel_configs"]
    assert dropping["action"] == "labeldrop"
    assert all(re.fullmatch(dropping["regex"], name) for name in example["global"]["external_labels"])
    assert not any(re.fullmatch(dropping["regex"], name) for name in checks.LABELS)


def test_every_alert_has_its_labels_and_annotations() -> None:
    assert [fault for alert in checks.shipped_alerts() for fault in checks.alert_faults(alert)] == []


def test_every_alert_is_seen_to_fire_exactly_and_to_stay_quiet() -> None:
    assert list(checks.coverage_faults(NAMES, map(checks.load, checks.unit_tests()))) == []


def test_every_rule_file_has_its_tests() -> None:
    loaded = {
        (path.parent / file).resolve() for path in checks.unit_tests() for file in checks.load(path)["rule_files"]
    }
    assert loaded == set(checks.rule_files())


def test_no_two_alerts_or_groups_have_one_name() -> None:
    groups = [group["name"] for path in checks.rule_files() for group in checks.load(path)["groups"]]
    assert [name for name, count in Counter([*NAMES, *groups]).items() if count > 1] == []


def test_every_board_that_an_alert_leads_to_is_there() -> None:
    boards = checks.boards()
    assert [fault for alert in checks.shipped_alerts() for fault in checks.board_faults(alert, boards)] == []


@pytest.mark.parametrize("tests", checks.unit_tests(), ids=lambda path: path.stem)
def test_the_rules_do_what_their_tests_say(promtool: Run, tests: Path) -> None:
    tested = promtool("test", "rules", tests)
    assert tested.returncode == 0, tested.stdout + tested.stderr


# The checks above, seen to find something ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sound() -> Alert:
    return shipped("NodeDown")


def shipped(name: str) -> Alert:
    (alert,) = (alert for alert in checks.shipped_alerts() if alert.name == name)
    return alert


def with_(rule: Document, field: str, changed: dict[str, str]) -> Document:
    return {**rule, field: {**rule[field], **changed}}


def without(rule: Document, field: str, name: str) -> Document:
    return {**rule, field: {key: value for key, value in rule[field].items() if key != name}}


@pytest.mark.parametrize("name", sorted(checks.LABELS))
def test_a_missing_label_is_found(sound: Alert, name: str) -> None:
    ill = replace(sound, rule=without(sound.rule, "labels", name))
    assert list(checks.alert_faults(ill)) == [f"{sound.name}: no label {name}"]


@pytest.mark.parametrize("name", sorted(checks.ANNOTATIONS))
def test_a_missing_or_empty_annotation_is_found(sound: Alert, name: str) -> None:
    for rule in (without(sound.rule, "annotations", name), with_(sound.rule, "annotations", {name: ""})):
        ill = replace(sound, rule=rule)
        assert list(checks.alert_faults(ill)) == [f"{sound.name}: no annotation {name}"]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"severity": "critical"}, "severity critical is none of info, none, page, ticket"),
        ({"domain": "pools"}, "domain pools in the file of nodes"),
        ({"severity": "page"}, "pages whatever the tier"),
        ({"severity": checks.BY_TIER}, "pages by a tier that its expression does not bring"),
    ],
)
def test_a_label_outside_its_values_is_found(sound: Alert, changed: dict[str, str], fault: str) -> None:
    ill = replace(sound, rule=with_(sound.rule, "labels", changed))
    assert list(checks.alert_faults(ill)) == [f"{sound.name}: {fault}"]


def test_links_that_lead_elsewhere_are_found(sound: Alert) -> None:
    links = {"runbook_url": "/runbooks/Other.md", "dashboard_url": "/d/none"}
    ill = replace(sound, rule=with_(sound.rule, "annotations", links))
    assert list(checks.alert_faults(ill)) == [
        f"{sound.name}: runbook_url leads to /runbooks/Other.md",
        f"{sound.name}: dashboard_url leads to no board, or to no graph without Grafana: /d/none",
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("/d/occ-nodes", "/d/occ-node", "there is no board occ-node"),
        ("var-node", "var-nodes", "board occ-nodes has no variable nodes"),
    ],
)
def test_a_link_to_a_board_or_variable_that_is_not_there_is_found(sound: Alert, old: str, new: str, fault: str) -> None:
    link = sound.annotations["dashboard_url"].replace(old, new)
    ill = replace(sound, rule=with_(sound.rule, "annotations", {"dashboard_url": link}))
    assert list(checks.board_faults(ill, checks.boards())) == [f"{sound.name}: {fault}"]


def test_an_alert_without_tests_and_a_test_without_alert_are_found() -> None:
    exact = {"exp_labels": dict.fromkeys(checks.LABELS), "exp_annotations": dict.fromkeys(checks.ANNOTATIONS)}
    cases = [
        {"alertname": "Fires", "exp_alerts": [exact]},
        {"alertname": "Quiet", "exp_alerts": []},
        {"alertname": "Watchdog", "exp_alerts": [exact]},
        {"alertname": "Gone", "exp_alerts": [{"exp_labels": {}}]},
    ]
    faults = list(checks.coverage_faults(["Fires", "Quiet", "Watchdog"], [{"tests": [{"alert_rule_test": cases}]}]))
    assert faults == [
        "Gone: a test expects it without domain, entity, parent, severity",
        f"Gone: a test expects it without {', '.join(sorted(checks.ANNOTATIONS))}",
        "Quiet: no test in which it fires",
        "Fires: no test in which it stays quiet",
        "Gone: tested, but no such alert",
    ]


# The rules' own tests, seen to fail when a rule is changed ----------------------------------------------------------


@pytest.fixture
def passes(promtool: Run, tmp_path: Path) -> Passes:
    """Whether an alert's own tests pass on that alert alone, beside what it leans on, with some of its fields changed."""

    def run(alert: Alert, changed: dict[str, str]) -> bool:
        groups = [*checks.leaned_on(alert.rule["expr"]), {"name": "alone", "rules": [{**alert.rule, **changed}]}]
        (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
        (tmp_path / "test.yml").write_text(yaml.safe_dump(only(alert.name, [group["name"] for group in groups])))
        tested = promtool("test", "rules", tmp_path / "test.yml")
        assert tested.returncode == 0 or "got:" in tested.stdout + tested.stderr, tested.stderr
        return tested.returncode == 0

    return run


def only(name: str, order: list[str]) -> Document:
    """The tests of one alert; groups are evaluated in this order, so that what leans on another comes after it."""
    cut = [
        {**test, "alert_rule_test": cases, "promql_expr_test": []}
        for path in checks.unit_tests()
        for test in checks.load(path)["tests"]
        if (cases := [case for case in test.get("alert_rule_test") or () if case["alertname"] == name])
    ]
    return {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "group_eval_order": order, "tests": cut}


@pytest.mark.parametrize("alert", checks.shipped_alerts(), ids=lambda alert: alert.name)
def test_a_rule_that_says_always_or_never_fails_its_tests(passes: Passes, alert: Alert) -> None:
    assert passes(alert, {})
    assert not passes(alert, {"expr": "vector(1) > 1", "for": "0s"})
    assert passes(alert, {"expr": "vector(1)", "for": "0s"}) == (alert.name in checks.ALWAYS_FIRING)


# Each clause that keeps an alert from crying wolf or from being forgotten: field, what stands there, what it becomes.
CLAUSES = [
    ("NodeDown", "expr", "avg_over_time", "min_over_time"),
    ("NodeDown", "expr", "< 0.5", "== 0"),
    ("NodeDown", "for", "1m", "0s"),
    ("NodeRateLimited", "expr", " > 20", ""),
    ("NodeRateLimited", "expr", "> 0.05", "> 0.02"),
    ("NodeSlow", "expr", "quantile_over_time(0.5,", "quantile_over_time(1,"),
    ("NodeSlow", "expr", "0.5 * max", "0 * max"),
    ("NodeSlow", "expr", "on (chain) group_left () occ:threshold:request_seconds", "1"),
    ("NodeWebSocketLost", "expr", "avg_over_time", "min_over_time"),
    ("NodeWebSocketLost", "expr", "> 10", "> 100"),
    ("NodeWebSocketLost", "expr", "> 10", "> 4"),
    ("NodeWrongChain", "expr", "min_over_time(rpc_chain_id_matches[10m])", "rpc_chain_id_matches"),
    ("NodeWrongChain", "expr", "min_over_time(rpc_genesis_hash_matches[10m])", "rpc_genesis_hash_matches"),
    ("NodeForked", "expr", "avg_over_time", "max_over_time"),
    ("NodeForked", "expr", "> 0.2", "> 0.5"),
    ("NodeForked", "for", "1m", "0s"),
    ("ChainForked", "expr", "quantile_over_time(0.5, ", "max_over_time("),
    ("ChainForked", "expr", "> 0.2", "> 1"),
    ("ChainForked", "expr", "> 0.2", "> 0.5"),
    ("ChainForked", "for", "1m", "0s"),
    ("NodeDataDisagrees", "expr", "> 1.5", "> 0"),
    ("NodeAhead", "expr", "- 3)", "- 0)"),
    ("NodeAhead", "expr", " * on (chain) group_left () chain:block_seconds:6h", ""),
    ("NodeAhead", "expr", "min_over_time", "max_over_time"),
    ("NodeHeadRegressing", "expr", "> 12", "> 9"),
    ("NodeHeadRegressing", "expr", "> 12", "> 60"),
    ("NodeReorgs", "expr", "on (chain) group_left () occ:threshold:reorgs_per_hour", "10"),
    ("NodeReorgs", "expr", "on (chain) group_left () occ:threshold:reorgs_per_hour", "5"),
    ("DeepReorg", "expr", "on (chain) occ:threshold:reorg_depth_blocks", "5"),
    ("DeepReorg", "expr", "on (chain) occ:threshold:reorg_depth_blocks", "2"),
    ("DeepReorg", "expr", "> on (chain) max", ">= on (chain) max"),
    ("DeepReorg", "expr", "2 * count", "count"),
    ("DeepReorg", "expr", "rpc_reorgs_total[2m]", "rpc_reorgs_total[15m]"),
    ("DeepReorg", "expr", "[15m:15s]", "[5m:15s]"),
    ("NodeLagging", "expr", "quantile_over_time(0.5, rpc_block_lag_blocks[1m])", "rpc_block_lag_blocks"),
    ("NodeLagging", "expr", "on (chain) group_left () occ:threshold:lag_blocks", "1"),
    ("NodeLagging", "expr", "on (chain) group_left () occ:threshold:lag_blocks", "3"),
    ("NodeLagging", "expr", "on (chain) group_left () occ:threshold:lag_seconds", "1"),
    ("NodeLagging", "expr", "< 0.5", "< 0"),
    ("NodeLagging", "for", "30s", "0s"),
    ("NodeSyncing", "expr", "avg_over_time", "max_over_time"),
    ("NodeFewPeers", "expr", "max_over_time(rpc_peers[10m])", "min_over_time(rpc_peers[10m])"),
    ("NodeFewPeers", "expr", "[1d]", "[10m]"),
    ("NodeFewPeers", "expr", ">= on", "< on"),
    ("NodeHeadsLate", "expr", "quantile_over_time(0.5,", "quantile_over_time(1,"),
    ("NodeHeadsLate", "expr", "on (chain) group_left () occ:threshold:arrival_delay_seconds", "15"),
    ("BeaconOptimistic", "expr", "avg_over_time", "max_over_time"),
    ("BeaconSyncDistance", "expr", "min_over_time", "max_over_time"),
    ("NodeCapabilityLost", "expr", "max_over_time", "min_over_time"),
    ("NodeCapabilityLost", "expr", "rpc_capability_expected == 1", "rpc_capability == 0"),
    ("ChainStalled", "expr", "on (chain) occ:threshold:stall_age_seconds", "180"),
    ("ChainStalled", "expr", "max_over_time(chain_head_timestamp_seconds[1m])", "chain_head_timestamp_seconds"),
    ("ChainStalled", "expr", "max_over_time(chain_head_block_number[1m])", "chain_head_block_number"),
    ("ChainStalled", "expr", "max_over_time(chain_head_block_number[1m] offset", "(chain_head_block_number offset"),
    ("ChainStalled", "expr", "offset 2m", "offset 1m"),
    ("ChainStalled", "expr", "<= max", "< max"),
    ("ChainStalled", "expr", "== 1", ">= 0"),
    ("ChainBlind", "expr", "max_over_time(chain_nodes_healthy[1m])", "chain_nodes_healthy"),
    ("ChainBlind", "expr", "max_over_time(node:rpc_up:max", "min_over_time(node:rpc_up:max"),
    ("ChainBlind", "for", "1m", "0s"),
    ("ChainFewNodes", "expr", ">= 2", ">= 1"),
    ("ChainFewNodes", "for", "3m", "0s"),
    ("FinalityStalled", "expr", "quantile by (chain) (0.5,", "min by (chain) ("),
    ("FinalityStalled", "expr", "[2m]) > 0", "[2m]) >= 0"),
    ("FinalityStalled", "expr", "on (chain) occ:threshold:finality_age_seconds", "1800"),
    ("FinalityLagging", "expr", "quantile by (chain) (0.5,", "min by (chain) ("),
    ("FinalityLagging", "expr", "min_over_time", "max_over_time"),
    ("FinalityLagging", "expr", "on (chain) occ:threshold:finality_lag_blocks", "128"),
    ("VenueDown", "expr", "avg_over_time(venue", "min_over_time(venue"),
    ("VenueDown", "expr", "avg_over_time(exchange_status", "max_over_time(exchange_status"),
    ("VenueDown", "expr", "venue:tier:open", "venue:tier:info"),
    ("VenueDown", "for", "1m", "0s"),
    ("ClockSkewed", "expr", "abs(quantile_over_time(0.5,", "abs(quantile_over_time(1,"),
    ("ClockSkewed", "expr", "abs(quantile", "(quantile"),
    ("ClockSkewed", "expr", "- quantile_over_time(0.5, exchange_clock_skew_uncertainty_seconds[10m])", ""),
    ("ClockSkewed", "for", "2m", "0s"),
    ("RateLimitNear", "expr", "avg_over_time", "max_over_time"),
    ("RateLimitNear", "for", "2m", "0s"),
    (
        "RateLimitBanned",
        "expr",
        "max_over_time(exchange_rate_limit_ban_until_timestamp_seconds[1m])",
        "exchange_rate_limit_ban_until_timestamp_seconds",
    ),
    ("RateLimitBanned", "expr", "venue:tier:info", "venue:tier:open"),
    ("RateLimitBanned", "for", "1m", "0s"),
    ("RateLimitBanned", "keep_firing_for", "2m", "0s"),
    ("VenueWebSocketLost", "expr", "avg_over_time", "min_over_time"),
    ("VenueWebSocketLost", "expr", "order_book|trades", "order_book"),
    ("VenueWebSocketLost", "expr", "> 5", "> 2"),
    ("VenueWebSocketLost", "expr", "> 5", "> 100"),
    ("VenueWebSocketLost", "for", "5m", "0s"),
    (
        "FeedSilent",
        "expr",
        "last_over_time(exchange_book_received_timestamp_seconds[1h])",
        "exchange_book_received_timestamp_seconds",
    ),
    ("FeedSilent", "expr", "occ:threshold:feed_age_seconds", "occ:threshold:move_ratio"),
    ("FeedSilent", "expr", "[1m]", "[1h]"),
    ("FeedSilent", "expr", "unless on (venue)\n  avg_over_time(venue:up:max[2m]) < 0.5", ""),
    ("FeedSilent", "expr", "venue:tier:open", "venue:tier:info"),
    ("FeedSilent", "for", "30s", "0s"),
    ("FeedFrozen", "expr", "avg_over_time", "max_over_time"),
    ("FeedFrozen", "expr", "> 0.5", ">= 0.5"),
    ("FeedFrozen", "expr", ">= 2", ">= 1"),
    ("FeedFrozen", "expr", "venue:tier:open", "venue:tier:info"),
    ("FeedFrozen", "for", "30s", "0s"),
    ("BookFrozen", "expr", "avg_over_time", "max_over_time"),
    ("BookFrozen", "expr", "venue:tier:open", "venue:tier:info"),
    ("BookFrozen", "for", "1m", "0s"),
    ("BookCrossed", "expr", "> 0.25", "> 0.1"),
    ("BookCrossed", "expr", "venue:tier:open", "venue:tier:info"),
    ("BookGaps", "expr", "> 5", "> 2"),
    ("SpreadWide", "expr", "quantile_over_time(0.5,", "quantile_over_time(1,"),
    ("SpreadWide", "expr", "on (venue, symbol) occ:threshold:spread_ratio", "0.001"),
    ("SpreadWide", "expr", "on (venue, symbol) occ:threshold:spread_ratio", "0.01"),
    ("SpreadWide", "for", "5m", "0s"),
    ("DepthThin", "expr", "min by", "max by"),
    ("DepthThin", "expr", "quantile_over_time(0.5,", "quantile_over_time(0,"),
    ("DepthThin", "expr", "== 1", ">= 0"),
    ("DepthThin", "expr", "on (venue, symbol) occ:threshold:depth_usd", "100000"),
    ("DepthThin", "for", "5m", "0s"),
    (
        "FlashCrash",
        "expr",
        'max_over_time(exchange_mid_price_range_ratio{window="1m"}[2m])',
        'exchange_mid_price_range_ratio{window="1m"}',
    ),
    ("FlashCrash", "expr", "on (venue, symbol) occ:threshold:move_ratio", "0.03"),
    ("FlashCrash", "expr", "on (venue, symbol) occ:threshold:move_ratio", "0.15"),
    ("FlashCrash", "expr", "venue:tier:open", "venue:tier:info"),
    ("CrossVenueDeviation", "expr", "quantile_over_time(0.5,", "quantile_over_time(1,"),
    ("CrossVenueDeviation", "expr", "abs(", "("),
    ("CrossVenueDeviation", "expr", "on (venue, symbol) occ:threshold:deviation_ratio", "0.005"),
    ("CrossVenueDeviation", "for", "2m", "0s"),
    ("StablecoinDepeg", "expr", "quantile_over_time(0.5,", "quantile_over_time(0,"),
    ("StablecoinDepeg", "expr", "abs(", "("),
    ("StablecoinDepeg", "expr", "> 0.01", "> 0.001"),
    ("StablecoinDepeg", "expr", "venue:tier:info", "venue:tier:open"),
    ("StablecoinDepeg", "for", "1m", "0s"),
    ("WithdrawalsHalted", "expr", "max_over_time", "min_over_time"),
    ("WithdrawalsHalted", "expr", "> 0.5", ">= 0.5"),
    ("WithdrawalsHalted", "expr", ">= 2", ">= 1"),
    ("WithdrawalsHalted", "expr", "venue:tier:info", "venue:tier:open"),
    ("WithdrawalsSuspended", "expr", "max_over_time", "min_over_time"),
    ("WithdrawalsSuspended", "for", "1m", "0s"),
    ("DepositsSuspended", "expr", "max_over_time", "min_over_time"),
    ("MarketHalted", "expr", "max_over_time", "min_over_time"),
    ("MarketHalted", "expr", "< time()", "< 0"),
    ("MarketHalted", "expr", "< time()", "> 0"),
    ("MarketHalted", "expr", "venue:tier:open", "venue:tier:info"),
    ("MarketHalted", "for", "1m", "0s"),
    (
        "MarketDelisting",
        "expr",
        "last_over_time(exchange_market_delist_timestamp_seconds[1h])",
        "exchange_market_delist_timestamp_seconds",
    ),
    ("MarketDelisting", "expr", "604800", "1209600"),
    ("MarketSpecChanged", "expr", "[1h]", "[6h]"),
    ("RpcAvailabilityBurning", "expr", "and slo:rpc_availability:error_ratio_1h > 0.0144", ""),
    ("RpcAvailabilityBurning", "expr", "slo:rpc_availability:error_ratio_5m > 0.0144 and", ""),
    ("RpcAvailabilityBurning", "expr", "and slo:rpc_availability:error_ratio_6h > 0.006", ""),
    ("RpcAvailabilityBurning", "expr", "slo:rpc_availability:error_ratio_30m > 0.006 and", ""),
    ("RpcAvailabilityBurning", "expr", "unless on (chain)", "and on (chain)"),
    ("RpcAvailabilityBurning", "for", "2m", "0s"),
    ("HeadFreshnessBurning", "expr", "ChainStalled|ChainBlind", "ChainBlind"),
    ("RpcAvailabilityEroding", "expr", "and slo:rpc_availability:error_ratio_1d > 0.003", ""),
    ("RpcAvailabilityEroding", "expr", "and slo:rpc_availability:error_ratio_3d > 0.001", ""),
    ("HeadFreshnessBurning", "expr", "and slo:head_freshness:error_ratio_1h > 0.072", ""),
    ("HeadFreshnessEroding", "expr", "slo:head_freshness:error_ratio_6h > 0.005 and", ""),
    ("SightLost", "expr", "min without", "max without"),
    ("SightLost", "expr", "avg_over_time(occ_target_stale[5m])", "occ_target_stale"),
    ("SightLost", "expr", "avg_over_time(occ_target_stale[90s])", "avg_over_time(occ_target_stale[5m])"),
    ("SightLost", "expr", "max_over_time(occ_target_up[5m])", "occ_target_up"),
    ("SightLost", "expr", "max_over_time(occ_target_configured[5m])", "occ_target_configured"),
    ("SightLost", "for", "2m", "0s"),
    ("ExporterAbsent", "expr", "max by (job)", "min by (job)"),
    ("ExporterAbsent", "expr", "max_over_time", "min_over_time"),
    ("ExporterAbsent", "expr", 'or absent(up{job="nodes"})', ""),
    ("ExporterAbsent", "expr", 'or absent(up{job="exchange"})', ""),
    ("ExporterAbsent", "expr", 'or absent(up{job="pools"})', ""),
    ("ExporterAbsent", "expr", 'or absent(up{job="receiver"})', ""),
    ("ExporterAbsent", "for", "1m", "0s"),
    ("ReceiverSilent", "expr", "> 0.9", ">= 0"),
    ("ReceiverSilent", "expr", ' and last_over_time(up{job="receiver"}[1m] offset 10m) == 1', ""),
    ("ReceiverSilent", "expr", "unless", "and"),
    ("EgressDown", "expr", ">= 2", ">= 1"),
    ("EgressDown", "expr", "max by (job) (max_over_time", "min by (job) (min_over_time"),
    ("EgressDown", "for", "30s", "0s"),
    ("ManyNodesDown", "expr", "> 0.5 *", ">= 0.5 *"),
    ("ManyNodesDown", "expr", ">= 2", ">= 1"),
    ("ManyNodesDown", "for", "30s", "0s"),
    ("ManyVenuesDown", "expr", "> 0.5 *", ">= 0.5 *"),
    ("ManyVenuesDown", "expr", ">= 2", ">= 1"),
    ("ManyVenuesDown", "for", "30s", "0s"),
    ("SeriesDropped", "for", "5m", "0s"),
    (
        "AuditBroken",
        "expr",
        'min_over_time(audit_chain_valid{job="receiver"}[1m])',
        'audit_chain_valid{job="receiver"}',
    ),
    ("AuditBroken", "expr", "min by", "max by"),
    ("AuditUnverified", "expr", "max by", "min by"),
    ("AuditUnverified", "expr", "> 9000", "> 3600"),
    ("AuditUnverified", "for", "5m", "0s"),
    ("AuditUncovered", "expr", "max by", "min by"),
    ("AuditUncovered", "expr", "> 600", "> 300"),
    ("AuditUncovered", "for", "2m", "0s"),
    ("ActionInDoubt", "expr", "min_over_time", "max_over_time"),
    ("ActionInDoubt", "expr", "max by", "min by"),
    ("ActionFailed", "expr", "failed|partial", "failed"),
    ("ActionFailed", "expr", "failed|partial", ".+"),
    ("ActionFailed", "expr", "[10m]", "[1h]"),
    ("ActionBlocked", "expr", "[10m]", "[1h]"),
    ("ApprovalsWaiting", "expr", ',state="pending_approval"', ""),
    ("ApprovalsWaiting", "for", "5m", "0s"),
    ("ActionsFrozen", "expr", 'min_over_time(receiver_frozen{job="receiver"}[5m])', 'receiver_frozen{job="receiver"}'),
    ("ActionsFrozen", "expr", "min by", "max by"),
    ("ActionsFrozen", "for", "30m", "0s"),
    ("ReconciliationStale", "expr", "max by", "min by"),
    ("ReconciliationStale", "expr", "> 300", "> 100"),
    ("ReconciliationStale", "for", "2m", "0s"),
    ("IncidentUnacknowledged", "expr", "min by", "max by"),
    ("IncidentUnacknowledged", "expr", "> 900", "> 300"),
    ("NotifierFailing", "expr", ',target!="grafana",outcome', ",outcome"),
    ("NotifierFailing", "expr", ',target!="grafana"}[5m]', "}[5m]"),
    ("NotifierFailing", "expr", ',outcome="given_up"', ""),
    ("NotifierFailing", "expr", "[10m]", "[1h]"),
    (
        "NotifierFailing",
        "expr",
        'min_over_time(notifier_deliveries_waiting{job="receiver",target!="grafana"}[5m])',
        'notifier_deliveries_waiting{job="receiver",target!="grafana"}',
    ),
    ("NotifierFailing", "expr", " offset 5m", ""),
]


@pytest.mark.parametrize(("name", "field", "old", "new"), CLAUSES)
def test_no_clause_is_idle(passes: Passes, name: str, field: str, old: str, new: str) -> None:
    alert = shipped(name)
    assert old in alert.rule[field]
    assert not passes(alert, {field: alert.rule[field].replace(old, new, 1)})
