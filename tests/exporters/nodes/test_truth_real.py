"""The truth across nodes, on real chains: forks, reorgs, finality, and heads as they are announced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo.chain import CHAIN_ID, SLOTS_IN_AN_EPOCH, Anvil
from demo.faults import Fault
from demo.proxy import FaultProxy
from exporters.nodes.__main__ import NODES
from tests.exporters.support import Seen, once, parsed, running


def config(nodes: Mapping[str, str], *, sockets: Mapping[str, str] | None = None, more: str = "") -> str:
    """A configuration of these nodes by URL, of which some announce their heads."""
    lines = ""
    for name, url in nodes.items():
        socket = f', ws_url: "{sockets[name]}"' if sockets and name in sockets else ""
        lines += f'      - {{name: {name}, url: "{url}"{socket}{more}}}\n'
    return (
        "scrape_interval: 1s\n"
        "defaults: {interval: 1s, timeout: 1s, stale_after: 10s, silence: 5s}\n"
        f"chains:\n  - name: local\n    family: evm\n    chain_id: {CHAIN_ID}\n    block_time: 1s\n    nodes:\n{lines}"
    )


@asynccontextmanager
async def another_chain(block_time: float | None = 1) -> AsyncIterator[Anvil]:
    """A chain of the same id with other blocks: two that start alike mine alike."""
    async with Anvil(block_time=block_time) as other:
        await other.rpc("anvil_setCoinbase", "0x" + "c0" * 20)
        await other.mine(2)
        yield other


def grown(counter: str, node: str, by: float = 1) -> Callable[[Seen], bool]:
    return lambda page: (page(counter, node=node) or 0) >= by


def tip(page: Seen, node: str) -> float:
    return page("rpc_block_number", node=node, tag="latest") or 0


# --- forks -----------------------------------------------------------------------------------------------------------


async def test_a_node_with_other_blocks_than_two_providers_is_the_one_on_another_fork(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, another_chain() as other:
        text = config({"alpha": chain.url, "beta": chain.url, "gamma": other.url})
        async with running(NODES, text, tmp_path) as exporter:
            page = await exporter.until(lambda page: page("rpc_block_hash_mismatch", node="gamma") == 1)
            assert page("rpc_block_hash_mismatch", node="alpha") == page("rpc_block_hash_mismatch", node="beta") == 0
            assert page("chain_fork_groups", chain="local") == 2
            assert page("chain_nodes_healthy", chain="local") == 2
            assert page("occ_target_up", node="gamma", check="evm") == 1


async def test_two_nodes_on_two_forks_are_a_tie_and_nobody_is_blamed(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, another_chain() as other:
        text = config({"alpha": chain.url, "beta": other.url})
        async with running(NODES, text, tmp_path) as exporter:
            page = await exporter.until(lambda page: page("chain_fork_groups", chain="local") == 2)
            assert page("rpc_block_hash_mismatch", node="alpha") == page("rpc_block_hash_mismatch", node="beta") == 0


async def test_two_nodes_of_one_provider_are_not_a_majority_against_another(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, another_chain() as other:
        text = config({"alpha": chain.url, "beta": chain.url, "gamma": other.url})
        text = text.replace("{name: alpha,", "{name: alpha, provider: p,").replace(
            "{name: beta,", "{name: beta, provider: p,"
        )
        async with running(NODES, text, tmp_path) as exporter:
            page = await exporter.until(lambda page: page("chain_fork_groups", chain="local") == 2)
            assert page("rpc_block_hash_mismatch", node="gamma") == 0


async def test_once_takes_the_second_look_that_the_pinned_height_needs(tmp_path: Path) -> None:
    async with Anvil() as chain, another_chain(None) as other:
        for each in (chain, other):
            await each.mine(5)
        page = (await once(NODES, config({"a": chain.url, "b": chain.url, "c": other.url}), tmp_path)).decode()
    assert 'rpc_block_hash_mismatch{chain="local",node="c"} 1.0' in page


async def test_a_node_that_leaves_its_chain_is_forked_and_its_way_back_is_a_reorg(tmp_path: Path) -> None:
    async with (
        Anvil(block_time=1) as chain,
        Anvil() as other,
        FaultProxy(chain.url, ("a", "b", "c"), other.url) as proxy,
        running(NODES, config({name: proxy.url(name) for name in "abc"}), tmp_path) as exporter,
    ):
        await exporter.until(lambda page: page("rpc_block_hash_mismatch", node="c") == 0)
        await proxy.set("c", Fault.FORK)
        page = await exporter.until(lambda page: page("rpc_block_hash_mismatch", node="c") == 1)
        assert page("rpc_block_hash_mismatch", node="a") == page("rpc_block_hash_mismatch", node="b") == 0
        before = page("rpc_reorgs_total", node="c") or 0
        await proxy.clear("c")
        page = await exporter.until(grown("rpc_reorgs_total", "c", before + 1))
        page = await exporter.until(lambda page: page("rpc_block_hash_mismatch", node="c") == 0)
        assert page("rpc_reorgs_total", node="a") == page("rpc_reorgs_total", node="b") == 0


# --- reorgs ----------------------------------------------------------------------------------------------------------


async def test_a_reorg_is_counted_with_its_depth_and_by_every_node_that_went_through_it(tmp_path: Path) -> None:
    async with Anvil() as chain:
        await chain.mine(20)
        async with running(NODES, config({"alpha": chain.url, "beta": chain.url}), tmp_path) as exporter:
            for height in range(21, 26):
                await chain.mine()
                await exporter.until(lambda page, to=height: tip(page, "alpha") == tip(page, "beta") == to)  # type: ignore[misc]
            await chain.rpc("anvil_reorg", 3, [])
            await chain.mine()
            await exporter.until(grown("rpc_reorgs_total", "alpha"))
            page = await exporter.until(grown("rpc_reorgs_total", "beta"))
            assert page("rpc_reorg_depth_blocks_count", chain="local") == 2
            assert page("rpc_reorg_depth_blocks_sum", chain="local") == 2 * 3
            assert page("rpc_head_regressions_total", node="alpha") == 0
            assert page("occ_target_up", node="alpha", check="evm") == 1


async def test_a_rollback_is_a_regression_and_a_reorg_once_other_blocks_are_in_its_place(tmp_path: Path) -> None:
    async with Anvil() as chain:
        await chain.mine(10)
        async with running(NODES, config({"alpha": chain.url}), tmp_path) as exporter:
            await exporter.until(lambda page: tip(page, "alpha") == 10)
            await chain.rpc("anvil_rollback", 4)
            page = await exporter.until(grown("rpc_head_regressions_total", "alpha"))
            assert page("rpc_reorgs_total", node="alpha") == 0
            await chain.mine(5)
            await exporter.until(grown("rpc_reorgs_total", "alpha"))
            page = await exporter.until(lambda page: tip(page, "alpha") == 11)
            assert page("rpc_head_regressions_total", node="alpha") == 1


async def test_growth_is_neither_reorg_nor_regression(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, running(NODES, config({"a": chain.url}), tmp_path) as exporter:
        first = tip(await exporter.until(lambda page: tip(page, "a") > 0), "a")
        page = await exporter.until(lambda page: tip(page, "a") >= first + 3)
    assert page("rpc_reorgs_total", node="a") == page("rpc_head_regressions_total", node="a") == 0


# --- finality --------------------------------------------------------------------------------------------------------


async def test_safe_and_finalized_move_with_the_epochs(tmp_path: Path) -> None:
    async with Anvil() as chain, running(NODES, config({"alpha": chain.url}), tmp_path) as exporter:
        await chain.mine(3 * SLOTS_IN_AN_EPOCH)
        page = await exporter.until(lambda page: tip(page, "alpha") == 3 * SLOTS_IN_AN_EPOCH)
        safe, final = (page("rpc_block_number", node="alpha", tag=tag) for tag in ("safe", "finalized"))
        assert (safe, final) == (2 * SLOTS_IN_AN_EPOCH, SLOTS_IN_AN_EPOCH)
        assert page("rpc_finality_lag_blocks", node="alpha") == 2 * SLOTS_IN_AN_EPOCH
        assert page("rpc_block_timestamp_seconds", node="alpha", tag="finalized") is not None


async def test_finality_that_is_lost_is_a_growing_lag_and_an_older_finalized_block(tmp_path: Path) -> None:
    async with Anvil() as chain, FaultProxy(chain.url, ("a",)) as proxy:
        await chain.mine(5 * SLOTS_IN_AN_EPOCH)
        async with running(NODES, config({"a": proxy.url("a")}), tmp_path) as exporter:
            page = await exporter.until(lambda page: tip(page, "a") > 0)
            final = page("rpc_block_number", node="a", tag="finalized")
            await proxy.set("a", Fault.UNFINAL)
            await chain.mine(5 * SLOTS_IN_AN_EPOCH)
            page = await exporter.until(lambda page: tip(page, "a") == 10 * SLOTS_IN_AN_EPOCH)
    assert page("rpc_block_number", node="a", tag="finalized") == final
    assert page("rpc_finality_lag_blocks", node="a") == 7 * SLOTS_IN_AN_EPOCH


# --- state -----------------------------------------------------------------------------------------------------------


async def test_a_node_that_tells_another_state_of_the_same_block_is_counted(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, FaultProxy(chain.url, ("a", "b", "c")) as proxy:
        await proxy.set("c", Fault.WRONG_STATE)
        async with running(NODES, config({name: proxy.url(name) for name in "abc"}), tmp_path) as exporter:
            page = await exporter.until(grown("rpc_data_disagreement_total", "c"))
    assert page("rpc_block_hash_mismatch", node="c") == 0
    assert page("rpc_data_disagreement_total", node="a") == page("rpc_data_disagreement_total", node="b") == 0


# --- heads as they are announced -------------------------------------------------------------------------------------


def sockets(proxy: FaultProxy, *names: str) -> dict[str, str]:
    return {name: proxy.ws_url(name) for name in names}


async def test_announced_heads_have_a_delay_and_somebody_who_brought_them_first(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, FaultProxy(chain.url, ("a", "b")) as proxy:
        text = config({name: proxy.url(name) for name in "ab"}, sockets=sockets(proxy, "a", "b"))
        async with running(NODES, text, tmp_path) as exporter:
            await exporter.until(
                lambda page: (
                    (page("rpc_first_seen_total", node="a") or 0) + (page("rpc_first_seen_total", node="b") or 0) >= 2
                )
            )
            page = await exporter.until(
                lambda page: (page("rpc_head_arrival_delay_seconds_count", chain="local") or 0) >= 4
            )
            assert page("rpc_ws_connected", node="a") == page("rpc_ws_connected", node="b") == 1
            assert page("rpc_ws_reconnects_total", node="a") == 0
            delay = page("rpc_head_arrival_last_delay_seconds", node="a")
            assert delay is not None
            assert delay >= 0
            assert page("occ_target_up", node="a", check="heads") == 1


async def test_a_node_without_a_socket_has_its_delay_by_polling(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, running(NODES, config({"a": chain.url}), tmp_path) as exporter:
        page = await exporter.until(lambda page: page("rpc_head_arrival_last_delay_seconds", node="a") is not None)
    assert page("rpc_ws_connected", node="a") is None


async def test_a_lost_socket_is_told_while_heads_are_polled_and_again_when_it_is_back(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, FaultProxy(chain.url, ("s",)) as proxy:
        # Asked over HTTP past the proxy, so that only the socket is lost.
        text = config({"a": chain.url}, sockets={"a": proxy.ws_url("s")})
        async with running(NODES, text, tmp_path) as exporter:
            await exporter.until(lambda page: page("rpc_ws_connected", node="a") == 1)
            await proxy.set("s", Fault.DOWN)
            page = await exporter.until(lambda page: page("rpc_ws_connected", node="a") == 0)
            assert page("occ_target_errors_total", node="a", check="heads", reason="connect") == 1
            lost = page("rpc_head_arrival_delay_seconds_count", chain="local") or 0
            page = await exporter.until(
                lambda page: (page("rpc_head_arrival_delay_seconds_count", chain="local") or 0) > lost
            )
            assert page("occ_target_up", node="a", check="heads") == 1
            assert page("occ_target_up", node="a", check="evm") == 1
            await proxy.clear("s")
            page = await exporter.until(lambda page: page("rpc_ws_connected", node="a") == 1)
            assert page("rpc_ws_reconnects_total", node="a") == 1


async def test_a_socket_that_says_nothing_more_is_lost_after_the_time_of_silence(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain, FaultProxy(chain.url, ("s",)) as proxy:
        text = config({"a": chain.url}, sockets={"a": proxy.ws_url("s")}).replace("block_time: 1s", "block_time: 500ms")
        async with running(NODES, text, tmp_path) as exporter:
            await exporter.until(lambda page: page("rpc_ws_connected", node="a") == 1)
            await proxy.set("s", Fault.STALL)
            page = await exporter.until(lambda page: page("rpc_ws_connected", node="a") == 0)
    assert page("occ_target_errors_total", node="a", check="heads", reason="timeout") == 1


async def test_no_socket_and_no_task_is_left_at_the_end(tmp_path: Path) -> None:
    async with Anvil(block_time=1) as chain:
        before = asyncio.all_tasks()
        async with running(NODES, config({"a": chain.url}, sockets={"a": chain.ws_url}), tmp_path) as exporter:
            await exporter.until(lambda page: page("rpc_ws_connected", node="a") == 1)
        await asyncio.sleep(0)
        assert {task for task in asyncio.all_tasks() - before if "occ" in str(task.get_coro())} == set()


# --- what nodes can do -----------------------------------------------------------------------------------------------


async def test_what_a_node_can_do_is_tried(tmp_path: Path) -> None:
    async with Anvil() as chain:
        await chain.mine(200)
        text = config({"a": chain.url}, more=", expect: [archive, multicall]")
        async with running(NODES, text, tmp_path) as exporter:
            page = await exporter.until(lambda page: page("rpc_capability", node="a", capability="archive") is not None)
    able = {
        name: page("rpc_capability", node="a", capability=name) for name in ("trace", "debug", "logs", "batch", "proof")
    }
    assert able == dict.fromkeys(able, 1)
    assert page("rpc_capability", node="a", capability="archive") == 1
    assert page("rpc_capability", node="a", capability="multicall") == 0  # nobody has put it there
    assert page("rpc_archive_depth_blocks", node="a") == 200
    assert page("rpc_logs_max_range_blocks", node="a") == 201
    assert page("rpc_capability_expected", node="a", capability="multicall") == 1
    assert page("rpc_capability_expected", node="a", capability="trace") is None


# --- odd but right ---------------------------------------------------------------------------------------------------


async def test_a_chain_without_a_gas_limit_worth_the_name_is_read_as_any_other(tmp_path: Path) -> None:
    async with Anvil() as chain:
        await chain.rpc("evm_setBlockGasLimit", "0xffffffffffffffff")
        await chain.mine(1)
        block = await chain.rpc("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - as the API has it
        assert block["gasLimit"] == "0xffffffffffffffff"
        page = parsed(await once(NODES, config({"alpha": chain.url}), tmp_path))
    assert page("occ_target_up", node="alpha", check="evm") == 1
    assert page("rpc_gas_used_ratio", node="alpha") == pytest.approx(0, abs=1e-9)
    assert page("chain_nodes_healthy", chain="local") == 1


async def test_a_lone_node_whose_chain_stands_still_lags_and_is_no_less_fit(tmp_path: Path) -> None:
    async with Anvil() as chain:
        await chain.mine(1)
        async with running(NODES, config({"alpha": chain.url}), tmp_path) as exporter:
            page = await exporter.until(lambda page: (page("rpc_block_lag_blocks", node="alpha") or 0) > 6)
    assert page("chain_nodes_healthy", chain="local") == 1
    assert (page("rpc_block_lag_seconds", node="alpha") or 0) > 6
