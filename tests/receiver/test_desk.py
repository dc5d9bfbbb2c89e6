"""What people may do, what they are refused, and what is recorded of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import rfc8785

from demo.engine.faults import Befalls, Fault
from receiver.catalogue import BadParameters
from receiver.desk import Refusal
from receiver.freezes import Freeze, Scope
from receiver.life import Impossible, State
from receiver.requests import NotFound, Request, Verdict
from receiver.why import Why
from tests.receiver import acting as files
from tests.receiver.house import ACTIONS, House, World, world


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


@pytest.fixture
async def house(around: World) -> AsyncIterator[House]:
    async with around.house() as made:
        yield made


async def in_doubt(house: House, around: World) -> Request:
    around.fails(Fault.COMMIT_THEN_DROP)
    around.fails(Fault.ERROR, None, Befalls.OPERATIONS)
    request = await house.ended(await house.approved("resume"))
    assert request.state is State.IN_DOUBT
    return request


async def approve(house: House, request: Request, by: str, plan_hash: str | None = None) -> Request:
    return await house.desk.approve(house.person(by), request.id, plan_hash or request.plan_hash, "seen")


# --- plans -----------------------------------------------------------------------------------------------------------


async def test_a_plan_says_what_would_be_done_and_does_nothing(house: House, around: World) -> None:
    request = await house.planned("resume")
    assert request.state is State.PLANNED
    assert request.plan_hash == hashlib.sha256(request.plan).hexdigest()
    assert b'"path":"/resume"' in request.plan
    assert files.ENGINE_TOKEN.encode() not in request.plan
    await house.settle()
    assert around.received == 0


async def test_equal_plans_have_equal_hashes_and_others_others(house: House) -> None:
    one, again = await house.planned("resume"), await house.planned("resume")
    other = await house.planned("resume", parameters={"venue": "deribit"})
    assert one.id != again.id
    assert one.plan_hash == again.plan_hash != other.plan_hash


async def test_an_action_that_is_not_there_can_not_be_planned(house: House) -> None:
    with pytest.raises(NotFound, match="no action fly"):
        await house.planned("fly")


async def test_parameters_are_bounded(house: House) -> None:
    with pytest.raises(BadParameters, match="venue: is not one of binance, deribit"):
        await house.planned("resume", parameters={"venue": "kraken"})


async def test_a_label_of_the_alert_fills_a_parameter_in(house: House) -> None:
    request = await house.planned("halt", parameters={}, fingerprint=await house.alert(venue="deribit"))
    assert request.parameters == {"venue": "deribit"}
    assert request.episode_id is not None


async def test_a_label_out_of_bounds_is_not_passed_on(house: House) -> None:
    with pytest.raises(BadParameters, match="the alert's label venue is not one of"):
        await house.planned("halt", parameters={}, fingerprint=await house.alert(venue="../kraken"))


async def test_an_alert_that_is_not_there_can_not_be_answered(house: House) -> None:
    with pytest.raises(NotFound, match="no alert 00ff"):
        await house.planned("halt", fingerprint="00ff")


async def test_an_action_that_needs_an_alert_is_not_planned_without(house: House) -> None:
    with pytest.raises(Refusal) as refusal:
        await house.planned("answering", parameters={"venue": "binance"})
    assert refusal.value.why is Why.NOT_FIRING


async def test_asking_twice_with_one_key_is_one_request(house: House) -> None:
    first = await house.planned("resume", idempotency_key="k1")
    assert (await house.planned("resume", idempotency_key="k1")).id == first.id
    assert len(await house.desk.requests()) == 1
    assert (await house.planned("resume", by="otto", idempotency_key="k1")).id != first.id


async def test_a_key_stands_for_one_thing(house: House) -> None:
    await house.planned("resume", idempotency_key="k1")
    with pytest.raises(Refusal) as refusal:
        await house.planned("resume", idempotency_key="k1", parameters={"venue": "deribit"})
    assert refusal.value.why is Why.PLAN_CHANGED


# --- submitting ------------------------------------------------------------------------------------------------------


async def test_only_who_planned_it_submits_it(house: House) -> None:
    request = await house.planned("resume")
    with pytest.raises(Refusal) as refusal:
        await house.desk.submit(house.person("otto"), request.id, request.plan_hash)
    assert refusal.value.why is Why.NOT_PERMITTED


async def test_it_is_submitted_once(house: House) -> None:
    request = await house.submitted("resume")
    with pytest.raises(Impossible):
        await house.desk.submit(house.person("opal"), request.id, request.plan_hash)


async def test_another_plan_than_the_one_that_was_read_is_not_submitted(house: House) -> None:
    request = await house.planned("resume")
    with pytest.raises(Refusal) as refusal:
        await house.desk.submit(house.person("opal"), request.id, "0" * 64)
    assert refusal.value.why is Why.PLAN_CHANGED


async def test_who_may_not_ask_any_more_is_denied(house: House, around: World) -> None:
    request = await house.planned("resume")
    await house.desk.adopt(around.write(people=files.PEOPLE | {"opal": ("viewer",)}), "receiver")
    denied = await house.desk.submit(house.person("opal"), request.id, request.plan_hash)
    assert (denied.state, denied.why) == (State.DENIED, Why.NOT_PERMITTED)


async def test_without_approvals_it_is_approved_at_once(house: House) -> None:
    assert (await house.submitted("halt")).state is State.APPROVED


# --- approving -------------------------------------------------------------------------------------------------------


async def test_the_last_approval_that_was_missing_approves(house: House) -> None:
    request = await house.submitted("resume")
    assert (await approve(house, request, "tara")).state is State.PENDING_APPROVAL
    assert (await approve(house, request, "rita")).state is State.APPROVED


@pytest.mark.parametrize("who", ["vic", "otto", "cora", "ada"])
async def test_a_role_that_the_rule_does_not_name_approves_nothing(house: House, who: str) -> None:
    request = await house.submitted("resume")
    with pytest.raises(Refusal) as refusal:
        await approve(house, request, who)
    assert refusal.value.why is Why.NOT_PERMITTED


async def test_nobody_approves_what_they_asked_for(house: House, around: World) -> None:
    await house.desk.adopt(around.write(people=files.PEOPLE | {"opal": ("operator", "trader", "risk")}), "receiver")
    request = await house.submitted("resume")
    with pytest.raises(Refusal) as refusal:
        await approve(house, request, "opal")
    assert refusal.value.why is Why.OWN_REQUEST


async def test_one_person_with_two_roles_is_one_person(house: House, around: World) -> None:
    await house.desk.adopt(around.write(people=files.PEOPLE | {"tara": ("trader", "risk")}), "receiver")
    request = await house.submitted("resume")
    assert (await approve(house, request, "tara")).state is State.PENDING_APPROVAL
    with pytest.raises(Refusal) as refusal:
        await approve(house, request, "tara")
    assert refusal.value.why is Why.ALREADY_DECIDED


async def test_an_approval_is_of_the_plan_that_was_seen(house: House) -> None:
    request = await house.submitted("resume")
    with pytest.raises(Refusal) as refusal:
        await approve(house, request, "tara", "0" * 64)
    assert refusal.value.why is Why.PLAN_CHANGED


async def test_an_approval_that_comes_late_is_none(house: House, around: World) -> None:
    request = await house.submitted("resume")
    around.clock.passes(600.1)
    with pytest.raises(Refusal) as refusal:
        await approve(house, request, "tara")
    assert refusal.value.why is Why.APPROVAL_EXPIRED


@pytest.mark.parametrize(
    ("changed", "why"),
    [("Let the engine quote again", Why.DEFINITION_CHANGED), ("engine_quoting{{", Why.DEFINITION_CHANGED)],
)
async def test_what_is_defined_otherwise_by_now_is_not_approved(
    house: House, around: World, changed: str, why: Why
) -> None:
    request = await house.submitted("resume")
    await house.desk.adopt(around.write(ACTIONS.replace(changed, f"x{changed}")), "receiver")
    with pytest.raises(Refusal) as refusal:
        await approve(house, request, "tara")
    assert refusal.value.why is why


async def test_a_decision_keeps_what_was_seen_and_why(house: House) -> None:
    request = await house.submitted("resume")
    await approve(house, request, "tara")
    (decision,) = await house.desk.decisions(f"request/{request.id}")
    seen = hashlib.sha256(rfc8785.dumps(dict(request.evidence))).hexdigest()
    assert (decision.kind, decision.person, decision.roles) == (Verdict.APPROVE, "tara", ("trader",))
    assert (decision.plan_hash, decision.seen, decision.reason) == (request.plan_hash, seen, "seen")


# --- rejecting, cancelling, reviewing --------------------------------------------------------------------------------


async def test_one_rejection_ends_it(house: House) -> None:
    request = await house.submitted("resume")
    await approve(house, request, "rita")
    rejected = await house.desk.reject(house.person("tara"), request.id, request.plan_hash, "not today")
    assert rejected.state is State.REJECTED
    with pytest.raises(Impossible):
        await approve(house, request, "tara")


async def test_who_has_approved_may_think_again(house: House) -> None:
    request = await house.approved("resume")
    assert (
        await house.desk.reject(house.person("tara"), request.id, request.plan_hash, "wait")
    ).state is State.REJECTED


async def test_its_requester_takes_it_back(house: House) -> None:
    request = await house.approved("resume")
    with pytest.raises(Refusal):
        await house.desk.cancel(house.person("otto"), request.id)
    assert (await house.desk.cancel(house.person("opal"), request.id)).state is State.CANCELLED


async def test_what_has_started_is_not_cancelled(house: House, around: World) -> None:
    around.told.confirms = False
    request = await house.ended(await house.submitted("halt"))
    with pytest.raises(Impossible):
        await house.desk.cancel(house.person("opal"), request.id)


async def test_it_is_reviewed_once_it_has_ended_and_by_somebody_else(house: House) -> None:
    request = await house.submitted("halt")
    with pytest.raises(Refusal) as refusal:
        await house.desk.review(house.person("rita"), request.id, "fine")
    assert refusal.value.why is Why.WRONG_STATE
    await house.settle()
    with pytest.raises(Refusal):
        await house.desk.review(house.person("opal"), request.id, "fine")
    await house.desk.review(house.person("rita"), request.id, "fine")
    assert [each.kind for each in await house.desk.decisions(f"request/{request.id}")] == [Verdict.REVIEW]


# --- releasing what is in doubt --------------------------------------------------------------------------------------


async def test_two_people_release_and_not_one_twice(house: House, around: World) -> None:
    request = await in_doubt(house, around)
    await house.desk.release(house.person("cora"), request.id, applied=True, reason="its log")
    with pytest.raises(Refusal) as refusal:
        await house.desk.release(house.person("cora"), request.id, applied=True, reason="again")
    assert refusal.value.why is Why.ALREADY_DECIDED
    released = await house.desk.release(house.person("carl"), request.id, applied=True, reason="its log")
    assert released.state is State.VERIFYING


async def test_two_people_who_say_different_things_release_nothing(house: House, around: World) -> None:
    request = await in_doubt(house, around)
    around.clock.passes(6)
    await house.desk.release(house.person("cora"), request.id, applied=True, reason="its log")
    said = await house.desk.release(house.person("carl"), request.id, applied=False, reason="its log")
    assert said.state is State.IN_DOUBT
    around.clock.passes(1)
    said = await house.desk.release(house.person("cora"), request.id, applied=False, reason="I looked again")
    assert (said.state, said.why) == (State.FAILED, Why.NOT_APPLIED)


async def test_not_applied_can_not_be_said_while_something_may_still_come(house: House, around: World) -> None:
    request = await in_doubt(house, around)
    with pytest.raises(Refusal, match="may still take effect until") as refusal:
        await house.desk.release(house.person("cora"), request.id, applied=False, reason="its log")
    assert refusal.value.why is Why.UNCLEAR
    around.clock.passes(6)
    for name in ("cora", "carl"):
        request = await house.desk.release(house.person(name), request.id, applied=False, reason="its log")
    assert (request.state, request.why) == (State.FAILED, Why.NOT_APPLIED)


async def test_who_asked_for_it_does_not_release_it(house: House, around: World) -> None:
    await house.desk.adopt(around.write(people=files.PEOPLE | {"opal": ("operator", "commander")}), "receiver")
    request = await in_doubt(house, around)
    with pytest.raises(Refusal) as refusal:
        await house.desk.release(house.person("opal"), request.id, applied=True, reason="I know")
    assert refusal.value.why is Why.OWN_REQUEST


async def test_what_is_not_in_doubt_is_not_released(house: House) -> None:
    request = await house.approved("resume")
    with pytest.raises(Impossible):
        await house.desk.release(house.person("cora"), request.id, applied=True, reason="its log")


# --- freezes ---------------------------------------------------------------------------------------------------------


async def frozen(house: House, scope: Scope = Scope.EVERYTHING, name: str = "", by: str = "otto") -> Freeze:
    return await house.desk.freeze(house.person(by), scope, name, "I am not sure")


async def test_a_freeze_pages(house: House) -> None:
    await frozen(house, Scope.TARGET, "engine")
    assert house.notices() == [("freeze", "page", "Frozen by otto: target engine")]


@pytest.mark.parametrize(
    ("scope", "name"), [(Scope.EVERYTHING, "engine"), (Scope.ACTION, "engine"), (Scope.TARGET, "resume")]
)
async def test_what_is_not_there_can_not_be_frozen(house: House, scope: Scope, name: str) -> None:
    with pytest.raises(NotFound):
        await frozen(house, scope, name)


async def test_who_may_not_freeze_does_not(house: House) -> None:
    with pytest.raises(Refusal):
        await frozen(house, by="vic")


async def test_two_people_lift_a_freeze_and_not_one_twice(house: House) -> None:
    freeze = await frozen(house)
    assert (await house.desk.unfreeze(house.person("cora"), freeze.id, "fine")).lifted_at is None
    with pytest.raises(Refusal) as refusal:
        await house.desk.unfreeze(house.person("cora"), freeze.id, "fine")
    assert refusal.value.why is Why.ALREADY_DECIDED
    assert (await house.desk.unfreeze(house.person("carl"), freeze.id, "fine")).lifted_at is not None
    with pytest.raises(Refusal) as refusal:
        await house.desk.unfreeze(house.person("carl"), freeze.id, "fine")
    assert refusal.value.why is Why.WRONG_STATE


async def test_who_froze_does_not_count_among_those_who_lift_it(house: House, around: World) -> None:
    await house.desk.adopt(around.write(people=files.PEOPLE | {"cora": ("commander", "operator")}), "receiver")
    freeze = await frozen(house, by="cora")
    with pytest.raises(Refusal) as refusal:
        await house.desk.unfreeze(house.person("cora"), freeze.id, "fine")
    assert refusal.value.why is Why.OWN_REQUEST


async def test_a_freeze_outlives_a_restart(around: World) -> None:
    async with around.house() as house:
        freeze = await frozen(house)
    async with around.house() as house:
        assert await house.desk.freezes() == [freeze]
        assert (await house.ended(await house.approved("resume"))).why is Why.FROZEN


# --- what is recorded ------------------------------------------------------------------------------------------------


async def test_a_refusal_is_recorded_and_changes_nothing_else(house: House) -> None:
    request = await house.submitted("resume")
    with pytest.raises(Refusal):
        await approve(house, request, "vic")
    assert await house.desk.request(request.id) == request
    last = house.recorded()[-1]
    assert (last["kind"], last["subject"], last["by"]) == ("person.refused", "person/vic", "vic")
    assert last["data"] == {
        "doing": "approve",
        "request": request.id,
        "why": "not_permitted",
        "message": "the policy does not give this person that right",
    }


async def test_a_refused_plan_is_recorded(house: House) -> None:
    with pytest.raises(Refusal):
        await house.planned("resume", by="vic")
    assert house.recorded()[-1]["data"]["why"] == "not_permitted"
    assert await house.desk.requests() == []


async def test_what_is_not_there_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        await house.desk.request("0" * 16)
    with pytest.raises(NotFound):
        await house.desk.submit(house.person("opal"), "0" * 16, "0" * 64)
    with pytest.raises(NotFound):
        await house.desk.unfreeze(house.person("cora"), "0" * 16, "fine")


async def test_other_rules_are_recorded_when_they_are_adopted(house: House, around: World) -> None:
    book = around.write(ACTIONS.replace("Let the engine quote again", "Another"))
    await house.desk.adopt(book, "receiver")
    last = house.recorded()[-1]
    assert (last["kind"], last["data"]["catalogue"]) == ("rules.adopted", book.catalogue.hash)


async def test_lists_go_from_the_newest_and_by_state(house: House, around: World) -> None:
    first = await house.planned("resume")
    around.clock.passes(1)
    second = await house.submitted("resume")
    assert [request.id for request in await house.desk.requests()] == [second.id, first.id]
    assert [request.id for request in await house.desk.requests(state=State.PLANNED)] == [first.id]
    assert [request.id for request in await house.desk.requests(limit=1)] == [second.id]
