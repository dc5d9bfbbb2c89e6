"""Each fault as a client sees it on a WebSocket, to a real node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from demo.chain import CHAIN_ID, Anvil
from demo.faults import WRONG_CHAIN_ID, Fault
from demo.proxy import FaultProxy

PATIENCE = 30.0
"""Seconds to wait for what is sure to come."""

Socket = aiohttp.ClientWebSocketResponse[Any]


@pytest.fixture
async def chain() -> AsyncIterator[Anvil]:
    async with Anvil() as chain:
        yield chain


@pytest.fixture
async def proxy(chain: Anvil) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(chain.url, ["alpha", "beta"]) as proxy:
        yield proxy


@asynccontextmanager
async def opened(proxy: FaultProxy, node: str = "beta", **parts: Any) -> AsyncIterator[Socket]:
    async with aiohttp.ClientSession() as session, session.ws_connect(proxy.ws_url(node), **parts) as socket:
        yield socket


@asynccontextmanager
async def watching(proxy: FaultProxy, node: str = "beta", **parts: Any) -> AsyncIterator[Socket]:
    """A socket on which new heads are notified."""
    async with opened(proxy, node, **parts) as socket:
        assert (await asked(socket, "eth_subscribe", "newHeads"))["result"].startswith("0x")
        yield socket


async def asked(socket: Socket, method: str, *params: object) -> Any:
    await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    return await socket.receive_json(timeout=PATIENCE)


async def head(socket: Socket) -> int:
    notification = await socket.receive_json(timeout=PATIENCE)
    return int(notification["params"]["result"]["number"], 16)


async def test_without_a_fault_it_is_the_node_itself(chain: Anvil, proxy: FaultProxy) -> None:
    async with watching(proxy) as socket:
        await chain.mine(2)
        assert [await head(socket), await head(socket)] == [1, 2]
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": []}
            for number, method in ((7, "eth_chainId"), (8, "eth_blockNumber"))
        ]
        await socket.send_json(batch)
        answers = await socket.receive_json(timeout=PATIENCE)
        assert [(answer["id"], answer["result"]) for answer in answers] == [(7, hex(CHAIN_ID)), (8, "0x2")]


async def test_a_stalled_node_announces_no_heads_and_answers_as_before(chain: Anvil, proxy: FaultProxy) -> None:
    async with watching(proxy) as socket, watching(proxy, "alpha") as other:
        await chain.mine()
        assert await head(socket) == await head(other) == 1
        await proxy.set("beta", Fault.STALL)
        await chain.mine(2)
        assert [await head(other), await head(other)] == [2, 3]
        assert (await asked(socket, "eth_blockNumber"))["result"] == "0x1"
        await proxy.clear("beta")
        await chain.mine()
        assert await head(socket) == 4


async def test_a_silent_node_answers_neither_calls_nor_pings(proxy: FaultProxy) -> None:
    async with watching(proxy, heartbeat=2.0) as socket:
        await proxy.set("beta", Fault.SILENCE)
        message = await socket.receive(timeout=PATIENCE)
        assert message.type is WSMsgType.ERROR
        assert isinstance(message.data, TimeoutError)


async def test_a_node_that_is_down_closes_what_is_open_and_refuses_the_next(proxy: FaultProxy) -> None:
    async with watching(proxy) as socket:
        await proxy.set("beta", Fault.DOWN)
        assert (await socket.receive(timeout=PATIENCE)).type in {WSMsgType.CLOSE, WSMsgType.CLOSED}
        with pytest.raises(aiohttp.ClientConnectorError):
            async with opened(proxy):
                pass
        await proxy.clear("beta")
        async with watching(proxy):
            pass


async def test_reset_ends_the_connection_without_a_word(chain: Anvil, proxy: FaultProxy) -> None:
    async with watching(proxy) as socket:
        await proxy.set("beta", Fault.RESET)
        await chain.mine()
        assert (await socket.receive(timeout=PATIENCE)).type is WSMsgType.CLOSED
        assert socket.close_code in {1000, 1006}  # aiohttp's own: there was no close frame


@pytest.mark.parametrize(
    ("fault", "text"), [(Fault.GARBAGE, "<html><body><h1>It works!</h1></body></html>"), (Fault.EMPTY, "")]
)
async def test_frames_are_garbage(chain: Anvil, proxy: FaultProxy, fault: Fault, text: str) -> None:
    async with watching(proxy) as socket:
        await proxy.set("beta", fault)
        await chain.mine()
        assert await socket.receive_str(timeout=PATIENCE) == text


async def test_frames_are_cut_in_half(chain: Anvil, proxy: FaultProxy) -> None:
    async with watching(proxy) as socket:
        await proxy.set("beta", Fault.TRUNCATED)
        await chain.mine()
        text = await socket.receive_str(timeout=PATIENCE)
        assert text.startswith('{"jsonrpc"')
        assert not text.endswith("}}")


async def test_heads_of_wrong_types_of_no_content_and_of_a_subscription_nobody_made(
    chain: Anvil, proxy: FaultProxy
) -> None:
    async with watching(proxy) as socket:
        told = []
        for fault in (Fault.WRONG_TYPES, Fault.NULL, Fault.WRONG_ID):
            await proxy.set("beta", fault)
            await chain.mine()
            told.append((await socket.receive_json(timeout=PATIENCE))["params"])
        assert isinstance(told[0]["result"]["number"], int)
        assert told[1]["result"] is None
        assert told[2]["subscription"] == "0xdeadbeef"
        assert told[0]["subscription"] == told[1]["subscription"] != "0xdeadbeef"


async def test_answers_have_the_faults_that_they_have_over_http(proxy: FaultProxy) -> None:
    async with opened(proxy) as socket:
        await proxy.set("beta", Fault.WRONG_CHAIN)
        assert (await asked(socket, "eth_chainId"))["result"] == hex(WRONG_CHAIN_ID)
        await proxy.set("beta", Fault.ERROR)
        assert (await asked(socket, "eth_chainId"))["error"]["code"] == -32000
        await proxy.set("beta", Fault.WRONG_ID)
        assert (await asked(socket, "eth_chainId"))["id"] == 987654321


async def test_slow_comes_late(proxy: FaultProxy) -> None:
    async with opened(proxy) as socket:
        await proxy.set("beta", Fault.SLOW, seconds=0.3)
        clock = asyncio.get_running_loop().time
        began = clock()
        assert (await asked(socket, "eth_chainId"))["result"] == hex(CHAIN_ID)
        assert clock() - began >= 0.3


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(Fault.UNAUTHORIZED, 401, 1008), (Fault.RATE_LIMITED, 429, 1013), (Fault.SERVER_ERROR, 503, 1011)],
)
async def test_a_refusal_is_a_status_for_who_comes_and_a_code_for_who_is_there(
    chain: Anvil, proxy: FaultProxy, fault: Fault, status: int, code: int
) -> None:
    async with watching(proxy) as socket:
        await proxy.set("beta", fault)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with opened(proxy):
                pass
        assert refused.value.status == status
        await chain.mine()
        assert (await socket.receive(timeout=PATIENCE)).data == code


async def test_a_dead_node_is_a_bad_gateway() -> None:
    async with Anvil() as chain:
        url = chain.url
    async with FaultProxy(url, ["beta"]) as proxy:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with opened(proxy):
                pass
    assert refused.value.status == 502


async def test_what_is_no_json_reaches_the_node(proxy: FaultProxy) -> None:
    async with opened(proxy) as socket:
        await socket.send_str("{")
        assert (await socket.receive_json(timeout=PATIENCE))["error"]["code"] == -32600


async def test_when_the_client_leaves_the_node_is_left_too(proxy: FaultProxy) -> None:
    before = asyncio.all_tasks()
    async with watching(proxy):
        pass
    async with asyncio.timeout(PATIENCE):
        while asyncio.all_tasks() - before:
            await asyncio.gather(*(asyncio.all_tasks() - before), return_exceptions=True)


@pytest.mark.parametrize("fault", Fault)
async def test_every_fault_can_be_lifted(chain: Anvil, fault: Fault) -> None:
    async with Anvil() as other, FaultProxy(chain.url, ["beta"], other.url) as proxy:
        await proxy.set("beta", fault)
        await proxy.clear("beta")
        async with watching(proxy) as socket:
            await chain.mine()
            assert await head(socket) == 1
