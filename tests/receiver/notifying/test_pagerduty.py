"""An alert of PagerDuty's per subject: what wakes triggers it, what comes later acknowledges and resolves it."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.clock import SECOND
from receiver.families import Severity
from receiver.notifying.pagerduty import FOLLOWS, MOST_DETAILS, events
from receiver.outbox import Notice
from tests.receiver.notifying.conftest import LINKS, Post, message, pagerduty
from tests.receiver.notifying.far import Far


def test_a_page_triggers_an_alert() -> None:
    found = message(
        summary="Chain ethereum has stalled",
        first_action="Look at the provider's status page",
        people="opal",
        alert="/a/0123456789abcdef",
        domain="nodes",
        entity="ethereum",
    )
    assert events(found, LINKS) == (
        {
            "event_action": "trigger",
            "dedup_key": "incident/00112233aabbccdd",
            "client": "Operational Command Center",
            "client_url": "https://occ.example/i/00112233aabbccdd",
            "links": [
                {"href": "https://occ.example/i/00112233aabbccdd", "text": "Open"},
                {"href": "https://occ.example/a/0123456789abcdef", "text": "Alert"},
            ],
            "payload": {
                "summary": "Chain ethereum has stalled",
                "source": "ethereum",
                "severity": "critical",
                "timestamp": "2026-09-21T14:13:20Z",
                "class": "incident_opened",
                "group": "nodes",
                "custom_details": {
                    "first_action": "Look at the provider's status page",
                    "people": "opal",
                    "domain": "nodes",
                    "entity": "ethereum",
                },
            },
        },
    )


@pytest.mark.parametrize(
    ("notice", "action"),
    [
        (Notice.INCIDENT_ACKNOWLEDGED, "acknowledge"),
        (Notice.INCIDENT_RESOLVED, "resolve"),
        (Notice.INCIDENT_CLOSED, "resolve"),
        (Notice.UNFREEZE, "resolve"),
        (Notice.OUTCOME, "resolve"),
    ],
)
def test_what_follows_is_about_the_same_alert(notice: Notice, action: str) -> None:
    key = "incident/00112233aabbccdd"
    assert events(message(notice, Severity.INFO), LINKS) == ({"event_action": action, "dedup_key": key},)


def test_a_storm_does_not_join_the_alert_of_one_before_it() -> None:
    first = replace(message(Notice.INCIDENTS_MANY), subject="incidents/opened")
    later, next_day = replace(first, at=first.at + 60 * SECOND), replace(first, at=first.at + 86_400 * SECOND)
    keys = [events(each, LINKS)[0]["dedup_key"] for each in (first, later, next_day)]
    assert keys == [
        "incidents/opened/2026-09-21T14",
        "incidents/opened/2026-09-21T14",
        "incidents/opened/2026-09-22T14",
    ]


def test_it_is_told_what_wakes_people_and_what_becomes_of_that() -> None:
    service = pagerduty(Far(url="http://127.0.0.1:1/"))
    for notice in Notice:
        follows = notice in FOLLOWS and FOLLOWS[notice] is not None
        assert service.takes(notice, Severity.PAGE) == (follows or notice not in FOLLOWS)
        for severity in (Severity.TICKET, Severity.INFO, Severity.NONE, Severity.OTHER):
            assert service.takes(notice, severity) == follows


def test_a_test_leaves_no_alert_behind() -> None:
    found = events(message(Notice.TEST, Severity.INFO), LINKS)
    assert [(each["event_action"], each.get("payload", {}).get("severity")) for each in found] == [
        ("trigger", "info"),
        ("resolve", None),
    ]


@given(st.text(max_size=3000), st.dictionaries(st.text(max_size=300), st.text(max_size=3000), max_size=100))
def test_no_event_is_larger_than_one_may_be(words: str, more: dict[str, str]) -> None:
    text = {**more, "summary": words, "entity": words, "domain": words}
    [event] = events(message(**text), LINKS)
    payload = event["payload"]
    assert len(payload["summary"]) <= 1024
    assert 1 <= len(payload["source"]) <= 255
    assert len(payload["custom_details"]) <= MOST_DETAILS + 1
    assert len(orjson.dumps(event)) < 512_000


def test_the_largest_event_of_all_is_still_taken() -> None:
    text = {f"k{number:03}" * 60: "\N{GRINNING FACE}" * 5000 for number in range(200)}
    [event] = events(message(summary="x", **text), LINKS)
    assert len(orjson.dumps(event)) < 512_000


async def test_the_key_goes_along_and_a_later_notice_joins(post: Post) -> None:
    far = await post.far()
    post.follow(pagerduty(far))
    await post.put("opened", "incident/1", Notice.INCIDENT_OPENED)
    await post.put("handed over", "incident/1", Notice.INCIDENT_HANDED_OVER, severity=Severity.INFO)
    await post.put("resolved", "incident/1", Notice.INCIDENT_RESOLVED, severity=Severity.INFO)
    await post.look()
    assert [(each["routing_key"], each["event_action"], each["dedup_key"]) for each in far.taken] == [
        ("r0uting-key", "trigger", "incident/1"),
        ("r0uting-key", "resolve", "incident/1"),
    ]
    assert post.states() == [("pager", "delivered"), ("pager", "skipped"), ("pager", "delivered")]
