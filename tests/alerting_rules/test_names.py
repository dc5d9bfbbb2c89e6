"""Rules, the graphs that alerts link to, and runbooks use metrics and labels that a process declares or a rule records."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cli.catalogue import catalogue
from dashboards.boards import declared as everything_declared
from dashboards.kit import promql
from dashboards.kit.promql import SCRAPED, Declared
from dashboards.kit.rules import Rules
from tests.alerting_rules import checks
from tests.alerting_rules.checks import RULES, RUNBOOKS, Alert

SCRAPE_SECONDS = checks.load(RULES / "prometheus.yml")["global"]["scrape_interval"].removesuffix("s")


@pytest.fixture(scope="module")
def known() -> Declared:
    """What boards may use, what every client library says of its process, and the labels that our alerts have besides."""
    known = everything_declared(catalogue(), Rules(RULES))
    return {
        **known,
        "process_start_time_seconds": SCRAPED,
        "ALERTS": known["ALERTS"] | {"chain", "node", "venue", "job"},
    }


def recording_rules() -> Mapping[str, str]:
    groups = [group for path in checks.rule_files() for group in checks.load(path)["groups"]]
    return {rule["record"]: str(rule["expr"]) for group in groups for rule in group["rules"] if "record" in rule}


def rule_faults(alert: Alert, known: Declared) -> Iterator[str]:
    """Names that nobody declares, in the expression and in the graph; labels of templates that the result has not."""
    result = promql.read(alert.rule["expr"], known)
    yield from (f"{alert.name}: {fault}" for fault in result.faults)
    for graph in checks.linked(alert.annotations["dashboard_url"]):
        yield from (f"{alert.name}: graph: {fault}" for fault in promql.read(graph, known).faults)
    texts = [*alert.labels.values(), *alert.annotations.values()]
    used = {label for text in texts for label in re.findall(r"\$labels\.(\w+)", text)}
    for label in sorted(used - result.labels - set(alert.labels)):
        yield f"{alert.name}: a template uses the label {label}, which the expression does not give"


def window_faults(name: str, expr: str) -> Iterator[str]:
    """Ranges that hold fewer than four scrapes: `rate` and its like need some, and Prometheus 3 leaves the oldest out."""
    for metric, seconds in promql.windows(expr):
        if seconds < 4 * float(SCRAPE_SECONDS):
            yield f"{name}: {metric}[{seconds:g}s] is shorter than four scrapes"


@pytest.mark.parametrize("alert", checks.shipped_alerts(), ids=lambda alert: alert.name)
def test_a_rule_and_its_graph(alert: Alert, known: Declared) -> None:
    assert checks.linked(alert.annotations["dashboard_url"])
    assert list(rule_faults(alert, known)) == []


def test_recording_rules_lean_on_what_is_declared_or_recorded(known: Declared) -> None:
    faults = {name: promql.read(expr, known).faults for name, expr in recording_rules().items()}
    assert {name: found for name, found in faults.items() if found} == {}


def test_no_window_is_shorter_than_four_scrapes() -> None:
    written = [*recording_rules().items(), *((alert.name, alert.rule["expr"]) for alert in checks.shipped_alerts())]
    assert [fault for name, expr in written for fault in window_faults(name, expr)] == []


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_the_queries_of_a_runbook(page: Path, known: Declared) -> None:
    queries = checks.queries_of(page.read_text(encoding="utf-8"))
    assert [fault for query in queries for fault in promql.read(query, known).faults] == []


# Seen to find something ---------------------------------------------------------------------------------------------


@pytest.fixture
def sound() -> Alert:
    (alert,) = (alert for alert in checks.shipped_alerts() if alert.name == "NodeSlow")
    return alert


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("rpc_request_last_duration_seconds", "rpc_request_duration", "nobody declares rpc_request_duration"),
        ("occ:threshold:request_seconds", "occ:threshold:seconds", "nobody declares occ:threshold:seconds"),
        ("seconds[10m]", 'seconds{nodes="a"}[10m]', "rpc_request_last_duration_seconds has no label nodes"),
        ("on (chain)", "on (chian)", "the left of > has no label chian"),
        ("(chain, node)", "(chain)", "a template uses the label node, which the expression does not give"),
        ("> on", "is on", "no PromQL"),
    ],
)
def test_a_wrong_name_or_label_in_a_rule_is_named(
    sound: Alert, known: Declared, old: str, new: str, fault: str
) -> None:
    assert old in sound.rule["expr"]
    ill = replace(sound, rule={**sound.rule, "expr": sound.rule["expr"].replace(old, new)})
    assert any(found.startswith(f"NodeSlow: {fault}") for found in rule_faults(ill, known))


def test_a_wrong_name_in_a_graph_is_named(sound: Alert, known: Declared) -> None:
    wrong = sound.annotations["dashboard_url"].replace("rpc_request_last", "rpc_request_lost")
    ill = replace(sound, rule={**sound.rule, "annotations": {**sound.annotations, "dashboard_url": wrong}})
    assert list(rule_faults(ill, known)) == [
        "NodeSlow: graph: nobody declares rpc_request_lost_duration_seconds",
    ]


def test_a_window_that_is_too_short_is_named() -> None:
    assert list(window_faults("A", "rate(x[45s]) > 0 and rate(y[1m]) > 0")) == [
        "A: x[45s] is shorter than four scrapes"
    ]
