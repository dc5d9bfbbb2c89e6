"""What is drawn of a rule's expression, and whose rule and whose series it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from receiver.charts.expression import LONGEST, Condition, NotDrawn, about, conditions, rule_of
from receiver.prometheus import Rule

ROOT = Path(__file__).parents[3]

CONDITIONS = {
    "up": ["up"],
    "up == 0": ["up == 0"],
    "(up < 1)": ["up < 1"],
    "0.5 < up": ["up > 0.5"],
    "time() - 60 > scraped": ["scraped < time() - 60"],
    "scalar(most) >= up": ["up <= scalar(most)"],
    "time() - scraped > 60": ["time() - scraped > 60"],
    "a > on (venue) group_left () b": ["a > b"],
    "a > 1 and b < 2": ["a > 1", "b < 2"],
    "a > 1 or absent(b)": ["a > 1", "absent(b)"],
    "a unless b > 1": ["a unless b > 1"],
    "a > 1 unless on (venue) b > 1": ["a > 1"],
    "(a > 1) * on (venue) group_left (tier) info": ["a > 1"],
    "tier * (a > 1)": ["a > 1"],
    "max by (venue) (a > 1 and b > 2)": ["a > 1", "b > 2"],
    "sum(a > 1) > 3": ["sum(a > 1) > 3"],
    "a > bool 1": ["a > bool 1"],
    "(a > bool 1) == 1": ["(a > bool 1) == 1"],
    "a > 1 or a > 1": ["a > 1"],
    "max_over_time((a > 1)[5m:1m])": ["max_over_time((a > 1)[5m:1m])"],
    'a{name="a\\"b\\\\"} != 1': ['a{name="a\\"b\\\\"} != 1'],
    "-a < -1": ["-a < -1"],
}


@pytest.mark.parametrize(("query", "found"), CONDITIONS.items(), ids=CONDITIONS.keys())
def test_the_comparisons_that_decide_are_drawn(query: str, found: list[str]) -> None:
    assert [" ".join(str(condition).split()) for condition in conditions(query)] == found


def test_the_bound_is_split_off() -> None:
    assert conditions("rate(x[5m]) >= 0.5") == (Condition("rate(x[5m])", ">=", "0.5"),)


@pytest.mark.parametrize("query", ["", "up >", "(" * 4000 + "up" + ")" * 4000, "up" + " + 1" * LONGEST])
def test_what_can_not_be_taken_apart_is_not_drawn(query: str) -> None:
    with pytest.raises(NotDrawn):
        conditions(query)


def shipped() -> list[tuple[str, str]]:
    files = [yaml.safe_load(path.read_text()) for path in sorted(ROOT.glob("alerting-rules/*/*.yml"))]
    groups = [group for file in files if isinstance(file, dict) for group in file.get("groups", ())]
    return [(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"] if "alert" in rule]


def test_every_shipped_alert_has_something_to_draw() -> None:
    rules = shipped()
    assert len(rules) > 60
    bare = {name for name, expression in rules if not any(condition.op for condition in conditions(expression))}
    known = {"AccountBlind", "DeepReorg", "EnginePositionUnchecked", "EngineSilent", "VenueMaintenance", "Watchdog"}
    assert bare <= known, "these have no comparison, or inside a subquery"


# --- whose rule, whose series ------------------------------------------------------------------------------------------

LAGGING = Rule("NodeLagging", "lag > 3", {"severity": "page", "entity": "{{ $labels.chain }}"})
ALERT = {"alertname": "NodeLagging", "severity": "page", "entity": "ethereum", "chain": "ethereum", "node": "a"}


def test_the_rule_is_of_the_alerts_name_and_of_the_labels_that_it_sets() -> None:
    ticket = Rule("NodeLagging", "lag > 1", {"severity": "ticket"})
    other = Rule("NodeDown", "up == 0", {"severity": "page"})
    assert rule_of([other, ticket, LAGGING], ALERT) is LAGGING
    assert rule_of([other, ticket, LAGGING], ALERT | {"severity": "ticket"}) is ticket


def test_rules_of_one_expression_are_one() -> None:
    assert rule_of([LAGGING, LAGGING], ALERT) is LAGGING


def test_an_alert_without_a_rule_and_one_of_several_are_not_drawn() -> None:
    for rules in ([], [Rule("Other", "up", {})], [LAGGING, Rule("NodeLagging", "lag > 9", {})]):
        with pytest.raises(NotDrawn):
            rule_of(rules, ALERT)
    with pytest.raises(NotDrawn):
        rule_of([LAGGING], {})


@pytest.mark.parametrize(
    ("series", "is_about"),
    [
        ({"chain": "ethereum", "node": "a"}, True),
        ({"chain": "ethereum", "node": "b"}, False),
        ({"chain": "ethereum"}, True),
        ({}, True),
        ({"chain": "ethereum", "instance": "one of several"}, True),
        ({"chain": "ethereum", "node": "a", "entity": "of the series, which the rule overwrites"}, True),
        ({"chain": "bitcoin", "instance": "a"}, False),
    ],
)
def test_a_series_is_about_the_alert_where_they_agree(series: dict[str, str], *, is_about: bool) -> None:
    assert about(LAGGING, ALERT, series) is is_about
