"""What comes faster than it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

T = TypeVar("T")

PUBLISH_INTERVAL = 0.25


async def coalesced(
    updates: AsyncIterator[T], note: Callable[[T], object], interval: float = PUBLISH_INTERVAL
) -> AsyncGenerator[T, None]:
    """The newest update, at most once per interval; `note` is called with each, as it comes.

    It ends as the updates do, after the newest was told.
    """
    news, newest = asyncio.Event(), list[T]()

    async def drain() -> None:
        async with aclosing(updates) as coming:  # type: ignore[type-var]
            async for update in coming:
                note(update)
                newest[:] = [update]
                news.set()

    task: asyncio.Task[Any] = asyncio.create_task(drain())
    task.add_done_callback(lambda _: news.set())
    try:
        while True:
            await news.wait()
            news.clear()
            if newest:
                yield newest.pop()
            if task.done():
                task.result()
                return
            await _pause(task, interval)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _pause(task: asyncio.Task[Any], seconds: float) -> None:
    """Sleeps, but for what ends everything."""
    await asyncio.wait({task}, timeout=seconds)
