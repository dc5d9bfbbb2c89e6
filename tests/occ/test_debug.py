"""`/debug` and `/`: what people see, in HTML and JSON, and what nobody ever sees."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from demo.until import until as asked
from occ import __version__
from occ.html import ago, instant, span, table
from occ.webconfig import WebConfigFile
from tests.occ.house import Open, opened
from tests.occ.served import hashed, until

CANARY = "c4n4ry-k3y"
TEXT = f"""
interval: 1h
nodes:
  - {{name: a, peers: 5, url: "http://node.example/v2/{CANARY}"}}
  - {{name: gone, fails: auth, key: {{env: HOUSE_KEY}}}}
"""


@asynccontextmanager
async def desk(folder: Path, text: str = TEXT, rules: WebConfigFile | None = None) -> AsyncIterator[Open]:
    """An exporter of which one node is up and one is down."""
    async with opened(folder, text, rules or WebConfigFile()) as found:
        await until(lambda: found.service.runtime.ready)
        yield found


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", f"another-{CANARY}")


class Checked(HTMLParser):
    """Fails where a page's tags do not fit together."""

    VOID = ("meta", "!doctype")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(text: str) -> str:
    page = Checked()
    page.feed(text)
    assert page.open == []
    assert "script" not in page.tags
    assert 'name="viewport"' in text
    assert "prefers-color-scheme:dark" in text
    return text


