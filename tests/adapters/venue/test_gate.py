"""Nothing leaves but through the gate, and with a base nothing goes elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.venue import IDS, Credentials, Venue, gate, library
from adapters.venue.gate import MAX_KEYED_BYTES, rebased
from occ import http
from occ.config import Secret
from occ.errors import Reason, SourceError
from occ.metrics import Catalogue
from occ.page import Page
from tests.adapters.venue.far import SPOT, Scripted, Told, scripted, venue
from tests.occ.servers import CANARY

BASE = "http://127.0.0.1:9800/binance"


@pytest.fixture
async def far() -> AsyncIterator[Scripted]:
    async with scripted() as server:
        yield server


def urls(tree: Any) -> Iterator[str]:
    """The leaves of ccxt's tables, which are dicts, lists and strings in any depth."""
    if isinstance(tree, str):
        yield tree
    elif tree is not None:
        for each in tree.values() if isinstance(tree, dict) else tree:
            yield from urls(each)


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.kraken.com/0/public/Time", f"{BASE}/api.kraken.com/0/public/Time"),
        ("https://x.example?a=%2F&b=c%20d", f"{BASE}/x.example?a=%2F&b=c%20d"),
        ("https://x.example", f"{BASE}/x.example"),
        ("wss://stream.binance.com:9443/ws/1", "ws://127.0.0.1:9800/binance/stream.binance.com:9443/ws/1"),
    ],
)
def test_an_url_goes_to_its_host_under_the_base(url: str, expected: str) -> None:
    assert rebased(BASE, url) == rebased(BASE + "/", url) == expected


def test_a_base_with_tls_is_asked_with_tls() -> None:
    assert rebased("https://x.example/v", "wss://y.example/ws") == "wss://x.example/v/y.example/ws"


def test_without_a_base_an_url_stays() -> None:
    assert rebased(None, "https://x.example/a?b") == "https://x.example/a?b"


@pytest.mark.parametrize("exchange", IDS)
async def test_every_url_of_every_exchange_goes_under_the_base(exchange: str) -> None:
    known = library.kind(exchange)()
    found = {known.implode_hostname(url) for url in urls(known.urls["api"])}

    assert found
    for url in found:
        scheme, rest = re.fullmatch(r"(https?|wss?)://([^/?{}]+.*)", url).groups()  # type: ignore[union-attr]
        assert rebased(BASE, url) == f"{'ws' if scheme.startswith('ws') else 'http'}://127.0.0.1:9800/binance/{rest}"


@pytest.mark.parametrize(
    "exchange",
    [
        "binance",
        "binanceusdm",
        "bitfinex",
        "bitget",
        "bitstamp",
        "bybit",
        "coinbase",
        "deribit",
        "gate",
        "gemini",
        "htx",
        "hyperliquid",
        "kraken",
        "kucoin",
        "mexc",
    ],
)
async def test_whatever_an_exchange_asks_for_arrives_under_the_base(exchange: str, far: Scripted) -> None:
    hosts = {url.split("/")[2] for url in urls(library.kind(exchange)().urls["api"])}
    async with venue(far.base, exchange) as asked:
        for method in ("fetch_time", "fetch_markets"):
            with contextlib.suppress(SourceError):
                await asked.call(method)

    assert far.paths
    for path in far.paths:
        _, canary, host, *_ = path.split("/")
        assert canary == CANARY
        assert any(re.sub(r"{hostname}", "", known) in host for known in hosts)


async def test_an_address_that_the_venue_tells_is_rewritten_as_well(far: Scripted) -> None:
    server = {"endpoint": "wss://elsewhere.example/feed", "pingInterval": 18000}
    spot = {"code": "200000", "data": {"token": "t", "instanceServers": [server]}}
    symbol = {"symbol": "BTC-USDT", "baseCurrency": "BTC", "quoteCurrency": "USDT", "enableTrading": True}

    def answer(request: web.Request) -> web.Response:
        found = (
            spot
            if "bullet" in request.path
            else {"code": "200000", "data": [symbol] if "symbols" in request.path else []}
        )
        return web.json_response(found)

    far.answer = answer
    async with venue(far.base, "kucoin", options={"fetchMarkets": {"types": ["spot"]}}) as asked:
        with pytest.raises(SourceError):
            await anext(asked.watch("watch_ticker", "BTC/USDT"))

    assert any(path.startswith(f"/{CANARY}/elsewhere.example/feed") for path in far.paths)


