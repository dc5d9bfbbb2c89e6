"""The engine's accounts on the venue server: what it takes itself to hold is what the venue says, unless it does not hear of it."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from demo.engine import account
from demo.engine.faults import Fault
from demo.until import until
from demo.venue.faults import Fault as VenueFault
from demo.venue.faults import Scope
from demo.venue.server import Server

from .desk import CONTRACT, DEADLINE, Trader, trader, venues

HELD = Decimal(1)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with venues() as made:
        yield made


async def test_it_begins_with_what_the_venue_says(server: Server) -> None:
    async with trader(server, trades=False) as desk:
        assert desk.believes() is None, "nobody was asked yet"
        assert await desk.comes_to_believe() == await desk.truth() > 0


async def test_it_hears_of_what_is_traded_for_its_account_on_spot_and_in_contracts(server: Server) -> None:
    async with trader(server, trades=False) as desk:
        before = await desk.comes_to_believe()
        await desk.hand.call("create_order", "BTC/USDT", "market", "sell", 0.5)
        await desk.hand.call("create_order", CONTRACT, "market", "sell", 2)
        assert await desk.comes_to_believe() == before - Decimal("2.5")
        await desk.hand.call("create_order", "BTC/USDT", "market", "buy", 1)
        after = await desk.comes_to_believe()
        assert before - Decimal("1.5") - Decimal("0.01") < after < before - Decimal("1.5"), (
            "the fee is paid in what was bought"
        )


async def test_what_a_venue_does_not_tell_is_unknown_until_it_does(server: Server) -> None:
    exchange = server.venues["binance"].exchange
    async with trader(server, trades=False) as desk:
        await desk.comes_to_believe()
        exchange.set(VenueFault.SERVER_ERROR, Scope())

        async def unknown() -> bool:
            return desk.believes() is None

        assert await until(unknown, DEADLINE)
        assert 'engine_position_base{base="BTC"}' not in await desk.page()
        exchange.clear(VenueFault.SERVER_ERROR)
        await desk.comes_to_believe()
        assert 'engine_position_base{base="BTC"}' in await desk.page()


async def wrong(desk: Trader) -> Decimal:
    """By how much more there is than it believes, as soon as that is something."""

    async def apart() -> list[Decimal]:
        more = await desk.truth() - (desk.believes() or Decimal(0))
        return [more] if more > Decimal("0.05") else []

    (found,) = await until(apart, DEADLINE)
    return found


async def test_who_misses_fills_buys_again_until_it_is_halted_and_believes_the_venue(server: Server) -> None:
    async with trader(server, holds=HELD) as desk:
        await desk.comes_to_believe()
        desk.goes_wrong(Fault.MISSED_FILLS)
        assert await wrong(desk) > 0
        await desk.tell("halt")
        await desk.comes_to_believe()


async def test_after_fills_that_it_missed_it_asks_what_there_is(server: Server) -> None:
    async with trader(server, holds=HELD) as desk:
        await desk.comes_to_believe()
        desk.goes_wrong(Fault.MISSED_FILLS)
        assert await wrong(desk) > 0
        desk.engine.faults.clear()
        await desk.comes_to_believe()


@pytest.mark.parametrize("symbol", ["BTC/USDT", CONTRACT])
async def test_a_stream_tells_of_a_fill_long_before_it_would_ask(
    server: Server, monkeypatch: pytest.MonkeyPatch, symbol: str
) -> None:
    monkeypatch.setattr(account, "EVERY", 10 * DEADLINE)
    async with trader(server, trades=False) as desk:
        before = await desk.comes_to_believe()

        async def heard() -> bool:
            """Of one trade or another: the first may come before the stream."""
            await desk.hand.call("create_order", symbol, "market", "sell", 0.01)
            return (desk.believes() or before) < before

        assert await until(heard, DEADLINE)
