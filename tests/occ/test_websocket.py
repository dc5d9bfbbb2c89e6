"""Subscriptions and calls over WebSocket: on a real chain, and through a proxy whose faults are those of the demo.

Only what no real node sends on demand is faked: a hand-written server at the end of this file, frame by frame.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import os
import re
import signal
import struct
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import WSCloseCode, web
from aiohttp.test_utils import TestServer

from demo.chain import CHAIN_ID, Anvil
from demo.faults import Fault
from demo.proxy import FaultProxy
from demo.until import until
from occ.config import Secret
from occ.errors import RateLimitError, Reason, RpcError, SourceError
from occ.http import MAX_BODY_BYTES
from occ.job import Pace, Readings, Target, every
from occ.jsonrpc import BATCH, Call, Client, Request
from occ.metrics import KERNEL_FAMILIES, Catalogue
from occ.page import Column, Page
from occ.poller import Poller
from occ.websocket import MAX_BEHIND_BYTES
from tests.occ.samples import sample
from tests.occ.servers import CANARY, ours, refusing

CHAIN = Call("eth_chainId")
HEIGHT = Call("eth_blockNumber")

HEARTBEAT = 2.0
"""Seconds. Half as much later a node that says nothing is lost."""
UNHURRIED = 6.0
"""Where a node answers and must not be lost: half of it is long enough for a busy machine to answer in."""

Open = Callable[..., Client]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
async def opened(session: aiohttp.ClientSession) -> AsyncIterator[Open]:
    """`opened(url)` is a client that is closed at the end; then no task of ours is left."""
    before, made = asyncio.all_tasks(), list[Client]()

    def opening(url: str, **parts: Any) -> Client:
        made.append(Client(session, Secret(f"{url}/?key={CANARY}"), **parts))
        return made[-1]

    yield opening
    for client in made:
        await client.close()
    assert ours(before) == []


async def test_a_client_that_is_not_closed_would_be_noticed(session: aiohttp.ClientSession) -> None:
    before = asyncio.all_tasks()
    async with Wired() as node:
        client = Client(session, Secret(node.url))
        await client.call(CHAIN)
        assert len(ours(before)) == 1
        await client.close()
        assert ours(before) == []


@pytest.fixture
async def chain() -> AsyncIterator[Anvil]:
    async with Anvil() as chain:
        yield chain


@pytest.fixture
async def proxy(chain: Anvil) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(chain.url, ["beta"]) as proxy:
        yield proxy


def number(head: Any) -> int:
    return int(head["number"], 16)


async def failure(work: Awaitable[Any], within: float = 30) -> tuple[str, str]:
    """Reason and message; no canary is in anything that could be printed of it."""
    with pytest.raises(SourceError) as caught:
        async with asyncio.timeout(within):
            await work
    trace = "".join(traceback.format_exception(caught.value))
    assert CANARY not in f"{caught.value}{caught.value!r}{trace}"
    return str(caught.value.reason), str(caught.value)


def states(process: int) -> set[str]:
    """Of all threads of a process; `T` is stopped."""
    return {path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{process}/task").glob("*/stat")}


@asynccontextmanager
async def hanging(chain: Anvil) -> AsyncIterator[None]:
    """The chain's process is stopped, all of it, and goes on at the end."""

    async def stopped() -> bool:
        return states(chain.pid) == {"T"}

    os.kill(chain.pid, signal.SIGSTOP)
    try:
        await until(stopped, 30, every=0.01)
        yield
    finally:
        os.kill(chain.pid, signal.SIGCONT)


async def subscribing(client: Client, *params: Any, **parts: Any) -> None:
    async with client.subscribe(*(params or ("newHeads",)), **parts) as feed:
        async for _ in feed:
            pass


# --- a real chain ----------------------------------------------------------------------------------------------------


