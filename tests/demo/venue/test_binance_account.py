"""Wallet, positions and margin of Binance USD-M futures by ccxt as it is installed: modes, terms, statement, funding."""

import time
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from demo.venue.binance.venue import IDLE, Binance
from demo.venue.faults import Fault
from demo.venue.margin import BTC, bracket
from demo.venue.market import Market
from demo.venue.server import Server
from tests.demo.venue.support import TRADER, VIEWING, Client, polled

SYMBOL, ETHER = "BTC/USDT:USDT", "ETH/USDT:USDT"
FEE = 0.0004


@pytest.fixture
async def desk(client: Client) -> Any:
    binance = await client(**TRADER, options={"defaultType": "swap"})
    await binance.load_markets()
    return binance


@pytest.fixture
def quiet(server: Server) -> list[Market]:
    """Nobody else trades: what the crowd did stays, and the test is alone with it."""
    markets = [market for market in server.venues["binance"].exchange.markets() if market.name in (SYMBOL, ETHER)]
    for market in markets:
        market.step = lambda at, stamp: None  # type: ignore[method-assign]
        market.pin(market.fair, time.time())
    return markets


async def positions(desk: Any) -> dict[tuple[str, str], Any]:
    return {(each["symbol"], each["side"]): each for each in await desk.fetch_positions()}


# --- margin ----------------------------------------------------------------------------------------------------------


async def test_margins_of_a_cross_position_are_those_of_its_bracket(desk: Any, quiet: list[Market]) -> None:
    bought = await desk.create_order(SYMBOL, "market", "buy", 10)
    position = (await positions(desk))[SYMBOL, "long"]
    value = Decimal(str(position["notional"]))
    assert position["marginMode"] == "cross"
    assert position["info"]["initialMargin"] == f"{value / 20:.8f}"
    assert position["info"]["maintMargin"] == f"{value * Decimal('0.01') - 1_300:.8f}"
    account = (await desk.fapiPrivateV3GetAccount())["assets"][0]
    assert account["maintMargin"] == position["info"]["maintMargin"]
    wallet, balance = float(account["walletBalance"]), float(account["marginBalance"])
    assert wallet == pytest.approx(1_000_000 - FEE * bought["cost"])
    assert balance == pytest.approx(wallet + position["unrealizedPnl"])
    assert float(account["availableBalance"]) == pytest.approx(balance - float(value) / 20)
    at = Decimal(position["info"]["liquidationPrice"])
    assert 0 <= at < Decimal(position["info"]["markPrice"])


async def test_at_the_told_liquidation_price_the_wallet_is_what_is_to_be_maintained(
    desk: Any, quiet: list[Market]
) -> None:
    await desk.create_order(SYMBOL, "market", "buy", 40)
    await desk.create_order(ETHER, "market", "sell", 100)
    told = await positions(desk)
    long, short = told[SYMBOL, "long"]["info"], told[ETHER, "short"]["info"]
    at = Decimal(long["liquidationPrice"])
    account = (await desk.fapiPrivateV3GetAccount())["assets"][0]
    equity = Decimal(account["walletBalance"]) + 40 * (at - Decimal(long["entryPrice"]))
    equity += Decimal(short["unRealizedProfit"])
    of = bracket(40 * at, BTC)
    needed = 40 * at * of.ratio - of.amount + Decimal(short["maintMargin"])
    assert float(needed / equity) == pytest.approx(1, rel=1e-6)


