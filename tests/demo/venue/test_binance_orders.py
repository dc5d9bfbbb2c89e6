"""Orders on Binance spot by ccxt: placed, matched with the crowd, triggered, refused, cancelled."""

from typing import Any

import ccxt
import pytest

from demo.venue.engine import Order, Side
from demo.venue.faults import Fault
from demo.venue.market import Market
from demo.venue.server import Server
from tests.demo.venue.support import READER, TRADER, Client, polled

SYMBOL = "BTC/USDT"


@pytest.fixture
async def desk(client: Client) -> Any:
    binance = await client(**TRADER)
    await binance.load_markets()
    return binance


@pytest.fixture
def market(server: Server) -> Market:
    return next(market for market in server.venues["binance"].exchange.markets() if market.name == SYMBOL)


@pytest.fixture
def quiet(switch: Any, market: Market) -> Market:
    """Nobody else trades: what the crowd did stays, and the test is alone with it."""
    market.step = lambda at, stamp: None  # type: ignore[method-assign]
    return market


async def test_a_market_order_trades_at_once(desk: Any) -> None:
    before = await desk.fetch_balance()
    order = await desk.create_order(SYMBOL, "market", "buy", 0.01)
    assert (order["status"], order["filled"], order["remaining"]) == ("closed", 0.01, 0)
    after = await desk.fetch_balance()
    assert before["USDT"]["total"] - after["USDT"]["total"] == pytest.approx(order["cost"])
    assert after["BTC"]["total"] - before["BTC"]["total"] == pytest.approx(0.01 * 0.999)
    trades = await desk.fetch_my_trades(SYMBOL)
    assert {trade["order"] for trade in trades} == {order["id"]}
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.01)
    assert all(trade["takerOrMaker"] == "taker" for trade in trades)


async def test_a_purchase_may_say_what_it_is_to_cost(desk: Any) -> None:
    order = await desk.create_market_buy_order_with_cost(SYMBOL, 1000)
    assert 995 < order["cost"] <= 1000


async def test_a_resting_order_locks_money_and_cancelling_frees_it(desk: Any) -> None:
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    assert order["status"] == "open"
    assert (await desk.fetch_balance())["USDT"]["used"] == pytest.approx(4_000)
    book = await desk.fetch_order_book(SYMBOL, 5000)
    assert [40_000, 0.1] in book["bids"]
    assert [each["id"] for each in await desk.fetch_open_orders(SYMBOL)] == [order["id"]]
    assert (await desk.cancel_order(order["id"], SYMBOL))["status"] == "canceled"
    assert (await desk.fetch_order(order["id"], SYMBOL))["status"] == "canceled"
    assert (await desk.fetch_balance())["USDT"]["used"] == 0
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        await desk.cancel_order(order["id"], SYMBOL)


async def test_a_resting_order_is_filled_by_who_comes(desk: Any, quiet: Market) -> None:
    bid = quiet.book.best(Side.BUY)
    assert bid is not None
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, (bid + 1) * quiet.listing.price_unit)
    quiet.place(Order(next(quiet.ids), Side.SELL, None, 4_000), 1)
    filled = await polled(lambda: desk.fetch_order(order["id"], SYMBOL), lambda each: each["filled"] > 0)
    assert (filled["status"], filled["filled"], filled["remaining"]) == ("open", 0.04, 0.06)
    assert [trade["takerOrMaker"] for trade in await desk.fetch_my_trades(SYMBOL)] == ["maker"]
    assert (await desk.cancel_order(order["id"], SYMBOL))["filled"] == 0.04


async def test_what_may_not_rest_expires(desk: Any) -> None:
    for in_force in ("IOC", "FOK"):
        order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000, {"timeInForce": in_force})
        assert (order["status"], order["filled"]) == ("expired", 0)
    assert (await desk.fetch_balance())["USDT"]["used"] == 0


async def test_post_only_is_refused_where_it_would_trade(desk: Any) -> None:
    ask = (await desk.fetch_ticker(SYMBOL))["ask"]
    with pytest.raises(ccxt.OrderImmediatelyFillable, match=r"Order would immediately match and take\."):
        await desk.create_order(SYMBOL, "limit", "buy", 0.1, ask * 1.01, {"postOnly": True})
    assert (await desk.fetch_balance())["USDT"]["used"] == 0
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000, {"postOnly": True})
    assert (order["status"], order["info"]["type"]) == ("open", "LIMIT_MAKER")


async def test_a_conditional_order_waits_outside_the_book_until_its_price_is_there(
    desk: Any, quiet: Market, switch: Any
) -> None:
    stop = round(quiet.last * 0.99) * quiet.listing.price_unit
    order = await desk.create_order(SYMBOL, "limit", "sell", 0.1, stop * 0.9, {"stopPrice": stop})
    waiting = await desk.fetch_open_orders(SYMBOL)
    assert [(each["id"], each["info"]["isWorking"], each["triggerPrice"]) for each in waiting] == [
        (order["id"], False, pytest.approx(stop))
    ]
    bids = sum(level.quantity for level in quiet.book.levels(Side.BUY) if level.price > quiet.last * 0.985)
    quiet.place(Order(next(quiet.ids), Side.SELL, None, bids), 1)
    done = await polled(lambda: desk.fetch_order(order["id"], SYMBOL), lambda each: each["status"] == "closed")
    assert done["filled"] == 0.1
    assert done["average"] < stop


