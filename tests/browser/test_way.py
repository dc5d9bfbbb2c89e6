"""The whole way in a browser without scripts: from an alert that fires to the report of an incident that is over.

Everything on it is real: what is measured, Prometheus, Alertmanager, the receiver, the trading engine, the people's browsers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from demo.engine.server import Server
from demo.engine.state import Engine
from demo.processes import free_ports
from demo.until import until
from tests.browser.site import Site, serving
from tests.browser.tabs import DESK, PHONE, Tab, browsing, tab
from tests.receiver import acting
from tests.receiver.actions.venues import SPOT, SWAP, trading
from tests.receiver.servers import WITHIN, Exposed, alertmanager, prometheus

RULES = """
groups:
  - name: of the tests
    rules:
      - alert: FeedFrozen
        expr: 'max by (venue) (feed_frozen) > 0.5'
        labels: {severity: page, domain: exchange, entity: '{{ $labels.venue }}', parent: '{{ $labels.venue }}'}
        annotations: {summary: 'The books of {{ $labels.venue }} stand still', first_action: 'Stop the engine there'}
"""
ILL, WELL = 'feed_frozen{venue="binance"} 1\n', 'feed_frozen{venue="binance"} 0\n'


@dataclass
class Place:
    """A receiver between its real neighbours, and the browsers of those who use it."""

    site: Site
    measured: Exposed
    engine: Server
    browser: Browser
    stack: AsyncExitStack
    tabs: list[Tab] = field(default_factory=list)

    async def person(self, name: str, path: str, width: int = PHONE) -> Tab:
        """Somebody who follows a link to a path, and is asked to log in on the way."""
        made = await self.stack.enter_async_context(tab(self.browser, self.site.url, width=width, scripts=False))
        self.tabs.append(made)
        await made.open(path)
        assert made.path.startswith("/login")
        await self.site.log_in(made, name)
        assert made.path == path
        return made


@asynccontextmanager
async def between(folder: Path, more: str = "", actions: str = "") -> AsyncIterator[Place]:
    """A receiver between Prometheus, which measures a feed and the engine, and Alertmanager; nobody may complain."""
    (port,) = free_ports(1)
    (folder / "measured").mkdir()
    made_up = Engine({"binance": ("BTC/USDT",), "deribit": ("BTC-PERP",)})
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(Server(made_up, token=acting.ENGINE_TOKEN))
        measured = await stack.enter_async_context(Exposed(WELL).serving())
        alerts = await stack.enter_async_context(alertmanager(folder / "measured", f"http://127.0.0.1:{port}"))
        sees = await stack.enter_async_context(
            prometheus(
                folder / "measured",
                scrapes={"feeds": measured.address, "engine": engine.url.removeprefix("http://")},
                rules=RULES,
                alertmanagers=[alerts.removeprefix("http://")],
            )
        )
        more += f'alertmanager: {{url: "{alerts}"}}\n'
        site = await stack.enter_async_context(serving(folder, engine, sees, port=port, more=more, actions=actions))
        browser = await stack.enter_async_context(browsing())
        made = Place(site, measured, engine, browser, stack)
        yield made
        assert [each.complaints for each in made.tabs if each.complaints] == []


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with between(tmp_path) as made:
        yield made


async def seen(one: Tab, there: Callable[[], Awaitable[bool]]) -> None:
    """Loads the page again until it shows it, as people do."""

    async def look() -> bool:
        await one.open(one.path)
        return await there()

    await until(look, WITHIN)


def says(one: Tab, *words: str) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        text = await one.text()
        return all(word in text for word in words)

    return there


async def press(one: Tab, button: str | re.Pattern[str]) -> None:
    await one.page.get_by_role("button", name=button, exact=isinstance(button, str)).click()


async def buttons(one: Tab) -> set[str]:
    await one.page.wait_for_load_state("domcontentloaded")
    return set(await one.page.get_by_role("main").get_by_role("button").all_inner_texts())


async def alerted(place: Place, who: str) -> Tab:
    """A person at the page of the alert, once there is one."""
    one = await place.person(who, "/")
    place.measured.text = ILL
    await seen(one, says(one, "1 page firing"))
    await one.page.locator("main a[href^='/a/']").first.click()
    assert re.fullmatch(r"/a/[0-9a-f]{16}", one.path)
    return one


async def test_from_an_alert_to_the_report_of_its_incident(place: Place) -> None:
    opal = await alerted(place, "opal")
    assert "The books of binance stand still" in await opal.text()
    await chart_is_there(opal)

    # She plans what needs two more people.
    await press(opal, "Plan: Stop the engine on a venue, when two more people agree")
    await expect(opal.page).to_have_url(re.compile(r"/r/[0-9a-f]{16}$"))
    request = opal.path
    assert "binance" in await opal.text()
    assert place.engine.engine.halted == frozenset(), "a plan does nothing"
    await press(opal, "Ask for approval: Stop the engine on a venue, when two more people agree")
    assert {"Approve this plan", "Reject it"}.isdisjoint(await buttons(opal)), "nobody approves their own"
    assert "pending approval" in await opal.text()

    await two_agree(place, request)

    # It is done to the real engine, and seen to be done by the real Prometheus.
    await seen(opal, says(opal, "succeeded"))
    assert place.engine.engine.halted == {"binance"}
    assert "It was done, and was seen to work." in await opal.text()
    marked = await text_of(opal, f"{request}/chart")
    for said in ("incident opened", "halt-with-approval started, for opal", "halt-with-approval: succeeded"):
        assert said in marked

    # Somebody takes the lead. The feed recovers, and what went on ends by itself.
    cora = await place.person("cora", "/incidents")
    await cora.page.get_by_role("main").get_by_role("link", name=re.compile("FeedFrozen|binance")).first.click()
    incident = cora.path
    assert incident.startswith("/i/")
    await press(cora, re.compile("^Acknowledge"))
    assert "cora leads" in await cora.text()
    place.measured.text = WELL
    await seen(cora, says(cora, "resolved", "0 of 1 fire"))

    # Closing wants words, and then there is a report.
    await cora.page.get_by_label("What happened, why, and what is done about it").fill("A feed stood still; see #1.")
    await press(cora, "Close it")
    assert "closed" in await cora.text()
    await the_report_proves_it(cora, request)
    for path in ("/", "/history", "/audit", "/health", "/approvals"):
        assert await cora.open(path) == 200
    assert "succeeded" in await text_of(cora, "/history")
    assert "Nothing fires" in await text_of(cora, "/")


async def two_agree(place: Place, request: str) -> None:
    """Each by the page of what waits for them; the requester is neither of them."""
    for name in ("tara", "rita"):
        one = await place.person(name, "/approvals", DESK)
        await one.page.locator(f"main a[href='{request}']").first.click()
        assert place.engine.engine.halted == frozenset(), "not before both agree"
        await one.page.get_by_label("Why").fill(f"{name} has seen it")
        await press(one, "Approve this plan")
        assert f"{name} has seen it" in await one.text()


async def chart_is_there(one: Tab) -> None:
    picture = one.page.locator("figure.chart img")
    await picture.scroll_into_view_if_needed()
    await until(lambda: picture.evaluate("one => one.complete && one.naturalWidth > 0"), WITHIN)
    await one.page.get_by_role("link", name=re.compile("chart in numbers")).click()
    await seen(one, says(one, "max by (venue) (feed_frozen) > 0.5"))
    await one.page.go_back()


async def the_report_proves_it(one: Tab, request: str) -> None:
    link = await one.page.get_by_role("link", name=re.compile("Report")).get_attribute("href")
    answer = await one.page.request.get(f"{one.url}{link}")
    assert answer.status == 200
    report = await answer.text()
    for said in ("FeedFrozen", "cora", "opal", "tara", "rita", "succeeded", request.removeprefix("/r/")):
        assert said in report
    assert re.search(r"\b[0-9a-f]{64}\b", report), "the hash of a record"


async def text_of(one: Tab, path: str) -> str:
    await one.open(path)
    return await one.text()


async def test_two_taps_from_the_alert_to_what_protects(place: Place) -> None:
    opal = await alerted(place, "opal")
    await press(opal, "Plan: Stop the engine on a venue")
    assert place.engine.engine.halted == frozenset()
    await press(opal, "Do it now: Stop the engine on a venue")
    await seen(opal, says(opal, "succeeded"))
    assert place.engine.engine.halted == {"binance"}


async def test_a_button_pressed_twice_does_it_once(place: Place) -> None:
    opal = await alerted(place, "opal")
    await opal.page.get_by_role("button", name="Plan: Stop the engine on a venue", exact=True).dblclick()
    await expect(opal.page).to_have_url(re.compile(r"/r/[0-9a-f]{16}$"))
    assert len((await place.site.get("/requests"))["requests"]) == 1
    other = await place.person("opal", opal.path)
    await press(opal, "Do it now: Stop the engine on a venue")
    await press(other, "Do it now: Stop the engine on a venue")
    await seen(opal, says(opal, "succeeded"))
    assert sum(place.engine.engine.effects.values()) == 1


async def test_what_is_refused_is_said_and_what_was_written_is_kept(place: Place) -> None:
    opal = await alerted(place, "opal")
    await press(opal, "Plan: Stop the engine on a venue, when two more people agree")
    await press(opal, re.compile("^Ask for approval"))
    tara = await place.person("tara", opal.path)
    await opal.page.get_by_text("Take it back").first.click()
    await opal.page.get_by_role("group").get_by_label("Why").fill("not any more")
    await press(opal, "Take it back")
    assert "cancelled" in await opal.text()
    await tara.page.get_by_label("Why").fill("I have looked at every order")
    await press(tara, "Approve this plan")
    told = tara.page.get_by_role("alert").first
    await expect(told).to_contain_text("Not done")
    assert place.engine.engine.halted == frozenset()


async def test_with_a_freeze_only_what_protects_starts(place: Place) -> None:
    tara = await place.person("tara", "/freeze")
    await tara.page.get_by_label("Why").first.fill("we look at it first")
    await press(tara, re.compile("^Freeze"))
    assert "we look at it first" in await tara.text()
    opal = await alerted(place, "opal")
    assert "Frozen" in await opal.text()
    await press(opal, "Plan: Stop the engine on a venue")
    await press(opal, "Do it now: Stop the engine on a venue")
    await seen(opal, says(opal, "succeeded"))


CANCELLING = """
  - name: halt-and-cancel
    title: Stop the engine and cancel what it has open
    steps:
      - {executor: http, target: engine, path: /halt, body: {venue: $venue}}
      - {executor: cancel_orders, venue: $venue, account: desk}
    offered_by: [{alertname: FeedFrozen}]
    parameters: {venue: {from_label: venue, choices: [binance]}}
    deadline: 30s
    verify: {query: 'engine_quoting{venue="$venue"} == 0', heartbeat: engine_heartbeat_timestamp_seconds, within: 30s}
