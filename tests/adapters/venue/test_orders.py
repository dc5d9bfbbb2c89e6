"""Open orders as exchanges tell them, read by the real classes of ccxt from records in the shapes of their documentation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue.orders import MANNERS, Manner, OpenOrder, Orders, Section, cancels, read
from occ.errors import Reason, SourceError
from tests.adapters.venue import replays
from tests.adapters.venue.replays import replayed
from tests.adapters.venue.test_margin_of_binance import BINANCE as BINANCE_LISTS

SPOT, LINEAR, WAITING = (
    next(section for section in MANNERS["binance"].sections if section.name == name)
    for name in ("spot", "linear", "linear conditional")
)
ON_KRAKEN = MANNERS["kraken"].sections[0]
SPOT_MARKET = {"spot": True, "quote": "USDT"}
SWAP_MARKET = {"contract": True, "linear": True, "contractSize": 1.0, "quote": "USDT"}

PLAIN = {
    "symbol": "BTCUSDT", "orderId": 7, "clientOrderId": "x", "price": "50000.0", "origQty": "0.10", "executedQty": "0.04",
    "status": "PARTIALLY_FILLED", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY", "stopPrice": "0.0", "time": 1_700_000_000_000,
}  # fmt: skip
"""Of openOrders, spot and contracts alike; contracts have positionSide and reduceOnly besides."""

ALGO = {
    "algoId": 9, "clientAlgoId": "y", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET", "symbol": "BTCUSDT", "side": "SELL",
    "positionSide": "BOTH", "timeInForce": "GTC", "quantity": "0.10", "algoStatus": "NEW", "triggerPrice": "40000.0",
    "price": "0.0", "closePosition": False, "reduceOnly": True, "createTime": 1_700_000_000_000, "updateTime": 0,
}  # fmt: skip
"""Of openAlgoOrders."""

KRAKEN: dict[str, Any] = {
    "id": "OQCLML-BW3P3-BUCMWZ", "status": "open", "opentm": 1_700_000_000.5, "vol": "0.10000000", "vol_exec": "0.04000000",
    "oflags": "fciq", "stopprice": "0.00000", "limitprice": "0.00000",
    "descr": {
        "pair": "XXBTZUSD", "type": "sell", "ordertype": "stop-loss", "price": "30000.0", "price2": "0", "leverage": "none",
        "order": "sell 0.1 XBTUSD @ stop loss 30000.0", "close": "",
    },
}  # fmt: skip
"""Of OpenOrders, with its id put in by ccxt."""


def binance(record: dict[str, Any], section: Section, **changes: Any) -> OpenOrder:
    exchange = ccxt.binance()
    spot = section.market == "spot"
    market = exchange.safe_market_structure(
        {
            "id": "BTCUSDT", "symbol": "BTC/USDT" if spot else "BTC/USDT:USDT", "base": "BTC", "quote": "USDT",
            "settle": None if spot else "USDT", "type": "spot" if spot else "swap", "spot": spot, "swap": not spot,
            "contract": not spot, "linear": None if spot else True, "inverse": None if spot else False,
            "contractSize": None if spot else 1.0, "precision": {"amount": 1e-5, "price": 0.1},
        }
    )  # fmt: skip
    told = exchange.parse_order({**record, **changes}, market)
    return read(told, section, SPOT_MARKET if spot else SWAP_MARKET)


def kraken(**described: str) -> OpenOrder:
    record = {**KRAKEN, "descr": {**KRAKEN["descr"], **described}}
    market = {"id": "XXBTZUSD", "symbol": "BTC/USD", "base": "BTC", "quote": "USD", "spot": True, "type": "spot"}
    exchange = ccxt.kraken()
    exchange.set_markets([exchange.safe_market_structure(market)])
    return read(exchange.parse_order(record), ON_KRAKEN, market)


# --- what an order is ------------------------------------------------------------------------------------------------


def test_a_plain_order_tells_what_is_left_of_it() -> None:
    order = binance(PLAIN, SPOT)
    assert (order.id, order.symbol, order.side) == ("7", "BTC/USDT", "buy")
    assert (order.remaining, order.filled, order.price) == (Decimal("0.06"), Decimal("0.04"), Decimal(50_000))
    assert (order.notional, order.currency, order.placed_at) == (Decimal(3_000), "USDT", 1_700_000_000)
    assert not order.conditional
    assert not order.stops
    assert order.lowers is None


@pytest.mark.parametrize(
    ("changes", "stops", "lowers"),
    [
        ({}, True, "long"),
        ({"side": "BUY"}, True, "short"),
        ({"orderType": "STOP", "price": "39000.0"}, True, "long"),
        ({"orderType": "TRAILING_STOP_MARKET", "triggerPrice": None}, True, "long"),
        ({"orderType": "TAKE_PROFIT_MARKET"}, False, "long"),
        ({"orderType": "TAKE_PROFIT"}, False, "long"),
        ({"reduceOnly": False}, True, None),
        ({"reduceOnly": False, "closePosition": True, "quantity": "0.0"}, True, "long"),
        ({"reduceOnly": False, "positionSide": "LONG"}, True, "long"),
        ({"reduceOnly": False, "positionSide": "SHORT", "side": "BUY"}, True, "short"),
        ({"reduceOnly": False, "positionSide": "SHORT"}, True, None),
        ({"reduceOnly": False, "positionSide": "LONG", "side": "BUY"}, True, None),
    ],
)
def test_what_a_conditional_order_of_binance_can_lower(changes: dict[str, Any], stops: object, lowers: object) -> None:
    """In hedge mode reduceOnly is refused: there the side of the position says what an order can do to it."""
    order = binance(ALGO, WAITING, **changes)
    assert order.conditional
    assert (order.stops, order.lowers) == (stops, lowers)


def test_a_reduce_only_order_that_does_not_wait_is_no_stop() -> None:
    order = binance({**PLAIN, "positionSide": "BOTH", "reduceOnly": True, "side": "SELL"}, LINEAR)
    assert (order.conditional, order.stops, order.lowers) == (False, False, "long")


@pytest.mark.parametrize(
    ("kind", "side", "stops", "lowers"),
    [
        ("STOP_LOSS", "SELL", True, "long"),
        ("STOP_LOSS_LIMIT", "SELL", True, "long"),
        ("STOP_LOSS_LIMIT", "BUY", True, None),
        ("TAKE_PROFIT_LIMIT", "SELL", False, "long"),
        ("LIMIT", "SELL", False, "long"),
    ],
)
def test_on_spot_a_sale_lowers_what_is_held(kind: str, side: str, stops: object, lowers: object) -> None:
    order = binance(PLAIN, SPOT, type=kind, side=side, stopPrice="0.0" if kind == "LIMIT" else "40000.0")
    assert (order.stops, order.lowers, order.conditional) == (stops, lowers, kind != "LIMIT")


@pytest.mark.parametrize(
    ("described", "stops", "lowers"),
    [
        ({}, True, "long"),
        ({"ordertype": "stop-loss-limit", "price2": "29000.0"}, True, "long"),
        ({"ordertype": "trailing-stop", "price": "+5.0%"}, True, "long"),
        ({"ordertype": "take-profit"}, False, "long"),
        ({"ordertype": "limit"}, False, "long"),
        ({"leverage": "5:1"}, True, None),
        ({"type": "buy"}, True, None),
    ],
)
def test_what_an_order_of_kraken_can_lower(described: dict[str, str], stops: object, lowers: object) -> None:
    """With leverage a sale opens a short position."""
    order = kraken(**described)
    assert (order.id, order.symbol, order.remaining) == (KRAKEN["id"], "BTC/USD", Decimal("0.06"))
    assert (order.stops, order.lowers) == (stops, lowers)
    assert order.conditional is (described.get("ordertype") != "limit")


def test_an_order_without_a_price_has_the_one_that_it_waits_for() -> None:
    assert (binance(ALGO, WAITING).price, binance(ALGO, WAITING).notional) == (Decimal(40_000), Decimal(4_000))
    closing = binance(ALGO, WAITING, closePosition=True, quantity="0.0")
    assert (closing.remaining, closing.notional) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        "order",
        {},
        {"id": "1", "symbol": "A/B"},
        {"id": 1, "symbol": "A/B", "side": "buy"},
        {"id": "1", "side": "buy"},
    ],
)
def test_what_is_no_order_is_not_taken_for_none(told: object) -> None:
    with pytest.raises(SourceError, match="open order"):
        read(told, SPOT, SPOT_MARKET)


@pytest.mark.parametrize("amount", [None, "NaN", "much", float("inf"), True])
def test_nonsense_for_an_amount_is_nothing_left_rather_than_a_number(amount: object) -> None:
    order = read({"id": "1", "symbol": "A/B", "side": "buy", "amount": amount, "info": {}}, SPOT, SPOT_MARKET)
    assert order.remaining == 0


# --- what is no list of orders ---------------------------------------------------------------------------------------

OPEN_AT_KRAKEN = "POST /0/private/OpenOrders"


async def at_kraken(result: Any) -> tuple[OpenOrder, ...]:
    async with replayed("kraken", {OPEN_AT_KRAKEN: {"error": [], "result": result}}) as replay:
        return await Orders(replay.keyed.venue, MANNERS["kraken"]).open()


async def test_an_account_of_kraken_with_nothing_open() -> None:
    assert await at_kraken({"open": {}}) == ()


@pytest.mark.parametrize("result", [None, [], {}, {"open": None}, {"open": []}, {"open": 5}, {"open": {"O1": None}}])
async def test_another_shape_of_kraken_is_not_taken_for_nothing_open(result: Any) -> None:
    with pytest.raises(SourceError) as failed:
        await at_kraken(result)
    assert failed.value.reason is Reason.BAD_RESPONSE


@pytest.mark.parametrize("answer", [{}, {"orders": []}, [5], [{}], "none"])
@pytest.mark.parametrize("path", ["/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"])
async def test_another_shape_of_binance_is_not_taken_for_nothing_open(
    monkeypatch: pytest.MonkeyPatch, path: str, answer: Any
) -> None:
    monkeypatch.setattr(replays, "MARKETS", {**replays.MARKETS, "binance": BINANCE_LISTS})
    nothing: dict[str, Any] = {"GET /fapi/v1/openOrders": [], "GET /fapi/v1/openAlgoOrders": []}
    async with replayed("binance", nothing) as replay:
        orders = Orders(replay.keyed.venue, MANNERS["binance"], frozenset({"linear"}))
        assert await orders.open(("BTC/USDT:USDT",)) == ()
        replay.answers[f"GET {path}"] = answer
        with pytest.raises(SourceError) as failed:
            await orders.open(("BTC/USDT:USDT",))
    assert failed.value.reason is Reason.BAD_RESPONSE


# --- how they are cancelled ------------------------------------------------------------------------------------------

BINANCE, KRAKENS = MANNERS["binance"], MANNERS["kraken"]


def orders(manner: Manner) -> st.SearchStrategy[list[OpenOrder]]:
    """No two are the same order."""
    made = st.builds(
        OpenOrder,
        id=st.integers(1, 400).map(str),
        symbol=st.sampled_from(["A/B", "C/B"]),
        side=st.sampled_from(["buy", "sell"]),
        section=st.sampled_from([section.name for section in manner.sections]),
        market=st.just("spot"),
        remaining=st.just(Decimal(1)),
        filled=st.just(Decimal(0)),
    )
    return st.lists(made, unique_by=lambda order: (order.section, order.id), max_size=130)


@given(
    st.sampled_from([BINANCE, KRAKENS]).flatmap(lambda m: st.tuples(st.just(m), orders(m))),
    st.booleans(),
    st.booleans(),
)
def test_every_order_is_in_one_request(made: tuple[Manner, list[OpenOrder]], sparing: bool, account: bool) -> None:  # noqa: FBT001 - by hypothesis
    manner, given_ = made
    requests = list(cancels(manner, given_, sparing=sparing, account=account))
    asked = [(order.section, order.id) for request in requests for order in request.orders]
    assert sorted(asked) == sorted((order.section, order.id) for order in given_)
    conditional = {section.name: section.conditional for section in manner.sections}
    for request in requests:
        assert {order.section for order in request.orders} == {request.section}
        if request.whole:
            assert not (sparing and conditional[request.section] is not False), "it would take what is to stay"
            assert request.symbol is not None or account, "it would take other symbols"
        else:
            assert len(request.orders) <= manner.batch


def test_all_of_a_symbol_goes_at_once_where_nothing_that_stays_can_be_among_it() -> None:
    given_ = [_of("linear", "1"), _of("linear", "2"), _of("linear conditional", "3"), _of("spot", "4")]
    sparing = list(cancels(BINANCE, given_, sparing=True, account=True))
    assert [(each.section, each.whole, len(each.orders)) for each in sparing] == [
        ("linear", True, 2),
        ("linear conditional", False, 1),
        ("spot", False, 1),
    ]
    assert all(each.whole for each in cancels(BINANCE, given_, sparing=False, account=False))


def test_kraken_cancels_the_whole_account_or_fifty_at_a_time() -> None:
    given_ = [_of("spot", str(number)) for number in range(120)]
    (whole,) = cancels(KRAKENS, given_, sparing=False, account=True)
    assert (whole.whole, whole.symbol) == (True, None)
    for sparing, account in ((True, True), (False, False)):
        batches = list(cancels(KRAKENS, given_, sparing=sparing, account=account))
        assert [len(each.orders) for each in batches] == [50, 50, 20]


def _of(section: str, id_: str) -> OpenOrder:
    return OpenOrder(id_, "A/B", "buy", section, "spot", Decimal(1), Decimal(0))
