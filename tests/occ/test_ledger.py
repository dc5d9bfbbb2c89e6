"""The ledger: each event once, whatever reorganises, is refused, ends or fails."""

# ruff: noqa: ASYNC240 - the files of a test are small and near

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import math
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from demo.chain import Anvil
from demo.parts import ROOT
from occ.errors import CatalogueError, RateLimitError, Reason, SourceError
from occ.ledger import BlockRefusedError, DeepReorgError, LedgerError, Logged, Stream, opened
from occ.ledger.store import REMEMBERED
from occ.ledger.stream import MAX_RANGE, series
from occ.metrics import Catalogue, Family, Kind
from occ.page import Event, Page
from tests.occ.ledger_anvil import Contract
from tests.occ.ledger_chain import (
    CHAIN,
    DEEP,
    DEEP_REORG,
    FAMILIES,
    POOLS,
    SWAPS,
    VOLUME,
    Chain,
    Node,
    caught_up,
    copied,
    counting,
    deep_reorgs,
    random_events,
    recount,
    shown,
    stored,
    swap,
    totals,
    watch,
)
from tests.occ.ledger_history import AnyHistory

CONFIRMATIONS = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pools.db"


def busy_chain(blocks: int = 30, seed: int = 1) -> Chain:
    """A swap or two in most blocks."""
    chance, chain = random.Random(seed), Chain()
    for _ in range(blocks):
        chain.mine(1, random_events(chance, chance.randrange(3)))
    return chain


def confirmed(chain: Chain) -> dict[Any, Fraction]:
    return chain.recount(0, chain.head - CONFIRMATIONS)


# --- what is counted -------------------------------------------------------------------------------------------------


async def test_a_block_counts_once_enough_blocks_stand_on_it_and_shows_as_unconfirmed_before(path: Path) -> None:
    chain = Chain()
    with counting(path) as (ledger, stream):
        await stream.advance(Node(chain))
        chain.mine(1, swap())
        for _ in range(CONFIRMATIONS):
            standing = await stream.advance(Node(chain))
            assert (standing.pending(SWAPS, POOLS[0]), totals(stream)) == (1, {})
            chain.mine()
        standing = await stream.advance(Node(chain))
        assert (standing.pending(SWAPS, POOLS[0]), shown(ledger)[SWAPS.name, "weth-usdc"]) == (0, 1)
        assert (standing.head, standing.cursor, standing.behind) == (4, 1, 0)


async def test_with_no_confirmations_the_head_itself_counts(path: Path) -> None:
    chain = Chain()
    chain.mine(1, swap())
    with counting(path, confirmations=0) as (_, stream):
        standing = await stream.advance(Node(chain))
        assert (standing.cursor, standing.unconfirmed) == (1, {})
        assert totals(stream) == chain.recount(0, 1)


async def test_what_a_shallow_reorganisation_takes_out_is_not_counted_and_no_longer_shown(path: Path) -> None:
    chain = Chain(5)
    with counting(path) as (_, stream):
        chain.mine(1, swap(0))
        assert (await stream.advance(Node(chain))).pending(SWAPS, POOLS[0]) == 1
        chain.reorganise(CONFIRMATIONS, events=swap(1))
        standing = await stream.advance(Node(chain))
        assert (standing.pending(SWAPS, POOLS[0]), standing.pending(SWAPS, POOLS[1])) == (0, 1)
        chain.mine(CONFIRMATIONS)
        await stream.advance(Node(chain))
        assert totals(stream) == {series(SWAPS, POOLS[1]): 1}
        assert deep_reorgs(stream) == 0


async def test_counting_begins_at_the_configured_block(path: Path) -> None:
    chain = busy_chain(30)
    with counting(path, start_block=11) as (_, stream):
        await caught_up(stream, Node(chain))
        assert totals(stream) == chain.recount(11, chain.head - CONFIRMATIONS)


async def test_without_a_configured_block_counting_begins_after_the_first_head(path: Path) -> None:
    chain = busy_chain(30)
    with counting(path, start_block=None) as (_, stream):
        standing = await caught_up(stream, Node(chain))
        assert (totals(stream), standing.unconfirmed) == ({}, {})
    chain.mine(1, swap(2))
    chain.mine(CONFIRMATIONS)
    with counting(path, start_block=None) as (_, stream):
        await caught_up(stream, Node(chain))
        assert totals(stream) == {series(SWAPS, POOLS[2]): 1}


@pytest.mark.parametrize("start", [5, 7, 50])
async def test_a_start_near_or_above_the_head_is_not_taken_for_a_deep_reorganisation(path: Path, start: int) -> None:
    chain = Chain(8)
    with counting(path, start_block=start) as (_, stream):
        await stream.advance(Node(chain))
        chain.reorganise(CONFIRMATIONS, events=swap())
        for _ in range(60):
            chain.mine(1, swap())
            await stream.advance(Node(chain))
        assert totals(stream) == chain.recount(start, chain.head - CONFIRMATIONS)
        assert deep_reorgs(stream) == 0


async def test_a_chain_shorter_than_the_confirmations_has_nothing_to_count_yet(path: Path) -> None:
    chain = Chain(1)
    with counting(path) as (_, stream):
        for _ in range(6):
            chain.mine(1, swap())
            await stream.advance(Node(chain))
            assert totals(stream) == confirmed(chain)


