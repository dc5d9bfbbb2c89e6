"""What ccxt raises, in our terms. The exceptions are ccxt's own, made here with a canary in them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from ccxt.base import errors as ccxt_errors
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from adapters.venue import library
from adapters.venue.call import Call
from adapters.venue.errors import REASONS, BookGapError, names, of_feed, translated
from occ.errors import HttpError, RateLimitError, Reason, SourceError
from tests.occ.servers import CANARY

NOW = 1_700_000_000.0


def raised(name: str) -> Exception:
    error: Exception = getattr(ccxt_errors, name)(f"binance GET https://x/?key={CANARY}")
    return error


def answered(status: int, body: bytes = b"", **headers: str) -> Call:
    call = Call("fetch_order_book")
    call.answered(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, NOW)
    return call


def test_every_exception_of_ccxt_is_mapped() -> None:
    assert names(library.ERRORS) == set(REASONS)


def test_no_exception_stands_outside_the_tree_of_ccxt() -> None:
    classes = {
        name for name, each in vars(ccxt_errors).items() if isinstance(each, type) and issubclass(each, Exception)
    }
    assert classes == set(REASONS)


@pytest.mark.parametrize("name", sorted(REASONS))
def test_each_has_its_reason_and_tells_nothing_of_the_message(name: str) -> None:
    found = translated(raised(name))

    assert found.reason is REASONS[name][0]
    assert CANARY not in f"{found!r}"


@pytest.mark.parametrize("name", ["DDoSProtection", "RateLimitExceeded"])
def test_too_many_requests_say_how_long_to_wait(name: str) -> None:
    found = translated(raised(name), answered(429, Retry_After="17"))

    assert isinstance(found, RateLimitError)
    assert found.retry_after == 17


def test_a_ban_lasts_until_the_body_says() -> None:
    body = f'{{"code":-1003,"msg":"Way too much; IP banned until {int(NOW + 900) * 1000}. {CANARY}"}}'.encode()
    found = translated(raised("DDoSProtection"), answered(418, body))

    assert isinstance(found, RateLimitError)
    assert found.retry_after == 900
    assert str(found) == "the venue asks for patience (code -1003)"


@pytest.mark.parametrize(
    ("status", "name", "reason"),
    [
        (500, "ExchangeNotAvailable", Reason.SERVER_ERROR),
        (503, "ExchangeNotAvailable", Reason.SERVER_ERROR),
        (504, "RequestTimeout", Reason.SERVER_ERROR),
        (500, "ExchangeError", Reason.SERVER_ERROR),
        (408, "RequestTimeout", Reason.TIMEOUT),
        (404, "ExchangeNotAvailable", Reason.BAD_RESPONSE),
        (403, "ExchangeNotAvailable", Reason.AUTH),
        (400, "BadSymbol", Reason.RPC_ERROR),
        (400, "InvalidNonce", Reason.AUTH),
        (401, "AuthenticationError", Reason.AUTH),
        (403, "DDoSProtection", Reason.RATE_LIMITED),
        (503, "OnMaintenance", Reason.MAINTENANCE),
    ],
)
def test_the_status_says_what_ccxt_does_not(status: int, name: str, reason: Reason) -> None:
    assert translated(raised(name), answered(status)).reason is reason


def test_a_key_that_has_worked_and_was_revoked_is_no_ban() -> None:
    found = translated(raised("DDoSProtection"), answered(401, b'{"code":-2015}'))

    assert isinstance(found, HttpError)
    assert found.reason is Reason.AUTH
    assert str(found) == "HTTP 401: the venue does not accept the key (code -2015)"


def test_maintenance_is_known_by_the_page_that_comes_with_a_server_error() -> None:
    page = b"<html><h1>Down for Maintenance</h1></html>"

    assert translated(raised("ExchangeNotAvailable"), answered(503, page)).reason is Reason.MAINTENANCE
    assert translated(raised("ExchangeNotAvailable"), answered(404, page)).reason is Reason.BAD_RESPONSE


KEY = ConnectionKey("x", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)


def _handshake(status: int, **headers: str) -> aiohttp.WSServerHandshakeError:
    about: Any = aiohttp.RequestInfo(URL(f"http://x/{CANARY}"), "GET", CIMultiDictProxy(CIMultiDict()), URL("http://x"))
    told = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return aiohttp.WSServerHandshakeError(about, (), status=status, message=CANARY, headers=told)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (TimeoutError(), Reason.TIMEOUT),
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, CANARY)), Reason.DNS),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(CANARY)), Reason.CONNECT),
        (aiohttp.ServerDisconnectedError(CANARY), Reason.CONNECT),
        (aiohttp.ClientPayloadError(CANARY), Reason.CONNECT),
        (_handshake(503), Reason.SERVER_ERROR),
        (_handshake(401), Reason.AUTH),
        (_handshake(429, Retry_After="5"), Reason.RATE_LIMITED),
    ],
)
def test_what_aiohttp_raised_is_classified_wherever_ccxt_keeps_it(cause: Exception, reason: Reason) -> None:
    over_http = raised("ExchangeNotAvailable")
    over_http.__cause__ = cause

    for wrapped in (over_http, ccxt_errors.NetworkError(cause), cause):
        found = translated(wrapped)
        assert found.reason is reason
        assert CANARY not in f"{found!r}"


@pytest.mark.parametrize("name", ["ChecksumError", "InvalidNonce"])
def test_a_gap_in_a_feed_is_told_apart(name: str) -> None:
    found = of_feed(raised(name))

    assert isinstance(found, BookGapError)
    assert found.reason is Reason.BAD_RESPONSE


def test_an_answer_over_which_ccxt_stumbles_is_the_answers_fault() -> None:
    found = translated(KeyError(CANARY), answered(200, b"{}"))

    assert (found.reason, str(found)) == (Reason.BAD_RESPONSE, "an answer that ccxt can not read: KeyError")


def test_what_fails_before_an_answer_is_ours() -> None:
    assert translated(TypeError(CANARY)).reason is Reason.INTERNAL


def test_our_own_errors_stay_what_they_are() -> None:
    own = SourceError(Reason.REORG, "own")

    assert translated(own) is own


async def test_a_deadline_that_passed_is_a_timeout() -> None:
    with pytest.raises(TimeoutError) as passed:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    assert translated(passed.value).reason is Reason.TIMEOUT
