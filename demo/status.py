"""How the running demo is doing, once a second: a table that is redrawn on a terminal, else a line for each change."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .centre import NODES, VENUES
from .settings import CHAIN
from .views import Views

T = TypeVar("T")

EVERY = 1.0


Values = Mapping[str, dict[str, float]]
"""By name and heading."""


@dataclass(frozen=True)
class Status:
    """What a look has found: faults and values of nodes and venues by name, what fires, and which parts did not answer."""

    faults: Mapping[str, str]
    nodes: Values
    venues: Values
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
SHOWN_OF_VENUES = {
    "exchange_ws_connected": "streams",
    "exchange_mid_price": "books",
    "exchange_book_frozen": "frozen",
    "occ_target_up": "up",
}


async def looked(views: Views) -> Status:
    """Asks each part that knows; one that does not answer is named and its values are absent."""
    nodes: Values = {name: {} for name in NODES}
    venues: Values = {name: {} for name in VENUES}
    silent = list[str]()

    async def told(part: str, question: Awaitable[T], unknown: T) -> T:
        try:
            return await question
        except (aiohttp.ClientError, TimeoutError):
            silent.append(part)
            return unknown

    faults = {**await told("proxy", views.faults_by_node(), {}), **await told("venues", views.faults_by_venue(), {})}
    head = await told("nodes", _look_at_nodes(views, nodes), None)
    await told("exchange", _look_at_venues(views, venues), None)
    firing = await told("prometheus", views.firing(), set())
    return Status(faults, nodes, venues, head, tuple(sorted(firing)), tuple(silent))


async def _look_at_nodes(views: Views, nodes: Values) -> float | None:
    """Fills in what the exporter's page says of each node; the head that they agree on."""
    head = None
    for sample in await views.samples("nodes"):
        labels = sample.labels
        if sample.name == "chain_head_block_number":
            head = sample.value
        elif sample.name in SHOWN and labels.get("node") in nodes and _of_the_looks(labels):
            nodes[labels["node"]][SHOWN[sample.name]] = sample.value
    return head


async def _look_at_venues(views: Views, venues: Values) -> None:
    """Fills in what the exporter's page says of each venue: how many books there are, and how many of them stand still."""
    for sample in await views.samples("exchange"):
        heading, labels = SHOWN_OF_VENUES.get(sample.name), sample.labels
        if heading and labels.get("venue") in venues and labels.get("check", "connection") == "connection":
            values = venues[labels["venue"]]
            values[heading] = values.get(heading, 0.0) + (1.0 if heading == "books" else sample.value)


def _of_the_looks(labels: Mapping[str, str]) -> bool:
    return labels.get("check", "evm") == "evm" and labels.get("tag", "latest") == "latest"


def table(status: Status) -> Group:
    """The status as a person sees it."""
    title = f"chain {CHAIN}: head {'unknown' if status.head is None else f'{status.head:.0f}'}"
    nodes = _part(title, "node", SHOWN.values(), status.nodes, status.faults)
    venues = _part("venues", "venue", SHOWN_OF_VENUES.values(), status.venues, status.faults)
    lines = [Text(f"FIRES  {name} for {entity}", "bold red") for name, entity in _alarms(status)]
    lines += [Text(f"{part} does not answer", "yellow") for part in status.silent]
    return Group(nodes, Text(), venues, Text(), *(lines or [Text("nothing fires but the Watchdog", "green")]))


def _part(title: str, what: str, headings: Iterable[str], values: Values, faults: Mapping[str, str]) -> Table:
    made = Table(title=title, title_justify="left", box=None, padding=(0, 3, 0, 0))
    made.add_column(what)
    for heading in headings:
        made.add_column(heading, justify="right")
    made.add_column("fault")
    for name, known in values.items():
        cells = [Text(f"{known[key]:.0f}" if key in known else "-") for key in headings]
        fault = faults.get(name, "")
        made.add_row(name, *cells, Text(fault or "none", "bold red" if fault else "dim"))
    return made


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
