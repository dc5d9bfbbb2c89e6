"""What can be wrong with orders and keys of Binance, and stops that close a whole position: by ccxt as it is installed."""

from typing import Any

import ccxt
import pytest

from demo.venue.engine import Order, Side
from demo.venue.faults import Fault
from demo.venue.market import Market
from demo.venue.server import Server
from tests.demo.venue.support import TRADER, Client, polled

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


@pytest.fixture
async def desk(client: Client) -> Any:
    binance = await client(**TRADER)
    await binance.load_markets()
    return binance


async def test_an_answer_that_is_lost_has_taken_effect_and_questions_are_answered(desk: Any, switch: Any) -> None:
    order = await desk.create_order(SPOT, "limit", "buy", 0.1, 40_000)
    switch(Fault.LOST_REPLY)
    with pytest.raises(ccxt.NetworkError):
        await desk.cancel_order(order["id"], SPOT)
    assert await desk.fetch_open_orders(SPOT) == []
    with pytest.raises(ccxt.NetworkError):
        await desk.create_order(SPOT, "limit", "buy", 0.1, 41_000)
    assert [each["price"] for each in await desk.fetch_open_orders(SPOT)] == [41_000]


async def test_what_is_stuck_is_refused_one_by_one_and_left_where_all_are_cancelled(desk: Any, switch: Any) -> None:
    stuck = await desk.create_order(SPOT, "limit", "buy", 0.1, 40_000)
    contract = await desk.create_order(SWAP, "limit", "buy", 0.1, 40_000)
    switch(Fault.STUCK)
    with pytest.raises(ccxt.OrderNotFound, match="cancel restrictions"):
        await desk.cancel_order(stuck["id"], SPOT)
    assert await desk.cancel_all_orders(SPOT) == []
    await desk.cancel_all_orders(SWAP)
    assert [each["id"] for each in await desk.fetch_open_orders(SWAP)] == [contract["id"]]


async def test_half_of_an_order_is_filled_before_it_is_cancelled(desk: Any, switch: Any) -> None:
    order = await desk.create_order(SPOT, "limit", "buy", 0.1, 40_000)
    switch(Fault.RACED)
    gone = await desk.cancel_order(order["id"], SPOT)
    assert (gone["status"], gone["filled"], gone["remaining"]) == ("canceled", 0.05, 0.05)
    (trade,) = await desk.fetch_my_trades(SPOT)
    assert (trade["order"], trade["amount"], trade["price"]) == (order["id"], 0.05, 40_000)


async def test_no_key_is_accepted_while_that_fault_is_on(desk: Any, switch: Any) -> None:
    switch(Fault.KEY_REFUSED)
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await desk.fetch_open_orders(SPOT)
    assert await desk.fetch_ticker(SPOT)


async def test_each_order_is_counted_once_it_is_cancelled(desk: Any, server: Server) -> None:
    orders = [await desk.create_order(SPOT, "limit", "buy", 0.1, 40_000 + each) for each in range(3)]
    await desk.cancel_order(orders[0]["id"], SPOT)
    await desk.cancel_all_orders(SPOT)
    counted = server.venues["binance"].exchange.segments["spot"].desk.cancelled
    assert counted == {(SPOT, int(order["id"])): 1 for order in orders}


async def test_coin_margined_contracts_are_there_and_an_account_has_nothing_in_them(desk: Any) -> None:
    inverse = {"type": "swap", "subType": "inverse"}
    desk.options["fetchOpenOrders"]["warnWithoutSymbol"] = False
    assert await desk.fetch_open_orders(params=inverse) == []
    assert await desk.fetch_open_orders(params={**inverse, "trigger": True}) == []
    assert await desk.fetch_positions(params=inverse) == []


async def test_a_stop_that_closes_the_position_takes_all_of_it(desk: Any, server: Server) -> None:
    market: Market = next(each for each in server.venues["binance"].exchange.markets() if each.name == SWAP)
    market.step = lambda at, stamp: None  # type: ignore[method-assign]
    stop = round(market.last * 0.99) * market.listing.price_unit
    closes = {"stopPrice": stop, "closePosition": True}
    order = await desk.create_order(SWAP, "STOP_MARKET", "sell", None, None, closes)
    assert (order["info"]["closePosition"], order["info"]["quantity"]) == (True, "0.00000")
    await desk.create_order(SWAP, "market", "buy", 0.3)
    through = sum(level.quantity for level in market.book.levels(Side.BUY) if level.price > market.last * 0.985)
    market.place(Order(next(market.ids), Side.SELL, None, through), 1)

    async def flat() -> bool:
        return not await desk.fetch_positions([SWAP])

    await polled(flat, bool)
    done = await desk.fetch_order(order["id"], SWAP, {"trigger": True})
    assert done["status"] == "closed"
