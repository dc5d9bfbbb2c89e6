"""The JSON-RPC client against real sockets. The wire is faked here, so that answers can be wrong in every way.

A canary stands in every URL, and in whatever a server sends; each failure of this file is looked through for it.
"""

from __future__ import annotations

import asyncio
import errno
import gzip
import inspect
import json
import logging
import socket
import struct
import traceback
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import client_exceptions, web

from occ import http as occ_http
from occ.config import Secret
from occ.errors import HttpError, RateLimitError, Reason, RpcError, SourceError
from occ.http import MAX_BODY_BYTES, classified
from occ.jsonrpc import BATCH, Call, Client, Request
from tests.occ.servers import CANARY, Wire, http, refusing, response, secret_url, sends, wire

HEIGHT = Call("eth_blockNumber")
BALANCE = Call("eth_getBalance", ("0xabc", "latest"))

# --- asking ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as made:
        yield made


Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def ask(session: aiohttp.ClientSession) -> Ask:
    """`ask(url)` for a call, `ask(url, [calls])` for a batch."""

    async def asking(url: str, what: Call | list[Call] = HEIGHT) -> Any:
        client = Client(session, Secret(url))
        async with asyncio.timeout(60):
            return await (client.batch(what) if isinstance(what, list) else client.call(what))

    return asking


Fail = Callable[..., Awaitable[SourceError]]


@pytest.fixture
def fail(ask: Ask, caplog: pytest.LogCaptureFixture) -> Fail:
    """The failure of what is asked. It is logged with its trace, and no canary is found in anything."""

    async def failing(url: str, what: Call | list[Call] = HEIGHT) -> SourceError:
        with pytest.raises(SourceError) as caught:
            await ask(url, what)
        with caplog.at_level(logging.DEBUG):
            logging.getLogger("occ").error("failed: %s", caught.value, exc_info=caught.value)
        trace = "".join(traceback.format_exception(caught.value))
        assert CANARY not in f"{caught.value}{caught.value!r}{trace}{caplog.text}"
        return caught.value

    return failing


async def verdict(failure: Awaitable[SourceError]) -> tuple[str, str]:
    found = await failure
    return str(found.reason), str(found)


# --- what is asked, and a good answer --------------------------------------------------------------------------------


class TestCall:
    async def test_it_is_one_post_of_json_and_its_result_comes_back(self, ask: Ask) -> None:
        asked: list[Any] = []

        def answer(question: Any) -> Any:
            asked.append(question)
            return {"jsonrpc": "2.0", "id": question["id"], "result": {"number": "0x10"}}

        async with http(answer) as url:
            assert await ask(url, BALANCE) == {"number": "0x10"}
        (question,) = asked
        assert question.pop("id") > 0
        assert question == {"jsonrpc": "2.0", "method": "eth_getBalance", "params": ["0xabc", "latest"]}

    async def test_what_is_sent_says_that_it_is_json(self, ask: Ask) -> None:
        seen: list[bytes] = []

        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(response(b'{"id": 1, "result": 1}'))

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            await talk(reader, writer)
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            await ask(secret_url(server.sockets[0].getsockname()[1]))
        assert b"Content-Type: application/json\r\n" in seen[0]
        assert seen[0].startswith(f"POST /v2/{CANARY}?key={CANARY} HTTP/1.1\r\n".encode())

    @pytest.mark.parametrize("result", [None, False, 0, "", [], {}, "0x10", [1, {"a": None}], 2**64 - 1])
    async def test_any_json_is_a_result(self, ask: Ask, result: Any) -> None:
        async with http(lambda question: {"id": question["id"], "result": result}) as url:
            assert await ask(url) == result

    async def test_a_null_error_beside_a_result_is_no_error(self, ask: Ask) -> None:
        async with http(lambda question: {"id": question["id"], "result": 1, "error": None}) as url:
            assert await ask(url) == 1

    @pytest.mark.parametrize("content_type", ["text/plain", "text/html", "application/octet-stream"])
    async def test_json_is_taken_whatever_it_calls_itself(self, ask: Ask, content_type: str) -> None:
        async with http(lambda question: {"id": question["id"], "result": 1}, content_type=content_type) as url:
            assert await ask(url) == 1

    async def test_a_compressed_answer_is_read(self, ask: Ask) -> None:
        def answer(question: Any) -> web.Response:
            body = gzip.compress(json.dumps({"id": question["id"], "result": "x" * 10_000}).encode())
            return web.Response(body=body, headers={"Content-Encoding": "gzip"})

        async with http(answer) as url:
            assert await ask(url) == "x" * 10_000

    async def test_many_at_once_get_each_their_own(self, session: aiohttp.ClientSession) -> None:
        async with http(lambda question: {"id": question["id"], "result": question["params"][0]}) as url:
            client = Client(session, Secret(url))
            found = await asyncio.gather(*(client.call(Call("echo", (n,))) for n in range(100)))
        assert found == list(range(100))

    async def test_after_a_failure_the_next_call_is_as_good_as_new(self, ask: Ask) -> None:
        answers = iter(
            [b"<html>", web.Response(status=500), web.Response(status=302, headers={"Location": "/"}), {"result": 1}]
        )

        def answer(question: Any) -> Any:
            found = next(answers)
            return found | {"id": question["id"]} if isinstance(found, dict) else found

        async with http(answer) as url:
            for _ in range(3):
                with pytest.raises(SourceError):
                    await ask(url)
            assert await ask(url) == 1


