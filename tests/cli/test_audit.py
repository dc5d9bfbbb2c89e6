"""`occ audit`, with a real database and keys that the command made."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import main
from receiver.audit.checkpoints import Checkpoints, private_key
from receiver.audit.seal import Audit
from receiver.database import opened
from tests.receiver.audit import second
from tests.receiver.audit.support import MAC_KEY
from tests.receiver.support import NOW, config_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration, its database with four records in use, a key, and a checkpoint of record 3."""
    config_file(tmp_path)
    assert main(["audit", "key", str(tmp_path / "audit.key")]) == 0
    return tmp_path


@pytest.fixture
def database(folder: Path) -> Iterator[None]:
    key = private_key((folder / "audit.key").read_text())
    checkpoints, audit = Checkpoints(folder / "checkpoints", key, lambda: NOW), Audit(MAC_KEY, lambda: NOW)
    with opened(folder / "receiver.db") as database:
        with database.writing.begin() as connection:
            audit.begin(connection, checkpoints)
            for n in range(3):
                audit.append(
                    connection, kind="test.done", subject=f"thing/{n}", by="desk-1", data={"said": "a\u2028b\nc"}
                )
                if n == 1:
                    checkpoints.write(audit.database, audit.unchanged(connection))
        yield


def run(*arguments: str | Path) -> int:
    return main(["audit", *map(str, arguments)])


def verified(folder: Path, *more: str | Path) -> int:
    return run("verify", folder / "out.jsonl", "--key", folder / "audit.key.pub", *more)


def test_a_new_key_is_for_its_owner_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stat.S_IMODE((folder / "audit.key").stat().st_mode) == 0o600
    assert (folder / "audit.key").read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert (folder / "audit.key.pub").read_text().startswith("-----BEGIN PUBLIC KEY-----")
    assert "PRIVATE" not in capsys.readouterr().out


def test_a_key_is_never_written_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "audit.key").read_bytes()
    assert run("key", folder / "audit.key") == 2
    assert capsys.readouterr().err == f"occ audit: {folder}/audit.key.pub: File exists\n"
    (folder / "audit.key.pub").unlink()
    assert run("key", folder / "audit.key") == 2
    assert (folder / "audit.key").read_bytes() == before


def test_what_is_exported_while_it_is_in_use_verifies(
    folder: Path, database: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", "--config", folder / "receiver.yml", "--output", folder / "out.jsonl") == 0
    assert stat.S_IMODE((folder / "out.jsonl").stat().st_mode) == 0o600
    capsys.readouterr()
    assert verified(folder, "--checkpoints", folder / "checkpoints") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(": 4 records, 3 covered by checkpoints")
    assert lines[2:] == ["note: no checkpoint covers records 4 to 4 as yet", "as it was written"]
    public = (folder / "audit.key.pub").read_bytes()
    assert second.holds((folder / "out.jsonl").read_bytes(), folder / "checkpoints", public)


def test_without_checkpoints_that_is_said(folder: Path, database: None, capsys: pytest.CaptureFixture[str]) -> None:
    run("export", "--config", folder / "receiver.yml", "--output", folder / "out.jsonl")
    assert verified(folder) == 0
    assert "note: without checkpoints it would not show" in capsys.readouterr().out


def test_what_was_changed_ends_with_1(folder: Path, database: None, capsys: pytest.CaptureFixture[str]) -> None:
    run("export", "--config", folder / "receiver.yml", "--output", folder / "out.jsonl")
    lines = (folder / "out.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "out.jsonl").write_bytes(b"".join(lines[:2]))
    capsys.readouterr()
    assert verified(folder, "--checkpoints", folder / "checkpoints") == 1
    out = capsys.readouterr().out
    assert "truncation: records 3 to 3 were signed, and are missing at the end\nnot as it was written\n" in out


def test_an_export_goes_through_a_pipe(folder: Path, database: None) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    code = "import sys; from cli.main import main; sys.exit(main())"
    occ = [sys.executable, "-c", code, "audit"]
    exported = subprocess.run(
        [*occ, "export", "--config", folder / "receiver.yml"], capture_output=True, check=True, env=environment
    ).stdout
    verify = [*occ, "verify", "-", "--key", f"{folder}/audit.key.pub", "--checkpoints", f"{folder}/checkpoints"]
    done = subprocess.run(verify, input=exported, capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_export_leaves_no_configuration_but_the_databases_place_to_be_needed(folder: Path, database: None) -> None:
    """The secrets of the receiver need not be there."""
    assert "AM_TOKEN" not in os.environ
    assert run("export", "--config", folder / "receiver.yml", "--output", folder / "out.jsonl") == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["export", "--config", "{}/none.yml"], "{}/none.yml: can not be read: No such file or directory"),
        (["export", "--config", "{}/receiver.yml"], "occ audit: {}/receiver.db: no such file"),
        (["verify", "{}/none", "--key", "{}/audit.key.pub"], "occ audit: {}/none: No such file or directory"),
        (["verify", "{}/receiver.yml", "--key", "{}/none"], "occ audit: {}/none: No such file or directory"),
        (["verify", "{}/receiver.yml", "--key", "{}/audit.key"], "occ audit: expected an Ed25519 public key in PEM"),
        (
            ["verify", "{}/receiver.yml", "--key", "{}/audit.key.pub", "--checkpoints", "{}/none"],
            "occ audit: can not read the folder of checkpoints {}/none: No such file or directory",
        ),
    ],
)
def test_what_can_not_be_done_ends_with_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert run(*(argument.format(folder) for argument in arguments)) == 2
    assert complaint.format(folder) in capsys.readouterr().err


def test_what_is_no_export_is_not_as_it_was_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", folder / "receiver.yml", "--key", folder / "audit.key.pub") == 1
    assert "change: what stands in the place of record 1 is no record" in capsys.readouterr().out
