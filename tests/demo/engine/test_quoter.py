"""The engine's orders on the venue server, by the real classes of ccxt."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from demo.engine.faults import Fault
from demo.engine.quoter import LEVELS, SWING
from demo.until import until
from demo.venue.faults import Fault as VenueFault
from demo.venue.faults import Scope
from demo.venue.server import Server

from .desk import CONTRACT, DEADLINE, Trader, trader, venues

WHOLE = {"BTC/USDT": 2 * len(LEVELS) + 1, CONTRACT: 2 * len(LEVELS)}
"""By symbol: a row on each side, and on spot a stop."""

HELD = Decimal(1)
ACCEPTED = 'engine_orders_total{venue="binance",outcome="accepted",reason=""}'


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with venues() as made:
        yield made


def standing(server: Server) -> dict[str, int]:
    """The open orders of the account, as the venue has them."""
    desks = (segment.desk for segment in server.venues["binance"].exchange.segments.values())
    found: dict[str, int] = {}
    for ticket in {id(each): each for desk in desks for each in desk.open_of("trader")}.values():
        found[ticket.market.name] = found.get(ticket.market.name, 0) + 1
    return found


def taken(server: Server) -> int:
    """How many orders the venue ever took of the account."""
    segments = server.venues["binance"].exchange.segments.values()
    return sum(len(segment.desk.of("trader", market)) for segment in segments for market in segment.markets.values())


async def reaches(server: Server, wanted: dict[str, int]) -> None:
    async def there() -> bool:
        return standing(server) == wanted

    assert await until(there, DEADLINE)


async def refused(caplog: pytest.LogCaptureFixture) -> bool:
    """It has said that it can not place any."""
    return "no orders" in caplog.text


async def counts(desk: Trader, series: str) -> float:
    """The number, as soon as there is one."""

    async def counted() -> float:
        return (await desk.page())[series]

    return await until(counted, DEADLINE)


async def test_it_has_orders_while_it_quotes_and_a_halt_leaves_them_standing(server: Server) -> None:
    async with trader(server) as desk:
        await reaches(server, WHOLE)
        await desk.tell("halt")
        spot = server.venues["binance"].exchange.segments["spot"].desk
        spot.cancel_all(spot.open_of("trader")[:2], 1)
        await reaches(server, {**WHOLE, "BTC/USDT": WHOLE["BTC/USDT"] - 2})
        await desk.tell("resume")
        await reaches(server, WHOLE)


async def test_a_venue_that_is_away_ends_nothing(server: Server) -> None:
    exchange = server.venues["binance"].exchange
    exchange.set(VenueFault.SERVER_ERROR, Scope())
    async with trader(server):
        exchange.clear(VenueFault.SERVER_ERROR)
        await reaches(server, WHOLE)


@pytest.mark.parametrize("fault", [VenueFault.EMPTY, VenueFault.ONE_SIDED, VenueFault.GARBAGE, VenueFault.TRUNCATED])
async def test_without_a_price_it_has_no_orders_and_goes_on_when_there_is_one(
    server: Server, caplog: pytest.LogCaptureFixture, fault: VenueFault
) -> None:
    exchange = server.venues["binance"].exchange
    async with trader(server, holds=HELD) as desk:
        await desk.comes_to_believe()
        exchange.set(fault, Scope())
        for segment in exchange.segments.values():
            segment.desk.cancel_all(segment.desk.open_of("trader"), 1)

        assert await until(lambda: refused(caplog), DEADLINE)
        exchange.clear(fault)
        await reaches(server, WHOLE)


async def test_every_order_that_is_accepted_is_counted_and_timed(server: Server) -> None:
    async with trader(server) as desk:
        await reaches(server, WHOLE)
        await desk.tell("halt")

        async def counted() -> dict[str, float] | None:
            page = dict(await desk.page())
            return page if page[ACCEPTED] == taken(server) else None

        page = await until(counted, DEADLINE)
        assert page
        assert page[ACCEPTED] == page['engine_order_ack_seconds_count{venue="binance"}'] >= sum(WHOLE.values())
        assert page['engine_order_ack_seconds_sum{venue="binance"}'] > 0


async def test_an_order_that_is_refused_or_never_answered_is_counted_with_its_reason(server: Server) -> None:
    exchange = server.venues["binance"].exchange
    exchange.set(VenueFault.HALT, Scope())
    async with trader(server) as desk:
        assert await counts(desk, 'engine_orders_total{venue="binance",outcome="rejected",reason="rpc_error"}')
        exchange.clear(VenueFault.HALT)
        exchange.set(VenueFault.LOST_REPLY, Scope())
        assert await counts(desk, 'engine_orders_total{venue="binance",outcome="unknown",reason="connect"}')
        assert (await desk.page())[ACCEPTED] == 0


# --- positions -------------------------------------------------------------------------------------------------------


async def holds(desk: Trader, size: Decimal) -> None:
    async def there() -> bool:
        return abs(await desk.position() - size) <= SWING

    assert await until(there, DEADLINE)


async def test_it_takes_its_position_in_orders_that_are_not_too_large(server: Server) -> None:
    async with trader(server, holds=HELD) as desk:
        await holds(desk, HELD)
        most = Decimal(desk.engine.engine.parameters["max_order_usd"].value)
        trades = await desk.hand.call("fetch_my_trades", CONTRACT)
        costs: dict[str, Decimal] = {}
        for each in trades:
            costs[each["order"]] = costs.get(each["order"], Decimal(0)) + Decimal(str(each["cost"]))
        assert len(costs) > 1
        assert max(costs.values()) <= most * Decimal("1.01"), "the price moves between the look and the order"


async def test_where_it_is_to_be_flat_it_closes_its_position_and_takes_none_until_it_goes_on(server: Server) -> None:
    async with trader(server, holds=HELD) as desk:
        await holds(desk, HELD)
        await desk.tell("flatten")

        async def flat() -> bool:
            return await desk.position() == 0

        assert await until(flat, DEADLINE)
        assert (await desk.page())[f'engine_quoting{{venue="binance",symbol="{CONTRACT}"}}'] == 0
        await desk.tell("resume")
        await holds(desk, HELD)


# --- what it should not do -------------------------------------------------------------------------------------------


async def test_it_runs_away_until_it_is_halted(server: Server) -> None:
    async with trader(server) as desk:
        await reaches(server, WHOLE)
        desk.goes_wrong(Fault.RUNAWAY)

        async def many() -> bool:
            return standing(server)[CONTRACT] > 2 * sum(WHOLE.values())

        assert await until(many, DEADLINE)
        await desk.tell("halt")
        sent = (await desk.page())[ACCEPTED]
        await desk.comes_to_believe()
        assert (await desk.page())[ACCEPTED] - sent <= 1, "no more than what was on its way"


async def test_it_strays_into_a_symbol_that_it_was_not_given(server: Server) -> None:
    async with trader(server) as desk:
        await reaches(server, WHOLE)
        desk.goes_wrong(Fault.STRAY)
        await reaches(server, {**WHOLE, "SOL/USDT": 1})


async def test_while_its_main_loop_stands_still_it_does_nothing_and_its_page_is_served(server: Server) -> None:
    async with trader(server, holds=HELD) as desk:
        await holds(desk, HELD)
        await reaches(server, WHOLE)
        clock = server.venues["binance"].exchange.clock

        async def passes(seconds: float) -> None:
            began = clock()

            async def later() -> bool:
                return clock() > began + seconds

            assert await until(later, DEADLINE)

        desk.goes_wrong(Fault.SILENT)
        await passes(3)  # what it was at has come to its end
        before = await desk.page()
        spot = server.venues["binance"].exchange.segments["spot"].desk
        spot.cancel_all(spot.open_of("trader")[:1], 1)
        await passes(3)
        after = await desk.page()
        assert after["engine_heartbeat_timestamp_seconds"] == before["engine_heartbeat_timestamp_seconds"]
        assert after[ACCEPTED] == before[ACCEPTED]