async def test_a_start_block_changed_later_is_said_to_have_no_effect(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    chain = busy_chain()
    with counting(path, start_block=5) as (_, stream):
        await caught_up(stream, Node(chain))
    with counting(path, start_block=9) as (_, stream):
        await caught_up(stream, Node(chain))
        assert totals(stream) == chain.recount(5, chain.head - CONFIRMATIONS)
    assert "ethereum: counts from block 5 already; start_block has no effect" in caplog.messages


async def test_other_confirmations_later_count_nothing_twice(path: Path) -> None:
    chain = busy_chain(20)
    for confirmations in (2, 9, 5, 0):
        with counting(path, confirmations=confirmations) as (_, stream):
            await caught_up(stream, Node(chain))
    assert stored(path) == chain.recount(0, chain.head)


async def test_after_a_restart_totals_and_cursor_are_where_they_were(path: Path) -> None:
    chain = busy_chain()
    with counting(path) as (ledger, stream):
        await caught_up(stream, Node(chain))
        before = shown(ledger)
    with counting(path) as (ledger, stream):
        assert shown(ledger) == before
        node = Node(chain)
        await stream.advance(node)
        assert node.asked == [(chain.head - CONFIRMATIONS + 1, chain.head)]
        assert totals(stream) == confirmed(chain)


async def test_streams_of_one_file_count_apart_and_are_shown_together(path: Path) -> None:
    one, other = busy_chain(20, seed=1), busy_chain(30, seed=2)
    with opened(path, FAMILIES) as ledger:
        first = ledger.stream("ethereum/a", confirmations=0, start_block=0, deep_reorgs=DEEP_REORG)
        second = ledger.stream("ethereum/b", confirmations=0, start_block=0, deep_reorgs=DEEP_REORG)
        await asyncio.gather(caught_up(first, Node(one)), caught_up(second, Node(other)))
        swaps = series(SWAPS, POOLS[0])
        assert shown(ledger)[SWAPS.name, "weth-usdc"] == totals(first)[swaps] + totals(second)[swaps]
        with pytest.raises(CatalogueError, match="two streams of one name"):
            ledger.stream("ethereum/a", confirmations=0, deep_reorgs=DEEP_REORG)


async def test_two_calls_at_once_count_once(path: Path) -> None:
    chain = busy_chain()
    with counting(path) as (_, stream):
        await asyncio.gather(*(caught_up(stream, Node(chain, most_blocks=4)) for _ in range(4)))
        assert totals(stream) == confirmed(chain)


# --- sums ------------------------------------------------------------------------------------------------------------

amounts = st.one_of(
    st.integers(0, 2**256),
    st.floats(0, 1e200, allow_subnormal=True),
    st.decimals("0.01", "1e9", places=2).map(float),
)


@settings(max_examples=40)
@given(st.lists(amounts, max_size=60), st.randoms(use_true_random=False), st.integers(1, 9))
def test_a_sum_is_exact_in_any_order_and_in_ranges_of_any_size(
    volumes: list[float], chance: random.Random, most_blocks: int
) -> None:
    async def sums(order: Sequence[float], blocks: int) -> tuple[dict[Any, Fraction], float]:
        chain = Chain()
        for volume in order:
            chain.mine(1, [Event(VOLUME, POOLS[0], volume)])
        with (
            tempfile.TemporaryDirectory() as folder,
            counting(Path(folder, "a.db"), confirmations=0) as (
                ledger,
                stream,
            ),
        ):
            await caught_up(stream, Node(chain, most_blocks=blocks))
            return totals(stream), shown(ledger).get((VOLUME.name, "weth-usdc"), 0.0)

    exact = sum(map(Fraction, volumes), Fraction(0))
    shuffled = chance.sample(volumes, len(volumes))
    for found, value in (asyncio.run(sums(volumes, most_blocks)), asyncio.run(sums(shuffled, 1000))):
        assert found.get(series(VOLUME, POOLS[0]), 0) == exact
        assert value == float(exact)


async def test_small_amounts_are_not_lost_beside_a_large_one(path: Path) -> None:
    chain = Chain()
    chain.mine(1, [Event(VOLUME, POOLS[0], 2.0**53), *(Event(VOLUME, POOLS[0], 0.1) for _ in range(1000))])
    with counting(path, confirmations=0) as (ledger, stream):
        await stream.advance(Node(chain))
        assert shown(ledger)[VOLUME.name, "weth-usdc"] == 2**53 + 100


@pytest.mark.parametrize(
    "event",
    [
        Event(VOLUME, POOLS[0], -1.0),
        Event(VOLUME, POOLS[0], math.nan),
        Event(VOLUME, POOLS[0], math.inf),
        Event(VOLUME, POOLS[0], 10**400),
        Event(VOLUME, CHAIN),
        Event(VOLUME, {**POOLS[0], "token": "WETH"}),
        Event(Family("pool_tick", Kind.GAUGE, "Tick.", ("chain", "pool")), POOLS[0]),
    ],
    ids=["negative", "nan", "infinite", "absurd", "label missing", "label too many", "no counter"],
)
async def test_what_can_not_be_counted_is_refused_and_the_cursor_stays(path: Path, event: Event) -> None:
    chain = Chain(5)
    with counting(path) as (_, stream):
        before = (await stream.advance(Node(chain))).cursor
        chain.mine(1, [event])
        chain.mine(CONFIRMATIONS)
        with pytest.raises(CatalogueError, match=f"{event.family.name}: can not count"):
            await stream.advance(Node(chain))
        assert stream.state
        assert (stream.state.cursor.number, totals(stream)) == (before, {})


# --- ranges ----------------------------------------------------------------------------------------------------------


async def test_a_refused_range_is_halved_and_the_size_that_worked_is_remembered(path: Path) -> None:
    chain = busy_chain(900)
    node = Node(chain, most_blocks=100)
    with counting(path) as (_, stream):
        await caught_up(stream, node)
        assert totals(stream) == confirmed(chain)
        sizes = [last - first + 1 for first, last in node.asked]
        assert sizes[:9] == [898, 449, 224, 112, 56, 56, 56, 56, 112]


async def test_a_reply_that_is_too_large_is_halved_too(path: Path) -> None:
    chain = busy_chain(200)
    with counting(path) as (_, stream):
        refusal = SourceError(Reason.BAD_RESPONSE, "an answer of more than 16777216 bytes")
        await caught_up(stream, Node(chain, most_logs=4, refusal=refusal))
        assert totals(stream) == confirmed(chain)


async def test_the_size_is_remembered_per_source(path: Path) -> None:
    chain = busy_chain(500)
    with counting(path) as (_, stream):
        await stream.advance(Node(chain, name="strict", most_blocks=7), ranges=1)
        ample, strict = Node(chain, name="ample"), Node(chain, name="strict")
        await stream.advance(strict, ranges=1)
        await stream.advance(ample, ranges=1)
        assert [last - first + 1 for first, last in strict.asked + ample.asked[:1]] == [7, 498 - 7 - 7]


async def test_the_size_grows_slowly_again_and_ever_more_slowly_into_a_wall(path: Path) -> None:
    chain = busy_chain(4000, seed=3)
    with counting(path) as (_, stream):
        node = Node(chain, most_blocks=32)
        await caught_up(stream, node)
        refused = [last - first + 1 > 32 for first, last in node.asked]
        assert totals(stream) == confirmed(chain)
        assert sum(refused) < 15
        node.most_blocks, freed = 10**9, len(node.asked)
        chain.mine(40_000)
        await caught_up(stream, node)
        assert max(last - first + 1 for first, last in node.asked[freed:]) == MAX_RANGE


async def test_a_single_block_that_is_refused_is_named_and_not_skipped(path: Path) -> None:
    chain = busy_chain(60)
    node = Node(chain, refused={37})
    with counting(path) as (_, stream):
        for _ in range(3):
            with pytest.raises(BlockRefusedError, match=r"the logs of block 37 alone are refused: JSON-RPC") as caught:
                await stream.advance(node, ranges=100)
            assert (caught.value.reason, caught.value.number) == (Reason.RPC_ERROR, 37)
            assert stream.state
            assert stream.state.cursor.number == 36
            assert totals(stream) == chain.recount(0, 36)
        node.refused.clear()
        await caught_up(stream, node)
        assert totals(stream) == confirmed(chain)


@pytest.mark.parametrize(
    "error",
    [
        RateLimitError("HTTP 429", 7.0),
        SourceError(Reason.TIMEOUT, "late"),
        SourceError(Reason.SERVER_ERROR, "HTTP 503"),
    ],
    ids=lambda error: str(error.reason),
)
async def test_a_source_that_is_overtaxed_is_asked_no_more_now_and_for_less_next_time(
    path: Path, error: SourceError
) -> None:
    chain = busy_chain(80)
    node = Node(chain, most_blocks=30, refusal=error)
    with counting(path) as (_, stream):
        for expected in ([78], [78, 39], [78, 39, 19]):
            with contextlib.suppress(SourceError):
                await stream.advance(node, ranges=1)
            assert [last - first + 1 for first, last in node.asked] == expected
        assert totals(stream) == chain.recount(0, 18)


@pytest.mark.parametrize("reason", [Reason.CONNECT, Reason.DNS, Reason.AUTH, Reason.TLS, Reason.NOT_SUPPORTED])
async def test_a_source_that_is_not_there_is_asked_once(path: Path, reason: Reason) -> None:
    node = Node(busy_chain(80), most_blocks=0, refusal=SourceError(reason, "not there"))
    with counting(path) as (_, stream):
        with pytest.raises(SourceError, match="not there"):
            await stream.advance(node)
        assert len(node.asked) == 1


async def test_a_deadline_in_the_middle_of_a_read_makes_the_next_one_smaller(path: Path) -> None:
    chain = busy_chain(80)

    class Slow(Node):
        async def logs(self, first: int, last: int) -> Sequence[Logged]:
            found = await super().logs(first, last)
            if last - first >= 30:
                reading.set()
                await asyncio.Event().wait()
            return found

    reading, node = asyncio.Event(), Slow(chain)
    with counting(path) as (_, stream):
        for _ in range(2):
            call = asyncio.create_task(stream.advance(node))
            await reading.wait()
            reading.clear()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        await caught_up(stream, node)
        assert [last - first + 1 for first, last in node.asked[:3]] == [78, 39, 19]
        assert totals(stream) == confirmed(chain)


async def test_catching_up_takes_as_many_ranges_as_asked_and_meanwhile_nothing_is_said_of_the_unconfirmed(
    path: Path,
) -> None:
    chain = busy_chain(30)
    with counting(path) as (_, stream):
        await stream.advance(Node(chain, most_blocks=8), ranges=1)
        standing = await stream.advance(Node(chain, most_blocks=8), ranges=1)
        assert (standing.cursor, standing.behind, standing.unconfirmed) == (13, 14, None)
        assert standing.pending(SWAPS, POOLS[0]) is None


# --- while it is read, the chain goes on -----------------------------------------------------------------------------


def calls_of_one_advance(chain: Chain) -> int:
    """How many questions an advance has that counts a range and looks at the rest."""
    node = Node(chain)
    with tempfile.TemporaryDirectory() as folder, counting(Path(folder, "a.db")) as (_, stream):
        asyncio.run(stream.advance(node))
    return node.calls


@pytest.mark.parametrize("call", range(1, calls_of_one_advance(busy_chain()) + 1))
@pytest.mark.parametrize("depth", [CONFIRMATIONS, 12])
async def test_a_reorganisation_between_any_two_questions_mixes_no_branches(path: Path, call: int, depth: int) -> None:
    """It is deep only where what it takes out is on disk already."""
    chain = busy_chain()

    def reorganise(number: int) -> None:
        if number == call:
            chain.reorganise(depth, events=swap(2, 1.5))

    with counting(path):
        watch(path)
    with counting(path) as (_, stream):
        try:
            standing = await stream.advance(Node(chain, before=reorganise))
        except DeepReorgError:
            standing = await caught_up(stream, Node(chain))
        tail = chain.recount(standing.cursor + 1, chain.head)
        assert standing.unconfirmed == {key: float(amount) for key, amount in tail.items()}
        assert (totals(stream), deep_reorgs(stream)) == recount(path, chain, 0)
        assert deep_reorgs(stream) == (depth > CONFIRMATIONS and call > 4)
        if not deep_reorgs(stream):
            assert totals(stream) == confirmed(chain)


class Liar(Node):
    """Answers what is given in `lie` in the place of logs."""

    lie: Callable[[Sequence[Logged]], Sequence[Logged]]

    async def logs(self, first: int, last: int) -> Sequence[Logged]:
        return self.lie(await super().logs(first, last))


async def test_logs_of_blocks_that_were_not_asked_are_refused(path: Path) -> None:
    node = Liar(busy_chain())
    node.lie = lambda logs: [*logs, Logged(1000, "0x1000", *swap())]
    with counting(path) as (_, stream):
        with pytest.raises(SourceError, match="logs of block 1000, asked were 0 to 27") as caught:
            await stream.advance(node)
        assert caught.value.reason == Reason.BAD_RESPONSE
        assert totals(stream) == {}


@pytest.mark.parametrize("block", [27, 12])
async def test_logs_of_another_branch_are_thrown_away(path: Path, block: int) -> None:
    node = Liar(busy_chain())
    node.lie = lambda logs: [*logs, Logged(block, "0xa", *swap()), Logged(block, "0xb", *swap())]
    with counting(path) as (_, stream):
        with pytest.raises(SourceError, match="changes faster than it can be read") as caught:
            await stream.advance(node)
        assert caught.value.reason == Reason.REORG
        assert (totals(stream), deep_reorgs(stream)) == ({}, 0)


async def test_what_two_nodes_have_said_of_one_range_is_thrown_away(path: Path) -> None:
    chain = busy_chain()
    node = Node(chain)

    def fail_over(call: int) -> None:
        node.name = "spare" if call >= 4 else "own-geth"

    node.before = fail_over
    with counting(path) as (_, stream):
        await stream.advance(node)
        assert node.asked[:2] == [(0, 27), (0, 27)]
        assert totals(stream) == confirmed(chain)


@pytest.mark.parametrize("head", [-1, 2**70])
async def test_a_head_that_is_no_block_number_is_refused(path: Path, head: int) -> None:
    class Absurd(Node):
        async def head(self) -> int:
            return head

    with counting(path) as (_, stream):
        with pytest.raises(SourceError, match="a head that is no block number"):
            await stream.advance(Absurd(Chain(9)))
        assert stream.state is None


async def test_a_node_behind_the_confirmations_is_waited_for(path: Path) -> None:
    chain = busy_chain(30)
    with counting(path) as (_, stream):
        await caught_up(stream, Node(chain))
        standing = await stream.advance(Node(chain, lag=CONFIRMATIONS))
        assert (standing.head, standing.cursor, standing.unconfirmed) == (27, 27, {})


async def test_a_head_below_what_is_counted_is_named_and_changes_nothing(path: Path) -> None:
    chain = busy_chain(30)
    with counting(path) as (_, stream):
        await caught_up(stream, Node(chain))
        before = stream.state
        with pytest.raises(SourceError, match="ethereum: the head 20 is below block 27, which is counted") as caught:
            await stream.advance(Node(chain, lag=10))
        assert (caught.value.reason, stream.state) == (Reason.BAD_RESPONSE, before)
        chain.mine(5, swap())
        await caught_up(stream, Node(chain))
        assert totals(stream) == confirmed(chain)


# --- deeper than that ------------------------------------------------------------------------------------------------


async def one_by_one(stream: Stream, chain: Chain, blocks: int, pool: int = 0) -> None:
    for _ in range(blocks):
        chain.mine(1, swap(pool))
        await stream.advance(Node(chain))


async def test_a_deep_reorganisation_is_named_counted_and_gone_on_from(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain = Chain()
    with counting(path) as (ledger, stream):
        await one_by_one(stream, chain, 40)
        chain.reorganise(13, blocks=14, events=swap(1))
        chain.mine(CONFIRMATIONS, swap(2))
        said = "ethereum: blocks 28 to 37 were counted and are no longer part of the chain; counting goes on from 28"
        with pytest.raises(DeepReorgError, match=said) as caught:
            await stream.advance(Node(chain))
        assert (caught.value.reason, caught.value.cursor, caught.value.fork) == (Reason.REORG, 37, 27)
        assert [record.levelname for record in caplog.records if said in record.message] == ["ERROR"]
        assert shown(ledger)[DEEP.name, "ethereum"] == 1
        await caught_up(stream, Node(chain))
        assert totals(stream) == {series(SWAPS, POOLS[0]): 37, series(SWAPS, POOLS[1]): 1}
    with counting(path) as (ledger, _):
        assert shown(ledger)[DEEP.name, "ethereum"] == 1


async def test_what_is_on_both_branches_counts_on_both_and_counters_never_go_down(path: Path) -> None:
    chain = Chain()
    with counting(path) as (ledger, stream):
        await one_by_one(stream, chain, 20)
        seen, errors = [shown(ledger)[SWAPS.name, "weth-usdc"]], list[SourceError]()
        chain.reorganise(10, blocks=0)
        for _ in range(12):
            chain.mine(1, swap())
            try:
                await stream.advance(Node(chain))
            except SourceError as error:
                errors.append(error)
            seen.append(shown(ledger)[SWAPS.name, "weth-usdc"])
        assert [type(error) for error in errors] == [DeepReorgError]
        assert seen == sorted(seen)
        assert seen[-1] == 17 + len(range(11, chain.head - CONFIRMATIONS + 1))


async def test_after_one_wide_range_nothing_below_the_fork_counts_twice(path: Path) -> None:
    chain = busy_chain(60)
    with counting(path) as (_, stream):
        await caught_up(stream, Node(chain))
        before, fork = totals(stream), chain.head - 20
        chain.reorganise(20, events=swap(2, 1.5))
        chain.mine(CONFIRMATIONS)
        with pytest.raises(DeepReorgError):
            await stream.advance(Node(chain))
        await caught_up(stream, Node(chain))
        after = chain.recount(fork + 1, chain.head - CONFIRMATIONS)
        assert totals(stream) == {key: before.get(key, 0) + after.get(key, 0) for key in before | after}


async def test_the_fork_is_found_to_within_a_fraction_of_its_depth(path: Path) -> None:
    """What is remembered is few hundred blocks, however long the chain."""
    chain = Chain(10)
    with counting(path, confirmations=0) as (_, stream):
        await one_by_one(stream, chain, 700)
        assert stream.state
        assert len(stream.state.marks) < REMEMBERED * 4
        remembered = stream.state
        for depth in (1, 5, REMEMBERED - 1, 100, 300, 600):
            stream._store.states["ethereum"] = remembered
            other = Chain()
            other.blocks = chain.blocks[: len(chain.blocks) - depth]
            other.known = chain.known
            other.mine(depth + 1)
            with pytest.raises(DeepReorgError) as caught:
                await stream.advance(Node(other))
            missed = chain.head - depth - caught.value.fork
            assert 0 <= missed <= max(depth / 16, 0 if depth < REMEMBERED else 1)


async def test_where_nothing_is_left_of_the_chain_the_other_one_is_counted_from_where_the_stream_began(
    path: Path,
) -> None:
    chain, other = busy_chain(30, seed=1), busy_chain(50, seed=2)
    for block in other.blocks:
        object.__setattr__(block, "hash", f"{block.hash}-other")
    with counting(path, start_block=4) as (_, stream):
        await caught_up(stream, Node(chain))
        before = totals(stream)
        with pytest.raises(DeepReorgError, match="blocks 4 to 27 were counted"):
            await stream.advance(Node(other))
        await caught_up(stream, Node(other))
        again = other.recount(4, other.head - CONFIRMATIONS)
        assert totals(stream) == {key: before.get(key, 0) + again.get(key, 0) for key in before | again}


async def test_on_another_chain_too_the_cursor_stands_where_it_is_confirmed(path: Path) -> None:
    chain, other = Chain(30), Chain()
    other.mine(21)
    for block in other.blocks:
        object.__setattr__(block, "hash", f"{block.hash}-other")
    with counting(path, start_block=21) as (_, stream):
        await stream.advance(Node(chain))
        with pytest.raises(DeepReorgError) as caught:
            await stream.advance(Node(other))
        assert caught.value.fork == 21 - CONFIRMATIONS


async def test_a_shorter_chain_is_a_deep_reorganisation_once_it_can_be_seen(path: Path) -> None:
    chain = Chain()
    with counting(path) as (_, stream):
        await one_by_one(stream, chain, 40)
        chain.reorganise(20, blocks=3)
        with pytest.raises(DeepReorgError) as caught:
            await stream.advance(Node(chain))
        assert caught.value.fork == 20
        assert (await caught_up(stream, Node(chain))).cursor == 20
        await one_by_one(stream, chain, 10)
        assert totals(stream) == {series(SWAPS, POOLS[0]): 37 + 10 - CONFIRMATIONS}


async def test_a_node_that_says_now_this_and_now_that_moves_nothing(path: Path) -> None:
    chain = busy_chain(30)
    with counting(path) as (_, stream):
        await caught_up(stream, Node(chain))
        before, node = stream.state, Node(chain)

        async def block_hash(number: int) -> str:
            node.calls += 1
            return chain.blocks[number].hash if node.calls % 2 else "0xother"

        node.block_hash = block_hash  # type: ignore[method-assign]
        with pytest.raises(SourceError):
            await stream.advance(node)
        assert stream.state == before


# --- the file --------------------------------------------------------------------------------------------------------


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(20_000))


def text(path: Path) -> None:
    path.write_text("state: pools.db\n")


def cut_in_the_middle(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 17)


def cut_to_a_page(path: Path) -> None:
    os.truncate(path, 4096)


def emptied_but_for_its_log(path: Path) -> None:
    os.truncate(path, 0)
    path.with_name(path.name + "-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(8000))


def overwritten_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("kept")


def changed(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as sql:
            sql.executescript(statement)

    return change


DAMAGE: dict[str, Callable[[Path], None]] = {
    **{each.__name__: each for each in (garbage, text, cut_in_the_middle, cut_to_a_page)},
    **{each.__name__: each for each in (emptied_but_for_its_log, overwritten_pages, a_folder)},
    "another_schema": changed("PRAGMA user_version = 0"),
    "a_table_gone": changed("DROP TABLE marks"),
    "a_column_gone": changed("ALTER TABLE totals RENAME COLUMN amount TO sum"),
    "a_total_that_is_none": changed("UPDATE totals SET amount = 'many'"),
    "a_negative_total": changed("UPDATE totals SET amount = '-1'"),
    "labels_that_are_none": changed("UPDATE totals SET labels = substr(labels, 2)"),
    "no_cursor": changed("DELETE FROM marks"),
    "blocks_out_of_order": changed("UPDATE marks SET number = 9 - seq"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_a_damaged_file_is_moved_aside_and_everything_counted_anew(
    path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    chain = busy_chain()
    with counting(path, start_block=4) as (_, stream):
        await caught_up(stream, Node(chain, most_blocks=6))
    damage(path)
    with counting(path, start_block=4) as (_, stream):
        assert stream.state is None
        await caught_up(stream, Node(chain))
        assert totals(stream) == chain.recount(4, chain.head - CONFIRMATIONS)
    aside = sorted(path.parent.glob("pools.db.corrupt-????????T??????Z"))
    assert len(aside) == 1
    said = [record for record in caplog.records if aside[0].name in record.message]
    assert [(record.levelname, len(record.message.splitlines())) for record in said] == [("ERROR", 1)]
    assert stored(path) == chain.recount(4, chain.head - CONFIRMATIONS)


async def test_a_log_whose_file_is_gone_is_moved_aside(path: Path) -> None:
    await _counted_and_killed(path, busy_chain())
    path.unlink()
    with counting(path) as (_, stream):
        assert stream.state is None
    assert len(list(path.parent.glob("pools.db.corrupt-*Z-wal"))) == 1


async def test_files_moved_aside_in_the_same_second_are_all_kept(path: Path) -> None:
    for number in range(3):
        path.write_text(f"garbage {number}")
        with counting(path):
            pass
    aside = path.parent.glob("pools.db.corrupt-*")
    assert sorted(each.read_text() for each in aside) == ["garbage 0", "garbage 1", "garbage 2"]


async def test_a_log_cut_short_costs_its_last_transactions_whole_and_they_are_counted_again(path: Path) -> None:
    chain = busy_chain()
    await _counted_and_killed(path, chain)
    wal = path.with_name(path.name + "-wal")
    os.truncate(wal, wal.stat().st_size * 2 // 3)
    with counting(path) as (_, stream):
        assert stream.state
        assert stream.state.cursor.number < chain.head - CONFIRMATIONS
        assert totals(stream) == chain.recount(0, stream.state.cursor.number)
        await caught_up(stream, Node(chain))
        assert totals(stream) == confirmed(chain)


async def _counted_and_killed(path: Path, chain: Chain) -> None:
    """The file as it is found when its process was killed."""
    with counting(path.with_name("alive.db")) as (_, stream):
        await caught_up(stream, Node(chain, most_blocks=3))
        copied(path.with_name("alive.db"), path)


async def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch()
    with counting(path) as (_, stream):
        await stream.advance(Node(Chain(9)))
    assert not list(path.parent.glob("*.corrupt-*"))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("PRAGMA user_version = 99", r"written by a newer version of occ \(schema 99, known is 1\)"),
        ("PRAGMA application_id = 7", "a database of something else"),
        ("PRAGMA application_id = 0", "a database of something else"),
    ],
)
async def test_a_file_of_a_newer_version_or_of_something_else_is_refused_and_left(
    path: Path, statement: str, message: str
) -> None:
    with counting(path) as (_, stream):
        await stream.advance(Node(Chain(9)))
    changed(statement)(path)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=message):
        counting(path).__enter__()
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == ["pools.db", "pools.db.lock"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"nowhere/pools.db: No such file or directory"):
        counting(tmp_path / "nowhere" / "pools.db").__enter__()


# --- other processes -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def child(what: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.occ.ledger_child", what, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def test_a_second_process_is_refused_until_the_first_has_ended_however(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    with child("hold", path) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        for name in (path, link):
            with pytest.raises(LedgerError, match=r"pools.db: another process counts in this file"):
                counting(name).__enter__()
        holder.kill()
    with counting(link):
        pass
    assert not list(path.parent.glob("*.corrupt-*"))


def test_another_process_is_refused_until_the_last_of_this_one_has_closed_it(path: Path) -> None:
    with child("hold", path) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    link = path.with_name("link.db")
    link.symlink_to(path)
    first, second = counting(path), counting(link)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with child("hold", path) as other:
        said, _ = other.communicate(timeout=30)
    assert (said, other.returncode) == (f"{path}: another process counts in this file\n", 1)
    second.__exit__(None, None, None)
    with child("hold", path) as other:
        said, _ = other.communicate(timeout=30)
    assert (said, other.returncode) == ("held\n", 0)


def test_a_folder_or_file_that_may_not_be_written_is_named(path: Path) -> None:
    with child("unwritable", path) as process:
        said, _ = process.communicate(timeout=120)
    assert said.splitlines() == [
        "FOLDER/new.db: Permission denied",
        "FOLDER/there.db: the file is read-only",
        "there.db there.db.lock",
    ]


def test_where_no_file_may_grow_nothing_is_counted_and_counting_goes_on_when_they_may(path: Path) -> None:
    with child("cramped", path) as process:
        said, _ = process.communicate(timeout=120)
    assert said.splitlines() == ["internal: ledger: the disk fails to read or write"] * 2 + ["all counted"]


def test_killed_at_any_instant_totals_and_cursor_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.occ.ledger_killed", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["events"] > 1000
    assert all(killed >= 10 for killed in report["killed"].values())
    assert all(counted >= 5 for counted in report["counted"].values())


# --- the disk --------------------------------------------------------------------------------------------------------


class Disk(sqlite3.Connection):
    """A connection that can be made to fail, for real, or to take its time."""

    before: Callable[[sqlite3.Connection, str], None] = staticmethod(lambda _sql, _statement: None)

    def execute(self, statement: str, *rest: Any) -> sqlite3.Cursor:
        Disk.before(self, statement)
        return super().execute(statement, *rest)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[sqlite3.Connection, str], None]], None]:
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Disk))
    monkeypatch.setattr(Disk, "before", staticmethod(lambda _sql, _statement: None))
    return lambda before: monkeypatch.setattr(Disk, "before", staticmethod(before))


