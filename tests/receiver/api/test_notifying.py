"""What people must be told and whether they were, by the API; and a test message through each notifier."""

from __future__ import annotations

from receiver.notifying.dispatch import TRIES
from tests.receiver.api.conftest import Office
from tests.receiver.notifying.conftest import pagerduty, slack
from tests.receiver.notifying.far import Far


async def frozen(office: Office) -> None:
    await office.post("/freezes", "opal", scope="everything", reason="a test")


async def test_a_notice_shows_what_each_notifier_has_made_of_it(office: Office) -> None:
    async with Far().serving() as well, Far(always=(400, {})).serving() as refusing, Far().serving() as chat:
        for_commanders = slack(chat, "commanders", ("commander",))
        office.people.dispatcher.follow((slack(well), pagerduty(refusing), for_commanders))
        await frozen(office)
        await office.people.dispatcher.look()
        await office.people.dispatcher.still()
        [told] = (await office.get("/outbox"))["outbox"]
        assert (told["kind"], told["audience"], told["settled_at"]) == ("freeze", [], "2026-09-21T14:13:20Z")
        at = told["settled_at"]
        common = {"attempts": 1, "next_at": None, "ended_at": at}
        assert told["deliveries"] == [
            {"notifier": "commanders", "state": "skipped", "failure": "", **common, "attempts": 0},
            {"notifier": "ops", "state": "delivered", "failure": "", **common},
            {"notifier": "pager", "state": "given_up", "failure": "HTTP 400", **common},
        ]


async def test_how_the_notifiers_do(office: Office) -> None:
    async with Far().serving() as well, Far(always=(500, {})).serving() as failing:
        office.people.dispatcher.follow((slack(well), pagerduty(failing)))
        await frozen(office)
        at = "2026-09-21T14:13:20Z"
        await office.people.dispatcher.look()
        await office.people.dispatcher.still()
        answer = await office.get("/notifiers")
        assert answer["notifiers"] == [
            {"name": "ops", "kind": "slack", "waiting": 0, "oldest_waiting_at": None, "last_delivered_at": at,
             "last_failed_at": None, "failure": "", "given_up": 0},
            {"name": "pager", "kind": "pagerduty", "waiting": 1, "oldest_waiting_at": at, "last_delivered_at": None,
             "last_failed_at": at, "failure": "HTTP 500", "given_up": 0},
        ]  # fmt: skip
        assert answer["may"] == ["cora", "carl", "ada"]


async def test_a_failure_that_a_delivery_followed_is_past(office: Office) -> None:
    async with Far(faults=[(500, {})] * TRIES).serving() as far:
        office.people.dispatcher.follow((slack(far),))
        await frozen(office)
        for _ in range(2):
            await office.people.dispatcher.look()
            await office.people.dispatcher.still()
            office.clock.passes(60)
        [found] = (await office.get("/notifiers"))["notifiers"]
        assert (found["waiting"], found["failure"], found["last_failed_at"]) == (0, "", None)


async def test_a_test_message_says_which_notifier_has_taken_it(office: Office) -> None:
    async with Far().serving() as well, Far(always=(403, {})).serving() as refusing:
        office.people.dispatcher.follow((slack(well), pagerduty(refusing)))
        answer = await office.post("/notifiers/test", "ada")
        assert answer["notifiers"] == [
            {"name": "ops", "kind": "slack", "failure": None},
            {"name": "pager", "kind": "pagerduty", "failure": "HTTP 403"},
        ]
        [sent] = well.taken
        assert sent["text"] == "*INFO: Test*\nThis is a test: nothing has happened.\nwanted_by: ada"
    [entry] = [each for each in office.house.recorded() if each["kind"] == "notifiers.tested"]
    assert (entry["by"], entry["data"]) == ("ada", {"notifiers": "ops, pager"})


async def test_who_may_not_have_one_sent_sends_none_and_is_recorded(office: Office) -> None:
    async with Far().serving() as far:
        office.people.dispatcher.follow((slack(far),))
        assert await office.refused("/notifiers/test", "opal") == (403, "not_permitted")
        assert far.tries == 0
    entry = office.house.recorded()[-1]
    assert (entry["kind"], entry["data"]["doing"]) == ("person.refused", "test_notifiers")