class TestBatch:
    CALLS = (HEIGHT, BALANCE, Call("net_version"))

    async def ask(self, ask: Ask, change: Callable[[list[dict[str, Any]]], Any]) -> list[Any]:
        """The results, failures as their reasons; the node answers with the method's name, changed."""

        def answer(questions: Any) -> Any:
            return change([{"id": question["id"], "result": question["method"]} for question in questions])

        async with http(answer) as url:
            found = await ask(url, list(self.CALLS))
        return [str(result.reason) if isinstance(result, SourceError) else result for result in found]

    async def refused(self, fail: Fail, change: Callable[[list[dict[str, Any]]], Any]) -> tuple[str, str]:
        def answer(questions: Any) -> Any:
            return change([{"id": question["id"], "result": question["method"]} for question in questions])

        async with http(answer) as url:
            return await verdict(fail(url, list(self.CALLS)))

    async def refused_with(self, fail: Fail, body: Any) -> str:
        return (await self.refused(fail, lambda _: body))[0]

    GOOD = ["eth_blockNumber", "eth_getBalance", "net_version"]  # noqa: RUF012 - never changed

    async def test_results_come_in_the_order_of_the_calls(self, ask: Ask) -> None:
        assert await self.ask(ask, lambda replies: replies) == self.GOOD

    async def test_whatever_the_order_of_the_replies(self, ask: Ask) -> None:
        assert await self.ask(ask, lambda replies: replies[::-1]) == self.GOOD

    async def test_it_is_one_request(self, session: aiohttp.ClientSession) -> None:
        asked: list[Any] = []

        def answer(questions: Any) -> Any:
            asked.append(questions)
            return [{"id": question["id"], "result": 1} for question in questions]

        async with http(answer) as url:
            await Client(session, Secret(url)).batch(self.CALLS)
        assert [[question["method"] for question in batch] for batch in asked] == [self.GOOD]

    async def test_a_call_that_failed_has_its_failure_in_its_place(self, ask: Ask) -> None:
        def change(replies: list[dict[str, Any]]) -> Any:
            replies[1] = {"id": replies[1]["id"], "error": {"code": -32601, "message": CANARY}}
            return replies

        assert await self.ask(ask, change) == ["eth_blockNumber", "not_supported", "net_version"]

    async def test_a_call_that_was_not_answered_is_a_bad_response_of_its_own(self, ask: Ask) -> None:
        assert await self.ask(ask, lambda replies: replies[:2]) == [*self.GOOD[:2], "bad_response"]
        assert await self.ask(ask, lambda _: []) == ["bad_response"] * 3

    async def test_an_answer_without_result_is_a_bad_response_of_its_own(self, ask: Ask) -> None:
        assert await self.ask(ask, lambda replies: [{"id": replies[0]["id"]}, *replies[1:]]) == [
            "bad_response",
            *self.GOOD[1:],
        ]

    @pytest.mark.parametrize(
        "change",
        [
            lambda replies: [*replies, replies[0]],
            lambda replies: [*replies, {"id": 999_999, "result": CANARY}],
            lambda replies: [{**reply, "id": str(reply["id"])} for reply in replies],
            lambda replies: [{**reply, "id": float(reply["id"])} for reply in replies],
            lambda replies: [{**reply, "id": True} for reply in replies],
            lambda replies: [{**reply, "id": None} for reply in replies],
            lambda replies: [{"result": CANARY} for _ in replies],
            lambda replies: [{**reply, "id": [reply["id"]]} for reply in replies],
        ],
        ids=["twice", "foreign", "string", "float", "bool", "null", "missing", "list"],
    )
    async def test_an_id_that_fits_no_call_spoils_the_batch(self, fail: Fail, change: Any) -> None:
        assert await self.refused(fail, change) == (
            "bad_response",
            "an answer to a call that was not asked, or twice the same",
        )

    @pytest.mark.parametrize(
        ("body", "kind"),
        [(CANARY, "a string"), (5, "a number"), (1.5, "a number"), (None, "null"), (True, "true or false")],
    )
    async def test_what_is_no_list_is_refused_by_its_kind(self, fail: Fail, body: Any, kind: str) -> None:
        assert await self.refused(fail, lambda _: body) == ("bad_response", f"{kind} where a list of answers belongs")

    @pytest.mark.parametrize("inner", [CANARY, 5, None, [], True])
    async def test_what_is_no_answer_in_the_list_spoils_the_batch(self, fail: Fail, inner: Any) -> None:
        reason, message = await self.refused(fail, lambda replies: [*replies, inner])
        assert reason == "bad_response"
        assert message.endswith("where an answer belongs")

    async def test_no_calls_are_no_request(self, session: aiohttp.ClientSession) -> None:
        assert await Client(session, Secret(secret_url(80))).batch([]) == []

    async def test_one_error_object_refuses_the_whole(self, fail: Fail) -> None:
        for error_id in (None, 1, CANARY):
            error = {"code": -32005, "message": CANARY}
            assert await self.refused_with(fail, {"id": error_id, "error": error}) == "rate_limited"
        assert await self.refused_with(fail, [{"id": None, "error": error}]) == "rate_limited"

    async def test_one_result_to_many_calls_is_a_bad_response(self, fail: Fail) -> None:
        assert await self.refused(fail, lambda replies: replies[0]) == (
            "bad_response",
            "one answer to a batch of calls",
        )


