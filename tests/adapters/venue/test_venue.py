"""A venue against the venue server, which speaks Binance's protocol over real sockets."""

from __future__ import annotations

import asyncio
import gc
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.venue import Credentials, Venue, library
from demo.venue.server import Server
from occ.config import Secret
from occ.errors import Reason, SourceError
from tests.adapters.venue.far import SPOT, Told, scripted, venue
from tests.demo.venue.support import DEADLINE, TRADER, opened

KEYS = Credentials(api_key=Secret(TRADER["apiKey"]), secret=Secret(TRADER["secret"]))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with opened("binance") as made:
        yield made


@pytest.fixture
async def asked(server: Server) -> AsyncIterator[Venue]:
    async with venue(server.base_url("binance"), options=SPOT) as made:
        yield made


# --- asking ----------------------------------------------------------------------------------------------------------


async def test_a_unified_method_is_answered_in_ccxts_shape(asked: Venue) -> None:
    book = await asked.call("fetch_order_book", "BTC/USDT", limit=20)

    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]


async def test_a_mistake_of_ccxt_or_ours_is_not_taken_for_an_answer(asked: Venue) -> None:
    """Only what the parsers make of a strange answer is laid at the venue's door."""

    async def stumble() -> None:
        raise RuntimeError("dictionary changed size during iteration")

    asked._exchange.fetch_time = stumble
    with pytest.raises(RuntimeError, match="changed size"):
        await asked.call("fetch_time")


async def test_who_gives_up_waiting_uses_nothing_of_any_limit(server: Server) -> None:
    """Else those who have given up would be served before all others, for minutes, and nobody would ever be answered."""
    async with venue(server.base_url("binance"), options=SPOT, rate_limit_share=0.5) as asked:
        await asked.markets()
        used = asked.usage()["1m"]
        waiting = [asyncio.create_task(asked.call("fetch_order_book", "BTC/USDT", 5_000)) for _ in range(20)]
        await asyncio.sleep(0.1)
        for task in waiting[1:]:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

        async with asyncio.timeout(DEADLINE):
            book = await asked.call("fetch_order_book", "BTC/USDT", 5)

        assert book["bids"]
        limiter = server.venues["binance"].exchange.segments["spot"].limiter
        assert limiter.peak <= used * limiter.limit + 2 * 250 + 20


async def test_a_method_of_the_venues_own_is_answered_raw(asked: Venue) -> None:
    assert isinstance(await asked.call("publicGetTime"), dict)


async def test_a_signed_method_is_accepted_by_a_venue_that_checks_signatures(server: Server) -> None:
    async with venue(server.base_url("binance"), credentials=KEYS, options=SPOT) as asked:
        balance = await asked.call("fetch_balance")

    assert balance["USDT"]["total"] > 0


async def test_a_wrong_secret_is_refused_as_such(server: Server) -> None:
    wrong = Credentials(api_key=KEYS.api_key, secret=Secret("another"))
    async with venue(server.base_url("binance"), credentials=wrong, options=SPOT) as asked:
        with pytest.raises(SourceError) as refused:
            await asked.call("fetch_balance")

    assert refused.value.reason is Reason.AUTH


@pytest.mark.parametrize("method", ["fetch_borrow_rate", "fetch_what_is_not_there", "publicGetNothing"])
async def test_what_is_not_offered_is_told_without_asking(asked: Venue, server: Server, method: str) -> None:
    with pytest.raises(SourceError, match=f"does not offer {method}") as told:
        await asked.call(method)

    assert told.value.reason is Reason.NOT_SUPPORTED
    assert server.venues["binance"].exchange.segments["spot"].limiter.used == 0


async def test_what_is_offered_can_be_asked_beforehand(asked: Venue) -> None:
    offered = {
        name: asked.has(name) for name in ("fetch_order_book", "watch_order_book", "fetch_ohlcv", "publicGetTime")
    }

    assert all(offered.values())
    assert not asked.has("fetch_borrow_rate")
    assert not asked.has("nonsense")


def test_an_exchange_that_ccxt_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError):
        library.kind("mtgox")
    with pytest.raises(KeyError):
        library.kind("Exchange")


# --- markets ---------------------------------------------------------------------------------------------------------


def loads(observer: Told) -> int:
    return sum(request.method == "load_markets" for request in observer.requests)


async def test_markets_are_loaded_once_for_all_who_wait_and_again_only_when_told(server: Server) -> None:
    observer = Told()
    async with venue(server.base_url("binance"), options=SPOT, observer=observer) as asked:
        books = [asked.call("fetch_order_book", symbol) for symbol in ("BTC/USDT", "ETH/USDT")]
        await asyncio.gather(asked.markets(), asked.markets(), *books)
        assert loads(observer) == 1

        await asyncio.gather(asked.refresh(), asked.refresh())
        assert loads(observer) == 2


def held(symbol: str) -> int:
    """How many market objects of a symbol are held in memory."""
    gc.collect()
    known = (
        each for each in gc.get_objects() if type(each) is dict and {"symbol", "precision", "baseId"} <= each.keys()
    )
    return sum(each["symbol"] == symbol for each in known)


async def test_old_markets_are_let_go(asked: Venue) -> None:
    await asked.refresh()
    once = held("BTC/USDT")

    for _ in range(3):
        await asked.refresh()

    assert held("BTC/USDT") == once


