"""An incident by its page: somebody is there, leads, hands over, says what was done, and closes it."""

from __future__ import annotations

import pytest

from receiver.clock import SECOND
from receiver.store import Delivery, record
from tests.receiver import acting
from tests.receiver.pages.conftest import Hall, Seen
from tests.receiver.support import NOW, alert, message

ACTS = {"acknowledge", "note", "hand-over", "severity", "mitigate", "resolve", "close"}


async def told(hall: Hall, ends: int | None = None) -> None:
    one = alert(labels={"venue": "binance", "domain": "nodes"}, ends=ends)
    delivery = Delivery("alertmanager", NOW, message(one))
    await hall.office.house.writer.run(lambda connection: record(connection, delivery))
    await hall.office.house.watch.look()


async def opened(hall: Hall) -> str:
    """The page of an incident that an alert has opened."""
    await told(hall)
    [incident] = (await hall.office.get("/incidents"))["incidents"]
    return f"/i/{incident['id']}"


def offered(seen: Seen) -> set[str]:
    return seen.page.buttons & ACTS


async def test_from_the_alert_to_its_incident_and_back(hall: Hall) -> None:
    path, vic = await opened(hall), hall.at("vic")
    for way in ("/", "/incidents"):
        assert path in (await vic.get(way)).page.links
    page = await vic.get(path)
    [of_alert] = {link for link in page.page.links if link.startswith("/a/")}
    assert path in (await vic.get(of_alert)).page.links
    assert "Nobody has acknowledged it" in page.page.text


async def test_the_page_of_an_incident_says_what_to_do_first(hall: Hall) -> None:
    runbook = "https://runbooks.example/NodeLagging"
    one = alert(labels={"domain": "nodes"}, first_action="Take the node out of the pool.", runbook_url=runbook)
    await hall.office.house.writer.run(
        lambda connection: record(connection, Delivery("alertmanager", NOW, message(one)))
    )
    await hall.office.house.watch.look()
    [incident] = (await hall.office.get("/incidents"))["incidents"]
    page = (await hall.at("vic").get(f"/i/{incident['id']}")).page
    assert "First: Take the node out of the pool." in page.text
    assert runbook in page.links


async def test_the_page_of_an_alert_says_whether_somebody_is_there(hall: Hall) -> None:
    path, opal = await opened(hall), hall.at("opal")
    [of_alert] = {link for link in (await opal.get(path)).page.links if link.startswith("/a/")}
    assert "Its incident: open, and nobody has acknowledged it." in (await opal.get(of_alert)).page.text
    await opal.press(await opal.get(path), "acknowledge")
    assert "Its incident: acknowledged, opal leads." in (await opal.get(of_alert)).page.text
    found = await hall.office.get(f"/alerts/{of_alert.removeprefix('/a/')}")
    assert (found["incident"], found["incident_status"], found["commander"]) == (
        path.removeprefix("/i/"),
        "acknowledged",
        "opal",
    )


async def test_one_tap_acknowledges_it_and_the_first_leads(hall: Hall) -> None:
    path, opal = await opened(hall), hall.at("opal")
    page = await opal.get(path)
    assert page.page.form("acknowledge").buttons["acknowledge"] == "Acknowledge, and lead it"
    after = await opal.press(page, "acknowledge")
    assert "acknowledged opal leads" in after.page.text
    assert offered(after) == {"note", "hand-over", "severity", "mitigate"}
    assert offered(await hall.at("tara").get(path)) == {"note"}


async def test_what_is_overdue_is_not_said_to_come(hall: Hall) -> None:
    """As while the database can not be written."""
    world = hall.office.world
    world.policy += "escalation: [{{severity: page, acknowledge_within: 5m, then: [commander]}}]\n"
    await hall.office.house.desk.adopt(world.write(), "receiver")
    path, vic = await opened(hall), hall.at("vic")
    for way in ("/", path):
        assert " escalates in 5 min" in (await vic.get(way)).page.text
    hall.office.clock.passes(360)
    for way in ("/", path):
        assert " was to escalate 1 min ago" in (await vic.get(way)).page.text