# --- answers that are wrong ------------------------------------------------------------------------------------------

_DEEP = b"[" * 200_000


class TestBadAnswers:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "an empty answer"),
            (b'{"id": 1, "result": "' + CANARY.encode(), "an answer that is not JSON"),
            (CANARY.encode(), "an answer that is not JSON"),
            (b'{"id": 1, "result": "\xff"}', "an answer that is not JSON"),
            (b'{"id": 1, "result": NaN}', "an answer that is not JSON"),
            (b'{"id": 1} {"id": 1}', "an answer that is not JSON"),
            (b"\xef\xbb\xbf{}", "an answer that is not JSON"),
            (_DEEP, "an answer that is not JSON"),
            (_DEEP + b"]" * len(_DEEP), "an answer that is not JSON"),
            (b"null", "null where an answer belongs"),
            (b"[]", "a list where an answer belongs"),
            (b'"' + CANARY.encode() + b'"', "a string where an answer belongs"),
            (b"17", "a number where an answer belongs"),
            (b"true", "true or false where an answer belongs"),
            (b"{}", "an answer to a call that was not asked, or twice the same"),
            (b'{"id": 1}', "an answer without a result"),
            (b'{"id": 1, "error": null}', "an answer without a result"),
        ],
        ids=lambda value: str(value[:24]),
    )
    async def test_is_a_bad_response_and_says_in_our_words_what_came(
        self, fail: Fail, body: bytes, message: str
    ) -> None:
        async with http(lambda _: body) as url:
            assert await verdict(fail(url)) == ("bad_response", message)

    async def test_html_says_so(self, fail: Fail) -> None:
        async with http(lambda _: f"<html>{CANARY}</html>".encode(), content_type="text/html") as url:
            assert await verdict(fail(url)) == ("bad_response", "an answer that is not JSON but HTML")

    @pytest.mark.parametrize("wrong", ["1", 1.0, True, None, 2, 0, -1, 2**70, [1], {"id": 1}, CANARY])
    async def test_an_id_that_was_not_asked_is_no_answer(self, fail: Fail, wrong: Any) -> None:
        async with http(lambda _: {"id": wrong, "result": CANARY}) as url:
            assert (await fail(url)).reason is Reason.BAD_RESPONSE

    async def test_an_id_in_other_digits_is_no_answer(self, fail: Fail) -> None:
        async with http(lambda _: b'{"id": 1e0, "result": 1}') as url:
            assert (await fail(url)).reason is Reason.BAD_RESPONSE


