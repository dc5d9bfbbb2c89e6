"""Binance's books against the venue server: an update that is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing

import pytest

from adapters.venue import BookGapError, Venue
from demo.venue import server as far_side
from demo.venue.wire import Dialect
from tests.adapters.venue.far import SPOT, venue
from tests.demo.venue.support import DEADLINE, opened


async def follows(asked: Venue, heard: Callable[[], None]) -> None:
    """Follows a book until it is lost."""
    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", "BTC/USDT", 100)) as feed:
        async for _ in feed:
            heard()


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("levels", [None, {"x": 1}, "garbage"])
async def test_an_update_whose_side_is_no_list_is_a_gap(
    monkeypatch: pytest.MonkeyPatch, side: str, levels: object
) -> None:
    broken = asyncio.Event()

    def told(_venue: Dialect, text: str) -> str:
        message = json.loads(text)
        spoiled = broken.is_set() and message.get("e") == "depthUpdate"
        return json.dumps({**message, side: levels}) if spoiled else text

    monkeypatch.setattr(far_side, "_spoiled_text", told)
    async with opened("binance", rate=100) as server, venue(server.base_url("binance"), options=SPOT) as asked:
        with pytest.raises(BookGapError):
            await follows(asked, broken.set)
