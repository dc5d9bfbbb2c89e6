"""Kraken's private endpoints by ccxt as it is installed: keys, nonces, balances, orders that rest and orders that wait."""

from typing import Any

import aiohttp
import ccxt
import pytest

from demo.venue.faults import Fault
from demo.venue.kraken.private import number_of, text_id
from demo.venue.kraken.venue import ACCOUNTS
from demo.venue.server import Server
from tests.demo.venue.support import Client, opened

SYMBOL = "BTC/USD"
TRADER, READER = ({"apiKey": account.api_key, "secret": account.secret} for account in ACCOUNTS)


@pytest.fixture
async def server() -> Any:
    async with opened("kraken", rate=1.0) as server:
        yield server


@pytest.fixture
async def desk(client: Client) -> Any:
    kraken = await client("kraken", "kraken", **TRADER)
    await kraken.load_markets()
    return kraken


async def test_balances_are_told_and_a_resting_order_holds_money(desk: Any) -> None:
    await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    balance = await desk.fetch_balance()
    assert balance["USD"] == {"free": 996_000, "used": 4_000, "total": 1_000_000}
    assert balance["BTC"]["free"] == 20


async def test_an_order_is_placed_told_and_cancelled(desk: Any) -> None:
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    (standing,) = await desk.fetch_open_orders()
    told = (standing["id"], standing["symbol"], standing["side"], standing["price"], standing["remaining"])
    assert told == (order["id"], SYMBOL, "buy", 40_000, 0.1)
    await desk.cancel_order(order["id"])
    assert await desk.fetch_open_orders() == []
    assert (await desk.fetch_order(order["id"]))["status"] == "canceled"
    with pytest.raises(ccxt.InvalidOrder, match="EOrder:Unknown order"):
        await desk.cancel_order(order["id"])


async def test_a_market_order_trades_at_once(desk: Any) -> None:
    order = await desk.create_order(SYMBOL, "market", "buy", 0.01)
    done = await desk.fetch_order(order["id"])
    assert (done["status"], done["filled"]) == ("closed", 0.01)
    assert done["average"] == pytest.approx(done["cost"] / 0.01, rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "params", "type_", "price"),
    [
        ("market", {"stopLossPrice": 30_000}, "stop-loss", None),
        ("limit", {"stopLossPrice": 30_000}, "stop-loss-limit", 29_000),
        ("market", {"takeProfitPrice": 90_000}, "take-profit", None),
        ("limit", {"takeProfitPrice": 90_000}, "take-profit-limit", 90_000),
    ],
)
async def test_orders_that_wait_stand_in_the_same_list(
    desk: Any, kind: str, params: dict[str, Any], type_: str, price: float | None
) -> None:
    order = await desk.create_order(SYMBOL, kind, "sell", 0.1, price, params)
    (standing,) = await desk.fetch_open_orders()
    assert (standing["id"], standing["info"]["descr"]["ordertype"]) == (order["id"], type_)
    assert standing["info"]["descr"]["leverage"] == "none"


async def test_several_are_cancelled_by_one_request_and_all_by_another(desk: Any) -> None:
    orders = [await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000 + number) for number in range(4)]
    told = await desk.cancel_orders([orders[0]["id"], orders[1]["id"]])
    assert told[0]["info"]["result"]["count"] == 2
    told = await desk.cancel_all_orders()
    assert told[0]["info"]["result"]["count"] == 2
    assert await desk.fetch_open_orders() == []


@pytest.mark.parametrize(
    ("who", "word"),
    [
        ({**TRADER, "secret": "bm90IHRoZSBzZWNyZXQ="}, "EAPI:Invalid signature"),
        ({**TRADER, "apiKey": "nobody"}, "EAPI:Invalid key"),
    ],
)
async def test_who_is_not_let_in_is_told_so(client: Client, who: dict[str, str], word: str) -> None:
    with pytest.raises(ccxt.ExchangeError, match=word):
        await (await client("kraken", "kraken", **who)).fetch_open_orders()


async def test_a_key_that_only_reads_places_and_cancels_nothing(client: Client) -> None:
    reader = await client("kraken", "kraken", **READER)
    assert await reader.fetch_open_orders() == []
    for attempt in (reader.create_order(SYMBOL, "limit", "buy", 0.1, 40_000), reader.cancel_all_orders()):
        with pytest.raises(ccxt.PermissionDenied):
            await attempt


async def test_a_nonce_is_good_once(desk: Any, server: Server) -> None:
    signed = desk.sign("OpenOrders", ["private"], "POST", {})
    async with aiohttp.ClientSession() as session:
        for errors in ([], ["EAPI:Invalid nonce"]):
            async with session.post(signed["url"], data=signed["body"], headers=signed["headers"]) as response:
                assert (await response.json())["error"] == errors


async def test_no_key_is_accepted_while_that_fault_is_on(desk: Any, switch: Any) -> None:
    switch(Fault.KEY_REFUSED, venue="kraken")
    with pytest.raises(ccxt.PermissionDenied):
        await desk.fetch_open_orders()


async def test_an_answer_that_is_lost_has_taken_effect(desk: Any, switch: Any, server: Server) -> None:
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    switch(Fault.LOST_REPLY, venue="kraken")
    with pytest.raises(ccxt.NetworkError):
        await desk.cancel_order(order["id"])
    assert await desk.fetch_open_orders() == [], "questions are answered"


async def test_what_is_stuck_stays(desk: Any, switch: Any) -> None:
    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    switch(Fault.STUCK, venue="kraken", symbol=SYMBOL)
    with pytest.raises(ccxt.CancelPending):
        await desk.cancel_order(order["id"])
    assert (await desk.cancel_all_orders())[0]["info"]["result"]["count"] == 0
    assert len(await desk.fetch_open_orders()) == 1


BAD = [
    ({"volume": "0"}, "EOrder:Order minimum not met"),
    ({"volume": "much"}, "EGeneral:Invalid arguments:volume"),
    ({"price": "40000.001"}, "EOrder:Invalid price"),
    ({"type": "hold"}, "EGeneral:Invalid arguments:ordertype"),
    ({"ordertype": "guess"}, "EGeneral:Invalid arguments:ordertype"),
    ({"pair": "NOPE"}, "EQuery:Unknown asset pair"),
    ({"volume": "1000"}, "EOrder:Insufficient funds"),
]


@pytest.mark.parametrize(("change", "word"), BAD)
async def test_a_bad_order_is_refused_in_krakens_words(desk: Any, change: dict[str, str], word: str) -> None:
    order = {"pair": "XXBTZUSD", "type": "buy", "ordertype": "limit", "volume": "0.1", "price": "40000"}
    with pytest.raises(ccxt.ExchangeError, match=word):
        await desk.privatePostAddOrder({**order, **change})


@pytest.mark.parametrize("number", [0, 1, 10**9 + 7, 2**63])
def test_ids_are_written_as_krakens_and_read_back(number: int) -> None:
    assert number_of(text_id(number)) == number
    assert len(text_id(number)) == 19
