"""The demo's real centre, as the boards will see it: everything scraped, rules evaluated, a notification received."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from demo.centre import Centre
from demo.processes import Supervisor
from demo.until import until
from demo.views import Views, patiently

READY = (
    "count(occ_target_up) == count(occ_target_up == 1)",
    "receiver_last_notification_timestamp_seconds > 0",
    "count(count_over_time(up[20s]) >= 4) == 5",  # a rate needs two samples
    'ALERTS{alertname="Watchdog",alertstate="firing"}',
    # Sent again since Alertmanager was first scraped: what came before does not show in a rate.
    "sum(increase(alertmanager_notification_latency_seconds_count[1m])) > 0",
    "rpc_ws_connected == 1",
    "pool_last_swap_timestamp_seconds > 0",
    "slo:head_freshness:error_ratio_5m >= 0",  # counts only once it has seen enough
)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Centre]:
    """A centre in which all is well, on the demo's time scale, with all that a node's configuration may say."""
    centre = Centre(folder / "run", scale=10)
    centre.write()
    centre.write_rules()
    async with Supervisor(centre.logs) as parts, Views(centre) as views:
        chain, others = centre.stages()
        await parts.start(*chain)
        await _configure_all(centre)
        await parts.start(*others)

        async def ready() -> bool:
            return all([await views.query(expression) for expression in READY])

        await parts.while_running(until(lambda: patiently(ready), 60))
        yield centre


async def _configure_all(centre: Centre) -> None:
    """What the demo leaves out: WebSockets and the hash of block 0."""
    path = centre.run / "config/nodes.yml"
    config = yaml.safe_load(path.read_text())
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x0", False]}
    async with aiohttp.ClientSession() as session, session.post(centre.url("anvil"), json=question) as reply:
        genesis = (await reply.json())["result"]["hash"]
    for chain in config["chains"]:
        chain["genesis_hash"] = genesis
        for node in chain["nodes"]:
            node["ws_url"] = f"ws://{centre.address('anvil')}"
    path.write_text(yaml.safe_dump(config))
