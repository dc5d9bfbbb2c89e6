"""A local EVM chain: one anvil, for the demo as a part and for tests as `async with Anvil() as chain`."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from .parts import locate
from .processes import Child, Part, free_ports

CHAIN_ID = 31337


SLOTS_IN_AN_EPOCH = 4
"""So few that a block is finalized within seconds: the second last epoch's last one."""

AT_A_TIME = 100
"""Calls in a request: those that make contracts are some kB each."""


def anvil_part(port: int, *, chain_id: int = CHAIN_ID, block_time: float | None = 1, name: str = "anvil") -> Part:
    """`block_time` in seconds; without one a block is mined only when asked for."""
    address = ["--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id), "--silent"]
    address += ["--slots-in-an-epoch", str(SLOTS_IN_AN_EPOCH)]
    mining = ["--no-mining"] if block_time is None else ["--block-time", f"{block_time:g}"]
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    return Part(name, [locate("anvil"), *address, *mining], f"http://127.0.0.1:{port}", question)


class Rpc:
    """A local chain that runs already, asked and driven over JSON-RPC for the length of a block."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def rpc(self, method: str, *params: object) -> Any:
        """The `result`; an error object of the node is a RuntimeError."""
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._session.post(self.url, json=question) as response:
            answer = await response.json()
        if "result" not in answer:
            raise RuntimeError(f"{method}: {answer.get('error', answer)}")
        return answer["result"]

    async def batch(self, calls: Sequence[tuple[str, Sequence[object]]], *, errors: bool = False) -> list[Any]:
        """The results of many calls, some at a time. An error object is a RuntimeError: raised, or with `errors` in its place."""
        questions = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        answers: list[Any] = []
        for first in range(0, len(questions), AT_A_TIME):
            async with self._session.post(self.url, json=questions[first : first + AT_A_TIME]) as response:
                answers += sorted(await response.json(), key=lambda answer: int(answer["id"]))
        found = [
            answer["result"] if "result" in answer else RuntimeError(f"{method}: {answer.get('error', answer)}")
            for answer, (method, _) in zip(answers, calls, strict=True)
        ]
        for each in found:
            if isinstance(each, RuntimeError) and not errors:
                raise each
        return found

    async def height(self) -> int:
        return int(await self.rpc("eth_blockNumber"), 16)

    async def mine(self, blocks: int = 1) -> None:
        await self.rpc("anvil_mine", hex(blocks))

    async def set_interval(self, seconds: int) -> None:
        """A block every so many whole seconds from now on."""
        await self.rpc("evm_setIntervalMining", seconds)

    async def stop_mining(self) -> None:
        enabled = False
        await self.rpc("evm_setIntervalMining", 0)
        await self.rpc("evm_setAutomine", enabled)


class Anvil(Rpc):
    """A real anvil for the length of a block, ended with it; `port` may be given to start again at the same address."""

    def __init__(self, *, chain_id: int = CHAIN_ID, block_time: float | None = None, port: int | None = None) -> None:
        self.port = port or free_ports(1)[0]
        super().__init__(f"http://127.0.0.1:{self.port}")
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self._part = anvil_part(self.port, chain_id=chain_id, block_time=block_time)

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="anvil-")
        await super().__aenter__()
        self._child = await Child.start(self._part, Path(self._folder.name))
        try:
            await self._child.ready()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        await self._child.end()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        return self._child.pid
