"""The nodes of one chain as the far side: the only place from which they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp
from prometheus_client import Histogram

from exporters.nodes.columns import RATE_LIMITED, REQUESTS
from exporters.nodes.config import Chain
from occ.errors import Reason, SourceError
from occ.job import Target
from occ.jsonrpc import BATCH, Call, Client, Request
from occ.page import Event, Page


def targets(chain: Chain) -> tuple[Target, ...]:
    """The nodes of a chain as targets, in the order of the configuration."""
    owner = {"team": chain.labels.team, "tier": chain.labels.tier}
    return tuple(
        Target(
            f"{chain.name}/{node.name}", {"chain": chain.name, "node": node.name}, {**owner, "provider": node.witness}
        )
        for node in chain.nodes
    )


class Source:
    """Asks the nodes of one chain, and counts what is asked."""

    def __init__(self, chain: Chain, session: aiohttp.ClientSession, page: Page, durations: Histogram) -> None:
        self._page = page
        self._durations = durations
        self._last: dict[Target, dict[str, float]] = {}
        self._clients = {
            target: Client(session, node.url, lambda request, target=target: self._asked(target, request))  # type: ignore[misc]
            for target, node in zip(targets(chain), chain.nodes, strict=True)
        }
        durations.labels(chain.name, BATCH)

    async def batch(self, target: Target, calls: Sequence[Call]) -> list[Any | SourceError]:
        """One request with all these calls; see `Client.batch`."""
        return await self._clients[target].batch(calls)

    def request_seconds(self, target: Target) -> dict[str, float]:
        """How long the node's last successful request took, by method."""
        return dict(self._last.get(target, {}))

    def _asked(self, target: Target, request: Request) -> None:
        self._durations.labels(target.labels["chain"], request.method).observe(request.seconds)
        self._page.count(Event(REQUESTS, target.labels))
        if request.error is None:
            self._last.setdefault(target, {})[request.method] = request.seconds
        elif request.error.reason is Reason.RATE_LIMITED:
            self._page.count(Event(RATE_LIMITED, target.labels))
