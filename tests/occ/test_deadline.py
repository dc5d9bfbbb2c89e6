"""A deadline that stands still while a read is held back, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occ.deadline import deadline, held_back
from tests.virtual import on_virtual_time

Step = tuple[bool, int]
"""Whether it is held back, and for how many seconds that, or the work, goes on."""

HELD, WORKS = True, False


def now() -> float:
    return asyncio.get_running_loop().time()


async def work(*steps: Step) -> None:
    for held, seconds in steps:
        if held:
            with held_back():
                await asyncio.sleep(seconds)
        else:
            await asyncio.sleep(seconds)


async def read(within: float, *tasks: Iterable[Step]) -> None:
    """Does it side by side."""
    async with deadline(within):
        await asyncio.gather(*(work(*steps) for steps in tasks))


@on_virtual_time
async def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        await read(3, [(WORKS, 10)])
    assert now() == 3


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 100)), min_size=1, max_size=20))
def test_only_the_time_counts_for_which_it_was_not_held_back(steps: list[Step]) -> None:
    worked = sum(seconds for held, seconds in steps if not held)

    @on_virtual_time
    async def run() -> None:
        await read(worked + 1, steps)
        with pytest.raises(TimeoutError):
            await read(worked + 1, [*steps, (WORKS, 2)])

    run()


@on_virtual_time
async def test_it_goes_on_when_the_last_of_several_is_not_held_back_any_more() -> None:
    with pytest.raises(TimeoutError):
        await read(3, [(HELD, 5), (WORKS, 30)], [(WORKS, 2), (HELD, 18), (WORKS, 30)])
    assert now() == 23


@on_virtual_time
async def test_who_is_held_back_can_be_cancelled() -> None:
    task = asyncio.create_task(read(3, [(HELD, 100)]))
    await asyncio.sleep(50)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == 50


@on_virtual_time
async def test_what_a_read_leaves_behind_may_be_held_back_for_as_long_as_it_is() -> None:
    async with deadline(3):
        left = asyncio.create_task(work((HELD, 10), (HELD, 10)))
        await asyncio.sleep(1)
    await left
    assert now() == 20


@on_virtual_time
async def test_without_a_deadline_nothing_stands_still() -> None:
    await work((HELD, 1))
    assert now() == 1
