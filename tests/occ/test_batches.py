"""Nodes that take no batches, or only small ones. The wire is faked: no real node at hand refuses them on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from occ.batches import REPROBE_SECONDS, BatchLimit
from occ.config import Secret
from occ.errors import RateLimitError, Reason, RpcError, SourceError
from occ.jsonrpc import AT_ONCE, BATCH, Call, Client, Request
from tests.occ.served import until
from tests.occ.servers import CANARY, http, listening, ours

Reply = Callable[[Any], Any]


# --- the limit alone -------------------------------------------------------------------------------------------------


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class TestLimit:
    def test_there_is_none_at_first(self) -> None:
        assert BatchLimit(Clock()).size(100_000) == 100_000

    @pytest.mark.parametrize(("refused", "limit"), [(1000, 500), (5, 2), (3, 1), (2, 1)])
    def test_what_is_refused_is_halved(self, refused: int, limit: int) -> None:
        known = BatchLimit(Clock())
        known.refused(refused)
        assert known.size(1000) == limit
        assert known.size(1) == 1

    def test_a_late_refusal_of_more_does_not_raise_it(self) -> None:
        known = BatchLimit(Clock())
        known.refused(10)
        known.refused(100)
        assert known.size(1000) == 5

    def test_after_an_hour_twice_as_much_is_tried_and_refused_it_is_left_alone_for_another(self) -> None:
        clock = Clock()
        known = BatchLimit(clock)
        known.refused(10)
        clock.now = REPROBE_SECONDS - 1
        assert known.size(1000) == 5
        clock.now = REPROBE_SECONDS
        assert known.size(1000) == 10
        known.refused(10)
        assert known.size(1000) == 5
        clock.now = 2 * REPROBE_SECONDS - 1
        assert known.size(1000) == 5

    def test_taken_it_goes_on_doubling_until_all_fits(self) -> None:
        clock = Clock()
        known = BatchLimit(clock)
        known.refused(10)
        clock.now = REPROBE_SECONDS
        sizes = []
        for _ in range(6):
            sizes.append(known.size(100))
            known.accepted(sizes[-1])
        assert sizes == [10, 20, 40, 80, 100, 100]

    def test_what_did_once_is_proven_until_it_is_refused(self) -> None:
        known = BatchLimit(Clock())
        assert known.proven == 1
        known.accepted(10)
        assert known.proven == 10
        known.refused(10)
        assert known.proven == 5

    def test_small_batches_that_are_taken_say_nothing_of_large_ones(self) -> None:
        known = BatchLimit(Clock())
        known.refused(10)
        known.accepted(3)
        assert known.size(1000) == 5


# --- nodes -----------------------------------------------------------------------------------------------------------


def refusal(code: int = -32600, message: str = "batch too large") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": f"{message} {CANARY}"}}


@dataclass
class Node:
    """Takes batches of up to `most` calls and answers each with its method's name; `refuse` makes the answer to others."""

    most: int
    refuse: Reply = lambda _: refusal()
    alone: Reply = lambda call: {"id": call["id"], "result": call["method"]}
    asked: list[int] = field(default_factory=list)
    under_way: int = 0
    together: int = 0

    def answer(self, question: Any) -> Any:
        calls = question if isinstance(question, list) else [question]
        self.asked.append(len(calls) if isinstance(question, list) else 0)
        if isinstance(question, dict):
            return self.alone(question)
        return [self.alone(call) for call in calls] if len(calls) <= self.most else self.refuse(question)


def calls(count: int) -> list[Call]:
    return [Call(f"eth_{number}") for number in range(count)]


def names(count: int) -> list[str]:
    return [call.method for call in calls(count)]


@dataclass
class Asking:
    client: Client
    seen: list[Request]
    clock: Clock

    def told(self) -> list[tuple[str, str | None]]:
        """Method and failure of each request since this was last asked."""
        found = [(request.method, str(request.error.reason) if request.error else None) for request in self.seen]
        self.seen.clear()
        return found


@asynccontextmanager
async def asking(node: Node) -> AsyncIterator[Asking]:
    clock, seen = Clock(), list[Request]()
    async with http(node.answer) as url, aiohttp.ClientSession() as session:
        yield Asking(Client(session, Secret(url), seen.append, clock=clock), seen, clock)


def with_status(status: int) -> Reply:
    return lambda _: web.Response(status=status)


