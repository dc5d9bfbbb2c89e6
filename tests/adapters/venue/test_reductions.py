"""What an exchange closed by force, as each tells it. Binance by its documented answers here, and by the venue server in the tests
of the exporter; of the others the wire is replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from adapters.venue import reductions
from adapters.venue.reductions import ADL, LIQUIDATION, LONGEST, Forced
from occ.errors import Reason, SourceError
from tests.adapters.venue.replays import replayed

NOW = 1_750_000_000.0
HOUR, DAY = 3_600, 86_400


async def told(exchange: str, answers: Mapping[str, Any], *markets: str) -> list[Forced] | None:
    async with replayed(exchange, answers, *markets) as replay:
        return await reductions.reductions(replay.keyed, NOW, None)


def refused(answer: Any) -> None:
    with pytest.raises(SourceError) as error:
        reductions.binance(answer)
    assert error.value.reason is Reason.BAD_RESPONSE


# --- binance: the response example of "User's Force Orders (USER_DATA)" --------------------------------------------------


def order(client_id: str, **more: Any) -> dict[str, Any]:
    told = {"orderId": 6071832819, "symbol": "BTCUSDT", "status": "FILLED", "clientOrderId": client_id}
    return {**told, "executedQty": "0.001", "side": "SELL", "time": 1596107620044, **more}


def test_binance_tells_liquidation_and_adl_by_the_client_id() -> None:
    orders = [
        order("autoclose-1596107620040000020"),
        order("adl_autoclose", orderId=6072734303, time=1596110725059),
        order("settlement_autoclose-1", orderId=1),
    ]
    assert reductions.binance(orders) == [
        Forced("BTCUSDT/6071832819", LIQUIDATION, 1596107620.044),
        Forced("BTCUSDT/6072734303", ADL, 1596110725.059),
    ]


def test_binance_numbers_the_orders_of_each_symbol_apart() -> None:
    both = reductions.binance([order("autoclose-1"), order("autoclose-2", symbol="ETHUSDT")])
    assert len({each.id for each in both}) == 2


@pytest.mark.parametrize("answer", [None, {}, {"code": -2015}, [1], [{}], [order("autoclose-1", orderId=None)]])
def test_binance_what_is_no_list_of_forced_orders_is_refused(answer: Any) -> None:
    refused(answer)


# --- bybit: "Get Trade History" ------------------------------------------------------------------------------------------


def bybit_page(*executions: Any, cursor: str = "") -> Any:
    result = {"list": list(executions), "nextPageCursor": cursor, "category": "linear"}
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1672283754510}


def execution(number: int, kind: str, order_id: str | None = None) -> dict[str, Any]:
    id_ = f"order {number}" if order_id is None else order_id
    return {"execId": f"exec {number}", "orderId": id_, "execType": kind, "execTime": str(int(NOW * 1000) - number)}


async def test_bybit_tells_each_kind_of_each_market_and_parts_of_an_order_are_one() -> None:
    def answer(request: web.Request) -> Any:
        kind, market = request.query["execType"], request.query["category"]
        numbers = {("BustTrade", "linear"): (1, 2), ("AdlTrade", "inverse"): (3,)}.get((kind, market), ())
        return bybit_page(
            *(execution(number, kind, "one") if number < 3 else execution(number, kind) for number in numbers)
        )

    found = await told("bybit", {"GET /v5/execution/list": answer})
    assert found is not None
    assert {(each.id, each.kind) for each in found} == {("one", LIQUIDATION), ("order 3", ADL)}


async def test_bybit_is_read_to_the_last_page() -> None:
    def answer(request: web.Request) -> Any:
        if request.query["execType"] != "AdlTrade":
            return bybit_page()
        first = request.query.get("cursor") is None
        return bybit_page(*(execution(n, "AdlTrade") for n in (range(100) if first else (100,))), cursor="more")

    found = await told("bybit", {"GET /v5/execution/list": answer}, "linear")
    assert found is not None
    assert len({each.id for each in found}) == 101


async def test_bybit_an_execution_without_an_order_counts_as_itself() -> None:
    assert [each.id for each in reductions.bybit([execution(1, "BustTrade", "")])] == ["exec 1"]


async def test_bybit_an_execution_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(SourceError, match="not asked for"):
        await told("bybit", {"GET /v5/execution/list": bybit_page(execution(1, "Trade"))})


async def test_an_account_without_contracts_has_nothing_to_reduce() -> None:
    assert await told("bybit", {}, "spot") is None


# --- okx: "Get bills details (last 7 days)" ------------------------------------------------------------------------------


def bill(number: int, kind: str, sub: str, order_id: str = "") -> dict[str, str]:
    return {"billId": str(number), "type": kind, "subType": sub, "ordId": order_id, "ts": str(int(NOW * 1000))}


def okx_data(*bills: Any) -> Any:
    return {"code": "0", "msg": "", "data": list(bills)}


async def test_okx_tells_liquidation_and_adl_by_the_type_and_an_order_once() -> None:
    by_type = {
        "5": okx_data(bill(9, "5", "104", "a"), bill(8, "5", "104", "a"), bill(7, "5", "100"), bill(6, "5", "110")),
        "9": okx_data(bill(5, "9", "126", "b")),
    }
    found = await told("okx", {"GET /api/v5/account/bills": lambda request: by_type[request.query["type"]]})
    assert found is not None
    assert {(each.id, each.kind) for each in found} == {("a", LIQUIDATION), ("7", LIQUIDATION), ("b", ADL)}


async def test_okx_is_read_to_the_last_page() -> None:
    def answer(request: web.Request) -> Any:
        after = int(request.query.get("after", "102"))
        return okx_data(*(bill(n, "5", "104", f"o{n}") for n in range(after - 1, max(after - 101, 0), -1)))

    found = await told("okx", {"GET /api/v5/account/bills": answer})
    assert found is not None
    assert len({each.id for each in found}) == 101


# --- deribit: "private/get_user_trades_by_currency_and_time", "private/get_transaction_log" --------------------------------

TRADES = "GET /api/v2/private/get_user_trades_by_currency_and_time"
LOG = "GET /api/v2/private/get_transaction_log"


def deribit(**result: Any) -> Any:
    return {"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "usDiff": 1}


def trade(number: int, liquidity: str = "T", **more: Any) -> dict[str, Any]:
    return {"trade_id": f"{number}", "order_id": f"BTC-{number}", "liquidity": liquidity, "timestamp": number, **more}


def entry(number: int, kind: str, role: str) -> dict[str, Any]:
    return {"id": number, "type": kind, "role": role, "timestamp": 1_750_000_400_000, "user_seq": number}


async def test_deribit_counts_trades_in_which_our_side_was_liquidated() -> None:
    trades = [
        trade(1),
        trade(2, "T", liquidation="T"),
        trade(3, "M", liquidation="T"),
        trade(4, "M", liquidation="MT"),
        trade(5, "M", liquidation=None),
    ]
    found = await told(
        "deribit", {TRADES: deribit(trades=trades, has_more=False), LOG: deribit(logs=[], continuation=None)}
    )
    assert found is not None
    assert {(each.id, each.kind) for each in found} == {("BTC-2", LIQUIDATION), ("BTC-4", LIQUIDATION)}


async def test_deribit_counts_positions_that_were_moved_off_or_onto_the_account() -> None:
    """ "Transaction Log Entries" of Deribit's article on LSP and ADL."""
    logs = [
        entry(1, "ADL transfer", "destination"),
        entry(2, "ADL transfer", "source"),
        entry(3, "LSP transfer", "source"),
        entry(4, "LSP transfer", "destination"),
        entry(5, "ADL commission", "source"),
        entry(6, "transfer", ""),
        {**entry(7, "ADL transfer", ""), "info": {"role": "destination"}},
    ]
    found = await told(
        "deribit", {TRADES: deribit(trades=[], has_more=False), LOG: deribit(logs=logs, continuation=None)}
    )
    assert found is not None
    assert {(each.id, each.kind) for each in found} == {
        ("log 1", ADL),
        ("log 2", LIQUIDATION),
        ("log 3", LIQUIDATION),
        ("log 7", ADL),
    }