class TestRealChain:
    async def test_every_new_head_is_notified_in_order(self, chain: Anvil, opened: Open) -> None:
        async with opened(chain.ws_url).subscribe("newHeads") as heads:
            await chain.mine(3)
            assert [number(await anext(heads)) for _ in range(3)] == [1, 2, 3]

    async def test_a_reorg_brings_the_heads_of_the_other_branch(self, chain: Anvil, opened: Open) -> None:
        async with opened(chain.ws_url).subscribe("newHeads") as heads:
            await chain.mine(3)
            before = [await anext(heads) for _ in range(3)]
            await chain.rpc("anvil_reorg", 2, [])
            after = [await anext(heads)]
            while number(after[-1]) < 3:
                after.append(await anext(heads))
        assert after[-1]["hash"] != before[-1]["hash"]

    async def test_logs_are_notified_beside_heads_and_calls_go_the_same_way(self, chain: Anvil, opened: Open) -> None:
        client = opened(chain.ws_url)
        # Code that emits an empty log whatever it is called with: PUSH1 0 PUSH1 0 LOG0 STOP.
        emitter = "0x" + "11" * 20
        await chain.rpc("anvil_setCode", emitter, "0x60006000a000")
        async with client.subscribe("newHeads") as heads, client.subscribe("logs", {"address": emitter}) as logs:
            (account,) = (await client.call(Call("eth_accounts")))[:1]
            await client.call(Call("eth_sendTransaction", ({"from": account, "to": emitter},)))
            await chain.mine()
            assert (await anext(logs))["address"] == emitter
            assert number(await anext(heads)) == 1

    async def test_a_node_with_nothing_but_a_websocket_can_be_polled(self, chain: Anvil, opened: Open) -> None:
        seen: list[Request] = []
        client = opened(chain.ws_url, observe=seen.append)
        assert await client.call(CHAIN) == hex(CHAIN_ID)
        chain_id, nonsense, height = await client.batch([CHAIN, Call("eth_nonsense"), HEIGHT])
        assert (chain_id, height) == (hex(CHAIN_ID), "0x0")
        assert isinstance(nonsense, RpcError)
        assert await asyncio.gather(*(client.call(CHAIN) for _ in range(50))) == [hex(CHAIN_ID)] * 50
        assert {request.method for request in seen} == {"eth_chainId", BATCH}
        assert not any(request.error for request in seen)

    async def test_a_subscription_the_node_does_not_know_is_its_error(self, chain: Anvil, opened: Open) -> None:
        seen: list[Request] = []
        assert (await failure(subscribing(opened(chain.ws_url, observe=seen.append), "nonsense")))[0] == "rpc_error"
        assert [(request.method, request.error and str(request.error.reason)) for request in seen] == [
            ("eth_subscribe", "rpc_error")
        ]

    async def test_a_chain_that_ends_ends_everything_that_waits_and_is_found_again(self, opened: Open) -> None:
        async with Anvil() as chain:
            port, client = chain.port, opened(chain.ws_url)
            async with client.subscribe("newHeads") as heads:
                os.kill(chain.pid, signal.SIGKILL)
                assert (await failure(anext(heads)))[0] == "connect"
            assert (await failure(client.call(CHAIN))) == ("connect", "can not connect")
            assert (await failure(subscribing(client))) == ("connect", "can not connect")
        async with Anvil(port=port) as chain, client.subscribe("newHeads") as heads:
            await chain.mine()
            assert number(await anext(heads)) == 1

    async def test_a_chain_that_hangs_is_found_by_its_silence_to_pings(self, chain: Anvil, opened: Open) -> None:
        client = opened(chain.ws_url, heartbeat=HEARTBEAT)
        async with client.subscribe("newHeads") as heads, hanging(chain):
            lost = set(await asyncio.gather(failure(anext(heads)), failure(client.call(CHAIN))))
        assert lost == {("timeout", "no answer to a ping")}
        assert await client.call(CHAIN) == hex(CHAIN_ID)

    async def test_one_that_hangs_from_the_start_is_given_up_in_time(self, chain: Anvil, opened: Open) -> None:
        async with hanging(chain):
            found = await failure(subscribing(opened(chain.ws_url), within=0.2))
        assert found == ("timeout", "no subscription within 0.2 s")

    async def test_a_quiet_chain_that_answers_pings_is_not_lost(self, chain: Anvil, opened: Open) -> None:
        async with opened(chain.ws_url, heartbeat=UNHURRIED).subscribe("newHeads") as heads:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.7 * UNHURRIED):
                    await anext(heads)
            await chain.mine()
            assert number(await anext(heads)) == 1

    async def test_over_http_there_are_none(self, chain: Anvil, opened: Open) -> None:
        assert await failure(subscribing(opened(chain.url))) == ("not_supported", "no subscriptions over HTTP")


