"""A contract on a real chain, and its logs as a source."""

from __future__ import annotations

from collections.abc import Sequence

from demo.chain import Anvil
from occ.errors import Reason, SourceError
from occ.ledger import Logged
from occ.page import Event
from tests.occ.ledger_chain import POOLS, VOLUME

EMITTER = "0x600e80600b6000396000f3" + "6000356000526001602060" + "00a100"
"""Deploys a contract that logs the first word of what it is called with: MSTORE it, LOG1 with topic 1, STOP."""


class Contract:
    """The emitter on a chain, and its logs as a source: an amount of volume each."""

    name = "anvil"

    def __init__(self, chain: Anvil) -> None:
        self._rpc = chain.rpc
        self._chain = chain

    async def deploy(self) -> None:
        self.sender = (await self._rpc("eth_accounts"))[0]
        sent = await self._rpc("eth_sendTransaction", {"from": self.sender, "data": EMITTER})
        await self._chain.mine()
        self.address = (await self._rpc("eth_getTransactionReceipt", sent))["contractAddress"]

    def call(self, amount: int) -> dict[str, str]:
        return {"from": self.sender, "to": self.address, "data": f"0x{amount:064x}", "gas": hex(100_000)}

    async def emit(self, *amounts: int) -> None:
        for amount in amounts:
            await self._rpc("eth_sendTransaction", self.call(amount))
        await self._chain.mine()

    async def reorganise(self, depth: int, *amounts: int) -> None:
        await self._rpc("anvil_reorg", depth, [[self.call(amount), depth - 1] for amount in amounts])

    async def head(self) -> int:
        return await self._chain.height()

    async def block_hash(self, number: int) -> str:
        block = await self._rpc("eth_getBlockByNumber", hex(number), False)  # noqa: FBT003 - its own parameter
        if block is None:
            raise SourceError(Reason.BAD_RESPONSE, f"block {number} is not there")
        return str(block["hash"])

    async def logs(self, first: int, last: int) -> Sequence[Logged]:
        question = {"fromBlock": hex(first), "toBlock": hex(last), "address": self.address}
        return [
            Logged(int(each["blockNumber"], 16), each["blockHash"], Event(VOLUME, POOLS[0], int(each["data"], 16)))
            for each in await self._rpc("eth_getLogs", question)
        ]

    async def recount(self, confirmations: int) -> int:
        last = await self.head() - confirmations
        return sum(int(each.event.amount) for each in await self.logs(0, last)) if last >= 0 else 0
