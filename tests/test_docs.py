"""What exists has its place in the docs, and the docs speak of what exists."""

from __future__ import annotations

import re
from pathlib import Path

from cli.catalogue import catalogue, markdown
from cli.main import COMMANDS
from occ.errors import Reason

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("runbooks/*.md")]


def test_the_metrics_page_is_what_the_catalogue_says() -> None:
    assert (ROOT / "docs/metrics.md").read_text() == markdown(), "run: occ catalogue --markdown > docs/metrics.md"


def test_every_link_between_pages_leads_somewhere() -> None:
    dead = [
        f"{page.name}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert dead == []


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"`occ {name}`" not in readme] == []


def test_the_readme_counts_the_reasons_right() -> None:
    assert len(Reason) == 14
    assert "fourteen reasons" in (ROOT / "README.md").read_text()


def test_runbooks_speak_of_declared_metrics_only() -> None:
    known = {name for family in catalogue() for name in (family.name, *family.series_names)} | set(Reason)
    ours = re.compile(
        r"(?<![\w:])((?:occ|rpc|chain|receiver|pool|oracle|lp)_[a-z0-9_]+)\b"
    )  # what rules record has colons
    unknown = {
        f"{page.name}: {name}"
        for page in ROOT.glob("runbooks/*.md")
        for name in ours.findall(page.read_text())
        if name not in known
    }
    assert unknown == set()
