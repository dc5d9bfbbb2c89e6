"""What exists has its place in the docs, and the docs speak of what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.catalogue import catalogue, markdown
from cli.main import COMMANDS
from occ.config import Model, load
from occ.errors import Reason
from receiver.actions import executors
from receiver.catalogue import Action, Catalogue
from receiver.policy import ROLES, Policy

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


# --- actions and policy ----------------------------------------------------------------------------------------------

ACTIONS = (ROOT / "docs/actions.md").read_text()


def rows(text: str) -> set[str]:
    """What stands as code in the first column of a page's tables."""
    return {name for row in re.findall(r"(?m)^\|([^|]*)\|", text) for name in re.findall(r"`([^`]+)`", row)}


def test_every_executor_and_every_key_of_an_action_and_of_a_policy_has_its_row() -> None:
    assert {*executors(), *Action.model_fields, *Policy.model_fields} - rows(ACTIONS) == set()
    assert [role for role in ROLES if f"`{' '.join(ROLES)}`" not in ACTIONS] == []


def test_every_key_of_an_executor_is_named() -> None:
    for name, module in executors().items():
        (row,) = re.findall(rf"(?m)^\| `{name}` \|.*$", ACTIONS)
        assert [key for key in module.Options.model_fields if f"`{key}" not in row] == [], name


def test_the_actions_that_the_page_shows_one_by_one_are_valid(tmp_path: Path) -> None:
    shown = [text for text in re.findall(r"```yaml\n(.*?)```", ACTIONS, re.DOTALL) if text.startswith("- name:")]
    assert shown
    targets = 'targets: {alertmanager: {url: "http://alertmanager:9093"}}\n'
    (tmp_path / "example.yml").write_text(f"{targets}actions:\n{''.join(shown)}")
    load(tmp_path / "example.yml", Catalogue, secrets=False)


@pytest.mark.parametrize(("model", "first"), [(Catalogue, "targets:"), (Policy, "people:")])
def test_the_examples_of_the_page_are_valid(model: type[Model], first: str, tmp_path: Path) -> None:
    (example,) = [text for text in re.findall(r"```yaml\n(.*?)```", ACTIONS, re.DOTALL) if text.startswith(first)]
    (tmp_path / "example.yml").write_text(example)
    load(tmp_path / "example.yml", model, secrets=False)
