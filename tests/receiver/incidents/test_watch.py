"""The background object: it looks when it is woken, and by itself; what fails is said, shown as unknown, and done later."""

from __future__ import annotations

import logging

import pytest

from demo.until import until
from receiver.background import background
from receiver.health import Condition
from tests.receiver.incidents.scene import Scene

WITHIN = 60.0


@pytest.mark.parametrize("woken", [True, False])
async def test_it_looks_when_it_is_woken_and_by_itself(scene: Scene, woken: bool) -> None:  # noqa: FBT001 - pytest's
    async with background(scene.house.watch.run, "incidents"):
        await until(lambda: shown(scene, 0), WITHIN)
        await scene.fire()
        if woken:
            scene.house.watch.wake()
        await until(lambda: shown(scene, 1), WITHIN)
        await scene.recover()
        await until(lambda: shown(scene, 0), WITHIN)
    assert scene.told() == ["opened", "resolved"]


async def shown(scene: Scene, number: int) -> bool:
    return scene.house.metric("incidents_open", severity="page") == number


async def test_what_a_person_does_shows_at_once(scene: Scene) -> None:
    async with background(scene.house.watch.run, "incidents"):
        await scene.fire()
        await until(lambda: shown(scene, 1), WITHIN)
        oldest = "incident_oldest_unacknowledged_timestamp_seconds"
        assert scene.house.metric(oldest) == scene.clock.now / 1_000_000
        await scene.house.room.acknowledge(scene.house.person("opal"), (await scene.one()).id)

        async def absent() -> bool:
            return scene.house.metric(oldest) is None

        await until(absent, WITHIN)


async def test_while_the_audit_is_not_ours_nothing_is_known(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing can be written then, so nothing is; and no number says that all is well."""
    await scene.look()
    assert await shown(scene, 0)
    with caplog.at_level(logging.ERROR, "receiver.incidents.watch"):
        async with background(scene.house.watch.run, "incidents"):
            append(scene)
            await scene.fire()

            async def unknown() -> bool:
                scene.house.watch.wake()
                return scene.house.metric("incidents_open", severity="page") is None

            await until(unknown, WITHIN)
        assert scene.house.watch.finding().condition is Condition.ILL
    assert await scene.stands() == []
    assert [record.message for record in caplog.records if "incidents can not be looked after" in record.message][
        1:
    ] == []


async def test_it_says_how_it_is(scene: Scene) -> None:
    assert scene.house.watch.finding().condition is Condition.UNKNOWN
    await scene.look()
    found = scene.house.watch.finding()
    assert (found.condition, found.at) == (Condition.WELL, scene.clock.now)
    scene.clock.passes(61)
    assert scene.house.watch.finding().condition is Condition.ILL


def append(scene: Scene) -> None:
    """What somebody does who can write to the database."""
    scene.house.tamper(
        "INSERT INTO audit (seq, hash, subject, bytes, seal) "
        "SELECT seq + 1, 'x' || substr(hash, 2), subject, bytes, seal FROM audit ORDER BY seq DESC LIMIT 1"
    )
