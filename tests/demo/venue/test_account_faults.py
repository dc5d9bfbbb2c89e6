"""What can be wrong with keys, permissions and transfers, at Binance by ccxt as it is installed."""

import dataclasses
import time
from typing import Any

import aiohttp
import ccxt
import pytest

from demo.venue.binance.venue import ACCOUNTS, IDLE
from demo.venue.exchange import Exchange
from demo.venue.faults import Fault, UnknownError
from demo.venue.server import Server
from demo.venue.transfers import Kind
from tests.demo.venue.support import READER, TRADER, VIEWING, Client, polled

SWAP = "BTC/USDT:USDT"
ADDRESS = "0x" + "ab" * 20


@pytest.fixture
async def desk(client: Client) -> Any:
    binance = await client(**TRADER)
    await binance.load_markets()
    return binance


@pytest.fixture
def exchange(server: Server) -> Exchange:
    return server.venues["binance"].exchange


# --- keys ------------------------------------------------------------------------------------------------------------


async def test_rights_of_keys_are_told(client: Client) -> None:
    told = {}
    for name, key in (("trader", TRADER), ("viewer", VIEWING)):
        told[name] = await (await client(**key)).sapiGetAccountApiRestrictions()
    assert [each["enableSpotAndMarginTrading"] for each in told.values()] == [True, False]
    assert [each["enableFutures"] for each in told.values()] == [True, False]
    assert [each["ipRestrict"] for each in told.values()] == [False, True]
    assert all("tradingAuthorityExpirationTime" not in each for each in told.values())


async def test_a_key_may_withdraw_that_may_not_have(client: Client, switch: Any) -> None:
    viewer, reader = await client(**VIEWING), await client(**READER)
    switch(Fault.KEY_WITHDRAWS, account="trader")
    assert (await viewer.sapiGetAccountApiRestrictions())["enableWithdrawals"] is True
    assert (await viewer.privateGetAccount())["canWithdraw"] is True
    assert (await viewer.fapiPrivateV2GetAccount())["canWithdraw"] is True
    assert (await reader.sapiGetAccountApiRestrictions())["enableWithdrawals"] is False


async def test_a_key_that_expires_says_when_and_then_trades_no_more(desk: Any, switch: Any) -> None:
    switch(Fault.KEY_EXPIRES, seconds=3600)
    told = await desk.sapiGetAccountApiRestrictions()
    assert int(told["tradingAuthorityExpirationTime"]) / 1000 == pytest.approx(time.time() + 3600, abs=60)
    assert told["enableSpotAndMarginTrading"] is True
    await desk.create_order(SWAP, "limit", "buy", 0.1, 40_000)
    switch(Fault.KEY_EXPIRES, seconds=-1)
    assert (await desk.sapiGetAccountApiRestrictions())["enableSpotAndMarginTrading"] is False
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await desk.create_order(SWAP, "limit", "buy", 0.1, 40_000)
    assert len(await desk.fetch_open_orders(SWAP)) == 1


async def test_a_key_is_refused_from_an_address_that_is_not_its_own(client: Client, exchange: Exchange) -> None:
    key = dataclasses.replace(ACCOUNTS[0], api_key="demo" + "A" * 60, addresses=("192.0.2.1",))
    exchange.accounts = {**exchange.accounts, key.api_key: key}
    binance = await client(apiKey=key.api_key, secret=key.secret)
    with pytest.raises(ccxt.AuthenticationError, match=r"-2015.*Invalid API-key, IP, or permissions"):
        await binance.privateGetAccount()


async def test_keys_of_one_account_are_refused_and_those_of_another_are_not(client: Client, switch: Any) -> None:
    switch(Fault.KEY_REFUSED, account="trader")
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await (await client(**TRADER)).privateGetAccount()
    assert await (await client(**READER)).privateGetAccount()


async def test_one_call_of_many_is_refused(desk: Any, client: Client, switch: Any) -> None:
    switch(Fault.PERMISSION_DENIED, call="positionRisk", account="trader")
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await desk.fetch_positions([SWAP])
    assert (await desk.fetch_balance({"type": "swap"}))["USDT"]["total"] == 1_000_000
    assert await (await client(**READER)).fetch_positions([SWAP]) == []


async def test_another_accounts_shape_is_another_shape(desk: Any, exchange: Exchange, switch: Any) -> None:
    await desk.create_order(SWAP, "market", "buy", 0.1)
    switch(Fault.OTHER_ACCOUNT)
    account = await desk.fapiPrivateV3GetAccount()
    assert {"uniMMR", "accountEquity", "accountMaintMargin"} <= account.keys()
    assert not {"totalMaintMargin", "assets", "positions"} & account.keys()
    (position,) = await desk.fapiPrivateV3GetPositionRisk()
    assert position["leverage"] == "0"
    assert not {"maintMargin", "isolatedMargin", "adl"} & position.keys()
    assert "balance" not in (await desk.fapiPrivateV3GetBalance())[0]
    exchange.clear(Fault.OTHER_ACCOUNT)
    assert "totalMaintMargin" in await desk.fapiPrivateV3GetAccount()


# --- transfers -------------------------------------------------------------------------------------------------------


