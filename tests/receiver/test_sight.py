"""Against a real Prometheus that scraped what exporters would say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from demo.until import until
from receiver.prometheus import Prometheus
from receiver.sight import Sight, seen
from tests.receiver.servers import WITHIN, Exposed, prometheus

pytestmark = pytest.mark.asyncio(loop_scope="module")

LABELS = {"alertname": "NodeLagging", "exporter": "nodes"}


@dataclass
class Scene:
    """A chain of its own for every test, the page that tells of it, and the Prometheus that scrapes that."""

    prometheus: Prometheus
    exposed: Exposed
    chain: str = ""
    scrapes: int = 0

    async def says(self, **stale: int) -> None:
        """`occ_target_stale` by node and check, from the next scrape on; returns once that is seen."""
        self.scrapes += 1
        lines = [f"mark {self.scrapes}"]
        for name, value in stale.items():
            node, _, check = name.partition("_")
            target = f'target="{self.chain}/{node}",check="{check or "head"}"'
            lines.append(f'occ_target_stale{{exporter="nodes",{target}}} {value}')
        self.exposed.text = "\n".join(lines) + "\n"
        mark = self.scrapes
        await until(lambda: self._marked(mark), WITHIN)

    async def sight(self, entity: str = "/alchemy", parent: str = "") -> Sight:
        labels = {"entity": f"{self.chain}{entity}", "parent": f"{self.chain}{parent}"}
        return await seen(self.prometheus, LABELS | labels)

    async def _marked(self, mark: int) -> bool:
        return any(sample.value == mark for sample in await self.prometheus.query("mark"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """Prometheus takes five seconds to its first scrape, so one serves all tests."""
    async with (
        Exposed().serving() as exposed,
        prometheus(tmp_path_factory.mktemp("sight"), scrapes={"nodes": exposed.address}) as url,
        aiohttp.ClientSession() as session,
    ):
        yield Scene(Prometheus(session, url), exposed)


@pytest.fixture
def scene(shared: Scene, request: pytest.FixtureRequest) -> Scene:
    shared.chain = request.node.name
    return shared


async def test_a_target_that_is_read_was_in_sight(scene: Scene) -> None:
    await scene.says(alchemy=0, beta=0)
    assert await scene.sight() == Sight.KEPT


async def test_a_target_that_has_gone_stale_was_not(scene: Scene) -> None:
    await scene.says(alchemy=0, beta=0)
    await scene.says(alchemy=1, beta=0)
    assert await scene.sight() == Sight.LOST


async def test_neither_was_one_whose_exporter_stopped_telling_of_it(scene: Scene) -> None:
    await scene.says(alchemy=0, beta=0)
    await scene.says(beta=0)
    assert await scene.sight() == Sight.LOST


async def test_a_read_that_never_was_has_ended_nothing(scene: Scene) -> None:
    await scene.says(alchemy=0, alchemy_capabilities=1)
    assert await scene.sight() == Sight.KEPT


async def test_a_chain_is_in_sight_while_one_of_its_nodes_is(scene: Scene) -> None:
    await scene.says(alchemy=0, beta=0)
    await scene.says(alchemy=1, beta=0)
    assert await scene.sight("") == Sight.KEPT
    await scene.says(alchemy=1, beta=1)
    assert await scene.sight("") == Sight.LOST


async def test_what_is_no_target_is_seen_through_its_parent(scene: Scene) -> None:
    await scene.says(alchemy=0, beta=0)
    assert await scene.sight("/alchemy/ETH", "/alchemy") == Sight.KEPT
    await scene.says(alchemy=1, beta=0)
    assert await scene.sight("/alchemy/ETH", "/alchemy") == Sight.LOST


async def test_without_an_exporter_nothing_is_in_sight(scene: Scene) -> None:
    await scene.says()
    assert await scene.sight() == Sight.LOST


async def test_an_alert_that_depends_on_no_target_is_believed(scene: Scene) -> None:
    assert await seen(scene.prometheus, {"alertname": "Watchdog"}) == Sight.KEPT


async def test_a_name_is_never_a_pattern(scene: Scene) -> None:
    await scene.says(alchemy=0)
    hostile = LABELS | {"entity": '.*"} or vector(0) #', "parent": f"{scene.chain}.*"}
    await scene.says(alchemy=1, beta=0)
    assert await seen(scene.prometheus, hostile) == Sight.KEPT