def told(pragma: str) -> Callable[[sqlite3.Connection, str], None]:
    """Before each transaction."""

    def before(sql: sqlite3.Connection, statement: str) -> None:
        if statement == "BEGIN IMMEDIATE":
            sqlite3.Connection.execute(sql, f"PRAGMA {pragma}")

    return before


@pytest.mark.parametrize(
    ("broken", "whole", "message"),
    [
        ("max_page_count = 1", "max_page_count = 1000000", "ledger: the disk is full"),
        ("query_only = ON", "query_only = OFF", "ledger: the file is read-only"),
    ],
)
async def test_what_the_disk_refuses_is_not_counted_in_memory_either(
    path: Path, disk: Any, broken: str, whole: str, message: str
) -> None:
    chain = Chain(9)
    with counting(path) as (ledger, stream):
        await stream.advance(Node(chain))
        before = shown(ledger)
        labels = [{**CHAIN, "pool": f"pool-{number:04}"} for number in range(500)]
        chain.mine(1, [Event(SWAPS, each) for each in labels])
        chain.mine(CONFIRMATIONS)
        disk(told(broken))
        for _ in range(2):
            with pytest.raises(SourceError, match=message) as caught:
                await stream.advance(Node(chain))
            assert caught.value.reason == Reason.INTERNAL
            assert shown(ledger) == before
        disk(told(whole))
        await stream.advance(Node(chain))
        assert totals(stream) == confirmed(chain)