class TestErrorObjects:
    async def error(self, fail: Fail, error: Any, **parts: Any) -> SourceError:
        async with http(lambda question: {"id": question["id"], "error": error, **parts}) as url:
            return await fail(url)

    @pytest.mark.parametrize(
        ("code", "message", "reason"),
        [
            (-32700, "parse error", "rpc_error"),
            (-32600, "invalid request", "rpc_error"),
            (-32602, "invalid params", "rpc_error"),
            (-32603, "internal error", "rpc_error"),
            (-32000, "header not found", "rpc_error"),
            (-32001, "resource not found", "rpc_error"),
            (-32601, "the method does not exist", "not_supported"),
            (-32004, "method not supported", "not_supported"),
            (3, "execution reverted: TOO_LITTLE", "reverted"),
            (-32000, "execution reverted", "reverted"),
            (-32015, "VM execution error.", "reverted"),
            (0, "", "rpc_error"),
            (2**53 - 1, "", "rpc_error"),
        ],
    )
    async def test_has_a_reason_by_its_code(self, fail: Fail, code: int, message: str, reason: str) -> None:
        found = await self.error(fail, {"code": code, "message": message, "data": CANARY})
        assert isinstance(found, RpcError)
        assert (str(found.reason), found.code, str(found)) == (reason, code, f"JSON-RPC error {code}")

    @pytest.mark.parametrize("code", [-32005, 429])
    async def test_some_codes_ask_for_patience(self, fail: Fail, code: int) -> None:
        found = await self.error(fail, {"code": code, "message": CANARY})
        assert isinstance(found, RateLimitError)
        assert (str(found), found.retry_after) == (f"JSON-RPC error {code}: too many requests", None)

    @pytest.mark.parametrize(
        "error",
        [{}, {"code": None}, {"code": "-32601"}, {"code": True}, {"code": 3.0}, {"code": [3]}, {"code": 2**53}, {"code": 1e300}, {"message": CANARY}, CANARY, [], 3, False, True],
        ids=str,
    )  # fmt: skip
    async def test_without_a_code_is_a_bad_response(self, fail: Fail, error: Any) -> None:
        found = await self.error(fail, error)
        assert (str(found.reason), str(found)) == ("bad_response", "an error object without a code")

    @pytest.mark.parametrize("message", [None, 5, ["revert"], {"revert": 1}, CANARY * 100_000])
    async def test_may_have_any_message(self, fail: Fail, message: Any) -> None:
        assert (await self.error(fail, {"code": -32000, "message": message})).reason is Reason.RPC_ERROR

    async def test_beside_a_result_is_an_error(self, fail: Fail) -> None:
        assert (await self.error(fail, {"code": -32601}, result=1)).reason is Reason.NOT_SUPPORTED

    async def test_of_a_request_that_could_not_be_read_has_no_id(self, fail: Fail) -> None:
        assert (await self.error(fail, {"code": -32600}, id=None)).reason is Reason.RPC_ERROR
        assert (await self.error(fail, {"message": CANARY}, id=None)).reason is Reason.BAD_RESPONSE


