"""HTTP to notifiers: the name looked up at each request, no redirect, no cookie, no proxy, nothing sent twice behind our back.

What goes wrong is told in our words: never the address, a key, or what the far side answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from occ import http

WITHIN = 10.0
"""Seconds for one request and its answer."""

MAX_ANSWER_BYTES = 262_144


async def tell(url: URL, body: object, headers: Mapping[str, str]) -> None:
    """Posts JSON. What is answered beside a status that means success is not read. Raises SourceError."""
    await _asked("POST", url, body, headers, read=False)


async def ask(method: str, url: URL, body: object, headers: Mapping[str, str]) -> Any:
    """The JSON that it is answered with. Raises SourceError."""
    raw = await _asked(method, url, body, headers, read=True)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise http.bad_response("an answer that is not JSON") from None


async def _asked(method: str, url: URL, body: object, headers: Mapping[str, str], *, read: bool) -> bytes:
    data = None if body is None else orjson.dumps(body)
    given = {"Content-Type": "application/json", "Accept-Encoding": "identity", **headers}
    try:
        async with (
            asyncio.timeout(WITHIN),
            _session() as session,
            session.request(method, url, data=data, headers=given, allow_redirects=False) as response,
        ):
            if not 200 <= response.status < 300:  # noqa: PLR2004 - what means success
                raise http.refused(response.status, response.headers)
            return await _bounded(response) if read else b""
    except (TimeoutError, *http.FOREIGN) as failure:
        raise http.classified(failure) from None


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(use_dns_cache=False, force_close=True, ssl=http.tls()),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
    )


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise http.bad_response(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)
