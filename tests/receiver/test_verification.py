"""Success is the condition on samples newer than the effect: by a real Prometheus, a real engine, and pages that a test writes."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from demo.engine.server import Server
from demo.engine.state import Engine, Order
from demo.processes import free_ports
from demo.until import until
from occ.config import Context
from receiver import clock
from receiver.catalogue import Verify
from receiver.clock import SECOND
from receiver.prometheus import Prometheus
from receiver.verification import Seen, look
from tests.receiver.servers import WITHIN, Exposed, prometheus

ROOT = Path(__file__).parents[2]
FRESH = {"exporter": "exchange", "target": "binance/desk-a", "check": "orders"}
HALTED = 'engine_quoting{venue="binance"} == 0'


def verify(query: str = HALTED, **more: Any) -> Verify:
    written = {"query": query, "within": "30s"} | (more or {"fresh": FRESH})
    return Verify.model_validate(written, context=Context.none())


def page(*, begun: float, up: int, quoting: int = 0) -> str:
    labels = ",".join(f'{key}="{value}"' for key, value in FRESH.items())
    return (
        f'occ_target_last_attempt_timestamp_seconds{{{labels},venue="binance"}} {begun!r}\n'
        f'occ_target_up{{{labels},venue="binance"}} {up}\n'
        f'engine_quoting{{venue="binance",symbol="BTC/USDT"}} {quoting}\n'
    )


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


class Watched:
    """A page that a real Prometheus scrapes."""

    def __init__(self, exposed: Exposed, asked: Prometheus) -> None:
        self._exposed, self.asked, self._turn = exposed, asked, 0

    async def show(self, text: str) -> None:
        """Returns when Prometheus has the page."""
        self._turn += 1
        self._exposed.text = f"{text}turn {self._turn}\n"

        async def there() -> bool:
            found = await self.asked.query("turn")
            return [sample.value for sample in found] == [self._turn]

        await until(there, WITHIN)


@pytest.fixture
async def watched(session: aiohttp.ClientSession, tmp_path: Path) -> AsyncIterator[Watched]:
    async with Exposed().serving() as exposed, prometheus(tmp_path, scrapes={"exchange": exposed.address}) as url:
        yield Watched(exposed, Prometheus(session, url))


async def test_only_a_read_that_began_after_the_effect_and_succeeded_counts(watched: Watched) -> None:
    effect = 1_790_000_000.25
    applied_at = round(effect * SECOND)

    async def seen(**shown: Any) -> Seen:
        await watched.show(page(**shown))
        return await look(verify(), applied_at, watched.asked)

    assert not (await seen(begun=effect - 0.001, up=1)).confirmed
    assert not (await seen(begun=effect, up=1)).confirmed
    assert not (await seen(begun=effect + 1, up=0)).confirmed, "the read has failed: what is shown is older"
    late = await seen(begun=effect + 1, up=1, quoting=1)
    assert late == Seen(confirmed=False, said="the condition does not hold")
    assert (await seen(begun=effect + 0.001, up=1)).confirmed


async def test_an_empty_result_is_never_success(watched: Watched) -> None:
    await watched.show(page(begun=2e9, up=1))
    assert (await look(verify(), 0, watched.asked)).confirmed
    assert not (await look(verify("no_such_series == 0"), 0, watched.asked)).confirmed
    other = verify(fresh={**FRESH, "check": "other"})
    assert not (await look(other, 0, watched.asked)).confirmed
    assert not (await look(verify(heartbeat="no_such_heartbeat"), 0, watched.asked)).confirmed
    assert not (await look(verify("not a query"), 0, watched.asked)).confirmed


async def test_where_two_processes_read_a_target_both_must_have_read_it_since(watched: Watched) -> None:
    other = page(begun=100.0, up=1).replace('venue="binance"}', 'venue="binance",symbol="other"}')
    await watched.show(page(begun=300.0, up=1) + other.split("engine_quoting")[0])
    assert not (await look(verify(), 200 * SECOND, watched.asked)).confirmed
    assert (await look(verify(), 50 * SECOND, watched.asked)).confirmed
    await watched.show(page(begun=300.0, up=1) + other.split("occ_target_up")[0])
    assert not (await look(verify(), 50 * SECOND, watched.asked)).confirmed, "of one of them it is not known"


async def test_a_heartbeat_of_the_engine_itself_makes_a_sample_fresh(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with Server(Engine({"binance": ("BTC/USDT", "ETH/USDT")})) as server:
        address = server.url.removeprefix("http://")
        async with prometheus(tmp_path, scrapes={"engine": address}) as url:
            asked = Prometheus(session, url)
            beating = verify(heartbeat="engine_heartbeat_timestamp_seconds")
            assert await until(lambda: asked.query("engine_quoting == 1"), WITHIN)
            before = clock.now()
            assert not (await look(beating, before, asked)).confirmed
            server.engine.take(Order("key", 1, "halt", {"venue": "binance"}))
            applied_at = clock.now()

            async def confirmed() -> bool:
                return (await look(beating, applied_at, asked)).confirmed

            assert await until(confirmed, WITHIN)
            ahead = round((time.time() + 3600) * SECOND)
            assert not (await look(beating, ahead, asked)).confirmed


async def test_a_prometheus_that_is_not_there_confirms_nothing(session: aiohttp.ClientSession) -> None:
    asked = Prometheus(session, f"http://127.0.0.1:{free_ports(1)[0]}")
    assert await look(verify(), 0, asked) == Seen(confirmed=False, said="Prometheus can not be asked: can not connect")


def documented() -> Verify:
    """The example of the docs, for one venue."""
    text = (ROOT / "docs/engine.md").read_text()
    written = next(block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("verify:"))
    return Verify.model_validate(yaml.safe_load(written)["verify"], context=Context.none()).filled({"venue": "binance"})


async def test_the_example_of_the_docs_is_not_content_with_one_of_several_symbols(watched: Watched) -> None:
    def quoting(btc: int, eth: int) -> str:
        values = {"BTC/USDT": btc, "ETH/USDT": eth}
        lines = [f'engine_quoting{{venue="binance",symbol="{name}"}} {value}\n' for name, value in values.items()]
        return "engine_heartbeat_timestamp_seconds 300\n" + "".join(lines)

    expected = {(1, 1): False, (0, 1): False, (1, 0): False, (0, 0): True}
    for values, confirmed in expected.items():
        await watched.show(quoting(*values))
        assert (await look(documented(), 200 * SECOND, watched.asked)).confirmed is confirmed
