"""The nodes of one chain as the far side: the only place from which they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp
from prometheus_client import Histogram

from exporters.nodes.columns import METHODS, OTHER, RATE_LIMITED, REQUESTS
from exporters.nodes.config import Chain
from occ.errors import Reason, SourceError
from occ.job import Target
from occ.jsonrpc import BATCH, Call, Client, Request
from occ.page import Event, Page
from occ.plain import fingerprint


def targets(chain: Chain) -> tuple[Target, ...]:
    """The nodes of a chain as targets, in the order of the configuration. A reload keeps what is known of one while its
    `config` is the same.
    """
    owner = {"team": chain.labels.team, "tier": chain.labels.tier}
    common = chain.model_copy(update={"nodes": ()})
    return tuple(
        Target(
            f"{chain.name}/{node.name}",
            {"chain": chain.name, "node": node.name},
            {**owner, "provider": node.witness, "config": fingerprint(common, node)},
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
            target: Client(
                session,
                node.url,
                lambda request, target=target: self._asked(target, request),  # type: ignore[misc]
                reads_only=True,
            )
            for target, node in zip(targets(chain), chain.nodes, strict=True)
        }
        durations.labels(chain.name, BATCH)

    async def batch(self, target: Target, calls: Sequence[Call]) -> list[Any | SourceError]:
        """All these calls, in one request where the node takes them so; see `Client.batch`."""
        return await self._clients[target].batch(calls)

    def request_seconds(self, target: Target) -> dict[str, float]:
        """How long the node's last successful requests took, by method, of those since this was last asked."""
        return self._last.pop(target, {})

    def _asked(self, target: Target, request: Request) -> None:
        method = request.method if request.method in METHODS else OTHER
        self._durations.labels(target.labels["chain"], method).observe(request.seconds)
        self._page.count(Event(REQUESTS, target.labels))
        if request.error is None:
            self._last.setdefault(target, {})[method] = request.seconds
        elif request.error.reason is Reason.RATE_LIMITED:
            self._page.count(Event(RATE_LIMITED, target.labels))
