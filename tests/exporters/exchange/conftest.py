"""A venue server for the tests of the exchange exporter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from demo.venue.server import Server
from tests.exporters.exchange.support import venues


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with venues("alpha") as server:
        yield server
