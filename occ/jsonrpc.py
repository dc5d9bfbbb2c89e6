"""One JSON-RPC 2.0 client over HTTP: a call or a batch is one request, and whatever comes back is classified.

Foreign errors are mapped here, by table. No message repeats what the far side sent, nor the URL.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp import client_exceptions as failures
from aiohttp.http_exceptions import ContentEncodingError

from occ.config import Secret
from occ.errors import RateLimitError, Reason, RpcError, SourceError

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_RETRY_AFTER = 3600.0

BATCH = "batch"
"""The method label of a request that carries several calls."""

# The first that fits, so the narrower before the wider.
_FAILURES: tuple[tuple[type[BaseException], Reason, str], ...] = (
    (TimeoutError, Reason.TIMEOUT, "no answer in time"),
    (failures.ClientConnectorDNSError, Reason.DNS, "the host's name is not known"),
    (failures.ClientSSLError, Reason.TLS, "TLS failed"),
    (failures.ServerFingerprintMismatch, Reason.TLS, "TLS failed"),
    (failures.ClientConnectorError, Reason.CONNECT, "can not connect"),
    (failures.ClientPayloadError, Reason.CONNECT, "the connection closed in the middle of the answer"),
    (failures.ServerConnectionError, Reason.CONNECT, "the connection closed before an answer"),
    (failures.ClientResponseError, Reason.BAD_RESPONSE, "not HTTP"),
    (failures.ClientError, Reason.CONNECT, "the connection failed"),
    (OSError, Reason.CONNECT, "the connection failed"),
    (UnicodeError, Reason.DNS, "the host's name can not be one"),
)

_EXHAUSTED = {errno.EMFILE, errno.ENFILE}

_STATUS = {401: Reason.AUTH, 403: Reason.AUTH, 408: Reason.TIMEOUT}

# Codes of JSON-RPC 2.0, of EIP-1474, and of what nodes send besides: 3 is a revert with its data.
_CODES = {
    3: Reason.REVERTED,
    -32601: Reason.NOT_SUPPORTED,
    -32004: Reason.NOT_SUPPORTED,
    -32005: Reason.RATE_LIMITED,
    429: Reason.RATE_LIMITED,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A method and its parameters."""

    method: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What an observer is told of each HTTP request: which method (or BATCH), how long, and how it failed, if it did."""

    method: str
    seconds: float
    error: SourceError | None


Observer = Callable[[Request], None]


def _unobserved(_request: Request) -> None:
    pass


class Client:
    """Speaks to one node. The caller sets the deadline (`asyncio.timeout`), and owns the session."""

    def __init__(self, session: aiohttp.ClientSession, url: Secret, observe: Observer = _unobserved) -> None:
        self._session = session
        self._url = url
        self._observe = observe
        self._ids = itertools.count(1)

    async def call(self, call: Call) -> Any:
        """The result of one call. Raises SourceError; RpcError where the node answers with an error object."""
        number = next(self._ids)
        reply = await self._exchange(_encoded(number, call), call.method)
        result = _result(reply, {number})
        if isinstance(result[number], SourceError):
            raise result[number]
        return result[number]

    async def batch(self, calls: Sequence[Call]) -> list[Any | SourceError]:
        """The results of many calls in one request, in their order; a call that failed has its SourceError there.

        Raises SourceError when the request as a whole failed.
        """
        numbers = [next(self._ids) for _ in calls]
        body = [_encoded(number, call) for number, call in zip(numbers, calls, strict=True)]
        replies = await self._exchange(body, BATCH)
        wanted = set(numbers)
        if isinstance(replies, dict):
            refusal = _result({**replies, "id": numbers[0]}, {numbers[0]})[numbers[0]]
            raise refusal if isinstance(refusal, SourceError) else _bad("one answer to a batch of calls")
        if not isinstance(replies, list):
            raise _bad(f"{_kind(replies)} where a list of answers belongs")
        found: dict[int, Any] = {}
        for reply in replies:
            answer = _result(reply, wanted - found.keys())
            found |= answer
        silent = _bad("no answer to this call of the batch")
        return [found.get(number, silent) for number in numbers]

    async def _exchange(self, body: object, method: str) -> Any:
        payload, began = orjson.dumps(body), time.perf_counter()
        error: SourceError | None = SourceError(Reason.INTERNAL, "failed in our own code")
        try:
            reply = await self._post(payload)
        except SourceError as failure:
            error = failure
            raise
        except asyncio.CancelledError:
            error = SourceError(Reason.TIMEOUT, "given up by the caller")
            raise
        except (aiohttp.ClientError, OSError, UnicodeError) as failure:
            error = classified(failure)
            raise error from None
        else:
            error = None
            return reply
        finally:
            self._observe(Request(method, time.perf_counter() - began, error))

    async def _post(self, body: bytes) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        async with self._session.post(
            self._url.reveal(), data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:  # noqa: PLR2004 - the one status that carries an answer
                raise _refused(response)
            raw = await _bounded(response)
        if not raw:
            raise _bad("an empty answer")
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise _bad(f"an answer that is not JSON{_told_type(response)}") from None


def classified(error: BaseException) -> SourceError:
    """The SourceError for what aiohttp or the system raised."""
    if isinstance(error, OSError) and error.errno in _EXHAUSTED:
        return SourceError(Reason.INTERNAL, "too many open files on this side")
    if isinstance(error.__cause__, ContentEncodingError):
        return _bad("an answer that can not be decompressed")
    for kind, reason, message in _FAILURES:
        if isinstance(error, kind):
            return SourceError(reason, message)
    return SourceError(Reason.INTERNAL, f"{type(error).__name__} in our own code")


def _encoded(number: int, call: Call) -> Mapping[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}


def _result(reply: Any, wanted: set[int]) -> dict[int, Any]:
    """The number of the call that is answered, and its result or SourceError. Raises bad_response for what fits no call."""
    if not isinstance(reply, dict):
        raise _bad(f"{_kind(reply)} where an answer belongs")
    number = reply.get("id")
    if type(number) is not int or number not in wanted:
        if "error" in reply and number is None:
            raise _rpc_error(reply["error"])
        raise _bad("an answer to a call that was not asked, or twice the same")
    if reply.get("error") is not None:
        return {number: _rpc_error(reply["error"])}
    if "result" not in reply:
        return {number: _bad("an answer without a result")}
    return {number: reply["result"]}


def _rpc_error(error: Any) -> SourceError:
    code = error.get("code") if isinstance(error, dict) else None
    if type(code) is not int or abs(code) >= 2**53:
        return _bad("an error object without a code")
    reason = _CODES.get(code, Reason.RPC_ERROR)
    if reason is Reason.RPC_ERROR and _says_reverted(error):
        reason = Reason.REVERTED
    if reason is Reason.RATE_LIMITED:
        return RateLimitError(f"JSON-RPC error {code}: too many requests")
    return RpcError(reason, code, f"JSON-RPC error {code}")


def _says_reverted(error: Mapping[str, Any]) -> bool:
    message = error.get("message")
    return isinstance(message, str) and "revert" in message[:200].lower()


def _refused(response: aiohttp.ClientResponse) -> SourceError:
    status = response.status
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return RateLimitError("HTTP 429: too many requests", _retry_after(response.headers.get("Retry-After", "")))
    if status >= 500:  # noqa: PLR2004 - the server's errors
        return SourceError(Reason.SERVER_ERROR, f"HTTP {status}")
    if 300 <= status < 400:  # noqa: PLR2004 - redirections
        return _bad(f"HTTP {status}: redirects are not followed")
    return SourceError(_STATUS.get(status, Reason.BAD_RESPONSE), f"HTTP {status}")


def _retry_after(text: str) -> float | None:
    return min(float(text), MAX_RETRY_AFTER) if text.isascii() and text.isdigit() else None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _bad(f"an answer of more than {MAX_BODY_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _told_type(response: aiohttp.ClientResponse) -> str:
    return " but HTML" if response.content_type == "text/html" else ""


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        int: "a number",
        float: "a number",
        bool: "true or false",
    }
    return names.get(type(value), "null")


def _bad(message: str) -> SourceError:
    return SourceError(Reason.BAD_RESPONSE, message)
