"""A provider in front of a real node: it passes on what it is asked, but for what it does not like."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from tests.occ.servers import listening

Question = dict[str, Any]
Rule = Callable[[Question], Any]
"""An answer of its own to a question (an `error` object, or a `result`), a status, or None: then the node is asked."""


@dataclass
class Provider:
    """`after` may change what the node has told."""

    node: str
    rule: Rule = lambda _: None
    largest_batch: int = 10**9
    after: Callable[[Question, dict[str, Any]], dict[str, Any]] = lambda _, told: told
    requests: list[list[Question]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())
        questions = asked if isinstance(asked, list) else [asked]
        self.requests.append(questions)
        if len(questions) > self.largest_batch:
            return web.Response(status=413)
        told = [{"jsonrpc": "2.0", "id": each["id"], **await self._one(each)} for each in questions]
        return web.Response(
            body=orjson.dumps(told if isinstance(asked, list) else told[0]), content_type="application/json"
        )

    async def _one(self, question: Question) -> dict[str, Any]:
        own = self.rule(question)
        if own is not None:
            return dict(own)
        async with aiohttp.ClientSession() as session, session.post(self.node, json=question) as response:
            told = await response.json()
        return self.after(question, {key: told[key] for key in ("result", "error") if key in told})


@asynccontextmanager
async def provider(node: str, rule: Rule = lambda _: None, **parts: Any) -> AsyncIterator[Provider]:
    made = Provider(node, rule, **parts)
    async with listening(made.answer) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made


def refused(code: int = -32000, message: str = "no") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def logs_twice(asked: Question, told: dict[str, Any]) -> dict[str, Any]:
    """For `after`: each log is in its answer twice."""
    return {"result": told["result"] * 2} if asked["method"] == "eth_getLogs" else told
