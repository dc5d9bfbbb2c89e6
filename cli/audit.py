"""`occ audit`: take the audit out, verify it offline, make the key that signs its checkpoints."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from occ.errors import OccError


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    given = _parser().parse_args(argv)
    try:
        code: int = given.run(given)
    except ModuleNotFoundError as error:
        return _failed(f"{error.name} is missing: install the extra `receiver`")
    except OccError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error.filename or 'output'}: {error.strerror}")
    return code


def _failed(message: str) -> int:
    print(f"occ audit: {message}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="occ audit",
        description="Take the audit out of the receiver's database, and verify it. docs/audit.md has the format.",
        epilog="Exit codes: 0 all is well, 1 something is wrong with what was verified, 2 it could not be done.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    key = commands.add_parser("key", help="make a key that signs checkpoints")
    key.add_argument("file", type=Path, metavar="FILE", help="where the private key goes; the public one is FILE.pub")
    key.set_defaults(run=_key)
    export = commands.add_parser("export", help="write every record, a line each; also while the receiver runs")
    export.add_argument("--config", type=Path, required=True, metavar="FILE", help="the receiver's, as receiver.yml")
    export.add_argument("--output", type=Path, metavar="FILE", help="a new file; standard output without it")
    export.set_defaults(run=_export)
    verify = commands.add_parser("verify", help="verify an export offline, with the public key alone")
    verify.add_argument("export", metavar="EXPORT", help="the file; - is standard input")
    verify.add_argument("--key", type=Path, required=True, action="append", metavar="PUBLIC", help="may be given again")
    verify.add_argument("--checkpoints", type=Path, metavar="FOLDER", help="without it much goes unnoticed")
    verify.set_defaults(run=_verify)
    return parser


def _key(given: argparse.Namespace) -> int:
    from receiver.audit.checkpoints import key_id, new_key  # noqa: PLC0415 - --help works without the extra

    private, public, key = new_key()
    beside = given.file.with_name(f"{given.file.name}.pub")
    with _new(beside, 0o644) as file:
        file.write(public)
    with _new(given.file, 0o600) as file:
        file.write(private)
    print(f"{given.file}: for `signing_key` of the receiver, and for nobody else\n{beside}: for those who verify")
    print(f"key {key_id(key)}")
    return 0


def _export(given: argparse.Namespace) -> int:
    from occ.config import load  # noqa: PLC0415
    from receiver.audit.export import reading  # noqa: PLC0415
    from receiver.config import ReceiverConfig  # noqa: PLC0415

    path = load(given.config, ReceiverConfig, secrets=False).config.database_path
    with reading(path) as lines:
        if given.output is None:
            return _copy(lines, sys.stdout.buffer)
        with _new(given.output, 0o600) as file:
            return _copy(lines, file)


def _copy(lines: Iterable[bytes], file: BinaryIO) -> int:
    for line in lines:
        file.write(line)
    file.flush()
    return 0


def _verify(given: argparse.Namespace) -> int:
    from receiver.audit.checkpoints import public_key  # noqa: PLC0415
    from receiver.audit.verify import verify  # noqa: PLC0415

    keys = [public_key(path.read_bytes()) for path in given.key]
    with sys.stdin.buffer if given.export == "-" else Path(given.export).open("rb") as lines:
        verdict = verify(lines, given.checkpoints, *keys)
    print(
        f"database {verdict.database or 'unknown'}: {verdict.head.seq} records, {verdict.covered} covered by checkpoints"
    )
    print(f"newest record {verdict.head.hash}")
    for note in verdict.notes:
        print(f"note: {note}")
    for trouble in verdict.troubles:
        print(trouble)
    print("not as it was written" if verdict.troubles else "as it was written")
    return 1 if verdict.troubles else 0


@contextmanager
def _new(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A file that was not there; it is on the disk at the end."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
