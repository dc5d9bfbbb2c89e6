"""Goal 11: CPU per poll of 500 nodes, everything included, against a bare asyncio protocol that asks the same."""

from __future__ import annotations

import asyncio
import statistics
import time
from urllib.parse import urlsplit

import aiohttp
import orjson

from benchmarks.exporting import planned
from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.nodes import HEADER_END, nodes
from exporters.nodes.families.evm import CALLS
from occ.job import Polled

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
    addresses = [(parts.hostname or "", parts.port or 0) for parts in map(urlsplit, urls)]
    clients = [(await loop.create_connection(_Bare, *address))[1] for address in addresses]
    calls = [
        {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
        for number, call in enumerate(CALLS)
    ]
    body = orjson.dumps(calls)
    head = "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    return clients, [head.format(urlsplit(url).path, len(body)).encode() + body for url in urls]


async def _measure(urls: list[str]) -> dict[str, float]:
    """CPU seconds of one cycle by what is in it, the median of rounds; each step has all that is before it in it."""
    clients, requests = await _bare(urls)
    async with planned(urls, "30s", "20s") as (plan, poller), _plain_session() as session:
        (job,) = plan.jobs
        assert isinstance(job, Polled)

        async def bare() -> None:
            await asyncio.gather(*(client.ask(request) for client, request in zip(clients, requests, strict=True)))

        async def aiohttp_alone() -> None:
            body = requests[0].partition(HEADER_END)[2]
            await asyncio.gather(*(_post(session, url, body) for url in urls))

        async def readings() -> None:
            await asyncio.gather(*(job.read((target,)) for target in job.targets))

        async def all_of_it() -> None:
            await poller.once()
            poller.render()

        steps = {"bare": bare, "aiohttp": aiohttp_alone, "readings": readings, "all": all_of_it}
        found: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(ROUNDS + 2):
            for name, step in steps.items():
                began = time.process_time()
                await step()
                if turn > 1:  # connections are there, and everything was seen once
                    found[name].append(time.process_time() - began)
    for client in clients:
        client.transport.close()
    return {name: statistics.median(spent) for name, spent in found.items()}


def _plain_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> object:
    async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as reply:
        return orjson.loads(await reply.read())


def run() -> Result:
    """The ratio of the medians of CPU; ours has the page written as well."""
    with nodes(COUNT) as urls:
        spent = asyncio.run(_measure(urls))
    each = {name: seconds / COUNT * 1e6 for name, seconds in spent.items()}
    what = "CPU per poll of 500 nodes, readings, columns and the written page included, against a bare asyncio protocol"
    note = (
        f"where the {each['all']:.0f} µs of a poll go: an aiohttp request {each['aiohttp']:.0f}, JSON-RPC, its metrics and "
        f"the reading {each['readings'] - each['aiohttp']:.0f}, poller, derivation and page "
        f"{each['all'] - each['readings']:.0f}; a bare asyncio protocol asks the same in {each['bare']:.0f}. aiohttp alone is "
        f"{each['aiohttp'] / each['bare']:.1f}x of it. Nearer to the limit is an HTTP client of our own: a second aiohttp to keep."
    )
    return Result(11, what, (Part("", spent["all"] / spent["bare"], 6, at_least=False),), note)
