"""Binance spot's public endpoints and its wallet, read by ccxt as it is installed."""

import time
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from demo.venue.faults import Fault
from tests.demo.venue.support import READER, Client


@pytest.fixture
async def binance(client: Client) -> Any:
    return await client()


async def test_markets_have_their_precisions_and_limits(binance: Any) -> None:
    markets = await binance.load_markets()
    assert [name for name in markets if ":" not in name] == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    bitcoin = markets["BTC/USDT"]
    assert (bitcoin["type"], bitcoin["active"]) == ("spot", True)
    assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (0.1, 0.00001)
    assert bitcoin["limits"]["cost"]["min"] == 5


async def test_the_clock_is_the_venues(binance: Any) -> None:
    before = int(time.time() * 1000)
    assert before <= await binance.fetch_time() <= time.time() * 1000 + 1


async def test_the_status_is_normal(binance: Any) -> None:
    assert (await binance.fetch_status())["status"] == "ok"


@pytest.mark.parametrize("limit", [5, 100, 5000])
async def test_a_book_has_as_many_levels_as_asked_for_in_order(binance: Any, limit: int) -> None:
    book = await binance.fetch_order_book("BTC/USDT", limit)
    bids, asks = [price for price, _ in book["bids"]], [price for price, _ in book["asks"]]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    assert all(size > 0 for _, size in [*book["bids"], *book["asks"]])
    assert len(bids) == limit if limit <= 100 else 150 < len(bids) < 300
    assert book["nonce"] > 0


async def test_trades_are_in_time_order_by_either_endpoint(binance: Any) -> None:
    for trades in (
        await binance.fetch_trades("BTC/USDT", limit=50),
        await binance.fetch_trades("BTC/USDT", limit=50, params={"fetchTradesMethod": "publicGetTrades"}),
    ):
        assert 0 < len(trades) <= 50
        assert [each["timestamp"] for each in trades] == sorted(each["timestamp"] for each in trades)
        assert len({each["id"] for each in trades}) == len(trades)
        assert all(each["side"] in ("buy", "sell") and each["price"] > 0 and each["amount"] > 0 for each in trades)


async def test_tickers_of_one_of_some_and_of_all(binance: Any) -> None:
    one = await binance.fetch_ticker("BTC/USDT")
    assert one["bid"] < one["ask"]
    assert one["low"] <= one["last"] <= one["high"]
    assert one["low"] <= one["vwap"] <= one["high"]
    assert one["baseVolume"] > 0
    assert set(await binance.fetch_tickers(["BTC/USDT", "ETH/USDT"])) == {"BTC/USDT", "ETH/USDT"}
    assert set(await binance.fetch_tickers()) == {"BTC/USDT", "ETH/USDT", "SOL/USDT"}
    quotes = await binance.fetch_bids_asks()
    assert all(quote["bid"] < quote["ask"] for quote in quotes.values())
    assert set(await binance.fetch_last_prices()) == {"BTC/USDT", "ETH/USDT", "SOL/USDT"}


async def test_candles_are_made_of_the_trades(binance: Any) -> None:
    await binance.load_markets()
    candles = await binance.fetch_ohlcv("BTC/USDT", "1m")
    ticker = await binance.fetch_ticker("BTC/USDT")
    assert all(low <= opened <= high and low <= closed <= high for _, opened, high, low, closed, _ in candles)
    assert sum(Decimal(str(candle[5])) for candle in candles) <= Decimal(str(ticker["baseVolume"]))
    assert len(await binance.fetch_ohlcv("BTC/USDT", "1d")) == 1


async def test_networks_say_whether_one_can_deposit_and_withdraw(client: Client) -> None:
    currencies = await (await client(**READER)).fetch_currencies()
    assert set(currencies) == {"BTC", "ETH", "SOL", "USDT"}
    assert set(currencies["USDT"]["networks"]) == {"ERC20", "TRC20", "BEP20"}
    assert all(network["withdraw"] and network["deposit"] for network in currencies["USDT"]["networks"].values())
    assert currencies["BTC"]["networks"]["BTC"]["fee"] == 0.00005


async def test_withdrawals_are_suspended_where_it_is_said(client: Client, switch: Any) -> None:
    binance = await client(**READER)
    switch(Fault.WITHDRAWALS_SUSPENDED, currency="USDT", network="TRX")
    currencies = await binance.fetch_currencies()
    networks = {name: each["withdraw"] for name, each in currencies["USDT"]["networks"].items()}
    assert networks == {"ERC20": True, "TRC20": False, "BEP20": True}
    assert all(each["deposit"] for each in currencies["USDT"]["networks"].values())
    assert all(each["withdraw"] for each in currencies["ETH"]["networks"].values())
    switch(Fault.WITHDRAWALS_SUSPENDED, currency="USDT")
    assert not (await binance.fetch_currencies())["USDT"]["withdraw"]


async def test_a_symbol_that_is_not_there_is_said_in_binances_words(binance: Any) -> None:
    with pytest.raises(ccxt.BadSymbol, match=r"Invalid symbol\."):
        await binance.publicGetDepth({"symbol": "NOPE"})
    with pytest.raises(ccxt.BadRequest, match="Mandatory parameter 'symbol' was not sent"):
        await binance.publicGetDepth({})
    with pytest.raises(ccxt.BadRequest, match="Illegal characters found in parameter 'fromId'"):
        await binance.publicGetAggTrades({"symbol": "BTCUSDT", "fromId": "many"})
    with pytest.raises(ccxt.BadRequest, match="Invalid interval"):
        await binance.publicGetKlines({"symbol": "BTCUSDT", "interval": "7m"})


WEIGHTS = [
    ("publicGetPing", {}, 1),
    ("publicGetTime", {}, 1),
    ("publicGetExchangeInfo", {}, 20),
    ("publicGetDepth", {"symbol": "BTCUSDT"}, 5),
    ("publicGetDepth", {"symbol": "BTCUSDT", "limit": 500}, 25),
    ("publicGetDepth", {"symbol": "BTCUSDT", "limit": 1000}, 50),
    ("publicGetDepth", {"symbol": "BTCUSDT", "limit": 5000}, 250),
    ("publicGetTrades", {"symbol": "BTCUSDT"}, 25),
    ("publicGetAggTrades", {"symbol": "BTCUSDT"}, 4),
    ("publicGetKlines", {"symbol": "BTCUSDT", "interval": "1m"}, 2),
    ("publicGetTicker24hr", {"symbol": "BTCUSDT"}, 2),
    ("publicGetTicker24hr", {"symbols": '["BTCUSDT","ETHUSDT"]'}, 2),
    ("publicGetTicker24hr", {}, 80),
    ("publicGetTickerBookTicker", {"symbol": "BTCUSDT"}, 2),
    ("publicGetTickerPrice", {}, 4),
]


async def test_every_request_costs_what_is_documented(binance: Any, server: Any) -> None:
    limiter = server.venues["binance"].exchange.segments["spot"].limiter
    for method, params, weight in WEIGHTS:
        limiter.used = 0
        await getattr(binance, method)(params)
        told = {name.lower(): text for name, text in binance.last_response_headers.items()}
        assert (method, params, limiter.used) == (method, params, weight)
        assert int(told["x-mbx-used-weight-1m"]) == weight
