"""A process that acts by itself until it is killed: `python -m tests.receiver.automation.dying FOLDER ENGINE PROMETHEUS POINT`.

It kills itself at the point, if that is one, and ends by itself once what it asked for has ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from demo.until import until
from receiver.background import background
from receiver.life import ENDED
from receiver.runner import Point
from tests.receiver.automation.support import ACTIONS, policy
from tests.receiver.house import House, Place

WITHIN = 60.0
NOWHERE = "nowhere"
QUICKLY = (
    ACTIONS.replace("firing_for: 30s", "firing_for: 100ms")
    .replace("deadline: 3s", "deadline: 4s")
    .replace("receive_window: 2s", "receive_window: 500ms")
)
SOON = policy("auto").replace("grace: 1m", "grace: 100ms")


def place(folder: Path, engine: str, prometheus: str) -> Place:
    """Where the process that dies works, and the one after it: in real time."""
    return Place(folder, engine, prometheus, actions=QUICKLY, policy=SOON)


async def finished(house: House) -> None:
    """Returns once something was asked for and has ended."""

    async def done() -> bool:
        states = (await house.states()).values()
        return bool(states) and all(state in ENDED for state in states)

    async with house.engine.running(), background(house.acting.automation.run, "automation"):
        await until(done, WITHIN)


async def main(where: Place, point: str) -> None:
    def at(reached: Point) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    async with where.house(at) as house:
        await finished(house)


if __name__ == "__main__":
    FOLDER, ENGINE, PROMETHEUS, POINT = sys.argv[1:]
    asyncio.run(main(place(Path(FOLDER), ENGINE, PROMETHEUS), POINT))
