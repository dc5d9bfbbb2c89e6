"""Logs of the newest blocks, asked for by the hash of their block together with the state: on a real chain."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.evm import Block, Endpoint, View
from adapters.evm import Chain as Nodes
from adapters.evm.node import Node
from demo.market import MULTICALL3
from exporters.pools.__main__ import POOLS
from exporters.pools.logs import FEWEST, FOLLOWED, NEAR, Logs
from occ import config
from occ.config import Secret
from occ.errors import SourceError
from occ.exporter import Plan
from occ.job import Target
from occ.jsonrpc import Client
from occ.ledger import Standing
from occ.process import new_page
from tests.adapters.evm.provider import Provider, Question, logs_twice, provider, refused
from tests.exporters.pools.desk import Desk, desk
from tests.exporters.pools.test_events import CONFIRMATIONS, counted, counting, happening, page, recount, same
from tests.exporters.pools.test_hostile import crowd
from tests.exporters.support import running

Rule = Callable[[Question], Any]


class Stepper:
    """The exporter's jobs, each read once at a time and in turn, as a new head makes the poller do."""

    def __init__(self, at: Desk, node: Provider, plan: Plan) -> None:
        self.at, self.node, self._plan = at, node, plan

    async def step(self) -> tuple[Standing, list[list[Question]]]:
        """Where counting stands afterwards, and the requests that it took."""
        before, found = len(self.node.requests), dict[Target, Any]()
        for job in self._plan.jobs:
            async for outcomes in job.results(job.targets):
                found |= outcomes
        failed = [each for each in found.values() if isinstance(each, SourceError)]
        assert not failed, failed
        (standing,) = [each for each in found.values() if isinstance(each, Standing)]
        return standing, self.node.requests[before:]

    async def happen(self, blocks: int, chance: random.Random) -> None:
        for _ in range(blocks):
            await self.at.market.chain.send(*(happening(self.at, chance) for _ in range(4)))


@asynccontextmanager
async def stepper(
    folder: Path, rule: Rule = lambda _: None, confirmations: int = CONFIRMATIONS, **parts: Any
) -> AsyncIterator[Stepper]:
    async with desk() as at, provider(at.anvil.url, rule, **parts) as node:
        path = folder / "pools.yml"
        wanted = f"confirmations: {CONFIRMATIONS}"
        path.write_text(counting(at, node.url).replace(wanted, f"confirmations: {confirmations}"))
        loaded = config.load(path, POOLS.model)
        async with POOLS.build(loaded.config, new_page("pools", loaded.digest, POOLS.families)) as plan:
            yield Stepper(at, node, plan)


def methods(requests: list[list[Question]]) -> list[list[str]]:
    return [[question["method"] for question in request] for request in requests]


async def told_right(stepper: Stepper, folder: Path) -> bool:
    """Whether the totals on disk are those of a recount."""
    _, wanted = await recount(stepper.at)
    return same(counted(await page(stepper.at, folder)), wanted)


async def settled(stepper: Stepper, chance: random.Random) -> None:
    """Every block that is needed is known."""
    await stepper.happen(1, chance)
    await stepper.step()
    await stepper.happen(1, chance)
    await stepper.step()


async def test_a_block_costs_a_look_and_one_batch_its_events_included(tmp_path: Path) -> None:
    chance = random.Random(1)
    async with stepper(tmp_path) as each:
        await settled(each, chance)
        for _ in range(2 * CONFIRMATIONS):
            await each.happen(1, chance)
            standing, requests = await each.step()
            assert methods(requests) == [
                ["eth_getBlockByNumber"],
                ["eth_call", "eth_getBlockByNumber", "eth_getLogs"],
            ]
            assert standing.cursor == standing.head - CONFIRMATIONS == await each.at.anvil.height() - CONFIRMATIONS
        assert sum((standing.unconfirmed or {}).values()) > 0
        assert await told_right(each, tmp_path)


@pytest.mark.parametrize("blocks", [2, 3, NEAR])
async def test_blocks_that_came_together_cost_two_batches_more(tmp_path: Path, blocks: int) -> None:
    chance = random.Random(2)
    async with stepper(tmp_path) as each:
        await settled(each, chance)
        await each.happen(blocks, chance)
        _, requests = await each.step()
        assert len(requests) == 4
        await each.happen(1, chance)
        _, requests = await each.step()
        assert len(requests) == 2
        assert await told_right(each, tmp_path)


@pytest.mark.parametrize("depth", [1, 2, CONFIRMATIONS])
async def test_what_a_reorganisation_takes_back_was_never_counted(tmp_path: Path, depth: int) -> None:
    chance = random.Random(3)
    async with stepper(tmp_path) as each:
        await settled(each, chance)
        await each.happen(CONFIRMATIONS, chance)
        before, _ = await each.step()
        await each.at.anvil.rpc("anvil_reorg", depth, [])
        after, _ = await each.step()
        assert sum((after.unconfirmed or {}).values()) < sum((before.unconfirmed or {}).values())
        await each.happen(1, chance)
        _, requests = await each.step()
        assert len(requests) == 2
        await each.at.anvil.mine(CONFIRMATIONS)
        assert await told_right(each, tmp_path)


def by_hash(question: Question) -> bool:
    return question["method"] == "eth_getLogs" and "blockHash" in question["params"][0]