async def test_deribit_is_read_to_the_last_page_in_every_currency() -> None:
    asked = set[str]()

    def trades(request: web.Request) -> Any:
        asked.add(request.query["currency"])
        later = int(request.query["start_timestamp"]) == 7
        return deribit(trades=[trade(8 if later else 7, liquidation="T")], has_more=not later)

    def log(request: web.Request) -> Any:
        later = "continuation" in request.query
        return deribit(
            logs=[entry(2 if later else 1, "ADL transfer", "destination")], continuation=None if later else 5
        )

    found = await told("deribit", {TRADES: trades, LOG: log})
    assert found is not None
    assert asked == {"BTC", "USDC"}
    assert {each.id for each in found} == {"BTC-7", "BTC-8", "log 1", "log 2"}


@pytest.mark.parametrize(("hours", "historical"), [(2, ["false"]), (21, ["false"]), (40, ["false", "true"])])
async def test_deribit_tells_trades_of_before_a_day_apart(hours: float, historical: list[str]) -> None:
    """ "Accessing Historical Trades and Orders Using API": recent trades are kept for 24 hours."""
    asked = list[str]()

    def trades(request: web.Request) -> Any:
        if request.query["currency"] == "BTC":
            asked.append(request.query["historical"])
        old = [trade(1, liquidation="T")] if request.query["historical"] == "true" else []
        return deribit(trades=[*old, trade(2, liquidation="T")], has_more=False)

    answers = {TRADES: trades, LOG: deribit(logs=[], continuation=None)}
    async with replayed("deribit", answers) as replay:
        found = await reductions.reductions(replay.keyed, NOW, NOW - hours * HOUR)
    assert asked == historical
    assert found is not None
    assert {each.id for each in found} == ({"BTC-1", "BTC-2"} if "true" in historical else {"BTC-2"})


