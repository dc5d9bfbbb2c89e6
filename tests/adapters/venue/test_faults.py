"""Every way in which a venue may fail to answer, over a real wire: the answers are Binance's, the sockets real.

The canary stands in key, URL and body; no error and no log line may hold it.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from adapters.venue import Credentials, Venue
from occ.config import Secret
from occ.errors import RateLimitError, Reason, SourceError
from tests.adapters.venue.far import SPOT, Scripted, Told, scripted, venue
from tests.occ.servers import CANARY, refusing, wire

KEYS = Credentials(api_key=Secret(CANARY), secret=Secret(CANARY))
HTML = f"<html><body>{CANARY}</body></html>"


@pytest.fixture
async def far() -> AsyncIterator[Scripted]:
    async with scripted() as server:
        yield server


async def failure(asked: Venue, method: str = "fetch_time", *args: Any) -> SourceError:
    with pytest.raises(SourceError) as told:
        async with asyncio.timeout(30):
            await asked.call(method, *args)
    assert CANARY not in "".join(traceback.format_exception(told.value))
    return told.value


def error(status: int, code: int, **headers: str) -> web.Response:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response({"code": code, "msg": f"Because of {CANARY}."}, status=status, headers=told)


def page(status: int) -> web.Response:
    return web.Response(text=HTML, status=status, content_type="text/html")


def text(body: str, kind: str = "application/json") -> web.Response:
    return web.Response(text=body, content_type=kind)


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (error(429, -1003, Retry_After="7"), Reason.RATE_LIMITED, "the venue asks for patience (code -1003)"),
        (error(418, -1003, Retry_After="7"), Reason.RATE_LIMITED, "the venue asks for patience (code -1003)"),
        (error(503, -1008), Reason.SERVER_ERROR, "HTTP 503"),
        (page(502), Reason.SERVER_ERROR, "HTTP 502"),
        (page(504), Reason.SERVER_ERROR, "HTTP 504"),
        (page(404), Reason.BAD_RESPONSE, "HTTP 404"),
        (page(403), Reason.AUTH, "HTTP 403"),
        (
            web.json_response({"code": 1, "msg": "System is under maintenance."}, status=503),
            Reason.MAINTENANCE,
            "the venue is under maintenance",
        ),
        (page(200), Reason.BAD_RESPONSE, "an answer that is not JSON"),
        (text('{"serverTime": 17'), Reason.BAD_RESPONSE, "an answer that is not JSON"),
        (text('{"serverTime": NaN}'), Reason.BAD_RESPONSE, "an answer that is not JSON"),
        (text("", "text/plain"), Reason.BAD_RESPONSE, "an empty answer"),
        (text("\x00\x01", "application/octet-stream"), Reason.BAD_RESPONSE, "an answer that is not JSON"),
        (error(400, -1121), Reason.RPC_ERROR, "the venue has no such market (code -1121)"),
        (error(400, -1100), Reason.RPC_ERROR, "the venue does not accept the request (code -1100)"),
    ],
)
async def test_an_answer_that_is_none(far: Scripted, answer: web.Response, reason: Reason, message: str) -> None:
    far.answer = lambda _: answer
    async with venue(far.base) as asked:
        told = await failure(asked)

    assert (told.reason, str(told)) == (reason, message)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            error(400, -1021),
            "the venue does not accept the time or nonce of a signed request: compare the clocks (code -1021)",
        ),
        (error(401, -2015), "HTTP 401: the venue does not accept the key (code -2015)"),
        (error(401, -2014), "HTTP 401: the venue does not accept the key (code -2014)"),
    ],
)
async def test_what_is_signed_and_not_accepted(far: Scripted, answer: web.Response, message: str) -> None:
    far.answer = lambda _: answer
    async with venue(far.base, credentials=KEYS) as asked:
        told = await failure(asked, "sapiGetAccountStatus")

    assert (told.reason, str(told)) == (Reason.AUTH, message)
    assert "signature=" in far.paths[0]


async def test_a_key_that_is_revoked_does_not_silence_the_venue(far: Scripted) -> None:
    far.answer = lambda _: web.json_response({})
    async with venue(far.base, credentials=KEYS) as asked:
        await asked.call("sapiGetAccountStatus")
        far.answer = lambda _: error(401, -2015)

        assert (await failure(asked, "sapiGetAccountStatus")).reason is Reason.AUTH
        assert asked.silent_until is None


async def test_without_a_key_nothing_private_is_sent(far: Scripted) -> None:
    async with venue(far.base) as asked:
        assert (await failure(asked, "sapiGetAccountStatus")).reason is Reason.AUTH
    assert far.paths == []


async def test_an_answer_of_another_shape_is_no_answer(far: Scripted) -> None:
    far.answer = lambda _: web.json_response([1, "two", None])
    async with venue(far.base, options=SPOT) as asked:
        told = await failure(asked, "fetch_order_book", "BTC/USDT")

    assert told.reason is Reason.BAD_RESPONSE


async def test_markets_that_are_none_are_no_answer_and_the_old_ones_stand(far: Scripted) -> None:
    market = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "filters": []}
    far.answer = lambda _: web.json_response({"symbols": [market]})
    async with venue(far.base, options=SPOT) as asked:
        assert list(await asked.markets()) == ["BTC/USDT"]
        far.answer = lambda _: web.json_response({"symbols": []})
        with pytest.raises(SourceError, match="without any market"):
            await asked.refresh()
        assert list(await asked.markets()) == ["BTC/USDT"]


async def test_a_port_where_nobody_listens() -> None:
    with refusing() as port:
        async with venue(f"http://127.0.0.1:{port}/{CANARY}") as asked:
            told = await failure(asked)

    assert (told.reason, str(told)) == (Reason.CONNECT, "can not connect")


async def test_a_name_that_is_not_known() -> None:
    async with venue(f"http://{CANARY}.invalid") as asked:
        assert (await failure(asked)).reason is Reason.DNS


async def test_a_connection_that_ends_in_the_middle_of_an_answer() -> None:
    async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"serverTime"')
        await writer.drain()

    async with wire(half) as url, venue(url) as asked:
        assert (await failure(asked)).reason is Reason.CONNECT


async def test_what_is_not_http() -> None:
    async def noise(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0 " + CANARY.encode() + b"\r\n\r\n")
        await writer.drain()

    async with wire(noise) as url, venue(url) as asked:
        assert (await failure(asked)).reason in {Reason.BAD_RESPONSE, Reason.CONNECT}


async def test_a_venue_that_never_answers_is_given_up_by_the_caller(far: Scripted) -> None:
    given_up = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await given_up.wait()
        raise web.HTTPGone

    far.answer = never
    async with venue(far.base) as asked:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asked.call("fetch_time")
        given_up.set()
        far.answer = lambda _: web.json_response({"serverTime": 5})
        assert await asked.call("fetch_time") == 5


@pytest.mark.parametrize("status", [429, 418])
async def test_a_venue_that_asks_for_patience_is_asked_for_nothing_more(far: Scripted, status: int) -> None:
    far.answer = lambda _: error(status, -1003, Retry_After="77")
    async with venue(far.base, clock=lambda: 1000.0) as asked:
        first = await failure(asked)
        again = [await failure(asked, method) for method in ("fetch_time", "fetch_status", "fetch_tickers")]
        with pytest.raises(RateLimitError):
            await anext(asked.watch("watch_order_book", "BTC/USDT"))
        assert asked.silent_until == pytest.approx(1077, abs=10)

    assert isinstance(first, RateLimitError)
    assert first.retry_after == 77
    for told in again:
        assert isinstance(told, RateLimitError)
        assert told.retry_after is not None
        assert 60 < told.retry_after <= 77
    assert len(far.paths) == 1


async def test_a_venue_that_says_so_in_the_body_alone_is_left_alone_as_long_as_it_says(far: Scripted) -> None:
    body = {"retCode": 10006, "retMsg": "Too many visits!", "result": {}}
    far.answer = lambda _: web.json_response(body, status=403, headers={"Retry-After": "9"})
    async with venue(far.base, "bybit") as asked:
        assert (await failure(asked)).reason is Reason.RATE_LIMITED
        assert (await failure(asked)).reason is Reason.RATE_LIMITED

    assert len(far.paths) == 1


async def test_no_log_line_holds_a_secret_at_any_level(far: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    far.answer = lambda _: error(401, -2015)
    caplog.set_level(logging.DEBUG)
    async with venue(far.base, credentials=KEYS) as asked:
        await failure(asked, "sapiGetAccountStatus")
        await failure(asked, "fetch_balance")

    ours = [record for record in caplog.records if record.name != "aiohttp.access"]  # which is the server's
    assert CANARY not in "".join(map(str, ours)) + "".join(record.getMessage() for record in ours)
    assert CANARY not in repr(KEYS)


async def test_an_error_is_told_to_the_observer_in_the_same_words(far: Scripted) -> None:
    observer = Told()
    far.answer = lambda _: page(502)
    async with venue(far.base, observer=observer) as asked:
        told = await failure(asked)

    (request,) = observer.requests
    assert request.error is not None
    assert (request.error.reason, str(request.error)) == (told.reason, str(told))
