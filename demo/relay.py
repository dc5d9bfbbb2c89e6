"""A client's WebSocket, relayed to the real node's. The fault that the node has counts for each frame as it passes."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
from aiohttp import WSCloseCode, web

from .faults import CANNED, Fault, ask, notify, tell

_REMEMBERED = 1000

# What a status is to a handshake, a code is to a WebSocket that is open.
_CLOSES: Mapping[Fault, int] = {
    Fault.UNAUTHORIZED: WSCloseCode.POLICY_VIOLATION,
    Fault.RATE_LIMITED: WSCloseCode.TRY_AGAIN_LATER,
    Fault.SERVER_ERROR: WSCloseCode.INTERNAL_ERROR,
}


class Faulty(Protocol):
    """What a relay looks at before each frame."""

    fault: Fault | None
    seconds: float
    heights: Mapping[str, str]


def wanted(request: web.BaseRequest) -> bool:
    """Whether a WebSocket is asked for."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def relayed(
    request: web.BaseRequest, node: Faulty, session: aiohttp.ClientSession, upstream: str
) -> web.StreamResponse:
    """Relays until either side closes."""
    try:
        far = await session.ws_connect(upstream, max_msg_size=0)
    except aiohttp.ClientError as error:
        raise web.HTTPBadGateway(text=f"the real node does not answer: {error}") from None
    async with far:
        near = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await near.prepare(request)
        relay = _Relay(node, near, far)
        ways = [asyncio.create_task(relay.up()), asyncio.create_task(relay.down())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        if node.fault is Fault.RESET and request.transport:
            request.transport.abort()
        else:
            await near.close(code=_CLOSES.get(node.fault, WSCloseCode.GOING_AWAY) if node.fault else WSCloseCode.OK)
    return near


class _Relay:
    def __init__(self, node: Faulty, near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse[Any]) -> None:
        self._node = node
        self._near = near
        self._far = far
        self._asked = deque[Any](maxlen=_REMEMBERED)  # the latest first: a client may use an id again

    async def up(self) -> None:
        """From the client to the node. A node that is silent does not even answer pings."""
        async for message in self._near:
            if self._node.fault is Fault.SILENCE:
                continue
            if message.type is aiohttp.WSMsgType.PING:
                await self._near.pong(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await self._far.send_str(self._question(message.data))

    async def down(self) -> None:
        """From the node to the client, until a fault ends the connection."""
        async for message in self._far:
            fault = self._node.fault
            if fault is Fault.SLOW:
                await asyncio.sleep(self._node.seconds)
            if fault is Fault.RESET or fault in _CLOSES:
                return
            told = self._told(fault, message.data)
            if told is not None:
                await self._near.send_str(told)

    def _question(self, text: str) -> str:
        try:
            question = json.loads(text)
        except ValueError:
            return text
        questions = question if isinstance(question, list) else [question]
        self._asked.extendleft(item for item in questions if isinstance(item, dict))
        return json.dumps(ask(self._node.fault, question, self._node.heights))

    def _told(self, fault: Fault | None, text: str) -> str | None:
        """The frame with the fault applied; None where it does not pass."""
        if fault is Fault.SILENCE:
            return None
        if fault and fault in CANNED:
            return CANNED[fault][2]
        message = json.loads(text)
        if isinstance(message, dict) and "method" in message:
            message = notify(fault, message)
        else:
            message = tell(fault, list(self._asked), message, self._node.heights)
        whole = json.dumps(message)
        if message is None:
            return None
        return whole[: len(whole) // 2] if fault is Fault.TRUNCATED else whole
