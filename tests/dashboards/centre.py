"""The demo's real centre, as the boards will see it: everything scraped, rules evaluated, a notification received."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from demo.centre import SCRAPED, VENUES, Centre
from demo.processes import Supervisor
from demo.until import until
from demo.views import Views, patiently

READY = (
    "count(occ_target_up) == count(occ_target_up == 1)",
    "receiver_last_notification_timestamp_seconds > 0",
    f"count(count_over_time(up[20s]) >= 4) == {len(SCRAPED)}",  # a rate needs two samples
    'ALERTS{alertname="Watchdog",alertstate="firing"}',
    # Sent again since Alertmanager was first scraped: what came before does not show in a rate.
    "sum(increase(alertmanager_notification_latency_seconds_count[1m])) > 0",
    "rpc_ws_connected == 1",
    "pool_last_swap_timestamp_seconds > 0",
    "slo:head_freshness:error_ratio_5m >= 0",  # counts only once it has seen enough; as the next three
    "slo:feed_freshness:error_ratio_5m >= 0",
    "slo:page_acknowledgement:error_ratio_5m >= 0",
    "slo:action_success:error_ratio_5m >= 0",
    f"count(exchange_ws_connected == 1) == {len(VENUES)}",
    "exchange_rate_limit_used_ratio",
    "exchange_cross_venue_deviation_ratio",
    "exchange_stablecoin_deviation_ratio",
    "exchange_currency_deposit_enabled",
    "exchange_currency_withdraw_enabled",
    "exchange_volume_usd_24h",
    "exchange_funding_annualized_ratio",
    "exchange_open_interest_usd",
    "exchange_maintenance_margin_usage_ratio",
    "exchange_forced_reductions_total",
    "exchange_api_key_can_withdraw",
    "exchange_transfers_pending",
    "exchange_open_orders_unlisted",
    "base:position_difference:abs",
)
"""All that boards show of a centre in which all is well, what some configurations leave out included."""


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Centre]:
    """A centre in which all is well, on the demo's time scale, with all that a node's or a venue's configuration may say."""
    centre = Centre(folder / "run", scale=10)
    centre.write()
    centre.write_rules()
    async with Supervisor(centre.logs) as parts, Views(centre) as views:
        chain, others = centre.stages()
        await parts.start(*chain)
        await _configure_nodes(centre)
        _configure_venues(centre)
        await parts.start(*others)

        async def ready() -> bool:
            return all([await views.query(expression) for expression in READY])

        await parts.while_running(until(lambda: patiently(ready), 120))
        yield centre


async def _configure_nodes(centre: Centre) -> None:
    """What the demo leaves out: WebSockets and the hash of block 0."""
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x0", False]}
    async with aiohttp.ClientSession() as session, session.post(centre.url("anvil"), json=question) as reply:
        genesis = (await reply.json())["result"]["hash"]
    with _changed(centre.run / "config/nodes.yml") as config:
        for chain in config["chains"]:
            chain["genesis_hash"] = genesis
            for node in chain["nodes"]:
                node["ws_url"] = f"ws://{centre.address('anvil')}"


def _configure_venues(centre: Centre) -> None:
    """What the demo leaves out: all tickers."""
    with _changed(centre.run / "config/exchange.yml") as config:
        for venue in config["venues"]:
            venue["symbols"]["tickers"] = "all"


@contextmanager
def _changed(path: Path) -> Iterator[dict[str, Any]]:
    config = yaml.safe_load(path.read_text())
    yield config
    path.write_text(yaml.safe_dump(config))
