"""A process is killed at every point, with a target that sometimes takes effect and drops its reply: what was to be done is
never done twice, and never lost without having been in doubt.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from demo.engine.faults import Fault
from demo.until import until
from receiver.life import State
from receiver.requests import Request
from receiver.runner import Point
from receiver.why import Why
from tests.receiver.dying import WITHIN, finished, place
from tests.receiver.house import House, Place, World, world


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


@pytest.fixture
def there(around: World) -> Place:
    return place(around.folder, around.engine, around.prometheus)


async def approved(there: Place) -> Request:
    """An approved request in the database, and no process at work."""
    async with there.house() as house:
        return await house.approved("halt-all")


@asynccontextmanager
async def dying(
    there: Place, point: Point, nth: int = 1, number: signal.Signals = signal.SIGKILL
) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = (str(there.folder), there.engine, there.prometheus, point, str(nth), number.name)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.receiver.dying", *arguments)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def killed(there: Place, point: Point, nth: int = 1) -> None:
    async with dying(there, point, nth) as process, asyncio.timeout(WITHIN):
        assert await process.wait() == -signal.SIGKILL


@asynccontextmanager
async def after(there: Place) -> AsyncIterator[House]:
    """The next process, until it has done what can be done."""
    async with there.house() as house:
        assert not house.troubles
        async with house.engine.running():
            await finished(house)
            yield house


async def outcome(house: House, request: Request) -> tuple[State, Why | None, bool]:
    found = await house.desk.request(request.id)
    return found.state, found.why, "request.in_doubt" in house.kinds(request)


class Case(NamedTuple):
    """What is to come of a request of two steps: how it ends, whether it was in doubt on the way, and where it took effect."""

    point: Point
    nth: int
    state: State
    why: Why | None = None
    doubt: bool = False
    halted: tuple[str, ...] = ()


NEITHER, FIRST, BOTH = (), ("binance",), ("binance", "deribit")

KILLED = [
    Case(Point.START, 1, State.SUCCEEDED, halted=BOTH),
    Case(Point.STARTED, 1, State.FAILED, Why.NOT_APPLIED, doubt=True),
    Case(Point.CLEARED, 1, State.FAILED, Why.NOT_APPLIED, doubt=True),
    Case(Point.SENT, 1, State.PARTIAL, doubt=True, halted=FIRST),
    Case(Point.RECORDED, 1, State.PARTIAL, Why.NOT_APPLIED, doubt=True, halted=FIRST),
    Case(Point.STARTED, 2, State.PARTIAL, Why.NOT_APPLIED, doubt=True, halted=FIRST),
    Case(Point.CLEARED, 2, State.PARTIAL, Why.NOT_APPLIED, doubt=True, halted=FIRST),
    Case(Point.SENT, 2, State.SUCCEEDED, doubt=True, halted=BOTH),
    Case(Point.RECORDED, 2, State.SUCCEEDED, halted=BOTH),
    Case(Point.CONFIRMED, 1, State.SUCCEEDED, halted=BOTH),
    Case(Point.ENDED, 1, State.SUCCEEDED, halted=BOTH),
]

UNANSWERED = [
    (Fault.COMMIT_THEN_DROP, Case(Point.SENT, 1, State.PARTIAL, doubt=True, halted=FIRST)),
    (Fault.DROP, Case(Point.SENT, 1, State.FAILED, Why.NOT_APPLIED, doubt=True)),
    (Fault.COMMIT_THEN_DROP, Case(Point.RECORDED, 1, State.PARTIAL, doubt=True, halted=FIRST)),
    (Fault.COMMIT_THEN_DROP, Case(Point.RECONCILED, 1, State.PARTIAL, doubt=True, halted=FIRST)),
    (Fault.DROP, Case(Point.RECONCILED, 1, State.FAILED, Why.NOT_APPLIED, doubt=True)),
]


async def as_expected(around: World, house: House, request: Request, case: Case) -> None:
    found = await house.desk.request(request.id)
    doubt = "request.in_doubt" in house.kinds(request)
    assert (found.state, found.why, doubt) == (case.state, case.why, case.doubt)
    assert around.trading.engine.halted == set(case.halted)
    assert list(around.effects.values()) == [1] * len(case.halted)
    assert house.rows("SELECT key FROM leases WHERE request_id IS NOT NULL") == []


@pytest.mark.parametrize("case", KILLED, ids=lambda case: f"{case.point}-{case.nth}")
async def test_a_process_that_is_killed(around: World, there: Place, case: Case) -> None:
    request = await approved(there)
    await killed(there, case.point, case.nth)
    async with after(there) as house:
        await as_expected(around, house, request, case)


@pytest.mark.parametrize(("fault", "case"), UNANSWERED)
async def test_a_process_that_is_killed_when_no_reply_came(
    around: World, there: Place, fault: Fault, case: Case
) -> None:
    request = await approved(there)
    around.fails(fault)
    await killed(there, case.point)
    async with after(there) as house:
        await as_expected(around, house, request, case)


def test_every_point_is_killed_at() -> None:
    assert {case.point for case in (*KILLED, *(case for _, case in UNANSWERED))} == set(Point)


async def stopped(process: asyncio.subprocess.Process) -> bool:
    status = await asyncio.to_thread(Path(f"/proc/{process.pid}/stat").read_text)
    return status.rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("point", [Point.STARTED, Point.CLEARED])
async def test_a_process_that_was_stopped_and_taken_over_sends_nothing_when_it_goes_on(
    around: World, there: Place, point: Point
) -> None:
    request = await approved(there)
    async with dying(there, point, 1, signal.SIGSTOP) as process:
        await until(lambda: stopped(process), WITHIN)
        (there.folder / "receiver.db.lock").unlink()  # by somebody who thinks that the process is gone
        async with after(there) as house:
            await as_expected(around, house, request, KILLED[1])
            process.send_signal(signal.SIGCONT)
            async with asyncio.timeout(WITHIN):
                assert await process.wait() == 0
            assert around.received == 0
            await as_expected(around, house, request, KILLED[1])
