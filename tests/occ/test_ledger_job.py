"""A ledger in an exporter: who advances it, what is on the page, and what a reload, a second process and a bad file do."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.chain import Anvil
from demo.parts import ROOT
from occ.errors import CatalogueError, Reason, SourceError
from occ.job import Heads, Pace, Polled, Target
from occ.ledger import Ledger, LogSource, Standing, opened
from occ.metrics import KERNEL_FAMILIES, Catalogue
from occ.page import Event, Page
from occ.poller import Poller
from tests.occ import ledger_anvil
from tests.occ.ledger_chain import CHAIN, DEEP_REORG, FAMILIES, POOLS, SWAPS, Chain, Node, swap
from tests.occ.ledger_exporter import CURSOR, columns
from tests.occ.samples import parsed, sample
from tests.occ.served import until

PACE = Pace(interval=60.0, timeout=10.0, stale_after=180.0)
TARGET = Target("ethereum/logs", CHAIN)
CONFIRMATIONS = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pools.db"


def counting_job(ledger: Ledger, source: LogSource, name: str = "ethereum", **others: Any) -> Polled[Standing]:
    stream = ledger.stream(
        name, confirmations=CONFIRMATIONS, start_block=0, deep_reorgs=DEEP_REORG, foreseen=[Event(SWAPS, POOLS[0])]
    )
    standard: dict[str, Any] = {"check": "logs", "families": (CURSOR, *FAMILIES), "columns": columns}
    return ledger.job(PACE, {Target(f"{name}/logs", CHAIN): (stream, source)}, **(standard | others))


@contextmanager
def polling(path: Path, source: LogSource, **others: Any) -> Iterator[Poller]:
    with opened(path, FAMILIES) as ledger:
        page = Page(Catalogue((*KERNEL_FAMILIES, CURSOR, *FAMILIES)))
        yield Poller("pools", [counting_job(ledger, source, **others)], page)


class TestThePage:
    async def test_totals_are_on_the_first_page_and_go_on_where_they_were(self, path: Path) -> None:
        chain = Chain(5)
        for expected in (0, 1, 2):
            with polling(path, Node(chain)) as poller:
                assert sample(poller.render(), "pool_swaps_total") == float(expected)
                chain.mine(1, swap())
                chain.mine(CONFIRMATIONS)
                await poller.once()
                assert sample(poller.render(), "pool_swaps_total") == float(expected + 1)
                assert sample(poller.render(), "pool_log_cursor_block") == chain.head - CONFIRMATIONS

    async def test_no_series_is_there_twice_whatever_families_the_job_was_given(self, path: Path) -> None:
        with polling(path, Node(Chain(9))) as poller:
            await poller.once()
            page = parsed(poller.render())  # fails where a series is there twice
            assert [name for name, _ in page if name.startswith("pool_")] == [
                "pool_deep_reorgs_total",
                "pool_log_cursor_block",
                "pool_swaps_total",
            ]

    async def test_where_its_source_fails_the_target_is_down_by_reason_and_the_totals_stay(self, path: Path) -> None:
        chain = Chain(5)
        chain.mine(1, swap())
        chain.mine(CONFIRMATIONS)
        node = Node(chain)
        with polling(path, node) as poller:
            await poller.once()

            def fail(_call: int) -> None:
                raise SourceError(Reason.AUTH, "HTTP 401")

            node.before = fail
            await poller.once()
            body = poller.render()
        assert sample(body, "occ_target_up", check="logs") == 0.0
        assert sample(body, "occ_target_errors_total", reason="auth") == 1.0
        assert sample(body, "pool_swaps_total") == 1.0

    async def test_a_reorganisation_too_deep_is_an_error_of_its_own_and_counted(self, path: Path) -> None:
        chain = Chain(20)
        with polling(path, Node(chain)) as poller:
            await poller.once()
            chain.reorganise(CONFIRMATIONS + 5)
            await poller.once()
            body = poller.render()
        assert sample(body, "occ_target_errors_total", reason="reorg") == 1.0
        assert sample(body, "pool_deep_reorgs_total") == 1.0

    async def test_a_job_may_wait_for_heads(self, path: Path) -> None:
        chain, heads = Chain(9), Heads()
        with polling(path, Node(chain), heads=heads) as poller:
            running = asyncio.create_task(poller.run())
            await until(lambda: poller.ready)
            chain.mine(1, swap())
            chain.mine(CONFIRMATIONS)
            heads.announce()
            await until(lambda: sample(poller.render(), "pool_swaps_total") == 1.0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def test_two_jobs_that_would_show_one_series_are_refused(self, path: Path) -> None:
        with opened(path, FAMILIES) as ledger:
            counting_job(ledger, Node(Chain()))
            with pytest.raises(CatalogueError, match="pool_deep_reorgs_total: two jobs would show one series"):
                counting_job(ledger, Node(Chain()), "ethereum/vault")


# --- a process, and a real chain -------------------------------------------------------------------------------------


@dataclass
class Counting:
    """The exporter as a process, and its configuration file."""

    process: asyncio.subprocess.Process
    config: Path
    url: str = ""

    def configure(self, **changes: object) -> None:
        lines = dict(line.split(": ", 1) for line in self.config.read_text().splitlines())
        self.config.write_text(written(lines | changes))

    async def reload(self, **changes: object) -> int:
        """The status of the answer."""
        self.configure(**changes)
        async with aiohttp.ClientSession() as session, session.post(f"{self.url}/-/reload") as answer:
            return answer.status

    async def page(self) -> bytes:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as answer:
            return await answer.read()

    async def shows(self, name: str, value: float) -> None:
        """Waits for it; a counter never goes down on the way."""
        last = -1.0
        async with asyncio.timeout(30):
            while (now := sample(await self.page(), name)) != value:
                assert not name.endswith("_total") or (now is not None and now >= last), (last, now)
                last = now if now is not None else last
                await asyncio.sleep(0.02)


def written(values: dict[str, Any]) -> str:
    return "".join(f"{key}: {value}\n" for key, value in values.items())


async def launched(config: Path, *flags: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "tests.occ.ledger_exporter", "--config", str(config), *flags)
    return await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


@asynccontextmanager
async def counting(config: Path) -> AsyncIterator[Counting]:
    """The process, serving; killed at the end if it still lives."""
    process = await launched(config, "--web.listen-address", "127.0.0.1:0")
    assert process.stderr
    try:
        async with asyncio.timeout(30):
            while not (found := re.search(rb"serving on (http://\S+)", line := await process.stderr.readline())):
                assert line, "it never served"
        yield Counting(process, config, found[1].decode())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(config: Path, *flags: str) -> tuple[int, bytes, str]:
    """The exit code of a process that does not come to serve, what it printed, and its last words."""
    process = await launched(config, *flags)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out, err.decode()


async def refused(config: Path, *flags: str) -> tuple[int, str]:
    code, out, err = await ended(config, *flags)
    assert out == b""
    return code, err


@asynccontextmanager
async def contract(folder: Path) -> AsyncIterator[tuple[ledger_anvil.Contract, Path]]:
    """One on a real chain, and the configuration of an exporter that counts its logs."""
    async with Anvil() as chain:
        made = ledger_anvil.Contract(chain)
        await made.deploy()
        config = folder / "counting.yml"
        values = {"state": folder / "pools.db", "url": chain.url, "address": f'"{made.address}"', "confirmations": 3}
        config.write_text(written(values | {"start_block": 0}))
        yield made, config


async def test_over_reloads_kills_and_shallow_reorganisations_the_counter_equals_a_recount(tmp_path: Path) -> None:
    async with contract(tmp_path) as (made, config):
        amount, deepest = 1, 0
        for confirmations in (3, 1, 4):
            async with counting(config) as exporter:
                for again in (confirmations, confirmations + 1, confirmations):
                    assert await exporter.reload(confirmations=again, start_block=amount) == 200
                    await made.emit(amount)
                    await made.reorganise(1, 2 * amount)
                    await made.emit(3 * amount, 4 * amount)
                    assert await exporter.reload(confirmations=again) == 200
                    amount *= 10
                    deepest = max(deepest, await made.head() - again)
                    await exporter.shows("pool_log_cursor_block", float(deepest))
                    expected = await made.recount(await made.head() - deepest)
                    assert sample(await exporter.page(), "pool_volume_usd_total") == float(expected)
                assert sample(await exporter.page(), "pool_deep_reorgs_total") == 0.0
                exporter.process.send_signal(signal.SIGKILL)
                await exporter.process.wait()


async def test_a_second_process_is_refused_with_one_line_and_the_first_reloads_on(tmp_path: Path) -> None:
    async with contract(tmp_path) as (_, config), counting(config) as first:
        code, said = await refused(config, "--web.listen-address", "127.0.0.1:0")
        assert code == 1
        assert re.fullmatch(
            rf"\S+ ERROR   occ\.start: {tmp_path}/pools\.db: another process counts in this file\n", said
        )
        assert await first.reload(confirmations=1) == 200


async def test_a_single_look_beside_the_process_that_counts_shows_what_it_has_counted_and_leaves_it_alone(
    tmp_path: Path,
) -> None:
    async with contract(tmp_path) as (made, config), counting(config) as first:
        await made.emit(5)
        await made.emit()
        await made.emit()
        await made.emit()
        await first.shows("pool_volume_usd_total", 5.0)
        for _ in range(2):
            code, page, said = await ended(config, "--once")
            assert code == 0
            assert "what is counted here beyond it is not kept" in said
            assert sample(page, "pool_volume_usd_total") == 5.0
            assert sample(page, "pool_log_cursor_block") == sample(await first.page(), "pool_log_cursor_block")
        await made.emit(7)
        await made.emit()
        await made.emit()
        await made.emit()
        await first.shows("pool_volume_usd_total", 12.0)
    code, page, _ = await ended(config, "--once")
    assert (code, sample(page, "pool_volume_usd_total")) == (0, 12.0)


async def test_a_state_file_that_can_not_be_used_is_one_line_at_the_start_and_a_refusal_at_a_reload(
    tmp_path: Path,
) -> None:
    other = tmp_path / "nowhere" / "pools.db"
    async with contract(tmp_path) as (made, config), counting(config) as exporter:
        before = sample(await exporter.page(), "occ_config_last_reload_success_timestamp_seconds")
        assert await exporter.reload(state=other) == 500
        code, said = await refused(config, "--once")
        assert code == 1
        assert re.fullmatch(rf"\S+ ERROR   occ\.start: {other}: No such file or directory\n", said)
        await made.emit(5)
        await made.emit()
        await made.emit()
        await made.emit()
        await exporter.shows("pool_volume_usd_total", 5.0)
        body = await exporter.page()
        assert sample(body, "occ_config_last_reload_successful") == 0.0
        assert sample(body, "occ_config_last_reload_success_timestamp_seconds") == before
        assert await exporter.reload(state=tmp_path / "pools.db") == 200
        await exporter.shows("pool_volume_usd_total", 5.0)
