"""A pair of EVM nodes that peer, for tests: real EthereumJS clients on a chain of their own, as `async with peers() as pair`."""

import json
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

CHAIN_ID = 1234

_MINER_KEY = f"{1:064x}"
_MINER = "7e5f4552091a69125d5dfcb7b8c2659029395bdf"
_FORKS = ("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul", "berlin")

MINED_EVERY = 1
"""Seconds from block to block."""

REFUSED_BELOW = 10**10
"""Seconds that have to be between two blocks for who holds a rule that no block of this chain keeps."""


def genesis(block_period: int) -> dict[str, Any]:
    """A genesis of one miner, as geth writes it. The same block comes of every period: that is a rule for those after it."""
    rules: dict[str, Any] = {f"{fork}Block": 0 for fork in (*_FORKS, "london")}
    return {
        "config": {"chainId": CHAIN_ID, **rules, "clique": {"period": block_period, "epoch": 30_000}},
        "timestamp": "0x6553f100",
        "number": "0x0",
        "nonce": "0x0",
        "difficulty": "0x1",
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x0",
        "baseFeePerGas": 7,
        "mixHash": f"0x{0:064x}",
        "parentHash": f"0x{0:064x}",
        "coinbase": f"0x{0:040x}",
        "extraData": f"0x{0:064x}{_MINER}{0:0130x}",
        "alloc": {_MINER: {"balance": "0xde0b6b3a7640000"}},
    }


def ethereumjs_part(name: str, port: int, peers: int, folder: Path, block_period: int, *more: str) -> Part:
    """RPC is at `port` on loopback. It looks for no peers by itself, but listens for them at `peers` on every address."""
    rules = folder / f"{name}.json"
    rules.write_text(json.dumps(genesis(block_period)))
    chain = [f"--gethGenesis={rules}", f"--dataDir={folder / name}", "--no-logFile"]
    api = ["--rpc", "--rpcAddr=127.0.0.1", f"--rpcPort={port}"]
    net = [f"--port={peers}", "--extIP=127.0.0.1", "--discDns=false", "--discV4=false"]
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    client = script("@ethereumjs/client/dist/esm/bin/cli.js")
    return Part(name, [*client, *chain, *api, *net, *more], f"http://127.0.0.1:{port}", question)


@dataclass(frozen=True)
class Pair:
    """URLs of a node that mines, and of its peer, which holds another rule, takes none of its blocks, and so lags."""

    ahead: str
    behind: str


@asynccontextmanager
async def peers() -> AsyncIterator[Pair]:
    """The pair for the length of the block. The one behind has been told of the other, and may not have reached it yet."""
    ahead, behind, *listening = free_ports(4)
    with tempfile.TemporaryDirectory(prefix="ethereumjs-") as name:
        folder = Path(name)
        (folder / "miner").write_text(_MINER_KEY)
        async with Supervisor(folder) as parts, aiohttp.ClientSession() as session:
            try:
                mining = ["--mine", f"--unlock={folder / 'miner'}"]
                await parts.start(ethereumjs_part("ahead", ahead, listening[0], folder, MINED_EVERY, *mining))
                told = await Client(session, Secret(f"http://127.0.0.1:{ahead}")).call(Call("admin_nodeInfo"))
                known = f"--bootnodes={told['enode']}"
                await parts.start(ethereumjs_part("behind", behind, listening[1], folder, REFUSED_BELOW, known))
                yield Pair(f"http://127.0.0.1:{ahead}", f"http://127.0.0.1:{behind}")
            finally:
                parts.kill()  # asked to end they take seconds
