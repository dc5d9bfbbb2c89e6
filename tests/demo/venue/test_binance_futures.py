"""Binance USD-M futures by ccxt as it is installed: market data, streams, positions, plain and conditional orders."""

import itertools
from typing import Any

import ccxt
import pytest

from demo.venue.engine import Order, Side
from demo.venue.faults import Fault
from demo.venue.market import Market
from demo.venue.server import Server
from tests.demo.venue.support import READER, TRADER, Client, connected, heard, polled, watched

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
async def desk(client: Client) -> Any:
    binance = await client(**TRADER, options={"defaultType": "swap"})
    await binance.load_markets()
    return binance


@pytest.fixture
def market(server: Server) -> Market:
    return next(market for market in server.venues["binance"].exchange.markets() if market.name == SYMBOL)


@pytest.fixture
def quiet(market: Market) -> Market:
    """Nobody else trades: what the crowd did stays, and the test is alone with it."""
    market.step = lambda at, stamp: None  # type: ignore[method-assign]
    return market


async def test_contracts_are_listed_beside_spot(desk: Any) -> None:
    market = desk.market(SYMBOL)
    assert (market["type"], market["linear"], market["settle"], market["active"]) == ("swap", True, "USDT", True)
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.00001)
    assert market["limits"]["cost"]["min"] == 5


async def test_the_class_for_futures_alone_works_as_well(client: Client) -> None:
    futures = await client(kind="binanceusdm", **TRADER)
    assert set(await futures.load_markets()) == {"BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"}
    assert (await futures.fetch_order_book(SYMBOL, 5))["bids"]


async def test_books_trades_tickers_and_candles(desk: Any) -> None:
    book = await desk.fetch_order_book(SYMBOL, 100)
    assert len(book["bids"]) == 100
    assert book["bids"][0][0] < book["asks"][0][0]
    assert book["timestamp"] > 0
    assert await desk.fetch_trades(SYMBOL)
    ticker = await desk.fetch_ticker(SYMBOL)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert SYMBOL in await desk.fetch_tickers()
    assert SYMBOL in await desk.fetch_bids_asks()
    assert await desk.fetch_ohlcv(SYMBOL)
    with pytest.raises(ccxt.ExchangeError, match="-4021"):
        await desk.fetch_order_book(SYMBOL, 7)


async def test_mark_index_funding_and_open_interest(desk: Any) -> None:
    now = await desk.fetch_time()
    rate = await desk.fetch_funding_rate(SYMBOL)
    assert rate["markPrice"] == pytest.approx(rate["indexPrice"], rel=0.002)
    assert abs(rate["fundingRate"]) < 0.003
    assert now < rate["fundingTimestamp"] <= now + 8 * 3_600_000
    history = await desk.fetch_funding_rate_history(SYMBOL, limit=5)
    assert len(history) == 5
    times = [each["timestamp"] for each in history]
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {8 * 3_600_000}
    assert history[-1]["fundingRate"] == rate["fundingRate"]
    assert len(await desk.fetch_funding_rates()) == 3
    assert (await desk.fetch_open_interest(SYMBOL))["openInterestAmount"] > 0


async def test_ccxt_keeps_a_book_that_is_the_venues(desk: Any, market: Market) -> None:
    updates = 0

    async def watch() -> Any:
        nonlocal updates
        updates += 1
        return await desk.watch_order_book(SYMBOL)

    book = await watched(watch, lambda book: updates > 10 and book["nonce"] == market.published.last_id)
    for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks")):
        told = [
            (round(price / market.listing.price_unit), round(size / market.listing.lot)) for price, size in book[name]
        ]
        assert told == market.published.top(side, len(told))


async def test_ccxt_follows_trades_tickers_quotes_and_marks(desk: Any) -> None:
    assert await watched(lambda: desk.watch_trades(SYMBOL), bool)
    assert (await watched(lambda: desk.watch_ticker(SYMBOL), bool))["last"] > 0
    assert await watched(lambda: desk.watch_bids_asks([SYMBOL]), bool)
    assert (await watched(lambda: desk.watch_mark_price(SYMBOL), bool))["markPrice"] > 0


