"""What a browser sends with a form: its fields, and what an operation takes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from receiver.api.errors import Failure
from receiver.why import Why

TYPE = "application/x-www-form-urlencoded"
WITHIN = 10.0
"""Seconds for the body to come."""
MAX_BYTES = 65_536

Fields = Mapping[str, str]


async def read(request: web.Request) -> dict[str, str]:
    """The fields by their names. Raises the HTTP error that says what is wrong; Failure where a name stands twice."""
    if request.content_type != TYPE:
        raise web.HTTPUnsupportedMediaType(text="expected a form\n")
    if (request.content_length or 0) > MAX_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BYTES, request.content_length or 0)
    try:
        async with asyncio.timeout(WITHIN):
            found = await request.post()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the form did not come\n") from None
    except (ValueError, LookupError):  # bytes that are no text, or in no encoding that there is
        raise web.HTTPBadRequest(text="the form can not be read\n") from None
    if len(set(found)) != len(found):
        raise Failure(Why.MALFORMED, "a field stands twice in the form")
    return {name: value.replace("\r\n", "\n") for name, value in found.items() if isinstance(value, str)}


def body(fields: Fields) -> dict[str, Any]:
    """What is left empty was not said; `parameters.venue` is the venue of the parameters. Raises Failure where it is both.

    A tab, as in what was copied from a log or a table, is a space: no operation takes one.
    """
    fields = {name: value.replace("\t", " ") for name, value in fields.items()}
    found: dict[str, Any] = {name: value for name, value in fields.items() if value and "." not in name}
    parts = [(*name.partition(".")[::2], value) for name, value in fields.items() if value and "." in name]
    if {whole for whole, _, _ in parts} & found.keys():
        raise Failure(Why.MALFORMED, "a field of the form is a value and holds others")
    for whole, part, value in parts:
        found.setdefault(whole, {})[part] = value
    return found
