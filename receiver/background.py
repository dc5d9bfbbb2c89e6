"""Work that goes on beside the requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)

ANEW = 5.0
"""Seconds until work in the background begins anew."""


@asynccontextmanager
async def background(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> AsyncIterator[None]:
    """Work that goes on until the end of the context; where a mistake of ours ends it, it begins anew."""
    task = asyncio.create_task(_kept_up(work, name), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _kept_up(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    while True:
        try:
            await work()
        except Exception:  # the supervisor's boundary: nobody would notice that it is gone
            log.critical("%s has ended, and begins anew in %.0f s", name, ANEW, exc_info=True)
        await asyncio.sleep(ANEW)
