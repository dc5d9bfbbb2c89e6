"""What is sent: too large, no JSON, of another kind, or not what an operation takes. None of it does anything."""

from __future__ import annotations

import asyncio
import gzip
import re

import pytest

from receiver.api import OPERATIONS
from receiver.api.errors import STATUS, Failure
from receiver.api.operations import PATH_PATTERNS
from receiver.api.server import AT_ONCE, MAX_BODY_BYTES, WAITING, Turns
from receiver.why import SENTENCES, Why
from tests.receiver.api.conftest import Office

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("raw", "headers", "status", "why"),
    [
        (b"", JSON, 400, "malformed"),
        (b"{", JSON, 400, "malformed"),
        (b"[]", JSON, 400, "malformed"),
        (b"null", JSON, 400, "malformed"),
        (b'{"scope": "everything"}', JSON, 400, "malformed"),
        (b'{"scope": "everything", "reason": "\xff"}', JSON, 400, "malformed"),
        (b'{"scope": "everything", "reason": "\\ud800"}', JSON, 400, "malformed"),
        (b'{"scope": "everything", "reason": "x", "more": 1}', JSON, 400, "malformed"),
        (b"[" * 10_000, JSON, 400, "malformed"),
        (b'{"scope": "action", "name": "halt", "reason": "x", "scope": "everything"}', JSON, 400, "malformed"),
        (b'{"scope": "everything", "reason": "x", "r\\u0065ason": "y"}', JSON, 400, "malformed"),
        (b'{"reason": "' + b"x" * MAX_BODY_BYTES + b'"}', JSON, 413, "too_large"),
        (gzip.compress(b"x" * 10_000_000), JSON | {"Content-Encoding": "gzip"}, 413, "too_large"),
        (b"no gzip", JSON | {"Content-Encoding": "gzip"}, 400, "malformed"),
        (b'{"scope": "everything", "reason": "x"}', {"Content-Type": "text/plain"}, 415, "media_type"),
        (b"scope=everything&reason=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "media_type"),
    ],
)
async def test_what_can_not_be_read(office: Office, raw: bytes, headers: dict[str, str], status: int, why: str) -> None:
    found, answer = await office.ask("POST", "/freezes", "opal", data=raw, headers=headers)
    assert (found, answer["error"]["why"]) == (status, why)
    assert (await office.get("/freezes"))["freezes"] == []


async def test_what_was_sent_is_not_repeated(office: Office) -> None:
    wanted = {"scope": "s3cret-scope", "reason": "x", "name": "<script>s3cret", "s3cret\n\u202ekey": 1}
    _, answer = await office.ask("POST", "/freezes", "opal", json=wanted)
    assert "s3cret-scope" not in answer["error"]["message"]
    assert "script" not in answer["error"]["message"]
    assert answer["error"]["message"].isprintable()


async def test_every_problem_is_named(office: Office) -> None:
    _, answer = await office.ask("POST", "/freezes", "opal", json={"scope": "x", "more": 1})
    assert answer["error"]["message"] == (
        "scope: Input should be 'everything', 'action' or 'target'; reason: Field required; more: Extra inputs are not permitted"
    )


async def test_a_query_where_none_is_taken(office: Office) -> None:
    status, _ = await office.ask("GET", "/me?x=1", "opal")
    assert status == 400


@pytest.mark.parametrize("id_", ["x", "0" * 15, "0" * 17, "F" * 16, "0" * 15 + "%00", "..%2f..%2fme"])
async def test_what_can_be_no_id_is_not_found(office: Office, id_: str) -> None:
    status, answer = await office.ask("GET", f"/requests/{id_}", "opal")
    assert (status, answer["error"]["why"]) == (404, "not_found")


async def test_who_asks_is_judged_before_what_they_ask(office: Office) -> None:
    """Nobody learns anything without a session."""
    for operation in OPERATIONS:
        if not operation.public:
            path = re.sub(r"{\w+}", "x", operation.path)
            status, answer = await office.ask(operation.method, f"{path}?x=1", data=b"x")
            assert (operation.name, status, answer["error"]["why"]) == (operation.name, 401, "not_authenticated")


async def test_a_database_that_can_not_be_written(office: Office) -> None:
    token = await office.token("opal")
    office.house.tamper(
        "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ROLLBACK, 'disk I/O error'); END"
    )
    headers = {"Authorization": f"Bearer {token}"}
    given = {"scope": "everything", "reason": "a test"}
    async with office.client.post("/api/v1/freezes", json=given, headers=headers) as response:
        assert (response.status, response.headers.get("Retry-After")) == (503, "1")
        assert (await response.json())["error"]["why"] == "unavailable"


def test_every_reason_has_a_status_and_a_sentence() -> None:
    assert set(STATUS) == set(Why) == set(SENTENCES)
    assert {status // 100 for status in STATUS.values()} == {4, 5}


def test_a_failure_says_what_its_reason_means_unless_it_knows_better() -> None:
    assert str(Failure(Why.NOT_FOUND)) == SENTENCES[Why.NOT_FOUND]
    assert str(Failure(Why.NOT_FOUND, "no request")) == "no request"


def test_operations_are_named_once_and_every_place_has_its_bounds() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)
    places = {
        part.strip("{}") for operation in OPERATIONS for part in operation.path.split("/") if part.startswith("{")
    }
    assert places == set(PATH_PATTERNS)


async def test_one_person_can_not_keep_the_others_waiting() -> None:
    """Some requests of a person are answered at once, some wait, what is more is refused; others do not notice."""
    turns, leave, through = Turns(), asyncio.Event(), 0

    async def request(person: str) -> None:
        nonlocal through
        async with turns.turn(person):
            through += 1
            await leave.wait()

    tasks = [asyncio.create_task(request("opal")) for _ in range(AT_ONCE + WAITING)]
    await asyncio.sleep(0)
    assert through == AT_ONCE
    with pytest.raises(Failure) as refused:
        await request("opal")
    assert (refused.value.why, refused.value.headers) == (Why.TOO_MANY, {"Retry-After": "1"})
    leave.set()
    await request("rita")
    await asyncio.gather(*tasks, request("opal"))
    assert through == AT_ONCE + WAITING + 2