def elsewhere(question: Question) -> Any:
    """A log of another block than was asked for."""
    (wanted,) = question["params"]
    log = {
        "address": wanted["address"][0],
        "topics": [wanted["topics"][0][0]],
        "data": "0x",
        "blockNumber": "0x1",
        "blockHash": "0x" + "12" * 32,
    }
    return {"result": [log]}


@pytest.mark.parametrize(
    "answer", [lambda _: refused(), lambda _: {"result": None}, lambda _: {"result": [7]}, elsewhere]
)
async def test_where_a_node_gives_no_logs_by_hash_ranges_are_read(tmp_path: Path, answer: Rule) -> None:
    chance = random.Random(4)
    async with stepper(tmp_path, lambda asked: answer(asked) if by_hash(asked) else None) as each:
        for _ in range(CONFIRMATIONS + 2):
            await each.happen(1, chance)
            standing, _ = await each.step()
            assert standing.cursor == standing.head - CONFIRMATIONS
        assert standing.unconfirmed is not None
        assert await told_right(each, tmp_path)


def too_many(asked: Question) -> Any:
    """A node that looks through no more than so many contracts at once."""
    many = asked["method"] == "eth_getLogs" and len(asked["params"][0]["address"]) > FEWEST
    return refused(-32602, "too many addresses") if many else None


async def test_a_log_that_is_told_twice_counts_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with stepper(tmp_path, after=logs_twice) as each:
        for _ in range(2 * CONFIRMATIONS):
            await each.happen(1, chance)
            await each.step()
        assert await told_right(each, tmp_path)


async def test_logs_that_are_said_to_be_gone_are_not_taken_for_none(tmp_path: Path) -> None:
    gone = True

    def removed(asked: Question, told: dict[str, Any]) -> dict[str, Any]:
        logs = told["result"] if asked["method"] == "eth_getLogs" else ()
        return {"result": [{**each, "removed": gone} for each in logs]} if logs else told

    async with desk() as at, provider(at.anvil.url, after=removed) as node:
        chance = random.Random(8)
        for _ in range(CONFIRMATIONS + 2):
            await at.market.chain.send(*(happening(at, chance) for _ in range(4)))
        async with running(POOLS, counting(at, node.url), tmp_path) as exporter:
            lost = {"check": "events", "reason": "reorg"}
            seen = await exporter.until(lambda seen: (seen("occ_target_errors_total", **lost) or 0) > 0)
            assert seen("occ_target_up", check="events") == 0
            assert seen("pool_swaps_total", pool="weth-usdc") == 0
            assert seen("pool_swaps_unconfirmed", pool="weth-usdc") is None
            gone = False
            last, wanted = await recount(at)
            seen = await exporter.until(lambda seen: seen("pool_log_cursor_block", chain="local") == last)
            assert same(counted(seen), wanted)


async def test_a_node_that_refuses_so_many_pools_at_once_is_asked_for_fewer(tmp_path: Path) -> None:
    async with crowd() as (at, written), provider(at.anvil.url, too_many) as node:
        counts = f"    confirmations: {CONFIRMATIONS}\n    start_block: 0\n    rpc:"
        text = written.replace(at.anvil.url, node.url).replace("    rpc:", counts)
        await at.market.chain.send(at.market.v2_swap(10**15, at.weth, at.usdc))
        await at.anvil.mine(CONFIRMATIONS)
        async with running(POOLS, text, tmp_path) as exporter:
            await exporter.until(lambda seen: seen("pool_swaps_total", pool="weth-usdc-v2") == 1)
            await at.market.chain.send(at.market.v2_swap(10**15, at.weth, at.usdc))
            await at.anvil.mine(CONFIRMATIONS)
            await exporter.until(lambda seen: seen("pool_swaps_total", pool="weth-usdc-v2") == 2)
            height = await at.anvil.height()
            await exporter.until(lambda seen: seen("pool_log_cursor_block") == height - CONFIRMATIONS)


async def test_more_confirmations_than_are_followed_are_read_by_ranges(tmp_path: Path) -> None:
    chance = random.Random(5)
    async with stepper(tmp_path, confirmations=FOLLOWED) as each:
        await each.happen(3, chance)
        await each.at.anvil.mine(FOLLOWED)
        await each.happen(2, chance)
        standing, requests = await each.step()
        assert standing.cursor == standing.head - FOLLOWED
        assert sum((standing.unconfirmed or {}).values()) > 0
        assert len([question for request in requests for question in request if by_hash(question)]) <= NEAR + 1


async def test_a_chain_that_is_read_again_at_its_block_is_not_asked_for_its_logs_again(tmp_path: Path) -> None:
    chance = random.Random(6)
    async with stepper(tmp_path) as each:
        await settled(each, chance)
        _, requests = await each.step()
        assert "eth_getLogs" not in [method for asked in methods(requests) for method in asked]


async def test_blocks_are_remembered_as_far_down_as_they_are_needed_and_no_further() -> None:
    """Nobody is asked: the blocks are told as a node would."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, Secret("http://127.0.0.1:1"))
        logs = Logs(Nodes([Endpoint("own", client)], MULTICALL3), [], CONFIRMATIONS, 1.0)
        hashes = [f"0x{number:064x}" for number in range(10 * NEAR)]
        views = [
            View(Node("own", client, MULTICALL3), Block(number, own, parent, number))
            for number, (parent, own) in enumerate(itertools.pairwise(hashes))
        ]
        for view in views:
            logs.keep(view, [[]])
        assert logs.since(views[-NEAR].block, views[-1].block) == []
        assert logs.since(views[-3 * NEAR].block, views[-1].block) is None
