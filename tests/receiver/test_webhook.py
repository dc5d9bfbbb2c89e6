from __future__ import annotations

from typing import Any

import orjson
import pytest

from receiver.clock import SECOND
from receiver.episodes import Span
from receiver.webhook import MAX_ALERTS, MAX_LABELS, MAX_TEXT_BYTES, Unreadable, fingerprint_of, read
from tests.receiver.support import MINUTE, NOW, alert, message

DAY = 24 * 60 * MINUTE


def test_a_firing_alert() -> None:
    found = read(message(alert(fingerprint_hint="ignored")), NOW)
    [one] = found.alerts
    assert one.span == Span(NOW - MINUTE)
    assert (one.labels["alertname"], one.annotations["summary"]) == ("NodeLagging", "37 blocks behind")
    assert one.generator_url == "http://prometheus:9090/graph"
    assert (found.complaints, found.truncated, found.group) == ((), 0, '{}:{alertname="x"}')


def test_a_resolved_alert() -> None:
    [one] = read(message(alert(ends=NOW)), NOW).alerts
    assert one.span == Span(NOW - MINUTE, NOW)


def test_go_writes_nanoseconds_and_offsets() -> None:
    moved = alert() | {"startsAt": "2026-09-21T15:13:20.123456789+01:00"}
    [one] = read(message(moved), NOW).alerts
    assert one.span.starts == NOW - 46 * MINUTE - 40 * SECOND + 123_456 + 46 * MINUTE + 40 * SECOND


def test_unknown_fields_are_ignored_and_optional_ones_may_be_missing() -> None:
    body = orjson.dumps({"version": "4", "new": [1], "alerts": [alert() | {"annotations": None, "new": {}}]})
    [one] = read(body, NOW).alerts
    assert one.annotations == {}


def test_the_fingerprint_is_the_senders() -> None:
    [one] = read(message(alert() | {"fingerprint": "00ff00ff00ff00ff"}), NOW).alerts
    assert one.fingerprint == "00ff00ff00ff00ff"


@pytest.mark.parametrize("wrong", [None, "", 7, "00FF00FF00FF00FF", "00ff", "../../../../etc/x", "00ff00ff00ff00ff0"])
def test_a_fingerprint_that_is_none_is_made_from_the_labels(wrong: object) -> None:
    [one] = read(message(alert() | {"fingerprint": wrong}), NOW).alerts
    assert one.fingerprint == fingerprint_of(one.labels)


def test_the_fingerprint_does_not_depend_on_the_order_of_labels() -> None:
    assert fingerprint_of({"a": "1", "b": "2"}) == fingerprint_of({"b": "2", "a": "1"})
    assert fingerprint_of({"a": "1b", "c": ""}) != fingerprint_of({"a": "1", "bc": ""})


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON in UTF-8"),
        (b"<html>", "not JSON in UTF-8"),
        (message(alert())[:-5], "not JSON in UTF-8"),
        (b'{"version":"4","alerts":[],"x":"\xff"}', "not JSON in UTF-8"),
        (b'{"version":"4","alerts":[],"x":"\\ud800"}', "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", 'not a message of version "4"'),
        (b'{"version":"5","alerts":[]}', 'not a message of version "4"'),
        (b'{"version":4,"alerts":[]}', 'not a message of version "4"'),
        (b'{"version":"4"}', f"alerts: not a list of {MAX_ALERTS} at most"),
        (b'{"version":"4","alerts":{}}', f"alerts: not a list of {MAX_ALERTS} at most"),
        (message(*[{}] * (MAX_ALERTS + 1)), f"alerts: not a list of {MAX_ALERTS} at most"),
    ],
)
def test_a_message_that_can_not_be_used(body: bytes, complaint: str) -> None:
    with pytest.raises(Unreadable) as found:
        read(body, NOW)
    assert str(found.value) == complaint


IMPLAUSIBLE = "before 2000, or more than a day ahead of the clock here"


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"labels": {}}, "labels: none"),
        ({"labels": None}, "labels: none"),
        ({"labels": ["a"]}, f"labels: not a mapping of {MAX_LABELS} at most"),
        ({"labels": {f"l{n}": "" for n in range(MAX_LABELS + 1)}}, f"labels: not a mapping of {MAX_LABELS} at most"),
        ({"labels": {"a": 1}}, "labels: not names and strings"),
        ({"labels": {"": "x"}}, "labels: not names and strings"),
        ({"labels": {"a": "x\0"}}, "labels: a NUL in a name or value"),
        ({"labels": {"a\0": "x"}}, "labels: a NUL in a name or value"),
        ({"labels": {"a": "ä" * (MAX_TEXT_BYTES // 2)}}, f"labels: more than {MAX_TEXT_BYTES} bytes"),
        ({"annotations": {"a": "\0"}}, "annotations: a NUL in a name or value"),
        ({"annotations": {"a": None}}, "annotations: not names and strings"),
        ({"generatorURL": 7}, "generatorURL: not a string of 8192 bytes at most"),
        ({"status": "suppressed"}, "status: neither firing nor resolved"),
        ({"status": None}, "status: neither firing nor resolved"),
        ({"startsAt": None}, "startsAt: not an RFC 3339 timestamp"),
        ({"startsAt": 1_790_000_000}, "startsAt: not an RFC 3339 timestamp"),
        ({"startsAt": "2026-09-21"}, "startsAt: not an RFC 3339 timestamp"),
        ({"startsAt": "2026-13-21T00:00:00Z"}, "startsAt: not an RFC 3339 timestamp"),
        ({"startsAt": "2026-09-21T00:00:00"}, "startsAt: not an RFC 3339 timestamp"),
        ({"startsAt": "0001-01-01T00:00:00Z"}, f"startsAt: {IMPLAUSIBLE}"),
        ({"startsAt": "9999-12-31T23:59:59Z"}, f"startsAt: {IMPLAUSIBLE}"),
        ({"startsAt": "0001-01-01T00:00:00+23:59"}, f"startsAt: {IMPLAUSIBLE}"),
        ({"status": "resolved"}, f"endsAt: {IMPLAUSIBLE}"),
        ({"status": "resolved", "endsAt": "2020-01-01T00:00:00Z"}, "endsAt: before startsAt"),
    ],
)
def test_an_alert_that_can_not_be_used_is_left_out_and_the_others_are_not(
    changed: dict[str, Any], complaint: str
) -> None:
    found = read(message(alert("First"), alert() | changed, "what", alert("Last")), NOW)
    assert [one.labels["alertname"] for one in found.alerts] == ["First", "Last"]
    assert found.complaints == (f"alerts[1]: {complaint}", "alerts[2]: not an object")
    assert found.unreadable == 2


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"truncatedAlerts": "3"}, "truncatedAlerts: not a number"),
        ({"truncatedAlerts": -1}, "truncatedAlerts: not a number"),
        ({"truncatedAlerts": 10**15}, "truncatedAlerts: not a number"),
        ({"groupKey": 7}, "groupKey: not a string of 65536 bytes at most"),
        ({"groupKey": "\0"}, "groupKey: not a string of 65536 bytes at most"),
    ],
)
def test_what_is_wrong_around_the_alerts_does_not_lose_them(fields: dict[str, Any], complaint: str) -> None:
    found = read(message(alert(), **fields), NOW)
    assert len(found.alerts) == 1
    assert (found.complaints, found.unreadable) == ((complaint,), 0)


def test_a_little_ahead_of_the_clock_is_plausible() -> None:
    assert read(message(alert(starts=NOW + DAY)), NOW).complaints == ()
    assert read(message(alert(starts=NOW + DAY + 1)), NOW).unreadable == 1
