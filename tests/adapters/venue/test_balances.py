"""Balances as exchanges tell them. The wire is replayed: answers in the shapes of the pages that are named, read by ccxt's classes.

Binance's and Kraken's own wallets are on the venue server as well (tests/exporters/exchange/test_balances.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue.balances import MOST_ASSETS, WALLETS, Balance, binance_contracts, binance_spot, held, kraken
from occ.errors import Reason, SourceError
from tests.adapters.venue.replays import replayed


def balance(total: str, free: str | None, used: str | None) -> Balance:
    return Balance(Decimal(total), None if free is None else Decimal(free), None if used is None else Decimal(used))


BESIDE: Mapping[str, Mapping[str, Any]] = {
    "bybit": {"GET /v5/account/info": {"retCode": 0, "retMsg": "OK", "result": {"unifiedMarginStatus": 5, "marginMode": "REGULAR_MARGIN"}}},
    "coinbase": {"GET /api/v3/brokerage/cfm/balance_summary": {"balance_summary": None}},
}  # fmt: skip
"""What else is asked for there: "Get Account Info" of a unified account (UTA 2.0), and the summary of one without futures."""


async def told(exchange: str, path: str, answer: Any, *markets: str) -> Mapping[str, Balance]:
    async with replayed(exchange, {**BESIDE.get(exchange, {}), path: answer}, *markets) as replay:
        found = await held(replay.keyed)
    assert found is not None
    return found


# --- okx: "Get balance" ----------------------------------------------------------------------------------------------

OKX = "GET /api/v5/account/balance"


def okx(*details: Mapping[str, str]) -> Any:
    account = {"adjEq": "55415.6", "imr": "", "isoEq": "0", "mgnRatio": "", "mmr": "", "totalEq": "55837.4", "uTime": "1705474164160"}  # fmt: skip
    return {"code": "0", "msg": "", "data": [{**account, "details": [*details]}]}


def okx_detail(currency: str, **more: str) -> Mapping[str, str]:
    empty = dict.fromkeys(("interest", "isoEq", "isoLiab", "crossLiab", "liab", "upl", "uplLiab"), "")
    return {
        **empty,
        "ccy": currency,
        "cashBal": "0",
        "eq": "0",
        "availEq": "",
        "availBal": "0",
        "frozenBal": "0",
        **more,
    }


async def test_okx_tells_the_equity_of_a_currency_with_open_profit() -> None:
    usdt = okx_detail(
        "USDT", cashBal="4992.8", eq="4992.9", upl="0.1", availEq="4834.3", availBal="4834.3", frozenBal="158.5"
    )
    assert await told("okx", OKX, okx(usdt)) == {"USDT": balance("4992.9", "4834.3", "158.5")}


async def test_okx_in_spot_mode_tells_no_available_equity() -> None:
    btc = okx_detail("BTC", cashBal="0.05", eq="0.05", availBal="0.049", frozenBal="0.001")
    assert await told("okx", OKX, okx(btc)) == {"BTC": balance("0.05", "0.049", "0.001")}


async def test_what_is_borrowed_at_okx_is_a_debt() -> None:
    usdt = okx_detail("USDT", cashBal="-1200", eq="-1200.3", liab="1200.3", interest="0.3", availEq="0", availBal="0")
    assert await told("okx", OKX, okx(usdt)) == {"USDT": balance("-1200.3", "0", "0")}


# --- bybit: "Get Wallet Balance" -------------------------------------------------------------------------------------

BYBIT = "GET /v5/account/wallet-balance"


def bybit(*coins: Mapping[str, Any], kind: str = "UNIFIED") -> Any:
    account = {
        "accountType": kind,
        "totalEquity": "3.31216591",
        "totalWalletBalance": "3.00326056",
        "accountIMRate": "0",
    }
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"list": [{**account, "coin": [*coins]}]},
        "retExtInfo": {},
        "time": 1,
    }


def bybit_coin(coin: str, **more: str) -> Mapping[str, Any]:
    zeros = dict.fromkeys(
        ("locked", "totalOrderIM", "totalPositionIM", "totalPositionMM", "borrowAmount", "spotBorrow"), "0"
    )
    return {**zeros, "coin": coin, "availableToWithdraw": "", "bonus": "0", "collateralSwitch": True, **more}


async def test_bybit_tells_the_equity_and_what_is_held_of_it() -> None:
    usdc = bybit_coin("USDC", walletBalance="1000", unrealisedPnl="-20", equity="980", locked="100", totalPositionIM="50", totalOrderIM="30")  # fmt: skip
    assert await told("bybit", BYBIT, bybit(usdc)) == {"USDC": balance("980", "800", "180")}


async def test_what_is_borrowed_at_bybit_is_a_debt() -> None:
    """equity = walletBalance - spotBorrow + unrealisedPnl: what was borrowed and sold is missing."""
    btc = bybit_coin("BTC", walletBalance="0", spotBorrow="0.5", borrowAmount="0.5", equity="-0.5")
    assert (await told("bybit", BYBIT, bybit(btc)))["BTC"].total == Decimal("-0.5")


async def test_what_bybit_does_not_say_is_absent() -> None:
    isolated = bybit_coin("USDT", equity="10", totalPositionIM="", totalOrderIM="")
    assert await told("bybit", BYBIT, bybit(isolated)) == {"USDT": balance("10", None, None)}


async def test_bybit_is_asked_once_for_the_unified_account() -> None:
    async with replayed("bybit", {BYBIT: bybit()}, "spot") as replay:
        assert await held(replay.keyed) == {}
        assert [each for each in replay.asked if each.startswith(BYBIT)] == [f"{BYBIT}?accountType=UNIFIED"]


async def test_inverse_contracts_of_the_first_unified_accounts_have_a_wallet_of_their_own() -> None:
    """ "Get Account Info": unifiedMarginStatus 3 and 4 are UTA 1.0; "Get Wallet Balance" of CONTRACT."""
    info = {"retCode": 0, "retMsg": "OK", "result": {"unifiedMarginStatus": 4, "marginMode": "REGULAR_MARGIN"}}
    of = {
        "UNIFIED": bybit(bybit_coin("USDT", equity="1000"), bybit_coin("BTC", equity="0.5")),
        "CONTRACT": bybit(bybit_coin("BTC", equity="5", totalPositionIM="1"), kind="CONTRACT"),
    }
    answers = {"GET /v5/account/info": info, BYBIT: lambda request: of[request.query["accountType"]]}
    async with replayed("bybit", answers) as replay:
        found = await held(replay.keyed)
    assert found == {"USDT": balance("1000", "1000", "0"), "BTC": balance("5.5", "4.5", "1")}
    async with replayed("bybit", answers, "spot", "linear") as replay:
        found = await held(replay.keyed)
    assert found is not None
    assert found["BTC"].total == Decimal("0.5")


async def test_a_wallet_that_can_not_be_seen_is_not_left_out() -> None:
    denied = {"retCode": 10005, "retMsg": "Permission denied", "result": {}, "retExtInfo": {}, "time": 1}
    async with replayed("bybit", {"GET /v5/account/info": denied, BYBIT: bybit()}) as replay:
        with pytest.raises(SourceError) as raised:
            await held(replay.keyed)
    assert raised.value.reason is Reason.AUTH


# --- deribit: "private/get_account_summaries" ------------------------------------------------------------------------

DERIBIT = "GET /api/v2/private/get_account_summaries"


def deribit(*summaries: Mapping[str, Any]) -> Any:
    result = {"id": 10, "email": "desk@example.com", "username": "desk", "type": "main", "summaries": [*summaries]}
    return {"jsonrpc": "2.0", "id": 2515, "result": result}


async def test_deribit_tells_each_currency() -> None:
    btc = {"currency": "BTC", "balance": 302.60065765, "equity": 302.61869214, "available_funds": 301.38059622, "initial_margin": 1.24669592}  # fmt: skip
    usdc = {"currency": "USDC", "balance": 0.0, "equity": 0.0, "available_funds": 0.0, "initial_margin": 0.0}
    found = await told("deribit", DERIBIT, deribit(btc, usdc))
    assert found == {"BTC": balance("302.61869214", "301.38059622", "1.24669592"), "USDC": balance("0", "0", "0")}


# --- kraken: "Get Extended Balance" ----------------------------------------------------------------------------------

KRAKEN = "POST /0/private/BalanceEx"


async def test_kraken_has_names_of_its_own() -> None:
    result = {"ZUSD": {"balance": "25435.21", "hold_trade": "8249.76"}, "XXBT": {"balance": "1.2435", "hold_trade": "0.8423"}}  # fmt: skip
    assert await told("kraken", KRAKEN, {"error": [], "result": result}) == {
        "USD": balance("25435.21", "17185.45", "8249.76"),
        "BTC": balance("1.2435", "0.4012", "0.8423"),
    }


async def test_what_earns_at_kraken_is_the_asset_itself() -> None:
    def all_of(amount: str) -> Mapping[str, str]:
        return {"balance": amount, "hold_trade": "0"}

    result = {"XXBT": all_of("1"), "XBT.F": all_of("0.5"), "XBT.B": all_of("0.2"), "DOT28.S": all_of("10"), "USDT.M": all_of("7"), "AAPL.T": all_of("3")}  # fmt: skip
    assert await told("kraken", KRAKEN, {"error": [], "result": result}) == {
        "BTC": balance("1.7", "1.5", "0.2"),
        "DOT": balance("10", "0", "10"),
        "USDT": balance("7", "0", "7"),
        "AAPL.T": balance("3", "3", "0"),
    }


def test_used_credit_at_kraken_is_owed() -> None:
    """The page's formula: available balance = balance + credit - credit_used - hold_trade."""
    result = {"ZUSD": {"balance": "100", "credit": "50", "credit_used": "20", "hold_trade": "10"}}
    assert dict(kraken({"error": [], "result": result})) == {"ZUSD": balance("80", "120", "10")}


