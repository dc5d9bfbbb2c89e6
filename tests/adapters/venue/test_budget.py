"""How much of a venue's limit is used, on virtual time. The venue is its clock alone: when it counts a call, and to which
window, is drawn anew in every example.
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.venue.budget import SELDOM, WINDOW, Budget
from occ.errors import RateLimitError
from tests import virtual
from tests.virtual import on_virtual_time

PER_UNIT = 0.05
"""Seconds per unit of cost, as Binance has it: 1,200 a minute."""


def budget(share: float, *, by_the_minute: bool = True, **parts: object) -> Budget:
    return Budget(PER_UNIT, share, by_the_minute=by_the_minute, **parts)  # type: ignore[arg-type]


def now() -> float:
    return asyncio.get_running_loop().time()


async def spend(of: Budget, cost: float, takes: float = 0.0, counted: float = 0.0) -> tuple[float, float]:
    """When the venue counts the call, `counted` of the way to its answer, and what it counts."""
    async with of.spend(cost):
        began = now()
        await asyncio.sleep(takes)
        return began + counted * takes, cost


def most_in_a_window(calls: list[tuple[float, float]]) -> float:
    """The largest sum in any WINDOW seconds, its end not included."""
    return max(sum(cost for at, cost in calls if start <= at < start + WINDOW) for start, _ in calls)


call = st.tuples(
    st.floats(0, 300), st.sampled_from([0.2, 1.0, 5.0, 16.0]), st.floats(0, 20), st.floats(0, 1)
)  # begins at, costs, takes, is counted


OUT_OF_ORDER = [(6.0, 16.0, 40.0, 0.0), (26.0, 5.0, 15.0, 0.0), (78.0, 16.0, 2.0, 1.0), (72.0, 16.0, 20.0, 1.0)]
"""The first is answered after the second, so what is over is not at the beginning of what is remembered."""


@settings(max_examples=60)
@example(OUT_OF_ORDER, 0.0234375)
@given(st.lists(call, min_size=1, max_size=60), st.floats(0.02, 1))
def test_no_minute_holds_more_than_the_share_wherever_the_venue_cuts_it(
    calls: list[tuple[float, float, float, float]], share: float
) -> None:
    @on_virtual_time
    async def run() -> None:
        of = budget(share)

        async def one(at: float, cost: float, takes: float, counted: float) -> tuple[float, float]:
            await asyncio.sleep(at)
            return await spend(of, cost, takes, counted)

        done = await asyncio.gather(*(one(*each) for each in calls))
        assert most_in_a_window(done) <= share * WINDOW / PER_UNIT + 1e-6

    run()


@on_virtual_time
async def test_what_fits_waits_for_nothing_and_what_does_not_until_the_oldest_is_forgotten() -> None:
    waits: list[float] = []
    of = budget(0.1, waited=waits.append)

    for _ in range(4):
        await spend(of, 30)
    await spend(of, 30)

    assert waits == [0, 0, 0, 0, WINDOW]


@on_virtual_time
async def test_a_call_on_its_way_counts_until_a_minute_after_its_answer() -> None:
    of = budget(0.1)
    slow = asyncio.create_task(spend(of, 120, takes=25))
    await asyncio.sleep(0)

    await spend(of, 120)

    assert now() == 25 + WINDOW
    await slow


@on_virtual_time
async def test_a_call_that_alone_is_more_than_the_share_goes_alone_and_takes_as_many_minutes() -> None:
    of = budget(0.01)  # 12 a minute
    await spend(of, 1)

    at = [(await spend(of, cost))[0] for cost in (30, 1, 12)]

    assert at == [WINDOW, WINDOW + 2.5 * WINDOW, WINDOW + 3.5 * WINDOW]


dear = st.tuples(st.floats(0, 300), st.sampled_from([1.0, 16.0, 50.0, 80.0]), st.floats(0, 20), st.floats(0, 1))


@settings(max_examples=40)
@given(st.lists(dear, min_size=1, max_size=30), st.floats(0.005, 0.1))
def test_however_dear_every_call_has_its_turn_and_on_the_average_the_share_is_kept(
    calls: list[tuple[float, float, float, float]], share: float
) -> None:
    most = share * WINDOW / PER_UNIT

    @on_virtual_time
    async def run() -> None:
        of = budget(share)

        async def one(at: float, cost: float, takes: float, counted: float) -> tuple[float, float]:
            await asyncio.sleep(at)
            return await spend(of, cost, takes, counted)

        done = sorted(await asyncio.gather(*(one(*each) for each in calls)))
        assert len(done) == len(calls)
        assert most_in_a_window([(at, min(cost, most)) for at, cost in done]) <= most + 1e-6
        for first, (since, _) in enumerate(done):
            for last in range(first + 1, len(done)):
                # Of all that began before the last one no more than a minute's worth is not paid for by then.
                assert sum(cost for _, cost in done[first:last]) <= most * ((done[last][0] - since) / WINDOW + 1) + 1e-6

    run()


@on_virtual_time
async def test_elsewhere_calls_are_spread_evenly_and_a_dear_one_is_paid_for_afterwards() -> None:
    of = budget(0.1, by_the_minute=False)

    at = [(await spend(of, cost))[0] for cost in (1, 20, 1, 1)]

    assert at == pytest.approx([0, 0.5, 10.5, 11.0])


@on_virtual_time
async def test_who_comes_first_is_served_first_even_when_a_cheaper_one_would_fit() -> None:
    of, order = budget(0.1), list[float]()

    async def one(cost: float) -> None:
        await spend(of, cost)
        order.append(cost)

    await asyncio.gather(*(one(cost) for cost in (119, 50, 1, 2)))

    assert order == [119, 50, 1, 2]


@on_virtual_time
async def test_who_gives_up_while_waiting_has_spent_nothing() -> None:
    of = budget(0.1)
    await spend(of, 120)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await spend(of, 120)
    await asyncio.sleep(WINDOW - 10)

    await spend(of, 120)

    assert now() == WINDOW


@on_virtual_time
async def test_while_the_venue_wants_to_be_left_alone_calls_fail_and_those_that_wait_too() -> None:
    of = budget(0.1, clock=virtual.clock)
    await spend(of, 120)
    waiting = asyncio.create_task(spend(of, 1))
    await asyncio.sleep(1)

    of.leave_alone(90)

    for refused in (waiting, spend(of, 1)):
        with pytest.raises(RateLimitError) as told:
            await refused
        assert told.value.retry_after == 90
    assert of.silent_until == virtual.EPOCH + 91
    await asyncio.sleep(90)
    assert of.silent_until is None
    await spend(of, 1)


@on_virtual_time
async def test_a_shorter_wish_does_not_shorten_a_longer_one() -> None:
    of = budget(1)
    of.leave_alone(90)
    of.leave_alone(5)
    await asyncio.sleep(80)

    with pytest.raises(RateLimitError):
        await spend(of, 1)


@on_virtual_time
async def test_the_used_ratio_is_of_the_whole_limit_and_of_the_last_minute() -> None:
    of = budget(0.5)
    await spend(of, 300)
    await asyncio.sleep(30)
    await spend(of, 120)

    assert of.used_ratio == pytest.approx(420 / 1200)
    await asyncio.sleep(45)
    assert of.used_ratio == pytest.approx(120 / 1200)
    await asyncio.sleep(45)
    assert of.used_ratio == 0


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="rate_limit_share"):
        budget(share)


# --- what is reserved ------------------------------------------------------------------------------------------------

mixed = st.tuples(st.floats(0, 300), st.sampled_from([1.0, 5.0, 16.0]), st.floats(0, 20), st.booleans())
"""Begins at, costs, takes, is urgent."""


@settings(max_examples=40)
@given(st.lists(mixed, min_size=1, max_size=50), st.floats(0.1, 1), st.floats(0, 0.8))
def test_what_is_not_urgent_leaves_what_is_reserved_and_all_together_keep_to_the_share(
    calls: list[tuple[float, float, float, bool]], share: float, reserved: float
) -> None:
    @on_virtual_time
    async def run() -> None:
        of = budget(share, reserved=reserved)
        told: list[tuple[float, float, bool]] = []

        async def one(at: float, cost: float, takes: float, urgent: bool) -> None:  # noqa: FBT001 - by hypothesis
            await asyncio.sleep(at)
            async with of.spend(cost, urgent=urgent):
                told.append((now(), cost, urgent))
                await asyncio.sleep(takes)

        await asyncio.gather(*(one(*call) for call in calls))
        limit = share * WINDOW / PER_UNIT
        calm = [(at, cost) for at, cost, urgent in told if not urgent]
        dearest = max(cost for _, cost, *_ in calls)
        assert most_in_a_window([(at, cost) for at, cost, _ in told]) <= max(limit, dearest) + 1e-6
        assert not calm or most_in_a_window(calm) <= max(limit * (1 - reserved), dearest) + 1e-6

    run()


@on_virtual_time
async def test_what_is_urgent_goes_where_others_wait() -> None:
    of = budget(0.1, reserved=0.5)
    for _ in range(60):
        await spend(of, 1.0)
    waiting = asyncio.create_task(spend(of, 1.0))
    async with of.spend(50.0, urgent=True):
        assert now() < 1.0
        assert not waiting.done()
    await waiting
    assert now() >= WINDOW


@pytest.mark.parametrize("reserved", [-0.1, 1.0])
def test_a_share_that_is_none_can_not_be_reserved(reserved: float) -> None:
    with pytest.raises(ValueError, match="reserved"):
        budget(0.5, reserved=reserved)


# --- parts -----------------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_part_of_the_venue_has_a_count_of_its_own() -> None:
    of = budget(0.1, parts={"fapi": 2400.0})
    async with of.spend(120.0, of="fapiPrivateV3"), of.spend(60.0, of="sapi"):
        assert now() < 1.0
    assert of.used_ratio == pytest.approx(0.05)
    async with of.spend(120.0, of="fapiPublic"), of.spend(60.0, of="public"):
        assert now() < 1.0
    async with of.spend(1.0, of="fapiPublic"):
        assert now() >= WINDOW


@on_virtual_time
async def test_who_waits_for_one_part_keeps_nobody_from_another() -> None:
    of = budget(0.1, parts={"fapi": 2400.0})
    async with of.spend(240.0, of="fapiPublic"):
        pass
    waiting = asyncio.create_task(_once(of))
    await asyncio.sleep(0)
    async with of.spend(1.0, of="public"):
        assert now() < 1.0
    await waiting
    assert now() >= WINDOW


@on_virtual_time
async def test_what_a_venue_allows_seldom_is_counted_by_itself_where_calls_are_spread_too() -> None:
    of = Budget(0.11, 0.1, by_the_minute=False, parts=SELDOM["okx"])
    begun = list[float]()
    for endpoint, cost in [("system/status", 50.0), ("time", 2.0), ("time", 2.0), ("system/status", 50.0)]:
        async with of.spend(cost, of=f"public/{endpoint}"):
            begun.append(now())

    assert begun == pytest.approx([0, 0, 2.2, 55])


async def _once(of: Budget) -> None:
    async with of.spend(1.0, of="fapiPublic"):
        pass
