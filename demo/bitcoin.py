"""A local Bitcoin chain for tests: real bcoin nodes on regtest, as `async with bitcoin("alpha") as node`."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from occ.config import Secret
from occ.jsonrpc import Call, Client

from .parts import script
from .processes import Part, Supervisor, free_ports

CHAIN = "regtest"
GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"

KEY = "r3gtest-k3y-0123456789"
"""The password of all these nodes, for any user."""

_NOBODY = "R9HC5WtHbpoa51NCUAz86XLCmGTbkf45NT"  # whom blocks are mined for: the hash of his key is zero

# The address that a node tells others as its own: without one it would ask the internet for it. Nobody can connect there.
_UNREACHABLE = "224.0.0.1"


def bitcoin_part(name: str, port: int, peers: int, folder: Path) -> Part:
    """RPC is at `port`, and other nodes connect to `peers`; both on loopback. It looks for no peers by itself."""
    chain = [f"--network={CHAIN}", "--memory=true", f"--prefix={folder}", "--no-wallet", "--workers=false"]
    api = ["--http-host=127.0.0.1", f"--http-port={port}", "--log-level=info", "--log-file=false"]
    net = ["--listen=true", "--host=127.0.0.1", f"--port={peers}", f"--public-host={_UNREACHABLE}", "--seeds=,"]
    question = {"jsonrpc": "2.0", "id": 1, "method": "getblockcount", "params": []}
    # Its binary parts would have to be compiled: `js` does without.
    environment = {"NODE_BACKEND": "js", "BCOIN_API_KEY": KEY}
    return Part(name, [*script("bcoin/bin/node"), *chain, *api, *net], _url(port), question, environment)


def _url(port: int) -> str:
    return f"http://user:{KEY}@127.0.0.1:{port}"


@dataclass(frozen=True)
class Bitcoin:
    """A running node; its URL has its password in it. `peers` is where others connect to."""

    pid: int
    url: str
    peers: str
    _client: Client

    async def rpc(self, method: str, *params: object) -> Any:
        """The result; RpcError where the node answers with an error."""
        return await self._client.call(Call(method, params))

    async def mine(self, blocks: int = 1) -> None:
        await self.rpc("generatetoaddress", blocks, _NOBODY)

    async def connect(self, other: "Bitcoin") -> None:
        """Begins to; what the other has more of is fetched then."""
        await self.rpc("addnode", other.peers, "onetry")

    async def disconnect(self, other: "Bitcoin") -> None:
        """Of nodes that this one has connected to."""
        await self.rpc("disconnectnode", other.peers)


@asynccontextmanager
async def bitcoin(name: str) -> AsyncIterator[Bitcoin]:
    """A node with a chain of its own, ended with the block."""
    port, peers = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="bitcoin-") as folder:
        async with Supervisor(Path(folder)) as parts, aiohttp.ClientSession() as session:
            await parts.start(bitcoin_part(name, port, peers, Path(folder)))
            client = Client(session, Secret(_url(port)))
            yield Bitcoin(parts.children[name].pid, _url(port), f"127.0.0.1:{peers}", client)
