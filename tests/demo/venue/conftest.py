"""Real servers on loopback, and the classes of ccxt as they are installed, with nothing changed but their URLs
and their own pauses between requests."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import ccxt.pro
import pytest

from demo.venue.faults import Fault, Scope
from demo.venue.server import Server
from tests.demo.venue.support import Client, opened, rewritten


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with opened("binance") as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    """Makes clients of ccxt for a venue of the server, with the trader's key unless told otherwise."""
    made: list[Any] = []

    async def make(venue: str = "binance", kind: str = "binance", **config: Any) -> Any:
        exchange = getattr(ccxt.pro, kind)({"timeout": 20_000, "enableRateLimit": False, **config})
        exchange.urls["api"] = rewritten(exchange.urls["api"], server.base_url(venue))
        made.append(exchange)
        return exchange

    yield make
    for exchange in made:
        await exchange.close()


@pytest.fixture
def switch(server: Server) -> Callable[..., None]:
    def set_fault(fault: Fault, venue: str = "binance", **scope: Any) -> None:
        server.venues[venue].exchange.set(fault, Scope(**scope))

    return set_fault