async def test_a_withdrawal_is_pending_and_then_completed(desk: Any, exchange: Exchange, switch: Any) -> None:
    switch(Fault.WITHDRAWAL, account="trader", currency="USDT", address=ADDRESS, amount=250.0, seconds=1e6)
    (pending,) = await desk.fetch_withdrawals()
    assert (pending["status"], pending["currency"], pending["amount"]) == ("pending", "USDT", 250)
    assert (pending["address"], pending["network"], pending["txid"]) == (ADDRESS, "ERC20", None)
    assert pending["timestamp"] / 1000 == pytest.approx(time.time(), abs=60)
    assert (await desk.fetch_balance({"type": "spot"}))["USDT"]["total"] == 999_750
    exchange.transfers.release(exchange.transfers.all[0], exchange.stamp())
    (done,) = await desk.fetch_withdrawals()
    assert (done["status"], done["id"]) == ("ok", pending["id"])
    assert done["txid"]


async def test_a_withdrawal_ends_after_a_while_by_itself_and_stays_known(
    desk: Any, exchange: Exchange, switch: Any
) -> None:
    switch(Fault.WITHDRAWAL, account="trader", address=ADDRESS, seconds=0.5)

    async def closed() -> bool:
        return exchange.transfers.all[0].closed

    await polled(closed, bool)
    exchange.clear(Fault.WITHDRAWAL)
    assert await _status(desk) == "ok"


async def _status(desk: Any) -> str:
    (only,) = await desk.fetch_withdrawals()
    return str(only["status"])


async def test_what_fails_comes_back(desk: Any, switch: Any) -> None:
    switch(Fault.WITHDRAWAL, account="trader", currency="BTC", amount=1.5, seconds=0.0, outcome="failed")
    await desk.fetch_time()
    assert await _status(desk) == "failed"
    assert (await desk.fetch_balance({"type": "spot"}))["BTC"]["total"] == 20


@pytest.mark.parametrize("kind", list(Kind))
async def test_what_is_stuck_goes_on_when_it_is_let(desk: Any, exchange: Exchange, switch: Any, kind: Kind) -> None:
    ask = desk.fetch_deposits if kind is Kind.DEPOSIT else desk.fetch_withdrawals
    sign = 1 if kind is Kind.DEPOSIT else -1
    switch(Fault.STUCK_TRANSFER, account="trader", kind=kind, currency="ETH", amount=2.0, seconds=7200.0)
    (stuck,) = await ask()
    assert (stuck["status"], stuck["currency"]) == ("pending", "ETH")
    assert stuck["timestamp"] / 1000 == pytest.approx(time.time() - 7200, abs=60)
    assert (await desk.fetch_balance({"type": "spot"}))["ETH"]["total"] == 300 - (0 if sign > 0 else 2)
    exchange.clear(Fault.STUCK_TRANSFER)
    (done,) = await ask()
    assert done["status"] == "ok"
    assert (await desk.fetch_balance({"type": "spot"}))["ETH"]["total"] == 300 + sign * 2


async def test_transfers_are_the_accounts_own_and_asked_for_by_coin_and_time(
    desk: Any, client: Client, exchange: Exchange, switch: Any
) -> None:
    for currency in ("USDT", "BTC"):
        switch(Fault.WITHDRAWAL, account="trader", currency=currency, amount=1.0, seconds=0.0)
    assert {each["currency"] for each in await desk.fetch_withdrawals()} == {"USDT", "BTC"}
    assert [each["currency"] for each in await desk.fetch_withdrawals("BTC")] == ["BTC"]
    assert await desk.fetch_withdrawals(None, round(time.time() * 1000) + 60_000) == []
    for key in (READER, {"apiKey": IDLE.api_key, "secret": IDLE.secret}):
        assert await (await client(**key)).sapiGetCapitalWithdrawHistory() == []


# --- what can not be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "scope", "why"),
    [
        (Fault.WITHDRAWAL, {}, "withdrawal needs an account"),
        (Fault.STUCK_TRANSFER, {"kind": "deposit"}, "stuck_transfer needs an account"),
        (Fault.STUCK_TRANSFER, {"account": "trader", "kind": "theft"}, "no kind theft; kinds: deposit, withdrawal"),
        (Fault.WITHDRAWAL, {"account": "trader", "outcome": "lost"}, "no outcome lost; outcomes: done, failed"),
        (Fault.WITHDRAWAL, {"account": "trader", "amount": -5.0}, r"an amount is above 0, not -5\.0"),
        (Fault.WITHDRAWAL, {"account": "idle"}, r"idle has no 1000\.0 USDT"),
        (Fault.KEY_WITHDRAWS, {"account": "nobody"}, "no account nobody; accounts: idle, reader, trader"),
        (Fault.PERMISSION_DENIED, {}, "permission_denied needs a call"),
        (Fault.MARGIN_SQUEEZE, {"account": "idle"}, "idle holds no contracts"),
    ],
)
async def test_a_fault_that_can_not_be_is_refused_and_changes_nothing(
    exchange: Exchange, switch: Any, fault: Fault, scope: dict[str, Any], why: str
) -> None:
    with pytest.raises(UnknownError, match=why):
        switch(fault, **scope)
    assert (exchange.faults, exchange.transfers.all) == ({}, [])


async def test_faults_of_accounts_are_switched_over_http(server: Server) -> None:
    url = f"{server.url}/venues/binance/fault"
    async with aiohttp.ClientSession() as session:
        async with session.put(
            f"{url}/withdrawal?account=trader&currency=USDT&amount=10&address={ADDRESS}"
        ) as response:
            assert response.status == 200
            faults = (await response.json())["venues"][0]["faults"]
            assert (faults["withdrawal"]["address"], faults["withdrawal"]["amount"]) == (ADDRESS, 10)
        for query in ("account=nobody", "amount=much&account=trader", "amount=nan&account=trader", "who=me"):
            async with session.put(f"{url}/withdrawal?{query}") as response:
                assert response.status == 400
        async with session.delete(f"{url}/withdrawal") as response:
            assert response.status == 200
