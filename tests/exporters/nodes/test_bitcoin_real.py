"""The nodes exporter on real Bitcoin nodes that peer: bcoin, on a chain of their own. It answers as Bitcoin Core does, but
for what it leaves out.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo.bitcoin import CHAIN, GENESIS, KEY, Bitcoin, bitcoin
from exporters.nodes.__main__ import NODES
from tests.exporters.support import Running, Seen, running


def config(*, chain_id: str = CHAIN, genesis: str = GENESIS, **urls: str) -> str:
    nodes = "".join(f'      - {{name: {name}, url: "{url}"}}\n' for name, url in urls.items())
    return (
        "scrape_interval: 1s\n"
        "defaults: {interval: 250ms, timeout: 250ms, stale_after: 10s}\n"
        f'chains:\n  - name: local\n    family: bitcoin\n    chain_id: {chain_id}\n    genesis_hash: "{genesis}"\n'
        f"    block_time: 1s\n    nodes:\n{nodes}"
    )


def tip(page: Seen, node: str) -> float | None:
    return page("rpc_block_number", node=node, tag="latest")


def healthy(page: Seen) -> bool:
    return page("chain_nodes_healthy", chain="local") == 2


@asynccontextmanager
async def a_pair(folder: Path) -> AsyncIterator[tuple[Bitcoin, Bitcoin, Running]]:
    """Two nodes that have the same three blocks, `beta` those that it got from `alpha`, and an exporter that sees both."""
    async with bitcoin("alpha") as alpha, bitcoin("beta") as beta:
        await alpha.mine(3)
        await beta.connect(alpha)
        async with running(NODES, config(alpha=alpha.url, beta=beta.url), folder) as exporter:
            await exporter.until(lambda page: healthy(page) and tip(page, "alpha") == tip(page, "beta") == 3)
            yield alpha, beta, exporter


async def test_two_nodes_that_peer(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as (alpha, _, exporter):
        page = await exporter.until(
            lambda page: all(page("rpc_block_hash_mismatch", node=node) == 0 for node in ("alpha", "beta"))
        )
        assert page("chain_fork_groups", chain="local") == 1
        for node in ("alpha", "beta"):
            assert page("rpc_peers", node=node) == 1
            assert page("rpc_chain_id_matches", node=node) == page("rpc_genesis_hash_matches", node=node) == 1
            assert page("rpc_block_lag_blocks", node=node) == 0
            assert page("rpc_txpool_transactions", node=node, status="pending") == 0
            assert page("rpc_client_info", node=node, version="bcoin/v1.0.2") == 1
            assert page("rpc_syncing", node=node) is None  # bcoin does not tell of its first download

        await alpha.mine()
        page = await exporter.until(lambda page: tip(page, "beta") == 4)
        assert page("rpc_reorgs_total", node="beta") == page("rpc_head_regressions_total", node="beta") == 0
        best = await alpha.rpc("getblockheader", await alpha.rpc("getbestblockhash"))
        page = await exporter.until(lambda page: page("chain_head_block_number", chain="local") == 4)
        assert page("chain_head_timestamp_seconds", chain="local") == best["time"]


async def test_a_node_that_lost_its_peer_lags_until_it_has_one(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as (alpha, beta, exporter):
        await beta.disconnect(alpha)
        await alpha.mine(9)
        page = await exporter.until(lambda page: page("rpc_block_lag_blocks", node="beta") == 9)
        assert page("rpc_block_lag_blocks", node="alpha") == 0
        await exporter.until(lambda page: page("rpc_peers", node="alpha") == page("rpc_peers", node="beta") == 0)
        await exporter.until(
            lambda page: page("chain_nodes_healthy", chain="local") == page("occ_target_up", node="beta") == 1
        )
        await beta.connect(alpha)
        await exporter.until(lambda page: healthy(page) and page("rpc_block_lag_blocks", node="beta") == 0)


async def test_a_node_that_mined_alone_turns_to_the_longer_chain(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as (alpha, beta, exporter):
        await beta.disconnect(alpha)
        await beta.mine(2)
        await alpha.mine(4)
        await exporter.until(lambda page: tip(page, "beta") == 5 and tip(page, "alpha") == 7)
        page = await exporter.until(lambda page: page("chain_fork_groups", chain="local") == 2)
        assert page("rpc_block_hash_mismatch", node="beta") == 0  # of two, nobody is the majority
        await beta.connect(alpha)
        page = await exporter.until(lambda page: page("rpc_reorgs_total", node="beta") == 1)
        assert page("rpc_reorg_depth_blocks_count", chain="local") == 1
        assert page("rpc_reorg_depth_blocks_sum", chain="local") == 2
        assert page("rpc_reorgs_total", node="alpha") == 0
        page = await exporter.until(
            lambda page: page("chain_fork_groups", chain="local") == 1 and tip(page, "beta") == 7
        )
        assert page("rpc_reorgs_total", node="beta") == 1


async def test_a_reorg_deeper_than_what_a_look_tells_is_measured_by_asking_for_what_was_told_before(
    tmp_path: Path,
) -> None:
    async with bitcoin("alpha") as alpha, running(NODES, config(alpha=alpha.url), tmp_path) as exporter:
        await alpha.mine(2)
        for height in (3, 4, 5):
            await alpha.mine()
            await exporter.until(lambda page, height=height: tip(page, "alpha") == height)  # type: ignore[misc]
        await alpha.rpc("invalidateblock", await alpha.rpc("getblockhash", 3))
        page = await exporter.until(lambda page: tip(page, "alpha") == 2)
        assert (page("rpc_head_regressions_total", node="alpha") or 0) >= 1
        assert page("rpc_reorgs_total", node="alpha") == 0  # it has fewer blocks, and none that are others
        await alpha.mine(4)
        page = await exporter.until(lambda page: page("rpc_reorgs_total", node="alpha") == 1)
        assert page("rpc_reorg_depth_blocks_sum", chain="local") == 3
        page = await exporter.until(lambda page: tip(page, "alpha") == 6)
        assert page("rpc_reorgs_total", node="alpha") == 1


async def test_nodes_of_another_chain_than_the_configured_one_count_for_nothing(tmp_path: Path) -> None:
    async with bitcoin("alpha") as alpha:
        await alpha.mine(3)
        main = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
        async with running(NODES, config(chain_id="main", genesis=main, alpha=alpha.url), tmp_path) as exporter:
            page = await exporter.until(
                lambda page: tip(page, "alpha") == 3 and page("occ_target_up", node="alpha") == 1
            )
            assert page("rpc_chain_id_matches", node="alpha") == page("rpc_genesis_hash_matches", node="alpha") == 0
            assert page("rpc_block_lag_blocks", node="alpha") is None
            assert page("chain_head_block_number", chain="local") is None
            assert page("chain_nodes_healthy", chain="local") == 0


async def test_a_node_that_is_killed_is_down_and_the_other_goes_on(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as (alpha, beta, exporter):
        os.killpg(beta.pid, signal.SIGKILL)
        await exporter.until(lambda page: (page("occ_target_errors_total", node="beta", reason="connect") or 0) >= 1)
        await alpha.mine()
        await exporter.until(lambda page: page("rpc_peers", node="alpha") == 0 and tip(page, "alpha") == 4)
        await exporter.until(lambda page: page("occ_target_up", node="beta") == 0)
        await exporter.until(lambda page: page("chain_nodes_healthy", chain="local") == 1)


async def test_a_wrong_password_is_refused_and_the_right_one_shows_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with bitcoin("alpha") as alpha:
        text = config(alpha=alpha.url, beta=alpha.url.replace(KEY, "guessed"))
        async with running(NODES, text, tmp_path) as exporter:
            await exporter.until(
                lambda page: (
                    (page("occ_target_errors_total", node="beta", reason="auth") or 0) >= 1
                    and page("occ_target_up", node="beta") == 0
                )
            )
            await exporter.until(lambda page: page("occ_target_up", node="alpha") == 1)
            body = exporter.poller.render().decode()
    assert KEY not in body + caplog.text