async def test_lines_of_a_log_are_taken_as_a_note(hall: Hall) -> None:
    path, opal = await opened(hall), hall.at("opal")
    noted = await opal.press(await opal.get(path), "note", text="BTC/USDT\t64250.5\r\nETH/USDT\t2510")
    assert (noted.status, noted.page.refused) == (200, "")
    timeline = (await hall.office.get(f"/incidents/{path[3:]}"))["timeline"]
    assert timeline[0]["said"] == "BTC/USDT 64250.5\nETH/USDT 2510"


async def test_who_acknowledges_twice_leads_it_and_is_told_so(hall: Hall) -> None:
    """And who comes late is told that somebody else does."""
    path, opal, tara = await opened(hall), hall.at("opal"), hall.at("tara")
    first, late = await opal.get(path), await tara.get(path)
    await opal.press(first, "acknowledge")
    again = await opal.press(first, "acknowledge")
    assert (again.status, again.page.refused) == (409, "Done already. It is acknowledged, and you lead it.")
    said = "Not done. Acknowledge: not possible for an incident that is acknowledged."
    assert (await tara.press(late, "acknowledge")).page.refused == said


async def test_the_whole_way_to_the_report(hall: Hall) -> None:
    path, opal, tara = await opened(hall), hall.at("opal"), hall.at("tara")
    page = await opal.press(await opal.get(path), "acknowledge")
    page = await opal.press(page, "note", text="the venue says\nthat it is them")
    assert "the venue says that it is them" in page.page.text
    assert page.page.form("hand-over").options["to"] == ["", *(it for it in acting.PEOPLE if it not in {"opal", "vic"})]
    await opal.press(page, "hand-over", to="tara", reason="my shift ends")
    page = await tara.press(await tara.get(path), "mitigate", reason="halted")
    assert "mitigated tara leads" in page.page.text
    await told(hall, ends=NOW + SECOND)
    page = await tara.get(path)
    assert offered(page) >= {"close", "note"}
    page = await tara.press(page, "close", summary="Their matching engine stood still.\nWe halted.")
    assert "Summary: Their matching engine stood still." in page.page.text
    assert offered(page) == set()
    report = next(link for link in page.page.links if link.endswith("/report"))
    async with hall.office.client.get(report, headers={"Cookie": await tara.cookie()}) as response:
        assert (response.status, "Their matching engine stood still" in await response.text()) == (200, True)


async def test_what_is_refused_keeps_the_words_and_opens_their_form(hall: Hall) -> None:
    path, opal = await opened(hall), hall.at("opal")
    page = await opal.press(await opal.get(path), "acknowledge")
    refused = await opal.press(page, "hand-over", to="", reason="my shift ends")
    assert (refused.status, refused.page.refused) == (400, "Not done. To: Field required.")
    assert refused.page.form("hand-over").values["reason"] == "my shift ends"
    assert sum("open" in each.attributes for each in refused.page.of("details")) == 2, "this form, and the one to note"


@pytest.mark.parametrize("person", acting.PEOPLE)
async def test_what_is_offered_is_what_the_api_permits(hall: Hall, person: str) -> None:
    path = await opened(hall)
    whole = await hall.office.get(f"/incidents/{path[3:]}", person)
    permitted = {each["act"] for each in whole["may"] if each["why_not"] is None}
    assert offered(await hall.at(person).get(path)) == permitted


async def test_one_is_opened_by_hand_by_whoever_acts(hall: Hall) -> None:
    tara = hall.at("tara")
    page = await tara.press(
        await tara.get("/incidents"), "open", title="Odd fills", reason="I saw three", severity="ticket"
    )
    assert page.path.startswith("/i/")
    assert "Odd fills" in page.page.text
    assert "open" not in (await hall.at("vic").get("/incidents")).page.buttons


async def test_they_are_narrowed_by_status(hall: Hall) -> None:
    path, vic = await opened(hall), hall.at("vic")
    assert path in (await vic.get("/incidents?status=open")).page.links
    assert path not in (await vic.get("/incidents?status=closed")).page.links
