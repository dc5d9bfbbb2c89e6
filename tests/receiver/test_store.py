from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from receiver.database import Database, opened
from receiver.episodes import REOPEN
from receiver.families import Severity, Taken
from receiver.queries import EpisodeRow, Status, how_things_stand, incomplete, newest, of_alert
from receiver.schema import deliveries, episodes, incomplete_groups
from receiver.store import ALERTMANAGER, Delivery, Outcome, record, set_aside, severity
from tests.receiver.support import MINUTE, NOW, alert, message


def take(database: Database, body: bytes, now: int = NOW, *, whole: bool = True) -> Outcome:
    with database.writing.begin() as connection:
        return record(connection, Delivery(ALERTMANAGER, now, body, whole))


def taken(outcome: Outcome) -> dict[str, int]:
    return {name: number for name, number in outcome.taken.items() if number}


def shown(database: Database, status: Status | None = None) -> list[EpisodeRow]:
    with database.reading.begin() as connection:
        return newest(connection, 1000, status)


def test_fires_repeats_resolves_repeats(database: Database) -> None:
    assert taken(take(database, message(alert()))) == {Taken.OPENED: 1}
    assert taken(take(database, message(alert()))) == {Taken.DUPLICATE: 1}
    assert taken(take(database, message(alert(ends=NOW)))) == {Taken.RESOLVED: 1}
    assert taken(take(database, message(alert(ends=NOW)))) == {Taken.DUPLICATE: 1}
    assert taken(take(database, message(alert()))) == {Taken.DUPLICATE: 1}
    [row] = shown(database)
    assert (row.starts_at, row.ends_at, row.status) == (NOW - MINUTE, NOW, Status.RESOLVED)


def test_a_text_that_changes_while_it_fires_is_taken_over(database: Database) -> None:
    take(database, message(alert(summary="37 blocks behind")))
    assert taken(take(database, message(alert(summary="90 blocks behind")), NOW + MINUTE)) == {Taken.UPDATED: 1}
    [row] = shown(database)
    assert row.says("summary") == "90 blocks behind"
    assert (row.received_at, row.updated_at) == (NOW, NOW + MINUTE)


def test_reopens_within_ten_minutes_and_not_later(database: Database) -> None:
    take(database, message(alert(ends=NOW)))
    assert taken(take(database, message(alert(starts=NOW + REOPEN)))) == {Taken.REOPENED: 1}
    take(database, message(alert(starts=NOW + REOPEN, ends=NOW + REOPEN)))
    assert taken(take(database, message(alert(starts=NOW + 2 * REOPEN + 1)))) == {Taken.OPENED: 1}
    assert [row.id for row in shown(database)] == [2, 1]


def test_when_it_began_to_fire_is_kept_and_nothing_but_firing_again_moves_it(database: Database) -> None:
    def fired_at() -> int:
        with database.reading.begin() as connection:
            return int(connection.execute(select(episodes.c.fired_at)).scalar_one())

    take(database, message(alert()))
    take(database, message(alert()), NOW + 1)
    take(database, message(alert(summary="another")), NOW + 2)
    take(database, message(alert(ends=NOW + 3)), NOW + 3)
    assert fired_at() == NOW
    take(database, message(alert(starts=NOW + 4)), NOW + 5)
    assert fired_at() == NOW + 5
    take(database, message(alert(starts=NOW + 4)), NOW + 6)
    assert fired_at() == NOW + 5


def test_every_body_is_kept_as_it_came(database: Database) -> None:
    bodies = [message(alert()), message(alert()), b"\0\xff not JSON"]
    for body in bodies:
        take(database, body)
    with database.reading.begin() as connection:
        assert list(connection.scalars(select(deliveries.c.body).order_by(deliveries.c.id))) == bodies


def test_what_became_part_of_another_is_not_shown_and_not_lost(database: Database) -> None:
    take(database, message(alert(starts=NOW, ends=NOW + MINUTE)))
    take(database, message(alert(starts=NOW + 30 * MINUTE, ends=NOW + 31 * MINUTE)))
    take(database, message(alert(starts=NOW, ends=NOW + 31 * MINUTE)))
    assert [(row.id, row.ends_at) for row in shown(database)] == [(1, NOW + 31 * MINUTE)]
    with database.reading.begin() as connection:
        assert connection.execute(select(episodes.c.id, episodes.c.merged_into)).all() == [(1, None), (2, 1)]


def test_the_same_alert_of_another_source_is_another_episode(database: Database) -> None:
    take(database, message(alert()))
    with database.writing.begin() as connection:
        record(connection, Delivery("elsewhere", NOW, message(alert())))
    assert sorted(row.source for row in shown(database)) == ["alertmanager", "elsewhere"]


def test_a_truncated_group_is_incomplete_until_a_whole_message_of_it(database: Database) -> None:
    def groups() -> list[tuple[str, int]]:
        with database.reading.begin() as connection:
            return [(group.key, group.truncated) for group in incomplete(connection, 10)]

    take(database, message(alert(), groupKey="a", truncatedAlerts=3))
    take(database, message(alert(), groupKey="b", truncatedAlerts=1))
    take(database, message(alert(), groupKey="a", truncatedAlerts=5))
    assert sorted(groups()) == [("a", 5), ("b", 1)]
    take(database, message(alert(), groupKey="a"))
    assert groups() == [("b", 1)]


def unreadable(database: Database) -> list[EpisodeRow]:
    return [row for row in shown(database) if row.alertname == "ReceiverUnreadableNotification"]


