"""Binance's request limits as a client meets them: 429 with Retry-After, then 418."""

import aiohttp
import ccxt
import pytest

from demo.venue.faults import Fault, Scope
from demo.venue.server import Server
from tests.demo.venue.support import Client

DEPTH = "/api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=5000"


async def asked(session: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, str], str]:
    async with session.get(url) as response:
        return response.status, {name.lower(): text for name, text in response.headers.items()}, await response.text()


async def test_too_many_requests_get_429_and_who_goes_on_418(server: Server) -> None:
    limiter = server.venues["binance"].exchange.segments["spot"].limiter
    limiter.limit = 200
    url = server.base_url("binance") + DEPTH
    async with aiohttp.ClientSession() as session:
        status, headers, text = await asked(session, url)
        assert (status, '"code":-1003' in text) == (429, True)
        assert 1 <= int(headers["retry-after"]) <= 60
        assert int(headers["x-mbx-used-weight-1m"]) >= 250
        statuses = [(await asked(session, url))[0] for _ in range(30)]
        assert 418 in statuses
        status, headers, text = await asked(session, url)
        assert (status, int(headers["retry-after"]) > 60) == (418, True)
        assert "IP banned until" in text


async def test_ccxt_knows_them_for_what_they_are(client: Client, server: Server) -> None:
    binance = await client()
    await binance.load_markets()
    server.venues["binance"].exchange.segments["spot"].limiter.limit = 1
    with pytest.raises(ccxt.DDoSProtection, match="429"):
        await binance.fetch_ticker("BTC/USDT")


async def test_a_ban_can_be_switched(client: Client, server: Server) -> None:
    binance = await client()
    server.venues["binance"].exchange.set(Fault.BAN, Scope())
    with pytest.raises(ccxt.DDoSProtection, match="418"):
        await binance.fetch_time()
    server.venues["binance"].exchange.clear(Fault.BAN)
    assert await binance.fetch_time() > 0
