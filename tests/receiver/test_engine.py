"""The engine: from an approval to the end, and what stops it on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from demo.engine.faults import Befalls, Fault
from demo.engine.server import Server
from demo.engine.state import Engine as Trading
from receiver.clock import SECOND
from receiver.freezes import Scope
from receiver.life import State
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


# --- the way through -------------------------------------------------------------------------------------------------


async def test_what_is_approved_is_done_once_and_verified(house: House, around: World) -> None:
    request = await house.ended(await house.submitted("halt"))
    assert (request.state, request.why) == (State.SUCCEEDED, None)
    assert around.trading.engine.halted == {"binance"}
    assert list(around.effects.values()) == [1]
    states = ("planned", "pending_approval", "approved", "running", "verifying", "succeeded")
    assert house.kinds(request) == [f"request.{state}" for state in states]


async def test_nothing_is_sent_while_approvals_are_missing(house: House, around: World) -> None:
    request = await house.submitted("resume")
    await house.desk.approve(house.person("tara"), request.id, request.plan_hash, "seen")
    assert (await house.ended(request)).state is State.PENDING_APPROVAL
    assert around.received == 0


async def test_steps_are_done_in_their_order_and_their_effects_are_kept(house: House, around: World) -> None:
    request = await house.ended(await house.approved("halt-all"))
    assert request.state is State.SUCCEEDED
    assert around.trading.engine.halted == {"binance", "deribit"}
    found = await house.desk.effects(request.id)
    assert [(effect.step, effect.state, effect.result) for effect in found] == [
        (0, "applied", {"status": "200"}),
        (1, "applied", {"status": "200"}),
    ]


async def test_an_effect_is_committed_before_it_is_sent(around: World) -> None:
    seen: list[tuple[str, str, int]] = []

    def at(point: str) -> None:
        rows = standing.rows("SELECT r.state AS request, e.state FROM requests r JOIN effects e ON e.request_id = r.id")
        seen.extend((point, row["request"], around.received) for row in rows if row["state"] == "started")

    async with around.house(at) as standing:
        await standing.ended(await standing.submitted("halt"))
    assert seen == [("started", "running", 0), ("cleared", "running", 0), ("sent", "running", 1)]


async def test_numbers_tell_of_it(house: House, around: World) -> None:
    request = await house.submitted("resume")
    await house.look()
    assert house.metric("action_requests_open", action="resume", state="pending_approval") == 1
    around.clock.passes(90)
    for name in ("tara", "rita"):
        await house.desk.approve(house.person(name), request.id, request.plan_hash, "seen")
    await house.settle()
    labels = {"action": "resume", "origin": "operator"}
    assert house.metric("action_requests_total", outcome="succeeded", **labels) == 1
    assert house.metric("action_requests_total", outcome="failed", **labels) == 0
    assert house.metric("action_approval_wait_seconds_sum", action="resume") == 90
    assert house.metric("action_duration_seconds_count", action="resume") == 1
    assert house.metric("action_requests_open", action="resume", state="pending_approval") is None
    assert house.metric("action_in_doubt") == 0
    assert house.metric("receiver_frozen") == 0


# --- times -----------------------------------------------------------------------------------------------------------


async def test_who_is_not_approved_in_time_expires(house: House, around: World) -> None:
    request = await house.submitted("resume")
    around.clock.passes(600.1)
    request = await house.ended(request)
    assert (request.state, request.why) == (State.EXPIRED, Why.APPROVAL_EXPIRED)


async def test_a_plan_that_nobody_submits_expires(house: House, around: World) -> None:
    request = await house.planned("resume")
    around.clock.passes(600.1)
    assert (await house.ended(request)).why is Why.APPROVAL_EXPIRED


async def test_who_can_not_start_in_time_expires(house: House, around: World) -> None:
    request = await house.approved("resume")
    around.clock.passes(120.1)
    request = await house.ended(request)
    assert (request.state, request.why) == (State.EXPIRED, Why.EXECUTION_EXPIRED)
    assert around.received == 0


async def test_the_time_to_start_in_is_judged_in_the_transaction_that_starts(around: World) -> None:
    def at(point: str) -> None:
        if point == "start":
            around.clock.passes(120.1)

    async with around.house(at) as house:
        request = await house.ended(await house.approved("resume"))
        assert (request.state, request.why) == (State.EXPIRED, Why.EXECUTION_EXPIRED)
    assert around.received == 0


async def test_what_was_not_sent_by_its_deadline_is_not_sent(around: World) -> None:
    def at(point: str) -> None:
        if point == "started":
            around.clock.passes(3.1)

    async with around.house(at) as house:
        request = await house.ended(await house.submitted("halt"))
        assert (request.state, request.why) == (State.FAILED, Why.DEADLINE)
    assert around.received == 0


# --- what forbids a start --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "name"), [(Scope.EVERYTHING, ""), (Scope.ACTION, "resume"), (Scope.TARGET, "engine")]
)
async def test_a_freeze_blocks_it(house: House, around: World, scope: Scope, name: str) -> None:
    assert house.metric("action_blocked_total", action="resume", reason="frozen") == 0
    request = await house.approved("resume")
    await house.desk.freeze(house.person("otto"), scope, name, "I am not sure")
    request = await house.ended(request)
    assert (request.state, request.why) == (State.BLOCKED, Why.FROZEN)
    assert around.received == 0
    assert house.metric("action_blocked_total", action="resume", reason="frozen") == 1
    assert house.metric("receiver_frozen") == 1


@pytest.mark.parametrize(("scope", "name"), [(Scope.ACTION, "halt"), (Scope.TARGET, "mute")])
async def test_a_freeze_of_something_else_does_not(house: House, scope: Scope, name: str) -> None:
    await house.desk.freeze(house.person("otto"), scope, name, "I am not sure")
    assert (await house.ended(await house.approved("resume"))).state is State.SUCCEEDED


@pytest.mark.parametrize("outside", ["file", "environment"])
async def test_a_file_or_the_environment_freezes_too(house: House, around: World, outside: str) -> None:
    if outside == "file":
        (around.folder / "freeze").touch()
    else:
        around.environment["OCC_FREEZE"] = "1"
    request = await house.ended(await house.approved("resume"))
    assert (request.state, request.why) == (State.BLOCKED, Why.FROZEN)
    assert house.metric("receiver_frozen") == 1


async def test_a_freeze_from_outside_pages_when_it_comes_and_is_told_when_it_goes(around: World) -> None:
    file = around.folder / "freeze"
    file.touch()
    came = ("freeze", "page", "Frozen from outside: the freeze file is there")
    for _ in range(2):  # it is there at the next start, too; as long as nobody was told, one notice says it
        async with around.house() as house:
            await house.settle()
            await house.settle()
            assert house.notices() == [came]
    async with around.house() as house:
        await house.settle()
        file.unlink()
        await house.settle()
        assert house.notices() == [came, ("unfreeze", "ticket", "Not frozen from outside any more")]
        kinds = [entry["kind"] for entry in house.recorded() if entry["kind"].startswith("found.")]
        assert kinds == ["found.freeze", "found.freeze", "found.freeze", "found.unfreeze"]


async def test_no_freeze_stops_what_is_protective(house: House, around: World) -> None:
    await house.desk.freeze(house.person("otto"), Scope.EVERYTHING, "", "I am not sure")
    (around.folder / "freeze").touch()
    assert (await house.ended(await house.submitted("halt"))).state is State.SUCCEEDED


async def test_a_freeze_between_two_steps_leaves_the_rest(around: World) -> None:
    def at(point: str) -> None:
        if point == "sent":
            (around.folder / "freeze").touch()

    async with around.house(at) as house:
        request = await house.ended(await house.approved("halt-all"))
        assert (request.state, request.why) == (State.PARTIAL, Why.FROZEN)
        assert around.trading.engine.halted == {"binance"}
        assert ("escalation", "page", "halt-all: only a part of it was applied") in house.notices()


async def test_a_cooldown_counts_what_started_whatever_became_of_it(house: House, around: World) -> None:
    around.fails(Fault.REFUSE)
    assert (await house.ended(await house.approved("seldom"))).state is State.FAILED
    around.clock.passes(59)
    assert (await house.ended(await house.approved("seldom"))).why is Why.COOLDOWN
    around.clock.passes(2)
    assert (await house.ended(await house.approved("seldom"))).state is State.SUCCEEDED


async def test_a_clock_that_was_back_for_a_while_gives_no_start_anew(house: House, around: World) -> None:
    await house.ended(await house.approved("seldom"))
    for days in (-3, 3):
        around.clock.now += days * 86_400 * SECOND
        await house.look()
        around.clock.passes(1)
    for freeze in await house.desk.freezes():
        for name in ("cora", "carl") if freeze.lifted_at is None else ():
            await house.desk.unfreeze(house.person(name), freeze.id, "the clock is right")
    assert (await house.ended(await house.approved("seldom"))).why is Why.COOLDOWN


async def test_so_many_a_day_and_no_more(house: House, around: World) -> None:
    for _ in range(3):
        assert (await house.ended(await house.approved("seldom"))).state is State.SUCCEEDED
        around.clock.passes(3600)
    assert (await house.ended(await house.approved("seldom"))).why is Why.PER_DAY
    around.clock.passes(21 * 3600 + 1)
    assert (await house.ended(await house.approved("seldom"))).state is State.SUCCEEDED


async def test_what_is_in_doubt_counts_as_spent(house: House, around: World) -> None:
    around.fails(Fault.COMMIT_THEN_DROP)
    around.fails(Fault.ERROR, None, Befalls.OPERATIONS)
    first = await house.ended(await house.approved("seldom"))
    assert first.state is State.IN_DOUBT
    around.clock.passes(30)
    second = await house.ended(await house.approved("seldom"))
    assert (second.state, second.why) == (State.BLOCKED, Why.COOLDOWN)


async def test_a_role_that_was_taken_away_takes_its_approval_along(house: House, around: World) -> None:
    request = await house.approved("resume")
    book = around.write(people=files.PEOPLE | {"rita": ("viewer",)})
    await house.desk.adopt(book, "receiver")
    request = await house.ended(request)
    assert (request.state, request.why) == (State.BLOCKED, Why.APPROVALS_MISSING)


async def test_rules_that_are_adopted_while_prometheus_is_asked_are_those_it_is_judged_by(
    house: House, around: World
) -> None:
    request = await house.approved("answering", fingerprint=await house.alert())
    around.told.let = asyncio.Event()
    looking = asyncio.create_task(house.look())
    await around.told.asked.wait()
    await house.desk.adopt(around.write(people=files.PEOPLE | {"rita": ("viewer",)}), "receiver")
    around.told.let.set()
    await looking
    assert (await house.ended(request)).why is Why.APPROVALS_MISSING
    assert around.received == 0


async def test_a_requester_who_may_not_any_more_does_not(house: House, around: World) -> None:
    request = await house.approved("resume")
    await house.desk.adopt(around.write(people=files.PEOPLE | {"opal": ("viewer",)}), "receiver")
    assert (await house.ended(request)).why is Why.NOT_PERMITTED


async def test_another_definition_voids_the_approval(house: House, around: World) -> None:
    request = await house.approved("resume")
    await house.desk.adopt(around.write(ACTIONS.replace("Let the engine quote again", "Another")), "receiver")
    request = await house.ended(request)
    assert (request.state, request.why) == (State.BLOCKED, Why.DEFINITION_CHANGED)


async def test_without_a_checkpoint_outside_only_what_is_protective_starts(house: House, around: World) -> None:
    folder = around.folder / "checkpoints"
    folder.rename(around.folder / "gone")
    waiting = await house.ended(await house.approved("resume"))
    assert waiting.state is State.APPROVED
    assert (await house.ended(await house.submitted("halt"))).state is State.SUCCEEDED
    (around.folder / "gone").rename(folder)
    assert (await house.ended(waiting)).state is State.SUCCEEDED


async def test_what_is_not_protective_is_under_a_checkpoint_before_it_is_sent(around: World) -> None:
    covered: list[bool] = []

    def at(point: str) -> None:
        if point == "cleared":
            newest = max((around.folder / "checkpoints").glob("checkpoint-*.json"))
            begun = next(entry["seq"] for entry in standing.recorded() if entry["kind"] == "request.running")
            covered.append(orjson.loads(newest.read_bytes())["seq"] >= begun)

    async with around.house(at) as standing:
        await standing.ended(await standing.approved("resume"))
    assert covered == [True]


async def test_what_can_not_be_put_under_a_checkpoint_once_begun_is_not_sent(around: World) -> None:
    folder = around.folder / "checkpoints"

    def at(point: str) -> None:
        if point == "started":
            folder.rename(around.folder / "gone")

    async with around.house(at) as house:
        request = await house.ended(await house.approved("resume"))
        (around.folder / "gone").rename(folder)
        assert (request.state, request.why) == (State.FAILED, Why.NO_CHECKPOINT)
    assert around.received == 0


async def test_the_alert_must_fire_where_the_action_says_so(house: House, around: World) -> None:
    fingerprint = await house.alert()
    request = await house.approved("answering", fingerprint=fingerprint)
    around.told.firing = False
    assert (await house.ended(request)).why is Why.NOT_FIRING
    around.told.firing = True
    request = await house.ended(await house.approved("answering", fingerprint=fingerprint))
    assert request.state is State.SUCCEEDED
    assert request.parameters == {"venue": "binance"}


async def test_a_label_that_the_firing_alert_has_not_fills_nothing(house: House, around: World) -> None:
    around.told.labels = {}  # whoever sends alerts has put the venue beside those of Prometheus
    request = await house.ended(await house.approved("answering", fingerprint=await house.alert()))
    assert (request.state, request.why) == (State.BLOCKED, Why.NOT_FIRING)
    assert around.received == 0


async def test_targets_of_one_server_exclude_each_other(house: House, around: World) -> None:
    await house.desk.adopt(around.write(ACTIONS.replace("target: mute", "target: other")), "receiver")
    around.fails(Fault.COMMIT_THEN_DROP)
    around.fails(Fault.ERROR, None, Befalls.OPERATIONS)
    doubted = await house.ended(await house.approved("unasked"))  # of the target `other`
    assert doubted.state is State.IN_DOUBT
    halt = await house.ended(await house.submitted("halt"))  # of the target `engine`, which is the same server
    assert halt.state is State.APPROVED
    around.clock.passes(10)
    for name in ("cora", "carl"):
        await house.desk.release(house.person(name), doubted.id, applied=False, reason="its log")
    around.trading.faults.clear()
    await house.look()
    assert (await house.ended(halt)).state is State.SUCCEEDED


async def test_without_prometheus_it_waits_and_what_is_protective_runs(house: House, around: World) -> None:
    fingerprint = await house.alert()
    around.told.answers = False
    waiting = await house.ended(await house.approved("answering", fingerprint=fingerprint))
    assert waiting.state is State.APPROVED
    done = await house.ended(await house.submitted("answering-safely", fingerprint=fingerprint))
    assert done.state is State.VERIFYING
    assert around.received == 1
    around.told.answers = True
    around.clock.passes(1)
    await house.settle()
    assert set((await house.states()).values()) == {State.SUCCEEDED}


async def test_the_live_state_is_looked_at_again_right_before(house: House, around: World) -> None:
    width = around.trading.engine.parameters["quote_width_bps"]
    request = await house.approved("widen", parameters={"width": "10"})
    width.value = "30"  # by somebody else: now it would be more at once than is allowed
    request = await house.ended(request)
    assert (request.state, request.why) == (State.BLOCKED, Why.OUT_OF_BOUNDS)
    assert (width.value, around.received) == ("30", 0)


async def test_a_target_that_can_not_be_asked_before_is_waited_for(house: House, around: World) -> None:
    request = await house.approved("widen", parameters={"width": "10"})
    around.fails(Fault.ERROR, None, Befalls.PARAMETERS)
    assert (await house.ended(request)).state is State.APPROVED
    around.trading.faults.clear()
    assert (await house.ended(request)).state is State.SUCCEEDED
    assert around.trading.engine.parameters["quote_width_bps"].value == "10"


# --- one at a time ---------------------------------------------------------------------------------------------------


async def test_what_needs_a_busy_target_waits(house: House, around: World) -> None:
    around.told.confirms = False
    first = await house.ended(await house.submitted("halt"))
    second = await house.ended(await house.approved("resume"))
    assert (first.state, second.state) == (State.VERIFYING, State.APPROVED)
    around.told.confirms = True
    around.clock.passes(1)
    await house.settle()
    assert set((await house.states()).values()) == {State.SUCCEEDED}


async def test_who_waits_too_long_expires(house: House, around: World) -> None:
    around.fails(Fault.COMMIT_THEN_DROP)
    around.fails(Fault.ERROR, None, Befalls.OPERATIONS)
    await house.ended(await house.submitted("halt"))
    second = await house.approved("resume")
    around.clock.passes(121)
    assert (await house.ended(second)).why is Why.EXECUTION_EXPIRED


async def test_another_target_is_not_busy(house: House, around: World) -> None:
    around.told.confirms = False
    await house.ended(await house.submitted("halt"))
    assert (await house.ended(await house.approved("unasked"))).state is State.VERIFYING


async def test_fences_grow_from_holder_to_holder(house: House) -> None:
    first = await house.ended(await house.submitted("halt"))
    second = await house.ended(await house.approved("resume"))
    fences = [(await house.desk.effects(request.id))[0].fence for request in (first, second)]
    assert fences[0] < fences[1]


# --- outcomes --------------------------------------------------------------------------------------------------------


async def test_what_the_target_refuses_has_failed(house: House, around: World) -> None:
    around.fails(Fault.REFUSE)
    request = await house.ended(await house.submitted("halt"))
    assert (request.state, request.why) == (State.FAILED, Why.REFUSED)
    assert house.notices() == [("escalation", "ticket", "halt: failed")]


async def test_a_later_step_that_fails_leaves_a_part(around: World) -> None:
    def at(point: str) -> None:
        if point == "recorded":
            around.fails(Fault.REFUSE)

    async with around.house(at) as house:
        request = await house.ended(await house.approved("halt-all"))
        assert (request.state, request.why) == (State.PARTIAL, Why.REFUSED)
        assert request.applied_at is not None


async def test_what_is_not_seen_to_work_fails_and_names_what_undoes_it(house: House, around: World) -> None:
    around.told.confirms = False
    request = await house.ended(await house.approved("resume"))
    assert request.state is State.VERIFYING
    around.clock.passes(31)
    request = await house.ended(request)
    assert (request.state, request.why) == (State.FAILED, Why.NOT_CONFIRMED)
    assert house.notices() == [("escalation", "page", "resume: failed")]
    assert house.rows("SELECT text ->> 'undo' AS undo FROM outbox") == [{"undo": "halt"}]


# --- in doubt --------------------------------------------------------------------------------------------------------


async def test_a_reply_that_was_lost_is_in_doubt_and_found_again(house: House, around: World) -> None:
    around.fails(Fault.COMMIT_THEN_DROP)
    request = await house.ended(await house.submitted("halt"))
    assert request.state is State.SUCCEEDED
    assert house.kinds(request)[-4:] == [
        f"request.{state}" for state in ("running", "in_doubt", "verifying", "succeeded")
    ]
    assert list(around.effects.values()) == [1]
    assert [notice[:2] for notice in house.notices()] == [("in_doubt", "page"), ("outcome", "info")]


async def test_not_applied_is_believed_only_once_nothing_can_come_any_more(house: House, around: World) -> None:
    around.fails(Fault.DROP)
    request = await house.ended(await house.submitted("halt"))
    assert request.state is State.IN_DOUBT
    around.clock.passes(4.9)  # a deadline of 3 s, and 2 s of the target's
    assert (await house.ended(request)).state is State.IN_DOUBT
    around.clock.passes(2)
    request = await house.ended(request)
    assert (request.state, request.why) == (State.FAILED, Why.NOT_APPLIED)
    assert around.effects == {}


async def test_a_wall_clock_that_was_set_ahead_settles_nothing(house: House, around: World) -> None:
    around.fails(Fault.DROP)
    request = await house.ended(await house.submitted("halt"))
    around.clock.now += 3600 * SECOND
    around.clock.passes(1)
    assert (await house.ended(request)).state is State.IN_DOUBT


async def test_what_is_in_doubt_keeps_its_keys(house: House, around: World) -> None:
    around.fails(Fault.DROP)
    await house.ended(await house.submitted("halt"))
    second = await house.ended(await house.approved("resume"))
    assert second.state is State.APPROVED
    around.clock.passes(7)
    assert (await house.ended(second)).state is State.SUCCEEDED


async def test_keys_are_kept_also_where_their_rows_were_cleared(house: House, around: World) -> None:
    around.fails(Fault.DROP)
    await house.ended(await house.submitted("halt"))
    house.tamper("UPDATE leases SET request_id = NULL")
    assert (await house.ended(await house.approved("resume"))).state is State.APPROVED


async def test_a_later_step_in_doubt_that_was_applied_completes_it(around: World) -> None:
    def at(point: str) -> None:
        if point == "recorded":
            around.fails(Fault.COMMIT_THEN_DROP)

    async with around.house(at) as house:
        assert (await house.ended(await house.approved("halt-all"))).state is State.SUCCEEDED
    assert list(around.effects.values()) == [1, 1]


async def test_a_first_step_in_doubt_that_was_applied_leaves_a_part(house: House, around: World) -> None:
    around.fails(Fault.COMMIT_THEN_DROP)
    request = await house.ended(await house.approved("halt-all"))
    assert request.state is State.PARTIAL
    assert around.trading.engine.halted == {"binance"}
    assert [effect.state for effect in await house.desk.effects(request.id)] == ["applied"]


async def test_a_target_that_can_not_be_asked_leaves_it_to_people(house: House, around: World) -> None:
    around.fails(Fault.COMMIT_THEN_DROP)
    request = await house.ended(await house.approved("unasked"))
    around.clock.passes(3600)
    assert (await house.ended(request)).state is State.IN_DOUBT
    assert house.metric("action_in_doubt") == 1
    await house.desk.release(house.person("cora"), request.id, applied=True, reason="I saw it in its log")
    assert (await house.ended(request)).state is State.IN_DOUBT
    await house.desk.release(house.person("carl"), request.id, applied=True, reason="so did I")
    assert (await house.ended(request)).state is State.SUCCEEDED


# --- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [2.1, -2.1])
async def test_a_clock_that_jumps_stops_what_waits_and_freezes(house: House, around: World, seconds: float) -> None:
    planned, waiting = await house.planned("resume"), await house.approved("resume")
    around.clock.now += int(seconds * SECOND)
    await house.settle()
    found = [await house.desk.request(request.id) for request in (planned, waiting)]
    assert [(request.state, request.why) for request in found] == [
        (State.EXPIRED, Why.CLOCK),
        (State.BLOCKED, Why.CLOCK),
    ]
    assert around.received == 0
    assert [notice[0] for notice in house.notices()] == ["clock"]
    assert (await house.ended(await house.approved("resume"))).why is Why.FROZEN
    assert (await house.ended(await house.submitted("halt"))).state is State.SUCCEEDED


async def test_a_jump_between_the_look_and_the_start_stops_the_start(around: World) -> None:
    jumps = [10 * SECOND]

    def at(point: str) -> None:
        if point == "start" and jumps:
            around.clock.now += jumps.pop()

    async with around.house(at) as house:
        request = await house.approved("resume")
        await house.look()
        assert around.received == 0
        assert (await house.ended(request)).why is Why.CLOCK


async def test_a_clock_that_is_slewed_stops_nothing(house: House, around: World) -> None:
    around.clock.now += int(1.9 * SECOND)
    assert (await house.ended(await house.approved("resume"))).state is State.SUCCEEDED


# --- other rules meanwhile -------------------------------------------------------------------------------------------


async def test_what_is_in_doubt_is_asked_of_the_target_that_was_approved_and_of_no_other(
    house: House, around: World
) -> None:
    around.fails(Fault.COMMIT_THEN_DROP)
    around.fails(Fault.ERROR, 1, Befalls.OPERATIONS)
    request = await house.ended(await house.approved("resume"))
    assert request.state is State.IN_DOUBT
    async with Server(Trading({"binance": ("BTC/USDT",)}), token=files.ENGINE_TOKEN) as another:
        await house.desk.adopt(around.write(ACTIONS.replace("{engine}", another.url)), "receiver")
        around.clock.passes(60)
        assert (await house.ended(request)).state is State.IN_DOUBT
    await house.desk.adopt(around.write(), "receiver")
    around.clock.passes(60)
    assert (await house.ended(request)).state is State.SUCCEEDED


async def test_it_is_verified_as_it_was_planned_whatever_the_rules_are_by_now(house: House, around: World) -> None:
    around.told.confirms = False
    request = await house.ended(await house.approved("resume"))
    await house.desk.adopt(
        around.write(ACTIONS.replace("name: resume", "name: go-on").replace("undo: resume", "undo: halt")), "receiver"
    )
    around.told.confirms = True
    around.clock.passes(1)
    assert (await house.ended(request)).state is State.SUCCEEDED
