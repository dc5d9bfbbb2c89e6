"""A receiver that takes alerts in and looks after incidents until it is killed: `python -m tests.receiver.incidents.dying FOLDER`.

It prints a line once an alert is durable.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from receiver.background import background
from tests.receiver.house import Place
from tests.receiver.incidents.scene import at_work

NOWHERE = "http://127.0.0.1:1"


def place(folder: Path) -> Place:
    """Where the process that dies works, and the one after it."""
    return Place(folder, NOWHERE, NOWHERE)


async def main(folder: Path) -> None:
    async with at_work(place(folder)) as scene, background(scene.house.watch.run, "incidents"):
        for number in range(1_000_000):
            entity = f"node-{number // 4}"  # four alerts of a place: the first opens, and the others join
            await scene.fire(f"Alert{number % 2}", entity, instance=str(number))
            if number % 3 == 0:
                await scene.recover(f"Alert{number % 2}", entity, instance=str(number))
            scene.house.watch.wake()
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
