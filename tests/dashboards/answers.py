"""What a real Prometheus says to the queries of boards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp

from dashboards.kit import promql
from dashboards.kit.emit import queries
from tests.dashboards import checks

WINDOW = "20s"
"""What Grafana would look back at the least when everything is scraped every second, and some more."""


async def faults(prometheus: str, boards: Iterable[checks.Board]) -> AsyncIterator[str]:
    """Queries that Prometheus refuses, or that get nothing though none of their series may be absent."""
    quiet, known = checks.quiet(), checks.known()
    async with aiohttp.ClientSession() as session:
        for place, expression, _ in (query for board in boards for query in queries(board)):
            said = await _ask(session, prometheus, promql.filled(expression, WINDOW))
            if said["status"] != "success":
                yield f"{place}: {said['error']}"
            elif not said["data"]["result"] and not promql.read(expression, known).metrics & quiet:
                yield f"{place}: no series answers {expression}"


async def _ask(session: aiohttp.ClientSession, prometheus: str, expression: str) -> dict[str, Any]:
    async with session.post(f"{prometheus}/api/v1/query", data={"query": expression}) as reply:
        said: dict[str, Any] = json.loads(await reply.read())
        return said
