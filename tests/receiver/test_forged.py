"""Writing to the database, or putting an old row back, is no power: nothing that was not recorded is ever executed."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from demo.engine.faults import Befalls, Fault
from receiver.audit.seal import Forged
from receiver.desk import Refusal
from receiver.freezes import Scope
from receiver.life import State
from receiver.requests import Request
from receiver.why import Why
from tests.receiver.house import House, World, world


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


@pytest.fixture
async def house(around: World) -> AsyncIterator[House]:
    async with around.house() as made:
        yield made


def put_back(house: House, table: str, row: dict[str, Any]) -> None:
    columns = ", ".join(f"{name} = :{name}" for name in row)
    house.tamper(f"UPDATE {table} SET {columns} WHERE id = :id", **row)


def elsewhere(house: House, statement: str) -> None:
    """With a tool of somebody's own, which holds no foreign key."""
    with closing(sqlite3.connect(house.place.folder / "receiver.db")) as connection, connection:
        assert connection.execute(statement).rowcount


async def doubtful(house: House, around: World, action: str = "resume") -> Request:
    """What nobody knows of whether it took effect."""
    around.fails(Fault.COMMIT_THEN_DROP)
    around.fails(Fault.ERROR, None, Befalls.OPERATIONS)
    request = await house.ended(await house.approved(action))
    assert request.state is State.IN_DOUBT
    return request


async def released(house: House, request: Request, *, applied: bool) -> Request:
    """By the word of two people."""
    for name in ("cora", "carl"):
        request = await house.desk.release(house.person(name), request.id, applied=applied, reason="its log")
    return request


async def stopped(house: House, around: World, received: int = 0) -> None:
    """Nothing more is sent, everything is frozen by the receiver itself, and people are told why."""
    await house.settle()
    assert around.received == received
    assert [(freeze.person, freeze.scope) for freeze in await house.desk.freezes()] == [("receiver", Scope.EVERYTHING)]
    assert [notice[:2] for notice in house.notices() if notice[0] == "tampered"] == [("tampered", "page")]


@pytest.mark.parametrize("state", ["approved", "running", "in_doubt", "verifying"])
async def test_a_request_that_was_moved_on_by_hand_is_not_carried_on(house: House, around: World, state: str) -> None:
    request = await house.submitted("resume")
    house.tamper(
        "UPDATE requests SET state = :state, approved_at = created_at, start_by = created_at + 120000000", state=state
    )
    await stopped(house, around)
    assert house.rows("SELECT state FROM requests") == [{"state": state}]
    with pytest.raises(Refusal) as refusal:
        await house.desk.approve(house.person("tara"), request.id, request.plan_hash, "seen")
    assert refusal.value.why is Why.FORGED


@pytest.mark.parametrize(
    "change",
    [
        """parameters = '{"venue":"deribit"}'""",
        "plan = CAST(replace(plan, 'binance', 'deribit') AS BLOB)",
        "start_by = start_by + 1000000",
        "person = 'otto'",
        "action = 'seldom'",
        "rule = (SELECT hash FROM definitions WHERE kind = 'rule' LIMIT 1), definition = rule",
        "seal = 'x'",
    ],
)
async def test_an_approved_request_that_was_changed_does_not_start(house: House, around: World, change: str) -> None:
    await house.approved("resume")
    house.tamper(f"UPDATE requests SET {change}")
    await stopped(house, around)


async def test_a_request_that_was_put_back_does_not_run_again(house: House, around: World) -> None:
    request = await house.approved("resume")
    (before,) = house.rows("SELECT * FROM requests")
    assert (await house.ended(request)).state is State.SUCCEEDED
    put_back(house, "requests", before)
    await stopped(house, around, received=1)


async def test_an_approval_that_was_written_by_hand_is_none(house: House, around: World) -> None:
    request = await house.submitted("resume")
    await house.desk.approve(house.person("tara"), request.id, request.plan_hash, "seen")
    house.tamper(
        "INSERT INTO decisions SELECT 'f0f0f0f0f0f0f0f0', subject, kind, 'rita', '[\"risk\"]', plan_hash, seen, reason, at, "
        "audit_seq, seal FROM decisions"
    )
    with pytest.raises(Refusal) as refusal:
        await house.desk.approve(house.person("rita"), request.id, request.plan_hash, "seen")
    assert refusal.value.why is Why.FORGED
    await stopped(house, around)


async def test_an_approval_that_was_changed_stops_the_start(house: House, around: World) -> None:
    request = await house.approved("resume")
    house.tamper("UPDATE decisions SET person = 'otto' WHERE person = 'tara'")
    await stopped(house, around)
    found = await house.desk.request(request.id)
    assert (found.state, found.why) == (State.BLOCKED, Why.FORGED)