class TestFaultsOnTheWay:
    @pytest.mark.parametrize(
        ("fault", "found"),
        [
            (Fault.GARBAGE, ("bad_response", "a frame that is not JSON")),
            (Fault.EMPTY, ("bad_response", "a frame that is not JSON")),
            (Fault.TRUNCATED, ("bad_response", "a frame that is not JSON")),
            (Fault.WRONG_ID, ("bad_response", "a notification that nobody subscribed to")),
            (Fault.RESET, ("connect", "the connection closed without a word")),
            (Fault.DOWN, None),
            (Fault.UNAUTHORIZED, ("connect", "closed with code 1008")),
            (Fault.RATE_LIMITED, ("rate_limited", "closed with code 1013: try again later")),
            (Fault.SERVER_ERROR, ("server_error", "closed with code 1011")),
        ],
    )
    async def test_ends_the_subscription_by_its_name_and_a_new_one_is_as_good_as_ever(
        self, chain: Anvil, proxy: FaultProxy, opened: Open, fault: Fault, found: tuple[str, str] | None
    ) -> None:
        client = opened(proxy.ws_url("beta"))
        async with client.subscribe("newHeads") as heads:
            await proxy.set("beta", fault)
            await chain.mine()
            lost = await failure(anext(heads))
            assert lost == (found or lost)
            assert lost[0] == (found or ("connect",))[0]
        await proxy.clear("beta")
        async with client.subscribe("newHeads") as heads:
            await chain.mine()
            assert number(await anext(heads)) == 2

    @pytest.mark.parametrize(
        ("fault", "found"),
        [
            (Fault.DOWN, ("connect", "can not connect")),
            (Fault.GARBAGE, ("bad_response", "HTTP 200")),
            (Fault.UNAUTHORIZED, ("auth", "HTTP 401")),
            (Fault.RATE_LIMITED, ("rate_limited", "HTTP 429: too many requests")),
            (Fault.SERVER_ERROR, ("server_error", "HTTP 503")),
            (Fault.SILENCE, ("timeout", "no subscription within 0.2 s")),
        ],
    )
    async def test_at_the_handshake_has_its_name(
        self, proxy: FaultProxy, opened: Open, fault: Fault, found: tuple[str, str]
    ) -> None:
        await proxy.set("beta", fault)
        within = 0.2 if fault is Fault.SILENCE else 30.0
        assert await failure(subscribing(opened(proxy.ws_url("beta")), within=within)) == found

    async def test_how_long_to_wait_is_told_by_a_handshake_too(self, proxy: FaultProxy, opened: Open) -> None:
        await proxy.set("beta", Fault.RATE_LIMITED)
        with pytest.raises(RateLimitError) as refused:
            await subscribing(opened(proxy.ws_url("beta")))
        assert refused.value.retry_after == 1.0

    async def test_silence_ends_it_by_ping(self, proxy: FaultProxy, opened: Open) -> None:
        async with opened(proxy.ws_url("beta"), heartbeat=HEARTBEAT).subscribe("newHeads") as heads:
            await proxy.set("beta", Fault.SILENCE)
            assert await failure(anext(heads)) == ("timeout", "no answer to a ping")

    async def test_a_stalled_node_says_nothing_and_is_not_lost(
        self, chain: Anvil, proxy: FaultProxy, opened: Open
    ) -> None:
        async with opened(proxy.ws_url("beta"), heartbeat=UNHURRIED).subscribe("newHeads") as heads:
            await proxy.set("beta", Fault.STALL)
            await chain.mine()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.7 * UNHURRIED):
                    await anext(heads)
            await proxy.clear("beta")
            await chain.mine()
            assert number(await anext(heads)) == 2

    async def test_an_error_in_place_of_a_subscription_is_classified(self, proxy: FaultProxy, opened: Open) -> None:
        client = opened(proxy.ws_url("beta"))
        await client.call(CHAIN)
        for fault, reason in ((Fault.ERROR, "rpc_error"), (Fault.NULL, "bad_response")):
            await proxy.set("beta", fault)
            assert (await failure(subscribing(client)))[0] == reason


