"""An event loop whose clock jumps to the next timer when nothing else is ready, so that hours pass in no time.

For code that waits on timers, tasks and queues alone; there is nothing else that could wake it.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec

P = ParamSpec("P")

EPOCH = 1_000_000_000.0
"""Unix time at which virtual time begins."""


class _Jump(selectors.SelectSelector):
    """Where a loop would sleep until its next timer, time passes at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits and nothing is due: the code under test is stuck")
        self.now += max(timeout, 0.0)
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """A loop on virtual time."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def clock() -> float:
    """The wall clock that goes with the running loop, Unix seconds."""
    return EPOCH + asyncio.get_running_loop().time()


def on_virtual_time(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Runs a coroutine test on virtual time; it fails when a task is left behind, or an error that nobody has seen."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        complaints: list[Mapping[str, Any]] = []

        async def main() -> None:
            await test(*args, **kwargs)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"left behind: {left}"

        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
            runner.run(main())
        assert not complaints, complaints

    return run