async def test_an_approval_that_is_gone_is_missing(house: House, around: World) -> None:
    request = await house.approved("resume")
    house.tamper("DELETE FROM decisions WHERE person = 'tara'")
    request = await house.ended(request)
    assert (request.state, request.why) == (State.BLOCKED, Why.APPROVALS_MISSING)
    assert around.received == 0


@pytest.mark.parametrize(
    "change", ["DELETE FROM freezes", "UPDATE freezes SET lifted_at = at", "UPDATE freezes SET name = 'seldom'"]
)
async def test_a_freeze_is_not_lifted_by_hand(house: House, around: World, change: str) -> None:
    await house.desk.freeze(house.person("otto"), Scope.ACTION, "resume", "I am not sure")
    request = await house.approved("resume")
    house.tamper(change)
    request = await house.ended(request)
    assert (request.state, request.why) == (State.BLOCKED, Why.FORGED)
    assert around.received == 0
    assert house.metric("receiver_frozen") == 1


@pytest.mark.parametrize(
    "change", ["DELETE FROM requests WHERE id = :id", "UPDATE requests SET started_at = 1 WHERE id = :id"]
)
async def test_a_start_counts_also_where_its_row_is_gone(house: House, around: World, change: str) -> None:
    first = await house.ended(await house.approved("seldom"))
    house.tamper("DELETE FROM effects")
    house.tamper("UPDATE leases SET request_id = NULL")
    house.tamper(change, id=first.id)
    second = await house.ended(await house.approved("seldom"))
    assert (second.state, second.why) == (State.BLOCKED, Why.COOLDOWN)


async def test_a_definition_that_was_changed_is_not_done(house: House, around: World) -> None:
    await house.approved("resume")
    house.tamper(
        "UPDATE definitions SET bytes = CAST(replace(bytes, '/resume', '/halt') AS BLOB) WHERE kind = 'action'"
    )
    await stopped(house, around)


LOST = (
    "DELETE FROM definitions",
    "UPDATE definitions SET bytes = CAST(replace(bytes, '/resume', '/halt') AS BLOB) WHERE kind = 'action'",
)


@pytest.mark.parametrize("change", LOST)
@pytest.mark.parametrize(("applied", "why"), [(True, Why.NOT_CONFIRMED), (False, Why.NOT_APPLIED)])
async def test_what_is_in_doubt_is_released_without_its_definition(
    house: House, around: World, change: str, *, applied: bool, why: Why
) -> None:
    request = await doubtful(house, around)
    elsewhere(house, change)
    around.clock.passes(60)
    await stopped(house, around, received=1)
    request = await released(house, request, applied=applied)
    assert (request.state, request.why, request.applied_at is not None) == (State.FAILED, why, applied)
    record = house.recorded()[-1]
    assert (record["kind"], record["by"], record["data"]["why"]) == ("request.failed", "carl", why)
    assert set(record["data"]["facts"]["released_by"].split(", ")) == {"cora", "carl"}
    around.trading.faults.clear()
    await house.look()
    halt = await house.ended(await house.submitted("halt"))
    assert halt.state is State.SUCCEEDED, "the keys are let go of"


async def test_of_what_has_lost_its_definition_nobody_says_too_soon_that_nothing_came(
    house: House, around: World
) -> None:
    request = await doubtful(house, around)
    elsewhere(house, LOST[0])
    around.clock.passes(4)  # its deadline is over, and what was sent may still come
    with pytest.raises(Refusal) as refusal:
        await released(house, request, applied=False)
    assert refusal.value.why is Why.UNCLEAR


@pytest.mark.parametrize("change", LOST)
async def test_what_can_not_be_verified_without_its_definition_has_failed(
    house: House, around: World, change: str
) -> None:
    around.told.confirms = False
    request = await house.ended(await house.approved("resume"))
    assert request.state is State.VERIFYING
    elsewhere(house, change)
    around.clock.passes(2)
    await stopped(house, around, received=1)
    request = await house.desk.request(request.id)
    assert (request.state, request.why) == (State.FAILED, Why.FORGED)
    assert ("escalation", "page", "resume: failed") in house.notices()


async def test_a_definition_that_was_changed_is_put_right_for_whoever_asks_anew(house: House, around: World) -> None:
    before = await house.approved("resume")
    house.tamper(LOST[1])
    anew = await house.planned("resume")
    assert anew.definition == before.definition
    assert [notice[0] for notice in house.notices()] == ["tampered"]
    with house.database.reading.begin() as connection:
        assert house.audit.verify(connection, house.checkpoints) == ()


