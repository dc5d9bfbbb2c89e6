"""An exporter of the tests whose configuration says what its nodes answer: reloads are seen in the readings."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import aiohttp

from occ import config, logs
from occ.config import SOME, Duration, ExporterConfig, HttpUrl, Model, Name, SecretValue, unique
from occ.errors import Reason, SourceError
from occ.exporter import Exporter, Plan, main
from occ.flags import Address
from occ.job import Pace, Readings, Target, every
from occ.metrics import Family, Kind
from occ.page import Column, Event, Page
from occ.plain import fingerprint
from occ.service import Service
from occ.web import OPEN
from occ.webconfig import WebConfigFile
from tests.occ.samples import sample

PEERS = Family("rpc_peers", Kind.GAUGE, "Peers of the node.", ("node",))
READS = Family("rpc_reads_total", Kind.COUNTER, "Successful reads.", ("node",))


class Node(Model):
    """`peers` is what it answers, `fails` is why it does not, and `takes` is how long it takes."""

    name: Name
    url: HttpUrl | None = None
    key: SecretValue | None = None
    peers: int = 1
    fails: str | None = None
    takes: Duration | None = None


class HouseConfig(ExporterConfig):
    """`interval` may be so long that a node is read only once; `build` is what goes wrong where the jobs are built."""

    interval: Duration = 0.05
    timeout: Duration = 5.0
    build: str = ""
    nodes: Annotated[tuple[Node, ...], SOME, unique("name")]


@dataclass
class House:
    """What was opened and closed, and how often each node was asked."""

    steps: list[str] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)

    @asynccontextmanager
    async def build(self, found: HouseConfig, page: Page) -> AsyncIterator[Plan]:
        label = ",".join(node.name for node in found.nodes)
        if found.build == "fails":
            raise RuntimeError("can not be built")
        if found.build == "raises":
            raise OSError(f"disk of {next(node.url.reveal() for node in found.nodes if node.url)}")
        if found.build == "refused":
            raise SourceError(Reason.CONNECT, "the ledger is in use")
        self.steps.append(f"open {label}")
        try:
            made = self._job(found)
            yield Plan((made, made) if found.build == "clashes" else (made,))
        finally:
            self.steps.append(f"close {label}")
            if found.build == "hangs":
                await asyncio.Event().wait()

    def _job(self, found: HouseConfig) -> Any:
        nodes = {
            Target(f"eth/{node.name}", {"node": node.name}, {"config": fingerprint(node)}): node for node in found.nodes
        }

        async def read(due: tuple[Target, ...]) -> Mapping[Target, float | SourceError]:
            (target,) = due
            node = nodes[target]
            self.asked[node.name] = self.asked.get(node.name, 0) + 1
            await asyncio.sleep(node.takes or 0)
            return {target: SourceError(Reason(node.fails), "as configured") if node.fails else float(node.peers)}

        def columns(readings: Readings[float]) -> Iterable[Column]:
            yield readings.column(PEERS, lambda peers: peers)

        def events(_before: float | None, _reading: float) -> Iterable[Event]:
            return [Event(READS, {"node": node.name}) for node in found.nodes[:1]]

        return every(
            Pace(found.interval, found.timeout, stale_after=60.0),
            read,
            check="evm",
            targets=tuple(nodes),
            families=(PEERS, READS),
            columns=columns,
            events=events,
        )

    def exporter(self) -> Exporter[HouseConfig]:
        return Exporter("house", "An exporter of <tests>.", 9798, HouseConfig, (PEERS, READS), self.build)


@dataclass
class Open:
    """A running exporter, its configuration file and its address."""

    path: Path
    house: House
    service: Service[HouseConfig]
    url: str
    session: aiohttp.ClientSession

    async def reload(self, text: str | None = None) -> bool:
        if text is not None:
            self.path.write_text(text)
        return await self.service.reloader.ask()

    def page(self) -> bytes:
        return self.service.runtime.render()

    def value(self, name: str, **labels: str) -> float | None:
        return sample(self.page(), name, **labels)

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(f"{self.url}{path}", headers=headers) as response:
            return response.status, await response.text()


@asynccontextmanager
async def opened(folder: Path, text: str, rules: WebConfigFile = OPEN) -> AsyncIterator[Open]:
    """The exporter at work in this process, served on a port of its own."""
    path, house = folder / "house.yml", House()
    path.write_text(text)
    exporter, logged = house.exporter(), logs.Logged("info", "text")
    loaded = config.load(path, exporter.model)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    logged.mask(loaded.secrets)
    root.handlers += before
    service = Service(exporter, loaded, lambda: config.load(path, exporter.model), rules, logged)
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def life() -> None:
        async with service.serving(Address("127.0.0.1", 0)) as address:
            started.set_result(f"http://{address}")
            await service.run()

    living = asyncio.create_task(life())
    try:
        async with aiohttp.ClientSession() as session:
            yield Open(path, house, service, await started, session)
            assert not living.done()
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        root.handlers[:] = before
        root.setLevel(level)


if __name__ == "__main__":
    sys.exit(main(House().exporter()))
