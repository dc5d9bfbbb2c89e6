"""Margin usage as each exchange is asked for it: the real classes of ccxt on replayed answers in the shapes of the documents that
are named. Examples that the venues publish, kinds of accounts, other shapes, keys that may not ask. Binance is asked at the venue
server, in the tests of the exporter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from adapters.venue import margin
from adapters.venue.margin import Usage
from adapters.venue.margin_asked import usage
from occ.errors import Reason, SourceError
from tests.adapters.venue.replays import by, replayed

NOTHING = Usage(0.0, 0.0)


def near(maintenance: float, initial: float | None = None, rel: float = 1e-6) -> Usage:
    """About as much."""
    about: Any = (None if each is None else pytest.approx(each, rel=rel) for each in (maintenance, initial))
    return Usage(*about)


# --- bybit, replayed: "Get Account Info", "Get Wallet Balance", "Get Position Info" ---------------------------------------

INFO, BALANCE, POSITIONS = "GET /v5/account/info", "GET /v5/account/wallet-balance", "GET /v5/position/list"


def bybit(result: Any) -> Any:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1672125441042}


def bybit_info(status: int = 5, mode: str = "REGULAR_MARGIN") -> Any:
    return bybit(
        {"marginMode": mode, "unifiedMarginStatus": status, "isMasterTrader": False, "spotHedgingStatus": "OFF"}
    )


def unified(**more: str) -> Any:
    rates = {"accountIMRate": "0.0101", "accountMMRate": "0.0021"}
    totals = {"totalMarginBalance": "18070.3", "totalInitialMargin": "182.6", "totalMaintenanceMargin": "37.9"}
    return bybit({"list": [{"accountType": "UNIFIED", **rates, **totals, "coin": [], **more}]})


def listed(*positions: Any, cursor: str = "") -> Any:
    return bybit({"list": list(positions), "nextPageCursor": cursor, "category": "linear"})


def bybit_position(**more: Any) -> dict[str, Any]:
    told = {"symbol": "BTCUSDT", "side": "Buy", "size": "1", "markPrice": "19850", "liqPrice": "19700", "tradeMode": 0}
    margins = {"positionIM": "400", "positionMM": "100", "unrealisedPnl": "-150", "positionBalance": ""}
    return {**told, **margins, **more}


async def of_bybit(answers: Mapping[str, Any], *markets: str) -> Usage | None:
    async with replayed("bybit", answers, *markets) as replay:
        return await usage(replay.keyed)


async def test_bybit_unified_accounts_tell_their_rates() -> None:
    assert await of_bybit({INFO: bybit_info(), BALANCE: unified()}) == Usage(0.0021, 0.0101)


async def test_bybit_a_unified_account_that_holds_nothing() -> None:
    told = unified(accountIMRate="0", accountMMRate="0", totalInitialMargin="0", totalMaintenanceMargin="0")
    assert await of_bybit({INFO: bybit_info(6, "PORTFOLIO_MARGIN"), BALANCE: told}) == NOTHING


async def test_bybit_equity_that_is_gone_is_beyond_liquidation_whatever_the_rate_says() -> None:
    found = await of_bybit({INFO: bybit_info(), BALANCE: unified(totalMarginBalance="-3", accountMMRate="0")})
    assert found is not None
    assert found.maintenance == math.inf


async def test_bybit_isolated_positions_by_their_liquidation_price() -> None:
    """The long position of "Liquidation Price (USDT Contract)", example 1, halfway down: 250 of its 400 are left."""
    answers = {
        INFO: bybit_info(mode="ISOLATED_MARGIN"),
        POSITIONS: by("category", {"linear": listed(bybit_position())}, listed()),
    }
    assert await of_bybit(answers) == near(100 / 250)


@pytest.mark.parametrize(
    ("more", "inverse", "expected"),
    [
        ({"markPrice": "19700"}, False, 1),
        ({"side": "Sell", "markPrice": "20000", "liqPrice": "20300"}, False, 0.25),
        ({"liqPrice": "", "unrealisedPnl": "-200"}, False, 0.5),
        ({"liqPrice": "", "unrealisedPnl": "-400"}, False, math.inf),
        ({"size": "100", "liqPrice": "50", "markPrice": "100", "positionMM": "1"}, True, 0.5),
        ({"side": "Sell", "size": "100", "liqPrice": "100", "markPrice": "50", "positionMM": "1"}, True, 0.5),
        ({"markPrice": "15000"}, False, math.inf),
    ],
)
def test_bybit_isolated_positions(more: Mapping[str, str], inverse: bool, expected: float) -> None:  # noqa: FBT001
    found = margin.bybit_isolated(bybit_position(**more), inverse=inverse)
    assert found == near(expected)


async def test_bybit_classic_accounts_by_coin_and_isolated_positions_apart() -> None:
    coins = [
        {"coin": "USDT", "equity": "1250", "totalOrderIM": "10"},
        {"coin": "BTC", "equity": "1", "totalOrderIM": "0"},
    ]
    alone = bybit_position(tradeMode=1, positionBalance="400")
    crossed = bybit_position(positionMM="100", positionIM="390")
    inverse = bybit_position(symbol="BTCUSD", positionMM="0.9", positionIM="0.95")
    positions = {"linear": listed(alone, crossed), "inverse": listed(inverse)}
    wallet = bybit({"list": [{"accountType": "CONTRACT", "coin": coins}]})
    answers = {INFO: bybit_info(1), BALANCE: wallet, POSITIONS: by("category", positions, listed())}
    assert await of_bybit(answers) == Usage(0.9, 0.95)
    assert await of_bybit(answers, "linear") == Usage(0.4, 0.4)


async def test_bybit_inverse_contracts_of_the_first_unified_accounts_have_a_wallet_of_their_own() -> None:
    contract = bybit(
        {"list": [{"accountType": "CONTRACT", "coin": [{"coin": "BTC", "equity": "2", "totalOrderIM": "0"}]}]}
    )
    inverse = listed(bybit_position(symbol="BTCUSD", positionMM="1", positionIM="1"))
    wallets = by("accountType", {"UNIFIED": unified(), "CONTRACT": contract}, None)
    answers = {INFO: bybit_info(3), BALANCE: wallets, POSITIONS: by("category", {"inverse": inverse}, listed())}
    assert await of_bybit(answers) == Usage(0.5, 0.5)


async def test_bybit_positions_are_read_to_their_last_page() -> None:
    small = [bybit_position(liqPrice="10000") for _ in range(200)]
    pages = {"": listed(*small, cursor="next"), "next": listed(bybit_position(liqPrice="19849"), cursor="end")}
    linear = by("cursor", pages, None)
    answers = {INFO: bybit_info(mode="ISOLATED_MARGIN"), POSITIONS: linear}
    assert await of_bybit(answers, "linear") == near(100 / 101)


@pytest.mark.parametrize(
    "answers",
    [
        {INFO: bybit_info(2)},
        {INFO: bybit_info(mode="SOME_OTHER")},
        {INFO: bybit({})},
        {INFO: bybit_info(), BALANCE: bybit({"list": []})},
        {INFO: bybit_info(), BALANCE: unified(accountType="SPOT")},
        {INFO: bybit_info(), BALANCE: unified(accountMMRate="")},
        {INFO: bybit_info(), BALANCE: unified(accountMMRate="-0.1")},
    ],
    ids=["status", "mode", "nothing", "no account", "another account", "no rate", "below 0"],
)
async def test_bybit_another_accounts_shape_is_refused(answers: Mapping[str, Any]) -> None:
    with pytest.raises(SourceError) as refused:
        await of_bybit(answers)
    assert refused.value.reason is Reason.BAD_RESPONSE


# --- okx, replayed: "Get balance", "Get positions" ------------------------------------------------------------------------

OKX_BALANCE, OKX_POSITIONS = "GET /api/v5/account/balance", "GET /api/v5/account/positions"
WHOLE = {"adjEq": "55415.6", "imr": "11083.12", "mmr": "5541.56", "mgnRatio": "9.5", "details": []}
BY_CURRENCY = {"adjEq": "", "imr": "", "mmr": "", "mgnRatio": ""}
DOCUMENTED = {  # the response example of "Get positions"
    "instId": "BTC-USDT",
    "instType": "MARGIN",
    "ccy": "BTC",
    "pos": "0.00190433573",
    "mgnMode": "isolated",
    "imr": "",
    "mmr": "0.0000318005395854",
    "mgnRatio": "9.404143929947395",
    "margin": "0.000317654",
    "liab": "-99.9998177776581948",
    "liqPx": "53615.448336593756",
    "markPx": "62891.9",
}


def okx_data(*data: Any) -> Any:
    return {"code": "0", "msg": "", "data": list(data)}


def okx_position(**more: str) -> dict[str, str]:
    return {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "ccy": "USDT", "pos": "1", "mgnMode": "cross", **more}


def okx_currency(name: str, ratio: str, **more: str) -> dict[str, str]:
    return {"ccy": name, "eq": "110", "isoEq": "10", "imr": "50", "mmr": "20", "mgnRatio": ratio, **more}


async def of_okx(account: Any, *positions: Any) -> Usage | None:
    async with replayed("okx", {OKX_BALANCE: okx_data(account), OKX_POSITIONS: okx_data(*positions)}) as replay:
        return await usage(replay.keyed)


async def test_okx_the_accounts_own_ratio_in_multi_currency_and_portfolio_mode() -> None:
    assert await of_okx(WHOLE, okx_position()) == near(1 / 9.5, 0.2)


async def test_okx_the_documented_account_holds_nothing() -> None:
    """The response example of "Get balance": an empty ratio and a maintenance margin of 0."""
    told = {**WHOLE, "imr": "0", "mmr": "0", "mgnRatio": "", "details": [okx_currency("USDT", "", imr="", mmr="")]}
    assert await of_okx(told) == NOTHING


async def test_okx_the_documented_isolated_position_is_liquidated_at_its_liquidation_price() -> None:
    """ "Get positions": assets - debt / price against maintenance margin and fees of it (0.1 %), where usage is told and where it is 1."""
    told = {**WHOLE, "imr": "0", "mmr": "0", "mgnRatio": ""}
    assert await of_okx(told, DOCUMENTED) == near(1 / 9.404143929947395, 0)
    assets, debt, fee = Decimal(DOCUMENTED["pos"]), -Decimal(DOCUMENTED["liab"]), Decimal("0.001")
    rate = Decimal(DOCUMENTED["mmr"]) / (debt / Decimal(DOCUMENTED["markPx"]))
    for price, expected in ((DOCUMENTED["markPx"], 1 / 9.404143929947395), (DOCUMENTED["liqPx"], 1.0)):
        owed = debt / Decimal(price)
        needed = owed * ((1 + rate) * (1 + fee) - 1)
        assert margin.used(assets - owed, needed, held=True).maintenance == pytest.approx(expected, rel=1e-4)


async def test_okx_each_currency_has_its_ratio_in_futures_mode() -> None:
    details = [
        okx_currency("USDT", "4"),
        okx_currency("BTC", "1.25", imr="90"),
        okx_currency("ETH", "", imr="", mmr=""),
    ]
    told = {**BY_CURRENCY, "details": details}
    assert await of_okx(told, okx_position(), okx_position(ccy="BTC")) == Usage(0.8, 0.9)


async def test_okx_nothing_held_in_futures_mode() -> None:
    told = {**BY_CURRENCY, "details": [okx_currency("USDT", "", imr="", mmr="")]}
    assert await of_okx(told, okx_position(pos="0", mgnMode="isolated")) == NOTHING


async def test_okx_the_worst_of_cross_margin_and_isolated_positions() -> None:
    alone = okx_position(mgnMode="isolated", mgnRatio="1.25", mmr="3")
    assert await of_okx(WHOLE, okx_position(), alone) == near(0.8, 0.2)


@pytest.mark.parametrize("ratio", ["0", "-0.5"])
async def test_okx_a_ratio_of_nothing_is_beyond_liquidation(ratio: str) -> None:
    found = await of_okx({**WHOLE, "mgnRatio": ratio})
    assert found is not None
    assert found.maintenance == math.inf


async def test_okx_a_ratio_of_zero_where_nothing_is_to_be_maintained_is_none() -> None:
    flat = {"imr": "0", "mmr": "0", "mgnRatio": "0"}
    assert await of_okx({**WHOLE, **flat, "adjEq": "0"}) == NOTHING
    dust = okx_currency("USDT", "0", eq="0", isoEq="0", imr="0", mmr="0")
    assert await of_okx({**BY_CURRENCY, "details": [dust]}) == NOTHING
    held = await of_okx({**WHOLE, **flat}, okx_position())
    assert held is not None
    assert held.maintenance == math.inf


@pytest.mark.parametrize("accounts", [(), (WHOLE, WHOLE)], ids=["none", "two"])
async def test_okx_a_balance_is_that_of_one_account(accounts: tuple[Any, ...]) -> None:
    with pytest.raises(SourceError, match="the balance is not told") as refused:
        async with replayed("okx", {OKX_BALANCE: okx_data(*accounts), OKX_POSITIONS: okx_data()}) as replay:
            await usage(replay.keyed)
    assert refused.value.reason is Reason.BAD_RESPONSE


@pytest.mark.parametrize(
    ("account", "positions"),
    [
        ({**WHOLE, "mgnRatio": ""}, []),
        ({**BY_CURRENCY, "details": [okx_currency("USDT", "", imr="", mmr="")]}, [okx_position()]),
        (BY_CURRENCY, []),
        (WHOLE, [okx_position(mgnMode="")]),
        (WHOLE, [{**okx_position(), "mgnMode": []}]),
        (WHOLE, [okx_position(mgnMode="isolated", mgnRatio="", mmr="5")]),
        ({"totalEq": "1"}, []),
    ],
    ids=[
        "no ratio",
        "currency without ratio",
        "no currencies",
        "no mode",
        "another mode",
        "isolated without ratio",
        "another shape",
    ],
)
async def test_okx_another_accounts_shape_is_refused(account: Any, positions: list[Any]) -> None:
    with pytest.raises(SourceError) as refused:
        await of_okx(account, *positions)
    assert refused.value.reason is Reason.BAD_RESPONSE


# --- deribit, replayed: "private/get_account_summaries" -------------------------------------------------------------------

SUMMARIES = "GET /api/v2/private/get_account_summaries"


def summary(currency: str = "BTC", **more: Any) -> dict[str, Any]:
    told = {"currency": currency, "margin_balance": 302.62729214, "maintenance_margin": 0.8857841}
    return {**told, "initial_margin": 1.24669592, "options_value": -0.0086, "margin_model": "segregated_sm", **more}


EMPTY: Mapping[str, Any] = {"margin_balance": 100, "maintenance_margin": 0, "initial_margin": 0, "options_value": 0}


async def of_deribit(*summaries: Any) -> Usage | None:
    answer = {"jsonrpc": "2.0", "result": {"id": 10, "summaries": list(summaries)}, "usIn": 1, "usOut": 2, "usDiff": 1}
    async with replayed("deribit", {SUMMARIES: answer}) as replay:
        return await usage(replay.keyed)


async def test_deribit_the_documented_account() -> None:
    expected = near(0.8857841 / 302.62729214, 1.24669592 / 302.62729214)
    assert await of_deribit(summary(), summary("ETH", **EMPTY)) == expected


async def test_deribit_the_worst_of_currencies_that_do_not_cover_each_other() -> None:
    worse = summary("ETH", margin_balance=10, maintenance_margin=9, initial_margin=12)
    assert await of_deribit(summary(), worse) == Usage(0.9, 1.2)


async def test_deribit_nothing_held_and_a_debt_of_dust() -> None:
    assert await of_deribit(summary(**{**EMPTY, "margin_balance": -1e-8})) == NOTHING


async def test_deribit_a_margin_balance_below_0_is_beyond_liquidation() -> None:
    found = await of_deribit(summary(margin_balance=-0.1))
    assert found is not None
    assert found.maintenance == math.inf


@pytest.mark.parametrize("told", [[], [{"currency": "BTC", "equity": 5}], [summary(margin_balance=None)]])
async def test_deribit_another_accounts_shape_is_refused(told: list[Any]) -> None:
    with pytest.raises(SourceError) as refused:
        await of_deribit(*told)
    assert refused.value.reason is Reason.BAD_RESPONSE


# --- kraken, replayed: "Get Trade Balance" --------------------------------------------------------------------------------


async def of_kraken(**told: str) -> Usage | None:
    answer = {"error": [], "result": {"eb": "1101.3425", "tb": "392.2264", "n": "-10.0232", **told}}
    async with replayed("kraken", {"POST /0/private/TradeBalance": answer}) as replay:
        return await usage(replay.keyed)


@pytest.mark.parametrize(
    ("equity", "used_margin", "level"),
    [("5000", "2000", 250), ("1960", "2608", 75.153), ("3200", "4000", 80), ("1600", "4000", 40)],
)
async def test_kraken_margin_levels_as_published(equity: str, used_margin: str, level: float) -> None:
    """ "Margin trading examples", "Margin call level and margin liquidation level": 1 at liquidation, half of it at the call."""
    expected = near(40 / level, 100 / level, rel=1e-4)
    assert await of_kraken(e=equity, m=used_margin) == expected


async def test_kraken_without_margin_positions_there_is_no_level_and_nothing_to_maintain() -> None:
    assert await of_kraken(e="382.2032", m="0.0000", mf="382.2032") == NOTHING


async def test_kraken_equity_that_is_gone_is_beyond_liquidation() -> None:
    assert await of_kraken(e="-1", m="10", ml="-10") == Usage(math.inf, math.inf)


async def test_kraken_another_shape_is_refused() -> None:
    with pytest.raises(SourceError, match="without m"):
        await of_kraken(e="1")


# --- coinbase, replayed: "Get Futures Balance Summary" --------------------------------------------------------------------


async def of_coinbase(answer: Any) -> Usage | None:
    async with replayed("coinbase", {"GET /api/v3/brokerage/cfm/balance_summary": answer}) as replay:
        return await usage(replay.keyed)


def futures(available: str, threshold: str, initial: str) -> Any:
    values = {"available_margin": available, "liquidation_threshold": threshold, "initial_margin": initial}
    return {"balance_summary": {key: {"value": value, "currency": "USD"} for key, value in values.items()}}


@pytest.mark.parametrize(("available", "buffer"), [("500", 0), ("1000", 1), ("600", 0.2)])
async def test_coinbase_usage_is_1_where_its_buffer_is_empty(available: str, buffer: float) -> None:
    """ "Liquidation buffer (Futures)": (available - threshold) / (initial - threshold), and positions are liquidated at 0."""
    assert (float(available) - 500) / (1000 - 500) == pytest.approx(buffer)
    expected = near(500 / float(available), 1000 / float(available))
    assert await of_coinbase(futures(available, "500", "1000")) == expected


async def test_coinbase_with_futures_and_nothing_held() -> None:
    assert await of_coinbase(futures("25", "0", "0")) == NOTHING


async def test_coinbase_without_futures_there_is_nothing_to_tell() -> None:
    assert await of_coinbase({"balance_summary": None}) is None


@pytest.mark.parametrize("answer", [{}, {"balance_summary": {}}, {"balance_summary": {"available_margin": "1"}}, []])
async def test_coinbase_another_shape_is_refused(answer: Any) -> None:
    with pytest.raises(SourceError) as refused:
        await of_coinbase(answer)
    assert refused.value.reason is Reason.BAD_RESPONSE


# --- keys that may not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exchange", "path", "answer"),
    [
        ("bybit", INFO, {"retCode": 10005, "retMsg": "Permission denied, please check your API key permissions."}),
        ("bybit", INFO, {"retCode": 33004, "retMsg": "Your api key has expired."}),
        ("okx", OKX_BALANCE, {"code": "50110", "msg": "Your IP is not linked to your API key", "data": []}),
        ("kraken", "POST /0/private/TradeBalance", {"error": ["EGeneral:Permission denied"]}),
        ("kraken", "POST /0/private/TradeBalance", {"error": ["EAPI:Invalid key"]}),
        ("deribit", SUMMARIES, {"jsonrpc": "2.0", "error": {"code": 13009, "message": "unauthorized"}}),
    ],
)
async def test_a_key_that_may_not_ask_is_refused_as_such(exchange: str, path: str, answer: Any) -> None:
    async with replayed(exchange, {path: answer}) as replay:
        with pytest.raises(SourceError) as refused:
            await usage(replay.keyed)
    assert refused.value.reason is Reason.AUTH
