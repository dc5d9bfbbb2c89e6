"""Who may do what, and when: the table, written by hand, of every person, every route and every state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from demo.engine.faults import Befalls, Fault
from receiver.api import OPERATIONS, incidents
from receiver.life import State
from receiver.policy import Role
from receiver.rulebook import Rulebook
from receiver.runner import Point
from tests.receiver import acting
from tests.receiver.api.conftest import Answer, Office

ENDED = {"succeeded", "partial", "failed", "denied", "rejected", "expired", "cancelled", "blocked"}

TURNS: dict[str, tuple[set[str], set[str]]] = {
    # route     who, of a request by opal     in which states
    "submit": ({"opal"}, {"planned"}),
    "approve": ({"tara", "rita"}, {"pending_approval"}),
    "reject": ({"tara", "rita"}, {"pending_approval", "approved"}),
    "cancel": ({"opal"}, {"planned", "pending_approval", "approved"}),
    "review": ({"cora", "carl"}, ENDED),
    "release": ({"cora", "carl"}, {"in_doubt"}),
}

READS = {"/me", "/approvals", "/now", "/health", "/alerts/{fingerprint}", "/automation", "/episodes", "/episodes/1", "/actions", "/actions/halt", "/requests", "/freezes", "/audit",
         "/audit/checkpoints", "/outbox", "/notifiers"}  # fmt: skip
"""Everybody who is logged in may read all of it."""

MAY_PLAN = {"halt": {"opal", "otto"}, "resume": {"opal", "otto"}}
MAY_FREEZE = {"opal", "otto", "tara"}
MAY_UNFREEZE = {"cora", "carl"}
MAY_TEST_NOTIFIERS = {"ada", "cora", "carl"}

EVERYBODY = set(acting.PEOPLE)


def test_the_table_speaks_of_every_role_every_state_and_every_route() -> None:
    assert {role for roles in acting.PEOPLE.values() for role in roles} == set(Role.__args__)  # type: ignore[attr-defined]
    assert set(SETUPS) == set(State)
    turns = {operation.name for operation in OPERATIONS if operation.path.startswith("/requests/{id}/")}
    assert turns == set(TURNS)
    told = {
        "login",
        "logout",
        "logout_everywhere",
        "audit_export",
        "request",
        "plan",
        "freeze",
        "unfreeze",
        "test_notifiers",
    }
    told |= {operation.name for operation in incidents.OPERATIONS}  # test_incidents.py has their table
    reads = {operation.name for operation in OPERATIONS if operation.method == "GET"} - told
    assert len(reads) == len(READS)
    assert {operation.name for operation in OPERATIONS if operation.method == "POST"} - turns - told == set()


# --- a request in every state -----------------------------------------------------------------------------------------

Setup = Callable[[Office], Awaitable[Answer]]


async def planned(office: Office, action: str = "resume") -> Answer:
    parameters = {"venue": "binance"} if action == "resume" else {}
    return await office.post("/requests", "opal", action=action, parameters=parameters, reason="a test")


async def pending(office: Office, action: str = "resume") -> Answer:
    request = await planned(office, action)
    return await office.post(f"/requests/{request['id']}/submit", "opal", plan_hash=request["plan_hash"])


async def approved(office: Office, action: str = "resume") -> Answer:
    request = await pending(office, action)
    for person in ("tara", "rita"):
        given = {"plan_hash": request["plan_hash"], "reason": "read"}
        request = await office.post(f"/requests/{request['id']}/approve", person, **given)
    return request


async def ran(office: Office, action: str = "resume") -> Answer:
    request = await approved(office, action)
    await office.house.settle()
    return request


async def running(office: Office) -> Answer:
    """Its process goes away right after it was started."""
    office.points[Point.STARTED] = _gone
    request = await approved(office)
    await office.house.look()
    return request


def _gone() -> None:
    raise asyncio.CancelledError


async def verifying(office: Office) -> Answer:
    office.world.told.confirms = False
    return await ran(office)


async def partly(office: Office) -> Answer:
    """The target refuses the second step."""
    office.points[Point.RECORDED] = partial(office.world.fails, Fault.REFUSE)
    return await ran(office, "halt-all")


async def failed(office: Office) -> Answer:
    office.world.fails(Fault.REFUSE)
    return await ran(office)


async def in_doubt(office: Office) -> Answer:
    office.world.fails(Fault.COMMIT_THEN_DROP)
    office.world.fails(Fault.DROP, None, Befalls.OPERATIONS)
    return await ran(office)


async def denied(office: Office) -> Answer:
    request = await planned(office)
    book = office.house.desk.rules.current
    people = tuple(it.model_copy(update={"roles": ("viewer",)}) if it.id == "opal" else it for it in book.policy.people)
    changed = book.policy.model_copy(update={"people": people})
    await office.house.desk.adopt(Rulebook(book.catalogue, changed), "receiver")
    return await office.post(f"/requests/{request['id']}/submit", "opal", plan_hash=request["plan_hash"])


async def rejected(office: Office) -> Answer:
    request = await pending(office)
    given = {"plan_hash": request["plan_hash"], "reason": "no"}
    return await office.post(f"/requests/{request['id']}/reject", "tara", **given)


async def expired(office: Office) -> Answer:
    request = await pending(office)
    office.clock.passes(3600)
    await office.house.settle()
    return request


async def cancelled(office: Office) -> Answer:
    request = await pending(office)
    return await office.post(f"/requests/{request['id']}/cancel", "opal", reason="no")


async def blocked(office: Office) -> Answer:
    await office.post("/freezes", "opal", scope="everything", reason="a test")
    return await ran(office)


SETUPS: dict[str, Setup] = {
    "planned": planned,
    "pending_approval": pending,
    "approved": approved,
    "running": running,
    "verifying": verifying,
    "succeeded": ran,
    "partial": partly,
    "failed": failed,
    "denied": denied,
    "rejected": rejected,
    "expired": expired,
    "cancelled": cancelled,
    "blocked": blocked,
    "in_doubt": in_doubt,
}


# --- the table --------------------------------------------------------------------------------------------------------


def body(turn: str, request: Answer) -> Answer:
    reason = {} if turn == "submit" else {"reason": "a test"}
    plan_hash = {"plan_hash": request["plan_hash"]} if turn in ("submit", "approve", "reject") else {}
    return {**reason, **plan_hash, **({"applied": True} if turn == "release" else {})}


def expected(turn: str, person: str, state: str) -> int:
    """A request's state is judged before whoever asks; but that nobody else submits it is so in every state."""
    who, states = TURNS[turn]
    if turn == "submit" and person not in who:
        return 403
    if state not in states:
        return 409
    return 200 if person in who else 403


