"""What holds the receiver back from acting by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from receiver.freezes import Scope
from receiver.life import State
from receiver.store import Delivery, record
from tests.receiver import support
from tests.receiver.automation.support import LABELS, LONG_ENOUGH, Scene, around, scene

# --- what holds it back -----------------------------------------------------------------------------------------------


async def held(made: Scene, why: str) -> None:
    """Nothing is asked for, for this reason, and nothing was."""
    assert (await made.requests(), made.effects) == ([], {})
    assert made.decisions()[-1][2:] == ("held", why)


async def acts(made: Scene) -> None:
    """Once nothing is against it any more, it acts."""
    await made.lasts(15)
    assert [request.state for request in await made.requests()] == [State.SUCCEEDED]


async def test_it_waits_until_the_receiver_has_run_for_a_while(tmp_path: Path) -> None:
    async with around(tmp_path) as world, scene(world, grace=True) as made:
        await made.fires()
        await made.lasts()
        await held(made, "grace")
        made.passes(LONG_ENOUGH)
        await acts(made)


async def test_prometheus_must_say_that_the_alert_fires(auto: Scene) -> None:
    await auto.fires(told=False)
    await auto.lasts()
    await held(auto, "not_firing")
    await auto.fires()
    await acts(auto)


async def test_what_fires_must_be_the_very_alert_by_what_fills_the_parameters(auto: Scene) -> None:
    await auto.fires()
    auto.word.fires = [{"alertname": "FeedFrozen", "entity": "binance"}]
    await auto.lasts()
    await held(auto, "not_firing")


async def test_a_second_query_must_confirm_it(auto: Scene) -> None:
    await auto.fires()
    auto.word.second = False
    await auto.lasts()
    await held(auto, "second_query")
    assert 'second{venue="binance"} == 1' in auto.word.queries
    auto.word.second = True
    await acts(auto)


@pytest.mark.parametrize(("age", "up"), [(21.0, True), (None, True), (1.0, False), (-3.0, True)])
async def test_what_it_depends_on_must_have_been_read_lately(auto: Scene, age: float | None, *, up: bool) -> None:
    await auto.fires()
    auto.word.age, auto.word.up = age, up
    await auto.lasts()
    await held(auto, "not_fresh")
    auto.word.age, auto.word.up = 20.0, True
    await acts(auto)


async def test_sight_of_the_entity_must_be_kept(auto: Scene) -> None:
    await auto.fires(exporter="exchange")
    auto.word.stale = True
    await auto.lasts()
    await held(auto, "sight_lost")
    auto.word.stale = False
    await acts(auto)


async def test_while_prometheus_is_silent_nothing_is_done(auto: Scene) -> None:
    await auto.fires()
    auto.word.answers = False
    await auto.lasts()
    await held(auto, "sight_lost")
    auto.word.answers = True
    await acts(auto)


async def test_a_label_out_of_bounds_is_acted_on_by_nobody(auto: Scene) -> None:
    await auto.fires(venue="kraken")
    await auto.lasts()
    await held(auto, "out_of_bounds")


async def test_nothing_is_done_on_findings(auto: Scene) -> None:
    await auto.fires(domain="security")
    await auto.lasts()
    await held(auto, "findings")


async def test_nothing_is_done_while_a_sender_leaves_alerts_out(auto: Scene) -> None:
    await auto.fires()
    await auto.sent(truncatedAlerts=3)
    await auto.lasts()
    await held(auto, "incomplete")
    await auto.sent(truncatedAlerts=0)
    await acts(auto)


@pytest.mark.parametrize("scope", ["everything", "action", "target"])
async def test_a_freeze_stops_it_though_the_action_is_protective(auto: Scene, scope: str) -> None:
    name = {"everything": "", "action": "halt", "target": "engine"}[scope]
    await auto.house.desk.freeze(auto.house.person("opal"), Scope(scope), name, "not now")
    await auto.fires()
    await auto.lasts()
    await held(auto, "frozen")


async def test_a_freeze_of_something_else_does_not_stop_it(auto: Scene) -> None:
    await auto.house.desk.freeze(auto.house.person("opal"), Scope.ACTION, "resume", "not now")
    await auto.fires()
    await auto.lasts()
    assert auto.halted == {"binance"}


async def test_a_file_freezes_it(auto: Scene) -> None:
    (auto.world.folder / "freeze").touch()
    await auto.fires()
    await auto.lasts()
    await held(auto, "frozen")
    (auto.world.folder / "freeze").unlink()
    await acts(auto)


async def test_a_clock_that_jumped_stops_it(auto: Scene) -> None:
    await auto.fires()
    auto.passes(LONG_ENOUGH)
    auto.world.clock.now += 3_000_000
    await auto.house.acting.automation.look()
    await held(auto, "clock")


async def test_in_a_storm_of_alerts_nothing_is_done_then_or_later(auto: Scene) -> None:
    for number in range(5):
        await auto.fires("Other" if number else "FeedFrozen", entity=f"venue-{number}")
    await auto.lasts()
    await held(auto, "storm")
    await auto.lasts(3600)
    await held(auto, "storm")


async def test_a_storm_that_comes_after_the_alert_stops_it_too(auto: Scene) -> None:
    await auto.fires()
    auto.passes(20)
    for number in range(4):
        await auto.fires("Other", entity=f"venue-{number}")
    await auto.lasts(10)
    await held(auto, "storm")


async def test_a_storm_elsewhere_stops_what_has_fired_for_long(auto: Scene) -> None:
    await auto.fires()
    auto.word.second = False
    await auto.lasts(600)
    for number in range(5):
        await auto.fires("Other", entity=f"venue-{number}")
    auto.word.second = True
    await auto.lasts(15)
    await held(auto, "storm")
    await auto.lasts(60)
    assert auto.halted == {"binance"}


async def test_alerts_that_fire_again_are_a_storm_as_new_ones_are(auto: Scene) -> None:
    for number in range(4):
        await auto.fires("Other", entity=f"venue-{number}")
        auto.passes(61)
        await auto.fires("Other", entity=f"venue-{number}", ends=True)
    auto.passes(61)
    for number in range(4):
        again = support.alert("Other", starts=auto.world.clock.now, labels=LABELS | {"entity": f"venue-{number}"})
        await auto.sent(again)
    assert len(auto.house.rows("SELECT id FROM episodes")) == 4
    await auto.fires()
    await auto.lasts()
    await held(auto, "storm")


async def test_alerts_that_are_no_pages_are_no_storm(auto: Scene) -> None:
    for number in range(30):
        await auto.fires("Other", entity=f"venue-{number}", severity="ticket")
    await auto.fires()
    await auto.lasts()
    assert auto.halted == {"binance"}


async def test_where_a_person_acts_on_the_alert_it_does_not(auto: Scene) -> None:
    fingerprint = await auto.fires()
    request = await auto.house.planned("halt", fingerprint=fingerprint)
    await auto.lasts()
    await held(auto, "person_acts")
    await auto.house.desk.cancel(auto.house.person("opal"), request.id, "let it")
    await acts(auto)


async def test_where_a_person_acts_on_what_it_touches_it_does_not(auto: Scene) -> None:
    await auto.fires()
    await auto.house.planned("resume", parameters={"venue": "deribit"})
    await auto.lasts()
    await held(auto, "person_acts")


async def test_where_a_person_has_acted_on_the_alert_it_leaves_it_to_people(auto: Scene) -> None:
    fingerprint = await auto.fires()
    await auto.house.ended(await auto.house.approved("halt", fingerprint=fingerprint))
    await auto.lasts(3600)
    assert await auto.requests() == []
    assert auto.decisions() == [("halt", "auto", "held", "person_acts")]


# --- how much is done -------------------------------------------------------------------------------------------------


async def one_more(made: Scene, number: int, alert: str = "first") -> str:
    """What comes of the next alert, ten minutes after the one before."""
    made.passes(600)
    await made.fires(entity=f"binance/{number}", alert=alert)
    await made.lasts()
    return made.decisions()[-1][3] or made.decisions()[-1][2]


async def test_one_action_is_asked_for_so_often_within_a_day(auto: Scene) -> None:
    assert [await one_more(auto, number) for number in range(4)] == ["acted", "acted", "acted", "at_most"]
    auto.passes(86_400)
    assert await one_more(auto, 5) == "acted"


async def test_for_one_entity_nothing_is_asked_for_twice_within_an_hour(auto: Scene) -> None:
    assert await one_more(auto, 0) == "acted"
    assert await one_more(auto, 0, "another") == "same_entity"
    await auto.lasts(3600)
    assert [each[2:] for each in auto.decisions()] == [("acted", ""), ("acted", "")]


async def test_the_cooldown_of_the_action_is_waited_for(auto: Scene) -> None:
    await auto.fires("AllFrozen", entity="a")
    await auto.lasts()
    await auto.fires("AllFrozen", entity="b")
    await auto.lasts()
    assert auto.decisions()[-1] == ("halt-all", "auto", "held", "cooldown")
    await auto.lasts(600)
    assert [each[2] for each in auto.decisions()] == ["acted", "acted"]


async def test_over_all_actions_so_much_is_asked_for_within_an_hour(auto: Scene) -> None:
    names = ["FeedFrozen", "FeedIsBack"]
    found = []
    for number in range(5):
        auto.passes(600)
        await auto.fires(names[number % 2], entity=f"binance/{number}")
        await auto.lasts()
        for request in await auto.requests():
            if request.state is State.PENDING_APPROVAL:
                await auto.house.desk.reject(auto.house.person("tara"), request.id, request.plan_hash, "no")
        found.append(auto.decisions()[-1][3] or auto.decisions()[-1][2])
    assert found == ["acted", "acted", "acted", "acted", "per_hour"]


async def test_shadow_counts_what_it_would_have_asked_for(shadow: Scene) -> None:
    assert [await one_more(shadow, number) for number in range(4)] == ["acted", "acted", "acted", "at_most"]


async def test_what_is_held_back_is_asked_about_less_and_less_often(auto: Scene) -> None:
    await auto.fires()
    auto.word.second = False
    await auto.lasts()
    auto.word.queries.clear()
    for _ in range(60):
        await auto.lasts(1)
    assert 3 <= len(auto.word.queries) <= 12
    assert auto.house.metric("action_automation_total", action="halt", kind="auto", outcome="second_query") == 1


# --- many alerts ------------------------------------------------------------------------------------------------------


async def test_in_a_storm_no_alert_of_it_is_asked_about(auto: Scene) -> None:
    auto.passes(1)
    labels = [LABELS | {"entity": f"binance/{number}"} for number in range(300)]
    now = auto.world.clock.now
    await auto.sent(*(support.alert("FeedFrozen", starts=now, labels=each) for each in labels))
    await auto.lasts()
    assert set(auto.decisions()) == {("halt", "auto", "held", "storm")}
    assert (len(auto.decisions()), auto.word.queries, auto.effects) == (300, [], {})


async def test_of_two_alerts_what_fires_for_longer_goes_first(auto: Scene) -> None:
    await auto.fires(alert="second")
    auto.passes(1)
    await auto.fires(alert="third")
    await auto.lasts()
    assert [each[2:] for each in auto.decisions()] == [("acted", ""), ("held", "same_entity")]


async def test_what_prometheus_does_not_answer_once_is_not_asked_again_in_the_same_look(auto: Scene) -> None:
    for number in range(3):
        await auto.fires(entity=f"binance/{number}")
    auto.word.answers = False
    auto.word.queries.clear()
    await auto.lasts()
    assert [each[2:] for each in auto.decisions()] == [("held", "sight_lost")] * 3
    assert auto.word.refused <= 2, "once, and once again"


async def test_nothing_is_done_while_a_notification_could_not_be_read(auto: Scene) -> None:
    await auto.fires()
    now = auto.world.clock.now
    await auto.house.writer.run(lambda connection: record(connection, Delivery("alertmanager", now, b"{")))
    await auto.lasts()
    await held(auto, "incomplete")


# --- what the plan itself finds against it ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["shadow", "auto"])
async def test_what_can_not_be_planned_is_not_asked_for(tmp_path: Path, mode: str) -> None:
    widen = "{{executor: parameter, target: engine, name: quote_width_bps, value: 50, min: 1, max: 50, max_change: 1}}"
    async with around(tmp_path, mode) as world:
        world.actions = world.actions.replace(
            "{{executor: http, target: engine, path: /halt, body: {{venue: $venue}}}}", widen
        )
        async with scene(world) as made:
            await made.fires()
            await made.lasts()
            await held(made, "out_of_bounds")