class TestStatuses:
    @pytest.mark.parametrize(
        ("status", "reason", "message"),
        [
            (201, "bad_response", "HTTP 201"),
            (204, "bad_response", "HTTP 204"),
            (301, "bad_response", "HTTP 301: redirects are not followed"),
            (302, "bad_response", "HTTP 302: redirects are not followed"),
            (307, "bad_response", "HTTP 307: redirects are not followed"),
            (308, "bad_response", "HTTP 308: redirects are not followed"),
            (400, "bad_response", "HTTP 400"),
            (401, "auth", "HTTP 401"),
            (403, "auth", "HTTP 403"),
            (404, "bad_response", "HTTP 404"),
            (408, "timeout", "HTTP 408"),
            (413, "bad_response", "HTTP 413"),
            (429, "rate_limited", "HTTP 429: too many requests"),
            (500, "server_error", "HTTP 500"),
            (502, "server_error", "HTTP 502"),
            (503, "server_error", "HTTP 503"),
            (599, "server_error", "HTTP 599"),
        ],
    )
    async def test_each_has_its_reason(self, fail: Fail, status: int, reason: str, message: str) -> None:
        headers = {"Location": f"http://{CANARY}.invalid/"}
        async with http(
            lambda _: web.Response(status=status, text=CANARY if status != 204 else None, headers=headers)
        ) as url:
            assert await verdict(fail(url)) == (reason, message)

    @pytest.mark.parametrize(("status", "code", "reason"), [(500, -8, "rpc_error"), (404, -32601, "not_supported")])
    async def test_bitcoin_core_sends_the_error_of_a_single_call_with_one(
        self, fail: Fail, status: int, code: int, reason: str
    ) -> None:
        def answer(question: Any) -> web.Response:
            error = {"code": code, "message": CANARY}
            return web.json_response({"result": None, "error": error, "id": question["id"]}, status=status)

        async with http(answer) as url:
            found = await fail(url)
        assert isinstance(found, RpcError)
        assert (found.code, str(found.reason)) == (code, reason)

    @pytest.mark.parametrize(
        "told",
        [
            {"error": {"code": -8}, "id": 10**6},
            {"error": {"code": -8}, "id": None},
            {"error": {"code": -8}, "id": 1, "result": 7},
            {"error": {"code": "E1"}, "id": 1},
            {"error": "unavailable", "id": 1},
            {"result": 7, "id": 1},
            [{"error": {"code": -8}, "id": 1}],
            None,
            b"",
            b'{"error"',
        ],
    )
    async def test_any_other_json_that_comes_with_one_is_no_answer(self, fail: Fail, told: Any) -> None:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        async with http(lambda _: web.Response(status=500, body=body, content_type="application/json")) as url:
            assert await verdict(fail(url)) == ("server_error", "HTTP 500")

    async def test_one_error_with_the_status_of_one_is_no_answer_to_a_batch(self, fail: Fail) -> None:
        def answer(asked: Any) -> web.Response:
            return web.json_response({"error": {"code": -8}, "id": asked[0]["id"]}, status=500)

        async with http(answer) as url:
            assert await verdict(fail(url, [HEIGHT, BALANCE])) == ("server_error", "HTTP 500")

    async def test_a_redirect_takes_the_key_nowhere(self, fail: Fail) -> None:
        asked: list[Any] = []
        async with http(asked.append) as elsewhere:
            away = {"Location": elsewhere}
            async with http(lambda _: web.Response(status=307, headers=away)) as url:
                await fail(url)
        assert asked == []

    NOW = "Fri, 20 Nov 2026 18:00:00 GMT"

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("header", "expected"),
        [("7", 7.0), ("0", 0.0), ("99999999", 3600.0), ("9" * 4000, 3600.0), (" 7 ", 7.0)]
        + [
            ("Fri, 20 Nov 2026 18:00:30 GMT", 30.0),
            ("Friday, 20-Nov-26 18:00:30 GMT", 30.0),
            ("Fri Nov 20 18:00:30 2026", 30.0),
            ("Fri, 20 Nov 2026 17:00:00 GMT", 0.0),
            ("Fri, 20 Nov 2099 18:00:00 GMT", 3600.0),
        ]
        + [
            (odd, None)
            for odd in ("", "soon", "-1", "1.5", "1e3", "0x10", "Fri, 20 Nov", "Fri, 99 Nov 2026 18:00:00 GMT", CANARY)
        ],
    )
    async def test_how_long_to_wait_is_told_in_seconds_or_as_a_date_by_the_servers_own_clock(
        self, fail: Fail, header: str, expected: float | None, status: int
    ) -> None:
        headers = {"Retry-After": header, "Date": self.NOW}
        async with http(lambda _: web.Response(status=status, headers=headers)) as url:
            found = await fail(url)
        assert isinstance(found, RateLimitError if status == 429 else HttpError)
        assert getattr(found, "retry_after", None) == expected

    async def test_a_server_without_a_clock_is_believed_by_ours(self, fail: Fail) -> None:
        headers = {"Retry-After": "Fri, 20 Nov 2099 18:00:00 GMT", "Date": CANARY}
        async with http(lambda _: web.Response(status=429, headers=headers)) as url:
            assert (await fail(url)).retry_after == 3600.0  # type: ignore[attr-defined]

    @pytest.mark.parametrize("status", [400, 401, 500, 502])
    async def test_no_other_status_asks_for_patience(self, fail: Fail, status: int) -> None:
        async with http(lambda _: web.Response(status=status, headers={"Retry-After": "7"})) as url:
            found = await fail(url)
        assert isinstance(found, HttpError)
        assert (found.status, found.retry_after) == (status, None)