async def test_a_file_removed_under_a_running_process_is_named(path: Path) -> None:
    chain = Chain(9)
    with counting(path) as (_, stream):
        await stream.advance(Node(chain))
        kept = path.rename(path.with_name("elsewhere.db"))
        chain.mine(1, swap())
        with pytest.raises(SourceError, match="ledger: the file was removed or replaced"):
            await stream.advance(Node(chain))
        kept.rename(path)
        await stream.advance(Node(chain))


async def test_a_slow_disk_does_not_hold_up_the_loop_and_a_call_given_up_meanwhile_counts_once(
    path: Path, disk: Any
) -> None:
    chain, slow, writing = busy_chain(), threading.Event(), threading.Event()

    def before(_: sqlite3.Connection, statement: str) -> None:
        if statement == "COMMIT":
            writing.set()
            assert slow.wait(60)

    with counting(path) as (_, stream):
        await caught_up(stream, Node(chain))
        chain.mine(5, swap())
        disk(before)
        call = asyncio.create_task(stream.advance(Node(chain)))
        assert await asyncio.to_thread(writing.wait, 60)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        again = asyncio.create_task(caught_up(stream, Node(chain)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not again.done()
        slow.set()
        await again
        assert totals(stream) == confirmed(chain)


# --- opened again before it is closed, as at a reload -----------------------------------------------------------------


async def test_both_see_the_totals_and_the_cursor_of_the_file_whoever_moves_them(path: Path) -> None:
    chain = busy_chain()
    with counting(path) as (old_ledger, old):
        await caught_up(old, Node(chain))
        with counting(path) as (new_ledger, new):
            assert shown(new_ledger) == shown(old_ledger)
            chain.mine(5, swap())
            node = Node(chain)
            await caught_up(new, node)
            assert node.asked[0][0] == chain.head - CONFIRMATIONS - 4
            assert shown(old_ledger) == shown(new_ledger)
            assert old.state is new.state
        chain.mine(5, swap())
        await caught_up(old, Node(chain))
        assert totals(old) == confirmed(chain)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=8),
    st.integers(0, 1000),
)
def test_whatever_a_reload_changes_each_event_counts_once(reloads: list[tuple[int, int, int]], seed: int) -> None:
    """Of confirmations, start block and growth of the chain at each reload; the first start block is the one that holds."""

    async def live(path: Path) -> None:
        chance, chain, first, deepest = random.Random(seed), Chain(), reloads[0][1], -1
        with contextlib.ExitStack() as running:
            for confirmations, start, blocks in reloads:
                again = counting(path, confirmations=confirmations, start_block=start)
                (ledger, stream), before = again.__enter__(), running.pop_all()
                seen = shown(ledger)
                before.close()
                running.push(again)
                for _ in range(blocks):
                    chain.mine(1, random_events(chance, chance.randrange(3)))
                standing = await caught_up(stream, Node(chain))
                deepest = max(deepest, chain.head - confirmations)
                assert totals(stream) == stored(path) == chain.recount(first, deepest)
                tail = chain.recount(max(deepest + 1, first), chain.head)
                assert standing.unconfirmed == {key: float(amount) for key, amount in tail.items()}
                assert all(shown(ledger)[key] >= value for key, value in seen.items())
                assert deep_reorgs(stream) == 0

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder, "a.db")))


