"""What people do by the pages: two taps to a protective action, approvals, refusals that lose nothing, and no other site."""

from __future__ import annotations

import pytest

from receiver.outbox import Notice
from tests.receiver.pages.conftest import Hall, Seen
from tests.receiver.pages.document import Document

PROTECTIVE = {"action": "halt"}


def state(seen: Seen) -> str:
    """Of the request whose page it is."""
    return seen.page.title.partition(":")[0]


async def planned(hall: Hall, action: str = "resume", person: str = "opal") -> Seen:
    """The page of a request, by way of the action's own page."""
    browser = hall.at(person)
    form = await browser.get(f"/actions/{action}")
    return await browser.press(form, "plan", reason="the book moves again", parameters__venue="binance")


# --- the way from an alert --------------------------------------------------------------------------------------------


async def test_two_taps_from_an_alert_to_a_protective_action(hall: Hall) -> None:
    opal, fingerprint = hall.at("opal"), await hall.office.house.alert()
    alert = await opal.get(f"/a/{fingerprint}")
    assert "Stop the engine on a venue" in alert.page.text
    plan = await opal.press(alert, "plan", PROTECTIVE)
    assert (plan.path[:3], state(plan)) == ("/r/", "planned")
    assert "With venue binance." in plan.page.text
    assert plan.page.form("submit").buttons["submit"] == "Do it now: Stop the engine on a venue"
    assert hall.office.world.effects == {}
    done = await opal.press(plan, "submit")
    assert state(done) == "approved"
    assert done.path in (await opal.get(alert.path)).page.links, "whoever looks at the alert sees what is done"
    await hall.office.house.settle()
    assert state(await opal.get(done.path)) == "succeeded"
    assert sum(hall.office.world.effects.values()) == 1


async def test_a_parameter_that_the_alert_gives_is_not_asked_for(hall: Hall) -> None:
    alert = await hall.at("opal").get(f"/a/{await hall.office.house.alert(venue='deribit')}")
    assert "parameters.venue" not in alert.page.form("plan", action="halt").values
    assert "venue deribit by the alert's label venue" in alert.page.text
    assert alert.page.form("plan", action="resume").options["parameters.venue"] == ["", "binance", "deribit"]
    assert alert.page.form("plan", action="widen").required >= {"parameters.width", "reason"}


async def test_an_alert_out_of_the_action_s_bounds_is_refused_in_words(hall: Hall) -> None:
    """Also who was offered it by a page that was made before."""
    opal = hall.at("opal")
    alert = await opal.get(f"/a/{await hall.office.house.alert(venue='kraken')}")
    another = alert.page.form("plan", action="resume").values
    refused = await opal.send(alert.path, {**another, **PROTECTIVE, "do": "plan"})
    assert (refused.status, refused.path) == (422, alert.path)
    assert refused.page.refused == "Not done. Venue: the alert's label venue is not one of binance, deribit."


async def test_two_people_approve_it_and_then_it_is_done(hall: Hall) -> None:
    plan = await planned(hall)
    assert plan.page.form("submit").buttons["submit"].startswith("Ask for approval")
    opal = hall.at("opal")
    pending = await opal.press(plan, "submit")
    assert (state(pending), pending.page.buttons) == ("pending approval", {"cancel"})
    for person in ("tara", "rita"):
        browser = hall.at(person)
        waiting = await browser.get("/approvals")
        assert plan.path in waiting.page.links
        assert "1 waits for you" in waiting.page.title
        page = await browser.get(plan.path)
        assert page.page.buttons == {"approve", "reject"}
        after = await browser.press(page, "approve", reason="the plan is what we said")
        assert "the plan is what we said" in after.page.text
    await hall.office.house.settle()
    done = await hall.at("vic").get(plan.path)
    assert (state(done), done.page.buttons) == ("succeeded", set())


async def test_what_undoes_it_is_one_form_away(hall: Hall) -> None:
    opal = hall.at("opal")
    done = await opal.press(await planned(hall), "submit")
    for person in ("tara", "rita"):
        await hall.at(person).press(await hall.at(person).get(done.path), "approve", reason="seen")
    await hall.office.house.settle()
    page = await opal.get(done.path)
    undo = page.page.form("plan", action="halt")
    assert undo.values["parameters.venue"] == "binance"
    assert state(await opal.press(page, "plan", PROTECTIVE)) == "planned"


async def test_one_word_against_it_ends_it(hall: Hall) -> None:
    pending = await hall.at("opal").press(await planned(hall), "submit")
    page = await hall.at("rita").get(pending.path)
    after = await hall.at("rita").press(page, "reject", reason="not now")
    assert (state(after), "not now" in after.page.text) == ("rejected", True)


