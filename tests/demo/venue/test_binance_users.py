"""What Binance tells an account of itself on streams, by ccxt as it is installed, and on the wire."""

import asyncio
import contextlib
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt
import pytest

from demo.venue.engine import Order, Side
from demo.venue.exchange import Exchange
from demo.venue.faults import Fault, UnknownError
from demo.venue.market import Market
from demo.venue.positions import Income, MarginMoney
from demo.venue.server import Server
from tests.demo.venue.support import READER, TRADER, Client, asked, connected, heard, watched

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


@pytest.fixture
async def desk(client: Client) -> Any:
    binance = await client(**TRADER)
    await binance.load_markets()
    return binance


@pytest.fixture
def exchange(server: Server) -> Exchange:
    return server.venues["binance"].exchange


@pytest.fixture
def quiet(exchange: Exchange) -> Market:
    """Nobody else trades in the contract: what the crowd did stays."""
    market = next(market for market in exchange.markets() if market.name == SWAP)
    market.step = lambda at, stamp: None  # type: ignore[method-assign]
    return market


async def following(watch: Callable[[], Awaitable[Any]], do: Callable[[], Awaitable[Any]], enough: Any) -> Any:
    """What a stream says that is listened to before something is done."""
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(watched(watch, enough))
        group.create_task(_once(listening, do))
    return listening.result()


async def _once(listening: "asyncio.Task[Any]", do: Callable[[], Awaitable[Any]]) -> None:
    """Again and again, since nothing says when a stream is joined."""
    while not listening.done():
        await asyncio.sleep(0.2)
        await do()


@pytest.mark.parametrize("symbol", [SWAP, SPOT])
async def test_orders_are_told_as_they_are_placed_and_cancelled(desk: Any, symbol: str) -> None:
    async def do() -> None:
        order = await desk.create_order(symbol, "limit", "buy", 0.1, 40_000)
        await desk.cancel_order(order["id"], symbol)

    told = await following(lambda: desk.watch_orders(symbol), do, lambda orders: orders[-1]["status"] == "canceled")
    assert (told[-1]["symbol"], told[-1]["price"], told[-1]["amount"]) == (symbol, 40_000, 0.1)
    assert told[-1]["clientOrderId"]


@pytest.mark.parametrize("symbol", [SWAP, SPOT])
async def test_fills_are_told_with_their_fee(desk: Any, symbol: str) -> None:
    trades = await following(
        lambda: desk.watch_my_trades(symbol), lambda: desk.create_order(symbol, "market", "buy", 0.01), bool
    )
    trade = trades[-1]
    assert (trade["symbol"], trade["side"], trade["takerOrMaker"]) == (symbol, "buy", "taker")
    known = {each["id"]: each for each in await desk.fetch_my_trades(symbol)}
    assert known[trade["id"]]["fee"]["cost"] == pytest.approx(trade["fee"]["cost"])
    assert known[trade["id"]]["price"] == trade["price"]


async def test_positions_and_the_wallet_are_told(desk: Any, quiet: Market) -> None:
    positions = await following(
        lambda: desk.watch_positions([SWAP]), lambda: desk.create_order(SWAP, "market", "buy", 0.01), bool
    )
    position = positions[-1]
    assert (position["symbol"], position["side"], position["hedged"]) == (SWAP, "long", False)
    assert position["entryPrice"] > 0
    balance = await following(
        lambda: desk.watch_balance({"type": "swap"}), lambda: desk.create_order(SWAP, "market", "buy", 0.01), bool
    )
    assert 999_000 < balance["USDT"]["total"] < 1_000_000


async def test_spot_balances_are_told(desk: Any) -> None:
    balance = await following(
        lambda: desk.watch_balance({"type": "spot"}), lambda: desk.create_order(SPOT, "limit", "buy", 0.1, 40_000), bool
    )
    assert balance["USDT"]["used"] >= 4_000
    await following(
        lambda: desk.watch_balance({"type": "spot"}),
        lambda: desk.transfer("USDT", 1, "spot", "linear"),
        lambda told: (told["info"]["e"], told["info"].get("d")) == ("balanceUpdate", "-1.00000000"),
    )


# --- on the wire -----------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def followed(server: Server, desk: Any) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """The next event of a kind on the stream of a listen key."""
    key = (await desk.fapiPrivatePostListenKey())["listenKey"]
    async with connected(server, f"/fstream.binance.com/private/ws?listenKey={key}") as socket:

        async def next_of(kind: str) -> Any:
            while (told := await heard(socket))["e"] != kind:
                pass
            return told

        yield next_of


