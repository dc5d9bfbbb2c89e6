"""Simulated EVM nodes in a process of their own, as many as one likes on one port, some of them dead."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import orjson

from demo.processes import free_ports

HEADER_END = b"\r\n\r\n"


def _result(call: dict[str, object]) -> object:
    height = int(time.time() / 12)
    match call["method"]:
        case "eth_chainId":
            return "0x1"
        case "eth_getBlockByNumber":
            match call["params"]:
                case [str(asked), _] if asked.startswith("0x"):
                    height = int(asked, 16)
            return {
                "number": hex(height),
                "timestamp": hex(height * 12),
                "hash": f"0x{height:064x}",
                "parentHash": f"0x{height - 1:064x}",
                "baseFeePerGas": "0x3b9aca00",
                "gasUsed": "0xe4e1c0",
                "gasLimit": "0x1c9c380",
            }
        case "eth_syncing":
            return False
        case "net_peerCount" | "eth_getBalance" | "eth_maxPriorityFeePerGas":
            return "0x19"
        case "txpool_status":
            return {"pending": "0x19", "queued": "0x0"}
        case _:
            return "Geth/v1.14.8-stable-a9523b64/linux-amd64/go1.22.6"


def answer(body: bytes) -> bytes:
    """The HTTP answer to a batch or a call."""
    asked = orjson.loads(body)
    calls = asked if isinstance(asked, list) else [asked]
    told = [{"jsonrpc": "2.0", "id": call["id"], "result": _result(call)} for call in calls]
    return _http(orjson.dumps(told if isinstance(asked, list) else told[0]))


def _http(text: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)


class _Node(asyncio.Protocol):
    """Answers but for the paths that are dead; `POST /dead` with a list of paths says which those are.

    What it was asked last, whichever node it was, is the answer to `/asked`.
    """

    asked = b""

    def __init__(self, dead: set[str]) -> None:
        self._dead = dead
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while HEADER_END in self._buffer:
            head, _, rest = self._buffer.partition(HEADER_END)
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            path = head.split(b" ", 2)[1].decode()
            if path == "/dead":
                self._dead.clear()
                self._dead.update(orjson.loads(rest[:length]))
                self._transport.write(_http(b""))
            elif path == "/asked":
                self._transport.write(_http(_Node.asked))
            elif path not in self._dead:
                _Node.asked = rest[:length]
                self._transport.write(answer(rest[:length]))


HOSTS = tuple(f"127.0.0.{last}" for last in range(1, 51))
"""Nodes are on many hosts, and an exporter asks one host only so much at once."""


def _serve(told: Connection, dead: set[str]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        (port,) = free_ports(1)
        server = await loop.create_server(lambda: _Node(dead), HOSTS, port, backlog=1024)
        told.send(port)
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def nodes(count: int, dead: int = 0) -> Iterator[list[str]]:
    """The URLs of `count` nodes, the last `dead` of which never answer."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    silent = {f"/node-{n}" for n in range(count - dead, count)}
    server = context.Process(target=_serve, args=(there, silent), daemon=True)
    server.start()
    try:
        port = here.recv()
        yield [f"http://{HOSTS[n % len(HOSTS)]}:{port}/node-{n}" for n in range(count)]
    finally:
        server.terminate()
        server.join()


def config(urls: list[str], interval: str, patience: str, stale_after: str) -> str:
    """A nodes.yml with all of them in one chain."""
    lines = "".join(f'      - {{name: node-{n}, url: "{url}"}}\n' for n, url in enumerate(urls))
    return (
        f"scrape_interval: 1s\ndefaults: {{interval: {interval}, timeout: {patience}, stale_after: {stale_after}}}\n"
        f"chains:\n  - name: ethereum\n    family: evm\n    chain_id: 1\n    block_time: 12s\n    nodes:\n{lines}"
    )