# --- connections that fail -------------------------------------------------------------------------------------------


class TestConnections:
    async def test_a_port_where_nobody_listens(self, fail: Fail) -> None:
        with refusing() as port:
            assert await verdict(fail(secret_url(port))) == ("connect", "can not connect")

    async def test_a_name_that_is_not_known(self, fail: Fail) -> None:
        url = secret_url(80, host=f"{CANARY}.invalid")
        assert await verdict(fail(url)) == ("dns", "the host's name is not known")

    @pytest.mark.parametrize("host", [f"{'a' * 64}.invalid", f"{CANARY}..invalid"])
    async def test_a_name_that_can_not_be_one(self, fail: Fail, host: str) -> None:
        assert await verdict(fail(secret_url(80, host=host))) == ("dns", "the host's name can not be one")

    async def test_a_server_that_does_not_speak_tls(self, fail: Fail) -> None:
        async with http(lambda _: {}) as url:
            assert await verdict(fail(url.replace("http://", "https://"))) == ("tls", "TLS failed")

    async def test_closed_before_an_answer(self, fail: Fail) -> None:
        async with wire(sends(b"")) as url:
            assert await verdict(fail(url)) == ("connect", "the connection closed before an answer")

    async def test_closed_in_the_middle_of_the_headers(self, fail: Fail) -> None:
        async with wire(sends(b"HTTP/1.1 200 OK\r\nContent-Le")) as url:
            assert (await fail(url)).reason is Reason.CONNECT

    async def test_closed_in_the_middle_of_the_body(self, fail: Fail) -> None:
        async with wire(sends(response(b'{"id": 1,', length=100))) as url:
            assert await verdict(fail(url)) == ("connect", "the connection closed in the middle of the answer")

    async def test_closed_in_the_middle_of_a_chunk(self, fail: Fail) -> None:
        async with wire(sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc")) as url:
            assert (await fail(url)).reason is Reason.CONNECT

    @pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"])
    async def test_reset(self, fail: Fail, sent: bytes) -> None:
        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(sent)
            await writer.drain()
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        async with wire(talk) as url:
            assert (await fail(url)).reason is Reason.CONNECT

    @pytest.mark.parametrize(
        "sent",
        [
            b"220 mail.example ESMTP\r\n\r\n",
            CANARY.encode() + b"\r\n\r\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        ],
        ids=lambda sent: str(sent[:30]),
    )
    async def test_what_does_not_speak_http(self, fail: Fail, sent: bytes) -> None:
        async with wire(sends(sent)) as url:
            assert await verdict(fail(url)) == ("bad_response", "not HTTP")

    @pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", response(b"{", length=100)])
    async def test_silence_lasts_as_long_as_the_caller_lets_it(
        self, session: aiohttp.ClientSession, sent: bytes
    ) -> None:
        over, seen, patience = asyncio.Event(), list[Request](), asyncio.timeout(None)

        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(sent)
            patience.reschedule(asyncio.get_running_loop().time() + 0.1)
            await over.wait()

        async with wire(talk) as url:
            with pytest.raises(TimeoutError):
                async with patience:
                    await Client(session, Secret(url), seen.append).call(HEIGHT)
            over.set()
        assert [(request.method, request.error and str(request.error.reason)) for request in seen] == [
            ("eth_blockNumber", "timeout")
        ]
        assert seen[0].seconds >= 0.1

    async def test_an_answer_in_drops_takes_no_longer(self, session: aiohttp.ClientSession) -> None:
        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(response(b"", length=10**6))
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)

        async with wire(talk) as url:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await Client(session, Secret(url)).call(HEIGHT)


class TestSize:
    async def test_an_answer_that_says_it_is_too_large_is_given_up_soon(self, fail: Fail) -> None:
        async with wire(_endless(response(b"", length=10**12))) as url:
            assert await verdict(fail(url)) == ("bad_response", f"an answer of more than {MAX_BODY_BYTES} bytes")

    async def test_one_that_never_ends_is_given_up_too(self, fail: Fail) -> None:
        async with wire(_endless(b"HTTP/1.1 200 OK\r\n\r\n")) as url:
            assert await verdict(fail(url)) == ("bad_response", f"an answer of more than {MAX_BODY_BYTES} bytes")

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    async def test_a_few_bytes_that_unpack_to_very_many_cost_no_more_memory_than_the_cap(
        self, fail: Fail, encoding: str
    ) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | (16 if encoding == "gzip" else 0))
        bomb = b"".join(packer.compress(b" " * 10_000_000) for _ in range(20)) + packer.flush()
        assert len(bomb) * 100 < 200_000_000
        async with wire(sends(response(bomb, f"Content-Encoding: {encoding}"))) as url:
            tracemalloc.start()
            try:
                found = await verdict(fail(url))
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert found == ("bad_response", f"an answer of more than {MAX_BODY_BYTES} bytes")
        assert peak - len(bomb) < 1.25 * MAX_BODY_BYTES

    async def test_nor_does_a_body_that_is_large_without_saying_so(self, fail: Fail) -> None:
        async with wire(_endless(b"HTTP/1.1 200 OK\r\n\r\n")) as url:
            assert await peak_of(fail(url)) < 1.25 * MAX_BODY_BYTES

    async def test_one_that_says_so_costs_nothing(self, fail: Fail) -> None:
        async with wire(_endless(response(b"", length=100_000_000))) as url:
            assert await peak_of(fail(url)) < 4_000_000

    async def test_an_answer_in_many_drops_costs_what_it_weighs(self, fail: Fail) -> None:
        def drops(count: int) -> Wire:
            async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(count):
                    writer.write(b"2\r\n  \r\n" * 100)
                    await writer.drain()

            return talk

        async with wire(drops(1_500)) as url:
            assert await peak_of(verdict(fail(url))) < 5_000_000  # an object kept for each of 150,000 would be more

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    async def test_what_is_not_compressed_as_it_says_is_a_bad_response(self, fail: Fail, encoding: str) -> None:
        async with wire(sends(response(CANARY.encode(), f"Content-Encoding: {encoding}"))) as url:
            assert await verdict(fail(url)) == ("bad_response", "an answer that can not be decompressed")

    async def test_a_large_answer_within_the_cap_is_read(self, ask: Ask) -> None:
        async with http(lambda question: {"id": question["id"], "result": "x" * (MAX_BODY_BYTES - 100)}) as url:
            assert len(await ask(url)) == MAX_BODY_BYTES - 100


async def peak_of(work: Awaitable[Any]) -> int:
    """The most memory that was in use meanwhile, in bytes."""
    tracemalloc.start()
    try:
        await work
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _endless(head: bytes) -> Wire:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b" " * 1_000_000)
            await writer.drain()

    return talk