async def test_who_planned_it_takes_it_back(hall: Hall) -> None:
    after = await hall.at("opal").press(await planned(hall), "cancel", reason="a mistake")
    assert state(after) == "cancelled"


async def test_a_form_is_about_the_page_that_it_stands_on(hall: Hall) -> None:
    opal, one, other = hall.at("opal"), await planned(hall), await planned(hall)
    fields = {**one.page.form("submit").values, "do": "submit", "id": other.path[3:]}
    refused = await opal.send(one.path, fields)
    assert (refused.status, refused.page.refused) == (400, "Not done. Id: Extra inputs are not permitted.")
    assert [state(await opal.get(each.path)) for each in (one, other)] == ["planned", "planned"]


async def test_a_form_that_names_no_freeze_lifts_none(hall: Hall) -> None:
    await hall.office.post("/freezes", "tara", scope="everything", reason="a test")
    form = (await hall.at("cora").get("/freeze")).page.form("unfreeze")
    for id_ in ("", "../me", "0" * 16):
        refused = await hall.at("cora").send("/freeze", {**form.values, "do": "unfreeze", "reason": "x", "id": id_})
        assert refused.status == 404
    nameless = {name: value for name, value in form.values.items() if name != "id"}
    assert (await hall.at("cora").send("/freeze", {**nameless, "do": "unfreeze", "reason": "x"})).status == 404


async def test_a_double_tap_makes_one_request(hall: Hall) -> None:
    opal = hall.at("opal")
    form = await opal.get("/actions/resume")
    first = await opal.press(form, "plan", reason="once", parameters__venue="binance")
    second = await opal.press(form, "plan", reason="once", parameters__venue="binance")
    assert first.path == second.path


async def test_what_was_done_by_the_first_of_two_presses_is_not_called_undone(hall: Hall) -> None:
    """A browser shows what the second one was answered."""
    opal = hall.at("opal")
    plan = await planned(hall, "halt")
    await opal.press(plan, "submit")
    again = await opal.press(plan, "submit")
    assert (again.status, again.page.refused) == (
        409,
        "Done already. You have asked for it before; nothing is done twice.",
    )
    assert again.page.title.startswith("Done already: approved: ")
    await hall.office.house.settle()
    assert sum(hall.office.world.effects.values()) == 1


async def test_who_has_approved_and_presses_again_is_told_that_it_counts(hall: Hall) -> None:
    asked = await hall.at("opal").press(await planned(hall), "submit")
    tara, rita = hall.at("tara"), hall.at("rita")
    for one in (tara, rita):
        page = await one.get(asked.path)
        await one.press(page, "approve", reason="I have looked")
        again = await one.press(page, "approve", reason="I have looked")
        assert (again.status, again.page.refused) == (409, "Done already. You have approved it before; it counts once.")


async def test_what_somebody_else_has_ended_is_not_called_done(hall: Hall) -> None:
    opal, tara = hall.at("opal"), hall.at("tara")
    asked = await opal.press(await planned(hall), "submit")
    page = await tara.get(asked.path)
    await opal.press(await opal.get(asked.path), "cancel", reason="not any more")
    late = await tara.press(page, "approve", reason="I have looked")
    assert (late.status, late.page.refused) == (409, "Not done. Approve: not possible for a request that is cancelled.")


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "status", "said"),
    [
        ({"reason": "quotes are off", "parameters__venue": ""}, 422, "Venue: is needed: one of binance, deribit."),
        ({"reason": "quotes are off", "parameters__venue": "kraken"}, 422, "Venue: is not one of binance, deribit."),
        ({"reason": "", "parameters__venue": "binance"}, 400, "Reason: Field required."),
        (
            {"reason": " \n ", "parameters__venue": "binance"},
            400,
            "Reason: It is blank, or has characters that can not be shown.",
        ),
        (
            {"reason": "x" * 1001, "parameters__venue": "binance"},
            400,
            "Reason: String should have at most 1000 characters.",
        ),
    ],
)
async def test_a_refusal_keeps_what_was_typed(hall: Hall, typed: dict[str, str], status: int, said: str) -> None:
    opal = hall.at("opal")
    form = await opal.get("/actions/resume")
    refused = await opal.press(form, "plan", **typed)
    assert (refused.status, refused.page.refused) == (status, f"Not done. {said}")
    assert refused.page.title.startswith("Not done: ")
    kept = refused.page.form("plan").values
    assert kept["reason"] == typed["reason"]
    assert kept["parameters.venue"] == (typed["parameters__venue"] if typed["parameters__venue"] != "kraken" else "")
    assert (await hall.office.get("/requests"))["requests"] == []


