"""What the shipped templates make of hostile words, asked of amtool; e-mail as Alertmanager writes it, as HTML."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.alerting_rules.checks import ALERTMANAGER
from tests.alerting_rules.conftest import Run

TEMPLATES = ALERTMANAGER.parent / "templates/*.tmpl"
PAGE = "https://occ.example/a/0123456789abcdef"
HOSTILE = '"><img src=x onerror=alert(1)><a href=javascript:alert(1)>'


def data(folder: Path, **annotations: str) -> Path:
    """One alert that fires, as Alertmanager hands it to its templates."""
    words = dict.fromkeys(("summary", "description", "first_action"), HOSTILE)
    alert = {
        "status": "firing",
        "labels": {"alertname": HOSTILE, "entity": HOSTILE},
        "annotations": words | annotations,
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "0123456789abcdef",
    }
    path = folder / "data.json"
    path.write_text(json.dumps({"status": "firing", "alerts": [alert]}))
    return path


def rendered(amtool: Run, name: str, given: Path, kind: str = "text") -> str:
    text = f'{{{{ template "{name}" . }}}}'
    done = amtool(
        "template", "render", "--template.glob", TEMPLATES, "--template.text", text, "--template.data", given,
        "--template.type", kind,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


class Seen(HTMLParser):
    """The elements of a page, and what its links lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]


def test_an_e_mail_holds_no_element_and_no_link_of_others(amtool: Run, tmp_path: Path) -> None:
    given = data(tmp_path, runbook_url="javascript:alert(1)", dashboard_url=f"https://grafana.example/{HOSTILE}")
    seen = Seen(rendered(amtool, "occ.email.html", given, "html"))
    assert seen.elements == {"html", "body", "h2", "p", "a", "table", "tr", "th", "td"}
    assert seen.attributes == {"lang", "href"}
    assert seen.links == [PAGE]


def test_an_e_mail_links_the_alert_its_runbook_and_its_board(amtool: Run, tmp_path: Path) -> None:
    links = {"runbook_url": "https://occ.example/r?a=b&c=d", "dashboard_url": "http://grafana.example/d/x?var-a=b"}
    seen = Seen(rendered(amtool, "occ.email.html", data(tmp_path, **links), "html"))
    assert seen.links == [PAGE, *links.values()]


def test_the_plain_part_of_an_e_mail_has_the_address_of_the_page(amtool: Run, tmp_path: Path) -> None:
    assert PAGE in rendered(amtool, "occ.email.text", data(tmp_path)).splitlines()


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://runbooks.example/A?x=1&y=2#z", True),
        ("http://127.0.0.1:3000/d/occ", True),
        ("", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        (" https://runbooks.example", False),
        ("https://runbooks.example/ x", False),
        ("https://runbooks.example/|x", False),
        ("https://runbooks.example/>", False),
        ("https://runbooks.example/\n", False),
        ("https://runbooks.example/\u202e", False),
    ],
)
def test_only_a_web_address_becomes_a_link(amtool: Run, tmp_path: Path, url: str, taken: bool) -> None:  # noqa: FBT001
    given = data(tmp_path, runbook_url=url, dashboard_url=url)
    assert rendered(amtool, "occ.first.runbook", given) == rendered(amtool, "occ.first.board", given)
    assert rendered(amtool, "occ.first.runbook", given).strip("\n") == (url if taken else "")
    assert (PAGE in rendered(amtool, "occ.slack.text", given)) is True
    assert ("|Runbook>" in rendered(amtool, "occ.slack.text", given)) is taken


def test_long_words_are_cut(amtool: Run, tmp_path: Path) -> None:
    given = data(tmp_path, summary="x" * 5000)
    assert rendered(amtool, "occ.summaries", given).strip("\n") == "x" * 500 + "…"
