"""Signed checkpoints: which record was the newest, at what time, said outside of the database.

Each is a file of its own in a folder that whoever can write to the database can not write to. Numbers grow by one, and each
holds the hash of the file before, so the newest one is known also after an older database was put back.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import rfc8785
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from occ.errors import OccError

from .chain import START, Head

VERSION = "occ-checkpoint-v1"
_DOMAIN = VERSION.encode() + b"\0"
_NAME = re.compile(r"checkpoint-(\d{10})\.json")


class CheckpointError(OccError):
    """A checkpoint can not be read, believed or written; the message says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The record `seq` of a database has this hash. `at` is in microseconds since 1970, UTC."""

    number: int
    database: str
    seq: int
    hash: str
    at: int
    key: str
    """SHA-256 of the 32 bytes of the public key."""
    previous: str
    """SHA-256 of the file of the checkpoint before; zeros in the first."""

    @property
    def message(self) -> bytes:
        """What is signed."""
        return _DOMAIN + rfc8785.dumps(self._fields)

    def file(self, signature: bytes) -> bytes:
        """RFC 8785: the fields and the signature in hexadecimal digits."""
        return rfc8785.dumps({**self._fields, "signature": signature.hex()})

    @property
    def _fields(self) -> dict[str, str | int]:
        return {**asdict(self), "v": VERSION}


_FIELDS = {name: int if kind == "int" else str for name, kind in Checkpoint.__annotations__.items()}


def read(raw: bytes, *keys: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint in these bytes, signed by one of the keys. Raises CheckpointError."""
    try:
        found = orjson.loads(raw)
        if {name: type(value) for name, value in found.items()} != {**_FIELDS, "signature": str, "v": str}:
            raise CheckpointError("it has not the fields of a checkpoint")
        signature, version = bytes.fromhex(found.pop("signature")), found.pop("v")
        checkpoint = Checkpoint(**found)
        if version != VERSION or checkpoint.file(signature) != raw:
            raise CheckpointError(f"it is no {VERSION} in canonical form")
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"it can not be read: {error}") from None
    key = next((key for key in keys if key_id(key) == checkpoint.key), None)
    if key is None:
        raise CheckpointError(f"it is signed by another key ({checkpoint.key[:16]}…)")
    try:
        key.verify(signature, checkpoint.message)
    except InvalidSignature:
        raise CheckpointError("its signature is wrong") from None
    return checkpoint


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of the 32 bytes of the key, as 64 hexadecimal digits."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def new_key() -> tuple[bytes, bytes, Ed25519PublicKey]:
    """A new key: the private one in PEM (PKCS #8, not encrypted), the public one in PEM, and the public one."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, pem, public


def private_key(pem: str) -> Ed25519PrivateKey:
    """The signing key in this text (PEM, PKCS #8). Raises CheckpointError, without a word of the text."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CheckpointError("expected an Ed25519 private key in PEM, as `occ audit key` makes it") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CheckpointError("expected an Ed25519 key, as `occ audit key` makes it")
    return key


def public_key(pem: bytes) -> Ed25519PublicKey:
    """The public key in this text (PEM). Raises CheckpointError."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise CheckpointError("expected an Ed25519 public key in PEM, as `occ audit key` makes it") from None
    if not isinstance(key, Ed25519PublicKey):
        raise CheckpointError("expected an Ed25519 public key")
    return key


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the folder: its number by its name, and its bytes."""

    number: int
    path: Path
    raw: bytes

    @property
    def digest(self) -> str:
        """What the next one has for `previous`."""
        return hashlib.sha256(self.raw).hexdigest()

    def read(self, *keys: Ed25519PublicKey) -> Checkpoint:
        """Raises CheckpointError, with the file's name."""
        try:
            checkpoint = read(self.raw, *keys)
        except CheckpointError as error:
            raise CheckpointError(f"{self.path.name}: {error}") from None
        if checkpoint.number != self.number:
            raise CheckpointError(f"{self.path.name}: it is number {checkpoint.number}")
        return checkpoint


def stored(folder: Path) -> list[Path]:
    """The files of the folder in the order of their numbers. Raises CheckpointError."""
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except OSError as error:
        raise CheckpointError(f"can not read the folder of checkpoints {folder}: {error.strerror}") from None


def taken(path: Path) -> Stored:
    """The file's bytes. Raises CheckpointError."""
    try:
        return Stored(int(path.name[11:21]), path, path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"can not read {path}: {error.strerror}") from None


class Checkpoints:
    """The folder, and the key that signs. Used from several threads."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey, now: Callable[[], int]) -> None:
        self.folder = folder
        self.key = key.public_key()
        self._key = key
        self._now = now
        self._lock = threading.Lock()
        self._covered: tuple[str, Head] | None = None
        self._last: Stored | None = None  # so that a folder of many is not read for each

    def create(self) -> None:
        """Makes the folder where there is none: for a new database alone, of an older one it must be there."""
        try:
            self.folder.mkdir(mode=0o755, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"can not make the folder of checkpoints {self.folder}: {error.strerror}") from None

    def newest(self) -> Stored | None:
        """The one with the highest number; None where there is none. Raises CheckpointError."""
        paths = stored(self.folder)
        return taken(paths[-1]) if paths else None

    def write(self, database: str, head: Head) -> None:
        """Returns once a checkpoint of this record is on the disk. Raises CheckpointError."""
        with self._lock:
            if self._covered == (database, head):
                return
            before, self._last = self._last or self.newest(), None
            checkpoint = Checkpoint(
                number=before.number + 1 if before else 1,
                database=database,
                seq=head.seq,
                hash=head.hash,
                at=self._now(),
                key=key_id(self.key),
                previous=before.digest if before else START,
            )
            path = self.folder / f"checkpoint-{checkpoint.number:010}.json"
            content = checkpoint.file(self._key.sign(checkpoint.message))
            _put(path, content)
            self._last, self._covered = Stored(checkpoint.number, path, content), (database, head)


def _put(path: Path, content: bytes) -> None:
    """The whole file or none, on the disk, and never over another. Raises CheckpointError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # fails where there is one, as a rename would not
        draft.unlink()
        _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise CheckpointError(f"can not write the checkpoint {path}: {error.strerror}") from None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
