"""The timeline is the audit: of the incident, of the requests that answer its alerts, of what was decided on them."""

from __future__ import annotations

import pytest

from receiver.audit.chain import Record, parse
from receiver.incidents import timeline
from receiver.incidents.life import Status
from receiver.life import State
from receiver.requests import Verdict
from tests.receiver.incidents.scene import Scene


async def test_it_tells_of_everything_that_was_done_in_the_words_of_who_did_it(scene: Scene) -> None:
    house, room = scene.house, scene.house.room
    fingerprint = await house.alert()
    await scene.look()
    incident = await scene.one()
    await room.acknowledge(house.person("otto"), incident.id, "on my way")
    await room.note(house.person("tara"), incident.id, "the spare\nis fine")
    request = await house.approved("resume", parameters={"venue": "binance"}, fingerprint=fingerprint)
    await house.approved("halt")  # about no alert, and so no part of it
    await house.settle()
    whole = await room.incident(incident.id)
    told = [(each.words, each.said, each.request) for each in reversed(whole.timeline)]
    assert told == [
        ("receiver opened it: NodeLagging: ethereum/alchemy", "", None),
        ("otto acknowledged it", "on my way", None),
        ("tara noted", "the spare\nis fine", None),
        ("opal planned resume", "a test", request.id),
        ("opal asked for resume", "", request.id),
        ("tara approved", "seen", request.id),
        ("rita approved", "seen", request.id),
        ("resume has all its approvals", "", request.id),
        ("resume started", "", request.id),
        ("resume was applied; it is looked whether it works", "", request.id),
        ("resume succeeded: what it is for was seen", "", request.id),
    ]
    assert whole.responders == ("otto", "tara", "opal", "rita")
    hashes = {row["seq"]: row["hash"] for row in house.rows("SELECT seq, hash FROM audit")}
    assert all(hashes[each.record.seq] == each.hash for each in whole.timeline)


async def test_it_is_read_in_parts_from_the_newest(scene: Scene) -> None:
    await scene.fire()
    await scene.look()
    incident = await scene.one()
    for number in range(25):
        await scene.house.room.note(scene.house.person("opal"), incident.id, f"note {number}")
    read, before = [], 0
    while True:
        part = await scene.house.room.incident(incident.id, before=before, limit=10)
        read += part.timeline
        assert part.responders == ("opal",), "of all of it, whichever part is shown"
        if part.earlier is None:
            break
        before = part.earlier
    assert [each.said for each in read] == [*(f"note {number}" for number in reversed(range(25))), ""]


async def test_of_thousands_of_records_only_those_are_read_that_are_shown_and_those_of_people(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.fire()
    await scene.look()
    incident = await scene.one()
    await scene.house.room.note(scene.house.person("opal"), incident.id, 'it says "by":"receiver", which is nobody')
    for number in range(50):
        await scene.fire(entity="ethereum/alchemy", instance=str(number))
    await scene.look()
    read: list[bytes] = []

    def noted(raw: bytes) -> Record:
        read.append(raw)
        return parse(raw)

    monkeypatch.setattr(timeline, "parse", noted)
    whole = await scene.house.room.incident(incident.id, limit=10)
    assert (len(whole.timeline), whole.responders) == (10, ("opal",))
    assert whole.earlier is not None
    assert len(read) == 10 + 1 + 1, "so many are shown, one tells that there are more, and one is a person's"


async def test_a_failure_says_why(scene: Scene) -> None:
    fingerprint = await scene.house.alert()
    await scene.look()
    scene.house.world.told.confirms = False
    request = await scene.house.approved("halt", fingerprint=fingerprint)
    await scene.house.settle()
    scene.clock.passes(31)
    await scene.house.ended(request)
    whole = await scene.house.room.incident((await scene.one()).id)
    assert whole.timeline[0].words == "halt failed: it was applied, and what it should bring about was not seen"


def test_there_are_words_for_all_that_can_happen() -> None:
    requests = {f"request.{state}" for state in State} | {"request.step"}
    decisions = {f"decision.{verdict}" for verdict in Verdict if verdict is not Verdict.UNFREEZE}
    known = set(timeline.WORDS)
    assert requests | decisions <= known
    assert {kind for kind in known if kind.startswith("incident.")} == {
        *(f"incident.{status}" for status in Status if status is not Status.OPEN),
        *(f"incident.{kind}" for kind in ("opened", "joined", "note", "handed_over", "severity", "reopened")),
        *(f"incident.{kind}" for kind in ("escalated", "sight_lost", "fires_again")),
    }