# --- coinbase: "List Accounts" ---------------------------------------------------------------------------------------

COINBASE = "GET /api/v3/brokerage/accounts"


def coinbase_account(
    currency: str, free: str, held_: str = "0", kind: str = "ACCOUNT_TYPE_CRYPTO"
) -> Mapping[str, Any]:
    amounts = {
        "available_balance": {"value": free, "currency": currency},
        "hold": {"value": held_, "currency": currency},
    }
    return {
        "uuid": "8bfc20d7",
        "name": f"{currency} Wallet",
        "currency": currency,
        "type": kind,
        "active": True,
        **amounts,
    }


async def test_coinbase_is_asked_for_all_pages() -> None:
    first = {"accounts": [coinbase_account("BTC", "1.5", "0.5")], "has_next": True, "cursor": "789100", "size": 1}
    last = {
        "accounts": [coinbase_account("BTC", "2", kind="ACCOUNT_TYPE_VAULT")],
        "has_next": False,
        "cursor": "",
        "size": 1,
    }

    def page(request: web.Request) -> Any:
        return last if request.query.get("cursor") == "789100" else first

    assert await told("coinbase", COINBASE, page) == {"BTC": balance("4", "3.5", "0.5")}


@pytest.mark.parametrize("answer", [[], [{}], "no accounts", 5, {"accounts": []}, {"accounts": [], "has_next": "no"}])
async def test_a_page_that_is_none_is_refused(answer: Any) -> None:
    with pytest.raises(SourceError) as refused:
        await told("coinbase", COINBASE, lambda _: web.json_response(answer))
    assert refused.value.reason is Reason.BAD_RESPONSE