async def test_a_refusal_is_read_out_and_takes_the_focus(hall: Hall) -> None:
    opal = hall.at("opal")
    refused = await opal.press(await opal.get("/actions/resume"), "plan", reason="", parameters__venue="binance")
    [box] = [each for each in refused.page.of("p") if each.attributes.get("role") == "alert"]
    assert {"autofocus", "tabindex"} <= box.attributes.keys()


async def test_what_was_refused_can_be_sent_again(hall: Hall) -> None:
    """With another key: the one before would stand for what was refused."""
    opal = hall.at("opal")
    refused = await opal.press(await opal.get("/actions/resume"), "plan", reason="why", parameters__venue="")
    assert state(await opal.press(refused, "plan", parameters__venue="deribit")) == "planned"


async def test_a_plan_that_is_old_by_now_says_so(hall: Hall) -> None:
    opal, plan = hall.at("opal"), await planned(hall)
    hall.office.clock.passes(3600)
    late = await opal.press(plan, "submit")
    assert (late.status, late.page.refused) == (409, "Not done. It was not approved in time.")
    assert "submit" not in late.page.buttons


async def test_lines_are_kept_as_they_were_typed(hall: Hall) -> None:
    opal = hall.at("opal")
    form = await opal.get("/actions/resume")
    plan = await opal.press(form, "plan", reason="one\r\ntwo", parameters__venue="binance")
    [request] = (await hall.office.get("/requests"))["requests"]
    assert (request["reason"], request["origin"]) == ("one\ntwo", "operator")
    assert "one two" in plan.page.text


# --- freezes ----------------------------------------------------------------------------------------------------------


async def test_anyone_on_call_freezes_and_two_others_let_it_go_on(hall: Hall) -> None:
    tara = hall.at("tara")
    frozen = await tara.press(await tara.get("/freeze"), "freeze", what="target/engine", reason="a strange book")
    assert "Frozen: target engine" in frozen.page.text
    assert hall.office.house.notices()[-1][0] == Notice.FREEZE
    assert "unfreeze" not in frozen.page.buttons, "who froze does not count among those who unfreeze"
    for person in ("cora", "carl"):
        browser = hall.at(person)
        assert "Frozen: target engine" in (await browser.get("/")).page.text
        await browser.press(await browser.get("/freeze"), "unfreeze", reason="understood")
    assert "Nothing is frozen" in (await tara.get("/freeze")).page.text


async def test_what_freezes_from_outside_is_said_and_no_page_lifts_it(hall: Hall) -> None:
    (hall.office.world.folder / "freeze").touch()
    for path in ("/", "/freeze", "/health", "/actions/resume"):
        assert "The freeze file is there." in (await hall.at("cora").get(path)).page.text
    assert "unfreeze" not in (await hall.at("cora").get("/freeze")).page.buttons


async def test_a_protective_action_shows_no_freeze_that_does_not_stop_it(hall: Hall) -> None:
    await hall.office.post("/freezes", "tara", scope="everything", reason="a test")
    assert "Frozen" not in (await hall.at("opal").get("/actions/halt")).page.text
    assert "Only protective actions start." in (await hall.at("opal").get("/actions/resume")).page.text


async def test_an_action_shows_no_freeze_of_another_action(hall: Hall) -> None:
    for name in ("widen", "resume"):
        await hall.office.post("/freezes", "tara", scope="action", name=name, reason="a test")
    await hall.office.post("/freezes", "tara", scope="target", name="engine", reason="a test")
    seen = await hall.at("opal").get("/actions/resume")
    assert [name for name in ("widen", "resume", "engine") if f" {name} by tara" in seen.page.text] == [
        "resume",
        "engine",
    ]
    planned = await hall.at("opal").press(seen, "plan", parameters__venue="binance", reason="a test")
    assert "Frozen: action widen" not in planned.page.text
    assert "Frozen: action resume" in planned.page.text
    assert "Frozen: action widen" in (await hall.at("opal").get("/")).page.text


# --- other sites ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "https://occ.example"])
async def test_a_form_of_another_site_does_nothing_and_shows_nothing(hall: Hall, origin: str) -> None:
    opal = hall.at("opal")
    form = (await opal.get("/actions/resume")).page.form("plan")
    fields = {**form.values, "do": "plan", "reason": "chosen by the other site", "parameters.venue": "binance"}
    refused = await opal.send("/actions/resume", fields, Origin=origin)
    assert refused.status == 403
    assert "chosen by the other site" not in refused.page.source
    assert (await hall.office.get("/requests"))["requests"] == []


