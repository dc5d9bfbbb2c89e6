"""The nodes exporter on a real EVM chain, with real faults on the way, and scraped by a real Prometheus."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from demo.chain import CHAIN_ID, Anvil
from demo.faults import Fault
from demo.parts import ROOT, locate
from demo.processes import Part, Supervisor, free_ports
from demo.proxy import FaultProxy
from demo.until import until
from exporters.nodes.__main__ import FAMILIES, NODES
from occ.metrics import KERNEL_FAMILIES
from tests.exporters.support import Seen, running
from tests.occ.servers import listening

NAMES = ("alpha", "beta", "gamma")
CANARY = "c4n4ry-k3y-0123456789"


def config(*urls: str, family: str = "evm") -> str:
    nodes = "".join(f'      - {{name: {name}, url: "{url}"}}\n' for name, url in zip(NAMES, urls, strict=False))
    return (
        "scrape_interval: 1s\n"
        "defaults: {interval: 2s, timeout: 2s, stale_after: 6s}\n"
        f"chains:\n  - name: local\n    family: {family}\n    chain_id: {CHAIN_ID}\n    block_time: 1s\n    nodes:\n{nodes}"
    )


@asynccontextmanager
async def seen_through_three() -> AsyncIterator[tuple[Anvil, FaultProxy, str]]:
    """A chain with a block a second, and a configuration that sees it through three nodes with a key in their URLs."""
    async with Anvil(block_time=1) as chain, FaultProxy(chain.url, NAMES) as proxy:
        yield chain, proxy, config(*(f"{proxy.url(name)}/v2/{CANARY}" for name in NAMES))


def healthy(page: Seen) -> bool:
    return page("chain_nodes_healthy", chain="local") == 3


def up(page: Seen, node: str) -> float | None:
    return page("occ_target_up", node=node, check="evm")


async def test_a_stalled_node_lags_while_the_head_goes_on(tmp_path: Path) -> None:
    async with seen_through_three() as (_, proxy, text), running(NODES, text, tmp_path) as exporter:
        before = await exporter.until(healthy)
        await proxy.set("beta", Fault.STALL)
        page = await exporter.until(lambda page: (page("rpc_block_lag_blocks", node="beta") or 0) >= 3)
        assert page("rpc_block_lag_blocks", node="alpha") == 0
        assert page("chain_head_block_number", chain="local") > before("chain_head_block_number", chain="local")  # type: ignore[operator]
        assert up(page, "beta") == 1
        await exporter.until(lambda page: page("chain_nodes_healthy", chain="local") == 2)
        await proxy.clear("beta")
        await exporter.until(healthy)


REASONS = {
    Fault.DOWN: "connect",
    Fault.SILENCE: "timeout",
    Fault.SLOW: "timeout",
    Fault.GARBAGE: "bad_response",
    Fault.EMPTY: "bad_response",
    Fault.TRUNCATED: "bad_response",
    Fault.WRONG_TYPES: "bad_response",
    Fault.NULL: "bad_response",
    Fault.WRONG_ID: "bad_response",
    Fault.ERROR: "rpc_error",
    Fault.UNAUTHORIZED: "auth",
    Fault.RATE_LIMITED: "rate_limited",
    Fault.SERVER_ERROR: "server_error",
    Fault.RESET: "connect",
}


def test_every_fault_has_its_test() -> None:
    elsewhere = {Fault.WRONG_STATE, Fault.FORK, Fault.UNFINAL}  # test_truth_real.py
    assert set(Fault) - set(REASONS) == {Fault.STALL, Fault.WRONG_CHAIN} | elsewhere


def errors(page: Seen) -> float:
    """Of all looks at all nodes, whatever the reason."""
    return sum(
        value
        for (name, labels), value in page.samples.items()
        if name == "occ_target_errors_total" and ("check", "evm") in labels
    )


@pytest.mark.parametrize("fault", REASONS)
async def test_a_fault_is_counted_by_reason_and_the_other_nodes_are_undisturbed(
    fault: Fault, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with seen_through_three() as (_, proxy, text), running(NODES, text, tmp_path) as exporter:
        await exporter.until(healthy)
        await proxy.set("beta", fault, seconds=60.0)
        page = await exporter.until(lambda page: up(page, "beta") == 0)
        assert page("occ_target_errors_total", node="beta", check="evm", reason=REASONS[fault]) == 1
        assert errors(page) == 1
        assert up(page, "alpha") == up(page, "gamma") == 1
        await proxy.clear("beta")
        await exporter.until(healthy)
        assert CANARY.encode() not in exporter.poller.render()
    assert CANARY not in caplog.text


async def test_a_node_that_says_it_is_of_another_chain_is_up_and_does_not_count(tmp_path: Path) -> None:
    async with seen_through_three() as (_, proxy, text), running(NODES, text, tmp_path) as exporter:
        await proxy.set("gamma", Fault.WRONG_CHAIN)
        page = await exporter.until(lambda page: page("rpc_chain_id_matches", node="gamma") == 0)
        assert up(page, "gamma") == 1
        assert page("rpc_block_lag_blocks", node="gamma") is None


async def test_values_of_a_node_that_is_gone_vanish_and_counters_stay(tmp_path: Path) -> None:
    async with seen_through_three() as (_, proxy, text), running(NODES, text, tmp_path) as exporter:
        await exporter.until(healthy)
        await proxy.set("beta", Fault.DOWN)
        page = await exporter.until(lambda page: page("occ_target_stale", node="beta", check="evm") == 1)
        left = {name for name, labels in page.samples if ("node", "beta") in labels}
        assert left - {"rpc_capability", "rpc_archive_depth_blocks", "rpc_logs_max_range_blocks"} == {
            "occ_target_configured",
            "occ_target_up",
            "occ_target_stale",
            "occ_target_last_success_timestamp_seconds",
            "occ_target_last_attempt_timestamp_seconds",
            "occ_target_errors_total",
            "occ_target_info",
            "rpc_requests_total",
            "rpc_rate_limited_total",
            "rpc_reorgs_total",
            "rpc_head_regressions_total",
            "rpc_data_disagreement_total",
            "rpc_first_seen_total",
        }  # what it can do is asked rarely, and believed as long


async def test_a_chain_that_restarts_is_down_and_then_up_again(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain:
        port, text = chain.port, config(chain.url)
        await chain.mine(50)
        async with running(NODES, text, tmp_path) as exporter:
            await exporter.until(lambda page: (page("chain_head_block_number", chain="local") or 0) >= 50)
            os.kill(chain.pid, signal.SIGKILL)
            page = await exporter.until(lambda page: up(page, "alpha") == 0)
            assert page("occ_target_errors_total", node="alpha", check="evm", reason="connect") == 1
            async with Anvil(block_time=1, port=port):
                page = await exporter.until(lambda page: up(page, "alpha") == 1)
                await exporter.until(lambda page: (page("chain_head_block_number", chain="local") or 99) < 50)


async def test_a_node_that_hangs_times_out_and_comes_back(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, running(NODES, config(chain.url), tmp_path) as exporter:
        await exporter.until(lambda page: up(page, "alpha") == 1)
        os.kill(chain.pid, signal.SIGSTOP)
        try:
            page = await exporter.until(lambda page: up(page, "alpha") == 0)
            assert page("occ_target_errors_total", node="alpha", check="evm", reason="timeout") == 1
        finally:
            os.kill(chain.pid, signal.SIGCONT)
        await exporter.until(lambda page: up(page, "alpha") == 1)


# --- as a process ----------------------------------------------------------------------------------------------------


def exporter_part(port: int, path: Path, folder: Path = ROOT) -> Part:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "exporters.nodes",
        "--config",
        path,
        "--web.listen-address",
        f"127.0.0.1:{port}",
    ]
    return Part("nodes", command, f"http://127.0.0.1:{port}/-/ready", environment={"PYTHONPATH": str(folder)})


@asynccontextmanager
async def relay(url: str, accept: str | None) -> AsyncIterator[str]:
    """The address of a relay that asks for /metrics with this Accept header, or with the caller's own."""

    async def handler(request: web.Request) -> web.Response:
        headers = {"Accept": accept or request.headers["Accept"], "Accept-Encoding": "gzip"}
        async with aiohttp.ClientSession(auto_decompress=False) as session, session.get(url, headers=headers) as reply:
            told = {name: reply.headers[name] for name in ("Content-Type", "Content-Encoding")}
            return web.Response(body=await reply.read(), headers=told)

    async with listening(handler) as port:
        yield f"127.0.0.1:{port}"