# --- life ------------------------------------------------------------------------------------------------------------


class TestLife:
    async def test_all_share_one_connection_which_closes_with_the_last_subscription(self, opened: Open) -> None:
        async with Wired() as node:
            client = opened(node.url)
            async with client.subscribe("a"), client.subscribe("b"):
                await client.call(CHAIN)
            await node.all_closed()
            assert (node.opened, node.codes) == (1, [1000])
            async with client.subscribe("c"):
                pass
            assert node.opened == 2

    async def test_what_ends_while_others_go_on_is_unsubscribed_and_its_late_notifications_are_dropped(
        self, opened: Open
    ) -> None:
        async with Wired() as node:
            client = opened(node.url)
            async with client.subscribe("a") as first:
                async with client.subscribe("b"):
                    pass
                assert await node.heard("eth_unsubscribe") == ["0xb"]
                await node.notify("0xb", CANARY)
                await node.notify("0xa", 1)
                assert await anext(first) == 1

    async def test_a_call_keeps_the_connection_until_it_is_answered(self, opened: Open) -> None:
        async with Wired() as node:
            client = opened(node.url)
            async with client.subscribe("a"):
                waiting = asyncio.create_task(client.call(Call("later")))
                await node.heard("later")
            await node.answer_later(1)
            assert await waiting == 1
            await node.all_closed()

    async def test_without_subscriptions_it_stays_open_until_the_client_closes(self, opened: Open) -> None:
        async with Wired() as node:
            client = opened(node.url)
            for _ in range(3):
                await client.call(CHAIN)
            assert (node.opened, node.codes) == (1, [])
            await client.close()
            await node.all_closed()
            assert node.opened == 1

    async def test_closing_ends_what_waits(self, opened: Open) -> None:
        async with Wired() as node:
            client = opened(node.url)
            async with client.subscribe("a") as feed:
                waiting = asyncio.create_task(failure(client.call(Call("later"))))
                await node.heard("later")
                await client.close()
                assert await waiting == ("connect", "closed on this side")
                assert await failure(anext(feed)) == ("connect", "closed on this side")

    async def test_a_caller_that_gives_up_disturbs_nobody(self, opened: Open) -> None:
        async with Wired() as node:
            seen: list[Request] = []
            client = opened(node.url, observe=seen.append)
            async with client.subscribe("a") as feed:
                waiting = asyncio.create_task(client.call(Call("later")))
                await node.heard("later")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(waiting, 0)
                assert seen[-1].error is not None
                assert seen[-1].error.reason is Reason.TIMEOUT
                await node.answer_later(CANARY)
                await node.notify("0xa", 1)
                assert await anext(feed) == 1
            assert node.opened == 1

    async def test_a_task_that_is_cancelled_in_its_subscription_closes_the_connection(self, opened: Open) -> None:
        async with Wired() as node:
            task = asyncio.create_task(subscribing(opened(node.url), "a"))
            await node.heard("eth_subscribe")
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await node.all_closed()

    async def test_what_was_notified_before_the_end_is_still_there(self, opened: Open) -> None:
        async with Wired() as node, opened(node.url).subscribe("a") as feed:
            await node.notify("0xa", 1)
            await node.notify("0xa", 2)
            await node.close(WSCloseCode.GOING_AWAY)
            assert [await anext(feed), await anext(feed)] == [1, 2]
            for _ in range(2):
                assert await failure(anext(feed)) == ("connect", "closed with code 1001")

    async def test_who_does_not_read_loses_the_subscription_and_not_our_memory(self, opened: Open) -> None:
        async with Wired() as node:
            client = opened(node.url)
            async with client.subscribe("a") as slow, client.subscribe("b") as quick:
                for _ in range(MAX_BEHIND_BYTES // 1_000_000 + 1):
                    await node.notify("0xa", "x" * 1_000_000)
                await node.notify("0xb", 1)
                assert await anext(quick) == 1
                assert await failure(anext(slow)) == ("internal", "notifications come faster than they are read")


# --- a job -----------------------------------------------------------------------------------------------------------


class TestJob:
    async def test_a_stream_of_heads_is_followed_and_read_while_it_is_lost(self, opened: Open) -> None:
        target = Target("local/beta", {"chain": "local", "node": "beta"})
        pace = Pace(interval=0.1, timeout=30.0, stale_after=60.0, patience=0.2, silence=30.0)
        heights: list[tuple[str, int]] = []

        def columns(_readings: Readings[int]) -> list[Column]:
            return []

        def events(_before: int | None, reading: tuple[str, int]) -> tuple[()]:
            heights.append(reading)
            return ()

        async with Anvil() as chain, FaultProxy(chain.url, ["beta"]) as proxy:
            watched, asked = opened(proxy.ws_url("beta")), opened(proxy.url("beta"))

            async def stream(_targets: tuple[Target, ...]) -> AsyncIterator[Any]:
                async with watched.subscribe("newHeads") as heads:
                    async for head in heads:
                        yield {target: ("stream", number(head))}

            async def read(_targets: tuple[Target, ...]) -> Any:
                return {target: ("read", int(await asked.call(HEIGHT), 16))}

            job = every(
                pace, read, check="heads", targets=(target,), families=(), columns=columns, events=events, stream=stream
            )
            poller = Poller("nodes", [job], Page(Catalogue(KERNEL_FAMILIES)))

            async def told(how: str) -> bool:
                await chain.mine()
                return any(way == how for way, _ in heights)

            before = asyncio.all_tasks()
            running = asyncio.create_task(poller.run())
            try:
                await until(lambda: told("stream"), 60)
                heights.clear()
                await proxy.set("beta", Fault.GARBAGE)
                await chain.mine()
                await until(lambda: lost(poller), 60)
                await proxy.clear("beta")
                await until(lambda: told("stream"), 60)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            assert ours(before) == []


async def lost(poller: Poller) -> bool:
    return bool(sample(poller.render(), "occ_target_errors_total", target="local/beta", reason="bad_response"))


# --- a hand-written node ---------------------------------------------------------------------------------------------


class Wired:
    """A node that subscribes anyone to `a` as `0xa`, answers calls with 1, and `later` when it is told to."""

    def __init__(self) -> None:
        self.opened = 0
        self.codes: list[int | None] = []
        self._heard = asyncio.Queue[dict[str, Any]]()
        self._later: list[int] = []
        self._sockets: list[web.WebSocketResponse] = []
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._serve)
        self._server = TestServer(app)
        await self._server.start_server()
        self.url = f"ws://127.0.0.1:{self._server.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.opened += 1
        self._sockets.append(socket)
        async for message in socket:
            question = json.loads(message.data)
            self._heard.put_nowait(question)
            if question["method"] == "later":
                self._later.append(question["id"])
            else:
                result = f"0x{question['params'][0]}" if question["method"] == "eth_subscribe" else 1
                await socket.send_json({"id": question["id"], "result": result})
        self.codes.append(socket.close_code)
        self._changed.set()
        return socket

    async def heard(self, method: str) -> Any:
        """The parameters of the next call of this method."""
        async with asyncio.timeout(30):
            while (question := await self._heard.get())["method"] != method:
                pass
        return question["params"]

    async def notify(self, subscription: str, result: Any) -> None:
        params = {"subscription": subscription, "result": result}
        await self._sockets[-1].send_json({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})

    async def answer_later(self, result: Any) -> None:
        await self._sockets[-1].send_json({"id": self._later.pop(), "result": result})

    async def close(self, code: int) -> None:
        await self._sockets[-1].close(code=code)

    async def all_closed(self) -> None:
        async with asyncio.timeout(30):
            while len(self.codes) < self.opened:
                self._changed.clear()
                await self._changed.wait()