@pytest.mark.parametrize("proof", ["", "0" * 64, "otto"])
async def test_a_form_without_the_proof_of_this_session_does_nothing(hall: Hall, proof: str) -> None:
    if proof == "otto":
        proof = (await hall.at("otto").get("/actions/resume")).page.form("plan").values["proof"]
    opal = hall.at("opal")
    form = (await opal.get("/actions/resume")).page.form("plan")
    fields = {**form.values, "do": "plan", "reason": "I have looked", "parameters.venue": "binance", "proof": proof}
    refused = await opal.send("/actions/resume", fields)
    said = "Not done. The page was made for another session; look at it as it is now, and press again."
    assert (refused.status, refused.page.refused) == (403, said)
    assert (await hall.office.get("/requests"))["requests"] == []
    made = await opal.press(refused, "plan")
    assert (state(made), "I have looked" in made.page.text) == ("planned", True), (
        "what was typed is kept, and can be sent"
    )


async def test_nobody_is_sent_to_log_in_and_nothing_is_done(hall: Hall) -> None:
    plan = await planned(hall)
    async with hall.office.client.post(plan.path, data={"do": "submit"}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, f"/login?to={plan.path}")
    assert state(await hall.at("opal").get(plan.path)) == "planned"


async def test_whose_session_has_ended_gets_back_what_was_typed_and_nothing_is_done(hall: Hall) -> None:
    path, opal = "/actions/resume", hall.at("opal")
    form = (await opal.get(path)).page.form("plan")
    words = "quotes are off:\n<script>1</script>"
    fields = {**form.values, "do": "plan", "reason": words, "parameters.venue": "binance"}
    origin = str(hall.office.client.make_url("/")).rstrip("/")
    async with hall.office.client.post(path, data=fields, headers={"Origin": origin}) as response:
        late = Document(await response.text())
        assert (response.status, response.headers["Cache-Control"]) == (401, "no-store")
    assert "Not done: you are not logged in any more." in late.text
    assert "&lt;script&gt;1&lt;/script&gt;</bdi>" in late.source
    assert form.values["proof"] not in late.source
    assert path in late.links
    assert (await hall.office.get("/requests"))["requests"] == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "The form asks for nothing that this page does."),
        ({"do": "approve"}, "The form asks for nothing that this page does."),
        (
            {"do": "plan", "action": "resume", "reason": "x", "person": "cora"},
            "Person: Extra inputs are not permitted.",
        ),
        (
            {"do": "plan", "action": "resume", "reason": "x", "parameters": "x"},
            "Parameters: Input should be an object.",
        ),
        (
            {"do": "plan", "action": "resume", "reason": "x", "parameters": "x", "parameters.venue": "binance"},
            "A field of the form is a value and holds others.",
        ),
        (
            {"do": "plan", "action": "resume", "reason": "x", "parameters.venue.name": "binance"},
            "Venue.name: is no parameter of this action; venue: is needed: one of binance, deribit.",
        ),
        ({"do": "plan", "action": "no-such", "reason": "x"}, "No action no-such."),
    ],
)
async def test_what_no_form_of_ours_sends_does_nothing(hall: Hall, fields: dict[str, str], said: str) -> None:
    opal = hall.at("opal")
    proof = (await opal.get("/actions/resume")).page.form("plan").values["proof"]
    refused = await opal.send("/actions/resume", {**fields, "proof": proof})
    assert refused.page.refused == f"Not done. {said}"
    assert (await hall.office.get("/requests"))["requests"] == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"do=plan&do=submit", "application/x-www-form-urlencoded", 400),
        (b"do=%ff%fe", "application/x-www-form-urlencoded", 403),
        (b"do=\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"do=plan", "application/x-www-form-urlencoded; charset=no-such", 400),
        (b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b'{"do": "plan"}', "application/json", 415),
        (b"--b\r\n", "multipart/form-data; boundary=b", 415),
    ],
)
async def test_what_is_no_form_is_refused(hall: Hall, body: bytes, kind: str, status: int) -> None:
    opal = hall.at("opal")
    headers = {"Cookie": await opal.cookie(), "Content-Type": kind}
    async with hall.office.client.post("/actions/resume", data=body, headers=headers) as response:
        assert response.status == status
    assert (await hall.office.get("/requests"))["requests"] == []
