"""What Kraken tells of money, transfers and keys, by ccxt as it is installed."""

import dataclasses
import time
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest

from demo.venue.exchange import Exchange
from demo.venue.faults import Fault
from demo.venue.kraken.venue import ACCOUNTS, IDLE
from demo.venue.server import Server
from tests.demo.venue.support import Client, opened

TRADER, READER = ({"apiKey": account.api_key, "secret": account.secret} for account in ACCOUNTS)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with opened("kraken") as server:
        yield server


@pytest.fixture
async def desk(client: Client) -> Any:
    kraken = await client("kraken", "kraken", **TRADER)
    await kraken.load_markets()
    return kraken


@pytest.fixture
def exchange(server: Server) -> Exchange:
    return server.venues["kraken"].exchange


async def test_balances_are_told_with_what_orders_hold(desk: Any) -> None:
    await desk.create_order("BTC/USD", "limit", "buy", 0.1, 40_000)
    balance = await desk.fetch_balance()
    assert balance["USD"] == {"free": 996_000, "used": 4_000, "total": 1_000_000}
    assert (await desk.privatePostBalance())["result"]["XXBT"] == "20.0000000000"


async def test_what_it_is_worth_is_told_and_no_margin_level_where_nothing_is_on_margin(desk: Any) -> None:
    told = (await desk.privatePostTradeBalance())["result"]
    assert 2_500_000 < float(told["eb"]) < 6_000_000
    assert (told["m"], "ml" in told) == ("0.0000", False)
    assert (await desk.privatePostOpenPositions({"docalcs": "true"}))["result"] == {}


async def test_fills_are_told_and_none_of_them_closed_a_position(desk: Any) -> None:
    bought = await desk.create_order("BTC/USD", "market", "buy", 0.01)
    trades = await desk.fetch_my_trades("BTC/USD")
    assert sum(each["amount"] for each in trades) == pytest.approx(0.01)
    assert {each["order"] for each in trades} == {bought["id"]}
    assert len({each["id"] for each in trades}) == len(trades)
    assert await desk.fetch_my_trades("BTC/USD", round(time.time() * 1000) + 60_000) == []
    told = (await desk.privatePostTradesHistory({"type": "closing position"}))["result"]
    assert (told["trades"], int(told["count"])) == ({}, 0)


async def test_an_account_with_nothing_is_told_as_such(client: Client) -> None:
    idle = await client("kraken", "kraken", apiKey=IDLE.api_key, secret=IDLE.secret)
    assert (await idle.fetch_balance())["total"] == {}
    assert (await idle.privatePostTradeBalance())["result"]["eb"] == "0.0000"
    assert await idle.fetch_withdrawals() == []
    assert await idle.fetch_deposits() == []


async def test_a_withdrawal_is_pending_and_then_done(desk: Any, exchange: Exchange, switch: Any) -> None:
    switch(Fault.WITHDRAWAL, "kraken", account="trader", currency="BTC", address="bc1q0", amount=0.5, seconds=1e6)
    (pending,) = await desk.fetch_withdrawals()
    assert (pending["status"], pending["currency"], pending["amount"]) == ("pending", "BTC", 0.5)
    assert pending["info"]["info"] == "bc1q0"
    paged = (await desk.privatePostWithdrawStatus({"cursor": "true"}))["result"]
    assert [each["refid"] for each in paged["withdrawals"]] == [pending["id"]]
    exchange.transfers.release(exchange.transfers.all[0], exchange.stamp())
    (done,) = await desk.fetch_withdrawals()
    assert (done["status"], done["id"]) == ("ok", pending["id"])


async def test_a_deposit_that_is_stuck_arrives_when_it_is_let(desk: Any, exchange: Exchange, switch: Any) -> None:
    switch(Fault.STUCK_TRANSFER, "kraken", account="trader", kind="deposit", currency="ETH", amount=2.0, seconds=3600.0)
    (stuck,) = await desk.fetch_deposits()
    assert stuck["status"] == "pending"
    assert stuck["timestamp"] / 1000 == pytest.approx(time.time() - 3600, abs=60)
    exchange.clear(Fault.STUCK_TRANSFER)
    assert (await desk.fetch_deposits())[0]["status"] == "ok"
    assert (await desk.fetch_balance())["ETH"]["total"] == 302


async def test_what_a_key_may_do_is_told(desk: Any, client: Client, switch: Any) -> None:
    reader = await client("kraken", "kraken", **READER)
    told = [(await each.privatePostGetApiKeyInfo())["result"] for each in (desk, reader)]
    assert ["modify-trades" in each["permissions"] for each in told] == [True, False]
    assert [each["validUntil"] for each in told] == ["0", "0"]
    assert all("withdraw-funds" not in each["permissions"] for each in told)
    switch(Fault.KEY_WITHDRAWS, "kraken", account="trader")
    switch(Fault.KEY_EXPIRES, "kraken", account="trader", seconds=3600.0)
    after = (await desk.privatePostGetApiKeyInfo())["result"]
    assert "withdraw-funds" in after["permissions"]
    assert float(after["validUntil"]) == pytest.approx(time.time() + 3600, abs=60)


async def test_keys_that_are_expired_refused_or_lack_a_permission(
    desk: Any, client: Client, exchange: Exchange, switch: Any
) -> None:
    switch(Fault.KEY_EXPIRES, "kraken", seconds=-1.0)
    with pytest.raises(ccxt.AuthenticationError, match="EAPI:Invalid key"):
        await desk.fetch_balance()
    exchange.clear(Fault.KEY_EXPIRES)
    switch(Fault.PERMISSION_DENIED, "kraken", call="WithdrawStatus")
    with pytest.raises(ccxt.PermissionDenied, match="EGeneral:Permission denied"):
        await desk.fetch_withdrawals()
    assert await desk.fetch_deposits() == []
    far = dataclasses.replace(ACCOUNTS[0], api_key="demo" + "F" * 52, addresses=("192.0.2.1",))
    exchange.accounts = {**exchange.accounts, far.api_key: far}
    with pytest.raises(ccxt.PermissionDenied):
        await (await client("kraken", "kraken", apiKey=far.api_key, secret=far.secret)).fetch_balance()