async def test_an_isolated_position_has_a_margin_of_its_own(desk: Any, quiet: list[Market]) -> None:
    await desk.set_margin_mode("isolated", SYMBOL)
    await desk.set_leverage(10, SYMBOL)
    bought = await desk.create_order(SYMBOL, "market", "buy", 1)
    position = (await positions(desk))[SYMBOL, "long"]
    aside = float(position["info"]["isolatedWallet"])
    assert position["marginMode"] == "isolated"
    assert aside == pytest.approx(bought["cost"] / 10)
    assert position["liquidationPrice"] == pytest.approx(bought["average"] * 0.9, rel=0.01)
    account = (await desk.fapiPrivateV3GetAccount())["assets"][0]
    assert float(account["crossWalletBalance"]) == pytest.approx(float(account["walletBalance"]) - aside)
    await desk.add_margin(SYMBOL, 5_000)
    after = (await positions(desk))[SYMBOL, "long"]
    assert float(after["info"]["isolatedWallet"]) == pytest.approx(aside + 5_000)
    assert after["liquidationPrice"] < position["liquidationPrice"]
    await desk.reduce_margin(SYMBOL, 4_000)
    with pytest.raises(ccxt.ExchangeError, match="Isolated balance insufficient"):
        await desk.reduce_margin(SYMBOL, 4_000)
    await desk.create_order(SYMBOL, "market", "sell", 1, params={"reduceOnly": True})
    account = (await desk.fapiPrivateV3GetAccount())["assets"][0]
    assert account["crossWalletBalance"] == account["walletBalance"]


async def test_a_part_that_is_closed_gives_back_its_share_of_the_margin(desk: Any, quiet: list[Market]) -> None:
    await desk.set_margin_mode("isolated", SYMBOL)
    await desk.create_order(SYMBOL, "market", "sell", 2)
    before = float((await positions(desk))[SYMBOL, "short"]["info"]["isolatedWallet"])
    await desk.create_order(SYMBOL, "market", "buy", 0.5, params={"reduceOnly": True})
    after = float((await positions(desk))[SYMBOL, "short"]["info"]["isolatedWallet"])
    assert after == pytest.approx(before * 0.75)


async def test_leverage_is_bounded_by_the_bracket(desk: Any, quiet: list[Market]) -> None:
    await desk.set_leverage(100, SYMBOL)
    with pytest.raises(ccxt.ExchangeError, match="Exceeded the maximum allowable position"):
        await desk.create_order(SYMBOL, "limit", "buy", 10, 40_000)
    with pytest.raises(ccxt.BadRequest, match="leverage"):
        await desk.set_leverage(126, SYMBOL)
    with pytest.raises(ccxt.ExchangeError, match="Leverage 124 is not valid"):
        await desk.set_leverage(124, ETHER)
    tiers = (await desk.fetch_leverage_tiers([SYMBOL]))[SYMBOL]
    assert [(each["maxLeverage"], each["maintenanceMarginRate"]) for each in tiers[:3]] == [
        (125, 0.004),
        (100, 0.005),
        (50, 0.01),
    ]


async def test_what_closes_a_position_needs_no_margin(desk: Any, quiet: list[Market]) -> None:
    await desk.create_order(SYMBOL, "market", "buy", 1)
    for size, opens in ((1, 0), (3, 2)):
        resting = await desk.create_order(SYMBOL, "limit", "sell", size, 80_000)
        account = (await desk.fapiPrivateV3GetAccount())["assets"][0]
        assert float(account["openOrderInitialMargin"]) == pytest.approx(opens * 80_000 / 20)
        await desk.cancel_order(resting["id"], SYMBOL)


# --- modes -----------------------------------------------------------------------------------------------------------


async def test_both_sides_are_held_in_hedge_mode(desk: Any, quiet: list[Market]) -> None:
    await desk.set_position_mode(True)
    assert (await desk.fetch_position_mode())["hedged"] is True
    await desk.create_order(SYMBOL, "market", "buy", 3, params={"positionSide": "LONG"})
    await desk.create_order(SYMBOL, "market", "sell", 1, params={"positionSide": "SHORT"})
    told = await positions(desk)
    assert {side: each["contracts"] for (_, side), each in told.items()} == {"long": 3, "short": 1}
    assert {each["hedged"] for each in told.values()} == {True}
    assert len({each["liquidationPrice"] for each in told.values()}) == 1
    sold = await desk.create_order(SYMBOL, "market", "sell", 5, params={"positionSide": "LONG"})
    assert sold["filled"] == 3
    assert set(await positions(desk)) == {(SYMBOL, "short")}


