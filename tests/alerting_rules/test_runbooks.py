"""A page for every alert, with what a person who was woken looks for, and queries that can be pasted."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from demo import drills
from tests.alerting_rules import checks
from tests.alerting_rules.checks import ROOT, RUNBOOKS
from tests.alerting_rules.conftest import Run

PAGES = sorted(RUNBOOKS.glob("*.md"))
SECTIONS = ("Impact", "Confirm", "First action", "Actions offered", "Escalation", "Drill")
OPENINGS: Mapping[str, str | tuple[str, ...]] = {
    "page": "**Page.**",
    "ticket": "**Ticket.**",
    "info": "**Info.**",
    "none": "**Always fires.",
    checks.BY_TIER: (
        "**Page.** For a chain of tier 1, a ticket for all others. ",
        "**Page.** For a venue of tier 1, a ticket for all others. ",
        "**Page.** For a pool of tier 1, a ticket for all others. ",
        "**Page.** For an oracle of tier 1, a ticket for all others. ",
    ),
}
DRILLS = frozenset(drill.name for drill in drills.DRILLS)


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    names = [alert.name for alert in checks.shipped_alerts()]
    assert list(checks.runbook_faults(names, (page.stem for page in PAGES))) == []


def test_a_missing_and_an_orphaned_runbook_are_found() -> None:
    assert list(checks.runbook_faults(["A", "B"], ["B", "C"])) == ["A: no runbook", "runbooks/C.md: no such alert"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_has_its_sections_and_fits_a_phone(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {page.stem}"
    assert [line[3:] for line in lines if line.startswith("## ") and line[3:] in SECTIONS] == list(SECTIONS)
    assert len(lines) <= 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_names_the_severity_that_the_rule_has(page: Path) -> None:
    (severity,) = {alert.labels["severity"] for alert in checks.shipped_alerts() if alert.name == page.stem}
    assert page.read_text(encoding="utf-8").splitlines()[2].startswith(OPENINGS[severity])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_queries_of_a_runbook_can_be_pasted(promtool: Run, tmp_path: Path, page: Path) -> None:
    queries = checks.queries_of(page.read_text(encoding="utf-8"))
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    pasted = tmp_path / "queries.yml"
    pasted.write_text(yaml.safe_dump({"groups": [{"name": page.stem, "rules": rules}]}), encoding="utf-8")
    checked = promtool("check", "rules", pasted)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_runbook_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in (piece.partition(")")[0] for piece in text.split("](")[1:]):
        assert (page.parent / link).is_file(), link
    for file in re.findall(r"`((?:alerting-rules|runbooks|config)/[\w./-]+)`", text):
        assert (ROOT / file).is_file(), file


def drill_faults(runbook: str, drilled: Iterable[str]) -> Iterator[str]:
    """Of a page's section about drills, and the drills that make its alert fire: that it names them, and no others."""
    section = checks.sections_of(runbook)["Drill"]
    named = {name for name in re.findall(r"`([a-z-]+)`", section) if name in DRILLS or "rill `" in section}
    yield from (f"there is no drill {name}" for name in sorted(named - DRILLS))
    yield from (f"does not name the drill {name}" for name in sorted(set(drilled) - named))
    if not named and not section.startswith("No drill yet."):
        yield "names no drill, and does not say that there is none"


def drills_of(alert: str) -> set[str]:
    """Those in which it must fire, muted or not."""
    return {drill.name for drill in drills.DRILLS for name, _ in (*drill.fires, *drill.mutes) if name == alert}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_names_the_drills_that_test_its_alert(page: Path) -> None:
    assert list(drill_faults(page.read_text(encoding="utf-8"), drills_of(page.stem))) == []


def test_a_drill_that_is_not_named_or_is_not_there_is_found() -> None:
    assert list(drill_faults("## Drill\nNo drill yet.\n", ["fork"])) == ["does not name the drill fork"]
    assert list(drill_faults("## Drill\nThe drill `forks`.\n", [])) == ["there is no drill forks"]
    assert list(drill_faults("## Drill\nSoon.\n", [])) == ["names no drill, and does not say that there is none"]


def test_every_alert_of_a_drill_is_shipped() -> None:
    names = {alert.name for alert in checks.shipped_alerts()}
    assert {name for drill in drills.DRILLS for name, _ in (*drill.fires, *drill.mutes)} <= names
