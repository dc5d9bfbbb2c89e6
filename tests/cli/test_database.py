"""`occ database`; what it does is tested in tests/receiver/test_backup.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.main import main
from receiver.database import opened
from tests.receiver.support import config_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config_file(tmp_path)
    with opened(tmp_path / "receiver.db"):
        pass
    return tmp_path


def run(command: str, folder: Path) -> int:
    return main(["database", command, "--config", str(folder / "receiver.yml"), str(folder / "copy.db")])


def test_a_copy_and_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("backup", folder) == 0
    assert capsys.readouterr().out == f"{folder}/copy.db: copied and read through\n"
    assert run("restore", folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{folder}/receiver.db: is what {folder}/copy.db holds"
    assert lines[1].startswith(f"{folder}/receiver.db.replaced-20")
    assert Path(lines[1].split(": ")[0]).is_file()


def test_it_is_refused_while_the_receiver_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("backup", folder)
    with opened(folder / "receiver.db"):
        assert run("restore", folder) == 2
    assert "receiver.db is in use by another process" in capsys.readouterr().err


def test_what_can_not_be_done_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("restore", folder) == 2
    assert capsys.readouterr().err == f"occ database: {folder}/copy.db: no such file\n"
