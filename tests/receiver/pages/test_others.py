"""Health, automation, audit and history, as pages."""

from __future__ import annotations

from functools import partial

from receiver.automation.store import Decision, Outcome, note
from receiver.health import Condition, Finding, Health
from receiver.life import State
from receiver.pages.requests import MAX_LISTED, MEANINGS
from receiver.pages.text import sentence
from receiver.why import SENTENCES, Why
from tests.receiver.api.test_table import SETUPS
from tests.receiver.pages.conftest import Hall
from tests.receiver.support import NOW


async def test_health_says_that_all_is_well(hall: Hall) -> None:
    page = (await hall.at("vic").get("/health")).page
    assert page.headings[0] == (1, "The receiver is well")
    assert "well Database What is written is durable." in page.text


async def test_health_says_what_is_ill(hall: Hall) -> None:
    """Of a writer whose last transaction failed."""
    opal, vic = hall.at("opal"), hall.at("vic")
    form = await opal.get("/freeze")
    await vic.get("/health")
    hall.office.house.tamper("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ROLLBACK, 'disk I/O'); END")
    refused = await opal.press(form, "freeze", reason="a test")
    assert (refused.status, refused.page.form("freeze").values["reason"]) == (503, "a test")
    page = (await vic.get("/health")).page
    assert page.headings[0] == (1, "Not all of the receiver is well")
    assert "ill Database The last transaction could not be made durable" in page.text
    answer = await hall.office.get("/health")
    assert (answer["well"], answer["parts"][0]["condition"]) == (False, "ill")


async def test_the_first_page_is_not_green_while_the_receiver_is_ill(hall: Hall) -> None:
    """What fires may not have come in: that nothing fires is no good news then."""
    opal, vic = hall.at("opal"), hall.at("vic")
    form = await opal.get("/freeze")

    async def first() -> tuple[bool, bool]:
        page = (await vic.get("/")).page
        [verdict] = page.of("h1")
        return "quiet" in verdict.attributes["class"].split(), "Not all of the receiver is well: database." in page.text

    assert await first() == (True, False)
    hall.office.house.tamper("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ROLLBACK, 'disk I/O'); END")
    await opal.press(form, "freeze", reason="a test")
    assert await first() == (False, True)


def test_what_nobody_could_find_out_is_not_well() -> None:
    health = Health()
    health.watch("one", lambda: Finding(Condition.UNKNOWN, "it was not asked yet"))
    health.watch("two", lambda: Finding(Condition.WELL, "it answers", 1))
    assert [*health.findings()] == ["one", "two"]
    health.watch("one", None)
    assert [*health.findings()] == ["two"]


async def test_the_audit_from_the_newest_and_about_one_thing(hall: Hall) -> None:
    request = await SETUPS["pending_approval"](hall.office)
    vic = hall.at("vic")
    page = (await vic.get("/audit")).page
    records = [int(text.split()[0]) for level, text in page.headings if level == 3]
    assert records == sorted(records, reverse=True)
    about = await vic.get(f"/audit?subject=request/{request['id']}")
    kinds = [text.split()[1] for level, text in about.page.headings if level == 3]
    assert kinds == ["request.pending_approval", "request.planned"]
    assert f"/audit?subject=request/{request['id']}" in (await vic.get(f"/r/{request['id']}")).page.links


async def test_the_audit_goes_on_where_the_page_ends(hall: Hall) -> None:
    for _ in range(40):
        await hall.office.refused("/freezes", "vic", scope="everything", reason="a test")
    vic, seen = hall.at("vic"), []
    link: str | None = "/audit"
    while link:
        page = (await vic.get(link)).page
        seen += [int(text.split()[0]) for level, text in page.headings if level == 3]
        link = next((each for each in page.links if "before=" in each), None)
    assert seen == list(range(len(seen), 0, -1))
    assert len(seen) > 40


async def test_history_goes_on_where_the_page_ends(hall: Hall) -> None:
    made = [(await SETUPS["planned"](hall.office))["id"] for _ in range(MAX_LISTED + 3)]
    vic = hall.at("vic")
    first = (await vic.get("/history?state=planned")).page
    link = next(each for each in first.links if "before=" in each)
    second = (await vic.get(link)).page
    listed = [each[3:] for page in (first, second) for each in page.links if each.startswith("/r/")]
    assert (len(listed), set(listed)) == (MAX_LISTED + 3, set(made))
    assert (await vic.get("/history?state=succeeded")).page.text.count("None.") == 1


def test_every_state_has_a_meaning() -> None:
    assert set(MEANINGS) == set(State)


async def test_automation_says_what_is_off(hall: Hall) -> None:
    text = (await hall.at("vic").get("/automation")).page.text
    assert "Off: halt, resume," in text
    assert "at most 6 starts an hour" in text


async def test_automation_tells_each_decision_and_what_held_it_back(hall: Hall) -> None:
    fingerprint = await hall.office.house.alert()
    steps = ({"executor": "http", "target": "engine", "body": {"venue": "binance"}},)
    held = Decision("halt", 1, "shadow", Outcome.HELD, Why.STORM)
    acted = Decision("resume", 1, "shadow", Outcome.ACTED, None, parameters={"venue": "binance"}, does=steps)
    for decision in (held, acted):
        await hall.office.house.writer.run(partial(note, decision=decision, now=NOW))
    page = (await hall.at("vic").get("/automation")).page
    assert f"/a/{fingerprint}" in page.links
    assert "held halt shadow About NodeLagging of ethereum/alchemy" in page.text
    assert sentence(SENTENCES[Why.STORM]) in page.text
    assert "acted resume shadow" in page.text
    assert "body venue binance" in page.text
