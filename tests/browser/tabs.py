"""A real Chromium, and tabs that notice what must not happen in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response, async_playwright

from demo.parts import ROOT, chromium

PHONE, DESK = 360, 1400
"""Widths in CSS pixels."""
NARROWEST = 320
"""What 1280 pixels are at a zoom of 400 % (WCAG 2.2, 1.4.10)."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = ROOT / "node_modules/axe-core/axe.min.js"
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser with nothing in it, until the end of the context."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Tab:
    """One tab of one person. `complaints` is what must not happen in any: errors, dialogs, requests to elsewhere."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    """Of the complaints, the addresses that were asked."""

    async def open(self, path: str) -> int:
        """The status that the page came with."""
        response = await self.page.goto(f"{self.url}{path}")
        assert response is not None
        return response.status

    async def unfold(self) -> None:
        """Opens whatever is folded."""
        await self.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")

    @property
    def path(self) -> str:
        """Where the tab is now."""
        return self.page.url.removeprefix(self.url)

    async def log_in(self, person: str, password: str) -> None:
        """By the form, from the page that the tab is on, else from the first one."""
        if not self.path.startswith("/login"):
            await self.open("/login")
        await self.page.get_by_label("Name").fill(person)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()
        assert not self.path.startswith("/login"), await self.page.inner_text("main")

    async def text(self) -> str:
        """What a person reads in the page, in one line."""
        await self.page.wait_for_load_state("domcontentloaded")  # after a click the page has only begun to come
        return " ".join((await self.page.inner_text("main")).split())

    def heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"{self.path}: {message.text}")

    def sent(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:", "about:")):
            self.complaints.append(f"{self.path}: asked {request.url}")
            self.elsewhere.append(request.url)

    def came(self, response: Response) -> None:
        """A page may refuse something and say so; anything else that it needs must be there."""
        if response.status >= (500 if response.request.is_navigation_request() else 400):
            self.complaints.append(f"{self.path}: {response.url} was answered with {response.status}")

    def failed(self, request: Request) -> None:
        """What is given up because somebody goes elsewhere has not failed."""
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{self.path}: {request.url}: {request.failure}")


@asynccontextmanager
async def tab(
    browser: Browser,
    url: str,
    *,
    width: int = DESK,
    height: int = 800,
    scheme: Literal["light", "dark"] = "light",
    scripts: bool = True,
    guarded: bool = True,
) -> AsyncIterator[Tab]:
    """A tab with cookies of its own. `scripts`: whether it runs any; `guarded`: whether it heeds the pages' own policy."""
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        java_script_enabled=scripts,
        bypass_csp=not guarded,
        has_touch=width < DESK,
    )
    context.set_default_timeout(30_000)
    try:
        made = Tab(await context.new_page(), url)
        made.page.on("console", made.heard)
        made.page.on("pageerror", lambda error: made.complaints.append(f"{made.path}: {error}"))
        made.page.on("request", made.sent)
        made.page.on("response", made.came)
        made.page.on("requestfailed", made.failed)
        yield made
    finally:
        await context.close()


async def barriers(of: Tab) -> list[str]:
    """What axe-core finds that keeps people out: rule, and where. The tab must not be guarded: axe is a script."""
    await of.page.evaluate(Path(AXE).read_text())  # noqa: ASYNC240 - a test
    found = await of.page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", list(_RULES)
    )
    return [
        f"{of.path}: {violation['id']}: {violation['help']}: {node['target']} {node['html'][:120]} {node['failureSummary'][:300]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


_WIDER = """() => {
  const wide = document.documentElement.clientWidth;
  const found = [];
  if (document.documentElement.scrollWidth > wide) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
  for (const one of document.querySelectorAll('body *')) {
    const box = one.getBoundingClientRect();
    if (box.width && box.right > wide + 1 && getComputedStyle(one).clipPath === 'none' && !one.closest('.unseen, .skip'))
      found.push(`${one.tagName.toLowerCase()}.${one.className} ends at ${Math.round(box.right)}`);
    else if (one.scrollWidth > one.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(one).overflowX))
      found.push(`${one.tagName.toLowerCase()}.${one.className} scrolls sideways`);
  }
  return found.slice(0, 8);
}"""


async def too_wide(of: Tab) -> list[str]:
    """What can be seen by scrolling sideways alone."""
    return [f"{of.path}: {found}" for found in await of.page.evaluate(_WIDER)]


_SMALL = """least => [...document.querySelectorAll('button, input:not([type=hidden]), select, textarea, summary')]
  .map(one => [one, one.getBoundingClientRect()])
  .filter(([one, box]) => box.width && (box.height < least || box.width < least))
  .map(([one, box]) => `${one.outerHTML.slice(0, 80)} is ${Math.round(box.width)} x ${Math.round(box.height)}`)"""


async def too_small(of: Tab, least: int = 44) -> list[str]:
    """What a finger may miss: buttons and fields of less than so many pixels either way (WCAG 2.2, 2.5.5)."""
    return [f"{of.path}: {found}" for found in await of.page.evaluate(_SMALL, least)]
