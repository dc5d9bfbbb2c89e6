"""Goal 11: CPU per poll of 500 nodes, everything included, against a bare asyncio protocol that asks the same."""

from __future__ import annotations

import asyncio
import statistics
import time
from urllib.parse import urlsplit

import orjson

from benchmarks.exporting import exporter
from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.nodes import HEADER_END, nodes
from exporters.nodes.families.evm import CALLS

COUNT = 500


class _Bare(asyncio.Protocol):
    """Sends one request and gives its answer's body, parsed; keeps the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future[object]:
        self._answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(HEADER_END)
        if found and len(body) >= int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]):
            self._answer.set_result(orjson.loads(body))


async def _bare(urls: list[str]) -> tuple[list[_Bare], list[bytes]]:
    loop = asyncio.get_running_loop()
    port = urlsplit(urls[0]).port or 0
    clients = [(await loop.create_connection(_Bare, "127.0.0.1", port))[1] for _ in urls]
    calls = [
        {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
        for number, call in enumerate(CALLS)
    ]
    body = orjson.dumps(calls)
    head = "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    return clients, [head.format(urlsplit(url).path, len(body)).encode() + body for url in urls]


async def _measure(urls: list[str]) -> float:
    clients, requests = await _bare(urls)
    async with exporter(urls, "30s", "20s") as poller:
        found = []
        for turn in range(ROUNDS + 2):
            began = time.process_time()
            await asyncio.gather(*(client.ask(request) for client, request in zip(clients, requests, strict=True)))
            between = time.process_time()
            await poller.once()
            poller.render()
            if turn > 1:  # connections are there, and everything was seen once
                found.append((time.process_time() - between) / (between - began))
    for client in clients:
        client.transport.close()
    return statistics.median(found)


def run() -> Result:
    """The median ratio of CPU; ours has the page written as well."""
    with nodes(COUNT) as urls:
        found = asyncio.run(_measure(urls))
    what = "CPU per poll of 500 nodes, readings, columns and the written page included, against a bare asyncio protocol"
    return Result(11, what, (Part("", found, 6, at_least=False),))
