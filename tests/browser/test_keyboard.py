"""Every page by the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.browser.furnished import FROZEN
from tests.browser.site import Site
from tests.browser.tabs import PHONE, tab

pytestmark = pytest.mark.asyncio(loop_scope="module")

_STOPS = """[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
  .filter(one => !one.disabled && one.checkVisibility()).length"""
_FROM_THE_TOP = (
    "() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); }"
)
_FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  return {name: one.tagName, ring, seen: box.width > 1 && box.height > 1 && box.right > 0 && box.bottom > 0,
          top: box.top + scrollY, html: one.outerHTML.slice(0, 100)};
}"""


async def test_every_stop_is_reached_in_order_and_seen(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url, width=PHONE) as one:
        await furnished.log_in(one, "rita")
        for path in furnished.pages:
            await one.open(path)
            await one.unfold()
            await one.page.evaluate(_FROM_THE_TOP)
            stops = await one.page.evaluate(_STOPS)
            for _ in range(stops):
                await one.page.keyboard.press("Tab")
                found = await one.page.evaluate(_FOCUS)
                assert found["name"] != "BODY", f"{path}: fewer stops than {stops}"
                assert found["ring"], f"{path}: no ring around {found['html']}"
                assert found["seen"], f"{path}: {found['html']} is not to be seen"
            await one.page.keyboard.press("Tab")
            assert (await one.page.evaluate(_FOCUS))["name"] in ("BODY", "A"), f"{path}: no way out"


async def test_the_first_stop_leads_past_the_navigation(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url) as one:
        await furnished.log_in(one, "vic")
        await one.open("/")
        await one.page.keyboard.press("Tab")
        assert await one.page.evaluate("document.activeElement.className") == "skip"
        await one.page.keyboard.press("Enter")
        await one.page.keyboard.press("Tab")
        assert await one.page.evaluate("document.activeElement.closest('main') !== null")


async def test_what_is_folded_opens_by_the_keyboard(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url) as one:
        await furnished.log_in(one, "cora")
        await one.open(f"/i/{furnished.places['/i/'][0]}")
        await one.page.get_by_text("Hand it over").first.focus()
        await one.page.keyboard.press("Enter")
        await one.page.keyboard.press("Tab")
        assert await one.page.get_by_label("To whom").evaluate("one => one === document.activeElement")


async def test_from_a_link_to_a_plan_without_a_mouse(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url) as one:
        await one.open(f"/a/{FROZEN}")
        for word in ("opal", "opal's password"):
            await one.page.keyboard.type(word)
            await one.page.keyboard.press("Tab")
        await one.page.keyboard.press("Enter")
        await one.page.wait_for_url(f"{furnished.url}/a/{FROZEN}")
        button = one.page.get_by_role("button", name="Plan: Stop the engine on a venue", exact=True)
        for _ in range(60):
            await one.page.keyboard.press("Tab")
            if await button.evaluate("one => one === document.activeElement"):
                break
        await one.page.keyboard.press("Enter")
        await one.page.wait_for_url("**/r/*")