@pytest.mark.parametrize("change", LOST)
@pytest.mark.parametrize("state", [State.IN_DOUBT, State.APPROVED])
async def test_a_lost_definition_is_found_at_the_start_and_what_is_in_doubt_keeps_its_keys(
    around: World, change: str, state: State
) -> None:
    async with around.house() as house:
        request = await (house.approved("resume") if state is State.APPROVED else doubtful(house, around))
        elsewhere(house, change)
        if state is State.IN_DOUBT:
            house.tamper("UPDATE leases SET request_id = NULL")
    received = around.received
    async with around.house() as house:
        assert {str(trouble).split(" ")[1] for trouble in house.troubles} == {"definition"}
        await house.engine.take_over()
        await stopped(house, around, received)
        request = await house.desk.request(request.id)
        assert request.state is (State.IN_DOUBT if state is State.IN_DOUBT else State.EXPIRED)
        halt = await house.ended(await house.submitted("halt"))
        assert halt.state is (State.APPROVED if state is State.IN_DOUBT else State.SUCCEEDED)
        if state is State.IN_DOUBT:
            around.clock.passes(10)
            assert (await released(house, request, applied=True)).why is Why.NOT_CONFIRMED
            await house.look()
            assert (await house.ended(halt)).state is not State.APPROVED


async def test_a_trigger_that_keeps_a_row_as_it_was_stops_the_start(house: House, around: World) -> None:
    request = await house.approved("resume")
    with house.database.writing.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER evil BEFORE UPDATE ON requests WHEN NEW.state = 'running' BEGIN SELECT RAISE(IGNORE); END"
        )
    await stopped(house, around)
    found = await house.desk.request(request.id)
    assert (found.state, found.why) == (State.BLOCKED, Why.FORGED)
    assert "request.running" not in house.kinds(request)


async def test_what_a_trigger_keeps_from_being_recorded_is_in_doubt(house: House, around: World) -> None:
    request = await house.approved("resume")
    with house.database.writing.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER evil BEFORE UPDATE ON requests WHEN NEW.state = 'verifying' BEGIN SELECT RAISE(IGNORE); END"
        )
    await stopped(house, around, received=1)
    assert (await house.desk.request(request.id)).state is State.IN_DOUBT
    assert "in_doubt" in {notice[0] for notice in house.notices()}


async def test_another_alert_can_not_be_put_in_the_place_of_the_one_it_answers(house: House, around: World) -> None:
    request = await house.approved("answering", fingerprint=await house.alert("Quiet"))
    house.tamper("""UPDATE episodes SET labels = '{"alertname":"NodeLagging"}'""")  # which fires
    assert (await house.ended(request)).why is Why.NOT_FIRING
    assert around.received == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE effects SET state = 'not_applied'",
        "UPDATE effects SET started_at = 0, deadline_at = 0, settled_at = 0, idempotency_key = 'x'",
        "DELETE FROM effects",
        "UPDATE leases SET request_id = NULL, fence = 0",
    ],
)
async def test_what_carries_no_seal_decides_nothing(house: House, around: World, change: str) -> None:
    around.fails(Fault.DROP)
    around.fails(Fault.ERROR, 1, Befalls.OPERATIONS)
    request = await house.ended(await house.approved("resume"))
    house.tamper(change)
    around.clock.passes(4)
    assert (await house.ended(request)).state is State.IN_DOUBT
    assert (await house.ended(await house.submitted("halt"))).state is State.APPROVED
    with pytest.raises(Refusal):
        await house.desk.release(house.person("cora"), request.id, applied=False, reason="its log")
    assert around.received == 0
    around.clock.passes(4)
    assert (await house.ended(request)).why is Why.NOT_APPLIED


@pytest.mark.parametrize(
    "change", ["UPDATE requests SET state = 'failed' WHERE id = :id", "DELETE FROM requests WHERE id = :id"]
)
async def test_what_is_in_doubt_keeps_its_keys_also_where_its_row_says_otherwise(
    house: House, around: World, change: str
) -> None:
    around.fails(Fault.COMMIT_THEN_DROP)
    around.fails(Fault.ERROR, None, Befalls.OPERATIONS)
    request = await house.ended(await house.approved("resume"))
    house.tamper("DELETE FROM effects")
    house.tamper("UPDATE leases SET request_id = NULL")
    house.tamper(change, id=request.id)
    received = around.received
    await stopped(house, around, received)
    assert (await house.ended(await house.submitted("halt"))).state is State.APPROVED
    assert around.received == received