class TestDebug:
    async def gathered(self, found: Open) -> dict[str, Any]:
        async with found.session.get(f"{found.url}/debug?format=json") as response:
            assert response.content_type == "application/json"
            values: dict[str, Any] = await response.json()
            return values

    async def test_jobs_with_their_timing(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            [job] = (await self.gathered(found))["jobs"]
        assert {
            key: job[key] for key in ("check", "targets", "up", "stale", "failures_in_a_row", "stream", "series")
        } == {
            "check": "evm",
            "targets": 2,
            "up": 1,
            "stale": 1,
            "failures_in_a_row": 1,
            "stream": "none",
            "series": 1,
        }
        assert (job["interval_seconds"], job["timeout_seconds"], job["stale_after_seconds"]) == (3600.0, 5.0, 60.0)
        assert job["last_duration_seconds"] >= 0
        assert 3000 < job["due_in_seconds"] <= 3800
        [down] = job["down"]
        assert (down["target"], down["reason"], down["failures_in_a_row"]) == ("eth/gone", "auth", 1)
        assert down["last_success_at"] is None

    async def test_the_configuration_without_its_secrets(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            config = (await self.gathered(found))["configuration"]
        assert config["hash"] == found.service.reloader.loaded.digest
        assert config["last_reload"] is None
        assert [(node["name"], node["url"], node["key"]) for node in config["values"]["nodes"]] == [
            ("a", "***", None),
            ("gone", None, "***"),
        ]

    async def test_what_became_of_the_last_reload(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            assert not await found.reload("nodes: []")
            last = (await self.gathered(found))["configuration"]["last_reload"]
            assert last["problems"] == [f"{found.path}:1: nodes: needs at least one"]
            assert "needs at least one" in (await found.get("/debug"))[1]
            assert await found.reload(TEXT)
            assert (await self.gathered(found))["configuration"]["last_reload"]["problems"] == []

    async def test_the_page_and_its_series(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            size = (await self.gathered(found))["page"]
            lines = (await found.get("/metrics"))[1].splitlines()
        assert size["series"] == len([line for line in lines if not line.startswith("#")])
        assert size["series_by_check"] == {"evm": 1}
        assert size["bytes"] > 1000

    async def test_recent_complaints_are_those_of_the_log(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            [line] = (await self.gathered(found))["recent"]
        assert line.endswith("WARNING occ.poller: eth/gone (evm): down: auth: as configured")

    async def test_who_may_connect(self, tmp_path: Path) -> None:
        (tmp_path / "web.yml").write_text(f"basic_auth_users: {{anna: {hashed()}}}")
        rules = WebConfigFile(tmp_path / "web.yml")
        async with desk(tmp_path, TEXT, rules) as found:
            inside = found.service._inside()[1].gathered()["web"]
        assert (inside["tls"], inside["users"], inside["problems"]) == (False, 1, ())

    async def test_how_late_the_loop_is(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:

            async def known() -> bool:
                lag = (await self.gathered(found))["event_loop_lag_seconds"]
                return lag["last"] is not None and lag["worst_of_a_minute"] >= lag["last"] >= 0

            assert await asked(known, 60)

    @pytest.mark.parametrize(
        ("query", "accept", "kind"),
        [
            ("", "", "text/html"),
            ("", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
            ("", "application/json", "application/json"),
            ("", "application/json;q=0.5, text/html", "text/html"),
            ("?format=json", "text/html", "application/json"),
            ("?format=html", "application/json", "text/html"),
        ],
    )
    async def test_it_is_html_or_json_as_asked_for(self, tmp_path: Path, query: str, accept: str, kind: str) -> None:
        asked = {"Accept": accept}
        async with desk(tmp_path) as found, found.session.get(f"{found.url}/debug{query}", headers=asked) as response:
            assert (response.status, response.content_type) == (200, kind)
            assert response.headers["Cache-Control"] == "no-store"

    async def test_the_html_says_the_same(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            text = checked((await found.get("/debug"))[1])
        for part in ("eth/gone", "auth", "as configured", "&quot;name&quot;: &quot;a&quot;", "no TLS; no login"):
            assert part in text

    async def test_it_is_for_this_machine_or_a_login(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            status, text = await found.get("/debug", **{"X-Forwarded-For": "10.0.0.1"})
        assert (status, text) == (403, "only from this machine, or with a login (--web.config.file)\n")

    async def test_no_secret_is_in_any_of_it(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            everything = ""
            for path in ("/", "/debug", "/debug?format=json", "/metrics", "/probe?target=eth/a&debug=true", "/nothing"):
                everything += (await found.get(path))[1]
        assert "c4n4ry" not in everything
        assert "node.example" not in everything


class TestLanding:
    async def test_it_says_what_this_is_and_how_it_is_doing(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            text = checked((await found.get("/"))[1])
        assert "<title>occ house</title>" in text
        assert "An exporter of &lt;tests&gt;." in text
        assert '<p class="big bad">1 of 2 targets up</p>' in text
        assert re.search(r"last read: \d+ s ago", text)
        assert "Down in evm: 1 auth" in text
        assert "eth/gone" in text
        assert "last success: never" in text
        assert f"Version {__version__}" in text
        assert f"configuration <code>{found.service.reloader.loaded.digest}</code>" in text

    async def test_when_all_is_well_it_says_only_that(self, tmp_path: Path) -> None:
        async with desk(tmp_path, "nodes: [{name: a}]") as found:
            text = checked((await found.get("/"))[1])
        assert '<p class="big good">1 of 1 targets up</p>' in text
        assert "Down" not in text

    async def test_before_the_first_read_it_says_that(self, tmp_path: Path) -> None:
        async with opened(tmp_path, "nodes: [{name: a, takes: 1h}]") as found:
            text = checked((await found.get("/"))[1])
        assert "0 of 1 targets up" in text
        assert "1 not read yet" in text
        assert "last read: never" in text

    async def test_of_a_crowd_only_some_are_named(self, tmp_path: Path) -> None:
        nodes = ", ".join(f"{{name: n{number}, fails: dns}}" for number in range(50))
        async with desk(tmp_path, f"nodes: [{nodes}]") as found:
            text = checked((await found.get("/"))[1])
        assert "Down in evm: 50 dns" in text
        assert text.count("eth/n") == 20
        assert "and 30 more" in text

    async def test_every_link_leads_somewhere(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found:
            text = (await found.get("/"))[1]
            paths = [part.partition('"')[0] for part in text.split('href="')[1:]]
            statuses = {path: (await found.get(path))[0] for path in paths}
        assert statuses == {"/metrics": 200, "/debug": 200, "/probe": 400, "/-/healthy": 200, "/-/ready": 200}

    async def test_nothing_but_its_own_style_may_be_loaded(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as found, found.session.get(found.url) as response:
            assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")


class TestWords:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (0.2, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3599, "59 min 59 s"),
            (3600, "1 h 0 min"),
            (47 * 3600, "47 h 0 min"),
            (50 * 3600, "2 d 2 h"),
        ],
    )
    def test_a_span(self, seconds: float, words: str) -> None:
        assert span(seconds) == words

    def test_an_instant(self) -> None:
        assert instant(1_790_000_000) == "2026-09-21T14:13:20Z"

    def test_how_long_ago(self) -> None:
        assert (ago(None), ago(100.0, 160.0), ago(100.0, 90.0)) == ("never", "1 min 0 s ago", "0 s ago")

    def test_a_table_escapes_what_it_is_given(self) -> None:
        text = table(("<a>", "n"), [("<b>", 1234), (None, 0.5)])
        assert "<th>&lt;a&gt;</th>" in text
        assert '<td class="n">1,234</td>' in text
        assert '<td>-</td><td class="n">0.5</td>' in text