def coinbase_summary(**usd: str) -> Any:
    """ "Get Futures Balance Summary"."""
    return {"balance_summary": {name: {"value": value, "currency": "USD"} for name, value in usd.items()}}


async def test_money_of_futures_at_coinbase_is_the_accounts_too() -> None:
    summary = coinbase_summary(cfm_usd_balance="100000", unrealized_pnl="-30000", daily_realized_pnl="500")
    accounts = {"accounts": [coinbase_account("USD", "10000")], "has_next": False, "cursor": "", "size": 1}
    answers = {COINBASE: accounts, "GET /api/v3/brokerage/cfm/balance_summary": summary}
    async with replayed("coinbase", answers) as replay:
        assert await held(replay.keyed) == {"USD": balance("80500", None, None)}


async def test_dollars_of_futures_that_are_listed_as_an_account_too_count_once() -> None:
    """`platform` of "List Accounts" tells which these are."""
    listed = [
        {**coinbase_account("USD", "10000"), "platform": "ACCOUNT_PLATFORM_CONSUMER"},
        {**coinbase_account("USD", "100000"), "platform": "ACCOUNT_PLATFORM_CFM_CONSUMER"},
        {**coinbase_account("BTC", "2"), "platform": "ACCOUNT_PLATFORM_CFM_CONSUMER"},
    ]
    summary = coinbase_summary(cfm_usd_balance="100000", unrealized_pnl="0", daily_realized_pnl="0")
    accounts = {"accounts": listed, "has_next": False, "cursor": "", "size": 3}
    answers = {COINBASE: accounts, "GET /api/v3/brokerage/cfm/balance_summary": summary}
    async with replayed("coinbase", answers) as replay:
        assert await held(replay.keyed) == {"USD": balance("110000", None, None), "BTC": balance("2", "2", "0")}


