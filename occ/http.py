"""HTTP to the outside: one way to make a session, to ask within bounds, and to name what went wrong.

Foreign errors are mapped here, by table. No message repeats what the far side sent, nor the URL.
"""

from __future__ import annotations

import errno
import functools
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson
from aiohttp import client_exceptions as failures
from aiohttp.http_exceptions import ContentEncodingError
from multidict import CIMultiDict
from yarl import URL

from occ.errors import HttpError, RateLimitError, Reason, SourceError
from occ.page import Page
from occ.phases import Phases, Timed, TimedConnector, TimedHandshake, on_page

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_RETRY_AFTER = 3600.0
PER_HOST = 16
DNS_SECONDS = 60

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

FOREIGN = (aiohttp.ClientError, OSError, UnicodeError)
"""What aiohttp and the system raise on the way to an answer; `classified` names it."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE}

_TOLD_WITH = (404, 500)
"""With these Bitcoin Core sends the error objects of single calls."""

_STATUS = {401: Reason.AUTH, 403: Reason.AUTH, 408: Reason.TIMEOUT}


# --- asking ----------------------------------------------------------------------------------------------------------


_HEADERS = CIMultiDict({"Content-Type": "application/json", "Accept": "application/json"})


def _nothing(_told: Any) -> bool:
    return False


async def ask(
    session: aiohttp.ClientSession,
    method: str,
    url: URL | str,
    body: bytes | None = None,
    *,
    again: bool = False,
    answers: Callable[[Any], bool] = _nothing,
    headers: CIMultiDict[str] = _HEADERS,
) -> Any:
    """The JSON that a request is answered with. Raises SourceError; the caller sets the deadline.

    `answers` says of JSON that came with HTTP 404 or 500 whether it is an answer all the same. `headers` are for a body that
    is not JSON.

    A server may close a connection that was kept open just when a request is on its way. With `again` such a request, which
    was not answered and may be sent twice, is sent once more.
    """
    request = functools.partial(session.request, method, url, data=body, headers=headers, allow_redirects=False)
    try:
        with Timed() as timing:
            try:
                return await _answer(request, timing, answers)
            except (failures.ServerDisconnectedError, failures.ClientOSError):
                if not (again and timing.kept):
                    raise
                return await _answer(request, timing, answers)
    except FOREIGN as failure:
        raise classified(failure) from None


async def _answer(
    request: Callable[[], AbstractAsyncContextManager[aiohttp.ClientResponse]],
    timing: Timed,
    answers: Callable[[Any], bool],
) -> Any:
    async with request() as response:
        timing.answered()
        if response.status != 200:  # noqa: PLR2004 - the one status that carries an answer
            if response.status in _TOLD_WITH and answers(found := await _told(response)):
                return found
            raise refused(response.status, response.headers)
        raw = await _bounded(response)
    if not raw:
        raise bad_response("an empty answer")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        told = " but HTML" if response.content_type == "text/html" else ""
        raise bad_response(f"an answer that is not JSON{told}") from None


async def _told(response: aiohttp.ClientResponse) -> Any:
    """The JSON that came with a status that carries no answer; None where there is none, or not all of it."""
    if response.content_type != "application/json":
        return None
    try:
        return orjson.loads(await _bounded(response))
    except (SourceError, aiohttp.ClientError, orjson.JSONDecodeError):
        return None


async def _bounded(response: aiohttp.ClientResponse) -> bytearray:
    """The body, decompressed; what is larger than the cap is given up as soon as that is known."""
    body = bytearray()
    if (response.content_length or 0) <= MAX_BODY_BYTES:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                break
        else:
            return body
    raise bad_response(f"an answer of more than {MAX_BODY_BYTES} bytes")


# --- what went wrong -------------------------------------------------------------------------------------------------


def classified(error: BaseException) -> SourceError:
    """The SourceError for what aiohttp or the system raised."""
    if isinstance(error, OSError) and error.errno in _EXHAUSTED:
        return SourceError(Reason.INTERNAL, "too many open files on this side")
    if isinstance(error.__cause__, ContentEncodingError):
        return bad_response("an answer that can not be decompressed")
    for kind, reason, message in _FAILURES:
        if isinstance(error, kind):
            return SourceError(reason, message)
    return SourceError(Reason.INTERNAL, f"{type(error).__name__} in our own code")


def refused(status: int, headers: Mapping[str, str]) -> SourceError:
    """The SourceError for a status that carries no answer."""
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return RateLimitError("HTTP 429: too many requests", _retry_after(headers))
    if status >= 500:  # noqa: PLR2004 - the server's errors
        asked = _retry_after(headers) if status == 503 else None  # noqa: PLR2004 - Service Unavailable
        return HttpError(Reason.SERVER_ERROR, status, f"HTTP {status}", asked)
    if 300 <= status < 400:  # noqa: PLR2004 - redirections
        return HttpError(Reason.BAD_RESPONSE, status, f"HTTP {status}: redirects are not followed")
    return HttpError(_STATUS.get(status, Reason.BAD_RESPONSE), status, f"HTTP {status}")


def bad_response(message: str) -> SourceError:
    """An answer that is none."""
    return SourceError(Reason.BAD_RESPONSE, message)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: a number, or a date by the far side's own clock where it tells that. Never more than the cap."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER)
    until = _date(text)
    if until is None:
        return None
    now = _date(headers.get("Date", "")) or datetime.now(UTC)
    return min(max((until - now).total_seconds(), 0.0), MAX_RETRY_AFTER)


def _date(text: str) -> datetime | None:
    """An HTTP date. A zone that is not told is the only one that HTTP has."""
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# --- sessions --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def session(
    exporter: str, page: Page, *, proxies: bool = False, per_host: int = PER_HOST
) -> AsyncIterator[aiohttp.ClientSession]:
    """The session of an exporter; the phases of its requests are on the page. Deadlines are the callers'.

    `proxies`: whether HTTPS_PROXY and its like in the environment count. `per_host`: how many connections a host gets at
    once; requests beyond them wait, and their deadlines run meanwhile.
    """
    async with _session(on_page(exporter, page), per_host, proxies=proxies) as made:
        yield made


def socket_session(like: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """A session for one WebSocket, which stays open and so must take no place among its host's connections.

    aiohttp follows redirects of a handshake; here they fail.
    """
    phases = like.connector.phases if isinstance(like.connector, TimedConnector) else {}
    return _session(phases, 0, proxies=like.trust_env, trace_configs=[_unredirected()])


def _session(phases: Phases, per_host: int, *, proxies: bool, **parts: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=TimedConnector(phases, limit=0, limit_per_host=per_host, ttl_dns_cache=DNS_SECONDS, ssl=tls()),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=proxies,
        **parts,
    )


@functools.cache
def tls() -> ssl.SSLContext:
    """Verifies by the system's certificates, or those of SSL_CERT_FILE; made once, since it reads them all."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    context.sslobject_class = TimedHandshake
    return context


def _unredirected() -> aiohttp.TraceConfig:
    async def redirected(_session: object, _context: object, asked: aiohttp.TraceRequestRedirectParams) -> None:
        raise refused(asked.response.status, asked.response.headers)

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(redirected)
    return trace
