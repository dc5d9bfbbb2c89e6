"""nodes.yml: what is accepted, and what is said of the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporters.nodes.__main__ import main
from exporters.nodes.config import NodesConfig
from occ.config import Loaded, load
from occ.errors import ConfigError

CORPUS = sorted((Path(__file__).parent / "bad-config").glob("*.yml"))

CHAIN = """
chains:
  - name: ethereum
    family: evm
    chain_id: 1
    block_time: 12s
    nodes: [{name: own, url: "http://127.0.0.1:8545/${KEY}"}]
"""


def loaded(folder: Path, text: str) -> Loaded[NodesConfig]:
    path = folder / "nodes.yml"
    path.write_text(text)
    return load(path, NodesConfig, {"KEY": "k3y-0123456789"})


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_and_its_place(path: Path) -> None:
    expected = re.findall(r"^# expect: (.*)$", path.read_text(), re.MULTILINE)
    assert expected, "the file does not say what is expected of it"
    with pytest.raises(ConfigError) as caught:
        load(path, NodesConfig, {})
    assert [f"{problem.line}: {problem.path}: {problem.message}" for problem in caught.value.problems] == expected


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 40


def test_a_wrong_file_ends_with_2_and_its_place_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nodes.yml"
    path.write_text(CHAIN)
    assert main(["--config", str(path)]) == 2
    assert capsys.readouterr().err == f"{path}:7: chains[0].nodes[0].url: environment variable KEY is not set\n"


def test_the_example_is_valid(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ALCHEMY_KEY", "k3y-0123456789")
    example = Path(__file__).parents[3] / "config" / "nodes.yml"
    assert main(["--config", str(example), "--check-config"]) == 0
    assert capsys.readouterr().out == f"{example}: valid\n"


def test_timing_falls_back_to_the_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path, "defaults: {interval: 5s, timeout: 3s}\n" + CHAIN).config
    pace = config.chains[0].pace(config)
    assert (pace.interval, pace.timeout, pace.stale_after) == (5.0, 3.0, 60.0)


def test_a_chain_may_have_its_own_timing(tmp_path: Path) -> None:
    text = CHAIN.replace("    block_time", "    interval: 30s\n    block_time")
    config = loaded(tmp_path, "scrape_interval: 5s\n" + text).config
    pace = config.chains[0].pace(config)
    assert (pace.interval, pace.timeout, pace.stale_after) == (30.0, 3.0, 90.0)


def test_the_default_timeout_is_no_longer_than_a_short_interval(tmp_path: Path) -> None:
    config = loaded(tmp_path, CHAIN.replace("    block_time", "    interval: 1s\n    block_time")).config
    assert config.chains[0].pace(config).timeout == 1.0


def test_a_node_is_its_own_provider_unless_it_says_so(tmp_path: Path) -> None:
    config = loaded(tmp_path, CHAIN.replace("url:", "provider: alchemy, url:")).config
    assert config.chains[0].nodes[0].witness == "alchemy"
    assert loaded(tmp_path, CHAIN).config.chains[0].nodes[0].witness == "own"


def test_what_came_from_the_environment_shows_nowhere(tmp_path: Path) -> None:
    found = loaded(tmp_path, CHAIN)
    assert "k3y-0123456789" in found.secrets
    assert "k3y" not in repr(found.config)
    assert "k3y" not in str(found.config)
