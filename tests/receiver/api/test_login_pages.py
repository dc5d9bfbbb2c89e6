"""Pages for people: to log in and out without JavaScript, and nothing to see for anybody else."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from http.cookies import SimpleCookie

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from receiver.clock import SECOND
from receiver.people import TOGETHER
from receiver.sessions import LASTS, proof
from tests.receiver import acting
from tests.receiver.api.conftest import Office, Whole


class Form(HTMLParser):
    """The fields of a page's forms, by their names, and what else there is of elements."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.tags: set[str] = set()
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        if tag == "input":
            self.fields[given["name"] or ""] = given.get("value") or ""


def origin(client: TestClient[web.Request, web.Application]) -> str:
    return str(client.make_url("/")).rstrip("/")


def credentials(person: str = "opal", **more: str) -> dict[str, str]:
    return {"person": person, "password": acting.password(person), **more}


async def send(office: Office, path: str, fields: Mapping[str, str], **headers: str) -> ClientResponse:
    given = {"Origin": origin(office.client), **headers}
    return await office.client.post(path, data=fields, headers=given, allow_redirects=False)


async def logged_in(office: Office, **more: str) -> ClientResponse:
    response = await send(office, "/login", credentials(**more))
    assert response.status == 303
    return response


# --- nobody -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/a/0123456789abcdef"])
async def test_nobody_sees_a_page_and_everybody_finds_back_to_it(office: Office, path: str) -> None:
    response = await office.client.get(path, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, f"/login?to={path}")
    form = Form(await (await office.client.get(response.headers["Location"])).text())
    assert form.fields == {"person": "", "password": "", "to": path}
    assert "script" not in form.tags
    after = await logged_in(office, to=path)
    assert after.headers["Location"] == path


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/a/x",
        "/api/v1/me",
        "/logout",
        "",
        "/a/0123456789abcdef\n",
    ],
)
async def test_the_way_back_leads_to_a_page_of_ours(office: Office, to: str) -> None:
    assert (await logged_in(office, to=to)).headers["Location"] == "/"
    page = await office.client.get("/login", params={"to": to})
    assert Form(await page.text()).fields["to"] == "/"


async def test_the_stylesheet_is_everybody_s(office: Office) -> None:
    assert (await office.client.get("/style.css")).status == 200


# --- logging in -------------------------------------------------------------------------------------------------------


async def test_the_cookie_is_for_this_server_and_no_script(office: Office) -> None:
    [cookie] = SimpleCookie((await logged_in(office)).headers["Set-Cookie"]).values()
    assert (cookie.key, cookie["httponly"], cookie["samesite"], cookie["path"]) == ("occ", True, "Strict", "/")
    assert (cookie["domain"], cookie["max-age"], cookie["expires"], cookie["secure"]) == ("", "", "", "")


async def test_who_is_logged_in_sees_it_and_can_log_out(office: Office) -> None:
    response = await logged_in(office)
    token = response.cookies["occ"].value
    page = await (await office.client.get("/")).text()
    assert "<bdi>opal</bdi> (operator)" in page
    form = Form(page)
    assert form.fields == {"proof": proof(token)}
    out = await send(office, "/logout", form.fields)
    assert (out.status, out.headers["Location"]) == (303, "/login")
    assert 'occ=""' in out.headers["Set-Cookie"]
    assert await office.people.doors.sessions.find(token) is None
    assert (await office.client.get("/", allow_redirects=False)).status == 303


async def test_the_way_out_needs_the_proof(office: Office) -> None:
    token = (await logged_in(office)).cookies["occ"].value
    for fields in ({}, {"proof": ""}, {"proof": "0" * 64}, {"proof": token}):
        assert (await send(office, "/logout", fields)).status == 403
    assert await office.people.doors.sessions.find(token) is not None


async def test_another_login_ends_the_session_before(office: Office) -> None:
    first = (await logged_in(office)).cookies["occ"].value
    second = (await logged_in(office)).cookies["occ"].value
    assert await office.people.doors.sessions.find(first) is None
    assert await office.people.doors.sessions.find(second) is not None


async def test_logged_out_twice_is_no_matter(office: Office) -> None:
    assert (await send(office, "/logout", {})).status == 303


async def test_wrong_is_said_and_nothing_typed_is_repeated(office: Office) -> None:
    response = await send(office, "/login", {"person": "opal<b>", "password": "gu3ss", "to": "/"})
    page = await response.text()
    assert response.status == 401
    assert "Name or password are wrong." in page
    assert "gu3ss" not in page
    assert "opal" not in page
    assert "Set-Cookie" not in response.headers


async def test_guessing_is_slowed_down(office: Office) -> None:
    for _ in range(TOGETHER.burst):
        await send(office, "/login", {"person": "opal", "password": "guess"})
    response = await send(office, "/login", credentials())
    assert (response.status, response.headers["Retry-After"]) == (429, "30")
    assert "Too many attempts; try again in 30 s." in await response.text()


async def test_it_ends_by_itself(office: Office) -> None:
    await logged_in(office)
    office.clock.passes(LASTS / SECOND)
    assert (await office.client.get("/", allow_redirects=False)).status == 303


# --- other sites ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/login", "/logout"])
@pytest.mark.parametrize("foreign", ["https://evil.example", "null", "", "http://127.0.0.1:1", "https://occ.example"])
async def test_a_form_of_another_site_is_refused(office: Office, path: str, foreign: str) -> None:
    response = await send(office, path, credentials(), Origin=foreign)
    assert response.status == 403
    assert "Set-Cookie" not in response.headers


async def test_no_origin_is_another_one(office: Office) -> None:
    response = await office.client.post("/login", data=credentials(), allow_redirects=False)
    assert response.status == 403


async def test_only_forms_are_taken(office: Office) -> None:
    response = await office.client.post("/login", json=credentials(), headers={"Origin": origin(office.client)})
    assert response.status == 415


async def test_behind_a_proxy_with_tls_the_cookie_is_for_tls_alone(office: Office) -> None:
    headers = {"Origin": "https://occ.example", "Host": "occ.example"}
    response = await send(office, "/login", credentials(), **headers)
    [cookie] = SimpleCookie(response.headers["Set-Cookie"]).values()
    assert (response.status, cookie.key, cookie["secure"], cookie["path"]) == (303, "__Host-occ", True, "/")
    page = await office.client.get("/", headers={"Host": "occ.example", "Cookie": f"__Host-occ={cookie.value}"})
    assert "<bdi>opal</bdi>" in await page.text()
    in_the_clear = {"Host": "occ.example", "Cookie": f"occ={cookie.value}"}
    assert (await office.client.get("/", headers=in_the_clear, allow_redirects=False)).status == 303


async def test_every_page_is_hardened(whole: Whole) -> None:
    for path in ("/login", "/", "/a/x", "/logout"):
        async with whole.client.get(path, allow_redirects=False) as response:
            policy = set(response.headers["Content-Security-Policy"].split("; "))
            assert {"default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"} <= policy
            assert response.headers["Referrer-Policy"] == "same-origin"
