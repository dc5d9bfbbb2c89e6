"""Open orders where nothing is cancelled. The wire is replayed, in the shapes of the pages that are named here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from aiohttp import web

from adapters.venue.account import MOST_PAGES
from adapters.venue.looking import ALGOS, MANNERS, Looked, SeenOrder
from adapters.venue.orders import MANNERS as CANCELLED
from occ.errors import Reason, SourceError
from tests.adapters.venue.replays import Replay, replayed
from tests.adapters.venue.test_funding import coinbase as futures

SPOT, LINEAR, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"
MANY = 300
AT = 1_700_000_000
"""The oldest order, in Unix seconds."""


def looked(replay: Replay) -> Looked:
    return Looked(replay.keyed, MANNERS[replay.keyed.exchange])


def pages(
    told: Sequence[Any], size: int, made: Callable[[Sequence[Any], str | None], Any]
) -> Callable[[web.Request], Any]:
    """An answer that is cut into pages; `made` makes one of them, and of what asks for the next."""

    def answer(request: web.Request) -> Any:
        at = int(request.query.get("cursor", "0"))
        return made(told[at : at + size], str(at + size) if at + size < len(told) else None)

    return answer


def test_what_is_only_looked_at_is_not_cancelled() -> None:
    assert not set(MANNERS) & set(CANCELLED)


# --- bybit: "Get Open & Closed Orders" ---------------------------------------------------------------------------------


def of_bybit(number: int, symbol: str = "BTCUSDT", **more: Any) -> dict[str, Any]:
    return {
        "orderId": f"fd4300ae-7847-404e-b947-{number:012d}", "orderLinkId": "", "symbol": symbol, "price": "50000", "qty": "0.10",
        "side": "Buy", "orderStatus": "New", "orderType": "Limit", "leavesQty": "0.10", "cumExecQty": "0.00", "stopOrderType": "",
        "triggerPrice": "", "tpslMode": "", "reduceOnly": False, "createdTime": str((AT + number) * 1000), **more,
    }  # fmt: skip


def bybit(found: Mapping[tuple[str, str], Sequence[Any]]) -> Mapping[str, Any]:
    """Orders by category and the asset in which they are settled."""

    def page(told: Sequence[Any], cursor: str | None) -> Any:
        result = {"list": list(told), "nextPageCursor": cursor or ("9999" if told else ""), "category": "linear"}
        return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1684765770483}

    def answer(request: web.Request) -> Any:
        told = found.get((request.query["category"], request.query.get("settleCoin", "")), ())
        return pages(told, int(request.query["limit"]), page)(request)

    return {"GET /v5/order/realtime": answer}


async def test_bybit_is_read_to_the_last_page() -> None:
    orders = [of_bybit(number) for number in range(MANY)]
    async with replayed("bybit", bybit({("linear", "USDT"): orders})) as replay:
        found = await looked(replay).open((LINEAR,))
        assert len(replay.paths()) == MANY // 50 + 1, "of one asset alone; behind the last one there is nothing"
    assert len({order.id for order in found}) == MANY
    assert min(order.placed_at or 0 for order in found) == AT
    assert {(order.symbol, order.side) for order in found} == {(LINEAR, "buy")}


async def test_the_same_name_is_another_market_in_another_category() -> None:
    """Bybit tells orders of spot and of contracts alike, both of BTCUSDT."""
    stop = of_bybit(3, "BTCUSD", side="Sell", stopOrderType="StopLoss", triggerPrice="40000", orderStatus="Untriggered")
    found = {("spot", ""): [of_bybit(1)], ("linear", "USDT"): [of_bybit(2)], ("inverse", ""): [stop]}
    async with replayed("bybit", bybit(found)) as replay:
        told = await looked(replay).open()
    assert [(order.symbol, order.side) for order in told] == [(SPOT, "buy"), (LINEAR, "buy"), (INVERSE, "sell")]


async def test_an_order_in_a_market_that_nobody_knows_is_not_lost() -> None:
    async with replayed("bybit", bybit({("linear", "USDC"): [of_bybit(1, "NEWPERP")]})) as replay:
        (order,) = await looked(replay).open()
    assert order.symbol == "NEWPERP"


async def test_what_the_account_does_not_trade_is_not_asked_for() -> None:
    async with replayed("bybit", bybit({("spot", ""): [of_bybit(1)]}), "spot") as replay:
        orders = looked(replay)
        assert await orders.tradable([SPOT, LINEAR, "NO/USDT"]) == (SPOT,)
        assert len(await orders.open()) == 1
        assert {each.partition("&")[0] for each in replay.asked[-2:]} == {"GET /v5/order/realtime?category=spot"}


async def test_an_account_with_nothing_open_has_nothing_open() -> None:
    async with replayed("bybit", bybit({})) as replay:
        assert await looked(replay).open() == ()


async def test_a_short_page_is_not_the_last_one() -> None:
    told = {"": ([of_bybit(1)], "a"), "a": ([of_bybit(2)], "b"), "b": ([], "b")}

    def page(request: web.Request) -> Any:
        orders, cursor = told[request.query.get("cursor", "")]
        return {"retCode": 0, "retMsg": "OK", "result": {"list": orders, "nextPageCursor": cursor}}

    async with replayed("bybit", {"GET /v5/order/realtime": page}, "spot") as replay:
        assert len(await looked(replay).open()) == 2


async def test_pages_without_an_end_are_refused() -> None:
    def page(_request: web.Request) -> Any:
        result = {"list": [of_bybit(number) for number in range(50)], "nextPageCursor": "again"}
        return {"retCode": 0, "retMsg": "OK", "result": result}

    async with replayed("bybit", {"GET /v5/order/realtime": page}, "spot") as replay:
        with pytest.raises(SourceError, match="no end"):
            await looked(replay).open()
        assert len(replay.paths()) == MOST_PAGES


# --- okx: "GET / Order List", "GET / Algo order list" ------------------------------------------------------------------


def of_okx(number: int, id_: str = "ordId", **more: Any) -> dict[str, Any]:
    empty = {"ordId": "", "algoId": "", "clOrdId": "", "fillTime": "", "px": "50000", "ordPx": "-1"}
    record = {
        **empty, id_: str(680_800_019_749_904_384 + number), "instId": "BTC-USDT-SWAP", "instType": "SWAP", "side": "sell",
        "posSide": "net", "sz": "1", "ordType": "limit", "state": "live", "tdMode": "cross", "cTime": str((AT + number) * 1000),
    }  # fmt: skip
    return {**record, **more}


def okx(plain: Sequence[Any], algos: Mapping[str, Sequence[Any]]) -> Mapping[str, Any]:
    """Newest first, a hundred at most that are older than `after`."""

    def page(told: Sequence[Any], request: web.Request, id_: str) -> Any:
        older = [each for each in told if int(each[id_]) < int(request.query.get("after", 10**30))]
        newest = sorted(older, key=lambda each: int(each[id_]), reverse=True)
        return {"code": "0", "msg": "", "data": newest[:100]}

    return {
        "GET /api/v5/trade/orders-pending": lambda request: page(plain, request, "ordId"),
        "GET /api/v5/trade/orders-algo-pending": lambda request: page(
            algos.get(request.query["ordType"], ()), request, "algoId"
        ),
    }


async def test_okx_is_read_to_the_last_page_of_plain_orders_and_of_each_kind_that_waits() -> None:
    plain = [of_okx(number) for number in range(MANY)]
    algos = {
        kind: [of_okx(1000 * at + number, "algoId", instId="BTC-USDT") for number in range(1, 121)]
        for at, kind in enumerate(ALGOS, 1)
    }
    async with replayed("okx", okx(plain, algos)) as replay:
        found = await looked(replay).open()
        assert len(replay.paths()) == 4 + len(ALGOS) * 2, "three full pages are followed by one more look"
    assert len({order.id for order in found}) == len(found) == MANY + len(ALGOS) * 120
    assert {order.symbol for order in found} == {SPOT, LINEAR}


async def test_what_waits_for_a_price_at_okx_is_counted_in_its_symbol() -> None:
    oco = of_okx(7, "algoId", ordType="oco", instId="BTC-USD-SWAP", side="buy")
    async with replayed("okx", okx([of_okx(1)], {"conditional,oco": [oco]})) as replay:
        found = await looked(replay).open((INVERSE, LINEAR))
    assert {(order.symbol, order.side) for order in found} == {(LINEAR, "sell"), (INVERSE, "buy")}


async def test_an_order_that_begins_to_trade_during_the_look_is_not_missed() -> None:
    """It leaves its list for that of plain orders, so that one is asked for last."""
    async with replayed("okx", okx([], {})) as replay:
        await looked(replay).open()
        assert replay.paths()[-1] == "GET /api/v5/trade/orders-pending"


async def test_one_kind_that_can_not_be_had_is_no_zero() -> None:
    answers = dict(okx([of_okx(1)], {}))
    algo = answers["GET /api/v5/trade/orders-algo-pending"]
    refused = {"code": "50120", "msg": "This API key doesn't have permission to use this function", "data": []}

    def answer(request: web.Request) -> Any:
        return web.json_response(refused, status=401) if request.query["ordType"] == "twap" else algo(request)

    async with replayed("okx", {**answers, "GET /api/v5/trade/orders-algo-pending": answer}) as replay:
        with pytest.raises(SourceError) as failed:
            await looked(replay).open((LINEAR,))
    assert failed.value.reason is Reason.AUTH


# --- deribit: "private/get_open_orders" --------------------------------------------------------------------------------


def of_deribit(number: int, **more: Any) -> dict[str, Any]:
    return {
        "order_id": f"146062-{number}", "order_state": "open", "order_type": "limit", "instrument_name": "BTC-PERPETUAL",
        "direction": "buy", "amount": 10.0, "filled_amount": 0.0, "price": 15.0, "creation_timestamp": (AT + number) * 1000,
        "last_update_timestamp": 1550050592859, "time_in_force": "good_til_cancelled", "reduce_only": False, **more,
    }  # fmt: skip


def deribit(result: Any) -> Mapping[str, Any]:
    answer = {"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False}
    return {"GET /api/v2/private/get_open_orders": answer}


async def test_deribit_tells_all_of_all_currencies_at_once() -> None:
    waiting = of_deribit(
        MANY, order_state="untriggered", order_type="stop_market", price="market_price", direction="sell"
    )
    orders = [*(of_deribit(number) for number in range(MANY)), waiting]
    async with replayed("deribit", deribit(orders)) as replay:
        found = await looked(replay).open()
        assert replay.paths() == ["GET /api/v2/private/get_open_orders"]
    assert len(found) == MANY + 1
    assert SeenOrder("146062-300", INVERSE, "sell", AT + MANY) in found


# --- coinbase: "List Orders" -------------------------------------------------------------------------------------------


def of_coinbase(number: int, **more: Any) -> dict[str, Any]:
    return {
        "order_id": f"order-{number}", "product_id": "BTC-USD", "side": "SELL", "status": "OPEN", "order_type": "LIMIT",
        "created_time": "2023-11-14T22:13:20.500Z", "trigger_status": "INVALID_ORDER_TYPE", "product_type": "SPOT", **more,
    }  # fmt: skip


def coinbase(orders: Sequence[Any]) -> Mapping[str, Any]:
    def page(told: Sequence[Any], cursor: str | None) -> Any:
        return {"orders": list(told), "sequence": "0", "has_next": cursor is not None, "cursor": cursor or ""}

    return {"GET /api/v3/brokerage/orders/historical/batch": pages(orders, 100, page)}


async def test_coinbase_is_read_to_the_last_page() -> None:
    async with replayed("coinbase", coinbase([of_coinbase(number) for number in range(MANY)])) as replay:
        found = await looked(replay).open(("BTC/USD",))
        assert len(replay.paths()) == MANY // 100
        assert "order_status=OPEN" in replay.asked[-1]
    assert len(found) == MANY
    assert found[0] == SeenOrder("order-0", "BTC/USD", "sell", AT + 0.5)


@pytest.mark.parametrize(("markets", "tradable"), [((), ("BTC/USD:USD",)), (("spot",), ())])
async def test_what_the_lists_hold_is_asked_for_unless_the_configuration_says_otherwise(
    markets: tuple[str, ...], tradable: tuple[str, ...]
) -> None:
    async with replayed("coinbase", futures(), *markets) as replay:
        assert await looked(replay).tradable(["BTC/USD:USD"]) == tradable


# --- pages -------------------------------------------------------------------------------------------------------------

EDGES = (0, 1, 49, 50, 51, 99, 100, 101, 200)


@pytest.mark.parametrize(
    ("exchange", "answers"),
    [
        ("bybit", lambda count: bybit({("spot", ""): [of_bybit(number) for number in range(count)]})),
        ("okx", lambda count: okx([of_okx(number, instId="BTC-USDT") for number in range(count)], {})),
        ("coinbase", lambda count: coinbase([of_coinbase(number) for number in range(count)])),
    ],
)
async def test_no_order_falls_between_two_pages(exchange: str, answers: Callable[[int], Mapping[str, Any]]) -> None:
    async with replayed(exchange, answers(0), "spot") as replay:
        for count in EDGES:
            replay.answers.update(answers(count))
            assert len({order.id for order in await looked(replay).open()}) == count


# --- what is no list of orders -----------------------------------------------------------------------------------------

SHAPES: Mapping[str, tuple[str, Sequence[Any]]] = {
    "bybit": ("/v5/order/realtime", [{"result": {}}, {"result": {"list": {}}}, {"result": {"list": [{"orderId": "1"}]}}]),
    "okx": ("/api/v5/trade/orders-algo-pending", [{"code": "0"}, {"code": "0", "data": {}}, {"code": "0", "data": [{}]}]),
    "deribit": ("/api/v2/private/get_open_orders", [{"result": None}, {"result": {}}, {"result": [[]]}, {"result": [{}]}]),
    "coinbase": (
        "/api/v3/brokerage/orders/historical/batch",
        [[], {"orders": None, "has_next": False}, {"orders": []}, {"orders": [{}], "has_next": False}, {"orders": [], "has_next": True}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("exchange", "path", "answer"), [(name, path, answer) for name, (path, answers) in SHAPES.items() for answer in answers])  # fmt: skip
async def test_another_shape_is_not_taken_for_nothing_open(exchange: str, path: str, answer: Any) -> None:
    if isinstance(answer, dict) and exchange == "bybit":
        answer = {"retCode": 0, "retMsg": "OK", **answer}
    async with replayed(exchange, {f"GET {path}": answer}) as replay:
        with pytest.raises(SourceError) as failed:
            await looked(replay).open()
    assert failed.value.reason is Reason.BAD_RESPONSE


@pytest.mark.parametrize("side", ["", "both", None])
async def test_an_order_without_a_side_is_none(side: object) -> None:
    async with replayed("deribit", deribit([of_deribit(1, direction=side)])) as replay:
        with pytest.raises(SourceError):
            await looked(replay).open()
