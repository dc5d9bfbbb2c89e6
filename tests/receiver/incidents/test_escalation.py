"""What nobody acknowledges is told to the next ones, each level once; by rows, so that a restart changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.families import Severity
from receiver.incidents.escalation import level_of
from receiver.incidents.life import Status
from receiver.rulebook import Rulebook
from tests.receiver import support
from tests.receiver.house import world
from tests.receiver.incidents.scene import WITHIN, Scene, at_work, escalation


async def adopt(scene: Scene, **changed: object) -> None:
    book = scene.house.desk.rules.current
    await scene.house.desk.adopt(Rulebook(book.catalogue, book.policy.model_copy(update=changed)), "receiver")


@pytest.fixture
async def waiting(scene: Scene) -> Scene:
    await scene.fire()
    await scene.look()
    return scene


async def test_each_level_is_told_once_in_its_time_with_the_names_of_who_holds_it(waiting: Scene) -> None:
    waiting.clock.passes(WITHIN - 1)
    await waiting.look()
    assert waiting.told() == ["opened"]
    levels = [(["oncall"], "opal, otto"), (["commander"], "cora, carl")]
    everybody = "vic, opal, otto, tara, rita, cora, carl, ada"
    for number, (to, people) in enumerate([*levels, (["everybody"], everybody), (["everybody"], everybody)], 1):
        waiting.clock.passes(1 if number == 1 else WITHIN)
        for _ in range(3):
            await waiting.look()
        notice = waiting.notice()
        assert (notice["kind"], notice["severity"]) == ("incident_escalated", "page")
        assert (notice["audience"], notice["text"]["people"]) == (str(to).replace("'", '"'), people)
        assert waiting.told() == ["opened"] + ["escalated"] * number, "the last level is told again and again"
        incident = await waiting.one()
        assert (incident.level, incident.due_at) == (number, waiting.clock.now + WITHIN * support.MINUTE // 60)
    assert waiting.house.metric("incident_escalations_total") == 4
    record = waiting.house.recorded()[-1]
    assert record["kind"] == "incident.escalated"
    assert record["data"] == {
        "status": "open",
        "severity": "page",
        "level": "4",
        "to": "everybody",
        "people": everybody.split(", "),
    }


async def test_whoever_acknowledges_stops_it(waiting: Scene) -> None:
    waiting.clock.passes(WITHIN)
    await waiting.look()
    await waiting.house.room.acknowledge(waiting.house.person("otto"), (await waiting.one()).id)
    waiting.clock.passes(10 * WITHIN)
    await waiting.look()
    incident = await waiting.one()
    assert (waiting.told()[-1], incident.level, incident.due_at) == ("acknowledged", 1, None)
    assert waiting.house.metric("incident_time_to_acknowledge_seconds_sum") == WITHIN


async def test_one_that_recovers_by_itself_escalates_no_more(waiting: Scene) -> None:
    waiting.clock.passes(10)
    await waiting.recover(ago=10)
    await waiting.look()
    waiting.clock.passes(10 * WITHIN)
    await waiting.look()
    assert waiting.told() == ["opened", "resolved"]


async def test_a_long_sleep_is_one_level(waiting: Scene) -> None:
    waiting.clock.passes(10 * WITHIN)
    await waiting.look()
    await waiting.look()
    assert waiting.told() == ["opened", "escalated"]


async def test_a_restart_loses_no_level_and_tells_none_twice(tmp_path: Path) -> None:
    async with world(tmp_path) as outside:
        async with at_work(outside) as before:
            await before.fire()
            await before.look()
            outside.clock.passes(WITHIN)
            await before.look()
        async with at_work(outside) as after:
            await after.look()
            assert after.told() == ["opened", "escalated"]
            outside.clock.passes(WITHIN)
            await after.look()
            assert after.notice()["text"]["people"] == "cora, carl"


async def test_a_clock_that_was_set_back_does_not_put_it_off(waiting: Scene) -> None:
    waiting.clock.passes(-3600)
    await waiting.look()
    assert (await waiting.one()).due_at == waiting.clock.now + WITHIN * support.MINUTE // 60
    waiting.clock.passes(WITHIN)
    await waiting.look()
    assert waiting.told() == ["opened", "escalated"]


async def test_another_policy_counts_from_when_it_is_read(waiting: Scene) -> None:
    sooner = escalation("1m", "oncall")
    await adopt(waiting, escalation=(sooner,))
    await waiting.look()
    assert (await waiting.one()).due_at == waiting.clock.now + support.MINUTE
    await adopt(waiting, escalation=())
    waiting.clock.passes(3600)
    await waiting.look()
    assert waiting.told() == ["opened"]
    await adopt(waiting, escalation=(sooner,))
    await waiting.look()
    assert waiting.told() == ["opened", "escalated"]


async def test_a_severity_that_nobody_is_told_of_waits_for_ever(waiting: Scene) -> None:
    cora = waiting.house.person("cora")
    changed = await waiting.house.room.set_severity(cora, (await waiting.one()).id, Severity.TICKET, "it is known")
    assert (changed.status, changed.due_at) == (Status.OPEN, None)
    waiting.clock.passes(86_400)
    await waiting.look()
    assert waiting.told() == ["opened"]
    await waiting.house.room.set_severity(cora, changed.id, Severity.PAGE, "it is not")
    waiting.clock.passes(WITHIN)
    await waiting.look()
    assert waiting.told() == ["opened", "escalated"]


async def test_a_group_of_nobody_is_said_to_be_one(waiting: Scene) -> None:
    nobody = escalation("1m", "sleepers")
    await adopt(waiting, escalation=(nobody,), groups={"sleepers": ()})
    await waiting.look()
    waiting.clock.passes(60)
    await waiting.look()
    notice = waiting.notice()["text"]
    assert "people" not in notice
    assert "nobody holds that" in notice["description"]


@given(st.lists(st.sampled_from(["oncall", "commander", "risk"]), min_size=1, unique=True), st.integers(0, 50))
def test_levels_go_up_to_the_last_and_stay_there(then: list[str], level: int) -> None:
    step = escalation("5m", *then)
    assert level_of(step, level) == (then[level] if level < len(then) else then[-1])