# --- answers ---------------------------------------------------------------------------------------------------------


async def refused(far: Scripted, answer: Any) -> SourceError:
    far.answer = answer
    async with venue(far.base, options=SPOT) as asked:
        with pytest.raises(SourceError) as told:
            await asked.call("fetch_time")
    assert CANARY not in f"{told.value!r}"
    return told.value


async def test_redirects_are_not_followed(far: Scripted) -> None:
    error = await refused(far, lambda _: web.Response(status=302, headers={"Location": f"http://x.example/{CANARY}"}))

    assert error.reason is Reason.BAD_RESPONSE
    assert len(far.paths) == 1


async def test_an_answer_without_end_is_given_up(far: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MAX_BODY_BYTES", 1000)
    packed = web.Response(body=gzip.compress(b"[" + b"1," * 100_000 + b"1]"), headers={"Content-Encoding": "gzip"})

    error = await refused(far, lambda _: packed)

    assert (error.reason, str(error)) == (Reason.BAD_RESPONSE, "an answer of more than 1000 bytes")


async def test_what_is_told_to_a_key_is_bounded_more_narrowly_and_a_list_of_all_markets_is_not(far: Scripted) -> None:
    long = b'[{"of": "' + b"x" * MAX_KEYED_BYTES + b'"}]'
    markets = json.dumps({**_info(), "more": "x" * MAX_KEYED_BYTES}).encode()
    answers = {"exchangeInfo": markets, "account": long}
    far.answer = lambda request: web.Response(
        body=answers.get(request.path.rpartition("/")[2], b"[]"), content_type="application/json"
    )
    key = Credentials(api_key=Secret("key"), secret=Secret("secret"))
    async with venue(far.base, options=SPOT, credentials=key) as asked:
        assert "BTC/USDT" in await asked.markets()
        with pytest.raises(SourceError) as told:
            await asked.ask("fetch_balance", "privateGetAccount", {})

    assert told.value.reason is Reason.BAD_RESPONSE
    assert str(told.value) == f"an answer of more than {MAX_KEYED_BYTES} bytes"


async def test_the_observer_is_told_of_every_request_and_what_it_took(far: Scripted) -> None:
    observer = Told()
    far.answer = lambda request: web.json_response({"serverTime": 5}, status=200 if "time" in request.path else 500)
    async with venue(far.base, observer=observer, options=SPOT) as asked:
        assert await asked.call("fetch_time") == 5
        with pytest.raises(SourceError):
            await asked.call("fetch_markets")

    assert [(request.method, request.error and request.error.reason) for request in observer.requests] == [
        ("fetch_time", None),
        ("fetch_markets", Reason.SERVER_ERROR),
    ]
    assert all(request.seconds > 0 for request in observer.requests)


async def test_a_request_that_its_caller_gives_up_is_told_as_well(far: Scripted) -> None:
    observer, arrived, given_up = Told(), asyncio.Event(), asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        arrived.set()
        await given_up.wait()
        raise web.HTTPGone

    far.answer = never
    async with venue(far.base, observer=observer) as asked:
        calling = asyncio.create_task(asked.call("fetch_time"))
        await arrived.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
    given_up.set()

    (request,) = observer.requests
    assert request.error is not None
    assert request.error.reason is Reason.TIMEOUT


async def test_the_used_share_is_what_the_venue_tells_of_it_and_else_our_own(far: Scripted) -> None:
    far.answer = lambda _: web.json_response({"serverTime": 5}, headers={"X-MBX-USED-WEIGHT-1M": "3000"})
    async with venue(far.base) as asked:
        await asked.call("fetch_time")
        assert asked.usage() == {"1m": 0.5}

    far.answer = lambda _: web.json_response({"serverTime": 5})
    async with venue(far.base) as asked:
        await asked.call("fetch_time")
        assert asked.usage() == {"1m": pytest.approx(0.2 / 1200)}


async def test_what_the_venue_told_of_its_limit_is_forgotten_after_a_minute(far: Scripted) -> None:
    now = 100.0
    far.answer = lambda _: web.json_response({"serverTime": 5}, headers={"X-MBX-USED-WEIGHT-1M": "3000"})
    async with venue(far.base, clock=lambda: now) as asked:
        await asked.call("fetch_time")
        now = 159.0
        assert asked.usage() == {"1m": 0.5}
        now = 161.0
        assert asked.usage() == {"1m": pytest.approx(0.2 / 1200)}


# --- round trips -----------------------------------------------------------------------------------------------------


async def test_a_round_trip_begins_when_the_request_is_sent(far: Scripted) -> None:
    """Two want the one connection that there may be: the wait of the second is in its time and not in its round trip."""
    held, asked_for, release, observer = 0.3, asyncio.Event(), asyncio.Event(), Told()

    async def answer(_: web.Request) -> web.Response:
        asked_for.set()
        await release.wait()
        return web.json_response({"serverTime": 5})

    far.answer = answer
    async with (
        http.session("test", Page(Catalogue(())), per_host=1) as session,
        Venue.open("binance", session=session, base_url=far.base, observer=observer) as asked,
    ):
        both = asyncio.gather(*(asked.call("fetch_time") for _ in range(2)))
        await asked_for.wait()
        await asyncio.sleep(held)
        release.set()
        await both
    _, second = sorted(observer.requests, key=lambda request: request.seconds - (request.round_trip or 0.0))
    assert second.round_trip is not None
    assert second.seconds - second.round_trip >= 0.9 * held


async def test_where_no_answer_came_there_is_no_round_trip(far: Scripted) -> None:
    observer = Told()
    far.answer = lambda _: web.json_response({"serverTime": 5})
    async with venue(far.base, observer=observer) as asked:
        await asked.call("fetch_time")
    async with venue("http://127.0.0.1:1", observer=observer) as asked:
        with pytest.raises(SourceError):
            await asked.call("fetch_time")
    answered, unanswered = observer.requests
    assert answered.round_trip is not None
    assert answered.round_trip <= answered.seconds
    assert (unanswered.answered_at, unanswered.round_trip) == (None, None)


# --- books -----------------------------------------------------------------------------------------------------------

LEVELS = [["100.0", "1.0"]]


@pytest.mark.parametrize(
    "book", [{}, {"bids": LEVELS}, {"asks": LEVELS}, {"bids": LEVELS, "asks": None}, {"code": 0, "msg": "try later"}]
)
async def test_a_side_that_is_missing_is_no_empty_one(far: Scripted, book: dict[str, Any]) -> None:
    far.answer = lambda request: web.json_response(
        _info() if request.path.endswith("exchangeInfo") else {"lastUpdateId": 1, **book}
    )
    async with venue(far.base, options=SPOT) as asked:
        with pytest.raises(SourceError) as told:
            await asked.call("fetch_order_book", "BTC/USDT")
        assert told.value.reason is Reason.BAD_RESPONSE


async def test_an_empty_side_is_empty(far: Scripted) -> None:
    far.answer = lambda request: web.json_response(
        _info() if request.path.endswith("exchangeInfo") else {"lastUpdateId": 1, "bids": LEVELS, "asks": []}
    )
    async with venue(far.base, options=SPOT) as asked:
        book = await asked.call("fetch_order_book", "BTC/USDT")
    assert (book["bids"], book["asks"]) == ([[100.0, 1.0]], [])


def _info() -> dict[str, Any]:
    market = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "filters": []}
    return {"symbols": [{**market, "isSpotTradingAllowed": True, "permissionSets": [["SPOT"]]}]}


async def test_the_session_stays_its_owners() -> None:
    async with scripted() as server, aiohttp.ClientSession() as session:
        for _ in range(2):
            async with Venue.open("binance", session=session, base_url=server.base):
                pass
        assert not session.closed
