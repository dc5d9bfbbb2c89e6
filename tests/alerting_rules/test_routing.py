"""Who hears of what, asked of amtool; and what may never be muted."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.alerting_rules import checks
from tests.alerting_rules.checks import ALERTMANAGER
from tests.alerting_rules.conftest import Run

FIXED = {"entity": "a/b", "parent": "a", "exporter": "a"}
ROUTING = checks.load(ALERTMANAGER)
TABLE = checks.load(ALERTMANAGER.with_name("routes_test.yml"))


def receivers(amtool: Run, labels: dict[str, str]) -> list[str]:
    asked = amtool(
        "config",
        "routes",
        "test",
        "--config.file",
        ALERTMANAGER,
        *(f"{name}={value}" for name, value in labels.items()),
    )
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.strip().split(",")


def test_amtool_accepts_the_configuration(amtool: Run) -> None:
    checked = amtool("check-config", ALERTMANAGER)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_the_table_of_routes(amtool: Run, row: dict[str, Any]) -> None:
    assert receivers(amtool, row["labels"]) == row["receivers"]


@pytest.mark.parametrize("severity", [*sorted(checks.SEVERITIES), "critical", ""])
@pytest.mark.parametrize("name", [*(alert.name for alert in checks.shipped_alerts()), "AnythingElse"])
def test_every_alert_with_every_severity(amtool: Run, name: str, severity: str) -> None:
    labels = {"alertname": name, "severity": severity, "domain": "nodes", "entity": "a/b", "parent": "a"}
    assert receivers(amtool, labels) == checks.expected_receivers(name, severity)


@pytest.mark.parametrize("alert", checks.shipped_alerts(), ids=lambda alert: alert.name)
def test_no_shipped_alert_is_unrouted(amtool: Run, alert: checks.Alert) -> None:
    for severity in alert.severities:
        assert list(routing_faults(amtool, alert, severity)) == []


def routing_faults(amtool: Run, alert: checks.Alert, severity: str) -> Iterator[str]:
    heard = receivers(amtool, {"alertname": alert.name, **alert.labels, **FIXED, "severity": severity})
    if "occ" not in heard or "unrouted" in heard:
        yield f"{alert.name} of severity {severity} is heard by {', '.join(heard)}"


def test_an_alert_that_no_route_is_for_is_found(amtool: Run) -> None:
    (alert,) = (alert for alert in checks.shipped_alerts() if alert.name == "NodeDown")
    found = list(routing_faults(amtool, alert, "urgent"))
    assert found == [f"{alert.name} of severity urgent is heard by occ, unrouted"]


def test_every_receiver_is_in_the_table() -> None:
    assert {name for row in TABLE for name in row["receivers"]} == {one["name"] for one in ROUTING["receivers"]}


def test_the_receiver_gets_each_alert_alone_and_at_once() -> None:
    for route in (route for route in ROUTING["route"]["routes"] if route["receiver"] == "occ"):
        assert (route["group_by"], route["group_wait"], route["group_interval"]) == (["..."], "0s", "10s")
    assert [route.get("continue") for route in ROUTING["route"]["routes"] if route["receiver"] == "occ"] == [None, True]


def test_the_pager_groups_by_what_the_alerts_hang_on() -> None:
    assert (ROUTING["route"]["group_by"], ROUTING["route"]["group_wait"]) == (["domain", "parent"], "30s")
    (pager,) = (route for route in ROUTING["route"]["routes"] if route["receiver"] == "pager")
    assert set(pager) == {"receiver", "matchers"}


def test_inhibition_can_reach_neither_strangers_nor_security_pages_nor_the_watchdog() -> None:
    assert list(checks.inhibition_faults(ROUTING["inhibit_rules"], checks.shipped_alerts())) == []


def test_only_tickets_wait_for_the_day() -> None:
    assert list(checks.muting_faults(ROUTING["route"])) == []


def test_no_secret_is_written_down() -> None:
    text = ALERTMANAGER.read_text(encoding="utf-8")
    for line in (
        line.strip() for line in text.splitlines() if "key" in line or "credentials" in line or "token" in line
    ):
        assert line.startswith("#") or "_file: /run/secrets/" in line, line


# Seen to find something ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"equal": None}, "equal is None, not one of entity, parent and exporter"),
        ({"target_matchers": ['alertname="NodeDown"']}, "the muted side names no domain other than security"),
        (
            {"target_matchers": ['domain="security"', 'alertname="ImplementationChanged"']},
            "the muted side names no domain other than security",
        ),
        (
            {"target_matchers": ['domain!="nodes"', 'alertname="NodeDown"']},
            "the muted side names no domain other than security",
        ),
        ({"target_matchers": ['domain="meta"']}, "the muted side does not name its alerts, or names Watchdog"),
        (
            {"target_matchers": ['domain="meta"', 'alertname=~".*"']},
            "the muted side does not name its alerts, or names Watchdog",
        ),
        (
            {"equal": ["chain"]},
            "equal is ['chain'], not one of entity, parent and exporter",
        ),
        (
            {"target_matchers": ['domain="meta"', 'alertname="ExporterAbsent"']},
            "ExporterAbsent has no label exporter, and would match whatever lacks it too",
        ),
        ({"source_matchers": ['domain="meta"', 'alertname="EgressLost"']}, "a side names no alert that there is"),
        (
            {"source_matchers": ['domain="nodes"', 'alertname="NodeDown"']},
            "NodeDown would mute ChainBlind, which is more urgent",
        ),
    ],
)
def test_an_inhibition_that_reaches_too_far_is_found(changed: dict[str, Any], fault: str) -> None:
    rule = {**ROUTING["inhibit_rules"][0], **changed}
    assert f"inhibition 1: {fault}" in checks.inhibition_faults([rule], checks.shipped_alerts())


def test_a_pager_that_sleeps_is_found() -> None:
    route = {"receiver": "x", "routes": [{"receiver": "pager", "mute_time_intervals": ["night"]}]}
    assert list(checks.muting_faults(route)) == ["pager: is silent at times and not for tickets alone"]