async def test_what_the_old_one_has_left_to_a_slow_disk_when_it_is_ended_counts_once(path: Path, disk: Any) -> None:
    chain, slow, writing = busy_chain(), threading.Event(), threading.Event()

    def before(_: sqlite3.Connection, statement: str) -> None:
        if statement == "COMMIT":
            writing.set()
            assert slow.wait(30)

    with contextlib.ExitStack() as old_one, contextlib.ExitStack() as new_one:
        _, old = old_one.enter_context(counting(path))
        await caught_up(old, Node(chain))
        chain.mine(5, swap())
        disk(before)
        call = asyncio.create_task(old.advance(Node(chain)))
        assert await asyncio.to_thread(writing.wait, 30)
        _, new = new_one.enter_context(counting(path))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        old_one.close()
        again = asyncio.create_task(caught_up(new, Node(chain)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not again.done()
        slow.set()
        await again
        assert totals(new) == confirmed(chain)


async def test_a_file_removed_or_replaced_while_it_is_in_use_is_not_opened_again(path: Path) -> None:
    chain = busy_chain()
    with counting(path) as (_, stream):
        await caught_up(stream, Node(chain))
        kept = path.rename(path.with_name("elsewhere.db"))
        for replaced in (False, True):
            if replaced:
                path.touch()
            with pytest.raises(LedgerError, match=r"pools.db: the file was removed or replaced while it is in use"):
                counting(path).__enter__()
        kept.rename(path)
        chain.mine(5, swap())
        await caught_up(stream, Node(chain))
        assert totals(stream) == confirmed(chain)


# --- the page --------------------------------------------------------------------------------------------------------


def values(page: Page) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(page.render().decode())
    return {
        (sample.name, sample.labels.get("pool", "")): sample.value
        for family in families
        for sample in family.samples
        if family.type == "counter"
    }


async def test_counters_stand_on_the_page_from_the_start_and_go_on_after_a_restart_where_they_were(path: Path) -> None:
    chain, foreseen, last = Chain(5), [Event(SWAPS, each) for each in POOLS], dict[tuple[str, str], float]()
    chance = random.Random(5)
    for _ in range(5):
        page = Page(Catalogue(FAMILIES))
        with opened(path, FAMILIES) as ledger:
            stream = ledger.stream(
                "ethereum", confirmations=3, start_block=0, deep_reorgs=DEEP_REORG, foreseen=foreseen
            )
            page.put("ledger", ledger.columns())
            now = values(page)
            assert now == (last or {(SWAPS.name, each["pool"]): 0 for each in POOLS} | {(DEEP.name, ""): 0})
            for _ in range(20):
                chain.mine(1, random_events(chance, 2))
                await stream.advance(Node(chain))
                page.put("ledger", ledger.columns())
                last, now = now, values(page)
                assert all(now[key] >= last[key] for key in last)
            last = now
    assert last[VOLUME.name, "weth-usdc"] == float(confirmed(chain)[series(VOLUME, POOLS[0])])


async def test_the_rows_of_a_column_stay_the_same_object_until_there_is_a_new_series(path: Path) -> None:
    chain = Chain(5)
    with counting(path, confirmations=0) as (ledger, stream):
        rows = []
        for pool in (0, 0, 1):
            chain.mine(1, swap(pool))
            await stream.advance(Node(chain))
            rows.append(next(column.rows for column in ledger.columns() if column.family is SWAPS))
        assert rows[0] is rows[1]
        assert rows[2] == (POOLS[0], POOLS[1])


async def test_what_is_no_longer_configured_or_declared_is_kept_and_not_shown(path: Path) -> None:
    chain = busy_chain()
    with counting(path) as (_, stream):
        await caught_up(stream, Node(chain))
    with opened(path, (VOLUME, DEEP)) as ledger:
        ledger.stream(
            "ethereum", confirmations=3, deep_reorgs=DEEP_REORG, wanted=lambda row: row.get("pool") != "dai-usdc"
        )
        assert set(shown(ledger)) == {
            (DEEP.name, "ethereum"),
            (VOLUME.name, "weth-usdc"),
            (VOLUME.name, "wbtc-usdc"),
        }
    with opened(path, FAMILIES) as ledger:
        assert shown(ledger) == {}
    assert stored(path) == confirmed(chain)


def test_a_counter_that_was_not_declared_can_not_be_foreseen(path: Path) -> None:
    with opened(path, (SWAPS, DEEP)) as ledger:
        for event in (Event(VOLUME, POOLS[0]), Event(SWAPS, CHAIN)):
            with pytest.raises(CatalogueError, match="not a counter of this ledger, or not with these labels"):
                ledger.stream("ethereum", confirmations=3, deep_reorgs=DEEP_REORG, foreseen=[event])


async def test_labels_of_any_text_are_kept(path: Path) -> None:
    chain, labels = Chain(), {**CHAIN, "pool": '"\\\n\x00é\ud800☃'}
    chain.mine(1, [Event(SWAPS, labels)])
    with counting(path, confirmations=0) as (_, stream):
        await stream.advance(Node(chain))
    with counting(path, confirmations=0) as (ledger, _):
        assert shown(ledger)[SWAPS.name, labels["pool"]] == 1


# --- any history at all ----------------------------------------------------------------------------------------------

TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=80, stateful_step_count=40)


# --- a real chain ----------------------------------------------------------------------------------------------------


async def test_on_a_real_chain_counters_equal_a_recount_over_reorganisations_and_restarts(path: Path) -> None:
    chance = random.Random(11)
    async with Anvil() as chain:
        contract = Contract(chain)
        await contract.deploy()
        for _ in range(12):
            with counting(path) as (ledger, stream):
                for _ in range(3):
                    await contract.emit(*(chance.randrange(2**200) for _ in range(chance.randrange(4))))
                    if chance.random() < 0.5:
                        await contract.reorganise(chance.randint(1, CONFIRMATIONS), chance.randrange(2**200))
                    standing = await caught_up(stream, contract)
                    assert totals(stream).get(series(VOLUME, POOLS[0]), 0) == await contract.recount(CONFIRMATIONS)
                    assert standing.cursor == standing.head - CONFIRMATIONS
        assert shown(ledger)[VOLUME.name, "weth-usdc"] == float(await contract.recount(CONFIRMATIONS))
        assert shown(ledger)[DEEP.name, "ethereum"] == 0


async def test_on_a_real_chain_a_deep_reorganisation_is_named(path: Path) -> None:
    async with Anvil() as chain:
        contract = Contract(chain)
        await contract.deploy()
        with counting(path) as (ledger, stream):
            for amount in (1, 10, 100, 1_000, 10_000, 100_000):
                await contract.emit(amount)
                await stream.advance(contract)
            assert shown(ledger)[VOLUME.name, "weth-usdc"] == 111
            await contract.reorganise(5, 7)
            with pytest.raises(DeepReorgError, match="blocks 3 to 4 were counted and are no longer part of the chain"):
                await stream.advance(contract)
            await chain.mine(CONFIRMATIONS)
            await caught_up(stream, contract)
            assert shown(ledger)[VOLUME.name, "weth-usdc"] == 111 + 7
            assert shown(ledger)[DEEP.name, "ethereum"] == 1
