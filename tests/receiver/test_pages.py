from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser

import pytest
from sqlalchemy import text

from receiver.clock import SECOND, span
from receiver.families import Severity
from receiver.pages import MAX_FIRING, web_link
from receiver.text import shown
from receiver.webhook import fingerprint_of
from tests.receiver.conftest import Receiver
from tests.receiver.support import AUTHORIZED, MINUTE, NOW, alert, message

VOID = {"meta", "link", "br", "img", "source"}


class Page(HTMLParser):
    """The elements of a page; complains about what is not closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += " "
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str]:
        return [attrs["href"] or "" for tag, attrs in self.elements if tag == "a"]


async def page(receiver: Receiver, path: str = "/", status: int = 200) -> Page:
    return Page(await receiver.get(path, status))


def words(found: Page) -> str:
    return " ".join(found.text.split())


async def test_nothing_ever_arrived(receiver: Receiver) -> None:
    found = words(await page(receiver))
    assert "Nothing fires" in found
    assert "No notification has ever arrived" in found


async def test_what_fires_the_gravest_first_with_all_one_needs(receiver: Receiver) -> None:
    runbook, board = "https://runbooks.example/NodeLagging", "https://grafana.example/d/nodes"
    grave = alert(
        starts=NOW - 180 * MINUTE,
        first_action="Take the node out of the pool.",
        runbook_url=runbook,
        dashboard_url=board,
    )
    await receiver.send(alert("Minor", labels={"severity": "ticket"}), grave)
    receiver.clock.now += 12 * SECOND
    found = await page(receiver)
    assert "1 page firing" in words(found)
    assert "Last notification 12 s ago" in words(found)
    assert (
        "page NodeLagging ethereum/alchemy 37 blocks behind First: Take the node out of the pool. "
        "since 2026-09-21 11:13:20 UTC, for 3 h" in words(found)
    )
    assert words(found).index("NodeLagging") < words(found).index("Minor")
    assert runbook in found.links
    of_alert = await page(receiver, next(link for link in found.links if link.startswith("/a/")))
    assert {runbook, board, "http://prometheus:9090/graph"} <= set(of_alert.links)
    assert "Runbook of NodeLagging runbooks.example" in words(of_alert)


async def test_what_has_fired(receiver: Receiver) -> None:
    await receiver.send(alert(ends=NOW))
    found = words(await page(receiver))
    assert "Nothing fires" in found
    assert (
        "NodeLagging ethereum/alchemy 37 blocks behind from 2026-09-21 14:12:20 UTC to 2026-09-21 14:13:20 UTC" in found
    )


async def test_a_heartbeat_is_no_alarm(receiver: Receiver) -> None:
    await receiver.send(alert("Watchdog", labels={"severity": "none"}))
    found = words(await page(receiver))
    assert "Nothing fires" in found
    assert "Firing as it should none Watchdog" in found


async def test_an_incomplete_group_is_said(receiver: Receiver) -> None:
    await receiver.send(alert(), truncatedAlerts=2, groupKey="{}:{domain='nodes'}")
    found = words(await page(receiver))
    assert "Incomplete: alertmanager left 2 alerts out of a group's message" in found
    assert "{}:{domain='nodes'}" in found


async def test_a_storm_is_cut_and_counted(receiver: Receiver) -> None:
    await receiver.send(*(alert(f"Alert{n}", summary="x" * 5000) for n in range(MAX_FIRING + 70)))
    source = await receiver.get("/")
    assert "70 more fire" in words(Page(source))
    assert len(source) < 100_000


async def test_one_alert(receiver: Receiver) -> None:
    one = alert(ends=NOW, description="Its head is 37 blocks behind.") | {"fingerprint": "00ff" * 4}
    await receiver.send(one)
    again = alert(starts=NOW + 20 * MINUTE) | {"fingerprint": "00ff" * 4}
    await receiver.send(again)
    receiver.clock.now += 30 * MINUTE
    found = words(await page(receiver, "/a/00ff00ff00ff00ff"))
    assert "page firing since 2026-09-21 14:33:20 UTC, for 10 min" in found
    assert "resolved from 2026-09-21 14:12:20 UTC to 2026-09-21 14:13:20 UTC, 1 min long" in found
    assert "Labels alertname NodeLagging entity ethereum/alchemy severity page" in found


@pytest.mark.parametrize(
    "path", ["/a/" + "0" * 16, "/a/x", "/a/..%2f..%2fetc", "/a/%00", "/a/<script>", "/a/" + "F" * 16]
)
async def test_an_unknown_alert(receiver: Receiver, path: str) -> None:
    assert "Unknown alert" in words(await page(receiver, path, status=404))


ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "</title></head><script>alert(1)</script>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    'https://x/"onmouseover="alert(1)',
    "https://x/\n<script>",
    "\u202egnp.exe\u2066",
    "&lt;script&gt;",
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nothing_that_an_alert_says_is_more_than_text(receiver: Receiver, attack: str) -> None:
    said = dict.fromkeys(("summary", "first_action", "description", "runbook_url", "dashboard_url", attack), attack)
    labels = {"alertname": attack, "entity": attack, "severity": attack, attack: attack}
    one = alert(labels=labels) | {"annotations": said, "generatorURL": attack}
    await receiver.send(one, groupKey=attack, truncatedAlerts=1)
    for path in ("/", f"/a/{fingerprint_of(one['labels'])}"):
        source = await receiver.get(path)
        found = Page(source)
        assert {tag for tag, _ in found.elements}.isdisjoint({"script", "svg", "iframe", "object", "base", "form"})
        pictures = [
            attrs.get("src") or attrs.get("srcset") for tag, attrs in found.elements if tag in ("img", "source")
        ]
        assert all(re.match(r"/a/[0-9a-f]{16}/chart\.svg\?", picture or "") for picture in pictures)
        assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on") or name == "style"]
        assert all(re.match(r"https?://|/|#", link) for link in found.links)
        assert shown(attack).split()[-1] in found.text
        assert "\u202e" not in source


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://runbooks.example/X?a=1#b", True),
        ("http://localhost:9090/graph", True),
        ("HTTPS://runbooks.example", True),
        ("", False),
        ("runbooks/NodeDown.md", False),
        ("//evil.example", False),
        ("javascript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("https://", False),
        ("https://a b/", False),
        ("ftp://x/", False),
        ("https://x:99999/", False),
    ],
)
def test_only_web_addresses_are_linked(url: str, linked: bool) -> None:  # noqa: FBT001 - a table
    assert web_link(url) == (url if linked else "")


async def test_linked_servers_show_no_key(receiver: Receiver) -> None:
    source = await receiver.get("/")
    assert "http://prometheus:9090/" in Page(source).links
    assert "pass" not in source
    assert "canary" not in source


PATHS = [
    "/",
    "/a/" + "0" * 16,
    "/a/x",
    "/style.css",
    "/metrics",
    "/api/v1/episodes",
    "/-/healthy",
    "/nowhere",
    "/alertmanager",
]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_is_hardened(receiver: Receiver, path: str) -> None:
    async with receiver.client.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert {"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert response.headers["Server"] == "occ"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "127.0.0.1:9720", "[::1]:9720", "occ.example", "OCC.example:443"]
)
async def test_its_own_names_are_served(receiver: Receiver, host: str) -> None:
    async with receiver.client.get("/", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example:9720", "a b", "[", "occ.example@evil"],
)
@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/episodes", "/nowhere"])
async def test_other_host_names_are_refused(receiver: Receiver, host: str, path: str) -> None:
    async with receiver.client.get(path, headers={"Host": host}) as response:
        assert response.status == 403
    async with receiver.client.post("/alertmanager", headers=AUTHORIZED | {"Host": host}, data=message()) as response:
        assert response.status == 403


def digest(receiver: Receiver) -> str:
    with receiver.database.reading.begin() as connection:
        tables = ("deliveries", "episodes", "incomplete_groups", "alembic_version")
        rows = [connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


async def test_no_get_changes_the_database(receiver: Receiver) -> None:
    await receiver.send(alert(), truncatedAlerts=1)
    before = digest(receiver)
    for method in ("GET", "HEAD", "OPTIONS"):
        for path in (*PATHS, f"/a/{fingerprint_of(alert()['labels'])}", "/api/v1/episodes?limit=1&status=firing"):
            async with receiver.client.request(method, path) as response:
                assert response.status < 500
    assert digest(receiver) == before


async def test_every_severity_has_its_colour(receiver: Receiver) -> None:
    style = await receiver.get("/style.css")
    assert [one for one in Severity if one is not Severity.NONE and f".badge.{one} " not in style] == []


async def test_pages_need_nothing_but_the_stylesheet(receiver: Receiver) -> None:
    found = await page(receiver)
    assert [attrs["href"] for tag, attrs in found.elements if tag == "link"] == ["/icon.svg", "/style.css"]
    assert ("html", {"lang": "en"}) in found.elements
    assert "width=device-width, initial-scale=1" in [attrs.get("content") for _, attrs in found.elements]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (3660, "1 h 1 min"),
     (3601, "1 h"), (86_400, "1 d"), (90_000, "1 d 1 h"), (8_640_000, "100 d")],
)  # fmt: skip
def test_lengths_of_time(seconds: int, said: str) -> None:
    assert span(seconds * SECOND) == said
