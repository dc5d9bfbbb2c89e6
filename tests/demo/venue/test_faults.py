"""Each fault as a client sees it: ccxt where it can tell, bare frames where it hides what it got."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import ccxt
import pytest

from demo.until import until
from demo.venue.faults import Fault, Scope, UnknownError
from demo.venue.market import Market
from demo.venue.server import Server
from tests.demo.venue.support import DEADLINE, TRADER, Client, connected, heard, watched

SYMBOL = "BTC/USDT"
DEPTH = "/stream.binance.com:9443/ws/btcusdt@depth@100ms"
Switch = Callable[..., None]


@pytest.fixture
async def binance(client: Client) -> Any:
    exchange = await client()
    await exchange.load_markets()
    return exchange


@pytest.fixture
def market(server: Server) -> Market:
    return next(server.venues["binance"].exchange.markets())


def cleared(server: Server, fault: Fault) -> None:
    server.venues["binance"].exchange.clear(fault)


async def test_a_frozen_book_stands_still_on_a_live_socket_while_trades_go_on(
    binance: Any, server: Server, switch: Switch, market: Market
) -> None:
    async with connected(server, DEPTH) as socket:
        last = (await heard(socket))["u"]
        switch(Fault.FROZEN, symbol=SYMBOL)
        before = await binance.fetch_order_book(SYMBOL)
        traded = market.prints[-1].id + 5
        await watched(lambda: binance.watch_trades(SYMBOL), lambda trades: int(trades[-1]["id"]) >= traded)
        assert (await binance.fetch_order_book(SYMBOL)) == before
        assert (await binance.fetch_order_book("ETH/USDT"))["nonce"] > 0
        cleared(server, Fault.FROZEN)
        while (update := await heard(socket))["u"] <= before["nonce"]:
            last = update["u"]
        assert update["U"] == last + 1
    assert (await binance.fetch_order_book(SYMBOL))["nonce"] > before["nonce"]


async def test_a_gap_is_seen_at_once_and_ccxt_says_so(binance: Any, server: Server, switch: Switch) -> None:
    await watched(lambda: binance.watch_order_book(SYMBOL), lambda book: book["nonce"])
    async with connected(server, DEPTH) as socket:
        last = (await heard(socket))["u"]
        switch(Fault.GAP)
        with pytest.raises(ccxt.ChecksumError):
            await watched(lambda: binance.watch_order_book(SYMBOL), lambda _: False)
        while (update := await heard(socket))["U"] == last + 1:
            last = update["u"]
        assert update["U"] > last + 1


async def test_a_crossed_book_bids_more_than_it_asks(binance: Any, server: Server, switch: Switch) -> None:
    switch(Fault.CROSSED, symbol=SYMBOL)
    book = await binance.fetch_order_book(SYMBOL)
    assert book["bids"][0][0] > book["asks"][0][0]
    streamed = await watched(lambda: binance.watch_order_book(SYMBOL), lambda book: book["nonce"])
    assert streamed["bids"][0][0] > streamed["asks"][0][0]
    quote = (await binance.fetch_bids_asks([SYMBOL]))[SYMBOL]
    assert quote["bid"] > quote["ask"]
    cleared(server, Fault.CROSSED)
    assert await watched(lambda: binance.watch_order_book(SYMBOL), lambda book: book["bids"][0][0] < book["asks"][0][0])


async def test_a_thin_book_has_next_to_nothing_and_fills_again(binance: Any, server: Server, switch: Switch) -> None:
    thick = await binance.fetch_order_book(SYMBOL, 500)
    switch(Fault.THIN, symbol=SYMBOL)

    def watch() -> Any:
        return binance.watch_order_book(SYMBOL)

    await watched(watch, lambda book: 0 < len(book["bids"]) <= 6)
    thin = await binance.fetch_order_book(SYMBOL, 500)
    assert sum(size for _, size in thin["bids"]) < 0.02 * sum(size for _, size in thick["bids"])
    cleared(server, Fault.THIN)
    await watched(watch, lambda book: len(book["bids"]) > 150)


async def test_a_flash_crash_falls_and_recovers(binance: Any, server: Server, switch: Switch) -> None:
    before = (await binance.fetch_ticker(SYMBOL))["last"]
    switch(Fault.FLASH_CRASH, symbol=SYMBOL, ratio=0.1)
    low = await watched(lambda: binance.watch_trades(SYMBOL), lambda trades: trades[-1]["price"] < 0.92 * before)
    assert low[-1]["price"] > 0.85 * before
    cleared(server, Fault.FLASH_CRASH)
    await watched(lambda: binance.watch_trades(SYMBOL), lambda trades: trades[-1]["price"] > 0.98 * before)
    assert (await binance.fetch_ticker(SYMBOL))["low"] < 0.92 * before


async def test_a_tick_size_changes_for_new_orders_while_old_ones_stand(client: Client, switch: Switch) -> None:
    desk = await client(**TRADER)
    await desk.load_markets()
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000.1)
    switch(Fault.TICK_SIZE, symbol=SYMBOL)
    with pytest.raises(ccxt.InvalidOrder, match="PRICE_FILTER"):
        await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000.1)
    await desk.load_markets(reload=True)
    assert desk.market(SYMBOL)["precision"]["price"] == 1
    assert (await desk.fetch_order(order["id"], SYMBOL))["status"] == "open"


async def test_a_halt_stops_everything_of_the_symbol_and_says_so(binance: Any, switch: Switch, server: Server) -> None:
    switch(Fault.HALT, symbol=SYMBOL)
    before = await binance.fetch_order_book(SYMBOL)
    trades = await binance.fetch_trades(SYMBOL)
    others = (await binance.fetch_order_book("ETH/USDT"))["nonce"]

    async def moved() -> bool:
        return bool((await binance.fetch_order_book("ETH/USDT"))["nonce"] > others)

    await until(moved, DEADLINE)
    assert await binance.fetch_order_book(SYMBOL) == before
    assert await binance.fetch_trades(SYMBOL) == trades
    await binance.load_markets(reload=True)
    assert (binance.market(SYMBOL)["active"], binance.market("ETH/USDT")["active"]) == (False, True)
    assert binance.market(SYMBOL)["info"]["status"] == "HALT"
    cleared(server, Fault.HALT)
    await watched(lambda: binance.watch_trades(SYMBOL), bool)


async def test_a_symbol_that_was_taken_off_is_unknown(binance: Any, switch: Switch) -> None:
    switch(Fault.DELISTED, symbol="SOL/USDT")
    with pytest.raises(ccxt.BadSymbol):
        await binance.fetch_order_book("SOL/USDT")
    assert "SOL/USDT" not in await binance.load_markets(reload=True)
    assert "SOL/USDT" not in await binance.fetch_tickers()


async def test_one_side_and_both_sides_vanish_from_answers_and_streams(
    binance: Any, server: Server, switch: Switch
) -> None:
    await watched(lambda: binance.watch_order_book(SYMBOL), lambda book: book["nonce"])
    switch(Fault.ONE_SIDED, symbol=SYMBOL)
    book = await binance.fetch_order_book(SYMBOL)
    assert (len(book["bids"]) > 0, book["asks"]) == (True, [])
    await watched(lambda: binance.watch_order_book(SYMBOL), lambda book: book["bids"] and not book["asks"])
    cleared(server, Fault.ONE_SIDED)
    await watched(lambda: binance.watch_order_book(SYMBOL), lambda book: book["bids"] and book["asks"])
    switch(Fault.EMPTY, symbol=SYMBOL)
    book = await binance.fetch_order_book(SYMBOL)
    assert (book["bids"], book["asks"]) == ([], [])
    assert (await binance.publicGetTickerBookTicker({"symbol": "BTCUSDT"}))["bidQty"] == "0.00000000"


async def test_absurd_levels_come_in_answers_and_streams(server: Server, switch: Switch) -> None:
    switch(Fault.ABSURD, symbol=SYMBOL)
    url = f"{server.base_url('binance')}/api.binance.com/api/v3/depth?symbol=BTCUSDT"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        told = await response.json()
    async with connected(server, DEPTH) as socket:
        update = await heard(socket)
    for levels in (told["bids"], told["asks"], update["b"], update["a"]):
        assert levels[:2] == [["NaN", "1.0"], ["-1.0", "3.0"]]


async def test_reordered_updates_change_places(server: Server, switch: Switch) -> None:
    switch(Fault.REORDERED, symbol=SYMBOL)
    async with connected(server, DEPTH) as socket:
        later, earlier = await heard(socket), await heard(socket)
    assert later["U"] == earlier["u"] + 1


async def raw(server: Server, path: str = "/api/v3/time") -> tuple[int, str]:
    url = f"{server.base_url('binance')}/api.binance.com{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_garbage_is_a_page_for_every_message(server: Server, switch: Switch) -> None:
    async with connected(server, DEPTH) as socket:
        await heard(socket)
        switch(Fault.GARBAGE)
        assert (await raw(server))[1].startswith("<html>")
        with pytest.raises(json.JSONDecodeError):
            await asyncio.wait_for(_hear_on(socket), DEADLINE)


async def _hear_on(socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
    while True:
        await heard(socket)


async def _quiet(socket: aiohttp.ClientWebSocketResponse[Any]) -> bool:
    """Whether nothing comes any more, after the few messages that may be under way."""
    for _ in range(20):
        try:
            await asyncio.wait_for(socket.receive(), 1)
        except TimeoutError:
            return True
    return False


async def test_truncated_is_the_first_half(server: Server, switch: Switch) -> None:
    switch(Fault.TRUNCATED)
    status, text = await raw(server)
    assert (status, text) == (200, '{"serverTime":')
    async with connected(server, DEPTH) as socket:
        with pytest.raises(json.JSONDecodeError):
            await heard(socket)


async def test_silence_never_answers_and_never_pongs_and_ends(server: Server, switch: Switch) -> None:
    async with connected(server, DEPTH) as socket:
        await heard(socket)
        switch(Fault.SILENCE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(raw(server), 0.5)
        await socket.ping()
        assert await _quiet(socket)
    cleared(server, Fault.SILENCE)
    assert (await raw(server))[0] == 200


async def test_drop_closes_sockets_and_answers_over_http(binance: Any, server: Server, switch: Switch) -> None:
    await watched(lambda: binance.watch_order_book(SYMBOL), lambda book: book["nonce"])
    switch(Fault.DROP)
    with pytest.raises(ccxt.NetworkError):
        await watched(lambda: binance.watch_order_book(SYMBOL), lambda _: False)
    async with connected(server, DEPTH) as socket, asyncio.timeout(DEADLINE):
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert (await raw(server))[0] == 200
    cleared(server, Fault.DROP)
    await watched(lambda: binance.watch_order_book(SYMBOL), lambda book: book["nonce"])


async def test_slow_answers_rightly_and_late(server: Server, switch: Switch) -> None:
    switch(Fault.SLOW, seconds=0.3)
    began = time.monotonic()
    assert (await raw(server))[0] == 200
    assert time.monotonic() - began >= 0.3
    async with connected(server, DEPTH) as socket:
        update = await heard(socket)
        assert time.time() * 1000 - update["E"] >= 290


async def test_a_server_error_is_502_and_a_page_and_closes_sockets(
    binance: Any, server: Server, switch: Switch
) -> None:
    async with connected(server, DEPTH) as socket:
        switch(Fault.SERVER_ERROR)
        assert (await raw(server))[0] == 502
        with pytest.raises(ccxt.NetworkError):
            await binance.fetch_time()
        async with asyncio.timeout(DEADLINE):
            while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await connected(server, DEPTH).__aenter__()


async def test_maintenance_is_announced_by_the_status_and_met_by_all_else(
    binance: Any, server: Server, switch: Switch
) -> None:
    switch(Fault.MAINTENANCE)
    assert (await binance.fetch_status())["status"] == "maintenance"
    with pytest.raises(ccxt.OnMaintenance):
        await binance.fetch_order_book(SYMBOL)
    cleared(server, Fault.MAINTENANCE)
    assert (await binance.fetch_status())["status"] == "ok"
    await binance.fetch_order_book(SYMBOL)


async def test_a_fault_of_a_symbol_that_is_not_there_is_refused(server: Server) -> None:
    with pytest.raises(UnknownError, match="no symbol DOGE/USDT; symbols: BTC/USDT"):
        server.venues["binance"].exchange.set(Fault.HALT, Scope(symbol="DOGE/USDT"))


async def test_every_fault_can_be_set_together_with_all_others_and_cleared(
    server: Server, binance: Any, client: Client
) -> None:
    exchange = server.venues["binance"].exchange
    trader = await client(**TRADER)
    await trader.load_markets()
    await trader.create_order("BTC/USDT:USDT", "market", "buy", 20)
    for fault in Fault:
        exchange.set(fault, Scope(account="trader", call="account", ratio=0.5))
    for fault in Fault:
        exchange.clear(fault)
    book = await watched(lambda: binance.watch_order_book(SYMBOL), lambda book: len(book["bids"]) > 150)
    assert book["bids"][0][0] < book["asks"][0][0]
