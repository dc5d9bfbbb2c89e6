"""What people do about incidents; who may do what in which state is the table of tests/receiver/api/test_incidents.py."""

from __future__ import annotations

import pytest

from receiver.families import Severity
from receiver.incidents.life import Status
from receiver.incidents.store import Incident
from receiver.requests import NotFound
from receiver.rulebook import Rulebook
from receiver.rulings import Refusal
from receiver.sight import Sight
from receiver.why import Why
from tests.receiver.incidents.scene import Scene


@pytest.fixture
async def incident(scene: Scene) -> Incident:
    await scene.fire()
    await scene.look()
    return await scene.one()


async def test_who_acknowledges_first_leads(scene: Scene, incident: Incident) -> None:
    room, person = scene.house.room, scene.house.person
    acknowledged = await room.acknowledge(person("otto"), incident.id, "on my way")
    assert (acknowledged.status, acknowledged.commander) == (Status.ACKNOWLEDGED, "otto")
    with pytest.raises(Refusal, match="acknowledge: not possible for an incident that is acknowledged") as refused:
        await room.acknowledge(person("opal"), incident.id)
    assert refused.value.why is Why.WRONG_STATE
    assert (await scene.one()).commander == "otto"
    record = scene.house.recorded()[-1]
    assert (record["kind"], record["by"], record["data"]["doing"]) == ("person.refused", "opal", "acknowledge")
    notice = scene.notice()
    assert (notice["kind"], notice["severity"]) == ("incident_acknowledged", "info")
    assert notice["text"]["summary"] == "Acknowledged by otto: NodeLagging: ethereum/alchemy"


async def test_it_is_handed_over_by_its_commander_to_somebody_who_may_act(scene: Scene, incident: Incident) -> None:
    room, person = scene.house.room, scene.house.person
    await room.acknowledge(person("otto"), incident.id)
    for nobody in ("vic", "stranger"):
        with pytest.raises(Refusal) as refused:
            await room.hand_over(person("otto"), incident.id, nobody)
        assert refused.value.why is Why.OUT_OF_BOUNDS
    with pytest.raises(Refusal, match="otto leads it already"):
        await room.hand_over(person("otto"), incident.id, "otto")
    handed = await room.hand_over(person("otto"), incident.id, "tara", "my shift is over")
    assert (handed.commander, handed.status) == ("tara", Status.ACKNOWLEDGED)
    with pytest.raises(Refusal):
        await room.mitigate(person("otto"), incident.id, "I am not the commander any more")
    assert (await room.mitigate(person("tara"), incident.id, "moved to the spare node")).status is Status.MITIGATED
    assert scene.house.metric("incident_time_to_mitigate_seconds_count") == 1
    assert scene.told() == ["opened", "acknowledged", "handed_over", "mitigated"]


async def test_a_commander_who_has_lost_every_role_or_left_leads_no_more(scene: Scene, incident: Incident) -> None:
    room, otto = scene.house.room, scene.house.person("otto")
    await room.acknowledge(otto, incident.id)
    book = scene.house.desk.rules.current
    people = tuple(it.model_copy(update={"roles": ("viewer",)}) if it.id == "otto" else it for it in book.policy.people)
    await scene.house.desk.adopt(
        Rulebook(book.catalogue, book.policy.model_copy(update={"people": people})), "receiver"
    )
    with pytest.raises(Refusal) as refused:
        await room.mitigate(otto, incident.id, "as before")
    assert refused.value.why is Why.NOT_PERMITTED
    assert (await room.hand_over(scene.house.person("cora"), incident.id, "opal")).commander == "opal"


async def test_what_fires_is_resolved_by_nobody(scene: Scene, incident: Incident) -> None:
    with pytest.raises(Refusal, match="an alert of it fires"):
        await scene.house.room.resolve(scene.house.person("cora"), incident.id, "I am tired of it")


async def test_what_is_out_of_sight_is_resolved_by_who_knows(scene: Scene, incident: Incident) -> None:
    scene.house.watch.asked = True
    await scene.recover()
    await scene.answered(Sight.LOST)
    await scene.look()
    room, cora = scene.house.room, scene.house.person("cora")
    resolved = await room.resolve(cora, incident.id, "asked its provider")
    assert (resolved.status, resolved.sight_lost) == (Status.RESOLVED, False)
    await scene.look()
    assert (await scene.one()).status is Status.RESOLVED, "and stays so"
    closed = await room.close(cora, incident.id, "The provider\nhad maintenance.")
    assert (closed.status, closed.summary, closed.closed_at) == (
        Status.CLOSED,
        "The provider\nhad maintenance.",
        scene.clock.now,
    )
    assert scene.told()[-1] == "closed"


async def test_one_by_hand_about_an_alert_is_where_its_pages_go(scene: Scene) -> None:
    await scene.fire(severity="ticket", domain="nodes")
    fingerprint = scene.house.rows("SELECT fingerprint FROM episodes")[0]["fingerprint"]
    room, opal = scene.house.room, scene.house.person("opal")
    made = await room.open(opal, "Slow since the morning", Severity.TICKET, "our own numbers", fingerprint)
    assert (made.domain, made.entity, made.opened_by, made.commander) == ("nodes", "ethereum/alchemy", "opal", None)
    assert scene.notice()["text"]["description"] == "our own numbers"
    with pytest.raises(Refusal, match=f"incident {made.id} is about this, and not closed"):
        await room.open(opal, "Once more", Severity.TICKET, "a second look", fingerprint)
    await scene.fire("NodeDown", domain="nodes")
    await scene.look()
    [stand] = await scene.stands()
    assert (stand.alerts, stand.incident.severity) == (2, Severity.PAGE)


async def test_several_by_hand_about_no_alert_are_several(scene: Scene) -> None:
    for title in ("One thing", "One thing"):
        await scene.house.room.open(scene.house.person("opal"), title, Severity.INFO, "heard of it")
    await scene.look()
    assert [stand.incident.title for stand in await scene.stands()] == ["One thing", "One thing"]
    assert scene.house.metric("incident_time_to_detect_seconds_count") == 0, "nobody knows when it began"


async def test_there_is_none_about_an_alert_that_never_was(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await scene.house.room.open(scene.house.person("opal"), "x", Severity.INFO, "y", "0" * 16)
    with pytest.raises(NotFound):
        await scene.house.room.incident("0" * 16)
    with pytest.raises(NotFound):
        await scene.house.room.acknowledge(scene.house.person("opal"), "0" * 16)


async def test_what_goes_on_comes_first_then_what_waits_to_be_closed(scene: Scene) -> None:
    for number in range(3):
        await scene.fire(entity=f"node-{number}")
        await scene.look()
        scene.clock.passes(1)
    for number in (0, 2):
        await scene.recover(entity=f"node-{number}", ago=4)
    await scene.look()
    await scene.house.room.close(scene.house.person("cora"), (await scene.stands())[1].incident.id, "over")
    found = [(stand.incident.entity, stand.incident.status.value) for stand in await scene.stands()]
    assert found == [("node-1", "open"), ("node-0", "resolved"), ("node-2", "closed")]
    [resolved] = await scene.house.room.incidents(status=Status.RESOLVED)
    assert resolved.incident.entity == "node-0"
    assert [stand.incident.entity for stand in await scene.house.room.incidents(2)] == ["node-1", "node-0"]
