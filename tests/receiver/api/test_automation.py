"""What the API tells of what the receiver does by itself."""

from __future__ import annotations

from functools import partial

from receiver.automation import store
from receiver.automation.store import Decision, Outcome
from receiver.why import Why
from tests.receiver.api.conftest import Office
from tests.receiver.support import NOW


async def noted(office: Office, *decisions: Decision) -> None:
    for decision in decisions:
        await office.house.writer.run(partial(store.note, decision=decision, now=NOW))


async def test_where_nothing_is_done_by_itself_it_says_so(office: Office) -> None:
    found = await office.get("/automation")
    assert {mode["action"]: mode["automation"] for mode in found["modes"]} == dict.fromkeys(
        [action.name for action in office.house.desk.rules.current.catalogue.actions], "off"
    )
    assert found["bounds"] == {"grace": 300.0, "storm_alerts": 20, "storm_within": 60.0, "per_hour": 6}
    assert found["decisions"] == []


async def test_what_holds_an_action_back_is_told_in_words(office: Office) -> None:
    fingerprint = await office.house.alert()
    await noted(office, Decision("halt", 1, "auto", Outcome.HELD, Why.STORM))
    (found,) = (await office.get("/automation"))["decisions"]
    assert found == {
        "id": 1,
        "action": "halt",
        "kind": "auto",
        "outcome": "held",
        "why": "storm",
        "sentence": "too many alerts came at once",
        "episode": 1,
        "fingerprint": fingerprint,
        "alertname": "NodeLagging",
        "entity": "ethereum/alchemy",
        "at": "2026-09-21T14:13:20Z",
        "changed_at": "2026-09-21T14:13:20Z",
        "request": None,
        "parameters": {},
        "does": [],
    }


async def test_what_it_would_have_done_is_told_step_by_step(office: Office) -> None:
    await office.house.alert()
    does = ({"executor": "http", "path": "/halt"},)
    await noted(office, Decision("halt", 1, "shadow", Outcome.ACTED, None, None, {"venue": "binance"}, does))
    (found,) = (await office.get("/automation"))["decisions"]
    assert (found["outcome"], found["why"], found["sentence"]) == ("acted", None, None)
    assert (found["parameters"], found["does"]) == ({"venue": "binance"}, [*does])


async def test_decisions_are_told_from_the_newest_of_one_action_or_of_all(office: Office) -> None:
    await office.house.alert()
    held = [("halt", "shadow"), ("resume", "propose"), ("halt", "auto")]
    await noted(office, *(Decision(action, 1, kind, Outcome.HELD, Why.GRACE) for action, kind in held))

    async def told(query: str) -> list[tuple[str, str]]:
        return [(each["action"], each["kind"]) for each in (await office.get(f"/automation{query}"))["decisions"]]

    assert await told("") == held[::-1]
    assert await told("?action=halt") == [("halt", "auto"), ("halt", "shadow")]
    assert await told("?limit=1") == [("halt", "auto")]
    assert await told("?action=unknown") == []


async def test_a_row_that_says_what_was_never_written_is_told_to_nobody(office: Office) -> None:
    await office.house.alert()
    await noted(office, Decision("halt", 1, "auto", Outcome.HELD, Why.STORM))
    office.house.tamper("UPDATE automations SET outcome = 'done'")
    status, answer = await office.ask("GET", "/automation", "vic")
    assert (status, answer["error"]["why"]) == (503, "forged")