# --- what is told ----------------------------------------------------------------------------------------------------


class TestObserver:
    async def seen(
        self, session: aiohttp.ClientSession, answer: Callable[[Any], Any], what: str = "call"
    ) -> list[Request]:
        found: list[Request] = []
        async with http(answer) as url:
            client = Client(session, Secret(url), found.append)
            with suppress(SourceError):
                await (client.call(HEIGHT) if what == "call" else client.batch([HEIGHT, BALANCE]))
        assert CANARY not in repr(found)
        return found

    async def test_each_request_is_told_with_its_method_and_how_long_it_took(
        self, session: aiohttp.ClientSession
    ) -> None:
        (request,) = await self.seen(session, lambda question: {"id": question["id"], "result": 1})
        assert (request.method, request.error) == ("eth_blockNumber", None)
        assert request.seconds > 0

    async def test_a_batch_is_one_request(self, session: aiohttp.ClientSession) -> None:
        (request,) = await self.seen(
            session, lambda questions: [{"id": q["id"], "result": 1} for q in questions], "batch"
        )
        assert (request.method, request.error) == (BATCH, None)

    async def test_a_request_that_failed_is_told_with_its_failure(self, session: aiohttp.ClientSession) -> None:
        (request,) = await self.seen(session, lambda _: web.Response(status=429, headers={"Retry-After": "7"}))
        assert isinstance(request.error, RateLimitError)
        assert request.error.retry_after == 7.0

    @pytest.mark.parametrize("code", [-32005, 429])
    async def test_a_node_that_asks_for_patience_with_status_200_is_told_so(
        self, session: aiohttp.ClientSession, code: int
    ) -> None:
        def answer(question: Any) -> Any:
            return {"id": question["id"], "error": {"code": code, "message": CANARY}}

        def answers(questions: Any) -> Any:
            return [{"id": questions[0]["id"], "result": 1}, answer(questions[1])]

        for found in (await self.seen(session, answer), await self.seen(session, answers, "batch")):
            assert [request.error and request.error.reason for request in found] == [Reason.RATE_LIMITED]

    async def test_a_batch_of_which_a_call_failed_has_not(self, session: aiohttp.ClientSession) -> None:
        def answers(questions: Any) -> Any:
            return [{"id": question["id"], "error": {"code": -32601}} for question in questions]

        assert [request.error for request in await self.seen(session, answers, "batch")] == [None]

    async def test_a_mistake_of_ours_is_no_success(self, session: aiohttp.ClientSession) -> None:
        seen: list[Request] = []
        client = Client(session, Secret(secret_url(80)), seen.append)
        await session.close()
        with pytest.raises(RuntimeError):
            await client.call(HEIGHT)
        assert [request.error and request.error.reason for request in seen] == [Reason.INTERNAL]

    async def test_what_can_not_be_sent_is_no_request(self, session: aiohttp.ClientSession) -> None:
        seen: list[Request] = []
        with pytest.raises(TypeError):
            await Client(session, Secret(secret_url(80)), seen.append).call(Call("x", (object(),)))
        assert seen == []