async def test_the_place_in_the_queue_of_both_sides_is_one_on_cross_margin(desk: Any, quiet: list[Market]) -> None:
    await desk.set_position_mode(True)
    await desk.set_margin_mode("isolated", ETHER)
    for symbol in (SYMBOL, ETHER):
        await desk.create_order(symbol, "market", "buy", 1, params={"positionSide": "LONG"})
    told = {each["symbol"]: each["adlQuantile"] for each in await desk.fapiPrivateGetAdlQuantile()}
    assert set(told["BTCUSDT"]) == {"LONG", "SHORT", "HEDGE"}
    assert told["BTCUSDT"]["LONG"] == told["BTCUSDT"]["SHORT"]
    assert set(told["ETHUSDT"]) == {"LONG", "SHORT", "BOTH"}


async def test_hedge_mode_wants_the_side_and_refuses_reduce_only(desk: Any, quiet: list[Market]) -> None:
    await desk.set_position_mode(True)
    with pytest.raises(ccxt.ExchangeError, match="-4061"):
        await desk.create_order(SYMBOL, "market", "buy", 1)
    with pytest.raises(ccxt.ExchangeError, match="-1106"):
        await desk.fapiPrivatePostOrder(
            {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "type": "MARKET",
                "quantity": "1",
                "positionSide": "LONG",
                "reduceOnly": "true",
            }
        )
    with pytest.raises(ccxt.ExchangeError, match="ReduceOnly Order is rejected"):
        await desk.create_order(SYMBOL, "market", "sell", 1, params={"positionSide": "LONG"})


async def test_modes_stay_while_there_is_something_open(desk: Any, quiet: list[Market]) -> None:
    async def refused(why: str) -> None:
        with pytest.raises(ccxt.ExchangeError, match=why):
            await desk.set_position_mode(True)
        with pytest.raises(ccxt.ExchangeError, match=why):
            await desk.set_margin_mode("isolated", SYMBOL)

    order = await desk.create_order(SYMBOL, "limit", "buy", 0.1, 40_000)
    await refused("exists open orders")
    await desk.cancel_order(order["id"], SYMBOL)
    await desk.create_order(SYMBOL, "market", "buy", 0.1)
    await refused("exists position")
    with pytest.raises(ccxt.ExchangeError, match="No need to change position side"):
        await desk.fapiPrivatePostPositionSideDual({"dualSidePosition": "false"})


async def test_a_reduce_only_order_goes_when_nothing_is_left_to_reduce(desk: Any, quiet: list[Market]) -> None:
    await desk.create_order(SYMBOL, "market", "buy", 1)
    order = await desk.create_order(SYMBOL, "limit", "sell", 1, 80_000, {"reduceOnly": True})
    await desk.create_order(SYMBOL, "market", "sell", 0.5, params={"reduceOnly": True})
    assert (await desk.fetch_order(order["id"], SYMBOL))["status"] == "canceled"
    assert (await positions(desk))[SYMBOL, "long"]["contracts"] == 0.5


# --- what is told of it ----------------------------------------------------------------------------------------------


async def test_an_account_with_nothing_is_told_as_such(client: Client) -> None:
    idle = await client(apiKey=IDLE.api_key, secret=IDLE.secret, options={"defaultType": "swap"})
    assert await idle.fetch_positions() == []
    account = await idle.fapiPrivateV3GetAccount()
    assert (account["totalWalletBalance"], account["totalMaintMargin"], account["positions"]) == (
        "0.00000000",
        "0.00000000",
        [],
    )
    assert await idle.fapiPrivateGetForceOrders() == []
    assert await idle.fapiPrivateGetIncome() == []
    assert await idle.fapiPrivateGetAdlQuantile() == []
    assert (await idle.privateGetAccount())["balances"] == []
    assert await idle.sapiGetCapitalWithdrawHistory() == []


