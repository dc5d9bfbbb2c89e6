"""Incidents follow their alerts."""

from __future__ import annotations

import pytest

from receiver.families import Severity
from receiver.incidents.life import Status
from receiver.reconciliation import SIGHT_WITHIN
from receiver.sight import Sight
from receiver.store import Delivery, record
from tests.receiver import support
from tests.receiver.incidents.scene import Scene


@pytest.fixture
async def fired(scene: Scene) -> Scene:
    """An incident of two alerts, and a Prometheus that is asked of their ends."""
    scene.house.watch.asked = True
    await scene.fire()
    await scene.fire("NodeDown")
    await scene.look()
    return scene


async def end(scene: Scene, *names: str) -> None:
    scene.clock.passes(60)
    for name in names:
        await scene.recover(name, ago=60)
    await scene.look()


async def test_it_is_resolved_once_all_have_recovered(fired: Scene) -> None:
    await end(fired, "NodeLagging")
    await fired.answered(Sight.KEPT)
    await fired.look()
    assert (await fired.one()).status is Status.OPEN, "the other one fires"
    await end(fired, "NodeDown")
    assert (await fired.one()).status is Status.OPEN, "nobody knows as yet how it ended"
    await fired.answered(Sight.KEPT)
    await fired.look()
    incident = await fired.one()
    assert (incident.status, incident.resolved_at, incident.due_at) == (Status.RESOLVED, fired.clock.now, None)
    assert fired.kinds(incident)[-1] == "resolved"
    notice = fired.notice()
    assert (notice["kind"], notice["severity"]) == ("incident_resolved", "info")
    assert fired.house.metric("incident_time_to_resolve_seconds_sum") == 120
    assert fired.house.metric("incidents_open", severity="page") == 0


async def test_with_sight_lost_it_stays_and_says_so_once(fired: Scene) -> None:
    await end(fired, "NodeLagging", "NodeDown")
    await fired.answered(Sight.LOST)
    for _ in range(3):
        await fired.look()
    incident = await fired.one()
    assert (incident.status, incident.sight_lost) == (Status.OPEN, True)
    assert fired.kinds(incident) == ["opened", "joined", "sight_lost"]
    notice = fired.notice()
    assert (notice["kind"], notice["severity"]) == ("incident_sight_lost", "page")
    assert "could not be seen" in notice["text"]["description"]


async def test_one_that_was_lost_is_enough(fired: Scene) -> None:
    await end(fired, "NodeLagging")
    await fired.answered(Sight.LOST)
    await end(fired, "NodeDown")
    await fired.answered(Sight.KEPT)
    await fired.look()
    assert (await fired.one()).sight_lost


async def test_out_of_sight_it_escalates_as_before(fired: Scene) -> None:
    await end(fired, "NodeLagging", "NodeDown")
    await fired.answered(Sight.LOST)
    fired.clock.passes(300)
    await fired.look()
    assert fired.told() == ["opened", "escalated", "sight_lost"] or fired.told() == [
        "opened",
        "sight_lost",
        "escalated",
    ]


async def test_what_comes_back_into_sight_and_recovers_resolves_it(fired: Scene) -> None:
    await end(fired, "NodeLagging", "NodeDown")
    await fired.answered(Sight.LOST)
    await fired.look()
    fired.clock.passes(60)
    await fired.fire()
    await fired.look()
    assert not (await fired.one()).sight_lost
    await end(fired, "NodeLagging")
    await fired.answered(Sight.KEPT)
    await fired.look()
    incident = await fired.one()
    assert (incident.status, incident.sight_lost) == (Status.OPEN, True), "of the other one nobody knows"
    fired.clock.passes(60)
    await fired.fire("NodeDown")
    await end(fired, "NodeDown")
    await fired.answered(Sight.KEPT)
    await fired.look()
    incident = await fired.one()
    assert (incident.status, incident.sight_lost) == (Status.RESOLVED, False)


async def test_an_end_that_nobody_asks_about_any_more_is_out_of_sight(fired: Scene) -> None:
    await end(fired, "NodeLagging", "NodeDown")
    fired.clock.passes(SIGHT_WITHIN / support.MINUTE * 60)
    await fired.look()
    assert not (await fired.one()).sight_lost
    fired.clock.passes(1)
    await fired.look()
    assert (await fired.one()).sight_lost


async def test_where_nobody_can_be_asked_an_end_is_a_recovery(fired: Scene) -> None:
    fired.house.watch.asked = False
    await end(fired, "NodeLagging", "NodeDown")
    assert (await fired.one()).status is Status.RESOLVED


async def test_one_that_was_resolved_opens_anew_with_its_alert(fired: Scene) -> None:
    room, cora = fired.house.room, fired.house.person("cora")
    await room.acknowledge(cora, (await fired.one()).id)
    await end(fired, "NodeLagging", "NodeDown")
    await fired.answered(Sight.KEPT)
    await fired.look()
    fired.clock.passes(1)
    await fired.fire()
    await fired.look()
    incident = await fired.one()
    assert (incident.status, incident.commander, incident.acknowledged_at) == (Status.OPEN, None, None)
    assert (incident.resolved_at, incident.clock_at) == (None, fired.clock.now)
    assert incident.due_at == fired.clock.now + 5 * support.MINUTE
    assert fired.told()[-1] == "reopened"
    assert fired.kinds(incident)[-1] == "reopened"


async def test_so_does_one_with_a_later_episode_even_if_that_has_ended(fired: Scene) -> None:
    await end(fired, "NodeLagging", "NodeDown")
    await fired.answered(Sight.KEPT)
    await fired.look()
    fired.clock.passes(3600)
    await fired.recover("NodeDown", ago=2)
    await fired.look()
    incident = await fired.one()
    assert (incident.status, fired.kinds(incident)[-2:]) == (Status.OPEN, ["joined", "reopened"])
    await fired.answered(Sight.KEPT)
    await fired.look()
    assert (await fired.one()).status is Status.RESOLVED


async def test_one_without_alerts_goes_on_until_somebody_says_otherwise(scene: Scene) -> None:
    await scene.house.room.open(scene.house.person("opal"), "It smells of smoke", Severity.TICKET, "in the server room")
    scene.clock.passes(86_400)
    await scene.look()
    assert (await scene.one()).status is Status.OPEN


async def test_what_the_receiver_says_of_itself_needs_no_sight(scene: Scene) -> None:
    scene.house.watch.asked = True
    await unreadable(scene)
    await scene.look()
    assert (await scene.one()).domain == "receiver"
    scene.clock.passes(700)
    await scene.fire("Else", severity="ticket")  # it could be read: that ends it
    await scene.look()
    assert (await scene.one()).status is Status.RESOLVED


async def unreadable(scene: Scene) -> None:
    delivery = Delivery("alertmanager", scene.clock.now, b"{")
    await scene.house.writer.run(lambda connection: record(connection, delivery))
