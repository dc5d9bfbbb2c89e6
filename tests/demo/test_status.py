"""How the running demo is shown. The views are scripted."""

import asyncio
import io
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.samples import Sample
from rich.console import Console

from demo import status
from demo.centre import Centre
from demo.until import until
from demo.views import Views


class Scripted(Views):
    """A centre with one head, a fault of a node and one of a venue, and what fires."""

    alarms: set[tuple[str, str]]
    reachable = True

    async def samples(self, exporter: str) -> list[Sample]:
        if not self.reachable:
            raise aiohttp.ClientConnectionError
        return self.of_nodes() if exporter == "nodes" else self.of_venues()

    def of_venues(self) -> list[Sample]:
        venue = {"venue": "binance"}
        return [
            Sample("exchange_ws_connected", venue, 1.0),
            *(Sample("exchange_mid_price", {**venue, "symbol": f"{base}/USDT"}, 99.5) for base in ("BTC", "ETH")),
            Sample("exchange_book_frozen", {**venue, "symbol": "BTC/USDT"}, 1.0),
            Sample("exchange_book_frozen", {**venue, "symbol": "ETH/USDT"}, 0.0),
            Sample("occ_target_up", {**venue, "check": "connection"}, 1.0),
            Sample("occ_target_up", {**venue, "check": "clock"}, 1.0),
        ]

    def of_nodes(self) -> list[Sample]:
        node = {"chain": "local", "node": "beta"}
        return [
            Sample("chain_head_block_number", {"chain": "local"}, 42.0),
            Sample("rpc_block_number", {**node, "tag": "latest"}, 40.0),
            Sample("rpc_block_number", {**node, "tag": "safe"}, 8.0),
            Sample("occ_target_up", {**node, "check": "evm"}, 1.0),
            Sample("occ_target_up", {**node, "check": "capabilities"}, 0.0),
        ]

    async def faults_by_node(self) -> dict[str, str]:
        return {"beta": "stall"}

    async def faults_by_venue(self) -> dict[str, str]:
        return {"binance": "frozen, slow"}

    async def firing(self) -> set[tuple[str, str]]:
        return {("Watchdog", "watchdog")} | self.alarms


@pytest.fixture
def views(tmp_path: Path) -> Scripted:
    made = Scripted(Centre(tmp_path, scale=10))
    made.alarms = {("NodeLagging", "local/beta")}
    return made


def shown(found: status.Status) -> str:
    out = Console(file=io.StringIO(), width=100)
    out.print(status.table(found))
    return out.file.getvalue()  # type: ignore[attr-defined, no-any-return]


async def test_it_shows_head_nodes_venues_faults_and_what_fires(views: Scripted) -> None:
    said = shown(await status.looked(views))
    assert "chain local: head 42" in said
    (beta,) = [line.split() for line in said.splitlines() if line.startswith("beta")]
    assert beta == ["beta", "40", "-", "-", "-", "1", "stall"]
    (binance,) = [line.rstrip().split(maxsplit=5) for line in said.splitlines() if line.startswith("binance")]
    assert binance == ["binance", "1", "2", "1", "1", "frozen, slow"]
    (kraken,) = [line.split() for line in said.splitlines() if line.startswith("kraken")]
    assert kraken == ["kraken", "-", "-", "-", "-", "none"]
    assert "FIRES  NodeLagging for local/beta" in said
    assert "Watchdog" not in said


async def test_what_is_not_known_is_not_shown_as_good(views: Scripted) -> None:
    views.reachable = False
    said = shown(await status.looked(views))
    assert "head unknown" in said
    assert "nodes does not answer" in said
    assert "exchange does not answer" in said


async def test_without_a_terminal_changes_are_told_in_lines(views: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "EVERY", 0.0)
    out = Console(file=io.StringIO(), width=100)
    watching = asyncio.create_task(status.watch(views, out))

    async def said(line: str) -> bool:
        return line in out.file.getvalue()  # type: ignore[attr-defined]

    await until(lambda: said("fires      NodeLagging for local/beta\n"), 30)
    views.alarms = set()
    await until(lambda: said("no longer  NodeLagging for local/beta\n"), 30)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert out.file.getvalue().count("NodeLagging") == 2  # type: ignore[attr-defined]
