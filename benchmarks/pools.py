"""Pools on a local chain for benchmarks, and what reads them: ours, and peers in processes of their own."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import aiohttp

from adapters.evm import Chain as Nodes
from adapters.evm import Endpoint, EthCall, View
from adapters.evm.abi import word
from demo.chain import Anvil
from demo.evm import Chain, Contract
from demo.market import MULTICALL3, Market
from exporters.pools.config import PoolsConfig
from exporters.pools.kinds.uniswap_v2 import GET_RESERVES
from exporters.pools.source import Source
from exporters.pools.targets import targets
from occ import config
from occ.config import Secret
from occ.jsonrpc import Client

WITHIN = 20.0
AMOUNT = 10**24
AT_ONCE = 200
"""Pairs made in one block."""


@dataclass(frozen=True)
class Pairs:
    """Uniswap v2 pairs on a chain, and their tokens."""

    market: Market
    tokens: Sequence[Contract]
    made: Sequence[tuple[Contract, Contract, Contract]]

    @property
    def url(self) -> str:
        return self.market.chain.anvil.url

    def config(self, count: int) -> str:
        """pools.yml of the first pairs."""
        names = {token.address: f"T{at}" for at, token in enumerate(self.tokens)}
        tokens = "".join(f'      {name}: {{address: "{address}", decimals: 18}}\n' for address, name in names.items())
        pools = "".join(
            f'      - {{name: p{at}, kind: uniswap_v2, address: "{pair.address}", base: {names[one.address]}, '
            f"quote: {names[other.address]}}}\n"
            for at, (pair, one, other) in enumerate(self.made[:count])
        )
        return (
            f'chains:\n  - name: local\n    interval: 20s\n    timeout: 20s\n    rpc: [{{name: own, url: "{self.url}"}}]\n'
            f"    confirmations: 3\n    tokens:\n{tokens}    pools:\n{pools}"
        )

    async def trade(self, count: int) -> None:
        """Sells a little in so many of the first pairs: a block, or as many as it takes."""
        swaps = [self.market.v2_swap(AMOUNT // 10**6, one, other) for _, one, other in self.made[:count]]
        for at in range(0, len(swaps), AT_ONCE):
            await self.market.chain.send(*swaps[at : at + AT_ONCE])


@asynccontextmanager
async def pairs(count: int) -> AsyncIterator[Pairs]:
    """So many pairs. The chain calls itself mainnet: some peers know no other."""
    async with Anvil(chain_id=1) as anvil:
        market = await Market.opened(Chain(anvil))
        tokens = await market.tokens(*((f"T{at}", 18) for at in range(int((2 * count) ** 0.5) + 2)))
        chosen = list(itertools.combinations(tokens, 2))[:count]
        made: list[tuple[Contract, Contract, Contract]] = []
        for at in range(0, count, AT_ONCE):
            some = chosen[at : at + AT_ONCE]
            found = await market.v2_pools(*((one, other, AMOUNT, AMOUNT) for one, other in some))
            made += [(pair, one, other) for pair, (one, other) in zip(found, some, strict=True)]
        yield Pairs(market, tokens, made)


class Ours:
    """Our reading of the first pairs: the whole cycle, and the calls alone with their replies as integers."""

    def __init__(self, of: Pairs, count: int, session: aiohttp.ClientSession) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pools.yml"
            path.write_text(of.config(count))
            loaded = config.load(path, PoolsConfig).config
        (chain,) = loaded.chains
        self.source = Source(chain, targets(loaded, chain), session, WITHIN)
        self._nodes = Nodes([Endpoint("own", Client(session, Secret(of.url), reads_only=True))], MULTICALL3)
        self._calls = tuple(EthCall(pair.address, GET_RESERVES) for pair, _, _ in of.made[:count])

    async def cycle(self) -> None:
        readings = await self.source.read()
        failed = [each for each in readings.values() if isinstance(each, Exception)]
        assert not failed, failed[0]

    async def reserves(self) -> list[tuple[int, int]]:
        async def read(view: View) -> list[tuple[int, int]]:
            replies, _ = await view.read(self._calls)
            return [(word(reply, 0), word(reply, 1)) for reply in replies if isinstance(reply, bytes)]

        return await self._nodes.read(read, WITHIN)


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU and wall-clock seconds."""

    cpu: float
    wall: float


async def spent(work: Awaitable[object]) -> Spent:
    """What awaiting it takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    await work
    return Spent(time.process_time() - cpu, time.perf_counter() - wall)


class Peer:
    """A process that reads the same with a library, once for each line that it is sent."""

    def __init__(self, python: str, way: str, of: Pairs, count: int) -> None:
        script = Path(__file__).with_name("pools_peer.py")
        self._child = subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        addresses = [pair.address for pair, _, _ in of.made[:count]]
        self._say({"way": way, "url": of.url, "pairs": addresses, "multicall": MULTICALL3, "amount": AMOUNT})

    def _say(self, what: object) -> None:
        _pipe(self._child.stdin).write(json.dumps(what) + "\n")
        _pipe(self._child.stdin).flush()

    async def once(self) -> Spent:
        """One reading of everything, checked over there."""
        self._say("go")
        line = await asyncio.to_thread(_pipe(self._child.stdout).readline)
        return Spent(*json.loads(line))

    def end(self) -> None:
        self._child.kill()
        self._child.wait()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@contextmanager
def peer(python: str, way: str, of: Pairs, count: int) -> Iterator[Peer]:
    """A peer for the length of the block."""
    made = Peer(python, way, of, count)
    try:
        yield made
    finally:
        made.end()
