"""An incident is a region on the boards from its opening to its resolution, whatever happens on the way."""

from __future__ import annotations

from typing import Any

from occ.config import Secret
from receiver.families import Severity
from receiver.notifying.grafana import LONGEST_TAG, Annotations, annotation, going_on
from receiver.notifying.message import Links
from receiver.outbox import Notice
from tests.receiver.notifying.boards import TOKEN, Boards
from tests.receiver.notifying.conftest import LINKS, Post, message
from tests.receiver.support import NOW

AT = NOW // 1000
SUBJECT = "incident/00112233aabbccdd"
ABOUT = {"domain": "nodes", "entity": "ethereum"}


def grafana(boards: Boards, token: str = TOKEN) -> Annotations:
    return Annotations(Secret(boards.url), Secret(token), LINKS)


async def opened(post: Post, **more: Any) -> Boards:
    """An incident's opening was told, or could not be."""
    boards = await post.stack.enter_async_context(Boards(**more).serving())
    post.follow(grafana(boards))
    await post.put("Chain ethereum has stalled", SUBJECT, Notice.INCIDENT_OPENED, text=ABOUT)
    await post.look()
    return boards


async def resolved(post: Post, notice: Notice = Notice.INCIDENT_RESOLVED) -> None:
    await post.put("resolved", SUBJECT, notice, severity=Severity.INFO)
    await post.look()


async def test_an_incident_is_a_region_from_its_opening_to_its_resolution(post: Post) -> None:
    boards = await opened(post)
    post.clock.now += 60_000_000
    await resolved(post)
    [found] = boards.annotations.values()
    assert found == {
        "id": 1,
        "time": AT,
        "timeEnd": AT + 60_000,
        "tags": ["occ", SUBJECT, "incident_opened", "nodes", "ethereum"],
        "text": 'Chain ethereum has stalled<br><a href="https://occ.example/i/00112233aabbccdd">Open</a>',
    }
    assert post.told("grafana") == {"delivered": 2, "failed": 0, "given_up": 0}


async def test_its_end_stays_where_it_was_when_it_is_closed_later(post: Post) -> None:
    boards = await opened(post)
    for notice in (Notice.INCIDENT_RESOLVED, Notice.INCIDENT_CLOSED):
        post.clock.now += 60_000_000
        await resolved(post, notice)
    assert [each["timeEnd"] for each in boards.annotations.values()] == [AT + 60_000]


async def test_an_incident_that_is_reopened_is_another_region(post: Post) -> None:
    boards = await opened(post)
    post.clock.now += 60_000_000
    await resolved(post)
    post.clock.now += 60_000_000
    await post.put("again", SUBJECT, Notice.INCIDENT_REOPENED)
    await post.look()
    post.clock.now += 60_000_000
    await resolved(post)
    regions = [(each["time"] - AT, each["timeEnd"] - AT) for each in boards.annotations.values()]
    assert regions == [(0, 60_000), (120_000, 180_000)]


async def test_a_grafana_that_was_away_shows_it_later_as_it_was(post: Post) -> None:
    boards = await opened(post, away=True)
    post.clock.now += 600_000_000
    await resolved(post)
    assert boards.annotations == {}
    boards.away = False
    await post.later(60)
    [found] = boards.annotations.values()
    assert (found["time"], found["timeEnd"]) == (AT, AT + 600_000)


async def test_what_was_made_and_not_heard_of_is_not_made_twice(post: Post) -> None:
    boards = await opened(post, forgets=1)
    assert (len(boards.annotations), post.states()) == (1, [("grafana", "delivered")])


async def test_what_an_action_came_to_is_a_point(post: Post) -> None:
    boards = await opened(post)
    await post.put("halt: succeeded", "request/1", Notice.OUTCOME, severity=Severity.INFO)
    await post.look()
    found = boards.annotations[2]
    assert (found["time"], found["timeEnd"], found["tags"]) == (AT, AT, ["occ", "request/1", "outcome"])


async def test_nothing_else_is_annotated(post: Post) -> None:
    boards = await opened(post)
    for notice in (Notice.FREEZE, Notice.INCIDENT_ACKNOWLEDGED, Notice.INCIDENT_ESCALATED):
        await post.put("x", SUBJECT, notice)
    await post.look()
    assert len(boards.annotations) == 1


async def test_a_token_that_is_refused_is_given_up_and_never_told(post: Post) -> None:
    boards = await post.stack.enter_async_context(Boards().serving())
    post.follow(grafana(boards, "wr0ng-t0ken"))
    await post.put("x", SUBJECT, Notice.INCIDENT_OPENED)
    await post.look()
    [row] = post.rows()
    assert (row["state"], row["failure"]) == ("given_up", "HTTP 401")


def test_words_of_others_are_text_and_no_html() -> None:
    found = annotation(message(summary='<img src=x onerror="alert(1)">', entity="x" * 300), LINKS)
    assert found["text"].startswith("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;<br>")
    assert max(map(len, found["tags"])) <= LONGEST_TAG


def test_without_an_address_of_ours_it_links_nowhere() -> None:
    assert annotation(message(), Links(None))["text"] == "ethereum has stalled"


def test_only_what_goes_on_is_ended() -> None:
    found: list[dict[str, Any]] = [
        {"id": 1, "time": 10, "timeEnd": 10},
        {"id": 2, "time": 10, "timeEnd": 20},
        {"id": 3, "time": 40, "timeEnd": 40},
        {"id": 4, "time": 10},
        {"id": 5, "time": 10, "timeEnd": 0},
        {"id": "6", "time": 10},
        {"id": 7},
    ]
    assert going_on(found, 30) == (1, 4, 5)
