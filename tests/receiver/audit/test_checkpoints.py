from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from receiver.audit.chain import START, Head, digest
from receiver.audit.checkpoints import (
    CheckpointError,
    Checkpoints,
    key_id,
    new_key,
    private_key,
    public_key,
    stored,
    taken,
)
from tests.receiver.audit.support import DATABASE, SIGNING, chain
from tests.receiver.support import NOW

HEADS = [Head(seq, digest(raw)) for seq, raw in enumerate(chain(9), 1)]


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path, SIGNING, lambda: NOW)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_it_says(checkpoints: Checkpoints) -> None:
    checkpoints.write(DATABASE, HEADS[2])
    content = json.loads((checkpoints.folder / "checkpoint-0000000001.json").read_bytes())
    assert len(bytes.fromhex(content.pop("signature"))) == 64
    assert content == {
        "v": "occ-checkpoint-v1",
        "number": 1,
        "database": DATABASE,
        "seq": 3,
        "hash": HEADS[2].hash,
        "at": NOW,
        "key": hashlib.sha256(SIGNING.public_key().public_bytes_raw()).hexdigest(),
        "previous": START,
    }


def test_each_follows_the_file_before(checkpoints: Checkpoints) -> None:
    for head in HEADS[:3]:
        checkpoints.write(DATABASE, head)
    one, two, three = [taken(path) for path in stored(checkpoints.folder)]
    key = SIGNING.public_key()
    assert [each.read(key).previous for each in (one, two, three)] == [START, one.digest, two.digest]
    assert checkpoints.newest() == three


def test_what_is_covered_is_not_signed_again(checkpoints: Checkpoints) -> None:
    checkpoints.write(DATABASE, HEADS[2])
    checkpoints.write(DATABASE, HEADS[2])
    assert names(checkpoints.folder) == ["checkpoint-0000000001.json"]


def test_a_file_is_never_written_over_and_who_else_writes_is_noticed(checkpoints: Checkpoints) -> None:
    elsewhere = Checkpoints(checkpoints.folder, SIGNING, lambda: NOW)
    checkpoints.write(DATABASE, HEADS[0])
    elsewhere.write(DATABASE, HEADS[1])
    before = [path.read_bytes() for path in stored(checkpoints.folder)]
    with pytest.raises(CheckpointError, match=r"can not write the checkpoint .*-0000000002\.json: File exists"):
        checkpoints.write(DATABASE, HEADS[2])
    checkpoints.write(DATABASE, HEADS[2])
    *old, new = [taken(path) for path in stored(checkpoints.folder)]
    assert [each.raw for each in old] == before
    assert new.read(SIGNING.public_key()).previous == old[-1].digest
    assert names(checkpoints.folder) == [f"checkpoint-000000000{number}.json" for number in (1, 2, 3)]


def test_many_threads_write_one_after_the_other(checkpoints: Checkpoints) -> None:
    threads = [Thread(target=checkpoints.write, args=(DATABASE, head)) for head in HEADS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [taken(path).read(SIGNING.public_key()).number for path in stored(checkpoints.folder)]
    assert numbers == list(range(1, 10))


def test_what_a_process_left_that_was_killed_is_in_nobodys_way(checkpoints: Checkpoints) -> None:
    (checkpoints.folder / f".checkpoint-0000000001.json.{os.getpid()}").write_bytes(b"half")
    checkpoints.write(DATABASE, HEADS[0])
    assert names(checkpoints.folder) == ["checkpoint-0000000001.json"]


def test_other_files_are_no_checkpoints(checkpoints: Checkpoints) -> None:
    for name in ("README", "checkpoint-1.json", "checkpoint-0000000007.json.bak", "lost+found"):
        (checkpoints.folder / name).write_text("x")
    assert checkpoints.newest() is None


def test_a_folder_that_is_not_there_is_not_made_but_for_a_new_database(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "gone", SIGNING, lambda: NOW)
    with pytest.raises(CheckpointError, match=r"can not read the folder of checkpoints .*/gone: No such file"):
        checkpoints.write(DATABASE, HEADS[0])
    checkpoints.create()
    checkpoints.create()
    checkpoints.write(DATABASE, HEADS[0])
    assert stat.S_IMODE((tmp_path / "gone").stat().st_mode) & 0o022 == 0


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match=r"can not make the folder of checkpoints .*/file/x: Not a directory"):
        Checkpoints(tmp_path / "file/x", SIGNING, lambda: NOW).create()


def test_what_can_not_be_written_is_said_and_tried_again(checkpoints: Checkpoints, tmp_path: Path) -> None:
    blocked = tmp_path / f".checkpoint-0000000001.json.{os.getpid()}"
    blocked.mkdir()
    with pytest.raises(CheckpointError, match=r"can not write the checkpoint .*/checkpoint-0000000001\.json"):
        checkpoints.write(DATABASE, HEADS[0])
    blocked.rmdir()
    checkpoints.write(DATABASE, HEADS[0])
    assert names(checkpoints.folder) == ["checkpoint-0000000001.json"]


def test_a_new_key_signs_and_verifies() -> None:
    private, public, key = new_key()
    assert private_key(private.decode().strip()).public_key() == key
    assert public_key(public) == key
    assert len(key_id(key)) == 64


def pem_of_another_kind() -> str:
    key = generate_private_key(SECP256R1())
    encoding, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, encoding, plain).decode()


@pytest.mark.parametrize("text", ["", "canary", pem_of_another_kind(), new_key()[1].decode()])
def test_what_is_no_signing_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(CheckpointError, match="expected an Ed25519") as found:
        private_key(text)
    assert "canary" not in str(found.value)


@pytest.mark.parametrize("text", [b"", b"x", new_key()[0]])
def test_what_is_no_public_key_is_refused(text: bytes) -> None:
    with pytest.raises(CheckpointError, match="expected an Ed25519 public key"):
        public_key(text)


def test_an_encrypted_key_is_refused() -> None:
    encryption = serialization.BestAvailableEncryption(b"x")
    formats = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    with pytest.raises(CheckpointError, match="expected an Ed25519 private key in PEM"):
        private_key(Ed25519PrivateKey.generate().private_bytes(*formats, encryption).decode())