@pytest.mark.parametrize("state", SETUPS)
async def test_who_may_do_what_in_this_state(office: Office, state: str) -> None:
    request = await SETUPS[state](office)
    path = f"/requests/{request['id']}"
    assert (await office.get(path))["request"]["state"] == state
    cells = [(turn, person, expected(turn, person, state)) for turn in TURNS for person in acting.PEOPLE]
    for turn, person, status in cells:
        if status != 200:
            found, _ = await office.ask("POST", f"{path}/{turn}", person, json=body(turn, request))
            assert (turn, person, found) == (turn, person, status)
    assert (await office.get(path))["request"]["state"] == state, "what is refused changes nothing"
    for turn, person, status in cells:
        if status == 200:
            if state in ("planned", "pending_approval", "approved"):
                request = await SETUPS[state](office)
            found, answer = await office.ask(
                "POST", f"/requests/{request['id']}/{turn}", person, json=body(turn, request)
            )
            assert (turn, person, found) == (turn, person, status), answer


@pytest.mark.parametrize("turn", TURNS)
async def test_nobody_does_anything_without_a_session(office: Office, turn: str) -> None:
    request = await pending(office)
    refused = await office.refused(f"/requests/{request['id']}/{turn}", None, **body(turn, request))
    assert refused == (401, "not_authenticated")


@pytest.mark.parametrize("action", MAY_PLAN)
async def test_who_may_plan(office: Office, action: str) -> None:
    for person in acting.PEOPLE:
        wanted = {"action": action, "parameters": {"venue": "binance"}, "reason": "a test"}
        status, _ = await office.ask("POST", "/requests", person, json=wanted)
        assert (person, status) == (person, 201 if person in MAY_PLAN[action] else 403)


async def test_who_may_freeze_and_who_may_not_lift_it(office: Office) -> None:
    for person in acting.PEOPLE:
        wanted = {"scope": "everything", "reason": "a test"}
        status, _ = await office.ask("POST", "/freezes", person, json=wanted)
        assert (person, status) == (person, 201 if person in MAY_FREEZE else 403)
    frozen = (await office.get("/freezes"))["freezes"][0]
    for person in sorted(acting.PEOPLE, key=lambda name: name in MAY_UNFREEZE):
        status, _ = await office.ask("POST", f"/freezes/{frozen['id']}/unfreeze", person, json={"reason": "a test"})
        assert (person, status) == (person, 200 if person in MAY_UNFREEZE else 403)


async def test_nobody_decides_on_their_own_even_with_every_role(office: Office) -> None:
    book = office.house.desk.rules.current
    every = ("operator", "trader", "risk", "commander", "admin")
    people = tuple(it.model_copy(update={"roles": every}) if it.id == "opal" else it for it in book.policy.people)
    policy = book.policy.model_copy(update={"people": people})
    await office.house.desk.adopt(Rulebook(book.catalogue, policy), "receiver")
    request = await pending(office)
    for turn in ("approve", "reject"):
        refused = await office.refused(f"/requests/{request['id']}/{turn}", "opal", **body(turn, request))
        assert refused == (403, "own_request")


async def test_everybody_reads_and_nobody_else(office: Office) -> None:
    fingerprint = await office.house.alert()
    for path in (path.format(fingerprint=fingerprint) for path in READS):
        for person in acting.PEOPLE:
            status, _ = await office.ask("GET", path, person)
            assert (path, person, status) == (path, person, 200)
        status, answer = await office.ask("GET", path)
        assert (path, status, answer["error"]["why"]) == (path, 401, "not_authenticated")


async def test_who_may_have_test_messages_sent(office: Office) -> None:
    for person in acting.PEOPLE:
        status, _ = await office.ask("POST", "/notifiers/test", person)
        assert (person, status) == (person, 200 if person in MAY_TEST_NOTIFIERS else 403)
