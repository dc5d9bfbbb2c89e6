"""Other sites, other windows and those who have left: what a browser must not let them do here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html import escape

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect

from receiver.sessions import proof
from tests.browser.furnished import FROZEN
from tests.browser.site import Site
from tests.browser.tabs import Tab, tab

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def elsewhere(body: str) -> AsyncIterator[str]:
    """A page of somebody else; by another name of this machine it is another site."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><title>elsewhere</title>{body}", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with TestServer(app) as server:
        yield f"http://localhost:{server.port}/"


def form(action: str, fields: Mapping[str, str]) -> str:
    hidden = "".join(f'<input name="{name}" value="{escape(value)}">' for name, value in fields.items())
    return f'<form method="post" action="{action}">{hidden}<button>Win a prize</button></form>'


async def visits(one: Tab, address: str) -> None:
    await one.page.goto(address)
    await one.page.get_by_role("button", name="Win a prize").click()
    await one.page.wait_for_load_state()


async def cookie_of(one: Tab) -> str:
    return next(each["value"] for each in await one.page.context.cookies() if each["name"] == "occ")


async def test_a_form_of_another_site_does_nothing(furnished: Site, browser: Browser) -> None:
    """Also where it has found out the proof of the session: the browser says where the form came from, and sends no cookie."""
    async with tab(browser, furnished.url) as one:
        await furnished.log_in(one, "opal")
        known = proof(await cookie_of(one))
        before = furnished.digest()
        freeze = {"do": "freeze", "scope": "everything", "reason": "a prize", "proof": known}
        plan = {"do": "plan", "action": "halt", "fingerprint": FROZEN, "reason": "a prize", "proof": known}
        for path, fields in (("/freeze", freeze), (f"/a/{FROZEN}", plan), ("/logout", {"proof": known})):
            async with elsewhere(form(f"{furnished.url}{path}", fields)) as address:
                await visits(one, address)
        assert furnished.digest() == before
        assert await one.open("/freeze") == 200, "she is logged in yet"


async def test_nobody_is_logged_in_by_another_site(furnished: Site, browser: Browser) -> None:
    given = {"person": "vic", "password": "vic's password", "to": "/"}
    async with tab(browser, furnished.url) as one, elsewhere(form(f"{furnished.url}/login", given)) as address:
        await visits(one, address)
        assert await one.page.context.cookies() == []


async def test_no_other_page_can_frame_one_of_these(furnished: Site, browser: Browser) -> None:
    async with (
        tab(browser, furnished.url) as one,
        elsewhere(f'<iframe src="{furnished.url}/login"></iframe>') as address,
    ):
        await one.page.goto(address)
        (frame,) = one.page.frames[1:]
        assert await frame.get_by_label("Name").count() == 0


async def test_who_has_logged_out_sees_nothing_by_going_back(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url) as one:
        await furnished.log_in(one, "otto")
        await one.open(f"/a/{FROZEN}")
        await one.unfold()
        await one.page.get_by_role("button", name="Log out").click()
        await expect(one.page).to_have_url(f"{furnished.url}/login")
        await one.page.go_back()
        await expect(one.page).to_have_url(f"{furnished.url}/login?to=/a/{FROZEN}")
        assert "FeedFrozen" not in await one.text()


async def test_a_session_that_was_ended_elsewhere_is_none(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url) as one, tab(browser, furnished.url) as other:
        for each in (one, other):
            await furnished.log_in(each, "carl")
        await one.page.context.clear_cookies()
        await one.page.context.add_cookies([{"name": "occ", "value": await cookie_of(other), "url": furnished.url}])
        await other.unfold()
        await other.page.get_by_role("button", name="Log out").click()
        await one.open("/history")
        assert one.path.startswith("/login?to=/history")


async def test_after_logging_in_one_is_where_the_link_led_and_nowhere_else(furnished: Site, browser: Browser) -> None:
    for to, there in ((f"/a/{FROZEN}", f"/a/{FROZEN}"), ("//evil.example", "/"), ("https://evil.example/", "/")):
        async with tab(browser, furnished.url) as one:
            await one.open(f"/login?to={to}")
            await furnished.log_in(one, "vic")
            assert one.path == there
            assert one.elsewhere == []


async def test_what_is_refused_keeps_what_was_written(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url) as one:
        await furnished.log_in(one, "opal")
        await one.open("/actions/widen")
        await one.page.get_by_label("width").fill("99")
        await one.page.get_by_label("Why").fill("wider than it may be")
        await one.page.get_by_role("button", name="Plan: Quote wider").click()
        told = one.page.get_by_role("alert").first
        await expect(told).to_contain_text("Not done")
        await expect(told).to_be_focused()
        await expect(one.page.get_by_label("width")).to_have_value("99")
        await expect(one.page.get_by_label("Why")).to_have_value("wider than it may be")
        assert (await one.page.title()).startswith("Not done: ")
