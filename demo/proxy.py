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
_FREEZES = (Fault.STALL, Fault.UNFINAL)  # what remembers the heights of the moment in which it is set
OTHER_MINER = "0x" + "c0" * 20  # makes blocks of a fork other ones


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
        if request.method == "GET":
            return web.Response(text=f"{self.name} is there\n")
        told = await self._proxy.forward(self, body)
        if fault is Fault.TRUNCATED:
            told = told[: len(told) // 2]
        if fault is Fault.RESET:
            return await _cut_off(request, told)
        return web.Response(body=told, content_type="application/json")


class FaultProxy:
    """`nodes` are names, each on a free port, or names with their ports. `fork` is an anvil that FORK may have for itself."""

    def __init__(self, upstream: str, nodes: Iterable[str] | Mapping[str, int], fork: str | None = None) -> None:
        self._upstream, self._fork = upstream, fork
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
        """From the next request on; `seconds` is what SLOW adds. A node on another fork closes what is connected."""
        node = self.nodes[name]
        async with self._switching:
            if fault in _FREEZES and node.fault is not fault:
                node.heights = await self._heights()
            if fault is Fault.FORK and node.fault is not fault:
                await self._branch()
            await self._switch(node, fault, seconds)

    async def clear(self, name: str) -> None:
        async with self._switching:
            await self._switch(self.nodes[name], None, 0.0)

    async def _switch(self, node: Node, fault: Fault | None, seconds: float) -> None:
        if Fault.FORK in (node.fault, fault) and node.fault is not fault:
            await node.refuse()
        node.fault, node.seconds = fault, seconds
        await (node.refuse() if fault is Fault.DOWN else node.open())

    async def _branch(self) -> None:
        """Lets the other anvil go on from the block that the chain has now, by blocks of its own, one a second."""
        if self._fork is None:
            raise ValueError("there is no other anvil for a fork")
        await self._call("anvil_reset", {"forking": {"jsonRpcUrl": self._upstream}}, upstream=self._fork)
        await self._call("anvil_setCoinbase", OTHER_MINER, upstream=self._fork)
        await self._call("evm_setIntervalMining", 1, upstream=self._fork)

    async def forward(self, node: Node, body: bytes) -> bytes:
        """The real node's answer with the fault applied; what is no JSON-RPC passes as it is."""
        fault, heights, upstream = node.fault, node.heights, self.upstream(node)
        try:
            question = json.loads(body)
        except ValueError:
            return await self._post(body, upstream)
        answer = await self._post(json.dumps(ask(fault, question, heights)).encode(), upstream)
        return json.dumps(tell(fault, question, json.loads(answer), heights)).encode()

    async def relay(self, request: web.BaseRequest, node: Node) -> web.StreamResponse:
        """A WebSocket to the real node, with the node's faults applied to what passes."""
        return await relay.relayed(request, node, self._session, self.upstream(node))

    def upstream(self, node: Node) -> str:
        """Where the node's answers come from."""
        return self._fork if node.fault is Fault.FORK and self._fork else self._upstream

    async def _heights(self) -> Mapping[str, str]:
        """The height of each block tag now; what is pending on a node that stalls comes after its last block."""
        blocks = [await self._call("eth_getBlockByNumber", tag, _HASHES_ONLY) for tag in _TAGS]
        heights = {tag: block["number"] for tag, block in zip(_TAGS, blocks, strict=True) if block}
        return {**heights, "pending": heights["latest"]}

    async def _call(self, method: str, *params: object, upstream: str | None = None) -> Any:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return json.loads(await self._post(json.dumps(question).encode(), upstream or self._upstream))["result"]

    async def _post(self, body: bytes, upstream: str) -> bytes:
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(upstream, data=body, headers=headers) as response:
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
            await self._proxy.set(self._node(request), fault, seconds=seconds)
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}; faults: {', '.join(Fault)}\n") from None
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
        FaultProxy(options.upstream, dict(options.node), options.fork) as proxy,
        administered(proxy, options.admin_port) as admin,
    ):
        print(f"nodes: {', '.join(f'{node.name} {node.url}' for node in proxy.nodes.values())}; admin: {admin}/nodes")
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.proxy", description=__doc__.splitlines()[0])
    parser.add_argument("--upstream", required=True, help="URL of the real node")
    parser.add_argument("--fork", help="URL of another anvil, for a node that goes on alone")
    parser.add_argument("--admin-port", type=int, default=0, help="port on 127.0.0.1 for GET /nodes and the switches")
    parser.add_argument("node", nargs="+", type=_node_and_port, metavar="NAME[=PORT]", help="a node to offer")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
