"""The server around the venues: where they are, and how faults are switched over HTTP and from the command line."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from demo.venue.accounts import LOOPBACK
from demo.venue.server import Server
from tests.demo.venue.support import DEADLINE, opened


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(DEADLINE)) as session:
        yield session


async def told(session: aiohttp.ClientSession, method: str, url: str) -> tuple[int, Any]:
    async with session.request(method, url) as response:
        text = await response.text()
        return response.status, await response.json() if response.content_type == "application/json" else text


async def test_it_says_where_its_venues_are_and_what_they_serve(server: Server, session: aiohttp.ClientSession) -> None:
    status, shown = await told(session, "GET", f"{server.url}/-/ready")
    assert status == 200
    venue = shown["venues"][0]
    assert venue["base_url"] == f"{server.url}/binance" == server.base_url("binance")
    assert "api.binance.com" in venue["hosts"]
    assert "BTC/USDT" in venue["symbols"]
    assert venue["faults"] == {}


async def test_a_host_that_one_venue_has_needs_no_name(server: Server, session: aiohttp.ClientSession) -> None:
    for base in (server.url, server.base_url("binance")):
        assert (await told(session, "GET", f"{base}/api.binance.com/api/v3/ping")) == (200, {})


async def test_what_is_not_there_is_404(server: Server, session: aiohttp.ClientSession) -> None:
    for path in (
        "/nowhere/x",
        "/binance",
        "/binance/api.binance.com/api/v3/nothing",
        "/binance/api.other.com/api/v3/ping",
    ):
        assert (await told(session, "GET", server.url + path))[0] == 404
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(server.base_url("binance") + "/api.binance.com/ws")


async def test_faults_are_set_shown_and_cleared(server: Server, session: aiohttp.ClientSession) -> None:
    base = f"{server.url}/venues/binance/fault"
    _, shown = await told(session, "PUT", f"{base}/halt?symbol=BTC/USDT")
    assert shown["venues"][0]["faults"]["halt"]["symbol"] == "BTC/USDT"
    await told(session, "PUT", f"{base}/slow?seconds=0.01")
    _, shown = await told(session, "DELETE", f"{base}/halt")
    assert set(shown["venues"][0]["faults"]) == {"slow"}
    _, shown = await told(session, "DELETE", base)
    assert shown["venues"][0]["faults"] == {}


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("binance/fault/earthquake", 400, "faults: frozen"),
        ("binance/fault/slow?seconds=long", 400, "could not convert"),
        ("binance/fault/slow?colour=red", 400, "unknown: colour"),
        ("binance/fault/halt?symbol=NO/PE", 400, "no symbol NO/PE"),
        ("nobody/fault/slow", 404, "venues: binance"),
    ],
)
async def test_what_can_not_be_switched_is_said(
    server: Server, session: aiohttp.ClientSession, path: str, status: int, word: str
) -> None:
    answered, text = await told(session, "PUT", f"{server.url}/venues/{path}")
    assert (answered, word in text) == (status, True)


async def test_the_venues_own_count_of_weight_is_told(server: Server, session: aiohttp.ClientSession) -> None:
    for _ in range(3):
        await told(
            session, "GET", server.base_url("binance") + "/api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=500"
        )
    _, shown = await told(session, "GET", f"{server.url}/venues")
    assert shown["venues"][0]["weights"]["spot"]["peak"] >= 50
    assert shown["venues"][0]["weights"]["spot"]["limit"] == 6000


async def test_it_listens_on_loopback_alone(server: Server) -> None:
    assert [address[0] for address in server._runner.addresses] == [LOOPBACK]


async def test_a_venue_that_fails_is_not_served_as_if_it_were_well(
    server: Server, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("the venue is broken")

    monkeypatch.setattr(server.venues["binance"], "publish", fail)
    with pytest.raises(RuntimeError, match="the venue is broken"):
        await asyncio.wait_for(server.wait(), DEADLINE)
    status, _ = await told(session, "GET", server.base_url("binance") + "/api.binance.com/api/v3/ping")
    assert status == 500
    server._running = asyncio.create_task(asyncio.sleep(0))


async def test_many_symbols_and_many_levels(session: aiohttp.ClientSession) -> None:
    async with opened("binance", symbols=200) as server:
        url = f"{server.base_url('binance')}/api.binance.com/api/v3"
        assert len((await told(session, "GET", f"{url}/ticker/24hr"))[1]) == 200


async def test_it_runs_from_the_command_line_and_ends_when_asked() -> None:
    command = [sys.executable, "-m", "demo.venue", "--venue", "one=binance", "--venue", "two=binance", "--symbols", "2"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=dict(os.environ))
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), DEADLINE)).decode()
        bases = line.removeprefix("venues: ").partition(";")[0].split(", ")
        async with aiohttp.ClientSession() as session:
            books = [
                await told(session, "GET", f"{base}/api.binance.com/api/v3/ticker/price?symbol=BTCUSDT")
                for base in bases
            ]
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), DEADLINE) == 0
    one, two = (float(book["price"]) for _, book in books)
    assert one == pytest.approx(two, rel=0.001)


@pytest.mark.parametrize("arguments", [["--venue", "x=bitcoin"], ["--symbols", "100000"], ["--port", "here"]])
async def test_bad_arguments_are_said(arguments: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "demo.venue", *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 2
    assert b"error: " in errors
