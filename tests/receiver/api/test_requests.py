"""Requests from the plan to the end, as the API shows and takes them."""

from __future__ import annotations

import orjson
import pytest

from receiver.canonical import sha256
from tests.receiver.api.conftest import Answer, Office
from tests.receiver.support import NOW


async def planned(office: Office, action: str = "resume", person: str = "opal", **more: object) -> Answer:
    parameters = {"venue": "binance"} if action in ("halt", "resume") else {}
    return await office.post("/requests", person, action=action, parameters=parameters, reason="a test", **more)


async def test_two_approvals_and_it_runs(office: Office) -> None:
    request = await planned(office)
    id_, plan_hash = request["id"], request["plan_hash"]
    assert (request["state"], request["person"], request["origin"]) == ("planned", "opal", "api")
    submitted = await office.post(f"/requests/{id_}/submit", "opal", plan_hash=plan_hash)
    assert submitted["state"] == "pending_approval"
    for person, state in (("tara", "pending_approval"), ("rita", "approved")):
        office.clock.passes(1)
        answer = await office.post(f"/requests/{id_}/approve", person, plan_hash=plan_hash, reason="I have read it")
        assert answer["state"] == state
    await office.house.settle()
    whole = await office.get(f"/requests/{id_}")
    assert whole["request"]["state"] == "succeeded"
    assert [(it["kind"], it["person"], it["roles"]) for it in whole["decisions"]] == [
        ("approve", "tara", ["trader"]),
        ("approve", "rita", ["risk"]),
    ]
    assert [(it["executor"], it["state"]) for it in whole["effects"]] == [("http", "applied")]
    assert sum(office.world.effects.values()) == 1
    reviewed = await office.post(f"/requests/{id_}/review", "cora", reason="looks right")
    assert reviewed["state"] == "succeeded"


async def test_the_plan_is_what_its_hash_says(office: Office) -> None:
    request = await planned(office)
    whole = await office.get(f"/requests/{request['id']}")
    assert whole["plan"]["action"] == "resume"
    assert whole["plan"]["parameters"] == {"venue": "binance"}
    [row] = office.house.rows("SELECT plan FROM requests")
    assert orjson.loads(row["plan"]) == whole["plan"]
    assert sha256(row["plan"]) == request["plan_hash"]


async def test_it_says_who_is_missing_and_who_could_help(office: Office) -> None:
    request = await planned(office)
    await office.post(f"/requests/{request['id']}/submit", "opal", plan_hash=request["plan_hash"])
    whole = await office.get(f"/requests/{request['id']}")
    assert whole["missing"] == [{"role": "trader", "count": 1}, {"role": "risk", "count": 1}]
    assert whole["approvers"] == ["tara", "rita"]
    await office.post(f"/requests/{request['id']}/approve", "tara", plan_hash=request["plan_hash"], reason="read")
    whole = await office.get(f"/requests/{request['id']}")
    assert (whole["missing"], whole["approvers"]) == ([{"role": "risk", "count": 1}], ["rita"])


async def test_a_protective_one_starts_at_one_word(office: Office) -> None:
    request = await planned(office, "halt")
    submitted = await office.post(f"/requests/{request['id']}/submit", "opal", plan_hash=request["plan_hash"])
    assert submitted["state"] == "approved"


async def test_parameters_come_from_the_stored_alert(office: Office) -> None:
    fingerprint = await office.house.alert(venue="deribit")
    request = await office.post("/requests", "opal", action="halt", reason="a test", fingerprint=fingerprint)
    assert request["parameters"] == {"venue": "deribit"}
    episode = await office.get(f"/episodes/{request['episode']}")
    assert episode["fingerprint"] == fingerprint


async def test_asked_twice_with_one_key_it_is_one_request(office: Office) -> None:
    first, second = await planned(office, idempotency_key="k1"), await planned(office, idempotency_key="k1")
    assert first == second
    assert len((await office.get("/requests"))["requests"]) == 1
    other = {"action": "resume", "parameters": {"venue": "deribit"}, "reason": "a test", "idempotency_key": "k1"}
    assert await office.refused("/requests", "opal", **other) == (409, "plan_changed")