async def test_what_an_order_goes_through_is_told_in_order(desk: Any, quiet: Market, server: Server) -> None:
    async with followed(server, desk) as next_of:
        await desk.create_order(SWAP, "market", "buy", 0.01)
        placed = await next_of("ORDER_TRADE_UPDATE")
        update, filled = await next_of("ACCOUNT_UPDATE"), await next_of("ORDER_TRADE_UPDATE")
        while filled["o"]["X"] == "PARTIALLY_FILLED":
            update, filled = await next_of("ACCOUNT_UPDATE"), await next_of("ORDER_TRADE_UPDATE")
        resting = await desk.create_order(SWAP, "limit", "buy", 0.01, 40_000)
        await next_of("ORDER_TRADE_UPDATE")
        await desk.cancel_order(resting["id"], SWAP)
        gone = await next_of("ORDER_TRADE_UPDATE")
    assert (placed["o"]["x"], placed["o"]["X"], placed["o"]["z"]) == ("NEW", "NEW", "0.00000")
    assert (filled["o"]["x"], filled["o"]["X"], filled["o"]["z"]) == ("TRADE", "FILLED", "0.01000")
    assert (gone["o"]["x"], gone["o"]["X"], gone["o"]["i"]) == ("CANCELED", "CANCELED", int(resting["id"]))
    assert update["a"]["m"] == "ORDER"
    assert (update["a"]["P"][0]["pa"], update["a"]["P"][0]["ps"]) == ("0.01000", "BOTH")
    wallet = (await desk.fapiPrivateV3GetAccount())["totalWalletBalance"]
    assert update["a"]["B"][0]["wb"] == wallet


async def test_a_conditional_order_is_told_apart_from_plain_ones(desk: Any, quiet: Market, server: Server) -> None:
    stop = round(quiet.last * 0.99) * quiet.listing.price_unit
    await desk.create_order(SWAP, "market", "buy", 0.1)
    async with followed(server, desk) as next_of:
        order = await desk.create_order(SWAP, "market", "sell", 0.1, params={"stopLossPrice": stop, "reduceOnly": True})
        waiting = await next_of("ALGO_UPDATE")
        through = sum(level.quantity for level in quiet.book.levels(Side.BUY) if level.price > quiet.last * 0.985)
        quiet.place(Order(next(quiet.ids), Side.SELL, None, through), 1)
        sent, placed = await next_of("ALGO_UPDATE"), await next_of("ORDER_TRADE_UPDATE")
    assert (waiting["o"]["aid"], waiting["o"]["X"]) == (int(order["id"]), "NEW")
    assert float(waiting["o"]["tp"]) == pytest.approx(stop)
    assert sent["o"]["X"] == "TRIGGERED"
    assert sent["o"]["ai"] == str(placed["o"]["i"])
    assert placed["o"]["X"] == "NEW"


async def test_a_squeeze_is_called_and_a_liquidation_told_as_one(
    desk: Any, quiet: Market, server: Server, switch: Any
) -> None:
    await desk.create_order(SWAP, "market", "buy", 20)
    async with followed(server, desk) as next_of:
        switch(Fault.MARGIN_SQUEEZE, account="trader", ratio=0.9)
        called = await next_of("MARGIN_CALL")
        switch(Fault.MARGIN_SQUEEZE, account="trader", ratio=1.2)
        closing = await next_of("ORDER_TRADE_UPDATE")
    (risky,) = called["p"]
    assert (risky["s"], risky["ps"], risky["mt"]) == ("BTCUSDT", "BOTH", "CROSSED")
    used = float(risky["mm"]) / (float(called["cw"]) + float(risky["up"]))
    assert used == pytest.approx(0.9, rel=1e-4)
    assert (closing["o"]["o"], closing["o"]["S"], closing["o"]["X"]) == ("LIQUIDATION", "SELL", "NEW")
    assert closing["o"]["c"].startswith("autoclose-")


async def test_ccxt_follows_liquidations(desk: Any, quiet: Market, exchange: Exchange, switch: Any) -> None:
    async def liquidated() -> None:
        """What was liquidated before anybody listened is bought again."""
        if not await desk.fetch_positions([SWAP]):
            exchange.clear(Fault.MARGIN_SQUEEZE)
            await desk.transfer("USDT", 50_000, "spot", "linear")
            await desk.create_order(SWAP, "market", "buy", 2)
        with contextlib.suppress(UnknownError):
            switch(Fault.MARGIN_SQUEEZE, account="trader", ratio=1.2)

    await desk.create_order(SWAP, "market", "buy", 20)
    told = await following(lambda: desk.watch_my_liquidations(SWAP), liquidated, bool)
    assert (told[0]["symbol"], told[0]["side"]) == (SWAP, "sell")


# --- keys ------------------------------------------------------------------------------------------------------------


