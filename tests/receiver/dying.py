"""A process that carries requests on, and stops or kills itself at a point: `python -m tests.receiver.dying FOLDER ENGINE
PROMETHEUS POINT NTH SIGNAL`. It ends by itself once nothing is left that it can do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from demo.until import until
from receiver.engine import CARRIED
from receiver.runner import Point
from tests.receiver.house import ACTIONS, House, Place

QUICKLY = ACTIONS.replace("deadline: 3s", "deadline: 4s").replace("receive_window: 2s", "receive_window: 500ms")

WITHIN = 60.0


def place(folder: Path, engine: str, prometheus: str) -> Place:
    """Where the process that dies works, and the one after it: in real time, with short deadlines.

    A file `more.yml` in the folder has more actions.
    """
    more = folder / "more.yml"
    return Place(folder, engine, prometheus, actions=QUICKLY + (more.read_text() if more.exists() else ""))


async def finished(house: House) -> None:
    """Returns once the engine has nothing left to carry on."""

    async def idle() -> bool:
        return not any(state in CARRIED for state in (await house.states()).values())

    await until(idle, WITHIN)


async def main(where: Place, point: str, left: int, number: signal.Signals) -> None:

    def at(reached: Point) -> None:
        nonlocal left
        if reached == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    async with where.house(at) as house:
        async with house.engine.running():
            await finished(house)
        os._exit(0)  # and signs nothing any more: there is another process by now


if __name__ == "__main__":
    FOLDER, ENGINE, PROMETHEUS, POINT, NTH, SIGNAL = sys.argv[1:]
    asyncio.run(main(place(Path(FOLDER), ENGINE, PROMETHEUS), POINT, int(NTH), signal.Signals[SIGNAL]))
