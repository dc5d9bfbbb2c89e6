"""What a silence may cover, by the rules: the shipped ones, and any others. That Alertmanager agrees is in actions/test_silence.py."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from receiver.prometheus import Rule
from receiver.silencing import NEVER, covers, forbidden, objection, untouchable

ROOT = Path(__file__).parents[2]


def shipped() -> list[Rule]:
    """Every alerting rule of the repository, as Prometheus would tell of it."""
    files = [*(ROOT / "alerting-rules/alerts").glob("*.yml"), ROOT / "alerting-rules/slo/generated.yml"]
    groups = itertools.chain.from_iterable(yaml.safe_load(path.read_text())["groups"] for path in files)
    rules = itertools.chain.from_iterable(group["rules"] for group in groups)
    return [Rule(rule["alert"], rule["expr"], rule.get("labels", {})) for rule in rules if "alert" in rule]


SHIPPED = shipped()
NODES = Rule("NodeLagging", "x > 1", {"domain": "nodes", "severity": "page", "entity": "{{ $labels.node }}"})
SECURITY = Rule("OwnerChanged", "x > 1", {"domain": "security", "severity": "page"})
WATCHDOG = Rule("Watchdog", "vector(1)", {"domain": "meta", "severity": "none"})
RULES = [NODES, SECURITY, WATCHDOG]


# --- by hand ---------------------------------------------------------------------------------------------------------

MAY = [
    {"alertname": "NodeLagging"},
    {"alertname": "NodeLagging", "entity": "ethereum/alchemy"},
    {"domain": "nodes"},
    {"domain": "nodes", "entity": "ethereum/alchemy"},
    {"domain": "trading", "alertname": "OfAnother"},
]

MUST_NOT = [
    {"alertname": "Watchdog"},
    {"alertname": "Watchdog", "domain": "nodes"},
    {"domain": "security"},
    {"domain": "meta"},
    {"domain": "receiver"},
    {"alertname": "NodeLagging", "domain": "security"},
    {"alertname": "OwnerChanged"},
    {"severity": "page"},
    {"entity": "ethereum/alchemy"},
    {"alertname": "OfAnother"},
]


@pytest.mark.parametrize("matchers", MAY)
def test_what_can_hide_nothing_that_must_be_heard_may_be_silenced(matchers: Mapping[str, str]) -> None:
    assert objection(matchers, RULES) is None


@pytest.mark.parametrize("matchers", MUST_NOT)
def test_what_could_hide_security_or_the_watch_must_not_be_silenced(matchers: Mapping[str, str]) -> None:
    assert objection(matchers, RULES)


def test_a_label_that_a_rule_fills_by_a_template_may_be_anything() -> None:
    rule = Rule("Mixed", "x", {"domain": "{{ $labels.domain }}"})
    assert objection({"alertname": "Mixed"}, [rule]) == "it could hide Mixed"
    assert objection({"alertname": "Mixed", "domain": "nodes"}, [rule]) is None


def test_a_rule_that_sets_no_domain_may_be_about_security() -> None:
    rule = Rule("Bare", "x", {"severity": "page"})
    assert objection({"alertname": "Bare"}, [rule])
    assert objection({"alertname": "Bare", "domain": "nodes"}, [rule]) is None
    assert objection({"alertname": "Bare"}, [Rule("Bare", "x", {"domain": ""})])


def test_two_rules_of_one_name_are_both_looked_at() -> None:
    twin = Rule("NodeLagging", "y", {"domain": "security"})
    assert objection({"alertname": "NodeLagging"}, [NODES, twin])
    assert objection({"alertname": "NodeLagging", "domain": "nodes"}, [NODES, twin]) is None


def test_a_watchdog_by_any_labels_is_left_alone() -> None:
    """Somebody has given Watchdog a domain of their own: a silence of the whole domain would hide it."""
    watchdog = Rule("Watchdog", "vector(1)", {"domain": "nodes"})
    assert objection({"domain": "nodes"}, [NODES, watchdog]) == "it could hide Watchdog"
    assert objection({"domain": "nodes", "alertname": "NodeLagging"}, [NODES, watchdog]) is None


def test_where_prometheus_has_no_rules_only_a_domain_proves_anything() -> None:
    assert objection({"alertname": "NodeLagging"}, [])
    assert objection({"domain": "nodes"}, []) is None


# --- the shipped rules -----------------------------------------------------------------------------------------------


def test_every_shipped_rule_of_another_domain_may_be_silenced_by_its_name_and_no_other() -> None:
    silenced = {rule.name for rule in SHIPPED if objection({"alertname": rule.name}, SHIPPED) is None}
    assert silenced == {rule.name for rule in SHIPPED if rule.labels["domain"] not in NEVER}
    assert "NodeLagging" in silenced
    assert not {"Watchdog", "ReceiverSilent", "ExporterAbsent", "SightLost"} & silenced


LABELS = ("alertname", "domain", "severity", "entity", "parent", "exporter", "chain")
NAMES = sorted({rule.name for rule in SHIPPED} | {"OfAnother"})
VALUES = st.sampled_from(
    [*NAMES, "nodes", "exchange", "pools", "security", "receiver", "meta", "page", "ticket", "none", "a", "a/b", ""]
)


@st.composite
def anything(draw: st.DrawFn) -> dict[str, str]:
    """Matchers as an action may have them: values that alerts have, in the places where they have them and in others."""
    matchers = draw(st.dictionaries(st.sampled_from(LABELS), VALUES.filter(bool), min_size=1, max_size=3))
    if draw(st.booleans()):
        matchers["alertname"] = draw(st.sampled_from(NAMES))
    if draw(st.booleans()):
        matchers["domain"] = draw(st.sampled_from(["nodes", "exchange", "pools", *NEVER]))
    return matchers


def sent(rule: Rule, series: Mapping[str, str]) -> dict[str, str]:
    """The labels of an alert that the rule sends for a series, templates filled in by anything."""
    own = {name: series.get(name, "x") if "{{" in value else value for name, value in rule.labels.items()}
    return {name: value for name, value in {**series, **own, "alertname": rule.name}.items() if value}


@st.composite
def any_rule(draw: st.DrawFn) -> Rule:
    labels = draw(st.dictionaries(st.sampled_from(LABELS[1:]), VALUES | st.just("{{ $labels.x }}"), max_size=4))
    return Rule(draw(st.sampled_from([*NAMES, "Watchdog"])), "x", labels)


@given(anything(), st.lists(any_rule(), max_size=6), st.dictionaries(st.sampled_from(LABELS), VALUES, max_size=7))
def test_no_alert_of_any_rule_is_hidden_that_must_not_be(
    matchers: dict[str, str], rules: list[Rule], series: dict[str, str]
) -> None:
    assume(objection(matchers, rules) is None)
    for rule in rules:
        for labels in (sent(rule, series), sent(rule, {**series, **matchers})):
            assert not (covers(matchers, labels) and untouchable(labels))


@given(anything(), st.dictionaries(st.sampled_from(LABELS), VALUES, max_size=7))
def test_no_alert_of_a_shipped_rule_is_hidden_that_must_not_be(
    matchers: dict[str, str], series: dict[str, str]
) -> None:
    assume(objection(matchers, SHIPPED) is None)
    for rule in SHIPPED:
        for labels in (sent(rule, series), sent(rule, {**series, **matchers})):
            assert not (covers(matchers, labels) and untouchable(labels))


@given(anything())
def test_what_is_refused_whatever_the_rules_are_is_refused_with_them(matchers: dict[str, str]) -> None:
    if forbidden(matchers):
        assert objection(matchers, SHIPPED) == forbidden(matchers)
