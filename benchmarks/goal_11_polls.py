"""Goal 11: CPU per poll of 500 nodes, everything included, against a bare asyncio protocol that asks the same."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from urllib.parse import urljoin, urlsplit

import aiohttp
import orjson

from benchmarks.exporting import planned
from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.nodes import HEADER_END, nodes
from occ.job import Polled
from occ.poller import Poller
from occ.process import settle

COUNT = 500
PINNED = 1_000_000
"""The first height at which all nodes are asked for the same; pinned by us, so that `once` is one look at each node."""


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


async def _bare(urls: list[str], body: bytes) -> tuple[list[_Bare], list[bytes]]:
    loop = asyncio.get_running_loop()
    addresses = [(parts.hostname or "", parts.port or 0) for parts in map(urlsplit, urls)]
    clients = [(await loop.create_connection(_Bare, *address))[1] for address in addresses]
    head = "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    return clients, [head.format(urlsplit(url).path, len(body)).encode() + body for url in urls]


async def _measure(urls: list[str]) -> dict[str, float]:
    """CPU seconds of one cycle by what is in it, the median of rounds; each step has all that is before it in it."""
    async with planned(urls, "30s", "20s") as (plan, page), _plain_session() as session:
        job = plan.jobs[0]
        assert isinstance(job, Polled)
        poller = Poller("nodes", (job,), page, derive=plan.derive)
        heights = itertools.count(PINNED)
        settle()
        plan.pins.set({"ethereum": next(heights)})
        for _ in range(2):  # connections are there, and everything was seen once
            await poller.once()
        body = await _asked(session, urls[0])
        clients, requests = await _bare(urls, body)

        async def bare() -> None:
            await asyncio.gather(*(client.ask(request) for client, request in zip(clients, requests, strict=True)))

        async def aiohttp_alone() -> None:
            await asyncio.gather(*(_post(session, url, body) for url in urls))

        async def readings() -> None:
            await asyncio.gather(*(job.read((target,)) for target in job.targets))

        async def all_of_it() -> None:
            await poller.once()
            poller.render()

        steps = {"bare": bare, "aiohttp": aiohttp_alone, "readings": readings, "all": all_of_it}
        found: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(ROUNDS + 1):
            for name, step in steps.items():
                plan.pins.set({"ethereum": next(heights)})
                began = time.process_time()
                await step()
                if turn:
                    found[name].append(time.process_time() - began)
    for client in clients:
        client.transport.close()
    return {name: statistics.median(spent) for name, spent in found.items()}


async def _asked(session: aiohttp.ClientSession, url: str) -> bytes:
    """The batch that the exporter sends, for the others to send the same."""
    async with session.post(urljoin(url, "/asked"), data=b"") as reply:
        return await reply.read()


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
        f"{each['all'] - each['readings']:.0f}; a bare asyncio protocol asks the same in {each['bare']:.0f}, and looks at no "
        f"answer. aiohttp alone is {each['aiohttp'] / each['bare']:.1f}x of it, so the goal leaves "
        f"{6 * each['bare'] - each['aiohttp']:.0f} µs for all else. Nearer to the limit is an HTTP client of our own: a second "
        "aiohttp to keep."
    )
    return Result(11, what, (Part("", spent["all"] / spent["bare"], 6, at_least=False),), note)