async def scraped_metadata(exporter: str, folder: Path, accept: str | None, families: set[str]) -> dict[str, Any]:
    """What a real Prometheus knows of families, once it has scraped all of these; some come with the first beat only."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    scrape = folder / f"prometheus-{port}.yml"
    async with relay(f"{exporter}/metrics", accept) as address:
        scrape.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: nodes, static_configs: [{{targets: ['{address}']}}]}}]\n"
        )
        command: list[str | Path] = [
            locate("prometheus"),
            f"--config.file={scrape}",
            f"--storage.tsdb.path={folder / f'tsdb-{port}'}",
        ]
        server = Part("prometheus", [*command, f"--web.listen-address=127.0.0.1:{port}"], f"{url}/-/ready")
        async with Supervisor(folder) as parts, aiohttp.ClientSession() as session:
            await parts.start(server)

            found = dict[str, Any]()

            async def all_known() -> bool:
                async with session.get(
                    f"{url}/api/v1/targets/metadata", params={"match_target": '{job="nodes"}'}
                ) as reply:
                    found.update({item["metric"]: item for item in (await reply.json())["data"]})
                return families <= found.keys()

            with suppress(TimeoutError):
                await until(all_known, 60)
    assert families - found.keys() == set()
    return found


ELSEWHERE = {"rpc_peers", "rpc_ws_connected", "rpc_ws_reconnects_total", "rpc_capability_expected"}
"""Anvil tells of no peers; of heads and expectations there is none in the configuration here."""


async def test_a_real_prometheus_gets_every_family_with_its_type_and_help_in_both_formats(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    path, url = tmp_path / "nodes.yml", f"http://127.0.0.1:{port}"
    families = [one for one in (*KERNEL_FAMILIES, *FAMILIES) if not one.quiet and one.name not in ELSEWHERE]
    async with (
        seen_through_three() as (chain, _, text),
        Supervisor(tmp_path) as parts,
        aiohttp.ClientSession() as session,
    ):
        genesis = (await chain.rpc("eth_getBlockByNumber", "0x0", False))["hash"]  # noqa: FBT003 - as the API has it
        path.write_text(text.replace("    block_time", f'    genesis_hash: "{genesis}"\n    block_time'))
        await parts.start(exporter_part(port, path))
        asked, plain = await asyncio.gather(
            scraped_metadata(url, tmp_path, None, {family.base for family in families}),
            scraped_metadata(url, tmp_path, "text/plain;version=0.0.4", {family.name for family in families}),
        )
        async with session.get(f"{url}/metrics") as reply:
            page = await reply.read()
    for family in families:
        named = asked[family.base]
        assert (named["type"], named["help"]) == (str(family.kind), family.help)
        named = plain[family.name]
        assert (named["type"], named["help"]) == (str(family.kind).replace("info", "gauge"), family.help)
    assert await asyncio.to_thread(linted, page) == (0, b"", b"")
    assert CANARY.encode() not in page
    assert CANARY not in (tmp_path / "nodes.log").read_text()


def linted(page: bytes) -> tuple[int, bytes, bytes]:
    """What `promtool check metrics` says of a page."""
    done = subprocess.run([locate("promtool"), "check", "metrics"], input=page, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


TOY = '''"""A chain family of two heights, dropped into the folder."""
from exporters.nodes.reading import Block, Reading
from occ.config import Model


class Options(Model):
    height: int


async def read(source, targets, options):
    return {target: Reading(Block(options.height, 1.0, "0x"), chain_id_matches=True) for target in targets}
'''


def test_a_family_file_dropped_into_the_folder_is_served_with_nothing_else_touched(tmp_path: Path) -> None:
    for package in ("occ", "exporters"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "exporters/nodes/families/toy.py").write_text(TOY)
    text = config("http://127.0.0.1:1", family="toy").replace(f"chain_id: {CHAIN_ID}", "height: 42")
    (tmp_path / "nodes.yml").write_text(text)
    command = [sys.executable, "-m", "exporters.nodes", "--config", "nodes.yml", "--once"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 'rpc_block_number{chain="local",node="alpha",tag="latest"} 42\n' in done.stdout
    assert (
        'occ_target_up{exporter="nodes",target="local/alpha",check="toy",chain="local",node="alpha"} 1.0' in done.stdout
    )


async def test_no_task_is_left_when_the_exporter_ends(tmp_path: Path) -> None:
    async with seen_through_three() as (_, proxy, text):
        before = asyncio.all_tasks()
        async with running(NODES, text, tmp_path) as exporter:
            await exporter.until(healthy)
            await proxy.set("beta", Fault.SILENCE)
            await exporter.until(lambda page: up(page, "beta") == 0)
        ours = (str(ROOT / "occ"), str(ROOT / "exporters"))
        left = {task for task in asyncio.all_tasks() - before if task.get_coro().cr_code.co_filename.startswith(ours)}  # type: ignore[union-attr]
    assert left == set()
