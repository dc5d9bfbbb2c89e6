"""The rules load, are written as people and routes need them, and do what their own tests say."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.alerting_rules import checks, clauses, clauses_of_accounts
from tests.alerting_rules.checks import RULES, Alert, Document
from tests.alerting_rules.conftest import Run

Passes = Callable[..., bool]

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
    """Whether an alert's own tests pass on that alert alone, beside what it leans on, with some of its fields changed, or the
    expressions of what is recorded.
    """

    def run(alert: Alert, changed: dict[str, str], recorded: dict[str, str] | None = None) -> bool:
        leaned_on = [with_records(group, recorded or {}) for group in checks.leaned_on(alert.rule["expr"])]
        groups = [*leaned_on, {"name": "alone", "rules": [{**alert.rule, **changed}]}]
        (tmp_path / "rules.yml").write_text(json.dumps({"groups": groups}))
        files = []
        for path in checks.unit_tests():
            if tests := only(alert.name, checks.load(path)["tests"]):
                document = {**checks.load(path), "rule_files": ["rules.yml"], "tests": tests}
                document["group_eval_order"] = [
                    group["name"] for group in groups
                ]  # what leans on another comes after it
                files.append(tmp_path / path.name)
                files[-1].write_text(json.dumps(document))
        tested = promtool("test", "rules", *files)
        assert tested.returncode == 0 or "got:" in tested.stdout + tested.stderr, tested.stderr
        return tested.returncode == 0

    return run


def with_records(group: Document, recorded: dict[str, str]) -> Document:
    rules = [{**rule, "expr": recorded.get(str(rule.get("record")), rule["expr"])} for rule in group["rules"]]
    return {**group, "rules": rules}


def only(name: str, tests: list[Document]) -> list[Document]:
    """The tests of one alert."""
    return [
        {**test, "alert_rule_test": cases, "promql_expr_test": []}
        for test in tests
        if (cases := [case for case in test.get("alert_rule_test") or () if case["alertname"] == name])
    ]


@pytest.mark.parametrize("alert", checks.shipped_alerts(), ids=lambda alert: alert.name)
def test_a_rule_that_says_always_or_never_fails_its_tests(passes: Passes, alert: Alert) -> None:
    assert passes(alert, {})
    assert not passes(alert, {"expr": "vector(1) > 1", "for": "0s"})
    assert passes(alert, {"expr": "vector(1)", "for": "0s"}) == (alert.name in checks.ALWAYS_FIRING)


@pytest.mark.parametrize(("name", "field", "old", "new"), [*clauses.CLAUSES, *clauses_of_accounts.CLAUSES])
def test_no_clause_is_idle(passes: Passes, name: str, field: str, old: str, new: str) -> None:
    alert = shipped(name)
    assert old in alert.rule[field]
    assert not passes(alert, {field: alert.rule[field].replace(old, new, 1)})


@pytest.mark.parametrize(("name", "record", "old", "new"), [*clauses.RECORDED, *clauses_of_accounts.RECORDED])
def test_no_clause_of_what_an_alert_leans_on_is_idle(
    passes: Passes, name: str, record: str, old: str, new: str
) -> None:
    alert = shipped(name)
    groups = checks.leaned_on(alert.rule["expr"])
    (expr,) = (rule["expr"] for group in groups for rule in group["rules"] if rule.get("record") == record)
    assert old in expr
    assert not passes(alert, {}, {record: expr.replace(old, new, 1)})