@pytest.mark.parametrize(
    ("side", "share", "kind", "word"),
    [
        ("sell", 1.1, "stopLossPrice", "immediately"),
        ("buy", 0.9, "stopLossPrice", "immediately"),
        ("sell", 0.9, "takeProfitPrice", "immediately"),
        ("buy", 1.1, "takeProfitPrice", "immediately"),
    ],
)
async def test_a_stop_that_is_reached_already_is_refused(
    desk: Any, side: str, share: float, kind: str, word: str
) -> None:
    last = (await desk.fetch_ticker(SYMBOL))["last"]
    stop = desk.price_to_precision(SYMBOL, last * share)
    with pytest.raises(ccxt.OrderImmediatelyFillable, match=word):
        await desk.create_order(SYMBOL, "limit", side, 0.1, last, {kind: stop})


async def test_cancelling_all_takes_plain_and_conditional_orders(desk: Any) -> None:
    plain = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    conditional = await desk.create_order(SYMBOL, "limit", "sell", 0.1, 30_000, {"stopPrice": 31_000})
    other = await desk.create_order("ETH/USDT", "limit", "buy", 1, 1_000)
    gone = await desk.cancel_all_orders(SYMBOL)
    assert {each["id"] for each in gone} == {plain["id"], conditional["id"]}
    desk.options["fetchOpenOrders"]["warnWithoutSymbol"] = False
    assert [each["id"] for each in await desk.fetch_open_orders()] == [other["id"]]
    with pytest.raises(ccxt.OrderNotFound):
        await desk.cancel_all_orders(SYMBOL)


BAD: list[tuple[dict[str, str], type[Exception], str]] = [
    ({"quantity": "0.000001"}, ccxt.InvalidOrder, "LOT_SIZE"),
    ({"quantity": "0"}, ccxt.InvalidOrder, "LOT_SIZE"),
    ({"quantity": "-1"}, ccxt.BadRequest, "-1100"),
    ({"quantity": "NaN"}, ccxt.BadRequest, "-1100"),
    ({"price": "50000.01"}, ccxt.InvalidOrder, "PRICE_FILTER"),
    ({"price": "0"}, ccxt.InvalidOrder, "PRICE_FILTER"),
    ({"price": "1e400"}, ccxt.BadRequest, "-1100"),
    ({"price": "99999999"}, ccxt.InvalidOrder, "PRICE_FILTER"),
    ({"price": "10", "quantity": "0.01"}, ccxt.ExchangeError, "NOTIONAL"),
    ({"quantity": "1000"}, ccxt.InsufficientFunds, "insufficient balance"),
    ({"side": "HOLD"}, ccxt.BadRequest, "-1117"),
    ({"type": "MAYBE"}, ccxt.BadRequest, "-1116"),
    ({"timeInForce": "SOON"}, ccxt.BadRequest, "-1115"),
    ({"symbol": "NOPE"}, ccxt.BadSymbol, "-1121"),
]


@pytest.mark.parametrize(("change", "error", "word"), BAD)
async def test_a_bad_order_is_refused_in_binances_words(
    desk: Any, change: dict[str, str], error: type[Exception], word: str
) -> None:
    order = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "50000",
    }
    with pytest.raises(error, match=word):
        await desk.privatePostOrder({**order, **change})
    assert (await desk.fetch_balance())["USDT"]["used"] == 0


async def test_a_client_id_is_taken_while_its_order_is_open(desk: Any) -> None:
    named = {"clientOrderId": "occ-1"}
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000, named)
    with pytest.raises(ccxt.InvalidOrder, match=r"Duplicate order sent\."):
        await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000, named)
    assert (await desk.fetch_order("", SYMBOL, {"origClientOrderId": "occ-1"}))["id"] == order["id"]
    await desk.cancel_order("", SYMBOL, {"origClientOrderId": "occ-1"})
    await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000, named)


async def test_an_account_does_not_trade_with_itself(desk: Any, quiet: Market) -> None:
    bid = quiet.book.best(Side.BUY)
    assert bid is not None
    resting = await desk.create_order(SYMBOL, "limit", "buy", 0.1, (bid + 1) * quiet.listing.price_unit)
    taking = await desk.create_order(SYMBOL, "limit", "sell", 0.1, bid * quiet.listing.price_unit * 0.99)
    assert (await desk.fetch_order(resting["id"], SYMBOL))["info"]["status"] == "EXPIRED_IN_MATCH"
    assert taking["filled"] == 0.1
    assert {trade["order"] for trade in await desk.fetch_my_trades(SYMBOL)} == {taking["id"]}
    assert (await desk.fetch_balance())["USDT"]["used"] == 0


async def test_an_account_does_not_see_the_orders_of_another(desk: Any, client: Client) -> None:
    await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    reader = await client(**READER)
    assert await reader.fetch_open_orders(SYMBOL) == []


async def test_a_halted_market_takes_no_orders_and_lets_them_be_cancelled(desk: Any, switch: Any) -> None:
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    switch(Fault.HALT, symbol=SYMBOL)
    with pytest.raises(ccxt.ExchangeError, match=r"Market is closed\."):
        await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    assert (await desk.cancel_order(order["id"], SYMBOL))["status"] == "canceled"
    await desk.create_order("ETH/USDT", "limit", "buy", 1, 1_000)
