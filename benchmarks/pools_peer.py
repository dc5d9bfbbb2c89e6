"""Reads the reserves of pairs with another library; run by `pools.py` in an environment that has it.

On the first line come the terms, on each further one the word to read everything once; CPU and wall seconds are answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

PAIR_ABI = [
    {
        "name": "getReserves",
        "type": "function",
        "stateMutability": "view",
        "inputs": [],
        "outputs": [{"name": "", "type": "uint112"}, {"name": "", "type": "uint112"}, {"name": "", "type": "uint32"}],
    }
]
AGGREGATE_ABI = [
    {
        "name": "aggregate3",
        "type": "function",
        "stateMutability": "view",
        "inputs": [
            {
                "name": "calls",
                "type": "tuple[]",
                "components": [
                    {"name": "target", "type": "address"},
                    {"name": "allowFailure", "type": "bool"},
                    {"name": "callData", "type": "bytes"},
                ],
            }
        ],
        "outputs": [
            {
                "name": "",
                "type": "tuple[]",
                "components": [{"name": "success", "type": "bool"}, {"name": "returnData", "type": "bytes"}],
            }
        ],
    }
]
GET_RESERVES = "0x0902f1ac"
Reserves = list[Any]


def per_pool(terms: Any) -> Callable[[], Reserves]:
    """web3.py, a call per pair."""
    w3, addresses = _web3(terms)
    contracts = [w3.eth.contract(address=address, abi=PAIR_ABI) for address in addresses]
    return lambda: [contract.functions.getReserves().call() for contract in contracts]


def aggregated(terms: Any) -> Callable[[], Reserves]:
    """web3.py, one call of Multicall3."""
    from eth_abi.abi import decode  # noqa: PLC0415 - of that environment

    w3, addresses = _web3(terms)
    multicall = w3.eth.contract(address=terms["multicall"], abi=AGGREGATE_ABI)
    calls = [(address, True, GET_RESERVES) for address in addresses]
    types = ("uint112", "uint112", "uint32")
    return lambda: [decode(types, data) for _, data in multicall.functions.aggregate3(calls).call()]


def multicall(terms: Any) -> Callable[[], Reserves]:
    """PyPI multicall."""
    from multicall import Call, Multicall  # noqa: PLC0415 - of that environment

    w3, addresses = _web3(terms)

    def read() -> Reserves:
        calls = [
            Call(
                address, "getReserves()(uint112,uint112,uint32)", [(f"{address}{at}", None) for at in range(3)], _w3=w3
            )
            for address in addresses
        ]
        found = Multicall(calls, _w3=w3)()
        return [tuple(found[f"{address}{at}"] for at in range(3)) for address in addresses]

    return read


DANK_AT_ONCE = 100
"""Pairs that dank-mids is asked for at once: from 300 on it did not return from a local chain."""


def dank_mids(terms: Any) -> Callable[[], Reserves]:
    """PyPI dank-mids, which makes batches of what is called at once."""
    os.environ["TYPEDENVS_SHUTUP"] = "1"
    from dank_mids import setup_dank_w3  # noqa: PLC0415 - of that environment
    from eth_abi.abi import decode  # noqa: PLC0415 - of that environment
    from web3 import AsyncHTTPProvider, AsyncWeb3  # noqa: PLC0415 - of that environment

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    _, addresses = _web3(terms)

    async def ready() -> Any:
        return setup_dank_w3(AsyncWeb3(AsyncHTTPProvider(terms["url"])))

    w3 = loop.run_until_complete(ready())
    calls = [{"to": address, "data": GET_RESERVES} for address in addresses]

    async def read() -> Reserves:
        told = [
            data
            for at in range(0, len(calls), DANK_AT_ONCE)
            for data in await asyncio.gather(*map(w3.eth.call, calls[at : at + DANK_AT_ONCE]))
        ]
        return [decode(("uint112", "uint112", "uint32"), data) for data in told]

    return lambda: loop.run_until_complete(read())


def _web3(terms: Any) -> tuple[Any, list[str]]:
    from web3 import HTTPProvider, Web3  # noqa: PLC0415 - of that environment

    w3 = Web3(HTTPProvider(terms["url"], cache_allowed_requests=True))
    return w3, [Web3.to_checksum_address(address) for address in terms["pairs"]]


WAYS = {each.__name__: each for each in (per_pool, aggregated, multicall, dank_mids)}


def main() -> None:
    """Reads once for each line."""
    terms = json.loads(sys.stdin.readline())
    read = WAYS[terms["way"]](terms)
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        found = read()
        spent = time.process_time() - cpu, time.perf_counter() - wall
        # What a pair holds of one times what it holds of the other never falls.
        if len(found) != len(terms["pairs"]) or any(each[0] * each[1] < terms["amount"] ** 2 for each in found):
            raise SystemExit("other reserves than there can be")
        sys.stdout.write(json.dumps(spent) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
