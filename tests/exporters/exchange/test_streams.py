"""Updates that come faster than they are shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from exporters.exchange.streams import coalesced
from occ.errors import Reason, SourceError
from tests.virtual import on_virtual_time


async def every(seconds: float, count: int, end: Exception | None = None) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(seconds)
        yield number
    if end is not None:
        raise end


@on_virtual_time
async def test_each_is_noted_and_the_newest_told_once_per_interval() -> None:
    noted: list[int] = []
    told = [update async for update in coalesced(every(0.01, 100), noted.append, 0.25)]
    assert noted == list(range(100))
    assert told[0] == 0
    assert told[-1] == 99
    assert 4 <= len(told) <= 6


@on_virtual_time
async def test_what_comes_slowly_is_told_as_it_comes() -> None:
    now = asyncio.get_running_loop().time
    assert [now() async for _ in coalesced(every(1.0, 3), lambda _: None, 0.25)] == [1.0, 2.0, 3.0]


@on_virtual_time
async def test_the_last_update_is_told_before_the_failure() -> None:
    failing = coalesced(every(0.01, 3, SourceError(Reason.CONNECT, "gone")), lambda _: None, 0.25)
    assert [await anext(failing), await anext(failing)] == [0, 2]
    with pytest.raises(SourceError, match="gone"):
        await anext(failing)


@on_virtual_time
async def test_a_mistake_of_the_one_who_notes_is_not_lost() -> None:
    def note(_: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await anext(coalesced(every(0.01, 3), note))


@on_virtual_time
async def test_who_leaves_ends_what_is_followed() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                await asyncio.sleep(0.1)
                yield 1
        finally:
            closed.set()

    async with aclosing(coalesced(endless(), lambda _: None)) as updates:
        await anext(updates)
    assert closed.is_set()


@on_virtual_time
async def test_others_get_their_turn_while_updates_pour_in() -> None:
    """Two thousand a second, as many as the loop is given at once: whoever waits meanwhile does not wait for all of them."""
    turns = 0

    async def pour() -> AsyncIterator[int]:
        for number in range(20_000):
            await asyncio.sleep(0 if number % 20 else 0.01)
            yield number

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.05)
            turns += 1

    beside = asyncio.create_task(other())
    told = [update async for update in coalesced(pour(), lambda _: None, 0.25)]
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)
    assert told[-1] == 19_999
    assert len(told) < 60
    assert turns >= 150
