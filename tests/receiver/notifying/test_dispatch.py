"""Notices come to every notifier at least once and in order, whatever happens on the way and to this process."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from sqlalchemy import text

from demo.until import until
from occ import http
from occ.config import Secret
from occ.errors import HttpError, RateLimitError, Reason, SourceError
from receiver.clock import SECOND
from receiver.families import Severity
from receiver.notifying.dispatch import TRIES, pause, refuses
from receiver.notifying.grafana import Annotations
from receiver.notifying.message import HEADLINES
from receiver.outbox import Notice
from receiver.writer import NotDurable
from tests.occ.servers import refusing
from tests.receiver.notifying.boards import TOKEN, Boards
from tests.receiver.notifying.conftest import LINKS, Post, pagerduty, slack
from tests.receiver.notifying.far import HANG, RESET, TAKE_THEN_RESET, Far, Fault

DAY = 86_400


def summaries(far: Far) -> list[str]:
    return [body["text"].splitlines()[1] for body in far.taken]


async def test_a_notice_is_told_once_and_then_settled(post: Post) -> None:
    far = await post.far()
    post.follow(slack(far))
    await post.put("Frozen by opal")
    await post.look()
    assert summaries(far) == ["Frozen by opal"]
    assert (post.states(), post.settled()) == ([("ops", "delivered")], [True])
    assert post.told() == {"delivered": 1, "failed": 0, "given_up": 0}
    await post.later(3600)
    assert far.tries == 1


async def test_the_counters_are_there_before_anything_is_told(post: Post) -> None:
    post.follow(slack(await post.far()))
    assert post.told() == {"delivered": 0, "failed": 0, "given_up": 0}


async def test_without_a_notifier_it_waits_for_one(post: Post) -> None:
    await post.put("before anybody listens")
    await post.look()
    assert post.settled() == [False]
    far = await post.far()
    post.follow(slack(far))
    await post.look()
    assert summaries(far) == ["before anybody listens"]


@pytest.mark.parametrize("fault", [RESET, (500, {}), (502, {})])
async def test_what_fails_for_a_moment_is_tried_again_at_once(post: Post, fault: Fault) -> None:
    far = await post.far()
    far.faults = [fault] * (TRIES - 1)
    post.follow(slack(far))
    await post.put()
    await post.look()
    assert (len(far.taken), far.tries) == (1, TRIES)
    assert post.told() == {"delivered": 1, "failed": 0, "given_up": 0}


async def test_every_try_of_a_delivery_carries_the_same_key_and_another_delivery_another_one(post: Post) -> None:
    far = await post.far()
    far.faults = [(500, {})] * (2 * TRIES)
    post.follow(slack(far))
    await post.put()
    await post.look()
    await post.later(60)
    await post.later(60)
    assert far.tries == 2 * TRIES + 1
    await post.put()
    await post.look()
    *first, last = far.keys
    assert len(set(first)) == 1
    assert last not in first


async def test_what_fails_for_longer_is_tried_again_ever_less_often(post: Post) -> None:
    far = await post.far()
    far.always = (500, {})
    post.follow(slack(far))
    await post.put()
    waited = []
    for _ in range(10):
        await post.look()
        [row] = post.rows()
        waited.append((row["next_at"] - post.clock.now) / SECOND)
        await post.look()  # nothing is due
        assert far.tries == TRIES * len(waited)
        post.clock.now = row["next_at"]
    for attempt, seconds in enumerate(waited, 1):
        assert min(60, 2 ** (attempt - 1)) / 2 <= seconds <= min(60, 2 ** (attempt - 1))
    assert post.told() == {"delivered": 0, "failed": 10, "given_up": 0}
    assert post.metric("notifier_deliveries_waiting", target="ops") == 1
    far.always = None
    await post.look()
    await post.look()  # the page shows what the look found
    assert (post.settled(), post.metric("notifier_deliveries_waiting", target="ops")) == ([True], 0)


async def test_what_fails_for_a_day_is_given_up_and_said(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    far = await post.far()
    far.always = (500, {})
    post.follow(slack(far))
    await post.put()
    await post.look()
    await post.later(DAY)
    assert post.states() == [("ops", "given_up")]
    assert post.told() == {"delivered": 0, "failed": 1, "given_up": 1}
    assert "notifier ops has given up freeze/1: HTTP 500" in caplog.messages


async def test_what_was_too_old_when_its_notifier_came_is_not_told_any_more(post: Post) -> None:
    await post.put()
    post.clock.now += (DAY + 1) * SECOND
    far = await post.far()
    post.follow(slack(far))
    await post.look()
    assert (post.states(), far.tries, post.settled()) == ([("ops", "given_up")], 0, [True])
    assert post.told()["given_up"] == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
async def test_what_is_refused_is_given_up_at_once(post: Post, status: int, caplog: pytest.LogCaptureFixture) -> None:
    far = await post.far()
    far.always = (status, {})
    post.follow(slack(far))
    await post.put()
    await post.look()
    [row] = post.rows()
    assert (row["state"], row["failure"], far.tries) == ("given_up", f"HTTP {status}", 1)
    assert (post.told()["given_up"], post.settled()) == (1, [True])
    assert [record.levelno for record in caplog.records if "given up" in record.message] == [logging.ERROR]


@pytest.mark.parametrize("status", [429, 503])
async def test_who_asks_for_patience_gets_it_for_all_that_it_is_told(post: Post, status: int) -> None:
    far = await post.far()
    far.faults = [(status, {"Retry-After": "120"})]
    post.follow(slack(far))
    await post.put("one", "freeze/1")
    await post.look()
    await post.put("two", "freeze/2")
    await post.later(119)
    assert far.tries == 1
    await post.later(1.1)
    assert summaries(far) == ["one", "two"]


async def test_a_redirect_is_not_followed_and_is_tried_again(post: Post) -> None:
    far, elsewhere = await post.far(), await post.far()
    far.faults = [(307, {"Location": elsewhere.url})]
    post.follow(slack(far))
    await post.put()
    await post.look()
    assert (post.states(), elsewhere.tries) == ([("ops", "waiting")], 0)
    await post.later(2)
    assert len(far.taken) == 1


async def test_what_took_it_and_was_gone_before_it_said_so_is_told_again(post: Post) -> None:
    far = await post.far()
    far.faults = [TAKE_THEN_RESET]
    post.follow(slack(far))
    await post.put("twice rather than never")
    await post.look()
    assert summaries(far) == ["twice rather than never"] * 2
    assert len(set(far.keys)) == 1


async def test_a_notifier_that_hangs_holds_up_no_other(post: Post) -> None:
    stuck, well = await post.far(), await post.far()
    stuck.always = HANG
    post.follow(slack(stuck, "stuck"), slack(well, "well"))
    for number in range(3):
        await post.put(str(number), f"freeze/{number}")
    await post.dispatcher.look()

    async def all_told() -> bool:
        return len(well.taken) == 3 and stuck.came.is_set()

    await until(all_told, 30)
    assert (summaries(well), stuck.taken) == (["0", "1", "2"], [])
    stuck.let.set()
    await post.dispatcher.still()
    assert len(stuck.taken) == 3


async def test_who_does_not_answer_in_time_is_asked_again_later(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    far = await post.far()
    far.always = HANG
    post.follow(slack(far))
    await post.put()
    with monkeypatch.context() as hurried:
        hurried.setattr("receiver.notifying.wire.WITHIN", 0.2)
        await post.look()
    [row] = post.rows()
    assert (row["state"], row["failure"]) == ("waiting", "no answer in time")
    far.always = None
    await post.later(2)
    assert post.states() == [("ops", "delivered")]


async def test_nobody_there_is_a_failure_that_passes(post: Post) -> None:
    with refusing() as port:
        post.follow(
            slack(Far(url=f"http://127.0.0.1:{port}/hook")), slack(Far(url="http://nowhere.invalid/hook"), "nowhere")
        )
        await post.put()
        await post.look()
    assert [(row["notifier"], row["failure"]) for row in post.rows()] == [
        ("nowhere", "the host's name is not known"),
        ("ops", "can not connect"),
    ]
    assert post.states() == [("nowhere", "waiting"), ("ops", "waiting")]


async def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(post: Post) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    far = await post.stack.enter_async_context(Far().serving(context))
    post.follow(slack(far))
    await post.put()
    await post.look()
    [row] = post.rows()
    assert (row["state"], row["failure"], far.tries) == ("waiting", "TLS failed", 0)


async def test_the_name_is_looked_up_at_each_attempt(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def looked_up(host: str, *rest: object, **more: object) -> object:
        asked.append(host)
        return real("127.0.0.1", *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    far = await post.far()
    far.faults = [(500, {})] * TRIES
    far.url = far.url.replace("127.0.0.1", "hooks.test")
    post.follow(slack(far))
    await post.put()
    await post.look()
    await post.later(2)
    assert asked.count("hooks.test") == TRIES + 1


# --- order ------------------------------------------------------------------------------------------------------------


async def test_what_is_about_one_subject_is_told_in_order_and_keeps_no_other_waiting(post: Post) -> None:
    far = await post.far()
    far.faults = [(500, {})] * TRIES
    post.follow(slack(far))
    await post.put("opened", "incident/1", Notice.INCIDENT_OPENED)
    await post.put("acknowledged", "incident/1", Notice.INCIDENT_ACKNOWLEDGED, severity=Severity.INFO)
    await post.put("another", "incident/2", Notice.INCIDENT_OPENED)
    await post.look()
    assert summaries(far) == ["another"]
    await post.later(2)
    assert summaries(far) == ["another", "opened", "acknowledged"]


async def test_pages_come_before_what_is_less_urgent(post: Post) -> None:
    far = await post.far()
    post.follow(slack(far))
    await post.put("ticket", "request/1", Notice.ESCALATION, severity=Severity.TICKET)
    await post.put("page", "request/2", Notice.ESCALATION)
    await post.look()
    assert summaries(far) == ["page", "ticket"]


async def test_what_was_given_up_lets_the_next_about_the_same_through(post: Post) -> None:
    far = await post.far()
    far.faults = [(400, {})]
    post.follow(slack(far))
    await post.put("first")
    await post.put("second")
    await post.look()
    assert summaries(far) == ["second"]


# --- restarts and reloads ---------------------------------------------------------------------------------------------


async def test_what_was_not_told_is_told_by_the_next_process(post: Post) -> None:
    far = await post.far()
    far.faults = [(500, {})] * TRIES
    post.follow(slack(far))
    await post.put()
    await post.look()
    post.restart()
    await post.look()
    assert far.tries == TRIES  # not yet: it has been put off
    await post.later(2)
    assert post.states() == [("ops", "delivered")]


async def test_what_ended_between_the_send_and_its_record_is_told_again_and_not_at_once(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = await post.far()
    post.follow(slack(far))
    await post.put()

    def full(*_: object, **__: object) -> None:
        raise NotDurable("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("receiver.notifying.deliveries.end", full)
        await post.look()
        await post.look()
    assert (len(far.taken), post.states()) == (1, [("ops", "waiting")])
    await post.later(2)
    assert (len(far.taken), post.states()) == (2, [("ops", "delivered")])
    assert len(set(far.keys)) == 1


async def test_a_clock_that_was_set_back_puts_nothing_off(post: Post) -> None:
    far = await post.far()
    far.faults = [(500, {})] * TRIES
    post.follow(slack(far))
    await post.put()
    await post.look()
    await post.later(-DAY)
    assert post.states() == [("ops", "delivered")]


async def test_a_notifier_that_comes_gets_what_is_not_settled_and_no_other(post: Post) -> None:
    down, new = await post.far(), await post.far()
    post.follow(slack(down))
    await post.put("told already", "freeze/1")
    await post.look()
    down.always = (500, {})
    await post.put("still to be told", "freeze/2")
    await post.look()
    post.follow(slack(down), slack(new, "new"))
    await post.look()
    assert summaries(new) == ["still to be told"]


async def test_what_waits_for_a_notifier_that_goes_is_told_by_the_one_that_comes(post: Post) -> None:
    down, new = await post.far(), await post.far()
    down.always = (500, {})
    post.follow(slack(down, "old"))
    await post.put("not lost")
    await post.look()
    post.follow(slack(new, "new"))
    await post.look()
    assert summaries(new) == ["not lost"]
    assert (post.states(), post.settled()) == ([("new", "delivered"), ("old", "given_up")], [True])
    assert post.told("old")["given_up"] == 1


async def test_what_could_not_be_written_when_the_notifiers_changed_is_written_later(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    well, down = await post.far(), await post.far()
    down.always = (500, {})
    post.follow(slack(well), slack(down, "down"))
    await post.put()
    await post.look()
    post.follow(slack(well))

    def full(*_: object, **__: object) -> None:
        raise NotDurable("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("receiver.notifying.deliveries.spread", full)
        await post.look()
    assert post.settled() == [False]
    await post.look()
    assert post.settled() == [True]


async def test_a_notifier_that_goes_and_comes_back_goes_on(post: Post) -> None:
    far = await post.far()
    far.faults = [(500, {})] * TRIES
    post.follow(slack(far))
    await post.put()
    await post.look()
    post.follow()
    await post.later(2)
    assert (post.states(), far.taken) == ([("ops", "waiting")], [])
    post.follow(slack(far))
    await post.look()
    assert post.states() == [("ops", "delivered")]


async def test_what_is_being_sent_while_the_files_are_read_again_is_not_sent_twice(post: Post) -> None:
    far = await post.far()
    far.faults = [HANG]
    post.follow(slack(far))
    await post.put()
    await post.dispatcher.look()
    await far.came.wait()
    post.follow(slack(far))
    await post.dispatcher.look()
    far.let.set()
    await post.dispatcher.still()
    assert (far.tries, post.states()) == (1, [("ops", "delivered")])


async def test_it_runs_until_it_is_cancelled_and_ends_what_it_is_sending(post: Post) -> None:
    far = await post.far()
    far.faults = [HANG]
    post.follow(slack(far))
    await post.put()
    running = asyncio.create_task(post.dispatcher.run())
    await far.came.wait()
    running.cancel()
    far.let.set()
    await asyncio.gather(running, return_exceptions=True)
    assert post.states() == [("ops", "delivered")]


async def test_what_is_not_in_the_database_is_told_to_nobody(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    far = await post.far()
    post.follow(slack(far))
    await post.put()

    def full(*_: object, **__: object) -> None:
        raise NotDurable("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("receiver.notifying.deliveries.begin", full)
        await post.look()
    assert far.tries == 0
    await post.look()
    assert len(far.taken) == 1


# --- for whom ---------------------------------------------------------------------------------------------------------


async def test_a_notifier_for_some_is_told_what_is_for_them_and_what_becomes_of_that(post: Post) -> None:
    far, everybody = await post.far(), await post.far()
    post.follow(pagerduty(far, tells=("commander",)), pagerduty(everybody, "all"))
    await post.put("opened", "incident/1", Notice.INCIDENT_OPENED)
    await post.put("escalated", "incident/1", Notice.INCIDENT_ESCALATED, to=("commander",))
    await post.put("other", "incident/2", Notice.INCIDENT_OPENED, to=("oncall",))
    await post.put("resolved", "incident/1", Notice.INCIDENT_RESOLVED, severity=Severity.INFO)
    await post.put("resolved", "incident/2", Notice.INCIDENT_RESOLVED, severity=Severity.INFO)
    await post.look()
    assert [(body["event_action"], body["dedup_key"]) for body in far.taken] == [
        ("trigger", "incident/1"),
        ("resolve", "incident/1"),
    ]
    assert len(everybody.taken) == 5
    assert all(post.settled())


# --- what must not be ---------------------------------------------------------------------------------------------------


async def test_a_row_that_is_none_keeps_no_other_from_being_told(post: Post) -> None:
    """Somebody else has written to the database."""
    far = await post.far()
    post.follow(slack(far))
    await post.put("first", "freeze/1")
    await post.put("second", "freeze/2")
    with post.database.writing.begin() as connection:
        connection.execute(text("UPDATE outbox SET kind = 'unheard-of', severity = 'no' WHERE subject = 'freeze/1'"))
        connection.execute(text("UPDATE outbox SET text = '[1, 2]', audience = '[3]' WHERE subject = 'freeze/2'"))
    await post.look()
    assert post.states() == [("ops", "given_up"), ("ops", "delivered")]


async def test_no_secret_and_no_answer_is_ever_logged_or_stored(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    far, pager = await post.far(), await post.far()
    far.faults = [RESET, (500, {}), (429, {}), (302, {"Location": "http://127.0.0.1:1/s3cret"}), (400, {})]
    pager.faults = [(400, {})]
    post.follow(slack(far), pagerduty(pager))
    await post.put()
    for _ in range(4):
        await post.look()
        await post.later(60)
    assert {row["state"] for row in post.rows()} == {"given_up"}
    ours = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]  # of the far side
    said = f"{ours} {post.rows()} {post.page.render().decode()}"
    for canary in ("s3cret-of-the-hook", "c4nary-of-the-answer", "r0uting-key", "/services/"):
        assert canary not in said


def test_what_is_refused_and_what_may_pass() -> None:
    assert refuses(HttpError(Reason.BAD_RESPONSE, 400, ""))
    assert refuses(HttpError(Reason.AUTH, 403, ""))
    for passing in (
        HttpError(Reason.TIMEOUT, 408, ""),
        HttpError(Reason.SERVER_ERROR, 500, ""),
        HttpError(Reason.BAD_RESPONSE, 302, ""),
        RateLimitError("", 1.0),
        SourceError(Reason.TLS, ""),
        http.refused(425, {}),
    ):
        assert not refuses(passing)


def test_pauses_grow_to_a_minute_and_no_farther() -> None:
    for attempts in range(1, 2000):
        longest = min(60.0, 2.0 ** (attempts - 1)) if attempts < 20 else 60.0
        assert longest / 2 * SECOND <= pause(attempts) <= longest * SECOND


async def test_over_tls_it_tells_who_is_vouched_for(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(http, "tls", http.tls.__wrapped__)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    far = await post.stack.enter_async_context(Far().serving(context))
    post.follow(slack(far))
    await post.put()
    await post.look()
    assert (len(far.taken), post.states()) == (1, [("ops", "delivered")])


async def test_every_kind_of_notice_can_be_told_by_every_notifier(post: Post) -> None:
    chat, pager, boards = await post.far(), await post.far(), await post.stack.enter_async_context(Boards().serving())
    grafana = Annotations(Secret(boards.url), Secret(TOKEN), LINKS)
    post.follow(slack(chat), pagerduty(pager), grafana)
    for notice in Notice:
        await post.put(notice.value, f"kind/{notice}", notice)
    await post.look()
    assert {state for _, state in post.states()} == {"delivered", "skipped"}
    assert sorted(summaries(chat)) == sorted(Notice)


async def test_a_mistake_of_ours_in_one_message_keeps_no_other_from_being_told(
    post: Post, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    far = await post.far()
    post.follow(slack(far))
    await post.put("first", "freeze/1", Notice.CLOCK)
    await post.put("second", "freeze/2")
    with monkeypatch.context() as broken:
        broken.delitem(HEADLINES, Notice.CLOCK)
        await post.look()
        await post.look()
    assert summaries(far) == ["second"]
    assert [record.levelno for record in caplog.records if "could not be told on" in record.message] == [50]
    await post.later(2)
    assert summaries(far) == ["second", "first"]
