"""Forced reductions on the page: an account on the venue server that is liquidated and deleveraged while the exporter looks, can not
look, or is loaded anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue.reductions import ADL, LIQUIDATION, Forced
from demo.until import until
from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.checks import reductions
from exporters.exchange.checks.reductions import ReductionsReading, Seen
from exporters.exchange.prices import Prices
from exporters.exchange.source import Source
from occ import config
from occ.process import new_page
from tests.adapters.venue.replays import MARKETS, Replay
from tests.exporters.exchange.accounts import OFTEN, PATIENTLY, account, loaded, only, trader, watching, with_keys
from tests.exporters.exchange.support import break_it, configured, down, mend, up, venue, venues
from tests.exporters.support import Seen as Samples
from tests.exporters.support import parsed
from tests.occ.servers import CANARY, listening

DESK = {"venue": "alpha", "account": "desk"}
REDUCTIONS = {"reductions": OFTEN}
CONTRACT = "BTC/USDT:USDT"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def count(seen: Samples, kind: str) -> float | None:
    return seen("exchange_forced_reductions_total", **DESK, kind=kind)


def forced(server: Server) -> int:
    """How many there were, by the venue's own book."""
    return len(server.venues["alpha"].exchange.segments["futures"].desk.forced)


async def liquidate(server: Server) -> None:
    """Returns when the venue has closed a position, and has no more to close."""
    before = forced(server)
    break_it(server, "alpha", Fault.MARGIN_SQUEEZE, account="trader", ratio=1.1)

    async def done() -> bool:
        return forced(server) > before

    await until(done, within=30)
    mend(server, "alpha", Fault.MARGIN_SQUEEZE)


async def deleverage(server: Server) -> None:
    """The same for ADL."""
    before = forced(server)
    break_it(server, "alpha", Fault.ADL, account="trader", ratio=0.5, seconds=0.1)

    async def done() -> bool:
        return forced(server) > before

    await until(done, within=30)
    mend(server, "alpha", Fault.ADL)


async def test_both_kinds_begin_at_0_and_are_counted_once(tmp_path: Path, server: Server) -> None:
    async with trader(server) as desk, watching(server, tmp_path, REDUCTIONS) as exporter:
        seen = await exporter.until(lambda seen: up(seen, "reductions", "alpha/desk") == 1)
        assert (count(seen, "liquidation"), count(seen, "adl")) == (0, 0)
        await desk.call("create_order", CONTRACT, "market", "sell", 5)
        await deleverage(server)
        seen = await exporter.until(lambda seen: count(seen, "adl") == forced(server))
        assert count(seen, "liquidation") == 0
        taken = forced(server)
        await liquidate(server)
        seen = await exporter.until(lambda seen: count(seen, "liquidation") == forced(server) - taken)
        assert count(seen, "adl") == taken


async def test_what_happens_while_nobody_can_look_is_counted_afterwards(tmp_path: Path, server: Server) -> None:
    async with trader(server) as desk, watching(server, tmp_path, REDUCTIONS) as exporter:
        await desk.call("create_order", CONTRACT, "market", "sell", 5)
        await exporter.until(lambda seen: up(seen, "reductions", "alpha/desk") == 1)
        break_it(server, "alpha", Fault.PERMISSION_DENIED, call="forceOrders")
        await exporter.until(lambda seen: down(seen, "reductions", "auth", "alpha/desk"))
        await liquidate(server)
        assert count(exporter.page(), "liquidation") == 0
        mend(server, "alpha", Fault.PERMISSION_DENIED)
        await exporter.until(lambda seen: count(seen, "liquidation") == forced(server))


async def test_what_was_there_before_the_first_look_is_not_counted(tmp_path: Path, server: Server) -> None:
    async with trader(server) as desk:
        await desk.call("create_order", CONTRACT, "market", "sell", 5)
        await liquidate(server)
        async with watching(server, tmp_path, REDUCTIONS) as exporter:
            seen = await exporter.until(lambda seen: up(seen, "reductions", "alpha/desk") == 1)
            assert count(seen, "liquidation") == 0


async def test_what_happens_during_a_reload_is_counted_and_nothing_twice(tmp_path: Path, server: Server) -> None:
    checks = only(reductions=PATIENTLY)
    given = {"accounts": [account()], "symbols": {"books": [CONTRACT]}, "checks": checks}
    text = configured(venue(server, "alpha", **given))
    page = new_page("exchange", "digest", EXCHANGE.families)
    async with trader(server) as desk, loaded(tmp_path, text, page) as first:
        await desk.call("create_order", CONTRACT, "market", "sell", 5)
        await first.once()
        await deleverage(server)
        await first.once()
        taken = forced(server)
        assert count(parsed(first.render()), "adl") == taken
        await liquidate(server)
        async with loaded(tmp_path, text, page, first) as second:
            for _ in range(2):
                await second.once()
                seen = parsed(second.render())
                assert count(seen, "adl") == taken
                assert count(seen, "liquidation") == forced(server) - taken > 0


async def test_kraken_is_read_in_the_same_way(tmp_path: Path) -> None:
    slow, symbols = {"reductions": {"interval": "7s", "timeout": "7s"}}, {"books": ["BTC/USD"]}
    async with (
        venues("kraken") as server,
        watching(server, tmp_path, slow, of="kraken", accounts=[account("KRAKEN")], symbols=symbols) as exporter,
    ):
        seen = await exporter.until(lambda seen: up(seen, "reductions", "kraken/desk") == 1)
        here = {"venue": "kraken", "account": "desk"}
        assert seen("exchange_forced_reductions_total", **here, kind="liquidation") == 0