REFUSALS: dict[str, Reply] = {
    "an error object": lambda _: refusal(),
    "an error object without an id": lambda _: {"error": {"code": -32600, "message": "invalid request"}},
    "an error object for the first call": lambda batch: refusal() | {"id": batch[0]["id"]},
    "a list of one error, as geth": lambda batch: [refusal() | {"id": batch[0]["id"]}],
    "a list of one error without an id": lambda _: [refusal()],
    "limit exceeded, of the batch": lambda _: refusal(-32005, "Batch size exceeded"),
    "not supported": lambda _: refusal(-32000, "batch not supported"),
    "an error without a code": lambda _: {"error": "no batches"},
    "the first result alone": lambda batch: {"id": batch[0]["id"], "result": 1},
    **{f"HTTP {status}": with_status(status) for status in (400, 405, 413, 415, 501)},
}


@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS)
async def test_a_node_that_takes_none_is_asked_by_single_calls_from_then_on(refuse: Reply) -> None:
    node = Node(0, refuse)
    async with asking(node) as asked:
        assert await asked.client.batch(calls(5)) == names(5)
        assert {method for method, _ in asked.told()} == {BATCH, *names(5)}
        node.asked.clear()
        for _ in range(3):
            assert await asked.client.batch(calls(5)) == names(5)
        assert node.asked == [0] * 15
        assert asked.told() == [(name, None) for _ in range(3) for name in names(5)]


async def test_what_is_refused_is_told_as_a_failure_of_the_batch() -> None:
    async with asking(Node(0)) as asked:
        await asked.client.batch(calls(2))
        assert asked.told() == [(BATCH, "rpc_error"), ("eth_0", None), ("eth_1", None)]


async def test_a_size_limit_is_found_by_halving_and_remembered() -> None:
    node = Node(30)
    async with asking(node) as asked:
        assert await asked.client.batch(calls(100)) == names(100)
        assert max(size for size in node.asked if size <= 30) == 25
        node.asked.clear()
        assert await asked.client.batch(calls(100)) == names(100)
        assert node.asked == [25] * 4
        assert await asked.client.batch(calls(20)) == names(20)


async def test_other_clients_are_not_concerned() -> None:
    async with asking(Node(0)) as one, asking(Node(10)) as other:
        await one.client.batch(calls(5))
        assert await other.client.batch(calls(5)) == names(5)
        assert other.told() == [(BATCH, None)]


async def test_a_node_that_takes_batches_again_is_found_out_an_hour_later() -> None:
    node = Node(0)
    async with asking(node) as asked:
        await asked.client.batch(calls(8))
        node.most = 1000
        asked.clock.now = REPROBE_SECONDS
        sizes = []
        for _ in range(3):
            node.asked.clear()
            assert await asked.client.batch(calls(8)) == names(8)
            sizes.append(node.asked[:])
        assert sizes == [[2, 4, 2], [8], [8]]


async def test_one_that_still_does_not_is_bothered_no_more_than_once_an_hour() -> None:
    node = Node(4)
    async with asking(node) as asked:
        await asked.client.batch(calls(6))
        asked.clock.now = REPROBE_SECONDS
        assert await asked.client.batch(calls(6)) == names(6)
        node.asked.clear()
        for _ in range(10):
            assert await asked.client.batch(calls(6)) == names(6)
        assert max(node.asked) == 3


async def test_nor_by_all_the_parts_of_a_large_batch_at_once() -> None:
    node = Node(0)
    async with asking(node) as asked:
        assert await asked.client.batch(calls(500)) == names(500)
        assert [size for size in node.asked if size] == [500, 250, 125, 62, 31, 15, 7, 3]
        asked.clock.now = REPROBE_SECONDS
        node.asked.clear()
        assert await asked.client.batch(calls(500)) == names(500)
        assert [size for size in node.asked if size] == [2]


class TestTheNodeIsIll:
    """Then nothing is learnt of its batches, and it is not asked many times over."""

    @pytest.mark.parametrize("status", [400, 413])
    async def test_a_status_that_single_calls_get_too(self, status: int) -> None:
        node = Node(0, lambda _: web.Response(status=status), lambda _: web.Response(status=status))
        async with asking(node) as asked:
            for _ in range(3):
                with pytest.raises(SourceError, match=f"HTTP {status}"):
                    await asked.client.batch(calls(50))
            assert node.asked == [50, 0] * 3

    async def test_an_error_object_that_single_calls_get_too(self) -> None:
        node = Node(0, alone=lambda call: refusal() | {"id": call["id"]})
        async with asking(node) as asked:
            for _ in range(3):
                with pytest.raises(RpcError):
                    await asked.client.batch(calls(50))
            assert node.asked == [50, 0] * 3

    @pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503])
    async def test_a_status_that_has_nothing_to_do_with_batches(self, status: int) -> None:
        node = Node(0, lambda _: web.Response(status=status))
        async with asking(node) as asked:
            with pytest.raises(SourceError):
                await asked.client.batch(calls(5))
            assert node.asked == [5]

    @pytest.mark.parametrize("code", [-32005, 429])
    async def test_too_many_requests_are_not_answered_with_more(self, code: int) -> None:
        node = Node(0, lambda _: refusal(code, "daily request count exceeded"))
        async with asking(node) as asked:
            with pytest.raises(RateLimitError):
                await asked.client.batch(calls(5))
            assert node.asked == [5]
            assert asked.told() == [(BATCH, "rate_limited")]

    @pytest.mark.parametrize("garbage", [b"", b"<html>", 5, None, "x", [[]], [{"id": 10**6, "result": 1}] * 2])
    async def test_garbage_is_no_refusal(self, garbage: Any) -> None:
        node = Node(0, lambda _: garbage)
        async with asking(node) as asked:
            with pytest.raises(SourceError) as failure:
                await asked.client.batch(calls(5))
            assert failure.value.reason is Reason.BAD_RESPONSE
            assert node.asked == [5]


