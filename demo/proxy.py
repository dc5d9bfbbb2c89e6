"""Named JSON-RPC nodes in front of one real node, each with a fault that can be switched while it runs.

HTTP and WebSocket are at the same port.

    async with FaultProxy("http://127.0.0.1:8545", ["alpha", "beta"]) as proxy:
        await proxy.set("beta", Fault.STALL)
        ...  # proxy.url("beta") now answers as a real node would that saw its last block when the fault was set
        await proxy.clear("beta")

`python -m demo.proxy` runs it alone, switched over HTTP.
"""

import argparse
import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from . import relay
from .faults import CANNED, Fault, ask, tell

LOOPBACK = "127.0.0.1"
_TAGS = ("latest", "safe", "finalized")
_HASHES_ONLY = False  # of the transactions in a block


class Node:
    """One name, one port, at most one fault."""

    def __init__(self, name: str, port: int, proxy: "FaultProxy") -> None:
        self.name = name
        self.fault: Fault | None = None
        self.seconds = 0.0
        self.heights: Mapping[str, str] = {}
        self._proxy = proxy
        self._listener: asyncio.Server | None = None
        # Bound and never listening: it keeps the port ours while connections are refused.
        self._holder = _bound(port)
        self.port = self._holder.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}"

    async def open(self) -> None:
        if self._listener is None:
            loop = asyncio.get_running_loop()
            # A client that goes away ends its handler: a silent node would collect them else.
            self._server = web.Server(self._answer, handler_cancellation=True, access_log=None)
            self._listener = await loop.create_server(self._server, sock=_bound(self.port))

    async def refuse(self) -> None:
        """Close the listener and what is connected; the port stays reserved."""
        if self._listener is not None:
            self._listener.close()
            self._server.pre_shutdown()
            await self._server.shutdown(timeout=0.05)  # 0 would be for ever
            self._listener = None

    async def close(self) -> None:
        await self.refuse()
        self._holder.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        fault, upgrade = self.fault, relay.wanted(request)
        body = b"" if upgrade else await request.read()
        if fault is Fault.SILENCE:
            await asyncio.Event().wait()
        if fault is Fault.SLOW:
            await asyncio.sleep(self.seconds)
        if fault and fault in CANNED:
            status, content_type, text, headers = CANNED[fault]
            return web.Response(status=status, content_type=content_type, text=text, headers=headers)
        if upgrade:
            return await self._proxy.relay(request, self)
        told = await self._proxy.forward(fault, body, self.heights)
        if fault is Fault.TRUNCATED:
            told = told[: len(told) // 2]
        if fault is Fault.RESET:
            return await _cut_off(request, told)
        return web.Response(body=told, content_type="application/json")


class FaultProxy:
    """`nodes` are names, each on a free port, or names with their ports."""

    def __init__(self, upstream: str, nodes: Iterable[str] | Mapping[str, int]) -> None:
        self.upstream = upstream
        ports = nodes if isinstance(nodes, Mapping) else dict.fromkeys(nodes, 0)
        self.nodes = {name: Node(name, port, self) for name, port in ports.items()}
        self._switching = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        for node in self.nodes.values():
            await node.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes.values():
            await node.close()
        await self._session.close()

    def url(self, name: str) -> str:
        return self.nodes[name].url

    def ws_url(self, name: str) -> str:
        return self.nodes[name].ws_url

    async def set(self, name: str, fault: Fault, *, seconds: float = 2.0) -> None:
        """From the next request on; `seconds` is what SLOW adds."""
        node = self.nodes[name]
        async with self._switching:
            if fault is Fault.STALL and node.fault is not Fault.STALL:
                node.heights = await self._heights()
            node.fault, node.seconds = fault, seconds
            await (node.refuse() if fault is Fault.DOWN else node.open())

    async def clear(self, name: str) -> None:
        async with self._switching:
            self.nodes[name].fault = None
            await self.nodes[name].open()

    async def forward(self, fault: Fault | None, body: bytes, heights: Mapping[str, str]) -> bytes:
        """The real node's answer with the fault applied; what is no JSON-RPC passes as it is."""
        try:
            question = json.loads(body)
        except ValueError:
            return await self._post(body)
        answer = await self._post(json.dumps(ask(fault, question, heights)).encode())
        return json.dumps(tell(fault, question, json.loads(answer), heights)).encode()

    async def relay(self, request: web.BaseRequest, node: Node) -> web.StreamResponse:
        """A WebSocket to the real node, with the node's faults applied to what passes."""
        return await relay.relayed(request, node, self._session, self.upstream)

    async def _heights(self) -> Mapping[str, str]:
        """The height of each block tag now; what is pending on a node that stalls comes after its last block."""
        blocks = [await self._call("eth_getBlockByNumber", tag, _HASHES_ONLY) for tag in _TAGS]
        heights = {tag: block["number"] for tag, block in zip(_TAGS, blocks, strict=True) if block}
        return {**heights, "pending": heights["latest"]}

    async def _call(self, method: str, *params: object) -> Any:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return json.loads(await self._post(json.dumps(question).encode()))["result"]

    async def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(self.upstream, data=body, headers=headers) as response:
                return await response.read()
        except aiohttp.ClientError as error:
            raise web.HTTPBadGateway(text=f"the real node does not answer: {error}") from None


def _bound(port: int) -> socket.socket:
    """Two may be bound to one port as long as no more than one of them listens."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((LOOPBACK, port))
    bound.settimeout(0)
    return bound


async def _cut_off(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport:
        request.transport.close()
    return response


class Admin:
    """Faults by HTTP: `GET /nodes`, `PUT /nodes/beta/fault/slow?seconds=3`, `DELETE /nodes/beta/fault`."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/-/ready", self._show)
        app.router.add_get("/nodes", self._show)
        app.router.add_put("/nodes/{node}/fault/{fault}", self._set)
        app.router.add_delete("/nodes/{node}/fault", self._clear)
        return app

    async def _show(self, _request: web.Request) -> web.Response:
        nodes = [{"name": node.name, "url": node.url, "fault": node.fault} for node in self._proxy.nodes.values()]
        return web.json_response({"nodes": nodes, "faults": list(Fault)})

    async def _set(self, request: web.Request) -> web.Response:
        try:
            fault, seconds = Fault(request.match_info["fault"]), float(request.query.get("seconds", 2))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}; faults: {', '.join(Fault)}\n") from None
        await self._proxy.set(self._node(request), fault, seconds=seconds)
        return await self._show(request)

    async def _clear(self, request: web.Request) -> web.Response:
        await self._proxy.clear(self._node(request))
        return await self._show(request)

    def _node(self, request: web.Request) -> str:
        if (name := request.match_info["node"]) not in self._proxy.nodes:
            raise web.HTTPNotFound(text=f"no node {name}; nodes: {', '.join(self._proxy.nodes)}\n")
        return name


@contextlib.asynccontextmanager
async def administered(proxy: FaultProxy, port: int = 0) -> AsyncIterator[str]:
    """The base URL of the proxy's admin endpoint."""
    runner = web.AppRunner(Admin(proxy).application())
    await runner.setup()
    try:
        site = web.SockSite(runner, _bound(port))
        await site.start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _node_and_port(text: str) -> tuple[str, int]:
    name, _, port = text.partition("=")
    return name, int(port or 0)


async def _serve(options: argparse.Namespace) -> None:
    async with (
        FaultProxy(options.upstream, dict(options.node)) as proxy,
        administered(proxy, options.admin_port) as admin,
    ):
        print(f"nodes: {', '.join(f'{node.name} {node.url}' for node in proxy.nodes.values())}; admin: {admin}/nodes")
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.proxy", description=__doc__.splitlines()[0])
    parser.add_argument("--upstream", required=True, help="URL of the real node")
    parser.add_argument("--admin-port", type=int, default=0, help="port on 127.0.0.1 for GET /nodes and the switches")
    parser.add_argument("node", nargs="+", type=_node_and_port, metavar="NAME[=PORT]", help="a node to offer")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