async def test_who_gives_up_waiting_for_the_markets_does_not_take_them_from_others(server: Server) -> None:
    async with venue(server.base_url("binance"), options=SPOT) as asked:
        impatient = asyncio.create_task(asked.call("fetch_order_book", "BTC/USDT"))
        patient = asyncio.create_task(asked.call("fetch_order_book", "ETH/USDT"))
        await asyncio.sleep(0)
        impatient.cancel()

        assert (await patient)["symbol"] == "ETH/USDT"


@pytest.mark.parametrize(
    ("symbol", "closest"), [("BTCUSDT", "BTC/USDT"), ("btc/usdt", "BTC/USDT"), ("ETH/USD", "ETH/USDT")]
)
async def test_a_symbol_that_is_not_there_is_answered_with_the_closest(asked: Venue, symbol: str, closest: str) -> None:
    with pytest.raises(SourceError, match=f"no such market: {symbol}; the closest are .*{closest}"):
        await asked.check(symbol)


async def test_a_symbol_that_is_there_is_answered_with_its_market(asked: Venue) -> None:
    assert (await asked.check("BTC/USDT"))["base"] == "BTC"


async def test_nonsense_has_nothing_close(asked: Venue) -> None:
    with pytest.raises(SourceError, match=r"no such market: 終$"):
        await asked.check("終")


# --- limits ----------------------------------------------------------------------------------------------------------


async def test_by_the_venues_own_count_its_weight_stays_under_our_share(server: Server) -> None:
    exchange = server.venues["binance"].exchange
    limiter, began = exchange.segments["spot"].limiter, exchange.clock()
    exchange.clock = lambda: began  # one window of the venue's
    async with venue(server.base_url("binance"), options=SPOT, rate_limit_share=0.05) as asked:
        await asked.markets()  # costs 4 of the 60 units that we have
        calls = [asyncio.create_task(asked.call("fetch_order_book", "BTC/USDT", 500)) for _ in range(20)]
        for answered in itertools.islice(asyncio.as_completed(calls), 11):
            await answered
        told = asked.usage()["1m"]
        unanswered = [task for task in calls if not task.done()]
        for task in unanswered:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    assert len(unanswered) == 9
    assert limiter.peak == 0.05 * limiter.limit - 5
    assert told == limiter.peak / limiter.limit


async def test_time_in_the_limiters_is_told_and_is_no_part_of_a_requests(server: Server) -> None:
    observer = Told()
    async with venue(server.base_url("binance"), options=SPOT, observer=observer) as asked:
        await asked.markets()
        await asyncio.gather(*(asked.call("fetch_order_book", "BTC/USDT", 500) for _ in range(4)))

    assert sum(observer.waits) > 0.2
    assert len(observer.requests) == 5


# --- ending ----------------------------------------------------------------------------------------------------------


async def test_closing_leaves_nothing_behind(server: Server, recwarn: pytest.WarningsRecorder) -> None:
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        made = Venue("binance", session=session, base_url=server.base_url("binance"), options=SPOT)
        await made.call("fetch_order_book", "BTC/USDT")
        await made.close()
        await made.close()
        assert {task for task in asyncio.all_tasks() - before if "RequestHandler" not in str(task)} == set()
    del made
    gc.collect()
    assert not [warning for warning in recwarn if "nclosed" in str(warning.message)]


async def test_a_load_that_is_on_its_way_is_ended(server: Server) -> None:
    async with venue(server.base_url("binance")) as asked:
        loading = asyncio.create_task(asked.markets())
        await asyncio.sleep(0)
    with pytest.raises((SourceError, asyncio.CancelledError)):
        await loading


def test_who_does_not_talk_to_a_venue_does_not_load_ccxt() -> None:
    code = "import sys, adapters, occ.exporter, exporters.nodes.__main__, cli.main; sys.exit('ccxt' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_ccxt_is_imported_in_one_file_alone(request: pytest.FixtureRequest) -> None:
    root: Any = request.config.rootpath
    places = [
        path
        for part in ("occ", "adapters", "exporters", "receiver", "cli", "dashboards")
        for path in (root / part).rglob("*.py")
    ]

    found = {
        path.relative_to(root).as_posix()
        for path in places
        if "import ccxt" in (text := path.read_text()) or "from ccxt" in text
    }

    assert found == {"adapters/venue/library.py"}


# --- what takes effect -----------------------------------------------------------------------------------------------


class TooLateError(Exception):
    """As the receiver says that nothing may be sent any more."""


async def test_what_takes_effect_is_asked_about_right_before_it_is_sent() -> None:
    async with scripted() as server, venue(server.base, "kraken") as made:
        server.answer = lambda _: web.json_response({"error": [], "result": {"unixtime": 1_700_000_000, "rfc1123": ""}})
        seen: list[int] = []

        async def clear() -> None:
            seen.append(len(server.paths))

        assert await made.act(clear, "fetch_time") == 1_700_000_000_000
        assert (seen, len(server.paths)) == ([0], 1)


async def test_what_must_not_be_sent_is_not() -> None:
    async with scripted() as server, venue(server.base, "kraken") as made:

        async def clear() -> None:
            raise TooLateError

        with pytest.raises(TooLateError):
            await made.act(clear, "fetch_time")
        assert server.paths == []