# --- kraken: "Get Trades History" ----------------------------------------------------------------------------------------

HISTORY = "POST /0/private/TradesHistory"


def kraken_trade(order_id: str, kind: str) -> dict[str, Any]:
    return {"ordertxid": order_id, "pair": "XXBTZUSD", "time": 1710429248.3, "ordertype": kind, "misc": "closing"}


async def test_kraken_counts_orders_of_the_liquidation_type() -> None:
    trades = {
        "T1": kraken_trade("O1", "liquidation market"),
        "T2": kraken_trade("O1", "liquidation market"),
        "T3": kraken_trade("O2", "limit"),
    }
    found = await told("kraken", {HISTORY: {"error": [], "result": {"trades": trades, "count": 3}}})
    assert found is not None
    assert {(each.id, each.kind) for each in found} == {("O1", LIQUIDATION)}


async def test_kraken_is_read_to_the_last_page() -> None:
    trades = [(f"T{n}", kraken_trade(f"O{n}", "liquidation market")) for n in range(60)]
    left = iter([dict(trades[:50]), dict(trades[50:])])
    found = await told("kraken", {HISTORY: lambda _: {"error": [], "result": {"trades": next(left), "count": 60}}})
    assert found is not None
    assert len({each.id for each in found}) == 60


# --- others, and other shapes ---------------------------------------------------------------------------------------------


async def test_coinbase_tells_none_apart() -> None:
    assert await told("coinbase", {}) is None


@pytest.mark.parametrize(
    ("exchange", "answers"),
    [
        ("bybit", {"GET /v5/execution/list": {"retCode": 0, "retMsg": "OK", "result": {}}}),
        ("okx", {"GET /api/v5/account/bills": {"code": "0", "msg": "", "data": {}}}),
        ("okx", {"GET /api/v5/account/bills": okx_data({"billId": "1"})}),
        ("okx", {"GET /api/v5/account/bills": okx_data(bill(1, "2", "1"))}),
        ("deribit", {TRADES: deribit(trades=None)}),
        ("deribit", {TRADES: deribit(trades=[])}),
        ("deribit", {TRADES: deribit(trades=[trade(1, liquidation=True)], has_more=False)}),
        ("deribit", {TRADES: deribit(trades=[], has_more=False), LOG: deribit(logs={})}),
        ("deribit", {TRADES: deribit(trades=[], has_more=False), LOG: deribit(logs=[entry(1, "ADL transfer", "?")])}),
        ("kraken", {HISTORY: {"error": [], "result": {"ledger": {}}}}),
    ],
)
async def test_another_shape_is_refused(exchange: str, answers: Mapping[str, Any]) -> None:
    with pytest.raises(SourceError) as error:
        await told(exchange, answers)
    assert error.value.reason is Reason.BAD_RESPONSE


@pytest.mark.parametrize(
    ("looked_at", "back"),
    [
        (None, HOUR),
        (NOW - 120, HOUR + 120),
        (NOW - DAY, HOUR + DAY),
        (NOW - 30 * DAY, LONGEST),
        (NOW + 60, HOUR),
    ],
    ids=["never", "just now", "a day ago", "a month ago", "by a clock that went back"],
)
async def test_each_look_goes_back_behind_the_last_one(looked_at: float | None, back: float) -> None:
    begins = list[str]()

    def answer(request: web.Request) -> Any:
        begins.append(request.query["begin"])
        return okx_data()

    async with replayed("okx", {"GET /api/v5/account/bills": answer}) as replay:
        assert await reductions.reductions(replay.keyed, NOW, looked_at) == []
    assert begins == [str(int((NOW - back) * 1000))] * 2
