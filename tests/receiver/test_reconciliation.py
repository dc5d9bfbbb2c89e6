"""What one pull of Alertmanager's alerts and silences changes. Real Alertmanagers are in test_real_reconciliation.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import select, update

from receiver.alertmanager import Held, Silence
from receiver.clock import SECOND
from receiver.database import Database
from receiver.families import Taken
from receiver.queries import EpisodeRow, Status, newest
from receiver.reconciliation import ABSENT, SIGHT_WITHIN, Ended, Memory, Pull, note_sights, reconcile, unasked
from receiver.schema import deliveries, outbox
from receiver.sight import Sight
from receiver.store import ALERTMANAGER, Delivery, record
from receiver.webhook import fingerprint_of
from tests.receiver.support import MINUTE, NOW, alert, message

SILENCE = Silence("5a1e", "somebody", "deploy", "2026-11-20T12:00:00Z")


def held(
    name: str = "NodeLagging",
    starts: int = NOW - MINUTE,
    *,
    silenced_by: Iterable[str] = (),
    receiver: str = "occ",
    **labels: str,
) -> Held:
    item = alert(name, starts=starts, labels=labels)
    item["fingerprint"] = fingerprint_of(item["labels"])
    by = frozenset(silenced_by)
    return Held(item["fingerprint"], item, not by, frozenset({receiver}), by, item["labels"]["severity"], name)


def pull(
    database: Database,
    *alerts: Held,
    at: int = NOW,
    before: Memory | None = None,
    hurry: bool = False,
    silences: tuple[Silence, ...] = (),
) -> tuple[Memory, Mapping[Taken, int]]:
    with database.writing.begin() as connection:
        return reconcile(connection, Pull(at, alerts, silences, hurry, "occ"), before or Memory(), at)


def heard(database: Database, body: bytes, now: int = NOW) -> None:
    with database.writing.begin() as connection:
        record(connection, Delivery(ALERTMANAGER, now, body))


def shown(database: Database) -> list[EpisodeRow]:
    with database.reading.begin() as connection:
        return newest(connection, 100)


def notices(database: Database) -> list[Any]:
    with database.reading.begin() as connection:
        return list(connection.execute(select(outbox)))


def changed(taken: Mapping[Taken, int]) -> dict[Taken, int]:
    return {kind: number for kind, number in taken.items() if number}


# --- alerts that were not heard of -----------------------------------------------------------------------------------


def test_an_alert_that_is_there_twice_and_unknown_here_is_taken_in(database: Database) -> None:
    memory, taken = pull(database, held())
    assert (changed(taken), shown(database)) == ({}, [])
    memory, taken = pull(database, held(), at=NOW + MINUTE, before=memory)
    assert changed(taken) == {Taken.OPENED: 1}
    [row] = shown(database)
    assert (row.alertname, row.status, row.starts_at) == ("NodeLagging", Status.FIRING, NOW - MINUTE)
    assert changed(pull(database, held(), at=NOW + 2 * MINUTE, before=memory)[1]) == {}


def test_its_bytes_are_kept_as_those_of_every_notification(database: Database) -> None:
    pull(database, held(), hurry=True)
    with database.reading.begin() as connection:
        [body] = connection.scalars(select(deliveries.c.body))
    assert b'"receiver":"reconciliation"' in body


def test_in_a_hurry_once_is_enough(database: Database) -> None:
    assert changed(pull(database, held(), hurry=True)[1]) == {Taken.OPENED: 1}


def test_an_alert_that_nobody_was_to_hear_of_is_not_taken_in(database: Database) -> None:
    memory, _ = pull(database, held(silenced_by=["s"]))
    assert changed(pull(database, held(silenced_by=["s"]), before=memory)[1]) == {}


def test_neither_is_one_that_is_routed_elsewhere(database: Database) -> None:
    memory, _ = pull(database, held(receiver="tickets"))
    assert changed(pull(database, held(receiver="tickets"), before=memory)[1]) == {}


def test_an_end_is_compared_with_a_start_of_another_zone_and_precision(database: Database) -> None:
    heard(database, message(alert(starts=NOW - 3 * MINUTE, ends=NOW - MINUTE)), NOW - MINUTE)
    late = held(starts=NOW - 2 * MINUTE)
    zone = datetime.fromtimestamp((NOW - 2 * MINUTE) / SECOND, timezone(timedelta(hours=-9))).isoformat()
    late = replace(late, item={**late.item, "startsAt": zone})
    assert changed(pull(database, late, hurry=True)[1]) == {Taken.REOPENED: 1}


def test_one_that_resolved_here_and_is_active_there_fires_again_since_it_was_seen(database: Database) -> None:
    heard(database, message(alert(starts=NOW - 3 * MINUTE, ends=NOW - MINUTE)), NOW - MINUTE)
    late = held(starts=NOW - 2 * MINUTE)
    memory, _ = pull(database, late)
    assert changed(pull(database, late, at=NOW + MINUTE, before=memory)[1]) == {Taken.REOPENED: 1}
    [row] = shown(database)
    assert (row.status, row.starts_at) == (Status.FIRING, NOW - 3 * MINUTE)


def test_what_was_heard_after_the_question_is_newer_than_its_answer(database: Database) -> None:
    memory, _ = pull(database, held())
    heard(database, message(alert(ends=NOW + MINUTE)), NOW + 2 * MINUTE)
    assert changed(pull(database, held(), at=NOW + MINUTE, before=memory)[1]) == {}
    assert [row.status for row in shown(database)] == [Status.RESOLVED]


# --- ends that were not heard of -------------------------------------------------------------------------------------


def test_an_alert_that_is_gone_for_long_has_ended_when_it_was_first_missed(database: Database) -> None:
    heard(database, message(alert()), NOW - MINUTE)
    memory, taken = pull(database)
    assert changed(taken) == {}
    memory, taken = pull(database, at=NOW + ABSENT - 1, before=memory)
    assert changed(taken) == {}
    _, taken = pull(database, at=NOW + ABSENT, before=memory)
    assert changed(taken) == {Taken.RESOLVED: 1}
    [row] = shown(database)
    assert (row.ends_at, row.says("summary")) == (NOW, "37 blocks behind")


def test_one_that_comes_back_meanwhile_has_not_ended(database: Database) -> None:
    heard(database, message(alert()), NOW - MINUTE)
    memory, _ = pull(database)
    memory, _ = pull(database, held(), at=NOW + MINUTE, before=memory)
    assert changed(pull(database, at=NOW + ABSENT, before=memory)[1]) == {}


def test_one_that_was_heard_of_since_it_was_missed_has_not_ended(database: Database) -> None:
    heard(database, message(alert()), NOW - MINUTE)
    memory, _ = pull(database)
    heard(database, message(alert(summary="90 blocks behind")), NOW + MINUTE)
    assert changed(pull(database, at=NOW + ABSENT, before=memory)[1]) == {}


def test_and_ends_once_it_is_missed_for_as_long_from_then_on(database: Database) -> None:
    heard(database, message(alert()), NOW - MINUTE)
    memory, _ = pull(database)
    heard(database, message(alert(summary="90 blocks behind")), NOW + MINUTE)
    memory, _ = pull(database, at=NOW + 2 * MINUTE, before=memory)
    assert changed(pull(database, at=NOW + 2 * MINUTE + ABSENT, before=memory)[1]) == {Taken.RESOLVED: 1}


def test_one_that_is_routed_to_another_receiver_has_not_ended(database: Database) -> None:
    """As where this one goes by another name there than the configuration here says."""
    heard(database, message(alert()), NOW - MINUTE)
    memory, _ = pull(database, held(receiver="occ-webhook"))
    assert changed(pull(database, held(receiver="occ-webhook"), at=NOW + ABSENT, before=memory)[1]) == {}


def test_one_that_is_silenced_has_not_ended(database: Database) -> None:
    heard(database, message(alert()), NOW - MINUTE)
    memory, _ = pull(database, held(silenced_by=["s"]))
    assert changed(pull(database, held(silenced_by=["s"]), at=NOW + ABSENT, before=memory)[1]) == {}


def test_an_alert_of_the_receivers_own_is_not_looked_for_there(database: Database) -> None:
    heard(database, b"not JSON")
    memory, _ = pull(database)
    assert changed(pull(database, at=NOW + ABSENT, before=memory)[1]) == {}


# --- silences --------------------------------------------------------------------------------------------------------


def test_a_foreign_silence_that_covers_a_page_pages_once(database: Database) -> None:
    covered = held(silenced_by=[SILENCE.id])
    pull(database, covered, silences=(SILENCE,))
    pull(database, covered, silences=(SILENCE,), at=NOW + MINUTE)
    [notice] = notices(database)
    assert (notice.kind, notice.severity, notice.subject) == ("foreign_silence", "page", "silence/5a1e")
    assert notice.text["summary"] == "A silence hides NodeLagging"
    with database.writing.begin() as connection:
        connection.execute(update(outbox).values(settled_at=NOW))
    pull(database, covered, silences=(SILENCE,), at=NOW + 2 * MINUTE)
    assert len(notices(database)) == 1


def test_a_silence_that_covers_no_page_does_not(database: Database) -> None:
    pull(database, held(silenced_by=[SILENCE.id], severity="ticket"), held("Other"), silences=(SILENCE,))
    assert notices(database) == []


def test_a_comment_alone_does_not_make_a_silence_ours(database: Database) -> None:
    forged = Silence("5a1e", "occ", f"occ:{'0' * 64}", "2026-11-20T12:00:00Z")
    pull(database, held(silenced_by=["5a1e"]), silences=(forged,))
    assert len(notices(database)) == 1


# --- sight -----------------------------------------------------------------------------------------------------------


def asked(database: Database, now: int = NOW) -> list[Ended]:
    with database.reading.begin() as connection:
        return unasked(connection, now)


def test_every_end_is_asked_about_once(database: Database) -> None:
    heard(database, message(alert(ends=NOW)))
    [ended] = asked(database)
    assert (ended.at, ended.labels["alertname"]) == (NOW, "NodeLagging")
    with database.writing.begin() as connection:
        note_sights(connection, {ended: Sight.LOST}, NOW)
    assert asked(database) == []


def test_another_end_of_the_same_episode_is_asked_about_again(database: Database) -> None:
    heard(database, message(alert(ends=NOW)))
    with database.writing.begin() as connection:
        note_sights(connection, dict.fromkeys(unasked(connection, NOW), Sight.LOST), NOW)
    heard(database, message(alert(starts=NOW + MINUTE)), NOW + MINUTE)
    assert asked(database, NOW + MINUTE) == []
    heard(database, message(alert(starts=NOW + MINUTE, ends=NOW + 2 * MINUTE)), NOW + 2 * MINUTE)
    assert [ended.at for ended in asked(database, NOW + 2 * MINUTE)] == [NOW + 2 * MINUTE]


def test_what_ended_long_ago_is_not_asked_about(database: Database) -> None:
    heard(database, message(alert(ends=NOW)))
    assert asked(database, NOW + SIGHT_WITHIN + 1) == []
