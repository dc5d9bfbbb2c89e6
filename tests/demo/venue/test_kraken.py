"""Kraken's public market data: by ccxt as it is installed, and by bare frames for what ccxt does not check."""

import json
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import ccxt
import pytest

from demo.venue.engine import Side
from demo.venue.faults import Fault
from demo.venue.market import Market
from demo.venue.server import Server
from tests.demo.venue.support import Client, connected, heard, opened, watched

SYMBOL = "BTC/USD"
STREAMS = "/ws.kraken.com/v2"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with opened("kraken", "binance") as server:
        yield server


@pytest.fixture
async def kraken(client: Client) -> Any:
    exchange = await client("kraken", "kraken")
    await exchange.load_markets()
    return exchange


@pytest.fixture
def market(server: Server) -> Market:
    return next(server.venues["kraken"].exchange.markets())


async def test_markets_and_assets_have_their_usual_names(kraken: Any) -> None:
    assert set(kraken.markets) == {"BTC/USD", "ETH/USD", "SOL/USD", "USDT/USD", "USDC/USD"}
    bitcoin = kraken.market(SYMBOL)
    assert (bitcoin["id"], bitcoin["info"]["wsname"], bitcoin["active"]) == ("XXBTZUSD", "XBT/USD", True)
    assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (0.1, 1e-8)
    assert kraken.market("SOL/USD")["id"] == "SOLUSD"
    currencies = await kraken.fetch_currencies()
    assert set(currencies) == {"BTC", "ETH", "SOL", "USD", "USDT", "USDC"}
    assert all(each["active"] for each in currencies.values())


async def test_clock_and_status(kraken: Any) -> None:
    assert abs(await kraken.fetch_time() - time.time() * 1000) < 5_000
    assert (await kraken.fetch_status())["status"] == "ok"


async def test_books_trades_tickers_and_candles(kraken: Any) -> None:
    book = await kraken.fetch_order_book(SYMBOL, 100)
    assert [len(book[side]) for side in ("bids", "asks")] == [100, 100]
    assert book["bids"][0][0] < book["asks"][0][0]
    trades = await kraken.fetch_trades(SYMBOL, limit=20)
    assert len(trades) == 20
    assert all(each["price"] > 0 and each["side"] in ("buy", "sell") for each in trades)
    ticker = await kraken.fetch_ticker(SYMBOL)
    assert ticker["bid"] < ticker["ask"]
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert set(await kraken.fetch_tickers()) == set(kraken.markets)
    assert await kraken.fetch_ohlcv(SYMBOL)


async def test_a_dollar_like_coin_is_worth_about_a_dollar(kraken: Any) -> None:
    assert (await kraken.fetch_ticker("USDT/USD"))["last"] == pytest.approx(1, abs=0.003)


async def test_venues_of_one_seed_agree_on_prices(kraken: Any, client: Client) -> None:
    binance = await client()
    there, here = await binance.fetch_ticker("BTC/USDT"), await kraken.fetch_ticker(SYMBOL)
    assert here["last"] == pytest.approx(there["last"], rel=0.002)


