"""`occ dashboards` as a person runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli import dashboards
from demo.parts import ROOT

BOARDS = ("command-center", "meta", "nodes", "exchange", "accounts", "pools", "response")


def test_the_committed_boards_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboards.main(["--check"]) == 0
    assert capsys.readouterr().out == f"{ROOT / 'dashboards/generated'}: up to date\n"


def test_what_is_written_is_up_to_date_and_a_change_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboards.main(["--write", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / f"occ-{name}.json") for name in BOARDS]
    assert dashboards.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "occ-meta.json").write_text("{}")
    capsys.readouterr()
    assert dashboards.main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "occ-meta.json: is not what its board says\n"


def test_a_changed_rule_changes_the_boards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "alerting-rules"
    shutil.copytree(ROOT / "alerting-rules", rules)
    thresholds = rules / "thresholds.yml"
    text = thresholds.read_text()
    assert "  lag_seconds:\n    default: 5\n" in text
    thresholds.write_text(text.replace("  lag_seconds:\n    default: 5\n", "  lag_seconds:\n    default: 7\n"))
    assert dashboards.main(["--check", "--rules", str(rules)]) == 1
    assert capsys.readouterr().err == "occ-nodes.json: is not what its board says\n"


def test_links_lead_where_they_are_told_to(tmp_path: Path) -> None:
    assert dashboards.main(["--write", str(tmp_path), "--occ-url", "https://here.example/"]) == 0
    assert '"query": "https://here.example"' in (tmp_path / "occ-nodes.json").read_text()


def test_without_rules_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboards.main(["--check", "--rules", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("occ dashboards: ")
    assert str(tmp_path / "none/prometheus.yml") in said


def test_provisioning_needs_neither_rules_nor_the_generator(tmp_path: Path) -> None:
    """In a process in which grafanalib and promql-parser can not be imported."""
    code = (
        "import sys; sys.modules['grafanalib'] = sys.modules['promql_parser'] = None\n"
        "from cli.dashboards import main; sys.exit(main(sys.argv[1:]))"
    )
    urls = ["--occ-url", "http://127.0.0.1:9720", "--repo-url", "file:///srv/occ", "--rules", str(tmp_path / "none")]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *arguments, *urls]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    provisioned = run("--provision", str(tmp_path / "grafana"))
    assert (provisioned.returncode, provisioned.stderr) == (0, "")
    assert (tmp_path / "grafana/boards/occ-nodes.json").is_file()
    generating = run("--check")
    assert generating.returncode == 2
    assert generating.stderr == "occ dashboards: grafanalib.core is missing: install the extra `dashboards`\n"


def test_one_thing_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ([], ["--write", "--check"]):
        with pytest.raises(SystemExit) as ended:
            dashboards.main(wrong)
        assert ended.value.code == 2
    assert "one of the arguments --write --check --provision is required" in capsys.readouterr().err
