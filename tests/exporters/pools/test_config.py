"""pools.yml: what is accepted, and what is said of the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.pools.__main__ import main
from exporters.pools.config import Chain, PoolsConfig
from exporters.pools.leaning import circles
from occ.config import load
from occ.errors import ConfigError

CORPUS = sorted((Path(__file__).parent / "bad-config").glob("*.yml"))
EXAMPLE = Path(__file__).parents[3] / "config" / "pools.yml"


def example() -> Chain:
    (chain,) = load(EXAMPLE, PoolsConfig, {"ALCHEMY_KEY": "k3y-0123456789"}).config.chains
    return chain


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_and_its_place(path: Path) -> None:
    expected = re.findall(r"^# expect: (.*)$", path.read_text(), re.MULTILINE)
    assert expected, "the file does not say what is expected of it"
    with pytest.raises(ConfigError) as caught:
        load(path, PoolsConfig, {})
    assert [f"{problem.line}: {problem.path}: {problem.message}" for problem in caught.value.problems] == expected


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 45


def test_the_example_is_valid(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ALCHEMY_KEY", "k3y-0123456789")
    assert main(["--config", str(EXAMPLE), "--check-config"]) == 0
    assert capsys.readouterr().out == f"{EXAMPLE}: valid\n"


def test_what_may_be_left_out() -> None:
    chain = example()
    assert chain.multicall == "0xca11bde05977b3631167028862be2a173976ca11"
    assert chain.confirmations == 12
    assert chain.start_block is None
    assert chain.pools[0].sizes_usd == (10_000, 100_000, 1_000_000)
    assert chain.feeds[1].grace == 300


def test_an_oracle_may_be_given_no_grace(tmp_path: Path) -> None:
    path = tmp_path / "pools.yml"
    path.write_text(EXAMPLE.read_text().replace("grace: 5m", "grace: 0s"))
    (chain,) = load(path, PoolsConfig, {"ALCHEMY_KEY": "k3y-0123456789"}).config.chains
    assert chain.feeds[0].grace == 0


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("fee: 0.003", "fee: 0.3", "25: chains[0].pools[0].fee: 30% of what is paid? 0.003 is 0.3 %"),
        (
            "USDC: {fixed: 1, check_against: {feed: usdc-usd}}",
            "",
            "26: chains[0].pools[1].reference: is never compared: the quotes differ, and USDC has no price",
        ),
    ],
)
def test_what_is_hardly_meant_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], was: str, becomes: str, said: str
) -> None:
    path = tmp_path / "pools.yml"
    path.write_text(EXAMPLE.read_text().replace("/v2/${ALCHEMY_KEY}", "").replace(was, becomes))
    assert main(["--config", str(path), "--check-config"]) == 0
    assert f"note: {path}:{said}\n" in capsys.readouterr().out


def test_a_kind_adds_its_keys() -> None:
    v2, v3 = example().pools
    assert getattr(v2, "fee", None) == 0.003
    assert not hasattr(v3, "fee")


LEANS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdefxyz"))


@given(LEANS)
def test_circles_are_those_from_which_no_way_leads_out(leans: dict[str, str]) -> None:
    def ends(start: str) -> bool:
        at = start
        for _ in range(len(leans) + 1):
            if at not in leans:
                return True
            at = leans[at]
        return False

    found = list(circles(leans))
    members = [each for circle in found for each in circle]
    assert len(members) == len(set(members))
    assert all(
        leans[one] == other for circle in found for one, other in zip(circle, circle[1:] + circle[:1], strict=True)
    )
    assert bool(found) == any(not ends(start) for start in leans)
