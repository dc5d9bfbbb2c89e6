"""What pages opens an incident, or joins the one of its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from receiver import schema
from receiver.families import Severity
from receiver.incidents.life import Status
from receiver.incidents.members import FAR
from receiver.sight import Sight
from tests.receiver import support
from tests.receiver.house import world
from tests.receiver.incidents.scene import Scene, at_work


async def test_a_page_opens_one_and_tells(scene: Scene) -> None:
    await scene.fire(ago=40, domain="nodes", chain="ethereum")
    await scene.look()
    incident = await scene.one()
    assert (incident.title, incident.domain, incident.entity) == (
        "NodeLagging: ethereum/alchemy",
        "nodes",
        "ethereum/alchemy",
    )
    assert (incident.status, incident.severity, incident.commander) == (Status.OPEN, Severity.PAGE, None)
    assert (incident.opened_by, incident.opened_at, incident.started_at) == (
        "receiver",
        scene.clock.now,
        scene.clock.now - 40 * support.MINUTE // 60,
    )
    assert scene.kinds(incident) == ["opened"]
    notice = scene.notice()
    fingerprint = scene.house.rows("SELECT fingerprint FROM episodes")[0]["fingerprint"]
    assert (notice["kind"], notice["severity"], notice["subject"]) == (
        "incident_opened",
        "page",
        f"incident/{incident.id}",
    )
    assert notice["text"] == {
        "summary": "Incident opened: NodeLagging: ethereum/alchemy",
        "description": "37 blocks behind",
        "title": "NodeLagging: ethereum/alchemy",
        "incident": incident.id,
        "link": f"/i/{incident.id}",
        "alert": f"/a/{fingerprint}",
        "domain": "nodes",
        "entity": "ethereum/alchemy",
    }
    assert scene.house.metric("incident_time_to_detect_seconds_sum") == 40
    assert scene.house.metric("incidents_open", severity="page") == 1


@pytest.mark.parametrize("severity", ["ticket", "info", "none", "critical"])
async def test_what_does_not_page_opens_none(scene: Scene, severity: str) -> None:
    await scene.fire(severity=severity)
    await scene.look()
    assert await scene.stands() == []


async def test_looking_again_changes_nothing(scene: Scene) -> None:
    await scene.fire()
    await scene.look()
    before = [scene.house.recorded(), scene.house.notices(), await scene.stands()]
    for _ in range(3):
        await scene.fire()
        await scene.look()
    assert [scene.house.recorded(), scene.house.notices(), await scene.stands()] == before


async def test_another_alert_of_the_place_joins_and_one_of_another_place_does_not(scene: Scene) -> None:
    await scene.fire(domain="nodes")
    await scene.look()
    await scene.fire("NodeDown", domain="nodes", ago=90)
    await scene.fire("NodeDown", entity="ethereum/own", domain="nodes")
    await scene.fire("WalletMoved", domain="wallets")
    await scene.look()
    alerts = {stand.incident.title: stand.alerts for stand in await scene.stands()}
    assert alerts == {
        "NodeLagging: ethereum/alchemy": 2,
        "NodeDown: ethereum/own": 1,
        "WalletMoved: ethereum/alchemy": 1,
    }
    joined = next(stand.incident for stand in await scene.stands() if stand.alerts == 2)
    assert joined.started_at == scene.clock.now - 90 * support.MINUTE // 60, "the earliest of its alerts"
    assert scene.kinds(joined) == ["opened", "joined"]
    assert scene.told() == ["opened"] * 3, "who was told of the place is not told of each alert"


async def test_alerts_without_an_entity_belong_together_by_their_name(scene: Scene) -> None:
    for name in ("Odd", "Odd", "Strange"):
        await scene.fire(name, entity="", instance=f"of {name}")
        await scene.fire(name, entity="", instance=f"another of {name}")
    await scene.look()
    assert sorted((stand.incident.title, stand.alerts) for stand in await scene.stands()) == [
        ("Odd", 2),
        ("Strange", 2),
    ]


async def test_alerts_without_a_name_have_one_name(scene: Scene) -> None:
    await scene.fire("", entity="one\nplace", instance="first")
    await scene.look()
    incident = await scene.one()
    assert (incident.title, incident.entity) == ("An alert without a name: one place", "one place")
    await scene.house.room.acknowledge(scene.house.person("opal"), incident.id)
    await scene.fire("", entity="one\nplace", instance="second")
    await scene.look()
    assert (await scene.one()).status is Status.ACKNOWLEDGED


async def test_each_security_page_has_its_own(scene: Scene) -> None:
    await scene.fire("ProxyChanged", domain="security", role="a")
    await scene.fire("ProxyChanged", domain="security", role="b")
    await scene.look()
    assert [stand.alerts for stand in await scene.stands()] == [1, 1]


async def test_what_fired_and_ended_between_two_looks_has_one_as_well(scene: Scene) -> None:
    await scene.fire(ago=5)
    await scene.recover(ago=5)
    await scene.look()
    incident = await scene.one()
    assert incident.status is Status.RESOLVED
    assert scene.kinds(incident) == ["opened", "resolved"]
    assert scene.told() == ["opened", "resolved"]


async def test_what_ended_before_there_were_incidents_opens_none_and_what_fires_does(scene: Scene) -> None:
    await scene.recover("Past", ago=9)
    await scene.fire("Present", entity="else")
    newest = scene.house.rows("SELECT MAX(id) AS id FROM episodes")[0]["id"]
    scene.house.tamper("UPDATE incident_cursor SET episode_id = :newest", newest=newest)
    await scene.look()
    assert (await scene.one()).title == "Present: else"


async def test_a_new_name_in_an_acknowledged_one_makes_it_wait_anew(scene: Scene) -> None:
    await scene.fire()
    await scene.look()
    opal = scene.house.person("opal")
    await scene.house.room.acknowledge(opal, (await scene.one()).id)
    scene.clock.passes(60)
    await scene.fire("NodeLagging", instance="another")
    await scene.look()
    assert (await scene.one()).status is Status.ACKNOWLEDGED, "its commander knows of alerts of this name"
    scene.clock.passes(60)
    await scene.fire("NodeDown")
    await scene.look()
    incident = await scene.one()
    assert (incident.status, incident.commander, incident.acknowledged_at) == (Status.OPEN, "opal", None)
    assert (incident.clock_at, incident.due_at) == (scene.clock.now, scene.clock.now + 5 * support.MINUTE)
    assert scene.kinds(incident) == ["opened", "acknowledged", "joined", "joined", "reopened"]
    assert scene.told() == ["opened", "acknowledged", "reopened"]


async def test_what_a_commander_said_of_its_severity_was_said_without_the_next_alert(scene: Scene) -> None:
    await scene.fire()
    await scene.look()
    cora = scene.house.person("cora")
    await scene.house.room.set_severity(cora, (await scene.one()).id, Severity.TICKET, "known")
    await scene.fire("NodeLagging", instance="another")
    await scene.look()
    assert (await scene.one()).severity is Severity.TICKET
    await scene.fire("NodeDown")
    await scene.look()
    assert (await scene.one()).severity is Severity.PAGE


async def test_one_that_is_closed_stays_and_a_new_one_opens(scene: Scene) -> None:
    await scene.fire()
    await scene.look()
    await scene.recover()
    await scene.look()
    room, cora, first = scene.house.room, scene.house.person("cora"), await scene.one()
    await room.close(cora, first.id, "over")
    scene.clock.passes(5)  # less than ten minutes: it is the same episode
    await scene.fire()
    await scene.look()
    [second, closed] = await scene.stands()
    assert (closed.incident.id, closed.incident.status) == (first.id, Status.CLOSED)
    assert (second.incident.status, second.alerts, closed.alerts) == (Status.OPEN, 1, 1)
    assert len(scene.house.rows("SELECT * FROM episodes")) == 1
    assert second.incident.started_at == scene.clock.now, "the new one began when it fired again"
    assert scene.house.metric("incident_time_to_detect_seconds_sum") == 0


async def test_episodes_that_turn_out_to_be_one_stay_in_their_incident(scene: Scene) -> None:
    """A late notification tells that it never ended between: the later episode is a part of the earlier one."""
    await scene.fire(ago=3600, domain="security")
    scene.clock.passes(1)
    await scene.recover(ago=3600, domain="security")
    await scene.look()
    room, cora = scene.house.room, scene.house.person("cora")
    await room.close(cora, (await scene.one()).id, "over")
    scene.clock.passes(3600)
    await scene.fire(domain="security")
    await scene.look()
    [later, _] = await scene.stands()
    await scene.recover(ago=3300, domain="security")  # it ended now, and began soon after the first had ended
    await scene.look()
    rows = scene.house.rows("SELECT id, merged_into, ends_at FROM episodes ORDER BY id")
    assert rows[1]["merged_into"] == rows[0]["id"], "the two became one"
    found = {stand.incident.id: stand for stand in await scene.stands()}
    assert len(found) == 2
    assert (found[later.incident.id].incident.status, found[later.incident.id].alerts) == (Status.RESOLVED, 1)


async def test_what_it_has_not_come_to_is_found_by_the_next_process(tmp_path: Path) -> None:
    async with world(tmp_path) as outside:
        async with at_work(outside) as before:
            await before.fire(entity="fires")
            await before.recover(entity="ended", ago=5)
        async with at_work(outside) as after:
            await after.look()
            found = {stand.incident.entity: stand.incident.status for stand in await after.stands()}
            assert found == {"fires": Status.OPEN, "ended": Status.RESOLVED}


async def test_more_than_may_be_taken_in_at_once_is_taken_in_after_it(scene: Scene) -> None:
    for number in range(230):
        await scene.fire(entity=f"node-{number}", ago=number / 10)
    await scene.look()
    assert len(await scene.stands()) == 230


async def test_the_cursor_follows_where_nothing_pages(scene: Scene) -> None:
    """Else every look would go over all that did not page since the last page."""
    await scene.fire(severity="ticket")
    row = scene.house.rows("SELECT * FROM episodes")[0]
    with scene.house.database.writing.begin() as connection:
        row |= {"labels": {}, "annotations": {}, "spans": []}
        rows = [{**row, "id": number, "fingerprint": f"{number:016x}"} for number in range(2, FAR + 2)]
        connection.execute(insert(schema.episodes), rows)
    await scene.look()
    assert scene.house.rows("SELECT episode_id FROM incident_cursor") == [{"episode_id": FAR + 1}]


async def test_a_start_that_moves_is_no_new_beginning(scene: Scene) -> None:
    """As when Prometheus is started again: what fires then fires since before."""
    await scene.fire(ago=90)
    await scene.fire(ago=30)
    await scene.look()
    assert (await scene.one()).started_at == scene.clock.now - 90_000_000


async def test_sight_is_not_waited_for_where_nobody_asks(scene: Scene) -> None:
    scene.house.watch.asked = True
    await scene.fire(ago=5)
    await scene.recover(ago=5)
    await scene.look()
    assert (await scene.one()).status is Status.OPEN
    await scene.answered(Sight.KEPT)
    await scene.look()
    assert (await scene.one()).status is Status.RESOLVED
