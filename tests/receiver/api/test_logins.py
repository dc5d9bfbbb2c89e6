"""Logging in and out through the API, by tokens and by the cookies of browsers."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

import pytest

from receiver.api.openapi import PROOF
from receiver.doors import COOKIE
from receiver.people import TOGETHER
from receiver.sessions import proof
from tests.receiver import acting
from tests.receiver.api.conftest import Office


def login(person: str, password: str | None = None) -> Mapping[str, str]:
    return {"person": person, "password": acting.password(person) if password is None else password}


async def test_a_token_for_a_name_and_a_password(office: Office) -> None:
    status, answer = await office.ask("POST", "/sessions", json=login("opal"))
    assert (status, answer["person"], answer["roles"]) == (201, "opal", ["operator"])
    headers = {"Authorization": f"Bearer {answer['token']}"}
    status, me = await office.ask("GET", "/me", headers=headers)
    assert (status, me["person"], me["proof"]) == (200, "opal", None)
    assert me["expires_at"] == answer["expires_at"]


@pytest.mark.parametrize(
    ("person", "password"), [("opal", "guess"), ("nobody", "guess"), ("opal", acting.password("tara"))]
)
async def test_wrong_is_wrong_and_nothing_tells_what(office: Office, person: str, password: str) -> None:
    status, answer = await office.ask("POST", "/sessions", json=login(person, password))
    assert (status, answer) == (401, {"error": {"why": "not_authenticated", "message": "name or password are wrong"}})


async def test_guessing_is_slowed_down(office: Office) -> None:
    for _ in range(TOGETHER.burst):
        await office.ask("POST", "/sessions", json=login("opal", "guess"))
    async with office.client.post("/api/v1/sessions", json=login("opal")) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "30")
        assert (await response.json())["error"]["why"] == "too_many"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer x", "Basic b3BhbDpvcGFs", "x", "Bearer a b"])
async def test_what_is_no_token(office: Office, header: str) -> None:
    status, answer = await office.ask("GET", "/me", headers={"Authorization": header})
    assert (status, answer["error"]["why"]) == (401, "not_authenticated")


async def test_one_session_ends_and_then_all(office: Office) -> None:
    tokens = [(await office.ask("POST", "/sessions", json=login("opal")))[1]["token"] for _ in range(3)]
    first, second, third = ({"Authorization": f"Bearer {token}"} for token in tokens)
    assert await office.ask("POST", "/sessions/current/revoke", headers=first) == (200, {"sessions": 1})
    assert (await office.ask("GET", "/me", headers=first))[0] == 401
    assert (await office.ask("GET", "/me", headers=second))[0] == 200
    assert await office.ask("POST", "/sessions/revoke", headers=third) == (200, {"sessions": 2})
    assert (await office.ask("GET", "/me", headers=second))[0] == 401


async def test_a_forged_session_is_none(office: Office) -> None:
    await office.token("opal")
    office.house.tamper("UPDATE sessions SET person = 'cora'")
    status, _ = await office.ask("GET", "/me", "opal")
    assert status == 401


async def test_whoever_guesses_through_a_proxy_keeps_nobody_else_out(office: Office) -> None:
    async def logs_in(password: str, address: str) -> int:
        told = {"person": "opal", "password": password}
        return (await office.ask("POST", "/sessions", headers={"X-Forwarded-For": address}, json=told))[0]

    office.people.doors.link("https://occ.example", [ip_network("127.0.0.1")])
    assert [await logs_in("guessed", "198.51.100.1") for _ in range(TOGETHER.burst + 1)] == [401] * TOGETHER.burst + [
        429
    ]
    assert await logs_in(acting.password("opal"), "198.51.100.1") == 429
    assert await logs_in(acting.password("opal"), "203.0.113.9") == 201


# --- browsers ---------------------------------------------------------------------------------------------------------


async def cookie(office: Office, person: str = "opal") -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={await office.token(person)}"}


def origin(office: Office) -> str:
    return str(office.client.make_url("/")).rstrip("/")


FREEZE = {"scope": "everything", "reason": "a test"}


async def test_a_cookie_reads(office: Office) -> None:
    status, me = await office.ask("GET", "/me", headers=await cookie(office))
    assert (status, me["person"]) == (200, "opal")
    assert me["proof"] == proof(await office.token("opal"))


async def test_a_cookie_changes_nothing_unless_a_page_of_ours_sends_it(office: Office) -> None:
    right = {"Origin": origin(office), PROOF: proof(await office.token("opal"))}
    for missing in (["Origin"], [PROOF], ["Origin", PROOF]):
        headers = {name: value for name, value in right.items() if name not in missing}
        status, answer = await office.ask("POST", "/freezes", headers=await cookie(office) | headers, json=FREEZE)
        assert (status, answer["error"]["why"]) == (403, "not_permitted"), missing
    status, _ = await office.ask("POST", "/freezes", headers=await cookie(office) | right, json=FREEZE)
    assert status == 201


@pytest.mark.parametrize(
    "foreign", ["null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1", "https://occ.example"]
)
async def test_another_origin_is_refused(office: Office, foreign: str) -> None:
    headers = {"Origin": foreign, PROOF: proof(await office.token("opal"))}
    status, _ = await office.ask("POST", "/freezes", headers=await cookie(office) | headers, json=FREEZE)
    assert status == 403


async def test_another_s_proof_is_none(office: Office) -> None:
    for wrong in (proof(await office.token("tara")), "", "0" * 64, await office.token("opal"), "ü"):
        headers = {"Origin": origin(office), PROOF: wrong}
        status, _ = await office.ask("POST", "/freezes", headers=await cookie(office) | headers, json=FREEZE)
        assert status == 403


async def test_a_wrong_token_is_not_helped_by_a_right_cookie(office: Office) -> None:
    headers = await cookie(office) | {"Authorization": "Bearer x"}
    assert (await office.ask("GET", "/me", headers=headers))[0] == 401


async def test_what_a_browser_plans_is_an_operator_s(office: Office) -> None:
    headers = await cookie(office) | {"Origin": origin(office), PROOF: proof(await office.token("opal"))}
    wanted = {"action": "halt", "parameters": {"venue": "binance"}, "reason": "a test"}
    status, request = await office.ask("POST", "/requests", headers=headers, json=wanted)
    assert (status, request["origin"]) == (201, "operator")
