"""Every page as a browser and a screen reader find it: outline, names, sizes; with words of others in every place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from receiver.clock import SECOND
from receiver.pages.alerts import MAX_FIRING
from receiver.store import Delivery, record
from receiver.text import shown
from tests.receiver.api.test_table import SETUPS
from tests.receiver.pages.conftest import Hall, Seen
from tests.receiver.pages.document import Document, Element
from tests.receiver.support import NOW, alert, message

MOST = 100_000
"""Bytes of a page."""

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202egnp &lt;b&gt;"
SAID = f"because {ATTACK}"[:1000]


async def furnished(hall: Hall, said: str = SAID) -> list[str]:
    """Something of every kind, with these words in every place that takes any; the paths of all pages."""
    office = hall.office
    reason = said[:1000]
    annotations = dict.fromkeys(("summary", "first_action", "description", "runbook_url", said[:1000]), said)
    labels = {"alertname": f"NodeLagging{said}", "entity": said, "domain": said, "venue": "binance", said[:300]: said}
    one = alert(labels=labels) | {"annotations": annotations, "generatorURL": said[:2000], "fingerprint": "ab" * 8}
    plain = alert(labels={"venue": "binance"}) | {"annotations": annotations, "fingerprint": "cd" * 8}
    await told(hall, one, plain, groupKey=said, truncatedAlerts=3)
    await office.house.watch.look()
    request = await office.post(
        "/requests", "opal", action="halt", reason=reason, fingerprint="cd" * 8, parameters={"venue": "binance"}
    )
    asked = await office.post("/requests", "opal", action="resume", reason=reason, parameters={"venue": "binance"})
    asked = await office.post(f"/requests/{asked['id']}/submit", "opal", plan_hash=asked["plan_hash"])
    decision = {"plan_hash": asked["plan_hash"], "reason": reason}
    await office.post(f"/requests/{asked['id']}/approve", "tara", **decision)
    frozen = await office.post("/freezes", "opal", scope="target", name="engine", reason=reason)
    await office.post(f"/freezes/{frozen['id']}/unfreeze", "cora", reason=reason)
    opened = await office.post("/incidents", "opal", title=said.replace("\n", " ")[:200], reason=reason)
    await office.post(f"/incidents/{opened['id']}/acknowledge", "opal", reason=said[:255])
    for _ in range(3):
        await office.post(f"/incidents/{opened['id']}/note", "opal", text=said[:4000])
    incidents = (await office.get("/incidents"))["incidents"]
    return [
        *("/", "/incidents", "/approvals", "/actions", "/freeze", "/history", "/automation", "/audit", "/health"),
        *(f"/a/{'ab' * 8}", f"/a/{'cd' * 8}", "/actions/resume", "/actions/widen"),
        *(f"/r/{each['id']}" for each in (request, asked)),
        *(f"/i/{each['id']}" for each in incidents),
        *("/history?state=planned", "/incidents?status=open", f"/audit?subject=request/{asked['id']}"),
    ]


async def told(hall: Hall, *alerts: dict[str, Any], **fields: Any) -> None:
    """Alertmanager tells of these."""
    delivery = Delivery("alertmanager", NOW, message(*alerts, **fields))
    await hall.office.house.writer.run(lambda connection: record(connection, delivery))


def problems(seen: Seen) -> Iterator[str]:
    page = seen.page
    yield from (f"<{each.tag}>" for each in page.of("script", "svg", "iframe", "object", "base", "style"))
    yield from (f"{name}=" for each in page.elements for name in each.attributes if name.startswith("on"))
    yield from ("style=" for each in page.elements if "style" in each.attributes)
    yield from (link for link in page.links if not link.startswith(("http://", "https://", "/", "#")))
    yield from (f"id {name} twice" for name, times in _ids(page).items() if times > 1)
    yield from _outline(page)
    yield from _names(page)
    if "\u202e" in page.source:
        yield "a character that turns the direction"


def _ids(page: Document) -> Counter[str]:
    return Counter(each.attributes["id"] for each in page.elements if "id" in each.attributes)


def _outline(page: Document) -> Iterator[str]:
    levels = [level for level, _ in page.headings]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield f"headings begin {levels[:2]}"
    yield from (f"h{after} after h{before}" for before, after in pairwise(levels) if after > before + 1)
    yield from (f"no <{tag}>" for tag in ("header", "main", "footer", "nav") if not list(page.of(tag)))
    if "To the content" not in page.text or "#content" not in page.links:
        yield "no way past the navigation"
    if not page.title.strip():
        yield "no title"


def _names(page: Document) -> Iterator[str]:
    """What a field, a picture or a time is, without seeing it."""
    labelled = {each.attributes.get("for") for each in page.of("label")}
    for each in page.of("input", "select", "textarea"):
        if each.attributes.get("type") not in {"hidden", "radio"} and each.attributes.get("id") not in labelled:
            yield f"a field without a label: {each.attributes}"
    yield from ("a picture without words" for each in page.of("img") if not each.attributes.get("alt"))
    yield from ("a time that no machine reads" for each in page.of("time") if not _is_utc(each))
    described = {each.attributes.get("aria-describedby") for each in page.elements} - {None}
    yield from (f"nothing has the id {name}" for name in described if name not in _ids(page))


def _is_utc(element: Element) -> bool:
    return element.attributes.get("datetime", "").endswith("Z")


@pytest.mark.parametrize("person", ["opal", "rita", "cora", "vic"])
async def test_every_page_is_sound_whatever_others_have_written(hall: Hall, person: str) -> None:
    for path in await furnished(hall):
        seen = await hall.at(person).get(path)
        assert (path, list(problems(seen))) == (path, [])
        assert len(seen.page.source.encode()) < MOST, path


async def test_what_others_have_written_is_there_as_text(hall: Hall) -> None:
    paths = await furnished(hall)
    for path in (path for path in paths if path.startswith(("/a/", "/r/", "/i/", "/freeze", "/history?"))):
        text = (await hall.at("vic").get(path)).page.text
        assert (path, shown(ATTACK)[:40] in text) == (path, True)


@pytest.mark.parametrize(
    "word", ["&" * 10_000, "x" * 10_000, "a" + "\u202e" * 3_300, "\U0001f4a3" * 2_500, "a b\n" * 2_500]
)
async def test_no_page_is_large_whatever_others_have_written(hall: Hall, word: str) -> None:
    for path in await furnished(hall, word):
        seen = await hall.at("opal").get(path)
        assert (path, len(seen.page.source.encode()) < MOST) == (path, True)


async def test_a_thousand_alerts_and_a_long_timeline_fit(hall: Hall) -> None:
    office = hall.office
    for start in range(0, 1000, 250):
        await told(
            hall,
            *(alert(f"Alert{n}", labels={"entity": f"p{n}"}, summary="&" * 500) for n in range(start, start + 250)),
        )
    for _ in range(5):
        await office.house.watch.look()
    incident = (await office.get("/incidents?limit=1"))["incidents"][0]
    for n in range(300):
        await office.post(f"/incidents/{incident['id']}/note", "opal", text=f"note {n} " + "&" * 900)
    for path in ("/", "/incidents", f"/i/{incident['id']}", "/audit", "/history"):
        seen = await hall.at("opal").get(path)
        assert (path, len(seen.page.source.encode()) < MOST) == (path, True)
    now = (await hall.at("opal").get("/")).page
    assert f"{1000 - MAX_FIRING} more fire" in now.text
    assert "There may be more incidents: all of them." in now.text
    timeline = await hall.at("opal").get(f"/i/{incident['id']}")
    assert "note 299" in timeline.page.text
    [earlier] = [link for link in timeline.page.links if "?before=" in link]
    assert "note 259" in (await hall.at("opal").get(earlier)).page.text


# --- one by one -------------------------------------------------------------------------------------------------------


async def test_what_is_cut_says_so(hall: Hall) -> None:
    one = alert(description="x" * 10_000, labels={f"l{n}": "y" * 900 for n in range(60)}) | {"fingerprint": "ab" * 8}
    await told(hall, one)
    text = (await hall.at("vic").get(f"/a/{'ab' * 8}")).page.text
    assert "(cut: it has 10,000 characters)" in text
    assert "more are not shown; the API has them." in text


async def test_a_page_loads_itself_anew_only_where_somebody_wants_it(hall: Hall) -> None:
    async def refreshes(path: str) -> list[str]:
        page = (await hall.at("opal").get(path)).page
        return [each.attributes["content"] for each in page.of("meta") if "http-equiv" in each.attributes]

    assert "/?refresh=30" in (await hall.at("opal").get("/")).page.links
    assert [await refreshes(path) for path in ("/", "/?refresh=30", "/approvals?refresh=30")] == [[], ["30"], ["30"]]
    assert [await refreshes(path) for path in ("/?refresh=1", "/?refresh=30;url=x", "/freeze?refresh=30")] == [
        [],
        [],
        [],
    ]


async def test_times_have_the_instant_and_the_age(hall: Hall) -> None:
    request = await SETUPS["planned"](hall.office)
    hall.office.clock.passes(90)
    seen = await hall.at("opal").get(f"/r/{request['id']}")
    assert "2026-09-21 14:13:20 UTC, 1 min 30 s ago" in seen.page.text
    assert NOW == 1_790_000_000 * SECOND


async def test_where_one_is_stands_in_the_navigation(hall: Hall) -> None:
    page = (await hall.at("opal").get("/approvals")).page
    assert [each.attributes["href"] for each in page.of("a") if "aria-current" in each.attributes] == ["/approvals"]


async def test_a_link_of_an_annotation_shows_where_it_leads(hall: Hall) -> None:
    url = "https://runbooks.example@evil.example/NodeLagging"
    one = alert(runbook_url=url) | {"fingerprint": "ab" * 8}
    await told(hall, one)
    assert "Runbook of NodeLagging evil.example" in (await hall.at("vic").get(f"/a/{'ab' * 8}")).page.text


@pytest.mark.parametrize("path", ["/r/0123456789abcdef", "/i/0123456789abcdef", "/actions/no-such", "/r/x", "/i/..%2f"])
async def test_what_is_not_there_is_said(hall: Hall, path: str) -> None:
    seen = await hall.at("opal").get(path, 404)
    assert list(problems(seen)) == []


@pytest.mark.parametrize(
    "path", ["/history?state=no-such", "/history?before=x", "/audit?before=-1", "/incidents?status=x"]
)
async def test_a_query_that_is_none_is_said(hall: Hall, path: str) -> None:
    assert list(problems(await hall.at("opal").get(path, 400))) == []


async def test_a_forged_row_is_told_and_the_rest_is_shown(hall: Hall) -> None:
    fingerprint = await hall.office.house.alert()
    await hall.office.post("/freezes", "tara", scope="everything", reason="a test")
    hall.office.house.tamper("UPDATE freezes SET lifted_at = 1")
    seen = await hall.at("opal").get("/")
    assert "Whether anything is frozen is not known" in seen.page.text
    assert f"/a/{fingerprint}" in seen.page.links
    assert "it was changed from outside" in (await hall.at("opal").get("/freeze", 503)).page.text
