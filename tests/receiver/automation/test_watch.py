"""What the receiver does by itself, over a real database and with a real trading engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from receiver.life import State
from receiver.why import Why
from tests.receiver.automation.support import LONG_ENOUGH, Scene, around, policy, scene

# --- what each mode does ----------------------------------------------------------------------------------------------


async def test_an_alert_that_fires_for_long_enough_is_acted_on(auto: Scene) -> None:
    await auto.fires()
    await auto.look()
    assert await auto.requests() == []
    await auto.lasts()
    (request,) = await auto.requests()
    assert (request.action, request.state, request.person) == ("halt", State.SUCCEEDED, "receiver")
    assert auto.halted == {"binance"}
    assert auto.decisions() == [("halt", "auto", "acted", "")]


async def test_it_asks_once_for_an_action_and_an_episode(auto: Scene) -> None:
    await auto.fires()
    for _ in range(5):
        await auto.lasts()
        await auto.fires()
    assert len(await auto.requests()) == len(auto.effects) == 1
    assert auto.house.metric("action_automation_total", action="halt", kind="auto", outcome="acted") == 1


async def test_people_are_told_of_what_is_started_by_itself(auto: Scene) -> None:
    fingerprint = await auto.fires(entity="binance/<!here>")
    await auto.lasts()
    (row,) = auto.house.rows("SELECT subject, severity, text FROM outbox WHERE kind = 'automation'")
    (request,) = await auto.requests()
    assert (row["subject"], row["severity"]) == (f"request/{request.id}", "page")
    for said in ("The receiver starts halt, by itself", f"/a/{fingerprint}", "FeedFrozen"):
        assert said in row["text"]


async def test_where_the_rule_says_off_nothing_is_done(tmp_path: Path) -> None:
    async with around(tmp_path, "off") as world, scene(world) as off:
        await off.fires()
        await off.lasts()
        assert (off.decisions(), await off.requests(), off.word.queries) == ([], [], [])


async def test_shadow_records_what_it_would_have_done(shadow: Scene) -> None:
    await shadow.fires()
    await shadow.lasts()
    assert (await shadow.requests(), shadow.effects) == ([], {})
    (row,) = shadow.house.rows("SELECT * FROM automations")
    assert (row["action"], row["kind"], row["outcome"], row["request_id"]) == ("halt", "shadow", "acted", None)
    assert row["parameters"] == '{"venue": "binance"}'
    assert "/halt" in row["does"]
    entry = shadow.house.recorded()[-1]
    assert (entry["kind"], entry["subject"], entry["by"]) == ("automation.would", "automation/halt", "receiver")
    assert shadow.house.notices() == []


async def test_what_is_proposed_waits_for_one_who_might_have_asked_for_it(propose: Scene) -> None:
    await propose.fires()
    await propose.lasts()
    (request,) = await propose.requests()
    assert (request.state, propose.effects) == (State.PENDING_APPROVAL, {})
    rule = propose.house.desk.rules.current.policy.rule("halt")
    assert rule is not None
    (clause,) = propose.house.desk.rules.current.policy.missing(rule, request.person, ())
    assert (clause.role, clause.count) == ("operator or oncall", 1)
    assert propose.house.desk.rules.current.policy.approvers(rule, request.person, ()) == ("opal", "otto", "rita")
    with pytest.raises(Exception, match="the policy does not give this person that right"):
        await propose.house.desk.approve(propose.house.person("tara"), request.id, request.plan_hash, "not mine")
    await propose.house.desk.approve(propose.house.person("rita"), request.id, request.plan_hash, "go")
    assert (await propose.house.ended(request)).state is State.SUCCEEDED
    assert propose.halted == {"binance"}


async def test_what_is_proposed_and_needs_approvals_waits_for_all_of_them(auto: Scene) -> None:
    await auto.fires("FeedIsBack")
    await auto.lasts()
    (request,) = await auto.requests()
    for person in ("tara", "rita"):
        assert (await auto.house.ended(request)).state is State.PENDING_APPROVAL
        await auto.house.desk.approve(auto.house.person(person), request.id, request.plan_hash, "go")
    assert (await auto.house.ended(request)).state is State.SUCCEEDED
    assert auto.decisions() == [("resume", "propose", "acted", "")]


async def test_a_proposal_can_be_rejected_and_is_not_made_again(propose: Scene) -> None:
    await propose.fires()
    await propose.lasts()
    (request,) = await propose.requests()
    await propose.house.desk.reject(propose.house.person("opal"), request.id, request.plan_hash, "no")
    await propose.lasts(120)
    (request,) = await propose.requests()
    assert (request.state, propose.effects) == (State.REJECTED, {})


async def test_from_shadow_to_auto_by_a_reload_it_acts_on_what_still_fires(tmp_path: Path) -> None:
    async with around(tmp_path, "shadow") as world, scene(world) as made:
        await made.fires()
        await made.lasts()
        world.policy = policy("auto")
        await made.house.desk.adopt(world.write(), "receiver")
        await made.look()
        assert made.decisions() == [("halt", "shadow", "acted", ""), ("halt", "auto", "acted", "")]
        assert made.halted == {"binance"}


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
    from receiver.freezes import Scope

    name = {"everything": "", "action": "halt", "target": "engine"}[scope]
    await auto.house.desk.freeze(auto.house.person("opal"), Scope(scope), name, "not now")
    await auto.fires()
    await auto.lasts()
    await held(auto, "frozen")


async def test_a_freeze_of_something_else_does_not_stop_it(auto: Scene) -> None:
    from receiver.freezes import Scope

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


async def one_more(made: Scene, number: int, **labels: str) -> str:
    """What comes of the next alert, ten minutes after the one before."""
    made.passes(600)
    await made.fires(**{"entity": f"binance/{number}", **labels})
    await made.lasts()
    return made.decisions()[-1][3] or made.decisions()[-1][2]


async def test_one_action_is_asked_for_so_often_within_a_day(auto: Scene) -> None:
    assert [await one_more(auto, number) for number in range(4)] == ["acted", "acted", "acted", "at_most"]
    auto.passes(86_400)
    assert await one_more(auto, 5) == "acted"


async def test_for_one_entity_nothing_is_asked_for_twice_within_an_hour(auto: Scene) -> None:
    assert await one_more(auto, 0) == "acted"
    assert await one_more(auto, 0, alertname_of="another") == "same_entity"
    auto.passes(3600)
    assert await one_more(auto, 0, alertname_of="third") == "acted"


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


# --- an alert that comes and goes -------------------------------------------------------------------------------------


async def test_what_fires_again_must_fire_for_long_enough_again(auto: Scene) -> None:
    await auto.fires()
    auto.passes(20)
    await auto.fires(ends=True)
    auto.passes(20)
    auto.word.fires = [{"alertname": "FeedFrozen", "venue": "binance", "entity": "binance", "severity": "page"}]
    again = auto.world.clock.now
    labels = {"venue": "binance", "entity": "binance", "domain": "exchange", "severity": "page"}
    from tests.receiver import support

    await auto.sent(support.alert("FeedFrozen", starts=again, labels=labels))
    await auto.lasts(29)
    assert auto.decisions() == []
    await auto.lasts(1)
    assert len(auto.house.rows("SELECT id FROM episodes")) == 1
    assert auto.halted == {"binance"}


async def test_a_proposal_is_withdrawn_once_the_alert_has_ended_by_prometheus_word(propose: Scene) -> None:
    await propose.fires()
    await propose.lasts()
    still = list(propose.word.fires)
    await propose.fires(ends=True)
    propose.word.fires = still
    await propose.look()
    (request,) = await propose.requests()
    assert request.state is State.PENDING_APPROVAL
    propose.word.fires = []
    await propose.look()
    (request,) = await propose.requests()
    assert (request.state, request.why) == (State.CANCELLED, Why.NOT_FIRING)
    assert propose.decisions() == [("halt", "propose", "withdrawn", "not_firing")]


@pytest.mark.parametrize(("answers", "stale"), [(False, False), (True, True)])
async def test_a_proposal_stays_while_nobody_can_tell_whether_it_is_over(
    propose: Scene, *, answers: bool, stale: bool
) -> None:
    await propose.fires(exporter="exchange")
    await propose.lasts()
    await propose.fires(exporter="exchange", ends=True)
    propose.word.answers, propose.word.stale = answers, stale
    await propose.look()
    (request,) = await propose.requests()
    assert request.state is State.PENDING_APPROVAL


async def test_what_a_person_asked_for_is_never_withdrawn(auto: Scene) -> None:
    fingerprint = await auto.fires("FeedIsBack")
    request = await auto.house.submitted("resume", fingerprint=fingerprint, parameters={})
    await auto.fires("FeedIsBack", ends=True)
    await auto.lasts()
    assert (await auto.house.desk.request(request.id)).state is State.PENDING_APPROVAL


async def test_what_ended_before_it_was_acted_on_is_left_alone(auto: Scene) -> None:
    await auto.fires()
    auto.passes(29)
    await auto.fires(ends=True)
    await auto.lasts()
    assert (auto.decisions(), await auto.requests()) == ([], [])


async def test_two_episodes_that_become_one_are_acted_on_once(auto: Scene) -> None:
    from tests.receiver import support

    labels = {"venue": "binance", "entity": "binance", "domain": "exchange", "severity": "page"}
    early = auto.world.clock.now
    await auto.sent(support.alert("FeedFrozen", starts=early, ends=early + 1, labels=labels))
    auto.passes(3600)
    await auto.fires()
    await auto.lasts()
    assert len(await auto.requests()) == 1
    auto.passes(3700)  # so that it is no other guard that stops it
    await auto.sent(support.alert("FeedFrozen", starts=early, ends=early + 3_600_000_000, labels=labels))
    await auto.sent(support.alert("FeedFrozen", starts=early + 3_600_000_001, labels=labels))
    await auto.lasts()
    assert len(auto.house.rows("SELECT id FROM episodes WHERE merged_into IS NULL AND ends_at IS NULL")) == 1
    assert len(auto.house.rows("SELECT id FROM episodes WHERE merged_into IS NOT NULL")) == 1
    assert len(await auto.requests()) == len(auto.effects) == 1


# --- its start --------------------------------------------------------------------------------------------------------


async def asked(made: Scene, name: str = "FeedFrozen") -> None:
    """It is asked for, and nothing of it has started."""
    await made.fires(name)
    made.passes(LONG_ENOUGH)
    await made.house.acting.automation.look()
    assert [each.state for each in await made.requests()] == [State.APPROVED]


async def test_a_freeze_stops_what_was_asked_for_by_itself_and_not_what_a_person_asked_for(auto: Scene) -> None:
    await asked(auto)
    (auto.world.folder / "freeze").touch()
    await auto.house.settle()
    (request,) = await auto.requests()
    assert (request.state, request.why) == (State.BLOCKED, Why.FROZEN)
    assert (await auto.house.ended(await auto.house.approved("halt"))).state is State.SUCCEEDED


async def test_it_does_not_start_while_nobody_can_tell_whether_the_alert_fires(auto: Scene) -> None:
    await asked(auto)
    auto.word.answers = False
    await auto.house.settle()
    assert [each.state for each in await auto.requests()] == [State.APPROVED]
    await auto.lasts(121)
    (request,) = await auto.requests()
    assert (request.state, request.why, auto.effects) == (State.EXPIRED, Why.EXECUTION_EXPIRED, {})


async def test_it_does_not_start_where_the_alert_is_over(auto: Scene) -> None:
    await asked(auto)
    auto.word.fires = []
    await auto.house.settle()
    (request,) = await auto.requests()
    assert (request.state, request.why) == (State.BLOCKED, Why.NOT_FIRING)


async def test_it_does_not_start_once_the_rules_say_otherwise(auto: Scene) -> None:
    await asked(auto)
    auto.world.policy = policy("propose")
    await auto.house.desk.adopt(auto.world.write(), "receiver")
    await auto.house.settle()
    (request,) = await auto.requests()
    assert (request.state, request.why) == (State.BLOCKED, Why.POLICY_CHANGED)


async def test_a_freeze_between_two_steps_leaves_the_rest(tmp_path: Path) -> None:
    from receiver.runner import Point

    def at(point: Point) -> None:
        if point is Point.SENT:
            (tmp_path / "freeze").touch()

    async with around(tmp_path) as world, world.house(at) as house:
        made = Scene(house, world.told, world)  # type: ignore[arg-type]
        made.passes(60)
        await made.fires("AllFrozen")
        await made.lasts()
        (request,) = await made.requests()
        assert (request.state, request.why) == (State.PARTIAL, Why.FROZEN)
        assert made.halted == {"binance"}


# --- restarts, and rows that somebody has written -----------------------------------------------------------------------


async def test_the_next_process_knows_what_was_asked_for(tmp_path: Path) -> None:
    async with around(tmp_path) as world:
        async with scene(world) as made:
            await made.fires()
            await made.lasts()
        async with scene(world) as again:
            await again.lasts(3700)
            assert len(await again.requests()) == len(again.effects) == 1


async def test_a_decision_that_is_gone_does_not_make_it_act_again(auto: Scene) -> None:
    await auto.fires()
    await auto.lasts()
    auto.house.tamper("DELETE FROM automations")
    await auto.lasts(3700)
    assert len(await auto.requests()) == len(auto.effects) == 1
    assert auto.decisions() == [("halt", "auto", "acted", "")]


async def test_a_decision_that_somebody_wrote_starts_nothing(auto: Scene) -> None:
    await auto.fires(told=False)
    await auto.lasts()
    auto.house.tamper("UPDATE automations SET outcome = 'acted', why = '', request_id = NULL")
    await auto.lasts(3700)
    assert (await auto.requests(), auto.effects) == ([], {})


async def test_a_request_that_is_gone_is_found_and_freezes_everything(auto: Scene) -> None:
    await auto.fires()
    await auto.lasts()
    auto.house.tamper("PRAGMA foreign_keys = OFF")
    auto.house.tamper("UPDATE automations SET request_id = NULL, outcome = 'held'")
    auto.house.tamper("DELETE FROM effects")
    auto.house.tamper("DELETE FROM requests")
    assert "is gone" in await auto.house.acting.automation._tried()  # noqa: SLF001 - one look, and what came of it
    await auto.house.look()
    assert [freeze.person for freeze in await auto.house.desk.freezes()] == ["receiver"]
    assert len(auto.effects) == 1
