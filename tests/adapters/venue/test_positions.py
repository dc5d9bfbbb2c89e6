"""Positions as exchanges tell them. The wire is replayed: answers in the shapes of the pages that are named, and ccxt's own classes.

USD-M contracts of Binance are on the venue server as well (tests/exporters/exchange/test_positions.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue import Venue
from adapters.venue.account import Keyed
from adapters.venue.positions import LISTINGS, Position, binance, bybit, deribit, listings, okx, opened
from occ.errors import Reason, SourceError
from tests.adapters.venue.replays import MARKETS, by, credentials, replayed
from tests.occ.servers import listening

D = Decimal


MARKET = {
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "linear": True,
    "contractSize": 1.0,
}
ON_OKX = {**MARKET, "contractSize": 0.01, "info": {"ctMult": "1"}}
"""As ccxt has them, of one base unit and of a hundredth."""


INFO = "GET /v5/account/info"


def bybit_info(status: int) -> Any:
    """ "Get Account Info": 1 is a classic account, 5 a unified one."""
    return {"retCode": 0, "retMsg": "OK", "result": {"unifiedMarginStatus": status, "marginMode": "REGULAR_MARGIN"}}


UNIFIED = {INFO: bybit_info(5)}


async def told(exchange: str, path: str, answer: Any, *markets: str) -> Sequence[Position]:
    async with replayed(exchange, {**UNIFIED, path: answer}, *markets) as replay:
        return await all_of(replay.keyed)


async def all_of(keyed: Keyed) -> Sequence[Position]:
    lists = listings(keyed)
    assert lists is not None
    return await opened(keyed, lists)


# --- okx: "Get positions" --------------------------------------------------------------------------------------------

OKX = "GET /api/v5/account/positions"


def okx_position(**more: str) -> Mapping[str, str]:
    empty = dict.fromkeys(("deltaBS", "deltaPA", "idxPx", "liab", "liabCcy", "liqPx", "optVal", "posCcy", "margin"), "")
    linear = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "mgnMode": "cross", "posSide": "net", "pos": "100", "ccy": "USDT"}  # fmt: skip
    return {**empty, **linear, "adl": "1", "avgPx": "58000", "lever": "3", "markPx": "60000", "upl": "2000", **more}


def okx_list(*positions: Mapping[str, str]) -> Any:
    return {"code": "0", "msg": "", "data": [*positions]}


async def test_linear_contracts_of_okx_are_counted_by_their_size() -> None:
    (found,) = await told("okx", OKX, okx_list(okx_position(liqPx="41000", adl="3")))
    assert found == Position(
        symbol="BTC/USDT:USDT",
        base="BTC",
        side="long",
        amount=D(1),
        delta=D(1),
        quote="USDT",
        price=D(60_000),
        settle="USDT",
        profit=D(2_000),
        mark=D(60_000),
        liquidation=D(41_000),
        adl=3,
    )
    assert found.notional == 60_000


async def test_inverse_contracts_are_dollars_by_the_mark_price() -> None:
    short = okx_position(instId="BTC-USD-SWAP", pos="-300", markPx="50000", upl="-0.004", ccy="BTC")
    (found,) = await told("okx", OKX, okx_list(short))
    assert (found.symbol, found.side, found.amount, found.delta) == ("BTC/USD:BTC", "short", D("0.6"), D("-0.6"))
    assert (found.notional, found.quote, found.profit, found.settle) == (D(30_000), "USD", D("-0.004"), "BTC")
    assert found.owed == 30_000


def test_in_hedge_mode_both_sides_are_told() -> None:
    found = [okx(okx_position(posSide=side, pos=pos), ON_OKX) for side, pos in (("long", "30"), ("short", "10"))]
    assert [(each.side, each.amount, each.delta) for each in found] == [("long", D("0.3"), D("0.3")), ("short", D("0.1"), D("-0.1"))]  # fmt: skip


async def test_cross_and_isolated_positions_in_one_symbol_are_two() -> None:
    both = okx_list(okx_position(liqPx="1"), okx_position(mgnMode="isolated", liqPx="55000", margin="100"))
    found = await told("okx", OKX, both)
    assert [(each.liquidation, each.pot) for each in found] == [(D(1), "cross"), (D(55_000), "isolated")]


@pytest.mark.parametrize("price", ["", "0", "-5"])
def test_no_liquidation_price_is_none_and_not_zero(price: str) -> None:
    assert okx(okx_position(liqPx=price), ON_OKX).liquidation is None


@pytest.mark.parametrize(("lights", "rank"), [("0", None), ("", None), ("1", 1), ("5", 5), ("6", None)])
def test_lights_of_okx_are_the_rank(lights: str, rank: int | None) -> None:
    assert okx(okx_position(adl=lights), ON_OKX).adl == rank


@pytest.mark.parametrize(
    ("config", "delta"),
    [([{"acctLv": "3"}], 0), ([{"acctLv": "4"}], 0), ([{"acctLv": "2"}], None), ([{}], None), ([], None)],
    ids=["multi-currency", "portfolio", "futures", "not told", "nothing told"],
)
async def test_cross_margin_at_okx_is_in_the_balances_where_currencies_cover_each_other(
    config: list[Any], delta: int | None
) -> None:
    """ "Get account configuration". In futures mode `eq` has the profit alone, and not what was bought."""
    margin = {
        "instId": "BTC-USDT",
        "instType": "MARGIN",
        "posCcy": "BTC",
        "pos": "0.5",
        "liab": "-29000",
        "liabCcy": "USDT",
    }
    answers = {OKX: okx_list(okx_position(**margin), okx_position()), "GET /api/v5/account/config": okx_list(*config)}
    async with replayed("okx", answers) as replay:
        found, swap = await all_of(replay.keyed)
    assert (found.symbol, found.side, found.amount, found.delta) == ("BTC/USDT", "long", D("0.5"), delta)
    assert found.owed == delta
    assert (found.notional, swap.delta) == (D(30_000), D(1))


async def test_what_is_owed_of_the_base_is_short_and_isolated_margin_is_not_known() -> None:
    margin = {
        "instId": "BTC-USDT",
        "instType": "MARGIN",
        "posCcy": "USDT",
        "pos": "29000",
        "liab": "-0.5",
        "mgnMode": "isolated",
    }
    answers = {OKX: okx_list(okx_position(**margin)), "GET /api/v5/account/config": okx_list({"acctLv": "3"})}
    async with replayed("okx", answers) as replay:
        (found,) = await all_of(replay.keyed)
    assert (found.side, found.amount, found.delta) == ("short", D("0.5"), None)


OPTION = {"symbol": "BTC/USD:BTC-261225-60000-C", "base": "BTC", "quote": "USD", "settle": "BTC", "inverse": True, "contractSize": 1.0}  # fmt: skip


def test_an_option_of_okx_has_a_delta_of_its_own() -> None:
    record = okx_position(instType="OPTION", pos="-20", idxPx="50000", deltaPA="-0.09", upl="0.001", markPx="0.05")
    found = okx(record, {**OPTION, "info": {"ctVal": "1", "ctMult": "0.01"}})
    assert (found.side, found.amount, found.delta, found.notional) == ("short", D("0.20"), D("-0.09"), D(10_000))
    assert okx({**record, "deltaPA": ""}, {**OPTION, "info": {"ctMult": ""}}).delta is None


# --- bybit: "Get Position Info" --------------------------------------------------------------------------------------

BYBIT = "GET /v5/position/list"


def bybit_position(**more: Any) -> Mapping[str, Any]:
    common = {
        "symbol": "BTCUSDT",
        "side": "Buy",
        "size": "0.5",
        "positionIdx": 0,
        "positionStatus": "Normal",
        "tradeMode": 0,
    }
    prices = {
        "avgPrice": "50000",
        "positionValue": "25000",
        "markPrice": "52000",
        "liqPrice": "",
        "unrealisedPnl": "1000",
    }
    return {**common, **prices, "adlRankIndicator": 2, "leverage": "10", "positionMM": "150", **more}


def bybit_page(category: str, *positions: Mapping[str, Any], cursor: str = "") -> Any:
    result = {"category": category, "nextPageCursor": cursor, "list": [*positions]}
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1672280219169}


async def test_bybit_is_asked_by_asset_of_settlement_and_for_inverse_contracts() -> None:
    inverse = bybit_position(symbol="BTCUSD", side="Sell", size="20000", markPrice="50000", unrealisedPnl="-0.01")
    lists = by(
        "category",
        {"inverse": bybit_page("inverse", inverse), "option": bybit_page("option")},
        bybit_page("linear", bybit_position(liqPrice="41000")),
    )
    async with replayed("bybit", {**UNIFIED, BYBIT: lists}) as replay:
        linear, coin = await all_of(replay.keyed)
        asked = [each.partition("?")[2] for each in replay.asked if each.startswith(BYBIT)]
    assert asked == [
        "category=linear&settleCoin=USDT&limit=200",
        "category=inverse&limit=200",
        "category=option&limit=200",
    ]
    assert (linear.symbol, linear.amount, linear.notional, linear.adl) == ("BTC/USDT:USDT", D("0.5"), D(26_000), 2)
    assert (coin.symbol, coin.amount, coin.delta, coin.settle) == ("BTC/USD:BTC", D("0.4"), D("-0.4"), "BTC")


async def test_a_classic_account_is_not_asked_for_options() -> None:
    lists = by("category", {"option": {"retCode": 10001, "retMsg": "", "result": {}, "time": 1}}, bybit_page("linear"))
    async with replayed("bybit", {INFO: bybit_info(1), BYBIT: lists}) as replay:
        assert await all_of(replay.keyed) == ()


async def test_an_account_that_trades_no_inverse_contracts_is_not_asked_for_them() -> None:
    async with replayed("bybit", {**UNIFIED, BYBIT: bybit_page("linear")}, "spot", "linear") as replay:
        assert await all_of(replay.keyed) == ()
        assert [each for each in replay.asked if each.startswith(BYBIT) and "inverse" in each] == []


async def test_what_one_of_several_lists_refuses_is_not_told_in_part() -> None:
    denied = {"retCode": 10005, "retMsg": "Permission denied", "result": {}, "retExtInfo": {}, "time": 1}
    lists = by("category", {"inverse": denied}, bybit_page("linear", bybit_position()))
    with pytest.raises(SourceError) as raised:
        await told("bybit", BYBIT, lists)
    assert raised.value.reason is Reason.AUTH


async def test_all_pages_of_bybit_are_read() -> None:
    def page(request: web.Request) -> Any:
        pages = {"": bybit_page("linear", bybit_position(positionIdx=1), cursor="two"), "two": bybit_page("linear", bybit_position(positionIdx=2, side="Sell", size="0.2"), cursor="three")}  # fmt: skip
        pages |= {} if request.query["category"] == "linear" else {"": bybit_page("option")}
        return pages.get(request.query.get("cursor", ""), bybit_page("linear", cursor="three"))

    found = await told("bybit", BYBIT, page, "linear")
    assert [(each.side, each.amount) for each in found] == [("long", D("0.5")), ("short", D("0.2"))]


async def test_what_is_flat_is_no_position() -> None:
    flat = bybit_position(side="", size="0", markPrice="52000", liqPrice="", adlRankIndicator=0)
    assert await told("bybit", BYBIT, bybit_page("linear", flat), "linear") == ()


@pytest.mark.parametrize(("indicator", "rank"), [(0, None), (1, 1), (5, 5), (None, None)])
def test_rank_of_bybit(indicator: int | None, rank: int | None) -> None:
    assert bybit(bybit_position(adlRankIndicator=indicator), MARKET).adl == rank


async def test_of_options_at_bybit_the_delta_is_not_told_and_so_not_known() -> None:
    """The equity has their value, and the balances are not all that there is."""
    instrument = {
        "symbol": "BTC-27JUN25-60000-C-USDT", "status": "Trading", "baseCoin": "BTC", "quoteCoin": "USDT", "settleCoin": "USDT",
        "optionsType": "Call", "launchTime": "1724796000000", "deliveryTime": "1751011200000", "deliveryFeeRate": "0.00015",
        "priceFilter": {"minPrice": "5", "maxPrice": "1110000", "tickSize": "5"},
        "lotSizeFilter": {"maxOrderQty": "500", "minOrderQty": "0.01", "qtyStep": "0.01"},
    }  # fmt: skip
    path = "GET /v5/market/instruments-info"
    known = MARKETS["bybit"][path]
    option = bybit_position(symbol=instrument["symbol"], side="Sell", size="0.5", markPrice="1200", liqPrice="", adlRankIndicator=0)  # fmt: skip
    answers = {
        **UNIFIED,
        BYBIT: by("category", {"option": bybit_page("option", option)}, bybit_page("linear")),
        path: lambda request: bybit_page("option", instrument) if request.query["category"] == "option" else known(request),
    }  # fmt: skip
    async with replayed("bybit", answers) as replay:
        (found,) = await all_of(replay.keyed)
    assert (found.base, found.side, found.amount) == ("BTC", "short", D("0.5"))
    assert (found.delta, found.owed, found.notional) == (None, None, None)


# --- coinbase: "Get Futures Balance Summary", "List Futures Positions", "List Public Products" -------------------------

SUMMARY = "GET /api/v3/brokerage/cfm/balance_summary"
FUTURES = "GET /api/v3/brokerage/cfm/positions"
FUTURE = {
    "product_id": "BIT-26APR24-CDE", "price": "71145", "base_increment": "1", "quote_increment": "0.01", "quote_min_size": "0",
    "quote_max_size": "100000000", "base_min_size": "1", "base_max_size": "100000000", "price_increment": "5", "is_disabled": False,
    "trading_disabled": False, "product_type": "FUTURE", "quote_currency_id": "USD", "base_currency_id": "", "product_venue": "FCM",
    "display_name": "BTC 26 APR 24",
    "future_product_details": {
        "venue": "cde", "contract_code": "BIT", "contract_expiry": "2024-04-26T15:00:00Z", "contract_size": "0.01",
        "contract_root_unit": "BTC", "contract_expiry_type": "EXPIRING", "contract_display_name": "BTC 26 APR 24",
    },
}  # fmt: skip


def coinbase_answers(*positions: Any) -> Mapping[str, Any]:
    def products(request: web.Request) -> Any:
        listed = [FUTURE] if request.query.get("product_type") == "FUTURE" else []
        return {"products": listed, "num_products": len(listed)}

    lists = {f"GET /api/v3/brokerage/{path}": products for path in ("market/products", "products")}
    summary = {"balance_summary": {"available_margin": {"value": "70000", "currency": "USD"}}}
    return {**lists, SUMMARY: summary, FUTURES: {"positions": [*positions]}}


def coinbase_position(**more: Any) -> Mapping[str, Any]:
    common = {"product_id": "BIT-26APR24-CDE", "expiration_time": "2024-04-26T15:00:00Z", "side": "SHORT"}
    prices = {"current_price": "71145", "avg_entry_price": "70980", "unrealized_pnl": "-33", "daily_realized_pnl": "0"}
    return {**common, **prices, "number_of_contracts": "20", **more}


async def test_futures_of_coinbase_are_counted_by_their_size() -> None:
    """Amounts are texts, or have their currency with them."""
    usd = {"current_price": "71145", "unrealized_pnl": "-33", "liquidation_price": "90000"}
    with_currency = coinbase_position(**{key: {"value": value, "currency": "USD"} for key, value in usd.items()})
    async with replayed("coinbase", coinbase_answers(coinbase_position(), with_currency)) as replay:
        found = await all_of(replay.keyed)
    for each, liquidation in zip(found, (None, D(90_000)), strict=True):
        assert (each.symbol, each.side, each.amount, each.delta) == ("BTC/USD:USD-240426", "short", D("0.2"), D("-0.2"))
        assert (each.notional, each.settle, each.profit, each.liquidation) == (D(14_229), "USD", D(-33), liquidation)


async def test_a_coinbase_account_without_futures_is_asked_no_further() -> None:
    async with replayed("coinbase", {SUMMARY: {"balance_summary": None}}) as replay:
        assert await all_of(replay.keyed) == ()


@pytest.mark.parametrize(
    "answers", [{SUMMARY: {}}, {FUTURES: {}}, {FUTURES: {"positions": [{"number_of_contracts": "1"}]}}]
)
async def test_futures_of_coinbase_that_can_not_be_read_are_not_none(answers: Mapping[str, Any]) -> None:
    async with replayed("coinbase", {**coinbase_answers(), **answers}) as replay:
        with pytest.raises(SourceError) as raised:
            await all_of(replay.keyed)
    assert raised.value.reason is Reason.BAD_RESPONSE


# --- deribit: "private/get_positions" --------------------------------------------------------------------------------

DERIBIT = "GET /api/v2/private/get_positions"


def deribit_position(**more: Any) -> Mapping[str, Any]:
    common = {
        "instrument_name": "BTC-PERPETUAL",
        "kind": "future",
        "direction": "buy",
        "size": 50,
        "size_currency": 0.006687487,
    }
    prices = {
        "average_price": 7440.18,
        "mark_price": 7476.65,
        "index_price": 7466.79,
        "estimated_liquidation_price": 1.74,
    }
    return {**common, **prices, "delta": 0.006687487, "floating_profit_loss": 0.00001, "leverage": 34, **more}


async def test_sizes_of_deribit_are_dollars_or_base() -> None:
    linear = deribit_position(instrument_name="BTC_USDC-PERPETUAL", direction="sell", size=-0.25, mark_price=60000.0, estimated_liquidation_price=None)  # fmt: skip
    flat = deribit_position(instrument_name="GONE", direction="zero", size=0.0)
    inverse, other = await told("deribit", DERIBIT, {"jsonrpc": "2.0", "result": [deribit_position(), linear, flat]})
    assert (inverse.symbol, inverse.side, inverse.liquidation, inverse.adl) == ("BTC/USD:BTC", "long", D("1.74"), None)
    assert inverse.amount == pytest.approx(D("0.006687487"), abs=D("1e-9"))
    assert inverse.notional == pytest.approx(D(50))
    assert inverse.pot == "account"
    assert (other.symbol, other.side, other.amount, other.liquidation) == ("BTC/USDC:USDC", "short", D("0.25"), None)


def test_the_delta_of_an_option_is_beside_its_premium() -> None:
    record = deribit_position(
        kind="option", direction="sell", size=-2.0, delta=-1.1, mark_price=0.05, index_price=60000.0
    )
    found = deribit(record, OPTION)
    assert (found.side, found.amount, found.notional, found.mark) == ("short", D(2), D(120_000), None)
    assert found.delta == D("-1.0")
    linear = deribit(record, {**OPTION, "inverse": False})
    assert linear.delta == D("-1.1")


# --- kraken: "Get Open Positions" ------------------------------------------------------------------------------------

KRAKEN = "POST /0/private/OpenPositions"


async def test_positions_on_margin_at_kraken_are_what_is_not_closed() -> None:
    position = {
        "ordertxid": "OQWPS6-NRJ0W-U2NSH7", "posstatus": "open", "pair": "XXBTZUSD", "time": 1605280097.8294, "type": "buy",
        "ordertype": "limit", "cost": "104610.52842", "fee": "289.06565", "vol": "8.82412861", "vol_closed": "0.20200000",
        "margin": "20922.10568", "value": "258797.5", "net": "+154186.9728", "terms": "0.0100% per 4 hours", "misc": "", "oflags": "",
    }  # fmt: skip
    (found,) = await told("kraken", KRAKEN, {"error": [], "result": {"TF5GVO-T7ZZ2-6NBKBI": position}})
    assert (found.symbol, found.side, found.amount, found.delta) == (
        "BTC/USD",
        "long",
        D("8.62212861"),
        D("8.62212861"),
    )
    assert found.notional == pytest.approx(D("258797.5"))
    assert (found.profit, found.settle, found.liquidation) == (D("154186.9728"), "USD", None)
    assert found.owed == pytest.approx(D("154186.9728") - D("258797.5")), "what it cost: no balance has the profit"


# --- binance: "Position Information V3", COIN-M "Position Information" -----------------------------------------------


def usd_m(**more: str) -> Mapping[str, str]:
    common = {
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "positionAmt": "0.200",
        "markPrice": "60000",
        "marginAsset": "USDT",
    }
    return {**common, "unRealizedProfit": "12.5", "liquidationPrice": "0", "isolatedMargin": "0", "notional": "12000", "adl": "2", **more}  # fmt: skip


@pytest.mark.parametrize(
    ("side", "amount", "held"),
    [("BOTH", "0.2", "long"), ("BOTH", "-0.2", "short"), ("LONG", "0.2", "long"), ("SHORT", "-0.2", "short")],
)
def test_one_way_and_hedge_mode_of_binance(side: str, amount: str, held: str) -> None:
    found = binance(usd_m(positionSide=side, positionAmt=amount), MARKET)
    assert (found.side, found.amount, found.delta) == (held, D("0.2"), D(amount))
    assert (found.liquidation, found.profit) == (None, D("12.5"))


def test_an_isolated_position_has_a_margin_of_its_own() -> None:
    assert [binance(usd_m(isolatedMargin=each), MARKET).pot for each in ("0", "-3", "12")] == [
        "cross",
        "isolated",
        "isolated",
    ]
    assert [bybit(bybit_position(tradeMode=each), MARKET).pot for each in (0, 1)] == ["cross", "isolated"]


@pytest.mark.parametrize(("quantile", "rank"), [("0", 1), ("4", 5), ("", None), ("9", None)])
def test_quantiles_of_binance_begin_at_0(quantile: str, rank: int | None) -> None:
    assert binance(usd_m(adl=quantile), MARKET).adl == rank


@pytest.mark.parametrize(
    "change", [{"positionSide": "NET"}, {"markPrice": "0"}, {"markPrice": ""}, {"positionAmt": "x"}]
)
def test_what_is_no_position_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(SourceError) as raised:
        binance(usd_m(**change), MARKET)
    assert raised.value.reason is Reason.BAD_RESPONSE


def test_a_portfolio_margin_account_is_not_read_as_one_of_contracts() -> None:
    """ "Query UM Position Information" has no isolated margin."""
    record = {name: value for name, value in usd_m().items() if name != "isolatedMargin"}
    with pytest.raises(SourceError, match="isolatedMargin"):
        binance(record, MARKET)


COIN_M = {
    "symbol": "BTCUSD_PERP", "pair": "BTCUSD", "contractType": "PERPETUAL", "deliveryDate": 4133404800000, "onboardDate": 1597042800000,
    "contractStatus": "TRADING", "contractSize": 100, "marginAsset": "BTC", "maintMarginPercent": "2.5000",
    "requiredMarginPercent": "5.0000", "baseAsset": "BTC", "quoteAsset": "USD", "pricePrecision": 1, "quantityPrecision": 0,
    "baseAssetPrecision": 8, "quotePrecision": 8, "equalQtyPrecision": 4, "filters": [], "orderTypes": ["LIMIT"], "timeInForce": ["GTC"],
}  # fmt: skip


def coin_m(**more: str) -> Mapping[str, str]:
    common = {
        "symbol": "BTCUSD_PERP",
        "positionSide": "LONG",
        "positionAmt": "30",
        "entryPrice": "49000",
        "markPrice": "50000",
    }
    return {**common, "unRealizedProfit": "0.0012", "liquidationPrice": "25119.9", "leverage": "2", "marginType": "isolated", "isolatedMargin": "0.03", **more}  # fmt: skip


async def test_coin_margined_contracts_of_binance_with_their_quantiles() -> None:
    """COIN-M "Exchange Information", "Position Information", "Position ADL Quantile Estimation"."""
    flat = coin_m(
        symbol="GONEUSD_PERP", positionSide="BOTH", positionAmt="0", markPrice="0.00000000", liquidationPrice="0"
    )
    ranks = [{"symbol": "BTCUSD_PERP", "adlQuantile": {"LONG": 3, "SHORT": 3, "HEDGE": 0}}]
    answers = {
        "/dapi/v1/exchangeInfo": {"symbols": [COIN_M]},
        "/dapi/v1/positionRisk": [flat, coin_m()],
        "/dapi/v1/adlQuantile": ranks,
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(next((answers[path] for path in answers if request.path.endswith(path)), []))

    async with (
        listening(answer) as port,
        aiohttp.ClientSession() as session,
        Venue.open(
            "binancecoinm",
            session=session,
            base_url=f"http://127.0.0.1:{port}",
            credentials=credentials("binancecoinm"),
            spread=False,
        ) as venue,
    ):
        (found,) = await all_of(Keyed(venue, "binancecoinm"))
    assert (found.symbol, found.side, found.amount, found.adl) == ("BTC/USD:BTC", "long", D("0.06"), 4)
    assert (found.notional, found.quote, found.settle, found.liquidation) == (D(3_000), "USD", "BTC", D("25119.9"))


# --- every exchange --------------------------------------------------------------------------------------------------

NOTHING = {
    "bybit": (BYBIT, bybit_page("linear")),
    "coinbase": (SUMMARY, {"balance_summary": None}),
    "deribit": (DERIBIT, {"jsonrpc": "2.0", "result": []}),
    "kraken": (KRAKEN, {"error": [], "result": {}}),
    "okx": (OKX, okx_list()),
}


@pytest.mark.parametrize("exchange", NOTHING)
async def test_an_account_with_nothing_has_no_position(exchange: str) -> None:
    path, answer = NOTHING[exchange]
    assert await told(exchange, path, answer) == ()


OTHERS: Mapping[str, tuple[str, list[Any]]] = {
    "bybit": (BYBIT, [{"retCode": 0, "result": {}}, bybit_page("linear", {"symbol": "BTCUSDT"}), bybit_page("linear", bybit_position(side=""))]),
    "deribit": (DERIBIT, [{"result": {}}, {"result": [{"size": 5}]}, {"result": [deribit_position(direction="zero")]}]),
    "kraken": (KRAKEN, [{"error": []}, {"error": [], "result": [{"pair": "XXBTZUSD"}]}, {"error": [], "result": {"T": {"vol": "1"}}}, {"error": [], "result": {"T": {"pair": "XXBTZUSD", "type": "buy", "vol": "1", "vol_closed": "0", "value": "-1", "net": "0"}}}]),
    "okx": (OKX, [{"code": "0"}, okx_list({"posId": "1"}), okx_list(okx_position(posSide="both")), okx_list(okx_position(markPx=""))]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("exchange", "number"), [(name, at) for name, (_, all_) in OTHERS.items() for at in range(len(all_))]
)
async def test_another_accounts_shape_is_refused(exchange: str, number: int) -> None:
    path, answers = OTHERS[exchange]
    with pytest.raises(SourceError) as raised:
        await told(exchange, path, answers[number])
    assert raised.value.reason is Reason.BAD_RESPONSE


UNKNOWN = {
    "bybit": (BYBIT, bybit_page("linear", bybit_position(symbol="NEWUSDT"))),
    "deribit": (DERIBIT, {"result": [deribit_position(instrument_name="NEW-PERPETUAL")]}),
    "okx": (OKX, okx_list(okx_position(instId="NEW-USDT-SWAP"))),
}


@pytest.mark.parametrize("exchange", UNKNOWN)
async def test_a_position_in_an_unknown_market_is_not_left_out(exchange: str) -> None:
    """The markets are loaded anew, once: it may have been listed since."""
    path, answer = UNKNOWN[exchange]
    async with replayed(exchange, {**UNIFIED, path: answer}) as replay:
        await replay.keyed.venue.markets()
        loads = len(replay.asked)
        with pytest.raises(SourceError, match="does not list"):
            await all_of(replay.keyed)
        asked = replay.asked[loads:]
    instruments = [each for each in asked if "instruments" in each]
    assert len(instruments) == len(set(instruments)) > 0


async def test_a_market_that_was_listed_since_is_known_after_a_look() -> None:
    known: list[Mapping[str, str]] = []

    def markets(request: web.Request) -> Any:
        base = {"instId": "NEW-USDT-SWAP", "instType": "SWAP", "uly": "NEW-USDT", "ctType": "linear", "ctVal": "10", "ctMult": "1", "settleCcy": "USDT", "state": "live", "lotSz": "1", "tickSz": "0.1", "minSz": "1", "baseCcy": "", "quoteCcy": ""}  # fmt: skip
        swaps = [{**base, "instId": "OLD-USDT-SWAP", "uly": "OLD-USDT"}, *known]
        known[:] = [base] if request.query["instType"] == "SWAP" else known
        return okx_list(*(swaps if request.query["instType"] == "SWAP" else []))

    position = okx_list(okx_position(instId="NEW-USDT-SWAP", pos="7", markPx="2"))
    async with replayed("okx", {OKX: position, "GET /api/v5/public/instruments": markets}) as replay:
        (found,) = await all_of(replay.keyed)
    assert (found.symbol, found.amount, found.notional) == ("NEW/USDT:USDT", D(70), D(140))


async def test_where_an_account_can_hold_nothing_nothing_is_asked() -> None:
    async with replayed("coinbase", {}) as replay:
        assert listings(replace(replay.keyed, exchange="gemini")) is None
        assert listings(replace(replay.keyed, exchange="binance", markets=frozenset({"spot"}))) == ()
        assert len(listings(replace(replay.keyed, exchange="binance")) or ()) == len(LISTINGS["binance"])


@given(
    contracts=st.decimals(min_value=-(10**6), max_value=10**6, places=3).filter(bool),
    size=st.sampled_from([0.001, 0.01, 1.0, 10.0, 100.0]),
    mark=st.decimals(min_value="0.0001", max_value=10**6, places=4),
    inverse=st.booleans(),
)
def test_a_positions_value_is_its_contracts_whatever_they_are_counted_in(
    contracts: Decimal, size: float, mark: Decimal, *, inverse: bool
) -> None:
    market = {**MARKET, "inverse": inverse, "contractSize": size, "quote": "USD"}
    found = binance(usd_m(positionAmt=str(contracts), markPrice=str(mark)), market)
    value = abs(contracts) * D(str(size)) * (1 if inverse else mark)
    assert found.notional == pytest.approx(value, rel=D("1e-20"))
    assert found.amount > 0
    assert found.delta == (found.amount if contracts > 0 else -found.amount)
    assert found.side == ("long" if contracts > 0 else "short")
