"""A page for every alert, with what a person who was woken looks for, and queries that can be pasted."""

from pathlib import Path

import pytest
import yaml

from tests.alerting_rules import checks
from tests.alerting_rules.checks import ROOT, RUNBOOKS
from tests.alerting_rules.conftest import Run

PAGES = sorted(RUNBOOKS.glob("*.md"))
SECTIONS = ("Impact", "Confirm", "First action", "Actions offered", "Escalation", "Drill")


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
    opening = page.read_text(encoding="utf-8").splitlines()[2]
    assert opening.startswith({"page": "**Page.**", "ticket": "**Ticket.**", "none": "**Always fires."}[severity])


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
    assert "alerting-rules/alerts/meta.yml" not in text or (ROOT / "alerting-rules/alerts/meta.yml").is_file()