"""


async def test_orders_that_are_shown_in_the_plan_are_cancelled_at_the_venue(tmp_path: Path) -> None:
    async with trading() as venue:
        (trader, *_) = venue.venue.exchange.accounts.values()
        (tmp_path / "key").write_text(trader.api_key)
        (tmp_path / "secret").write_text(trader.secret)
        keys = "api_key: {file: key}, secret: {file: secret}, markets: [spot, linear]"
        more = f'venues: {{binance: {{exchange: binance, base_url: "{venue.url}", accounts: {{desk: {{{keys}}}}}}}}}\n'
        async with between(tmp_path, more, CANCELLING) as place:
            orders = [await venue.place(symbol, "limit", "buy", 0.1, 40_000) for symbol in (SPOT, SWAP)]
            opal = await alerted(place, "opal")
            await press(opal, "Plan: Stop the engine and cancel what it has open")
            plan = await opal.text()
            assert all(order in plan for order in orders), "the very orders that would go"
            assert venue.cancelled == {}
            await press(opal, "Ask for approval: Stop the engine and cancel what it has open")
            await two_agree(place, opal.path)
            await seen(opal, says(opal, "succeeded"))
            assert place.engine.engine.halted == {"binance"}
            assert venue.cancelled == dict.fromkeys(orders, 1)
            assert "cancelled 2" in await opal.text()