def test_what_can_not_be_read_pages_once_and_says_where_it_is(database: Database) -> None:
    outcomes = [take(database, b"{", NOW), take(database, b"{}", NOW + MINUTE)]
    assert [outcome.readable for outcome in outcomes] == [False, False]
    [row] = unreadable(database)
    assert (row.source, row.severity, row.status) == ("receiver", "page", Status.FIRING)
    assert (row.label("domain"), row.label("entity"), row.label("parent")) == ("receiver", "alertmanager", "receiver")
    assert row.says("description").startswith('Delivery 2: not a message of version "4". ')
    assert row.starts_at == NOW


def test_of_a_message_that_is_partly_readable_the_readable_part_counts(database: Database) -> None:
    outcome = take(database, message(alert(), alert() | {"startsAt": "now"}))
    assert not outcome.readable
    assert taken(outcome) == {Taken.OPENED: 1, Taken.UNREADABLE: 1}
    assert sorted(row.alertname for row in shown(database)) == ["NodeLagging", "ReceiverUnreadableNotification"]


def test_a_long_list_of_complaints_is_shortened(database: Database) -> None:
    take(database, message(*[{}] * 9))
    [row] = unreadable(database)
    assert "alerts[4]: labels: none; and 4 more." in row.says("description")


def test_that_page_ends_with_a_readable_message_after_ten_quiet_minutes(database: Database) -> None:
    take(database, b"{", NOW)
    take(database, message(alert()), NOW + REOPEN - 1)
    assert unreadable(database)[0].status is Status.FIRING
    take(database, message(alert()), NOW + REOPEN)
    assert unreadable(database)[0].ends_at == NOW + REOPEN


def test_a_body_that_is_too_large_is_kept_in_part_and_marked(database: Database) -> None:
    outcome = take(database, message(alert())[:100], whole=False)
    assert not outcome.readable
    assert "too large" in unreadable(database)[0].says("description")
    with database.reading.begin() as connection:
        assert connection.execute(select(deliveries.c.whole, deliveries.c.complaint)).all() == [(False, "too large")]


def test_a_delivery_set_aside_is_kept_without_a_look(database: Database) -> None:
    with database.writing.begin() as connection:
        assert not set_aside(connection, Delivery(ALERTMANAGER, NOW, message(alert()))).readable
    assert [row.alertname for row in shown(database)] == ["ReceiverUnreadableNotification"]


def test_how_things_stand(database: Database) -> None:
    with database.reading.begin() as connection:
        assert how_things_stand(connection).last_notification is None
    severities = ["page", "page", "ticket", "none", "critical"]
    take(database, message(*(alert(f"A{n}", labels={"severity": each}) for n, each in enumerate(severities))), NOW)
    take(database, message(alert("A0", ends=NOW)), NOW + MINUTE)
    with database.reading.begin() as connection:
        standing = how_things_stand(connection)
    assert standing.active == {
        Severity.PAGE: 1, Severity.TICKET: 1, Severity.INFO: 0, Severity.NONE: 1, Severity.OTHER: 1
    }  # fmt: skip
    assert standing.last_notification == NOW + MINUTE


@pytest.mark.parametrize(("label", "expected"), [("page", "page"), ("Page", "other"), ("", "other"), (None, "other")])
def test_severities_are_a_closed_set(label: str | None, expected: str) -> None:
    assert severity({} if label is None else {"severity": label}) == expected


def test_of_one_alert_what_fires_comes_first(database: Database) -> None:
    fixed = {"fingerprint": "f" * 16}
    take(database, message(alert(starts=NOW + 60 * MINUTE, ends=NOW + 61 * MINUTE) | fixed))
    take(database, message(alert(starts=NOW, ends=NOW + MINUTE) | fixed))
    with database.writing.begin() as connection:
        record(connection, Delivery("elsewhere", NOW, message(alert(starts=NOW) | fixed)))
    with database.reading.begin() as connection:
        assert [row.id for row in of_alert(connection, "f" * 16, 10)] == [3, 1, 2]


# --- any order, any repetition, any grouping -------------------------------------------------------------------------

instants = st.integers(1, 16).map(lambda step: NOW - 24 * REOPEN + step * REOPEN // 2)


@st.composite
def notifications(draw: st.DrawFn) -> dict[str, Any]:
    one, other = draw(instants), draw(instants)
    ends = None if draw(st.booleans()) else max(one, other)
    starts = min(one, other)
    name = draw(st.sampled_from(["A", "B"]))
    return alert(name, starts=starts, ends=ends, summary=f"as of {starts if ends is None else ends}")


@pytest.fixture(scope="module")
def reused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path: Path = tmp_path_factory.mktemp("store")
    with opened(path / "receiver.db") as found:
        yield found


def facts(database: Database, groups: list[list[dict[str, Any]]]) -> list[tuple[Any, ...]]:
    with database.writing.begin() as connection:
        for table in (incomplete_groups, episodes, deliveries):
            connection.execute(delete(table))
        for group in groups:
            record(connection, Delivery(ALERTMANAGER, NOW, message(*group)))
        rows = newest(connection, 1000)
    return [(row.alertname, row.starts_at, row.ends_at, row.says("summary")) for row in rows]


@settings(max_examples=60, deadline=None)
@given(st.lists(notifications(), max_size=10), st.randoms(use_true_random=False))
def test_orders_repetitions_and_groups_lead_to_the_same_episodes(
    reused: Database, sent: list[dict[str, Any]], chance: random.Random
) -> None:
    repeated = sent + [chance.choice(sent) for _ in sent]
    chance.shuffle(repeated)
    groups: list[list[dict[str, Any]]] = [[]]
    for each in repeated:
        if chance.random() < 0.4:
            groups.append([])
        groups[-1].append(each)
    assert sorted(facts(reused, groups), key=str) == sorted(facts(reused, [[each] for each in sent]), key=str)
