"""Every page in a real browser: on a phone and on a desk, light and dark, for people who see, tap, type or listen."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser

from tests.browser.site import Site
from tests.browser.tabs import DESK, NARROWEST, PHONE, Tab, barriers, tab, too_small, too_wide

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERSON = "rita"
"""Who may approve, and so sees more buttons than others."""


LIGHT = 100_000
"""Bytes that a page has at most, whatever alerts and people say."""


async def all_pages(site: Site, of: Tab) -> list[str]:
    """Logs in, and gives every path that there is."""
    await site.log_in(of, PERSON)
    assert len(site.pages) > 20
    return ["/login", *site.pages]


async def test_at_the_strongest_zoom_no_page_scrolls_sideways(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url, width=NARROWEST) as one:
        found = []
        for path in await all_pages(furnished, one):
            await one.open(path)
            await one.unfold()
            found += await too_wide(one)
        assert found == []


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
async def test_nobody_is_kept_out(
    furnished: Site, browser: Browser, width: int, scheme: Literal["light", "dark"]
) -> None:
    """By axe-core, WCAG 2.2 A and AA and its best practices; by sideways scrolling; by what is too small for a finger."""
    async with tab(browser, furnished.url, width=width, scheme=scheme, guarded=False) as one:
        found = []
        for path in await all_pages(furnished, one):
            await one.open(path)
            await one.unfold()
            found += [*await too_wide(one), *await too_small(one), *await barriers(one)]
        assert found == []


async def test_every_page_is_answered_without_an_error_and_asks_nobody_else(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url) as one:
        for path in await all_pages(furnished, one):
            status = await one.open(path)
            assert status == 200, path
            await one.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
            await one.page.wait_for_load_state("networkidle")
            broken = await one.page.evaluate(
                "[...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.src)"
            )
            assert broken == [], path
            assert len((await one.page.content()).encode()) < LIGHT, path
        assert one.complaints == []


async def test_looking_changes_nothing(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url) as one:
        pages = await all_pages(furnished, one)
        before = furnished.digest()
        for path in pages:
            await one.open(path)
            for link in await one.page.evaluate("[...document.links].map(one => one.href)"):
                if link.startswith(one.url):
                    await one.page.request.get(link)
        assert furnished.digest() == before


async def test_pages_say_what_they_are(furnished: Site, browser: Browser) -> None:
    titles: dict[str, str] = {}
    async with tab(browser, furnished.url) as one:
        for path in await all_pages(furnished, one):
            await one.open(path)
            titles[path] = await one.page.title()
            assert await one.page.locator("h1").count() == 1, path
    kinds = [title for path, title in titles.items() if path.count("/") == 1]
    assert len(set(kinds)) == len(kinds), "each page has a title of its own"