# --- the table of foreign errors -------------------------------------------------------------------------------------

FOREIGN: Mapping[str, str] = {
    "ClientConnectionError": "connect",
    "ClientConnectionResetError": "connect",
    "ClientConnectorCertificateError": "tls",
    "ClientConnectorDNSError": "dns",
    "ClientConnectorError": "connect",
    "ClientConnectorSSLError": "tls",
    "ClientError": "connect",
    "ClientHttpProxyError": "bad_response",
    "ClientOSError": "connect",
    "ClientPayloadError": "connect",
    "ClientProxyConnectionError": "connect",
    "ClientResponseError": "bad_response",
    "ClientSSLError": "tls",
    "ConnectionTimeoutError": "timeout",
    "ContentTypeError": "bad_response",
    "InvalidURL": "connect",
    "InvalidUrlClientError": "connect",
    "InvalidUrlRedirectClientError": "connect",
    "NonHttpUrlClientError": "connect",
    "NonHttpUrlRedirectClientError": "connect",
    "RedirectClientError": "connect",
    "ServerConnectionError": "connect",
    "ServerDisconnectedError": "connect",
    "ServerFingerprintMismatch": "tls",
    "ServerTimeoutError": "timeout",
    "SocketTimeoutError": "timeout",
    "TooManyRedirects": "bad_response",
    "UnixClientConnectorError": "connect",
    "UploadAbortedError": "connect",
    "WSMessageTypeError": "internal",
    "WSServerHandshakeError": "bad_response",
}


def test_every_error_of_aiohttps_client_has_its_reason_and_a_new_one_is_noticed() -> None:
    kinds = {
        name: kind
        for name, kind in inspect.getmembers(client_exceptions, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == client_exceptions.__name__
    }
    assert {name: str(classified(kind.__new__(kind)).reason) for name, kind in kinds.items()} == FOREIGN


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "connect"),
        (ConnectionRefusedError(), "connect"),
        (OSError(errno.ENETUNREACH, CANARY), "connect"),
        (OSError(errno.EMFILE, CANARY), "internal"),
        (OSError(errno.ENFILE, CANARY), "internal"),
        (UnicodeError(CANARY), "dns"),
        (RuntimeError(CANARY), "internal"),
    ],
    ids=repr,
)
def test_what_the_system_raises_has_its_reason_and_our_own_words(error: Exception, reason: str) -> None:
    found = classified(error)
    assert str(found.reason) == reason
    assert CANARY not in str(found)


def test_running_out_of_files_is_our_own_failure_and_not_the_nodes() -> None:
    key = aiohttp.client_reqrep.ConnectionKey(
        "a", 80, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
    )
    found = classified(aiohttp.ClientConnectorError(key, OSError(errno.EMFILE, "Too many open files")))
    assert (str(found.reason), str(found)) == ("internal", "too many open files on this side")


def test_no_message_of_the_table_says_more_than_our_own_words() -> None:
    assert all("{" not in message and "%" not in message for _, _, message in occ_http._FAILURES)