class TestOneBadCall:
    def node(self, bad: Reply) -> Node:
        good = Node(0).alone
        return Node(0, alone=lambda call: bad(call) if call["method"] == "eth_2" else good(call))

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            (lambda call: {"id": call["id"], "error": {"code": -32601}}, "not_supported"),
            (lambda call: {"id": call["id"], "error": {"code": -32005}}, "rate_limited"),
            (lambda call: {"id": call["id"]}, "bad_response"),
            (lambda _: web.Response(status=500), "server_error"),
            (lambda _: b"<html>", "bad_response"),
        ],
    )
    async def test_has_its_failure_in_its_place(self, bad: Reply, reason: str) -> None:
        async with asking(self.node(bad)) as asked:
            await asked.client.batch(calls(2))
            found = await asked.client.batch(calls(5))
        assert [answer for answer in found if isinstance(answer, str)] == ["eth_0", "eth_1", "eth_3", "eth_4"]
        assert isinstance(found[2], SourceError)
        assert str(found[2].reason) == reason
        assert CANARY not in f"{found[2]}{found[2]!r}"

    async def test_a_part_that_failed_as_a_whole_is_that_failure_for_each_of_its_calls(self) -> None:
        node = Node(2)
        async with asking(node) as asked:
            assert await asked.client.batch(calls(4)) == names(4)
            node.alone = lambda call: {
                "id": call["id"] if call["method"] != "eth_2" else 10**6,
                "result": call["method"],
            }
            found = await asked.client.batch(calls(4))
        assert found[:2] == ["eth_0", "eth_1"]
        assert [str(answer.reason) for answer in found[2:]] == ["bad_response"] * 2

    async def test_when_all_parts_fail_the_batch_has_failed(self) -> None:
        node = Node(2)
        async with asking(node) as asked:
            await asked.client.batch(calls(4))
            node.alone = lambda call: {"id": 10**6, "result": call["method"]}
            with pytest.raises(SourceError):
                await asked.client.batch(calls(4))


async def test_single_calls_go_side_by_side_but_not_all_at_once() -> None:
    under_way, most = 0, 0
    go_on = asyncio.Event()
    go_on.set()

    async def handle(request: web.Request) -> web.Response:
        nonlocal under_way, most
        question = await request.json()
        if isinstance(question, list):
            return web.json_response(refusal())
        under_way += 1
        most = max(most, under_way)
        await go_on.wait()
        under_way -= 1
        return web.Response(body=json.dumps({"id": question["id"], "result": 1}), content_type="application/json")

    async with (
        listening(handle) as port,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        client = Client(session, Secret(f"http://127.0.0.1:{port}/"))
        await client.batch(calls(2))
        go_on.clear()
        batch = asyncio.create_task(client.batch(calls(40)))
        await until(lambda: under_way == AT_ONCE)
        assert (await session.post(f"http://127.0.0.1:{port}/", json=[])).status == 200
        go_on.set()
        assert await batch == [1] * 40
    assert most == AT_ONCE


async def test_a_batch_that_is_given_up_leaves_nothing_behind() -> None:
    never, patience = asyncio.Event(), asyncio.timeout(None)

    async def handle(request: web.Request) -> web.Response:
        if isinstance(await request.json(), list):
            return web.json_response(refusal())
        patience.reschedule(asyncio.get_running_loop().time())
        await never.wait()
        raise AssertionError

    async with listening(handle) as port, aiohttp.ClientSession() as session:
        seen: list[Request] = []
        client = Client(session, Secret(f"http://127.0.0.1:{port}/"), seen.append)
        before = asyncio.all_tasks()
        with pytest.raises(TimeoutError):
            async with patience:
                await client.batch(calls(20))
        assert ours(before) == []
        assert seen[-1].error is not None
        assert seen[-1].error.reason is Reason.TIMEOUT
        never.set()
