"""Whatever alerts and people say is text on every page, also where a browser would not heed the pages' policy."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from receiver.text import shown
from tests.browser.furnished import ATTACK, ATTACKS, CALLED, LURE, ODD
from tests.browser.site import Site
from tests.browser.tabs import Tab, tab

pytestmark = pytest.mark.asyncio(loop_scope="module")

_STRANGE = """[...document.querySelectorAll('*')].filter(one =>
  ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'BASE', 'STYLE', 'svg'].includes(one.tagName)
  || [...one.attributes].some(is => is.name.startsWith('on') || is.name === 'style')
  || (one.tagName === 'IMG' && !one.src.startsWith(location.origin))
  || (one.tagName === 'LINK' && !['/style.css', '/icon.svg'].includes(one.getAttribute('href')))
  || /^(javascript|data|vbscript):/i.test(one.getAttribute('href') || one.getAttribute('action') || '')
).map(one => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("guarded", [True, False], ids=["with the policy", "without it"])
async def test_nothing_that_was_said_runs(furnished: Site, browser: Browser, guarded: bool) -> None:  # noqa: FBT001
    called: list[str] = []
    async with tab(browser, furnished.url, guarded=guarded) as one:
        await one.page.expose_function(CALLED, lambda *said: called.append(f"{one.path} {said}"))
        one.page.on("dialog", lambda dialog: called.append(f"{one.path} {dialog.message}"))
        await furnished.log_in(one, "rita")
        for path in furnished.pages:
            await one.open(path)
            await one.page.wait_for_load_state("networkidle")
            assert await one.page.evaluate(_STRANGE) == [], path
        assert called == []
        assert one.complaints == []


async def words(one: Tab, path: str) -> str:
    await one.open(path)
    said = await one.page.evaluate("[...document.querySelectorAll('main *')].map(one => one.textContent).join(' ')")
    fields = await one.page.evaluate(
        "[...document.querySelectorAll('textarea, input')].map(one => one.value).join(' ')"
    )
    return " ".join(f"{said} {fields}".split())


async def test_what_was_said_stands_there_as_it_was_said(furnished: Site, browser: Browser) -> None:
    whole = " ".join(shown(ATTACK).split())
    incidents, (planned, pending, rejected, _) = furnished.places["/i/"], furnished.places["/r/"]
    async with tab(browser, furnished.url) as one:
        await furnished.log_in(one, "rita")
        for path in (f"/a/{ODD}", f"/a/{LURE}", *(f"/r/{each}" for each in (planned, pending, rejected)), "/freeze"):
            assert whole in await words(one, path), path
        for incident in incidents[:3]:
            assert shown(ATTACKS[0]) in await words(one, f"/i/{incident}")


async def test_no_link_leads_anywhere_but_the_web_and_it_says_where(furnished: Site, browser: Browser) -> None:
    async with tab(browser, furnished.url) as one:
        await furnished.log_in(one, "rita")
        for path in furnished.pages:
            await one.open(path)
            for href, text, rel in await one.page.evaluate(
                "[...document.links].map(one => [one.href, one.innerText, one.rel])"
            ):
                assert href.startswith(("http://", "https://")), path
                if not href.startswith(one.url):
                    assert "noopener" in rel, path
                    host = href.split("/")[2].split(":")[0]
                    known = ("Prometheus", "Alertmanager", "Grafana")
                    assert host in text or text.strip() in known, f"{path}: {text} leads to {href}"
