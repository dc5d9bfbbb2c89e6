"""What there is to do, for whom, and for which alert."""

from __future__ import annotations

from tests.receiver.api.conftest import Office


async def test_all_of_the_catalogue(office: Office) -> None:
    names = [action["name"] for action in (await office.get("/actions"))["actions"]]
    assert names == [action.name for action in office.house.desk.rules.current.catalogue.actions]


async def test_one_with_its_bounds_and_its_rule(office: Office) -> None:
    action = await office.get("/actions/resume", "opal")
    assert (action["title"], action["protective"], action["undo"]) == ("Let the engine quote again", False, "halt")
    assert action["executors"] == ["http"]
    [venue] = action["parameters"]
    assert (venue["name"], venue["choices"], venue["number"]) == ("venue", ["binance", "deribit"], None)
    assert action["rule"]["approvals"] == [{"role": "trader", "count": 1}, {"role": "risk", "count": 1}]
    assert action["why_not"] is None


async def test_it_says_who_may_not(office: Office) -> None:
    assert (await office.get("/actions/resume", "vic"))["why_not"] == "not_permitted"


async def test_one_that_there_is_not(office: Office) -> None:
    status, answer = await office.ask("GET", "/actions/nothing", "vic")
    assert (status, answer["error"]["why"]) == (404, "not_found")


async def test_those_for_an_alert(office: Office) -> None:
    fingerprint = await office.house.alert("NodeLagging")
    offered = (await office.get(f"/actions?fingerprint={fingerprint}"))["actions"]
    catalogue = office.house.desk.rules.current.catalogue
    labels = {"alertname": "NodeLagging", "severity": "page", "entity": "ethereum/alchemy", "venue": "binance"}
    assert [action["name"] for action in offered] == [action.name for action in catalogue.offered(labels)]
    status, _ = await office.ask("GET", f"/actions?fingerprint={'0' * 16}", "vic")
    assert status == 404
