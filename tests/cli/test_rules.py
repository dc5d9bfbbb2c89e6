"""The rules that are made of tables: thresholds and objectives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.main import main
from cli.rules import FOLDER, Threshold, generated, threshold_rules
from demo.parts import locate

TABLES = ("thresholds.yml", "slo/slos.yml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped tables alone."""
    for name in TABLES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(FOLDER / name, tmp_path / name)
    (tmp_path / "recording").mkdir()
    return tmp_path


def rules(threshold: Threshold) -> list[str]:
    (rule,) = threshold_rules({"lag_blocks": threshold})["groups"][0]["rules"]
    assert rule["record"] == "occ:threshold:lag_blocks"
    return str(rule["expr"]).split("\nor on (chain)\n")


def test_the_shipped_files_are_what_their_tables_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--check"]) == 0
    assert capsys.readouterr() == ("", "")


def test_write_makes_the_files_and_check_sees_what_was_changed_since(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "--check", str(folder)]) == 1
    assert main(["rules", "--write", str(folder)]) == 0
    assert main(["rules", "--check", str(folder)]) == 0
    for path in generated(folder):
        assert path.read_text() == (FOLDER / path.relative_to(folder)).read_text()
    changed = folder / "recording/thresholds.yml"
    changed.write_text(changed.read_text().replace("+ 3", "+ 4"))
    capsys.readouterr()
    assert main(["rules", "--check", str(folder)]) == 1
    assert capsys.readouterr().err == f"{changed}: is not what its table says; run: occ rules --write\n"


@pytest.mark.parametrize(
    ("table", "old", "new", "said"),
    [
        ("thresholds.yml", "default: 3\n", "defualt: 3\n", "unknown key; did you mean `default`?"),
        ("thresholds.yml", "default: 180", "default: soon", "expected a number"),
        (
            "thresholds.yml",
            "default: 180\n    block_times",
            "block_times",
            "is required beside `tiers` and `block_times`",
        ),
        ("thresholds.yml", "block_times: 15", 'block_times: 15\n    tiers: {"2": 1}', "do not go together"),
        ("thresholds.yml", "chains: {ethereum: 128}", "chains: {}", "is required where there are no `chains`"),
        ("thresholds.yml", "of: symbol\n    default: 90", "of: symbol", "is required where there are no `bases`"),
        ("thresholds.yml", "chains: {ethereum: 128}", "bases: {ETH: 1}", "is not for the limit of a chain"),
        ("thresholds.yml", "bases: {BTC: 100000, ETH: 50000}", "chains: {a: 1}", "is not for the limit of a symbol"),
        ("thresholds.yml", "default: 0.01", "default: 0.01\n    block_times: 2", "is not for the limit of a symbol"),
        ("thresholds.yml", "default: 0.7", "default: 0.7\n    bases: {BTC: 1}", "is not for the limit of a venue"),
        ("thresholds.yml", "default: 0.7\n    tiers", "tiers", "is required beside `tiers`"),
        ("thresholds.yml", "of: base", "of: base\n    default: 1", "is not for the limit of a base"),
        ("thresholds.yml", "    bases: {BTC: 0.05, ETH: 1}", "", "is required where there are no `bases`"),
        ("slo/slos.yml", "objective: 0.999", "objective: 1", "less than 1"),
        ("slo/slos.yml", "name: head_freshness", "name: rpc_availability", "rpc_availability"),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], *, table: str, old: str, new: str, said: str
) -> None:
    text = (folder / table).read_text()
    assert old in text
    (folder / table).write_text(text.replace(old, new, 1))
    assert main(["rules", "--write", str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{folder / table}:")
    assert said in error
    assert not (folder / "slo/generated.yml").exists()


def test_what_is_said_of_a_chain_goes_before_its_tier_and_that_before_the_default() -> None:
    assert rules(Threshold(default=3, tiers={"2": 5}, chains={"bitcoin": 1})) == [
        'label_replace(vector(1), "chain", "bitcoin", "", "")',
        'max by (chain) (0 * chain:tier:info{tier="2"} + 5)',
        "max by (chain) (0 * chain:tier:info + 3)",
    ]


def test_what_is_said_of_a_base_goes_before_the_default() -> None:
    spread = Threshold(of="symbol", default=0.01, bases={"BTC": 0.001})
    (rule,) = threshold_rules({"spread_ratio": spread})["groups"][0]["rules"]
    assert rule["expr"].split("\nor on (venue, symbol)\n") == [
        'max by (venue, symbol) (0 * symbol:base:info{base="BTC"} + 0.001)',
        "max by (venue, symbol) (0 * symbol:base:info + 0.01)",
    ]


def test_what_is_said_of_a_venue_goes_before_its_tier_and_that_before_the_default() -> None:
    usage = Threshold(of="venue", default=0.7, tiers={"2": 0.8}, venues={"kraken": 0.6})
    (rule,) = threshold_rules({"margin_usage_ratio": usage})["groups"][0]["rules"]
    assert rule["expr"].split("\nor on (venue)\n") == [
        'label_replace(vector(0.6), "venue", "kraken", "", "")',
        'max by (venue) (0 * venue:tier:info{tier="2"} + 0.8)',
        "max by (venue) (0 * venue:tier:info + 0.7)",
    ]


def test_a_base_has_the_limit_that_is_said_of_it_and_others_have_none() -> None:
    position = Threshold(of="base", bases={"BTC": 0.05, "ETH": 1})
    (rule,) = threshold_rules({"position_base": position})["groups"][0]["rules"]
    assert rule["expr"].split("\nor on (base)\n") == [
        'label_replace(vector(0.05), "base", "BTC", "", "")',
        'label_replace(vector(1), "base", "ETH", "", "")',
    ]


def test_block_times_count_where_they_are_longer_than_the_default() -> None:
    assert rules(Threshold(default=180, block_times=15)) == [
        "15 * chain:block_seconds:6h > 180",
        "max by (chain) (0 * chain:tier:info + 180)",
    ]


names = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
numbers = st.floats(min_value=0, max_value=1e6).map(lambda number: round(number, 2))


@given(st.dictionaries(names, numbers), st.dictionaries(st.sampled_from(["1", "2", "3"]), numbers), numbers)
def test_every_value_of_a_table_stands_in_its_rule_once(
    chains: dict[str, float], tiers: dict[str, float], default: float
) -> None:
    written = rules(Threshold(default=default, tiers=tiers, chains=chains))
    assert len(written) == len(chains) + len(tiers) + 1
    for chain, value in chains.items():
        assert f'label_replace(vector({value:.15g}), "chain", "{chain}", "", "")' in written


def test_prometheus_takes_what_is_written(folder: Path) -> None:
    main(["rules", "--write", str(folder)])
    files = list(generated(folder))
    said = subprocess.run(
        [locate("promtool"), "check", "rules", "--lint=all", "--lint-fatal", *files],
        check=False,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    assert all(path.read_text().startswith("# Generated from ") for path in files)
    assert all(yaml.safe_load(path.read_text())["groups"] for path in files)
