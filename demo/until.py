"""Waiting for a condition, with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T]], within: float, *, every: float = 0.05) -> T:
    """Ask every `every` seconds; the first answer that is true, or TimeoutError after `within` seconds.

    One question that hangs does not outlive the deadline.
    """
    deadline = time.monotonic() + within
    async with asyncio.timeout(within):
        while not (answer := await condition()):  # noqa: ASYNC110 - what is asked is outside this process
            await asyncio.sleep(min(every, max(0.0, deadline - time.monotonic())))
    return answer
