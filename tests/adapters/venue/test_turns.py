"""Who is next, on virtual time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue.turns import USUAL, Turns
from occ.deadline import deadline, held_back
from tests.virtual import on_virtual_time

HOUR = 3600.0


async def take(turns: Turns, name: str, order: list[str], interval: float | None = None, after: float = 0.0) -> None:
    """Comes after so many seconds, on behalf of a read where there is an interval, and keeps its turn for ten."""
    await asyncio.sleep(after)
    if interval is None:
        async with turns.one(None):
            order.append(name)
            await asyncio.sleep(10)
        return
    async with deadline(HOUR, interval):
        with held_back() as read:
            async with turns.one(read):
                order.append(name)
                await asyncio.sleep(10)


@on_virtual_time
async def test_next_is_who_is_the_most_late_by_its_own_interval() -> None:
    turns, order = Turns(), list[str]()
    await asyncio.gather(
        take(turns, "first", order),
        take(turns, "seldom", order, 300, after=1),
        take(turns, "often", order, 15, after=4),
    )
    assert order == ["first", "often", "seldom"]


@on_virtual_time
async def test_who_waits_for_long_enough_goes_before_who_comes_often() -> None:
    turns, order = Turns(), list[str]()
    often = [take(turns, "often", order, 15, after=10.0 * n) for n in range(60)]
    await asyncio.gather(take(turns, "seldom", order, 60, after=1), *often)
    assert 1 <= order.index("seldom") < 10


@on_virtual_time
async def test_what_is_no_read_waits_as_one_that_is_wanted_every_few_seconds() -> None:
    turns, order = Turns(), list[str]()
    await asyncio.gather(
        take(turns, "first", order),
        take(turns, "a little slower", order, USUAL * 2, after=1),
        take(turns, "a stream", order, after=1),
        take(turns, "a little faster", order, USUAL / 2, after=1),
    )
    assert order == ["first", "a little faster", "a stream", "a little slower"]


@on_virtual_time
async def test_who_is_given_up_in_the_moment_of_its_turn_passes_it_on() -> None:
    turns, order = Turns(), list[str]()
    second, third = (asyncio.create_task(take(turns, f"{n}", order, after=n)) for n in (2, 3))
    async with turns.one(None):
        await asyncio.sleep(10)
    second.cancel()  # it has its turn, and does not know it yet
    await asyncio.gather(second, third, return_exceptions=True)
    assert order == ["3"]


@given(st.lists(st.tuples(st.floats(0, 50), st.sampled_from([5.0, 30.0, 300.0]), st.floats(0, 200)), max_size=20))
def test_one_at_a_time_and_all_but_those_who_give_up(waits: list[tuple[float, float, float]]) -> None:
    @on_virtual_time
    async def run() -> None:
        turns, order, at_once = Turns(), list[int](), 0

        async def one(name: int, after: float, interval: float, patience: float) -> bool:
            nonlocal at_once
            await asyncio.sleep(after)
            try:
                async with asyncio.timeout(patience), deadline(HOUR, interval):
                    with held_back() as read:
                        async with turns.one(read):
                            at_once += 1
                            assert at_once == 1
                            order.append(name)
                            try:
                                await asyncio.sleep(10)
                            finally:
                                at_once -= 1
            except TimeoutError:
                return False
            return True

        done = await asyncio.gather(*(one(name, *wait) for name, wait in enumerate(waits)))
        assert {name for name, served in enumerate(done) if served} <= set(order)
        await asyncio.wait_for(take(turns, "the last", []), 11)  # its turn is free again

    run()


@pytest.mark.parametrize("interval", [1.0, 1e9])
def test_a_turn_that_nobody_wants_is_had_at_once(interval: float) -> None:
    @on_virtual_time
    async def run() -> None:
        await take(Turns(), "alone", [], interval)
        assert asyncio.get_running_loop().time() == 10

    run()