async def test_a_later_word_that_was_deleted_does_not_bring_the_earlier_one_back(house: House, around: World) -> None:
    around.fails(Fault.COMMIT_THEN_DROP)
    request = await house.ended(await house.approved("unasked"))
    around.clock.passes(60)
    for applied in (False, True):
        await house.desk.release(house.person("cora"), request.id, applied=applied, reason="its log")
        around.clock.passes(1)
    house.tamper("DELETE FROM decisions WHERE kind = 'applied'")
    with pytest.raises(Refusal) as refusal:
        await house.desk.release(house.person("carl"), request.id, applied=False, reason="its log")
    assert refusal.value.why is Why.FORGED
    assert (await house.desk.request(request.id)).state is State.IN_DOUBT


async def test_a_fence_that_was_written_by_hand_is_not_sent(house: House, around: World) -> None:
    await house.ended(await house.submitted("halt"))
    house.tamper("UPDATE leases SET fence = 9223372036854775806")
    assert (await house.ended(await house.submitted("halt"))).state is State.SUCCEEDED
    assert around.trading.engine.fence < 2 * around.clock.now


@pytest.mark.parametrize("column", ["why", "approve_by", "evidence", "parameters", "plan", "created_at"])
async def test_nonsense_in_one_row_is_not_in_the_way_of_the_others(house: House, around: World, column: str) -> None:
    await house.submitted("resume")
    house.tamper(f"UPDATE requests SET {column} = 'nonsense'")
    assert await house.desk.requests() == []
    assert (await house.ended(await house.submitted("halt"))).state is State.SUCCEEDED


@pytest.mark.parametrize("column", ["why", "reason", "evidence", "plan", "created_at"])
async def test_what_somebody_could_not_read_is_told_to_all(house: House, around: World, column: str) -> None:
    request = await house.submitted("resume")
    house.tamper(f"UPDATE requests SET {column} = 'nonsense'")
    records = len(house.recorded())
    assert await house.desk.requests() == []
    with pytest.raises(Forged):
        await house.desk.request(request.id)
    assert len(house.recorded()) == records, "reading changes nothing"
    await stopped(house, around)
    records = len(house.recorded())
    await house.desk.requests()
    await house.settle()
    assert len(house.recorded()) == records, "it is said once"


async def test_what_the_background_has_found_freezes_and_pages(house: House, around: World) -> None:
    await house.submitted("resume")
    house.tamper("UPDATE requests SET reason = 'another'")
    for _ in range(2):
        with house.database.reading.begin() as connection:
            found = house.audit.verify(connection, house.checkpoints)
        await house.engine.alarm(found)
    await stopped(house, around)
    assert [entry["kind"] for entry in house.recorded()].count("found.tampered") == 1


async def test_the_step_in_doubt_is_the_one_that_was_recorded(around: World) -> None:
    def at(point: str) -> None:
        if point == "recorded":
            around.fails(Fault.COMMIT_THEN_DROP)
            around.fails(Fault.ERROR, 1, Befalls.OPERATIONS)

    async with around.house(at) as house:
        request = await house.ended(await house.approved("halt-all"))
        assert request.state is State.IN_DOUBT
        house.tamper("DELETE FROM effects WHERE step = 1")
        house.tamper("UPDATE effects SET state = 'unclear'")
        around.clock.passes(2)
        assert (await house.ended(request)).state is State.SUCCEEDED


async def test_behind_a_record_that_this_process_did_not_write_nothing_starts(house: House, around: World) -> None:
    await house.submitted("halt")
    house.tamper(
        "INSERT INTO audit SELECT seq + 1, 'x' || substr(hash, 2), subject, bytes, seal FROM audit "
        "ORDER BY seq DESC LIMIT 1"
    )
    await house.settle()
    assert around.received == 0
    assert set((await house.states()).values()) == {State.APPROVED}


async def test_what_was_changed_while_nobody_looked_is_found_at_the_start(around: World) -> None:
    async with around.house() as house:
        await house.submitted("resume")
        waiting = await house.submitted("halt")
        house.tamper(
            "UPDATE requests SET state = 'approved', approved_at = 1, start_by = approve_by WHERE action = 'resume'"
        )
    async with around.house() as house:
        assert house.troubles
        await house.engine.take_over()
        await stopped(house, around)
        found = await house.desk.request(waiting.id)
        assert (found.state, found.why) == (State.EXPIRED, Why.FORGED)


async def test_what_is_said_is_said_once(house: House, around: World) -> None:
    await house.approved("resume")
    house.tamper("UPDATE requests SET start_by = start_by + 1")
    await stopped(house, around)
    records = len(house.recorded())
    await house.settle()
    await stopped(house, around)
    assert len(house.recorded()) == records
