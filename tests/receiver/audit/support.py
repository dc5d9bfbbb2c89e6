"""An audit in a real database, as the receiver holds it, and chains of records without one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection

from receiver import schema
from receiver.audit.chain import CREATED, START, Record, digest
from receiver.audit.checkpoints import Checkpoints
from receiver.audit.export import lines
from receiver.audit.seal import Audit
from receiver.audit.walk import Trouble
from receiver.database import Database, opened
from tests.receiver.support import NOW

MAC_KEY = b"k" * 32
SIGNING = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
DATABASE = "d" * 32

T = TypeVar("T")


def pem(key: Ed25519PrivateKey = SIGNING) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def chain(
    length: int, *, start: Sequence[bytes] = (), word: str = "something", database: str = DATABASE
) -> list[bytes]:
    """The bytes of this many records, which go on from those that are there."""
    found = list(start)
    while len(found) < length:
        seq, prev = len(found) + 1, digest(found[-1]) if found else START
        kind, subject = (CREATED, f"database/{database}") if seq == 1 else ("test.done", f"thing/{seq:x}")
        found.append(Record(seq, NOW + seq, kind, subject, "desk-1", {"said": word, "list": ["1", "2"]}, prev).bytes)
    return found


def freeze(number: int = 1, **other: Any) -> dict[str, Any]:
    row = {"id": f"{number:016x}", "scope": "everything", "name": "", "person": "desk-1", "reason": "test", "at": NOW}
    return {**row, "lifted_at": None, **other}


@dataclass
class Held:
    """A database with an audit, begun and covered by checkpoint 1."""

    path: Path
    database: Database
    checkpoints: Checkpoints
    audit: Audit = field(init=False)

    def start(self, signing: Ed25519PrivateKey = SIGNING, mac_key: bytes = MAC_KEY) -> list[str]:
        """What a start finds."""
        self.checkpoints = Checkpoints(self.checkpoints.folder, signing, lambda: NOW)
        self.audit = Audit(mac_key, lambda: NOW)
        return told(self.run(lambda connection: self.audit.begin(connection, self.checkpoints)))

    def run(self, work: Callable[[Connection], T]) -> T:
        """One transaction, with what the writer does at its end."""
        with self.database.writing.begin() as connection:
            result = work(connection)
            end = self.audit.closing(connection)
        self.audit.committed(end)
        return result

    def put(self, row: dict[str, Any], state: str = "standing") -> dict[str, Any]:
        return self.run(
            lambda connection: self.audit.write(
                connection, schema.freezes, row, kind="freeze.made", by="desk-1", data={"state": state}
            )
        )

    def get(self, number: int = 1) -> dict[str, Any] | None:
        with self.database.reading.begin() as connection:
            return self.audit.read(connection, schema.freezes, f"{number:016x}")

    def say(self, count: int = 1, word: str = "x") -> None:
        def work(connection: Connection) -> None:
            for _ in range(count):
                self.audit.append(connection, kind="test.done", subject="person/x", by="desk-1", data={"said": word})

        self.run(work)

    def cover(self) -> None:
        self.checkpoints.write(self.audit.database, self.audit.known)

    def verify(self) -> list[str]:
        """What a look at everything finds while it runs."""
        with self.database.reading.begin() as connection:
            return told(self.audit.verify(connection, self.checkpoints))

    def export(self) -> bytes:
        with self.database.reading.begin() as connection:
            return b"".join(lines(connection))

    def execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute(statement)

    def attack(self, script: str) -> None:
        """What somebody does who can write to the file; what is there to stop accidents is put back afterwards."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for name in ("audit_no_update", "audit_no_delete"):
                connection.execute(f"DROP TRIGGER {name}")
            connection.executescript(script)
            for statement in schema.APPEND_ONLY:
                connection.execute(statement)


def told(troubles: tuple[Trouble, ...]) -> list[str]:
    return [str(trouble) for trouble in troubles]


@contextmanager
def held(folder: Path) -> Iterator[Held]:
    with opened(folder / "r.db") as database:
        found = Held(folder / "r.db", database, Checkpoints(folder / "checkpoints", SIGNING, lambda: NOW))
        assert found.start() == []
        found.cover()
        yield found
