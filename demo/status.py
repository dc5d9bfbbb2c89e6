"""How the running demo is doing, once a second: a table that is redrawn on a terminal, else a line for each change."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .centre import NODES
from .settings import CHAIN
from .views import Views

EVERY = 1.0


@dataclass(frozen=True)
class Status:
    """What a look has found: each node's fault and values by name, what fires, and which parts did not answer."""

    faults: Mapping[str, str]
    nodes: Mapping[str, Mapping[str, float]]
    head: float | None
    firing: tuple[tuple[str, str], ...]
    silent: tuple[str, ...] = ()


SHOWN = {
    "rpc_block_number": "head",
    "rpc_block_lag_blocks": "lag",
    "rpc_block_hash_mismatch": "forked",
    "rpc_ws_connected": "socket",
    "occ_target_up": "up",
}


async def looked(views: Views) -> Status:
    """Asks each part that knows; one that does not answer is named and its values are absent."""
    faults: Mapping[str, str] = {}
    nodes: dict[str, dict[str, float]] = {name: {} for name in NODES}
    head, firing, silent = None, set[tuple[str, str]](), []
    try:
        faults = await views.faults_by_node()
    except (aiohttp.ClientError, TimeoutError):
        silent.append("proxy")
    try:
        head = await _values(views, nodes)
    except (aiohttp.ClientError, TimeoutError):
        silent.append("nodes")
    try:
        firing = await views.firing()
    except (aiohttp.ClientError, TimeoutError):
        silent.append("prometheus")
    return Status(faults, nodes, head, tuple(sorted(firing)), tuple(silent))


async def _values(views: Views, nodes: Mapping[str, dict[str, float]]) -> float | None:
    """Fills in what the exporter's page says of each node; the head that they agree on."""
    head = None
    for sample in await views.samples():
        labels = sample.labels
        if sample.name == "chain_head_block_number":
            head = sample.value
        elif sample.name in SHOWN and labels.get("node") in nodes and _of_the_looks(labels):
            nodes[labels["node"]][SHOWN[sample.name]] = sample.value
    return head


def _of_the_looks(labels: Mapping[str, str]) -> bool:
    return labels.get("check", "evm") == "evm" and labels.get("tag", "latest") == "latest"


def table(status: Status) -> Group:
    """The status as a person sees it."""
    title = f"chain {CHAIN}: head {'unknown' if status.head is None else f'{status.head:.0f}'}"
    made = Table(title=title, title_justify="left", box=None, padding=(0, 3, 0, 0))
    made.add_column("node")
    for heading in SHOWN.values():
        made.add_column(heading, justify="right")
    made.add_column("fault")
    for name, values in status.nodes.items():
        cells = [Text(f"{values[key]:.0f}" if key in values else "-") for key in SHOWN.values()]
        fault = status.faults.get(name, "")
        made.add_row(name, *cells, Text(fault or "none", "bold red" if fault else "dim"))
    lines = [Text(f"FIRES  {name} for {entity}", "bold red") for name, entity in _alarms(status)]
    lines += [Text(f"{part} does not answer", "yellow") for part in status.silent]
    return Group(made, Text(), *(lines or [Text("nothing fires but the Watchdog", "green")]))


def _alarms(status: Status) -> list[tuple[str, str]]:
    return [alert for alert in status.firing if alert[0] != "Watchdog"]


async def watch(views: Views, out: Console) -> None:
    """Shows the status until cancelled."""
    if not out.is_terminal:
        return await _tell(views, out)
    with Live(console=out, auto_refresh=False) as live:
        while True:
            live.update(table(await looked(views)), refresh=True)
            await asyncio.sleep(EVERY)


async def _tell(views: Views, out: Console) -> None:
    before: set[tuple[str, str]] = set()
    while True:
        status = await looked(views)
        now = set(_alarms(status)) if "prometheus" not in status.silent else before
        for name, entity in sorted(now - before):
            out.print(f"fires      {name} for {entity}", soft_wrap=True)
        for name, entity in sorted(before - now):
            out.print(f"no longer  {name} for {entity}", soft_wrap=True)
        before = now
        await asyncio.sleep(EVERY)