# --- over hours: OKX's "Get bills details (last 7 days)", replayed ---------------------------------------------------------

HOUR, DAY = 3600.0, 86_400.0


class Desk:
    """An account at OKX and the exporter's page. `now` is our clock, `liquidated` the instants at which there was a liquidation."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0
        self.liquidated: list[float] = []
        self.page = new_page("exchange", "digest", EXCHANGE.families)

    def bills(self, request: web.Request) -> Any:
        since, until = (float(request.query[key]) / 1000 for key in ("begin", "end"))
        bills = [
            {"billId": f"B{at}", "ordId": f"O{at}", "type": "5", "subType": "100", "ts": str(int(at * 1000))}
            for at in self.liquidated
            if since <= at <= until and request.query["type"] == "5"
        ]
        return {"code": "0", "msg": "", "data": bills}

    async def look(self, source: Source) -> float | None:
        """How many were counted after a look."""
        (target,) = source.targets.per["accounts"]
        found = await reductions.read(source, (target,), reductions.Options())
        assert found[target] == ReductionsReading()
        seen = parsed(self.page.render())
        return seen("exchange_forced_reductions_total", venue="okx", account="desk", kind="liquidation")


@asynccontextmanager
async def replayed(desk: Desk, folder: Path) -> AsyncIterator[Callable[..., AbstractAsyncContextManager[Source]]]:
    """What loads a configuration, with more in it: the exporter's source on the exchange, by our clock."""
    replay = Replay({**MARKETS["okx"], "GET /api/v5/account/bills": desk.bills})
    async with listening(replay.handle) as port, aiohttp.ClientSession() as session:
        written = {
            "name": "okx",
            "exchange": "okx",
            "rate_limit_share": 1,
            "base_url": f"http://127.0.0.1:{port}/{CANARY}",
        }
        keys = {"accounts": [{**account(), "password": {"env": "BINANCE_SECRET"}}]}

        @asynccontextmanager
        async def loads(**more: object) -> AsyncIterator[Source]:
            path = folder / "exchange.yml"
            path.write_text(configured({**written, **keys, **more}))
            loaded_ = config.load(path, EXCHANGE.model).config
            prices = Prices({}, loaded_.price_stale_after)
            source = Source(loaded_, loaded_.venues[0], session, desk.page, prices, clock=lambda: desk.now)
            try:
                yield source
            finally:
                await source.close()

        yield loads


@pytest.mark.parametrize("change", [{}, {"labels": {"team": "trading", "tier": "1"}}, {"rate_limit_share": 0.9}])
async def test_an_outage_that_ends_in_a_reload_is_looked_at_whole(tmp_path: Path, change: dict[str, object]) -> None:
    desk = Desk()
    async with replayed(desk, tmp_path) as loads:
        async with loads() as source:
            assert await desk.look(source) == 0
        desk.now += 30 * HOUR
        desk.liquidated.append(desk.now - 20 * HOUR)
        async with loads(**change) as source:
            assert await desk.look(source) == 1
            assert await desk.look(source) == 1


async def test_a_clock_of_ours_that_was_wrong_for_a_look_counts_nothing_again(tmp_path: Path) -> None:
    desk = Desk()
    async with replayed(desk, tmp_path) as loads, loads() as source:
        assert await desk.look(source) == 0
        desk.liquidated.append(desk.now + 10)
        desk.now += 60
        assert await desk.look(source) == 1
        right = desk.now
        for desk.now in (right + 8 * DAY, right + 120, right - DAY, right + 240):
            assert await desk.look(source) == 1


# --- counting --------------------------------------------------------------------------------------------------------

BUST, DELEVERAGED = Forced("1", LIQUIDATION, 10.0), Forced("2", ADL, 20.0)


def test_the_first_look_tells_nothing_new() -> None:
    assert Seen().saw([BUST, DELEVERAGED], 30.0, DAY) == []


def test_what_a_venue_leaves_out_of_one_answer_is_not_new_in_the_next() -> None:
    seen = Seen()
    looks = [seen.saw(told, float(now), DAY) for now, told in enumerate(([], [BUST], [], [BUST], [BUST, DELEVERAGED]))]
    assert looks == [[], [BUST], [], [], [DELEVERAGED]]


def test_what_is_too_old_to_be_told_again_is_forgotten_whichever_clock_is_ahead() -> None:
    seen, late = Seen(), Forced("3", ADL, 20.0 + DAY)
    seen.saw([BUST, DELEVERAGED], 30.0, DAY)
    seen.saw([], 30.0 + 9 * DAY, DAY)
    assert seen.saw([BUST, DELEVERAGED], 30.0, DAY) == [], "our clock was ahead"
    assert seen.saw([replace(late, at=late.at + 9 * DAY)], 40.0, DAY) == [replace(late, at=late.at + 9 * DAY)]
    assert seen.saw([BUST, DELEVERAGED], 50.0, DAY) == [], "the venue's was"
    seen.saw([late], late.at, DAY)
    assert set(seen.known or ()) == {"2", "3"}


orders = st.lists(st.builds(Forced, st.integers(0, 30).map(str), st.sampled_from([LIQUIDATION, ADL]), st.just(1.0)))


@given(st.lists(orders, min_size=1, max_size=8))
def test_each_order_is_new_once_however_it_is_told(answers: list[list[Forced]]) -> None:
    seen = Seen()
    new = [each.id for now, told in enumerate(answers) for each in seen.saw(told, float(now), DAY)]
    first = {each.id for each in answers[0]}
    assert sorted(new) == sorted({each.id for told in answers for each in told} - first)
