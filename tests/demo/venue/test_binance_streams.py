"""Binance spot's WebSocket streams: by ccxt.pro as it is installed, and by bare frames where ccxt does not go."""

import itertools
from typing import Any

import aiohttp
import pytest

from demo.until import until
from demo.venue.engine import Side
from demo.venue.server import Server
from tests.demo.venue.support import DEADLINE, Client, asked, connected, heard, watched

SYMBOL = "BTC/USDT"
PLAIN, COMBINED = "/stream.binance.com:9443/ws", "/stream.binance.com:9443/stream?streams="


async def test_ccxt_keeps_a_book_that_is_the_venues(client: Client, server: Server) -> None:
    binance = await client()
    market = next(server.venues["binance"].exchange.markets())
    updates = 0

    async def watch() -> Any:
        nonlocal updates
        updates += 1
        return await binance.watch_order_book(SYMBOL)

    book = await watched(watch, lambda book: updates > 10 and book["nonce"] == market.published.last_id)
    unit, lot = market.listing.price_unit, market.listing.lot
    for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks")):
        told = [(round(price / unit), round(size / lot)) for price, size in book[name]]
        assert told == market.published.top(side, len(told))
        assert len(told) > 150


async def test_ccxt_follows_trades_tickers_and_quotes(client: Client) -> None:
    binance = await client()
    trades = await watched(lambda: binance.watch_trades(SYMBOL), bool)
    assert trades[-1]["side"] in ("buy", "sell")
    aggregates = await watched(lambda: binance.watch_trades("ETH/USDT", params={"name": "aggTrade"}), bool)
    assert aggregates[-1]["info"]["e"] == "aggTrade"
    ticker = await watched(lambda: binance.watch_ticker(SYMBOL), bool)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    quotes = await watched(lambda: binance.watch_bids_asks([SYMBOL, "ETH/USDT"]), bool)
    assert all(quote["bid"] < quote["ask"] for quote in quotes.values())
    assert await watched(binance.watch_tickers, bool)


async def test_ccxt_watches_many_books_at_one_socket_and_leaves_them(client: Client) -> None:
    binance = await client()
    symbols = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    seen: set[str] = set()

    async def watch() -> str:
        book = await binance.watch_order_book_for_symbols(symbols)
        seen.add(book["symbol"])
        return str(book["symbol"])

    await watched(watch, lambda _: seen == set(symbols))
    assert await binance.un_watch_order_book_for_symbols(symbols)


async def test_updates_follow_each_other_without_a_gap(server: Server) -> None:
    async with connected(server, f"{PLAIN}/btcusdt@depth@100ms") as socket:
        updates = [await heard(socket) for _ in range(20)]
    assert {update["e"] for update in updates} == {"depthUpdate"}
    assert all(later["U"] == earlier["u"] + 1 for earlier, later in itertools.pairwise(updates))
    assert all(update["b"] or update["a"] for update in updates)
    assert set(updates[0]) == {"e", "E", "s", "U", "u", "b", "a"}


async def test_a_snapshot_that_is_asked_for_after_subscribing_finds_its_place(server: Server) -> None:
    url = f"{server.base_url('binance')}/api.binance.com/api/v3/depth?symbol=BTCUSDT"
    async with aiohttp.ClientSession() as session:
        for _ in range(10):
            async with connected(server, PLAIN) as socket:
                await asked(socket, {"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1})
                async with session.get(url) as response:
                    last = (await response.json())["lastUpdateId"]
                while (update := await heard(socket))["u"] <= last:
                    pass
                assert update["U"] <= last + 1


async def test_the_slow_stream_tells_the_same_in_fewer_messages(server: Server) -> None:
    async with connected(server, f"{PLAIN}/btcusdt@depth") as socket:
        updates = [await heard(socket) for _ in range(4)]
    assert all(later["U"] == update["u"] + 1 for update, later in itertools.pairwise(updates))
    assert updates[-1]["E"] - updates[0]["E"] > 1500, "one a second, of which one or the other may be late"


async def test_partial_books_tell_the_whole_top(server: Server) -> None:
    async with connected(server, f"{PLAIN}/btcusdt@depth5@100ms") as socket:
        told = await heard(socket)
    assert set(told) == {"lastUpdateId", "bids", "asks"}
    assert [len(told[side]) for side in ("bids", "asks")] == [5, 5]


async def test_combined_streams_name_theirs(server: Server) -> None:
    async with connected(server, f"{COMBINED}btcusdt@depth@100ms/ethusdt@bookTicker") as socket:
        names = {(await heard(socket))["stream"] for _ in range(20)}
    assert names == {"btcusdt@depth@100ms", "ethusdt@bookTicker"}


async def test_subscriptions_are_confirmed_listed_and_left(server: Server) -> None:
    async with connected(server, PLAIN) as socket:
        both = ["btcusdt@trade", "btcusdt@bookTicker"]
        assert await asked(socket, {"method": "SUBSCRIBE", "params": both, "id": 1}) == {"result": None, "id": 1}
        assert await asked(socket, {"method": "LIST_SUBSCRIPTIONS", "id": "x"}) == {"result": both, "id": "x"}
        assert await asked(socket, {"method": "UNSUBSCRIBE", "params": both[:1], "id": 2}) == {"result": None, "id": 2}
        assert (await asked(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 3}))["result"] == both[1:]


@pytest.mark.parametrize(
    ("question", "code"),
    [("{", 3), ("[]", 2), ('{"method": "SHOUT", "id": 1}', 2), ('{"method": "SUBSCRIBE", "params": [1], "id": 1}', 2)],
)
async def test_what_is_not_understood_is_said_and_the_socket_stays(server: Server, question: str, code: int) -> None:
    async with connected(server, PLAIN) as socket:
        assert (await asked(socket, question))["error"]["code"] == code
        assert (await asked(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 3})) == {"result": [], "id": 3}


async def test_pings_are_answered(server: Server) -> None:
    async with connected(server, PLAIN) as socket:
        await socket.ping(b"42")
        assert (await asked(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 3})) == {"result": [], "id": 3}


async def test_what_nobody_listens_to_is_not_collected(server: Server) -> None:
    market = next(server.venues["binance"].exchange.markets())
    async with connected(server, f"{PLAIN}/btcusdt@depth@100ms") as socket:
        await heard(socket)
        assert market.published.collecting

    async def left() -> bool:
        return not market.published.collecting

    assert await until(left, DEADLINE)
