"""An exporter of the tests that counts the logs of a contract durably. Run as `python -m tests.occ.ledger_exporter FLAGS`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from occ import http
from occ.config import Duration, ExporterConfig, HttpUrl
from occ.errors import Reason, SourceError
from occ.exporter import Exporter, Plan, main
from occ.job import Pace, Readings, Target
from occ.jsonrpc import Call, Client
from occ.ledger import Logged, Standing, looking, opened
from occ.metrics import Family, Kind
from occ.page import Column, Event, Page
from tests.occ.ledger_chain import CHAIN, DEEP_REORG, FAMILIES, POOLS, VOLUME

CURSOR = Family("pool_log_cursor_block", Kind.GAUGE, "Block up to which events are counted.", ("chain",))


class CountingConfig(ExporterConfig):
    state: str
    url: HttpUrl
    address: str
    confirmations: int
    start_block: int | None = None
    interval: Duration = 0.05


class Contract:
    """The logs of a contract, by JSON-RPC: an amount of volume each."""

    name = "anvil"

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address

    async def _ask(self, method: str, *params: Any) -> Any:
        found = await self._client.call(Call(method, params))
        if found is None:
            raise SourceError(Reason.BAD_RESPONSE, f"{method}: it is not there")
        return found

    async def head(self) -> int:
        return int(await self._ask("eth_blockNumber"), 16)

    async def block_hash(self, number: int) -> str:
        return str((await self._ask("eth_getBlockByNumber", hex(number), False))["hash"])  # noqa: FBT003 - its own parameter

    async def logs(self, first: int, last: int) -> Sequence[Logged]:
        question = {"fromBlock": hex(first), "toBlock": hex(last), "address": self._address}
        return [
            Logged(int(each["blockNumber"], 16), each["blockHash"], Event(VOLUME, POOLS[0], int(each["data"], 16)))
            for each in await self._ask("eth_getLogs", question)
        ]


def columns(standings: Readings[Standing]) -> Iterable[Column]:
    yield standings.column(CURSOR, lambda standing: standing.cursor)


@asynccontextmanager
async def build(config: CountingConfig, page: Page) -> AsyncIterator[Plan]:
    with opened(config.state, FAMILIES) as ledger:
        async with http.session("counting", page) as session:
            stream = ledger.stream(
                "ethereum",
                confirmations=config.confirmations,
                start_block=config.start_block,
                deep_reorgs=DEEP_REORG,
                foreseen=[Event(VOLUME, POOLS[0])],
            )
            follow = {Target("ethereum/logs", CHAIN): (stream, Contract(Client(session, config.url), config.address))}
            pace = Pace(config.interval, timeout=10.0, stale_after=60.0)
            yield Plan((ledger.job(pace, follow, check="logs", families=(CURSOR, *FAMILIES), columns=columns),))


COUNTING = Exporter(
    "counting", "Counts what a contract has logged.", 9797, CountingConfig, (CURSOR, *FAMILIES), build, looking=looking
)

if __name__ == "__main__":
    sys.exit(main(COUNTING))