@pytest.mark.parametrize(
    ("wanted", "status", "why"),
    [
        ({"action": "nothing"}, 404, "not_found"),
        ({"parameters": {}}, 422, "out_of_bounds"),
        ({"parameters": {"venue": "kraken"}}, 422, "out_of_bounds"),
        ({"parameters": {"venue": "binance", "more": "1"}}, 422, "out_of_bounds"),
        ({"parameters": {"venue": "binance\n"}}, 422, "out_of_bounds"),
        ({"fingerprint": "0" * 16}, 404, "not_found"),
        ({"reason": ""}, 400, "malformed"),
        ({"reason": " \n "}, 400, "malformed"),
        ({"reason": "\u00a0\u200b\u2066\u3000\ufeff\U000e0041"}, 400, "malformed"),
        ({"reason": "\u0085\u009f\u2028\u202e"}, 400, "malformed"),
        ({"reason": "a\x00b"}, 400, "malformed"),
        ({"reason": "x" * 1001}, 400, "malformed"),
        ({"parameters": {"venue": 1}}, 400, "malformed"),
        ({"parameters": {"venue": None}}, 400, "malformed"),
        ({"parameters": ["binance"]}, 400, "malformed"),
        ({"fingerprint": "../etc"}, 400, "malformed"),
        ({"person": "cora"}, 400, "malformed"),
        ({"origin": "automatic"}, 400, "malformed"),
    ],
)
async def test_what_can_not_be_planned(office: Office, wanted: Answer, status: int, why: str) -> None:
    body = {"action": "resume", "parameters": {"venue": "binance"}, "reason": "a test", **wanted}
    assert await office.refused("/requests", "opal", **body) == (status, why)
    assert (await office.get("/requests"))["requests"] == []


async def test_an_approval_is_of_the_plan_that_was_read(office: Office) -> None:
    request = await planned(office)
    path = f"/requests/{request['id']}"
    assert await office.refused(f"{path}/submit", "opal", plan_hash="0" * 64) == (409, "plan_changed")
    await office.post(f"{path}/submit", "opal", plan_hash=request["plan_hash"])
    wrong = {"plan_hash": "0" * 64, "reason": "read"}
    assert await office.refused(f"{path}/approve", "tara", **wrong) == (409, "plan_changed")
    assert await office.refused(f"{path}/reject", "tara", **wrong) == (409, "plan_changed")


async def test_nobody_counts_twice(office: Office) -> None:
    request = await planned(office)
    path, decision = f"/requests/{request['id']}", {"plan_hash": request["plan_hash"], "reason": "read"}
    await office.post(f"{path}/submit", "opal", plan_hash=request["plan_hash"])
    await office.post(f"{path}/approve", "tara", **decision)
    assert await office.refused(f"{path}/approve", "tara", **decision) == (409, "already_decided")


async def test_what_expired_is_said(office: Office) -> None:
    request = await planned(office)
    office.clock.passes(3600)
    refused = await office.refused(f"/requests/{request['id']}/submit", "opal", plan_hash=request["plan_hash"])
    assert refused == (409, "approval_expired")


async def test_a_forged_row_is_no_request(office: Office) -> None:
    request = await planned(office)
    office.house.tamper("UPDATE requests SET state = 'approved'")
    status, answer = await office.ask("GET", f"/requests/{request['id']}", "vic")
    assert (status, answer["error"]["why"]) == (503, "forged")
    refused = await office.refused(f"/requests/{request['id']}/submit", "opal", plan_hash=request["plan_hash"])
    assert refused == (503, "forged")


async def test_lists_are_narrowed(office: Office) -> None:
    first = await planned(office)
    office.clock.passes(1)
    second = await planned(office, "halt")
    listed = (await office.get("/requests"))["requests"]
    assert [it["id"] for it in listed] == [second["id"], first["id"]]
    assert len((await office.get("/requests?limit=1"))["requests"]) == 1
    assert (await office.get("/requests?state=succeeded"))["requests"] == []
    assert [it["id"] for it in (await office.get("/requests?state=planned"))["requests"]] == [second["id"], first["id"]]


async def test_instants_are_rfc_3339(office: Office) -> None:
    office.clock.now = NOW
    request = await planned(office)
    assert request["created_at"] == "2026-09-21T14:13:20Z"
    assert request["submitted_at"] is None