async def test_a_listen_key_lives_for_an_hour_and_as_long_as_it_is_kept(
    desk: Any, server: Server, exchange: Exchange
) -> None:
    first = (await desk.fapiPrivatePostListenKey())["listenKey"]
    assert (await desk.fapiPrivatePostListenKey())["listenKey"] == first
    async with connected(server, f"/fstream.binance.com/ws/{first}") as socket:
        true, later = exchange.clock, 0.0
        exchange.clock = lambda: true() + later
        later = 3_000.0
        assert (await desk.fapiPrivatePutListenKey())["listenKey"] == first
        later = 6_000.0
        await desk.fetch_time()
        later = 6_700.0
        told = await heard(socket)
    assert (told["e"], told["listenKey"]) == ("listenKeyExpired", first)
    with pytest.raises(ccxt.ExchangeError, match="This listenKey does not exist"):
        await desk.fapiPrivatePutListenKey()


async def test_a_listen_key_that_was_deleted_says_nothing_more(desk: Any, server: Server) -> None:
    key = (await desk.fapiPrivatePostListenKey())["listenKey"]
    await desk.fapiPrivateDeleteListenKey()
    with pytest.raises(ccxt.ExchangeError, match="This listenKey does not exist"):
        await desk.fapiPrivateDeleteListenKey()
    assert (await desk.fapiPrivatePostListenKey())["listenKey"] != key


async def test_an_account_hears_nothing_of_another(
    desk: Any, client: Client, server: Server, exchange: Exchange
) -> None:
    key = (await (await client(**READER)).fapiPrivatePostListenKey())["listenKey"]
    money = exchange.segments["futures"].desk.money
    assert isinstance(money, MarginMoney)
    async with connected(server, f"/fstream.binance.com/private/ws?listenKey={key}") as socket:
        await desk.create_order(SWAP, "market", "buy", 0.01)
        money.book("reader", Income("TRANSFER", None, Decimal(7), exchange.stamp()))
        told = await heard(socket)
    assert (told["e"], told["a"]["m"], told["a"]["B"][0]["bc"]) == ("ACCOUNT_UPDATE", "DEPOSIT", "7.00000000")


@pytest.mark.parametrize("key", ["short", "x" * 64])
async def test_listen_keys_are_for_keys(server: Server, key: str) -> None:
    url = f"{server.base_url('binance')}/fapi.binance.com/fapi/v1/listenKey"
    async with aiohttp.ClientSession(headers={"X-MBX-APIKEY": key}) as session, session.post(url) as response:
        assert response.status == 401


# --- the WebSocket API of spot ---------------------------------------------------------------------------------------


def signed(secret: str, **params: object) -> dict[str, object]:
    given = {"apiKey": TRADER["apiKey"], "timestamp": round(time.time() * 1000), **params}
    text = "&".join(f"{name}={value}" for name, value in sorted(given.items()))
    return {**given, "signature": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}


SUBSCRIBE = "userDataStream.subscribe.signature"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (lambda: signed("another"), -1022),
        (lambda: signed(TRADER["secret"], apiKey="x" * 64), -2015),
        (lambda: signed(TRADER["secret"], timestamp=1), -1021),
        (dict, -1102),
    ],
)
async def test_a_subscription_that_is_not_signed_well_is_refused(
    server: Server, params: Callable[[], dict[str, object]], code: int
) -> None:
    async with connected(server, "/ws-api.binance.com:443/ws-api/v3") as socket:
        told = await asked(socket, {"id": "1", "method": SUBSCRIBE, "params": params()})
    assert (told["id"], told["error"]["code"]) == ("1", code)
    assert told["status"] >= 400


async def test_what_the_websocket_api_does_not_know_it_says(server: Server) -> None:
    async with connected(server, "/ws-api.binance.com:443/ws-api/v3") as socket:
        assert (await asked(socket, "no json"))["error"]["code"] == -1135
        assert (await asked(socket, {"id": 2, "method": "order.place"}))["status"] == 400
        assert (await asked(socket, {"id": 3, "method": "ping"}))["result"] == {}


async def test_spot_events_come_until_they_are_not_wanted_any_more(desk: Any, server: Server) -> None:
    async with connected(server, "/ws-api.binance.com:443/ws-api/v3") as socket:
        told = await asked(socket, {"id": 1, "method": SUBSCRIBE, "params": signed(TRADER["secret"])})
        assert told["result"] == {"subscriptionId": 0}
        order = await desk.create_order(SPOT, "limit", "buy", 0.1, 40_000)
        report, balances = (await heard(socket))["event"], (await heard(socket))["event"]
        assert (report["e"], report["x"], report["i"]) == ("executionReport", "NEW", int(order["id"]))
        assert {each["a"]: each["l"] for each in balances["B"]}["USDT"] == "4000.00000000"
        await asked(socket, {"id": 2, "method": "userDataStream.unsubscribe"})
        await desk.cancel_order(order["id"], SPOT)
        assert (await asked(socket, {"id": 3, "method": "time"}))["result"]["serverTime"] > 0