async def test_updates_name_the_one_before(server: Server) -> None:
    async with connected(server, "/fstream.binance.com/public/ws/btcusdt@depth@100ms") as socket:
        updates = [await heard(socket) for _ in range(10)]
    assert all(later["pu"] == earlier["u"] for earlier, later in itertools.pairwise(updates))


async def test_a_gap_is_seen(desk: Any, switch: Any) -> None:
    await watched(lambda: desk.watch_order_book(SYMBOL), lambda book: book["nonce"])
    switch(Fault.GAP, symbol=SYMBOL)
    with pytest.raises(ccxt.ChecksumError):
        await watched(lambda: desk.watch_order_book(SYMBOL), lambda _: False)


async def test_a_fault_of_a_contract_leaves_spot_alone(client: Client, switch: Any) -> None:
    binance = await client()
    switch(Fault.CROSSED, symbol=SYMBOL)
    contract, spot = await binance.fetch_order_book(SYMBOL), await binance.fetch_order_book("BTC/USDT")
    assert contract["bids"][0][0] > contract["asks"][0][0]
    assert spot["bids"][0][0] < spot["asks"][0][0]


async def test_a_halt_is_said_by_the_status(desk: Any, switch: Any) -> None:
    switch(Fault.HALT, symbol=SYMBOL)
    await desk.load_markets(reload=True)
    assert desk.market(SYMBOL)["active"] is False
    with pytest.raises(ccxt.ExchangeError, match="-4140"):
        await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)


async def test_a_position_is_opened_valued_and_closed(desk: Any, quiet: Market) -> None:
    bought = await desk.create_order(SYMBOL, "market", "buy", 1)
    assert (bought["status"], bought["filled"]) == ("closed", 1)
    position = (await desk.fetch_positions([SYMBOL]))[0]
    assert (position["side"], position["contracts"]) == ("long", 1)
    assert position["entryPrice"] == pytest.approx(bought["average"])
    assert position["unrealizedPnl"] == pytest.approx(position["markPrice"] - bought["average"], rel=0.05, abs=5)
    assert position["initialMargin"] == pytest.approx(position["notional"] / 20)
    wallet = float((await desk.fetch_balance())["info"]["totalWalletBalance"])
    assert wallet == pytest.approx(1_000_000 - 0.0004 * bought["cost"], abs=0.01)
    sold = await desk.create_order(SYMBOL, "market", "sell", 5, params={"reduceOnly": True})
    assert sold["filled"] == 1
    assert await desk.fetch_positions([SYMBOL]) == []
    trades = await desk.fetch_my_trades(SYMBOL)
    profit = sum(float(trade["info"]["realizedPnl"]) for trade in trades)
    assert profit == pytest.approx(sold["cost"] - bought["cost"], abs=0.01)
    after = (await desk.fetch_balance())["USDT"]["total"]
    assert after == pytest.approx(1_000_000 + profit - 0.0004 * (bought["cost"] + sold["cost"]), abs=0.01)


async def test_a_short_that_costs_the_wallet_has_a_liquidation_price_above(desk: Any, quiet: Market) -> None:
    quiet.place(Order(next(quiet.ids), Side.BUY, quiet.fair - 1000, 10**8), 1)
    await desk.create_order(SYMBOL, "market", "sell", 100)
    position = (await desk.fetch_positions([SYMBOL]))[0]
    assert position["side"] == "short"
    assert position["markPrice"] < position["liquidationPrice"] < 1.5 * position["markPrice"]


async def test_reduce_only_needs_something_to_reduce(desk: Any) -> None:
    with pytest.raises(ccxt.ExchangeError, match="ReduceOnly Order is rejected"):
        await desk.create_order(SYMBOL, "limit", "sell", 0.1, 70_000, {"reduceOnly": True})


async def test_more_than_the_wallet_bears_is_refused(desk: Any) -> None:
    with pytest.raises(ccxt.ExchangeError, match="Margin is insufficient"):
        await desk.create_order(SYMBOL, "limit", "buy", 1_000, 40_000)


async def test_post_only_is_refused_where_it_would_trade(desk: Any) -> None:
    ask = (await desk.fetch_order_book(SYMBOL, 5))["asks"][0][0]
    with pytest.raises(ccxt.ExchangeError, match="could not be executed as maker"):
        await desk.create_order(SYMBOL, "limit", "buy", 0.1, ask * 1.01, {"postOnly": True})
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000, {"postOnly": True})
    assert (order["status"], order["postOnly"]) == ("open", True)