async def test_the_older_versions_tell_the_same(desk: Any, quiet: list[Market]) -> None:
    await desk.create_order(SYMBOL, "market", "buy", 1)
    newer, older = await desk.fapiPrivateV3GetAccount(), await desk.fapiPrivateV2GetAccount()
    assert {name: older[name] for name in newer if name.startswith("total")} == {
        name: newer[name] for name in newer if name.startswith("total")
    }
    assert len(older["positions"]) == 3
    (now,) = await desk.fapiPrivateV3GetPositionRisk()
    before = next(each for each in await desk.fapiPrivateV2GetPositionRisk() if each["symbol"] == "BTCUSDT")
    assert {name: before[name] for name in ("positionAmt", "liquidationPrice", "notional")} == {
        name: now[name] for name in ("positionAmt", "liquidationPrice", "notional")
    }
    assert (before["leverage"], before["marginType"]) == ("20", "cross")


async def test_what_a_key_that_only_reads_sees_is_the_account(desk: Any, client: Client, quiet: list[Market]) -> None:
    await desk.create_order(SYMBOL, "market", "buy", 1)
    viewer = await client(**VIEWING, options={"defaultType": "swap"})
    assert [each["contracts"] for each in await viewer.fetch_positions()] == [1]
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await viewer.set_leverage(5, SYMBOL)
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await viewer.transfer("USDT", 1, "spot", "linear")


async def test_the_statement_adds_up_to_the_wallet(desk: Any, quiet: list[Market]) -> None:
    await desk.create_order(SYMBOL, "market", "buy", 1)
    await desk.create_order(SYMBOL, "market", "sell", 1)
    await desk.transfer("USDT", 500, "spot", "linear")
    entries = await desk.fapiPrivateGetIncome({"limit": 1000})
    assert {each["incomeType"] for each in entries} >= {"COMMISSION", "REALIZED_PNL", "TRANSFER"}
    wallet = Decimal((await desk.fapiPrivateV3GetAccount())["totalWalletBalance"])
    assert 1_000_000 + sum(Decimal(each["income"]) for each in entries) == pytest.approx(wallet, abs=Decimal("1e-6"))
    fees = await desk.fapiPrivateGetIncome({"incomeType": "COMMISSION"})
    assert {each["incomeType"] for each in fees} == {"COMMISSION"}
    assert (await desk.fapiPrivateGetCommissionRate({"symbol": "BTCUSDT"}))["takerCommissionRate"] == "0.0004"


async def test_what_the_venue_closed_is_told_by_its_cause(desk: Any, quiet: list[Market], switch: Any) -> None:
    await desk.create_order(SYMBOL, "market", "buy", 20)
    await desk.create_order(ETHER, "market", "buy", 1)
    (rank, _) = await desk.fapiPrivateGetAdlQuantile()
    assert (rank["symbol"], set(rank["adlQuantile"])) == ("BTCUSDT", {"BOTH", "LONG", "SHORT"})
    switch(Fault.ADL, account="trader", symbol=SYMBOL, ratio=0.001, seconds=0.1)
    (rank,) = await desk.fapiPrivateGetAdlQuantile({"symbol": "BTCUSDT"})
    assert rank["adlQuantile"]["BOTH"] == 4
    await polled(desk.fapiPrivateGetForceOrders, bool)
    switch(Fault.ADL, account="reader")
    taken = await desk.fapiPrivateGetForceOrders()
    switch(Fault.MARGIN_SQUEEZE, account="trader", ratio=1.1)
    told = await polled(desk.fapiPrivateGetForceOrders, lambda each: each[-1]["clientOrderId"] != "adl_autoclose")
    assert {each["clientOrderId"] for each in taken} == {"adl_autoclose"}
    assert [each["side"] for each in told] == ["SELL"] * len(told)
    for why, name in (("ADL", "adl_autoclose"), ("LIQUIDATION", "autoclose-")):
        some = await desk.fapiPrivateGetForceOrders({"autoCloseType": why, "symbol": "BTCUSDT"})
        assert some
        assert all(each["clientOrderId"].startswith(name) for each in some)
    assert await desk.fapiPrivateGetForceOrders({"startTime": round(time.time() * 1000) + 60_000}) == []
    assert (await desk.fetch_my_liquidations(SYMBOL))[-1]["side"] == "sell"
    with pytest.raises(ccxt.ExchangeError, match="-1102"):
        await desk.fapiPrivateGetForceOrders({"autoCloseType": "BANKRUPTCY"})


