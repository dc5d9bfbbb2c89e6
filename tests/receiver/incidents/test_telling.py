"""A storm of alerts is no storm of pages."""

from __future__ import annotations

from collections import Counter

from receiver.incidents.telling import MOST
from tests.receiver.incidents.scene import WITHIN, Scene


async def fire(scene: Scene, number: int, of: str = "node") -> None:
    for each in range(number):
        await scene.fire(entity=f"{of}-{each}")


async def test_so_many_within_a_minute_are_told_one_by_one(scene: Scene) -> None:
    for each in range(MOST):
        await scene.fire(entity=f"node-{each}")
        await scene.look()
        scene.clock.passes(1)
    assert Counter(scene.told()) == {"opened": MOST}


async def test_what_is_more_is_told_together_once_a_minute(scene: Scene) -> None:
    await fire(scene, MOST + 1)
    await scene.look()
    [notice] = scene.house.rows("SELECT kind, subject, severity FROM outbox")
    assert notice == {"kind": "incidents_many", "subject": "incidents/opened", "severity": "page"}
    text = scene.notice()["text"]
    assert text["summary"] == f"Many incidents at once were opened: {MOST + 1} go on now"
    assert text["link"] == "/incidents"
    assert text["description"].count("NodeLagging: node-") == 5
    assert len(await scene.stands()) == MOST + 1, "each of them is there for the eye"
    await fire(scene, MOST + 1, "other")
    await scene.look()
    assert len(scene.told()) == 1, "what comes within the minute was told by that"
    scene.clock.passes(61)
    await fire(scene, MOST + 1, "third")
    await scene.look()
    assert len(scene.told()) == 2


async def test_a_storm_hides_nothing_that_comes_within_its_minute(scene: Scene) -> None:
    await fire(scene, MOST + 1)
    await scene.look()
    scene.clock.passes(20)
    await scene.fire("KeyStolen", entity="vault", domain="security")
    await scene.fire(entity="seen already")
    await scene.look()
    [stand] = [stand for stand in await scene.stands() if stand.incident.entity == "seen already"]
    await scene.house.room.acknowledge(scene.house.person("opal"), stand.incident.id)
    assert scene.told() == ["incidents_many", "acknowledged"]
    scene.clock.passes(40)
    await scene.look()
    notice = scene.notice()
    assert (notice["kind"], notice["severity"]) == ("incident_opened", "page")
    assert notice["text"]["title"] == "KeyStolen: vault"
    await scene.look()
    assert len(scene.told()) == 3, "it is told once"


async def test_what_many_have_in_their_minute_is_told_together_when_it_is_over(scene: Scene) -> None:
    await fire(scene, MOST + 1)
    await scene.look()
    scene.clock.passes(20)
    await fire(scene, 2 * MOST, "later")
    await scene.fire("KeyStolen", entity="vault", domain="security")
    await scene.look()
    scene.clock.passes(40)
    await scene.look()
    await scene.look()
    assert scene.told() == ["incidents_many", "incidents_many"]
    assert "Among them: KeyStolen: vault; " in scene.notice()["text"]["description"]


async def test_a_clock_that_was_set_back_hides_no_incident(scene: Scene) -> None:
    await fire(scene, MOST + 1)
    await scene.look()
    scene.clock.passes(-3_600)
    await scene.fire(entity="the next")
    await scene.look()
    assert scene.notice()["text"]["title"] == "NodeLagging: the next"


async def test_the_next_ones_after_a_quiet_minute_are_told_one_by_one_again(scene: Scene) -> None:
    await fire(scene, 3 * MOST)
    await scene.look()
    scene.clock.passes(61)
    await scene.fire(entity="the next")
    await scene.look()
    assert scene.notice()["text"]["title"] == "NodeLagging: the next"


async def test_their_escalation_and_their_end_are_told_together(scene: Scene) -> None:
    await fire(scene, 2 * MOST)
    await scene.look()
    scene.clock.passes(WITHIN)
    await scene.look()
    notice = scene.notice()
    assert (notice["subject"], notice["text"]["people"], notice["audience"]) == (
        "incidents/escalated/oncall",
        "opal, otto",
        '["oncall"]',
    )
    assert scene.house.metric("incident_escalations_total") == 2 * MOST
    for each in range(2 * MOST):
        await scene.recover(entity=f"node-{each}", ago=WITHIN)
    await scene.look()
    notice = scene.notice()
    assert (notice["subject"], notice["severity"]) == ("incidents/resolved", "info")
    assert len(scene.told()) == 3


async def test_what_is_to_escalate_within_the_minute_of_many_is_told_when_it_is_over(scene: Scene) -> None:
    """Until then its level is not counted as told."""
    await fire(scene, 2 * MOST)
    await scene.look()
    scene.clock.passes(70)
    await scene.fire(entity="the next")
    await scene.look()
    scene.clock.passes(WITHIN - 40)
    await scene.look()
    before = scene.told()
    assert scene.notice()["subject"] == "incidents/escalated/oncall"
    scene.clock.passes(40)
    await scene.look()
    [late] = [stand.incident for stand in await scene.stands() if stand.incident.entity == "the next"]
    assert (scene.told(), late.level) == (before, 0)
    scene.clock.passes(20)
    await scene.look()
    notice = scene.notice()
    assert (notice["kind"], notice["subject"], notice["audience"]) == (
        "incident_escalated",
        late.subject,
        '["oncall"]',
    )
    assert scene.told() == [*before, "escalated"]


async def test_what_was_told_alone_ends_alone_in_the_worst_storm(scene: Scene) -> None:
    """Else what a notifier has opened for it would stay open for ever."""
    await scene.fire(entity="the first")
    await scene.look()
    await fire(scene, 2 * MOST)
    await scene.look()
    scene.clock.passes(30)
    for each in range(2 * MOST):
        await scene.recover(entity=f"node-{each}", ago=30)
    await scene.recover(entity="the first", ago=30)
    await scene.look()
    told = [(row["kind"], row["subject"]) for row in scene.house.rows("SELECT kind, subject FROM outbox ORDER BY id")]
    first = next(stand.incident for stand in await scene.stands() if stand.incident.entity == "the first")
    assert told.count(("incident_resolved", first.subject)) == 1
    assert told.count(("incidents_many", "incidents/resolved")) == 1
    assert len(told) == 4


async def test_whoever_is_next_hears_of_it_however_much_the_others_were_told(scene: Scene) -> None:
    """Of what escalates to them, not of what escalates to those before them."""
    await scene.fire(entity="the first")
    await scene.look()
    scene.clock.passes(WITHIN)
    await fire(scene, 2 * MOST)
    await scene.look()
    scene.clock.passes(WITHIN)
    await scene.look()
    rows = scene.house.rows("SELECT subject, audience FROM outbox ORDER BY id DESC LIMIT 2")
    first = next(stand.incident for stand in await scene.stands() if stand.incident.entity == "the first")
    assert first.level == 2
    assert {row["subject"]: row["audience"] for row in rows} == {
        "incidents/escalated/oncall": '["oncall"]',
        first.subject: '["commander"]',
    }


async def test_what_a_person_does_is_always_told(scene: Scene) -> None:
    await fire(scene, 2 * MOST)
    await scene.look()
    for stand in await scene.stands():
        await scene.house.room.acknowledge(scene.house.person("opal"), stand.incident.id)
    assert Counter(scene.told()) == {"incidents_many": 1, "acknowledged": 2 * MOST}