def frame(payload: bytes, opcode: int = 1, length: int | None = None, first: int = 0x80) -> bytes:
    """A frame as a server sends it (RFC 6455); `length` may lie."""
    size = len(payload) if length is None else length
    if size < 126:
        return bytes([first | opcode, size]) + payload
    if size < 2**16:
        return bytes([first | opcode, 126]) + struct.pack(">H", size) + payload
    return bytes([first | opcode, 127]) + struct.pack(">Q", size) + payload


@asynccontextmanager
async def sending(
    raw: bytes, *, then: bytes | None = None, accept: bool = True, stay: bool = True
) -> AsyncIterator[str]:
    """A server that takes the handshake and sends these bytes, in answer to the first frame where there is `then`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if accept:
                key = re.search("Sec-WebSocket-Key: (.*)\r", head)
                assert key is not None
                digest = base64.b64encode(
                    hashlib.sha1(f"{key[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
                ).decode()
                writer.write(
                    f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {digest}\r\n\r\n".encode()
                )
            if then is not None:
                await reader.readexactly(6)  # the head and mask of a short frame
                writer.write(then)
            writer.write(raw)
            await writer.drain()
            while stay and await reader.read(65536):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def text(value: Any) -> bytes:
    return frame(json.dumps(value).encode())


SUBSCRIBED = text({"id": 1, "result": "0x1"})


def notification(**params: Any) -> bytes:
    return text({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})


GARBAGE: dict[str, tuple[bytes, str]] = {
    "no JSON": (frame(CANARY.encode()), "a frame that is not JSON"),
    "no UTF-8": (frame(b'"\xff"'), "a frame that is not JSON"),
    "an empty frame": (frame(b""), "a frame that is not JSON"),
    "deep": (frame(b"[" * 100_000), "a frame that is not JSON"),
    "NaN": (frame(b"NaN"), "a frame that is not JSON"),
    "binary": (frame(b"{}", 2), "a binary frame"),
    "a number": (text(5), "an answer to a call that was not asked"),
    "null": (text(None), "an answer to a call that was not asked"),
    "nothing": (text({}), "an answer to a call that was not asked"),
    "an empty list": (text([]), "an answer to a call that was not asked"),
    "a list of garbage": (text([1, None]), "an answer to a call that was not asked"),
    "an answer to a call of the future": (
        text({"id": 2**60, "result": CANARY}),
        "an answer to a call that was not asked",
    ),
    "an absurd id": (text({"id": 2**80, "result": CANARY}), "an answer to a call that was not asked"),
    "an id of text": (text({"id": "1", "result": CANARY}), "an answer to a call that was not asked"),
    "another subscription": (notification(subscription="0x2", result=1), "a notification that nobody subscribed to"),
    "a subscription that is true": (
        notification(subscription=True, result=1),
        "a notification that nobody subscribed to",
    ),
    "a subscription that is a list": (notification(subscription=["0x1"]), "a notification that nobody subscribed to"),
    "no subscription": (notification(result=1), "a notification that nobody subscribed to"),
    "no parameters": (text({"method": "eth_subscription"}), "a notification that nobody subscribed to"),
    "parameters as a list": (text({"method": CANARY, "params": [1]}), "a notification that nobody subscribed to"),
    "no result": (notification(subscription="0x1"), "a notification without a result"),
    "too large": (frame(b"", length=MAX_BODY_BYTES), f"a frame of more than {MAX_BODY_BYTES} bytes"),
    "absurdly large": (frame(b"", length=2**63 - 1), f"a frame of more than {MAX_BODY_BYTES} bytes"),
    "too large in parts": (
        b"".join(frame(b" " * 4_000_000, opcode, first=0) for opcode in (1, 0, 0, 0, 0)),
        f"a frame of more than {MAX_BODY_BYTES} bytes",
    ),
    "a reserved bit": (frame(b"{}", first=0xC0), "not WebSocket"),
    "an unknown opcode": (frame(b"{}", 5), "not WebSocket"),
    "a continuation of nothing": (frame(b"{}", 0), "not WebSocket"),
    "a ping in parts": (frame(b"", 9, first=0), "not WebSocket"),
    "a close without sense": (frame(b"\x00", 8), "not WebSocket"),
    "a close with an absurd code": (frame(b"\x00\x01", 8), "not WebSocket"),
}


class TestGarbage:
    @pytest.mark.parametrize(("raw", "message"), GARBAGE.values(), ids=GARBAGE)
    async def test_ends_the_subscription_in_our_words(
        self, opened: Open, raw: bytes, message: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            async with sending(raw, then=SUBSCRIBED) as url:
                assert await failure(subscribing(opened(url))) == ("bad_response", message)
        assert CANARY not in caplog.text

    async def test_a_frame_that_is_cut_off_is_a_lost_connection(self, opened: Open) -> None:
        for raw in (b"", b"\x81", frame(b'{"id"', length=100), frame(b"x", length=2**20)):
            async with sending(raw, then=SUBSCRIBED, stay=False) as url:
                assert await failure(subscribing(opened(url))) == ("connect", "the connection closed without a word")

    @pytest.mark.parametrize(
        ("code", "found"),
        [
            (1000, ("connect", "closed with code 1000")),
            (1001, ("connect", "closed with code 1001")),
            (1008, ("connect", "closed with code 1008")),
            (1011, ("server_error", "closed with code 1011")),
            (1012, ("server_error", "closed with code 1012")),
            (1013, ("rate_limited", "closed with code 1013: try again later")),
            (1014, ("server_error", "closed with code 1014")),
            (4001, ("connect", "closed with code 4001")),
            (65535, ("connect", "closed with code 65535")),
            (None, ("connect", "the connection closed without a word")),
        ],
    )
    async def test_a_close_has_a_reason_by_its_code(
        self, opened: Open, code: int | None, found: tuple[str, str]
    ) -> None:
        payload = b"" if code is None else struct.pack(">H", code) + CANARY.encode()
        async with sending(frame(payload, 8), then=SUBSCRIBED) as url:
            assert await failure(subscribing(opened(url))) == found

    @pytest.mark.parametrize(
        ("result", "message"),
        [
            (True, "an answer that is no subscription"),
            (None, "an answer that is no subscription"),
            ([], "an answer that is no subscription"),
            ({"id": CANARY}, "an answer that is no subscription"),
            (1.5, "an answer that is no subscription"),
        ],
    )
    async def test_a_subscription_has_an_id(self, opened: Open, result: Any, message: str) -> None:
        async with sending(b"", then=text({"id": 1, "result": result})) as url:
            assert await failure(subscribing(opened(url))) == ("bad_response", message)

    async def test_its_id_may_be_a_number(self, opened: Open) -> None:
        told = text({"id": 1, "result": 7}) + notification(subscription=7, result="x")
        async with sending(b"", then=told) as url, opened(url).subscribe("slot") as feed:
            assert await anext(feed) == "x"

    async def test_a_head_in_the_same_packet_as_the_reply_is_not_lost(self, opened: Open) -> None:
        told = SUBSCRIBED + notification(subscription="0x1", result=1) + notification(subscription="0x1", result=2)
        async with sending(b"", then=told) as url, opened(url).subscribe("newHeads") as feed:
            assert [await anext(feed), await anext(feed)] == [1, 2]

    async def test_an_error_without_an_id_answers_whoever_waits(self, opened: Open) -> None:
        told = text({"id": None, "error": {"code": -32005, "message": CANARY}})
        async with sending(b"", then=told) as url:
            assert (await failure(opened(url).call(CHAIN)))[0] == "rate_limited"

    async def test_a_batch_that_is_refused_is_asked_in_single_calls_here_too(self, opened: Open) -> None:
        async def serve(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                question = json.loads(message.data)
                if isinstance(question, list):
                    await socket.send_json({"id": None, "error": {"code": -32600, "message": "no batches"}})
                else:
                    await socket.send_json({"id": question["id"], "result": question["method"]})
            return socket

        app = web.Application()
        app.router.add_get("/{tail:.*}", serve)
        async with TestServer(app) as server:
            client = opened(f"ws://127.0.0.1:{server.port}")
            assert await client.batch([CHAIN, HEIGHT]) == ["eth_chainId", "eth_blockNumber"]
            await client.close()


class TestHandshake:
    @pytest.mark.parametrize(
        ("status", "found"),
        [
            (200, ("bad_response", "HTTP 200")),
            (301, ("bad_response", "HTTP 301: redirects are not followed")),
            (307, ("bad_response", "HTTP 307: redirects are not followed")),
            (400, ("bad_response", "HTTP 400")),
            (401, ("auth", "HTTP 401")),
            (403, ("auth", "HTTP 403")),
            (404, ("bad_response", "HTTP 404")),
            (429, ("rate_limited", "HTTP 429: too many requests")),
            (500, ("server_error", "HTTP 500")),
            (503, ("server_error", "HTTP 503")),
        ],
    )
    async def test_a_status_has_its_reason_and_a_redirect_takes_the_key_nowhere(
        self, opened: Open, status: int, found: tuple[str, str]
    ) -> None:
        asked: list[str] = []

        async def elsewhere(request: web.Request) -> web.Response:
            asked.append(str(request.url))
            return web.Response()

        there = web.Application()
        there.router.add_get("/{tail:.*}", elsewhere)
        async with TestServer(there) as away:
            headers = {"Location": f"http://127.0.0.1:{away.port}/{CANARY}"}

            async def refuse(_request: web.Request) -> web.Response:
                return web.Response(status=status, text=CANARY, headers=headers)

            app = web.Application()
            app.router.add_get("/{tail:.*}", refuse)
            async with TestServer(app) as server:
                assert await failure(subscribing(opened(f"ws://127.0.0.1:{server.port}"))) == found
        assert asked == []

    @pytest.mark.parametrize(
        "raw",
        [
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: c4n4ry\r\n\r\n",
        ],
    )
    async def test_half_a_handshake_is_no_websocket(self, opened: Open, raw: bytes) -> None:
        async with sending(raw, accept=False) as url:
            assert await failure(subscribing(opened(url))) == ("bad_response", "not WebSocket")

    async def test_what_does_not_speak_http(self, opened: Open) -> None:
        async with sending(b"220 mail.example ESMTP\r\n\r\n", accept=False) as url:
            assert await failure(subscribing(opened(url))) == ("bad_response", "not HTTP")

    async def test_what_closes_before_an_answer(self, opened: Open) -> None:
        async with sending(b"", accept=False, stay=False) as url:
            assert await failure(subscribing(opened(url))) == ("connect", "the connection closed before an answer")

    async def test_a_port_where_nobody_listens(self, opened: Open) -> None:
        with refusing() as port:
            assert await failure(subscribing(opened(f"ws://127.0.0.1:{port}"))) == ("connect", "can not connect")

    async def test_a_name_that_is_not_known(self, opened: Open) -> None:
        assert await failure(subscribing(opened(f"ws://{CANARY}.invalid"))) == ("dns", "the host's name is not known")

    async def test_a_server_that_does_not_speak_tls(self, opened: Open) -> None:
        async with Wired() as node:
            found = await failure(subscribing(opened(node.url.replace("ws://", "wss://"))))
        assert found == ("tls", "TLS failed")
