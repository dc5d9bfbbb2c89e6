"""Requests that run a script: it runs once or not at all, whatever happens to the receiver, and what is not known is in doubt."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from demo.until import until
from receiver.life import State
from receiver.requests import Request
from receiver.rulings import Refusal
from receiver.runner import Point
from receiver.why import Why
from tests.receiver.actions.test_script import Folder, gone
from tests.receiver.dying import WITHIN, place
from tests.receiver.house import House, Place, World, world
from tests.receiver.test_crash import dying, killed


def action(name: str, path: Path, deadline: str) -> str:
    known = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"""  - name: {name}
    title: Run a script
    steps: [{{{{executor: script, path: "{path}", sha256: "{known}", arguments: [binance], nothing_done: [3]}}}}]
    deadline: {deadline}
    verify: {{{{query: engine_quoting == 0, heartbeat: engine_heartbeat, within: 30s}}}}
"""


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
async def around(here: Folder) -> AsyncIterator[World]:
    async with world(here.path) as made:
        yield made


@pytest.fixture
def there(around: World, here: Folder) -> Place:
    """One script ends at once, one never does, one says that it has done nothing. Each tells of every run."""
    tells = f"""#!/bin/sh
echo $$ >> '{here.path}/ran'
"""
    paths = {
        "once": (here.program(tells, "once"), "30s"),
        "endless": (here.program(f"{tells}sleep 600 & echo $! >> '{here.path}/pids'; wait\n", "endless"), "600s"),
        "short": (here.program(f"{tells}sleep 600\n", "short"), "6s"),
        "declines": (here.program(f"{tells}exit 3\n", "declines"), "30s"),
    }
    more = "".join(action(name, path, deadline) for name, (path, deadline) in paths.items())
    (here.path / "more.yml").write_text(more)
    return place(here.path, around.engine, around.prometheus)


async def known(house: House, request: Request, *states: State) -> Request:
    """The request once it is in one of these states, while the engine works."""

    async def reached() -> Request | None:
        found = await house.desk.request(request.id)
        return found if found.state in states else None

    async with house.engine.running():
        return await until(reached, WITHIN) or request


async def test_a_script_that_says_so_has_done_it(there: Place, here: Folder) -> None:
    async with there.house() as house:
        request = await house.approved("once")
        assert (await known(house, request, State.SUCCEEDED, State.FAILED)).state is State.SUCCEEDED
        (effect,) = await house.desk.effects(request.id)
        assert effect.result == {"exit": "0", "output_bytes": "0"}
        plan = request.plan.decode()
        assert f'"argv":["{here.path}/once","--","binance"]' in plan
    assert len(here.read("ran").split()) == 1


async def test_a_script_that_says_that_it_has_done_nothing_has_failed(there: Place) -> None:
    async with there.house() as house:
        found = await known(house, await house.approved("declines"), State.FAILED)
        assert (found.why, found.applied_at) == (Why.REFUSED, None)


async def test_a_script_that_was_changed_meanwhile_is_not_run(there: Place, here: Folder) -> None:
    async with there.house() as house:
        request = await house.approved("once")
        here.program("#!/bin/sh\n", "once")
        assert (await known(house, request, State.BLOCKED)).why is Why.OUT_OF_BOUNDS
    assert not here.read("ran")


async def test_a_script_that_its_deadline_has_killed_is_in_doubt_until_people_tell(there: Place, here: Folder) -> None:
    async with there.house() as house:
        request = await known(house, await house.approved("short"), State.IN_DOUBT)
        await gone(here.read("ran").split())
        assert [kind for kind, _, _ in house.notices()] == ["in_doubt"]
        for name in ("cora", "carl"):
            request = await house.desk.release(house.person(name), request.id, applied=True, reason="looked at it")
        assert request.state is State.VERIFYING


@pytest.mark.parametrize(
    ("point", "ran", "state"),
    [
        (Point.START, 1, State.SUCCEEDED),
        (Point.STARTED, 0, State.IN_DOUBT),
        (Point.CLEARED, 0, State.IN_DOUBT),
        (Point.SENT, 1, State.IN_DOUBT),
        (Point.RECORDED, 1, State.SUCCEEDED),
        (Point.CONFIRMED, 1, State.SUCCEEDED),
    ],
)
async def test_a_receiver_that_is_killed_runs_nothing_twice(
    there: Place, here: Folder, point: Point, ran: int, state: State
) -> None:
    async with there.house() as house:
        request = await house.approved("once")
    await killed(there, point)
    async with there.house() as house:
        assert (await known(house, request, State.SUCCEEDED, State.IN_DOUBT)).state is state
    assert len(here.read("ran").split()) == ran


async def test_a_receiver_that_is_killed_in_the_middle_takes_the_script_with_it(there: Place, here: Folder) -> None:
    async with there.house() as house:
        request = await house.approved("endless")
    async with dying(there, Point.ENDED) as process:
        pids = [*await here.said("pids"), *await here.said("ran")]
        process.kill()
        await process.wait()
    await gone(pids)
    async with there.house() as house:
        request = await known(house, request, State.IN_DOUBT)
        with pytest.raises(Refusal):
            await house.desk.release(house.person("opal"), request.id, applied=False, reason="mine")
    assert len(here.read("ran").split()) == 1
