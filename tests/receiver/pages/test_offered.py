"""Buttons are there for whoever may press them now, and for nobody else; and none of them is refused."""

from __future__ import annotations

import pytest

from receiver.entitlements import of_request
from tests.receiver import acting
from tests.receiver.api.test_table import SETUPS, TURNS, Setup
from tests.receiver.pages.conftest import Browser, Hall, Seen

REQUESTS = set(TURNS)

OFFERED: dict[str, dict[str, set[str]]] = {
    # state: button -> who has it, of a request by opal for `resume`, which nobody has decided on yet
    "planned": {"submit": {"opal"}, "cancel": {"opal"}},
    "pending_approval": {"approve": {"tara", "rita"}, "reject": {"tara", "rita"}, "cancel": {"opal"}},
    "approved": {"reject": {"tara", "rita"}, "cancel": {"opal"}},
    "in_doubt": {"release": {"cora", "carl"}},
    "running": {},
    "verifying": {},
}
"""In all other states it has ended, and commanders review it."""

TYPED = {
    "approve": {"reason": "read"},
    "reject": {"reason": "no"},
    "cancel": {"reason": "no"},
    "review": {"reason": "seen"},
    "release": {"reason": "looked", "applied": "true"},
    "submit": {},
}


def offered(seen: Seen) -> set[str]:
    return seen.page.buttons & REQUESTS


async def page(hall: Hall, setup: Setup) -> str:
    return f"/r/{(await setup(hall.office))['id']}"


@pytest.mark.parametrize("state", SETUPS)
async def test_who_may_do_it_has_the_button(hall: Hall, state: str) -> None:
    path = await page(hall, SETUPS[state])
    table = OFFERED.get(state, {"review": {"cora", "carl"}})
    for person in acting.PEOPLE:
        expected = {button for button, who in table.items() if person in who}
        assert (person, offered(await hall.at(person).get(path))) == (person, expected)


@pytest.mark.parametrize("state", SETUPS)
async def test_what_is_offered_is_not_refused(hall: Hall, state: str) -> None:
    path = await page(hall, SETUPS[state])
    for person in acting.PEOPLE:
        for button in sorted(offered(await hall.at(person).get(path))):
            await _pressed(hall.at(person), path, button)
            if state in {"planned", "pending_approval", "approved"}:
                path = await page(hall, SETUPS[state])


async def _pressed(browser: Browser, path: str, button: str) -> None:
    after = await browser.press(await browser.get(path), button, **TYPED[button])
    assert (button, after.status, after.page.refused) == (button, 200, "")


async def test_who_has_approved_is_not_asked_again(hall: Hall) -> None:
    path = await page(hall, SETUPS["pending_approval"])
    after = await hall.at("tara").press(await hall.at("tara").get(path), "approve", reason="read")
    assert offered(after) == {"reject"}, "a later word against it still ends it"
    assert "Missing: 1 risk. Could give it: rita." in after.page.text


async def test_nobody_is_offered_what_the_rules_of_now_would_refuse(hall: Hall) -> None:
    path = await page(hall, SETUPS["pending_approval"])
    changed = hall.office.world.write(hall.office.world.actions.replace("Let the engine quote again", "Other words"))
    await hall.office.house.desk.adopt(changed, "receiver")
    assert offered(await hall.at("tara").get(path)) == {"reject"}


@pytest.mark.parametrize("state", ["planned", "pending_approval"])
async def test_what_can_not_go_on_says_so_and_names_nobody_who_could_help(hall: Hall, state: str) -> None:
    path = await page(hall, SETUPS[state])
    stuck = "It can not go on: since it was planned the action or the policy has changed"
    assert stuck not in (await hall.at("opal").get(path)).page.text
    changed = hall.office.world.write(hall.office.world.actions.replace("Let the engine quote again", "Other words"))
    await hall.office.house.desk.adopt(changed, "receiver")
    text = (await hall.at("opal").get(path)).page.text
    assert stuck in text
    waiting = (await hall.at("opal").get("/approvals")).page.text
    if state == "pending_approval":
        assert "Missing: 1 trader, 1 risk. Nobody could give it." in text
        assert "Missing: 1 trader, 1 risk. Could give it: nobody." in waiting


async def test_who_may_not_ask_for_an_action_is_told_who_may(hall: Hall) -> None:
    fingerprint = await hall.office.house.alert()
    for path in (f"/a/{fingerprint}", "/actions/resume"):
        seen = await hall.at("vic").get(path)
        assert "plan" not in seen.page.buttons
        assert "Not by you: The policy does not give this person that right." in seen.page.text
        assert "operator may ask for it; then it needs 1 trader, 1 risk." in seen.page.text


async def test_an_alert_whose_label_an_action_can_not_take_is_told_so_in_the_place_of_the_button(hall: Hall) -> None:
    fingerprint = await hall.office.house.alert(venue="<b>bitmex")
    seen = await hall.at("opal").get(f"/a/{fingerprint}")
    assert (
        "Not for this alert: its label venue says <b>bitmex, and venue must be one of binance, deribit."
        in seen.page.text
    )
    planned = [form.values["action"] for form in seen.page.forms if "plan" in form.buttons]
    assert "halt" not in planned
    assert "resume" in planned, "nothing fills its venue"
    offered = (await hall.office.get(f"/actions?fingerprint={fingerprint}", "opal"))["actions"]
    unfit = {each["name"]: (each["unfit"], each["why_not"]) for each in offered}
    assert (unfit["halt"], unfit["resume"]) == ((["venue"], None), ([], None))


async def test_who_may_not_freeze_is_told_who_may(hall: Hall) -> None:
    seen = await hall.at("vic").get("/freeze")
    assert "freeze" not in seen.page.buttons
    assert "Not by you. May freeze: opal, otto, tara." in seen.page.text


async def test_the_api_says_it_as_well(hall: Hall) -> None:
    id_ = (await SETUPS["pending_approval"](hall.office))["id"]
    whole = await hall.office.get(f"/requests/{id_}")
    assert whole["may"] == {"approve": ["tara", "rita"], "reject": ["tara", "rita"], "cancel": ["opal"]}
    freezes = await hall.office.get("/freezes")
    assert freezes["may"] == ["opal", "otto", "tara"]
    assert freezes["names"]["target"] == ["engine", "other", "mute"]


async def test_nothing_is_offered_for_an_action_without_a_rule(hall: Hall) -> None:
    desk = hall.office.house.desk
    id_ = (await SETUPS["pending_approval"](hall.office))["id"]
    book = desk.rules.current
    policy = book.policy.model_copy(update={"rules": ()})
    ruled = of_request(type(book)(book.catalogue, policy), await desk.request(id_), (), ("tara",), 0)
    assert ruled == {"approve": (), "reject": (), "cancel": ("opal",)}