@pytest.mark.parametrize("summary", [{}, {"balance_summary": {}}, coinbase_summary(cfm_usd_balance="1")])
async def test_a_summary_of_futures_of_another_shape_is_not_an_account_without(summary: Any) -> None:
    accounts = {"accounts": [], "has_next": False, "cursor": "", "size": 0}
    answers = {COINBASE: accounts, "GET /api/v3/brokerage/cfm/balance_summary": summary}
    async with replayed("coinbase", answers) as replay:
        with pytest.raises(SourceError) as raised:
            await held(replay.keyed)
    assert raised.value.reason is Reason.BAD_RESPONSE


async def test_an_answer_whose_pages_have_no_end_is_none() -> None:
    again = {"accounts": [], "has_next": True, "cursor": "again", "size": 0}
    with pytest.raises(SourceError, match="no end"):
        await told("coinbase", COINBASE, again)


async def test_more_assets_than_there_are_is_no_answer() -> None:
    """Each of them would be three series."""
    many = {f"A{number}": {"balance": "1", "hold_trade": "0"} for number in range(MOST_ASSETS + 1)}
    with pytest.raises(SourceError, match="more assets"):
        await told("kraken", KRAKEN, {"error": [], "result": many})


# --- binance: "Account information", "Account Information V3" --------------------------------------------------------


def test_binance_spot_is_what_is_free_and_what_is_locked() -> None:
    answer = {"accountType": "SPOT", "balances": [{"asset": "BTC", "free": "4723846.89208129", "locked": "1.5"}]}
    assert dict(binance_spot(answer)) == {"BTC": balance("4723848.39208129", "4723846.89208129", "1.5")}


def test_a_wallet_of_contracts_is_told_with_its_open_profit() -> None:
    usdt = {"asset": "USDT", "walletBalance": "100", "unrealizedProfit": "-7", "marginBalance": "93", "initialMargin": "20", "availableBalance": "73"}  # fmt: skip
    assert dict(binance_contracts({"assets": [usdt], "positions": []})) == {"USDT": balance("93", "73", "20")}


def test_a_portfolio_margin_account_is_not_read_as_one_of_contracts() -> None:
    """ "Get UM Account Detail": its assets have no margin balance of their own."""
    asset = {"asset": "USDT", "crossWalletBalance": "23.7", "crossUnPnl": "0", "maintMargin": "0", "initialMargin": "0"}
    with pytest.raises(SourceError, match="marginBalance"):
        dict(binance_contracts({"assets": [asset], "positions": []}))


# --- every exchange --------------------------------------------------------------------------------------------------

NOTHING = {
    "bybit": (BYBIT, bybit()),
    "coinbase": (COINBASE, {"accounts": [], "has_next": False, "cursor": "", "size": 0}),
    "kraken": (KRAKEN, {"error": [], "result": {}}),
    "okx": (OKX, okx()),
}


@pytest.mark.parametrize("exchange", NOTHING)
async def test_an_account_with_nothing_has_nothing(exchange: str) -> None:
    path, answer = NOTHING[exchange]
    assert await told(exchange, path, answer) == {}


