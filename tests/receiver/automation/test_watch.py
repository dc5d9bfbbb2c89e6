"""What the receiver does by itself, over a real database and with a real trading engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from receiver.families import HOLDS_BACK
from receiver.life import State
from receiver.why import Why
from tests.receiver import support
from tests.receiver.automation.support import LABELS, Scene, around, policy, scene

DOCS = Path(__file__).resolve().parents[3] / "docs/automation.md"

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
    assert row["parameters"] == '{"venue":"binance"}'
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


# --- an alert that comes and goes -------------------------------------------------------------------------------------


async def test_what_fires_again_must_fire_for_long_enough_again(auto: Scene) -> None:
    await auto.fires()
    auto.passes(20)
    await auto.fires(ends=True)
    auto.passes(20)
    auto.word.fires = [{"alertname": "FeedFrozen", "venue": "binance", "entity": "binance", "severity": "page"}]
    again = auto.world.clock.now
    await auto.sent(support.alert("FeedFrozen", starts=again, labels=LABELS))
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
    early = auto.world.clock.now
    await auto.sent(support.alert("FeedFrozen", starts=early, ends=early + 1, labels=LABELS))
    auto.passes(3600)
    await auto.fires()
    await auto.lasts()
    assert len(await auto.requests()) == 1
    auto.passes(3700)  # so that it is no other guard that stops it
    await auto.sent(support.alert("FeedFrozen", starts=early, ends=early + 3_600_000_000, labels=LABELS))
    await auto.sent(support.alert("FeedFrozen", starts=early + 3_600_000_001, labels=LABELS))
    await auto.lasts()
    assert len(auto.house.rows("SELECT id FROM episodes WHERE merged_into IS NULL AND ends_at IS NULL")) == 1
    assert len(auto.house.rows("SELECT id FROM episodes WHERE merged_into IS NOT NULL")) == 1
    assert len(await auto.requests()) == len(auto.effects) == 1


# --- restarts, and rows that somebody has written ---------------------------------------------------------------------


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
    assert "is gone" in await auto.house.acting.automation._tried()
    await auto.house.look()
    assert [freeze.person for freeze in await auto.house.desk.freezes()] == ["receiver"]
    assert len(auto.effects) == 1


# --- which alerts offer it --------------------------------------------------------------------------------------------


async def test_an_action_may_be_offered_by_any_label(tmp_path: Path) -> None:
    async with around(tmp_path) as world:
        world.actions = world.actions.replace("{{alertname: FeedFrozen}}", "{{team: desk}}")
        async with scene(world) as made:
            await made.fires("Whatever", entity="a")
            await made.fires("Whatever", entity="b", team="desk")
            await made.lasts()
            (request,) = await made.requests()
            assert request.evidence["alert"]["entity"] == "b"


@pytest.mark.parametrize("name", ["FeedFrozen'", 'Feed"Frozen', "FeedFrozen\n", "feedfrozen", "Feed%", "$.alertname"])
async def test_an_alert_of_another_name_offers_nothing(auto: Scene, name: str) -> None:
    await auto.fires(name)
    await auto.lasts()
    assert (auto.decisions(), await auto.requests()) == ([], [])


async def test_what_the_receiver_tells_of_itself_is_not_acted_on(auto: Scene) -> None:
    await auto.fires()
    auto.house.tamper("UPDATE episodes SET source = 'receiver'")
    await auto.lasts()
    assert (auto.decisions(), await auto.requests()) == ([], [])


async def test_an_action_that_a_reload_brings_is_counted_from_nothing(auto: Scene) -> None:
    auto.world.actions = auto.world.actions.replace("name: halt-all", "name: halt-both")
    auto.world.policy = auto.world.policy.replace("action: halt-all", "action: halt-both")
    await auto.house.desk.adopt(auto.world.write(), "receiver")
    await auto.look()
    for outcome in ("acted", "withdrawn", *HOLDS_BACK):
        assert auto.house.metric("action_automation_total", action="halt-both", kind="auto", outcome=outcome) == 0


def test_each_reason_that_the_docs_tell_of_is_counted_from_nothing() -> None:
    """Beside them is what the plan itself finds."""
    section = DOCS.read_text(encoding="utf-8").partition("## What holds it back")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told | {Why.DEFINITION_CHANGED, Why.UNREACHABLE} == set(HOLDS_BACK)
