"""Which binary is taken, and what is said when there is none."""

import subprocess
from pathlib import Path

import pytest

from demo import parts, relocate


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree where nothing was set up, nothing on PATH and nothing in the environment."""
    for variable in ("PROMETHEUS", "ALERTMANAGER", "GRAFANA", "CHROMIUM"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(parts, "ROOT", tmp_path)
    return tmp_path


def program(path: Path, says: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["prometheus", "promtool", "alertmanager", "amtool", "anvil"])
def test_here_every_part_is_found_and_runs(name: str) -> None:
    assert len(parts.version(parts.locate(name))) == 3


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("prometheus", "prometheus is missing: run `make setup`, or set PROMETHEUS to its binary"),
        ("promtool", "promtool is missing: run `make setup`, or set PROMETHEUS to its binary"),
        ("alertmanager", "alertmanager is missing: run `make setup`, or set ALERTMANAGER to its binary"),
        ("amtool", "amtool is missing: run `make setup`, or set ALERTMANAGER to its binary"),
    ],
)
def test_a_missing_part_says_what_to_run(bare: Path, name: str, says: str) -> None:
    with pytest.raises(parts.MissingPart) as missing:
        parts.locate(name)
    assert str(missing.value) == says


def test_a_missing_anvil_names_the_platform(bare: Path) -> None:
    with pytest.raises(parts.MissingPart, match=r"^anvil for \w+-\w+ is missing: run `make setup`$"):
        parts.locate("anvil")


def test_a_script_of_a_package_is_run_by_node(bare: Path) -> None:
    node = program(bare / "path/node")
    file = program(bare / "node_modules/package/bin/start.js")
    assert parts.script("package/bin/start.js") == [node, file]


@pytest.mark.parametrize("there", ["path/node", "node_modules/package/bin/start.js"])
def test_a_missing_script_says_what_to_run(bare: Path, there: str) -> None:
    program(bare / there)
    with pytest.raises(parts.MissingPart, match=r"^package/bin/start.js or Node.js is missing: run `make setup`$"):
        parts.script("package/bin/start.js")


def test_an_unknown_name_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no part is called loki"):
        parts.locate("loki")


def test_what_setup_fetched_under_debians_names(bare: Path) -> None:
    server = program(bare / ".tools/usr/bin/prometheus-alertmanager")
    tool = program(bare / ".tools/usr/bin/amtool")
    assert (parts.locate("alertmanager"), parts.locate("amtool")) == (server, tool)


@pytest.mark.parametrize(
    ("theirs", "taken"),
    [("3.1.0", "theirs"), ("2.43.0", "theirs"), ("2.42.0", "ours"), ("2.9.9", "ours"), ("none", "ours")],
)
def test_a_newer_one_on_path_wins(bare: Path, theirs: str, taken: str) -> None:
    ours = program(bare / ".tools/usr/bin/prometheus", "prometheus, version 2.42.0+ds (branch: x)")
    other = program(bare / "path/prometheus", f"prometheus, version {theirs} (branch: y)")
    assert parts.locate("prometheus") == (other if taken == "theirs" else ours)


def test_one_on_path_is_better_than_none(bare: Path) -> None:
    other = program(bare / "path/amtool", "amtool, version 0.20.0")
    assert parts.locate("amtool") == other


def test_the_environment_wins_and_its_tool_stands_beside(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "path/prometheus", "prometheus, version 9.0.0")
    named, tool = program(bare / "own/prom"), program(bare / "own/promtool")
    monkeypatch.setenv("PROMETHEUS", str(named))
    assert (parts.locate("prometheus"), parts.locate("promtool")) == (named, tool)


def test_a_tool_that_is_not_beside_is_looked_for_elsewhere(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTMANAGER", str(program(bare / "own/alertmanager")))
    tool = program(bare / ".tools/usr/bin/amtool")
    assert parts.locate("amtool") == tool


def test_a_wrong_variable_is_told_and_not_passed_over(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / ".tools/usr/bin/prometheus")
    monkeypatch.setenv("PROMETHEUS", str(bare / "nowhere"))
    with pytest.raises(parts.MissingPart, match=r"^PROMETHEUS is set to .*/nowhere, which is no program"):
        parts.locate("prometheus")


def test_grafana_may_be_absent(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parts.grafana() is None
    found, named = program(bare / "path/grafana"), program(bare / "own/grafana")
    assert parts.grafana() == found
    monkeypatch.setenv("GRAFANA", str(named))
    assert parts.grafana() == named


def test_an_unpacked_alertmanager_finds_its_templates_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relocate, "_INSTALLED", b"/usr/share/of-nobody/anywhere/here")
    binary = program(tmp_path / "usr/bin/alertmanager", "see /usr/share/of-nobody/anywhere/here")
    assert relocate.relocated(binary) == binary
    (tmp_path / "usr/share/of-nobody/anywhere/here").mkdir(parents=True)
    starter = relocate.relocated(binary)
    assert starter != binary
    assert relocate.relocated(binary) == starter
    (tmp_path / "usr/share/prometheus/alertmanager").mkdir(parents=True)
    said = subprocess.run([starter], capture_output=True, text=True, check=True, cwd="/").stdout
    assert said.startswith("see /proc/self/fd/9/./")


def test_the_browser_is_named_or_on_path(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        parts.MissingPart, match=r"^chromium is missing: run `apt-get install chromium`, or set CHROMIUM"
    ):
        parts.chromium()
    found, named = program(bare / "path/chromium"), program(bare / "own/chromium")
    assert parts.chromium() == found
    monkeypatch.setenv("CHROMIUM", str(named))
    assert parts.chromium() == named