def refused(body: Any, status: int = 200) -> Any:
    return lambda _: web.json_response(body, status=status)


def _bybit_error(code: int) -> Any:
    return refused({"retCode": code, "retMsg": "", "result": {}, "retExtInfo": {}, "time": 1})


def _okx_error(code: str) -> Any:
    return refused({"code": code, "msg": "", "data": []}, 401)


def _deribit_error(code: int) -> Any:
    return refused({"jsonrpc": "2.0", "id": 1, "error": {"message": "", "code": code}}, 400)


REFUSED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "bybit": (BYBIT, {"wrong": _bybit_error(10003), "expired": _bybit_error(33004), "address": _bybit_error(10010), "permission": _bybit_error(10005)}),
    "coinbase": (COINBASE, {"wrong": refused({"message": "Unauthorized"}, 401), "permission": refused({"error": "PERMISSION_DENIED"}, 403)}),
    "deribit": (DERIBIT, {"wrong": _deribit_error(13004), "expired": _deribit_error(13009), "permission": _deribit_error(13021)}),
    "kraken": (KRAKEN, {"wrong": refused({"error": ["EAPI:Invalid key"]}), "permission": refused({"error": ["EGeneral:Permission denied"]})}),
    "okx": (OKX, {"wrong": _okx_error("50111"), "address": _okx_error("50110"), "permission": _okx_error("50120")}),
}  # fmt: skip
"""By the tables of error codes of each exchange."""


@pytest.mark.parametrize(("exchange", "why"), [(name, why) for name, (_, ways) in REFUSED.items() for why in ways])
async def test_a_refused_key_is_no_empty_account(exchange: str, why: str) -> None:
    path, ways = REFUSED[exchange]
    with pytest.raises(SourceError) as raised:
        await told(exchange, path, ways[why])
    assert raised.value.reason is Reason.AUTH


OTHERS: Mapping[str, tuple[str, list[Any]]] = {
    "bybit": (BYBIT, [bybit(kind="CONTRACT"), {"retCode": 0, "result": {}}, {"retCode": 0, "result": {"list": []}}, bybit({"coin": "BTC"})]),
    "coinbase": (COINBASE, [{"data": []}, {"accounts": []}, {"accounts": [{"currency": "BTC"}], "has_next": False}]),
    "deribit": (DERIBIT, [deribit(), {"result": {"currency": "BTC", "equity": 1}}, {"result": []}, deribit({"currency": "BTC"})]),
    "kraken": (KRAKEN, [{"error": []}, {"error": [], "result": {"XXBT": "1.5"}}, {"error": [], "result": []}]),
    "okx": (OKX, [{"code": "0", "data": []}, {"code": "0", "data": [{"ccy": "BTC", "bal": "1"}]}, okx({"ccy": "BTC"}), okx(okx_detail("A\nB")), okx(okx_detail("BTC", eq=""))]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("exchange", "number"), [(name, at) for name, (_, all_) in OTHERS.items() for at in range(len(all_))]
)
async def test_another_accounts_shape_is_refused(exchange: str, number: int) -> None:
    path, answers = OTHERS[exchange]
    with pytest.raises(SourceError) as raised:
        await told(exchange, path, answers[number])
    assert raised.value.reason is Reason.BAD_RESPONSE


async def test_an_exchange_whose_wallets_are_not_known_is_not_asked() -> None:
    async with replayed("okx", {}) as replay:
        unknown = type(replay.keyed)(replay.keyed.venue, "gemini")
        assert await held(unknown) is None
        assert replay.paths() == []


def test_every_wallet_is_asked_for_some_market() -> None:
    assert all(wallet.markets for wallets in WALLETS.values() for wallet in wallets)


AMOUNT = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9)
BALANCES = st.builds(Balance, AMOUNT, st.none() | AMOUNT, st.none() | AMOUNT)


@given(BALANCES, BALANCES)
def test_what_one_wallet_does_not_say_is_not_known_of_both(one: Balance, other: Balance) -> None:
    both = one + other
    assert both == other + one
    assert both.total == one.total + other.total
    assert (both.free is None) == (one.free is None or other.free is None)
    assert (both.used is None) == (one.used is None or other.used is None)
