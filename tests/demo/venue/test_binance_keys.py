"""Keys, signatures and time windows: what Binance refuses, and in which words."""

import json
import time
from typing import Any

import aiohttp
import ccxt
import pytest

from demo.venue.faults import Fault
from demo.venue.server import Server
from tests.demo.venue.support import READER, TRADER, Client

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "50000",
}


async def refused(server: Server, key: str, query: str) -> tuple[int, int, str]:
    """HTTP status, code and message of an account request as it is given."""
    url = f"{server.base_url('binance')}/api.binance.com/api/v3/account?{query}"
    async with aiohttp.ClientSession() as session, session.get(url, headers={"X-MBX-APIKEY": key}) as response:
        told = json.loads(await response.text())
        return response.status, told["code"], told["msg"]


async def test_a_signed_request_is_answered(client: Client) -> None:
    account = await (await client(**TRADER)).privateGetAccount()
    assert (account["canTrade"], account["canWithdraw"], account["accountType"]) == (True, False, "SPOT")


async def test_balances_are_told(client: Client) -> None:
    balance = await (await client(**READER)).fetch_balance()
    assert balance["USDT"] == {"free": 1_000_000, "used": 0, "total": 1_000_000}


async def test_what_a_key_may_do_is_told(client: Client) -> None:
    told = [await (await client(**who)).sapiGetAccountApiRestrictions() for who in (TRADER, READER)]
    assert [each["enableSpotAndMarginTrading"] for each in told] == [True, False]
    assert [each["enableWithdrawals"] for each in told] == [False, False]


async def test_a_wrong_secret_is_a_wrong_signature(client: Client) -> None:
    binance = await client(**{**TRADER, "secret": "another"})
    with pytest.raises(ccxt.AuthenticationError, match=r"-1022.*Signature for this request is not valid\."):
        await binance.privateGetAccount()


async def test_a_key_that_is_none_and_a_key_that_nobody_has(client: Client) -> None:
    with pytest.raises(ccxt.AuthenticationError, match=r"-2014.*API-key format invalid\."):
        await (await client(apiKey="short", secret="s")).privateGetAccount()
    with pytest.raises(ccxt.AuthenticationError, match=r"-2015.*Invalid API-key, IP, or permissions for action\."):
        await (await client(apiKey="x" * 64, secret="s")).privateGetAccount()


async def test_a_key_that_only_reads_places_no_order(client: Client) -> None:
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await (await client(**READER)).privatePostOrder(ORDER)


async def test_the_clock_must_agree(client: Client, switch: Any, server: Server) -> None:
    binance = await client(**TRADER)
    switch(Fault.CLOCK_SKEW, seconds=-5)
    with pytest.raises(ccxt.InvalidNonce, match=r"1000ms ahead of the server's time\."):
        await binance.privateGetAccount()
    switch(Fault.CLOCK_SKEW, seconds=30)
    with pytest.raises(ccxt.InvalidNonce, match=r"outside of the recvWindow\."):
        await binance.privateGetAccount()
    assert await binance.fetch_time() > (time.time() + 29) * 1000
    server.venues["binance"].exchange.clear(Fault.CLOCK_SKEW)
    assert await binance.privateGetAccount()


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("", -1102, "'signature' was not sent"),
        ("signature=00", -1102, "'timestamp' was not sent"),
        ("timestamp=soon&signature=00", -1100, "Illegal characters"),
        ("timestamp=1&recvWindow=60001&signature=00", -1131, "recvWindow must be less than 60000"),
        ("timestamp=1&signature=00", -1021, "outside of the recvWindow"),
    ],
)
async def test_what_a_signed_request_lacks_is_said(server: Server, query: str, code: int, message: str) -> None:
    status, told, text = await refused(server, str(TRADER["apiKey"]), query)
    assert (status, told) == (400, code)
    assert message in text


async def test_a_signature_that_is_no_ascii_is_only_wrong(server: Server) -> None:
    now = round(time.time() * 1000)
    assert await refused(server, str(TRADER["apiKey"]), f"timestamp={now}&signature=%C3%A4") == (
        400,
        -1022,
        "Signature for this request is not valid.",
    )


async def test_no_answer_tells_a_secret(server: Server) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/venues") as response:
        text = await response.text()
    assert str(TRADER["secret"]) not in text
    assert str(TRADER["apiKey"]) not in text