async def test_money_is_moved_between_spot_and_contracts(desk: Any) -> None:
    await desk.transfer("USDT", 1_000, "spot", "linear")
    assert (await desk.fetch_balance())["USDT"]["total"] == 1_001_000
    assert (await desk.fetch_balance({"type": "spot"}))["USDT"]["total"] == 999_000
    await desk.transfer("USDT", 1_000, "linear", "spot")
    assert (await desk.fetch_balance())["USDT"]["total"] == 1_000_000
    with pytest.raises(ccxt.ExchangeError, match="insufficient"):
        await desk.transfer("USDT", 5_000_000, "spot", "linear")
    with pytest.raises(ccxt.ExchangeError, match="insufficient"):
        await desk.transfer("USDT", 5_000_000, "linear", "spot")


async def test_the_rate_that_is_called_last_is_the_next_one(desk: Any, server: Server) -> None:
    rates = {each["symbol"]: each for each in await desk.fapiPublicGetPremiumIndex()}
    info = {each["symbol"]: int(each["fundingIntervalHours"]) for each in await desk.fapiPublicGetFundingInfo()}
    assert info == {"BTCUSDT": 8, "ETHUSDT": 4}
    for name, each in rates.items():
        hours = info.get(name, 8)
        (settled,) = await desk.fapiPublicGetFundingRate({"symbol": name, "limit": 1})
        assert int(each["nextFundingTime"]) - int(settled["fundingTime"]) == hours * 3_600_000
        assert int(settled["fundingTime"]) <= int(each["time"]) < int(each["nextFundingTime"])


async def test_coin_margined_contracts_are_there_and_empty(desk: Any) -> None:
    account = await desk.dapiPrivateGetAccount()
    assert (account["assets"], account["positions"]) == ([], [])
    assert await desk.dapiPrivateGetPositionRisk() == []
    assert await desk.dapiPrivateGetForceOrders() == []
    assert await desk.fetch_positions(None, {"subType": "inverse"}) == []


@pytest.mark.parametrize(
    ("host", "path", "params", "weight"),
    [
        ("fapi", "/fapi/v3/account", {}, 5),
        ("fapi", "/fapi/v3/balance", {}, 5),
        ("fapi", "/fapi/v3/positionRisk", {}, 5),
        ("fapi", "/fapi/v1/leverageBracket", {}, 1),
        ("fapi", "/fapi/v1/positionSide/dual", {}, 30),
        ("fapi", "/fapi/v1/income", {}, 30),
        ("fapi", "/fapi/v1/forceOrders", {}, 50),
        ("fapi", "/fapi/v1/forceOrders", {"symbol": "BTCUSDT"}, 20),
        ("fapi", "/fapi/v1/adlQuantile", {}, 5),
        ("fapi", "/fapi/v1/commissionRate", {}, 20),
        ("api", "/sapi/v1/account/apiRestrictions", {}, 1),
        ("api", "/sapi/v1/capital/deposit/hisrec", {}, 1),
        ("api", "/sapi/v1/capital/withdraw/history", {}, 18_000),
    ],
)
async def test_weights_are_the_documented_ones(
    server: Server, host: str, path: str, params: dict[str, str], weight: int
) -> None:
    venue = server.venues["binance"]
    assert isinstance(venue, Binance)
    assert venue.routes[f"{host}.binance.com"]["GET", path].endpoint.cost(params) == weight


async def test_what_was_used_is_told_for_the_address_and_for_the_account(desk: Any) -> None:
    await desk.sapiGetCapitalWithdrawHistory()
    told = {name.lower(): value for name, value in desk.last_response_headers.items()}
    assert int(told["x-sapi-used-uid-weight-1s"]) == 18_000
    await desk.sapiGetCapitalDepositHisrec()
    assert "x-sapi-used-ip-weight-1m" in {name.lower() for name in desk.last_response_headers}
