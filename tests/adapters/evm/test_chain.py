"""Reading contracts at a pinned block: of a real node, through providers with limits and faults of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from adapters.evm import Chain, Endpoint, EthCall, View
from adapters.evm.abi import account, word
from demo.chain import Anvil
from demo.evm import Chain as Local
from demo.evm import Contract, artifact, selector
from demo.market import MULTICALL3, NOWHERE, Market
from occ.config import Secret
from occ.errors import Reason, SourceError
from occ.jsonrpc import Call, Client
from tests.adapters.evm.provider import Question, provider, refused
from tests.occ.servers import wire

WITHIN = 20.0
BALANCE_OF = selector("balanceOf(address)")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    market: Market
    tokens: list[Contract]

    @property
    def url(self) -> str:
        return self.market.chain.anvil.url

    def balances(self, count: int) -> tuple[EthCall, ...]:
        """Calls that each have a reply of their own."""
        owners = [self.market.chain.owner, NOWHERE]
        return tuple(
            EthCall(self.tokens[at % len(self.tokens)].address, BALANCE_OF + account(owners[at % 2]))
            for at in range(count)
        )


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with Anvil() as anvil:
        market = await Market.opened(Local(anvil))
        yield World(market, await market.tokens(("ONE", 18), ("TWO", 6), ("SIX", 8)))


@asynccontextmanager
async def chain(*urls: str, clock: Clock | None = None) -> AsyncIterator[Chain]:
    async with aiohttp.ClientSession() as session:
        endpoints = [Endpoint(f"node-{at}", Client(session, Secret(url))) for at, url in enumerate(urls)]
        yield Chain(endpoints, MULTICALL3, clock or Clock())


async def read(of: Chain, calls: Sequence[EthCall], beside: Sequence[Call] = ()) -> list[bytes | SourceError]:
    async def look(view: View) -> list[bytes | SourceError]:
        return (await view.read(calls, beside))[0]

    return await of.read(look, WITHIN)


def kinds(question: Question) -> bool:
    return bool(question["method"] == "eth_call")


def size(question: Question) -> int:
    return len(question["params"][0]["data"]) // 2 if kinds(question) else 0


async def test_a_thousand_calls_are_two_requests() -> None:
    async with world() as at, provider(at.url) as node, chain(node.url) as ours:
        found = await read(ours, at.balances(1000))
        assert len(node.requests) == 2
        assert [word(each, 0) for each in found if isinstance(each, bytes)] == [
            2**200 if place % 2 == 0 else 0 for place in range(1000)
        ]


async def test_calldata_is_made_once_for_the_same_calls() -> None:
    async with world() as at, provider(at.url) as node, chain(node.url) as ours:
        calls = at.balances(3)
        await read(ours, calls)
        await read(ours, calls)
        first, second = (each["params"][0]["data"] for asked in node.requests for each in asked if kinds(each))
        assert first == second


async def test_a_call_that_reverts_is_its_own_outcome() -> None:
    async with world() as at, chain(at.url) as ours:
        (reverting,) = await at.market.chain.deploy((artifact("compiled", "RevertingToken"), ()))
        good, bad, nothing = await read(
            ours,
            (at.balances(1)[0], EthCall(reverting.address, BALANCE_OF + bytes(32)), EthCall(NOWHERE, b"\1\2\3\4")),
        )
        assert isinstance(good, bytes)
        assert isinstance(bad, SourceError)
        assert bad.reason is Reason.REVERTED
        assert nothing == b""


@pytest.mark.parametrize("error", [refused(-32000, "out of gas"), refused(-32602, "too large")])
async def test_chunks_are_fitted_to_what_the_provider_takes_and_that_is_remembered(error: dict[str, Any]) -> None:
    def limit(question: Question) -> Any:
        return error if size(question) > 30_000 else None

    async with world() as at, provider(at.url, limit) as node, chain(node.url) as ours:
        calls = at.balances(500)
        whole = await read(ours, calls)
        assert whole == await direct(at, calls)
        node.requests.clear()
        assert await read(ours, calls) == whole
        assert not any(limit(each) for asked in node.requests for each in asked)
        assert len(node.requests) <= 1 + 8


async def test_a_provider_that_asks_for_patience_is_not_asked_for_less_at_once() -> None:
    def limit(question: Question) -> Any:
        return refused(-32005, "rate limit") if kinds(question) else None

    async with world() as at, provider(at.url, limit) as node, chain(node.url) as ours:
        with pytest.raises(SourceError) as caught:
            await read(ours, at.balances(500))
        assert caught.value.reason is Reason.RATE_LIMITED
        assert len(node.requests) == 2


async def direct(at: World, calls: Sequence[EthCall]) -> list[bytes | SourceError]:
    async with chain(at.url) as ours:
        return await read(ours, calls)


async def test_one_call_that_spoils_every_chunk_is_found_and_asked_alone() -> None:
    spoilt = "beef" * 16

    def rule(question: Question) -> Any:
        return refused(-32000, "out of gas") if kinds(question) and spoilt in question["params"][0]["data"] else None

    async with world() as at, provider(at.url, rule) as node, chain(node.url) as ours:
        calls = at.balances(63)
        calls = (*calls[:20], EthCall(at.tokens[0].address, BALANCE_OF + bytes.fromhex(spoilt)), *calls[20:])
        found = await read(ours, calls)
        assert [place for place, each in enumerate(found) if isinstance(each, SourceError)] == [20]
        assert found[:20] + found[21:] == await direct(at, at.balances(63))
        node.requests.clear()
        assert await read(ours, calls) == found or isinstance(found[20], SourceError)
        assert len(node.requests) == 4  # the head, the healthy ones, the bad one, and whether the node is well


async def test_a_node_that_is_ill_is_not_asked_for_everything_one_by_one() -> None:
    def rule(question: Question) -> Any:
        return refused() if kinds(question) else None

    async with world() as at, provider(at.url, rule) as node, chain(node.url) as ours:
        with pytest.raises(SourceError) as caught:
            await read(ours, at.balances(100))
        assert caught.value.reason is Reason.RPC_ERROR
        assert len(node.requests) <= 4


async def test_without_multicall_it_is_a_batch_of_calls() -> None:
    async with world() as at, provider(at.url) as node, chain(node.url) as ours:
        wanted = await direct(at, at.balances(40))
        await at.market.chain.anvil.rpc("anvil_setCode", MULTICALL3, "0x")
        await at.market.chain.anvil.mine()
        assert await read(ours, at.balances(40)) == wanted
        node.requests.clear()
        assert await read(ours, at.balances(40)) == wanted
        assert [len(asked) for asked in node.requests] == [1, 41]


async def test_without_multicall_a_call_that_reverts_is_its_own_outcome() -> None:
    async with world() as at, chain(at.url) as ours:
        await at.market.chain.anvil.rpc("anvil_setCode", MULTICALL3, "0x")
        (reverting,) = await at.market.chain.deploy((artifact("compiled", "RevertingToken"), ()))
        good, bad = await read(ours, (at.balances(1)[0], EthCall(reverting.address, BALANCE_OF + bytes(32))))
        assert isinstance(good, bytes)
        assert isinstance(bad, SourceError)
        assert bad.reason is Reason.REVERTED


async def test_a_node_that_knows_blocks_by_number_alone_is_asked_so_from_then_on() -> None:
    async with world() as at, provider(at.url, by_number_alone) as node, chain(node.url) as ours:
        wanted = await direct(at, at.balances(10))
        assert await read(ours, at.balances(10)) == wanted
        node.requests.clear()
        assert await read(ours, at.balances(10)) == wanted
        assert len(node.requests) == 2


def by_number_alone(question: Question) -> Any:
    by_hash = kinds(question) and isinstance(question["params"][1], dict)
    return refused(-32602, "invalid argument 1") if by_hash else None


async def test_such_a_node_without_multicall() -> None:
    async with world() as at, provider(at.url, by_number_alone) as node, chain(node.url) as ours:
        wanted = await direct(at, at.balances(10))
        await at.market.chain.anvil.rpc("anvil_setCode", MULTICALL3, "0x")
        await at.market.chain.anvil.mine()
        assert await read(ours, at.balances(10)) == wanted
        node.requests.clear()
        assert await read(ours, at.balances(10)) == wanted
        assert len(node.requests) == 2


async def test_a_provider_that_answers_for_another_block_is_found_out() -> None:
    async with world() as at:
        old = hex(await at.market.chain.anvil.height())
        await at.market.chain.anvil.rpc("evm_increaseTime", 100)
        await at.market.chain.anvil.mine()

        def rule(question: Question) -> Any:
            if kinds(question):
                question["params"][1] = old

        async with provider(at.url, rule) as node, chain(node.url) as ours:
            with pytest.raises(SourceError, match="another block") as caught:
                await read(ours, at.balances(4))
            assert caught.value.reason is Reason.BAD_RESPONSE


async def test_what_is_beside_is_asked_along_with_the_calls() -> None:
    async with world() as at, provider(at.url) as node, chain(node.url) as ours:

        async def look(view: View) -> Any:
            return (await view.read(at.balances(1), [Call("eth_chainId")]))[1]

        assert await ours.read(look, WITHIN) == ["0x7a69"]
        assert len(node.requests) == 2


# --- several nodes, and a chain that changes under the read -----------------------------------------------------------


async def test_when_a_node_fails_in_the_middle_all_is_read_anew_from_the_next() -> None:
    async with (
        world() as at,
        provider(at.url) as first,
        provider(at.url) as second,
        chain(first.url, second.url) as ours,
    ):
        looks: list[tuple[str, int]] = []

        async def look(view: View) -> str:
            await view.read(at.balances(2))
            looks.append((view.source, view.block.number))
            if view.source == "node-0":
                first.rule = lambda _: refused(-32603, "internal")
                await at.market.chain.anvil.mine()
            await view.read(at.balances(3))
            return view.source

        assert await ours.read(look, WITHIN) == "node-1"
        assert [source for source, _ in looks] == ["node-0", "node-1"]
        assert looks[1][1] == looks[0][1] + 1  # a block of its own, from the start


async def test_a_node_that_failed_is_asked_last_for_a_while() -> None:
    clock = Clock()
    async with (
        world() as at,
        provider(at.url) as first,
        provider(at.url) as second,
        chain(first.url, second.url, clock=clock) as ours,
    ):
        first.rule = lambda _: refused(-32603)
        assert (await ours.head(WITHIN)).source == "node-1"
        first.rule = lambda _: None
        assert (await ours.head(WITHIN)).source == "node-1"
        clock.now = 31.0
        assert (await ours.head(WITHIN)).source == "node-0"


async def test_when_all_nodes_fail_it_is_the_last_ones_error() -> None:
    async with (
        world() as at,
        provider(at.url, lambda _: refused(-32603)) as second,
        chain("http://127.0.0.1:1", second.url) as ours,
    ):
        with pytest.raises(SourceError) as caught:
            await ours.head(WITHIN)
        assert caught.value.reason is Reason.RPC_ERROR


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_node_that_hangs_leaves_time_for_the_others() -> None:
    async with world() as at, wire(silent) as hanging, chain(hanging, at.url) as ours:
        assert (await ours.head(6.0)).source == "node-1"


async def test_a_reorg_of_the_pinned_block_discards_what_was_read() -> None:
    async with world() as at, chain(at.url) as ours:
        anvil, blocks = at.market.chain.anvil, list[tuple[int, str]]()

        async def look(view: View) -> str:
            blocks.append((view.block.number, view.block.hash))
            if len(blocks) == 1:
                await anvil.rpc("anvil_reorg", 1, [])
            await view.read(at.balances(2))
            return view.block.hash

        found = await ours.read(look, WITHIN)
        assert len(blocks) == 2
        assert blocks[0][0] == blocks[1][0]
        assert found == blocks[1][1] != blocks[0][1]


async def test_a_chain_that_changes_all_the_time_is_a_reorg_in_the_end() -> None:
    async with world() as at, chain(at.url) as ours:

        async def look(view: View) -> None:
            await at.market.chain.anvil.rpc("anvil_reorg", 1, [])
            await view.read(at.balances(2))

        with pytest.raises(SourceError) as caught:
            await ours.read(look, WITHIN)
        assert caught.value.reason is Reason.REORG


async def test_the_head_that_was_looked_at_is_the_block_of_the_next_read() -> None:
    async with world() as at, provider(at.url) as node, chain(node.url) as ours:
        seen = await ours.head(WITHIN)
        await at.market.chain.anvil.mine()

        async def look(view: View) -> int:
            await view.read(at.balances(1))
            return view.block.number

        assert await ours.read(look, WITHIN) == seen.block.number
        assert len(node.requests) == 2
        assert await ours.read(look, WITHIN) == seen.block.number + 1


@pytest.mark.parametrize(
    "told",
    [None, {}, [], "0x1", {"number": "0x1"}, {"number": 1, "hash": "0x", "parentHash": "0x", "timestamp": "0x0"}],
)
async def test_a_head_that_is_no_block_is_a_bad_response(told: Any) -> None:
    async with world() as at, provider(at.url, lambda _: {"result": told}) as node, chain(node.url) as ours:
        with pytest.raises(SourceError) as caught:
            await ours.head(WITHIN)
        assert caught.value.reason is Reason.BAD_RESPONSE


@pytest.mark.parametrize("told", [None, 7, "x", "0xzz", "0x00", "0x" + "00" * 64, "0x" + "ff" * 400, []])
async def test_an_answer_that_is_no_reply_of_multicall_is_a_bad_response(told: Any) -> None:
    def rule(question: Question) -> Any:
        return {"result": told} if kinds(question) else None

    async with world() as at, provider(at.url, rule) as node, chain(node.url) as ours:
        with pytest.raises(SourceError) as caught:
            await read(ours, at.balances(3))
        assert caught.value.reason is Reason.BAD_RESPONSE