async def test_cancelling_plain_orders_leaves_conditional_ones_standing(desk: Any) -> None:
    plain = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    stop = await desk.create_order(SYMBOL, "market", "sell", 0.1, params={"stopLossPrice": 40_000})
    assert [each["id"] for each in await desk.fetch_open_orders(SYMBOL)] == [plain["id"]]
    assert [each["id"] for each in await desk.fetch_open_orders(SYMBOL, params={"trigger": True})] == [stop["id"]]
    await desk.cancel_all_orders(SYMBOL)
    assert await desk.fetch_open_orders(SYMBOL) == []
    assert [each["id"] for each in await desk.fetch_open_orders(SYMBOL, params={"trigger": True})] == [stop["id"]]
    await desk.cancel_all_orders(SYMBOL, {"trigger": True})
    assert await desk.fetch_open_orders(SYMBOL, params={"trigger": True}) == []


async def test_orders_are_cancelled_one_by_one(desk: Any) -> None:
    plain = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    stop = await desk.create_order(SYMBOL, "limit", "sell", 0.1, 40_000, {"stopLossPrice": 40_000})
    assert (await desk.cancel_order(plain["id"], SYMBOL))["status"] == "canceled"
    await desk.cancel_order(stop["id"], SYMBOL, {"trigger": True})
    assert (await desk.fetch_order(plain["id"], SYMBOL))["status"] == "canceled"
    assert (await desk.fetch_order(stop["id"], SYMBOL, {"trigger": True}))["status"] == "canceled"
    for gone, params in ((plain, {}), (stop, {"trigger": True})):
        with pytest.raises(ccxt.OrderNotFound):
            await desk.cancel_order(gone["id"], SYMBOL, params)


async def test_a_conditional_order_is_sent_when_its_price_is_there(desk: Any, quiet: Market) -> None:
    await desk.create_order(SYMBOL, "market", "buy", 0.1)
    stop = round(quiet.last * 0.99) * quiet.listing.price_unit
    order = await desk.create_order(SYMBOL, "market", "sell", 0.1, params={"stopLossPrice": stop, "reduceOnly": True})
    through = sum(level.quantity for level in quiet.book.levels(Side.BUY) if level.price > quiet.last * 0.985)
    quiet.place(Order(next(quiet.ids), Side.SELL, None, through), 1)

    async def flat() -> bool:
        return not await desk.fetch_positions([SYMBOL])

    await polled(flat, bool)
    assert (await desk.fetch_order(order["id"], SYMBOL, {"trigger": True}))["status"] == "closed"


async def test_a_stop_that_is_reached_already_is_refused(desk: Any) -> None:
    with pytest.raises(ccxt.ExchangeError, match="Order would immediately trigger"):
        await desk.create_order(SYMBOL, "market", "sell", 0.1, params={"stopLossPrice": 90_000})


async def test_a_conditional_order_with_nothing_left_to_reduce_expires(desk: Any, quiet: Market) -> None:
    stop = round(quiet.last * 0.99) * quiet.listing.price_unit
    order = await desk.create_order(SYMBOL, "market", "sell", 0.1, params={"stopLossPrice": stop, "reduceOnly": True})
    through = sum(level.quantity for level in quiet.book.levels(Side.BUY) if level.price > quiet.last * 0.985)
    quiet.place(Order(next(quiet.ids), Side.SELL, None, through), 1)
    done = await polled(
        lambda: desk.fetch_order(order["id"], SYMBOL, {"trigger": True}), lambda each: each["status"] != "open"
    )
    assert done["status"] == "expired"
    assert await desk.fetch_positions([SYMBOL]) == []


async def test_a_key_that_only_reads_reads(client: Client) -> None:
    reader = await client(**READER, options={"defaultType": "swap"})
    assert (await reader.fetch_balance())["USDT"]["free"] == 1_000_000
    assert (await reader.fetch_position_mode())["hedged"] is False
    with pytest.raises(ccxt.AuthenticationError):
        await reader.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