async def test_since_continues_where_the_last_answer_ended(kraken: Any) -> None:
    first = await kraken.publicGetTrades({"pair": "XBTUSD", "count": 10})
    following = await kraken.publicGetTrades({"pair": "XBTUSD", "since": first["result"]["last"]})
    seen = {trade[6] for trade in first["result"]["XXBTZUSD"]}
    assert not seen & {trade[6] for trade in following["result"]["XXBTZUSD"]}


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("publicGetDepth", {"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("publicGetDepth", {}, "EGeneral:Invalid arguments"),
        ("publicGetDepth", {"pair": "XBTUSD", "count": "many"}, "EGeneral:Invalid arguments:count"),
        ("publicGetTrades", {"pair": "XBTUSD", "since": "then"}, "EGeneral:Invalid arguments:since"),
        ("publicGetOHLC", {"pair": "XBTUSD", "interval": 7}, "EGeneral:Invalid arguments:interval"),
    ],
)
async def test_what_is_wrong_is_said_in_krakens_words(
    kraken: Any, method: str, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(ccxt.ExchangeError, match=words):
        await getattr(kraken, method)(params)


async def test_ccxt_keeps_a_book_that_is_the_venues(kraken: Any, market: Market) -> None:
    def same(book: Any) -> bool:
        told = [
            (round(price / market.listing.price_unit), round(size / market.listing.lot)) for price, size in book["bids"]
        ]
        return told == market.published.top(Side.BUY, 10)

    updates = 0

    async def watch() -> Any:
        nonlocal updates
        updates += 1
        return await kraken.watch_order_book(SYMBOL)

    book = await watched(watch, lambda book: updates > 10 and same(book))
    assert book["bids"][0][0] < book["asks"][0][0]


async def test_ccxt_follows_trades_and_tickers(kraken: Any) -> None:
    assert (await watched(lambda: kraken.watch_trades(SYMBOL), bool))[-1]["price"] > 0
    ticker = await watched(lambda: kraken.watch_ticker(SYMBOL), bool)
    assert ticker["bid"] < ticker["ask"]


class Copy:
    """A book kept as Kraken says that it is to be kept, from frames whose numbers are left as they were written."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._sides: dict[str, dict[str, str]] = {"asks": {}, "bids": {}}

    def take(self, data: Any) -> None:
        for side, levels in self._sides.items():
            for level in data[side]:
                levels[level["price"]] = level["qty"]
            kept = sorted((price for price, size in levels.items() if float(size)), key=float, reverse=side == "bids")
            self._sides[side] = {price: levels[price] for price in kept[: self._depth]}

    def checksum(self) -> int:
        best = [pair for side in ("asks", "bids") for pair in list(self._sides[side].items())[:10]]
        return zlib.crc32("".join(text.replace(".", "").lstrip("0") for pair in best for text in pair).encode())


async def books(socket: aiohttp.ClientWebSocketResponse[Any], count: int) -> list[Any]:
    """The data of so many messages of the book."""
    found: list[Any] = []
    while len(found) < count:
        told = json.loads(await socket.receive_str(), parse_float=str, parse_int=str)
        found += told["data"] if told.get("channel") == "book" else []
    return found


def asking(method: str, **params: Any) -> str:
    return json.dumps({"method": method, "params": params, "req_id": 7})


@pytest.mark.parametrize("depth", [10, 100])
async def test_checksums_are_those_of_the_book_that_a_client_keeps(server: Server, depth: int) -> None:
    async with connected(server, STREAMS, "kraken") as socket:
        await socket.send_str(asking("subscribe", channel="book", symbol=[SYMBOL], depth=depth))
        copy = Copy(depth)
        for data in await books(socket, 15):
            copy.take(data)
            assert copy.checksum() == int(data["checksum"])


async def test_a_gap_breaks_the_checksum(server: Server) -> None:
    async with connected(server, STREAMS, "kraken") as socket:
        await socket.send_str(asking("subscribe", channel="book", symbol=[SYMBOL], depth=10))
        copy = Copy(10)
        copy.take((await books(socket, 1))[0])
        await switched(server, "PUT", "gap")
        broken = False
        while not broken:
            data = (await books(socket, 1))[0]
            copy.take(data)
            broken = copy.checksum() != int(data["checksum"])


async def switched(server: Server, method: str, fault: str) -> None:
    url = f"{server.url}/venues/kraken/fault/{fault}"
    async with aiohttp.ClientSession() as session, session.request(method, url) as response:
        assert response.status == 200


async def test_it_says_its_status_first_and_answers_pings(server: Server) -> None:
    async with connected(server, STREAMS, "kraken") as socket:
        assert (await heard(socket))["data"][0]["system"] == "online"
        await socket.send_str('{"method": "ping", "req_id": 3}')
        while (told := await heard(socket)).get("channel") == "heartbeat":
            pass
        assert (told["method"], told["req_id"]) == ("pong", 3)


async def test_a_heart_beats_without_subscriptions(server: Server) -> None:
    async with connected(server, STREAMS, "kraken") as socket:
        await heard(socket)
        assert await heard(socket) == {"channel": "heartbeat"}


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"channel": "book", "symbol": ["NO/PE"]}, "Currency pair not supported NO/PE"),
        ({"channel": "gossip", "symbol": [SYMBOL]}, "Channel gossip not supported"),
        ({"channel": "book", "symbol": [SYMBOL], "depth": 7}, "Subscription depth not supported"),
    ],
)
async def test_what_can_not_be_subscribed_is_said(server: Server, params: dict[str, Any], word: str) -> None:
    async with connected(server, STREAMS, "kraken") as socket:
        await socket.send_str(asking("subscribe", **params))
        while (told := await heard(socket)).get("method") != "subscribe":
            pass
        assert (told["success"], told["error"], told["req_id"]) == (False, word, 7)


async def test_unsubscribed_is_silent(server: Server, market: Market) -> None:
    async with connected(server, STREAMS, "kraken") as socket:
        await socket.send_str(asking("subscribe", channel="book", symbol=[SYMBOL]))
        await books(socket, 2)
        await socket.send_str(asking("unsubscribe", channel="book", symbol=[SYMBOL]))
        while (await heard(socket)).get("method") != "unsubscribe":
            pass
        assert {(await heard(socket)).get("channel") for _ in range(2)} == {"heartbeat"}


@pytest.mark.parametrize("text", ["{", "[]", '{"method": "shout"}'])
async def test_what_is_not_understood_is_said(server: Server, text: str) -> None:
    async with connected(server, STREAMS, "kraken") as socket:
        await socket.send_str(text)
        while "success" not in (told := await heard(socket)):
            pass
        assert told["success"] is False


async def test_maintenance_and_bans(kraken: Any, server: Server) -> None:
    await switched(server, "PUT", "maintenance")
    assert (await kraken.fetch_status())["status"] == "maintenance"
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await kraken.fetch_order_book(SYMBOL)
    await switched(server, "DELETE", "maintenance")
    await switched(server, "PUT", "ban")
    with pytest.raises(ccxt.DDoSProtection):
        await kraken.fetch_time()


async def test_halts_and_suspensions_are_said(kraken: Any, server: Server) -> None:
    await switched(server, "PUT", f"{Fault.HALT}?symbol={SYMBOL}")
    await switched(server, "PUT", f"{Fault.WITHDRAWALS_SUSPENDED}?currency=USDT")
    await kraken.load_markets(reload=True)
    assert (kraken.market(SYMBOL)["active"], kraken.market("ETH/USD")["active"]) == (False, True)
    currencies = await kraken.fetch_currencies()
    assert (currencies["USDT"]["active"], currencies["USDC"]["active"]) == (False, True)


async def test_too_many_requests(kraken: Any, server: Server) -> None:
    server.venues["kraken"].exchange.segments["spot"].limiter.limit = 0
    with pytest.raises(ccxt.DDoSProtection, match="EAPI:Rate limit exceeded"):
        await kraken.fetch_time()


async def test_a_crossed_book_is_crossed_in_answers_and_streams(kraken: Any, server: Server) -> None:
    await switched(server, "PUT", f"{Fault.CROSSED}?symbol={SYMBOL}")
    book = await kraken.fetch_order_book(SYMBOL)
    assert book["bids"][0][0] > book["asks"][0][0]
    await watched(lambda: kraken.watch_order_book(SYMBOL), lambda book: book["bids"][0][0] > book["asks"][0][0])
