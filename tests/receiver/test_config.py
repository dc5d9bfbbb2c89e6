"""receiver.yml: what is accepted, and what is said of the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from occ.config import load
from occ.errors import ConfigError
from receiver.config import ReceiverConfig
from receiver.main import main
from tests.receiver.support import TOKEN, config_file

CORPUS = sorted((Path(__file__).parent / "bad-config").glob("*.yml"))
EXAMPLE = Path(__file__).parents[2] / "config/receiver.yml"


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_and_its_place(path: Path) -> None:
    expected = re.findall(r"^# expect: (.*)$", path.read_text(), re.MULTILINE)
    assert expected, "the file does not say what is expected of it"
    with pytest.raises(ConfigError) as caught:
        load(path, ReceiverConfig, {"AM_TOKEN": TOKEN})
    assert [f"{problem.line}: {problem.path}: {problem.message}" for problem in caught.value.problems] == expected
    assert "canary" not in str(caught.value)


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 18


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example, with its secret at hand."""
    (tmp_path / "am_token").write_text(TOKEN)
    copied = tmp_path / "receiver.yml"
    copied.write_text(EXAMPLE.read_text().replace("/run/secrets/", f"{tmp_path}/"))
    return copied


def test_the_example_is_valid_and_its_secrets_are_known(example: Path) -> None:
    loaded = load(example, ReceiverConfig, {})
    assert TOKEN in loaded.secrets
    assert TOKEN not in repr(loaded.config)


def test_a_relative_database_is_relative_to_the_working_directory(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(example, ReceiverConfig, {}).config.database_path == tmp_path / "receiver.db"


def test_an_absolute_database_has_four_slashes(tmp_path: Path) -> None:
    found = load(config_file(tmp_path), ReceiverConfig, {"AM_TOKEN": TOKEN}).config
    assert found.database.startswith("sqlite:////")
    assert found.database_path == tmp_path / "receiver.db"


def test_a_wrong_file_ends_with_2_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config_file(tmp_path, "polcy: policy.yml\n")
    assert main(["--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"{path}:2: ingest.bearer: environment variable AM_TOKEN is not set" in said
    assert f"{path}:3: polcy: unknown key" in said
    assert [found.name for found in tmp_path.iterdir()] == ["receiver.yml"]


def test_a_right_file_is_said_to_be_valid_and_nothing_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AM_TOKEN", TOKEN)
    path = config_file(tmp_path)
    assert main(["--config", str(path), "--check-config"]) == 0
    assert capsys.readouterr().out == f"{path}: valid\n"
    assert [found.name for found in tmp_path.iterdir()] == ["receiver.yml"]


@pytest.mark.parametrize("address", ["0.0.0.0:9720", ":9720", "[::]:9720", "192.0.2.1:9720", "occ.example:9720"])
def test_pages_without_a_login_are_served_on_loopback_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AM_TOKEN", TOKEN)
    assert main(["--config", str(config_file(tmp_path)), "--web.listen-address", address]) == 2
    assert (
        capsys.readouterr().err == f"--web.listen-address {address}: the pages have no login; "
        "beyond loopback they are served with TLS and a login alone (--web.config.file)\n"
    )
    assert [found.name for found in tmp_path.iterdir()] == ["receiver.yml"]
