"""`occ database`: copy the receiver's database while it runs, and put a copy back while it does not."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from occ.errors import OccError


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    given = _parser().parse_args(argv)
    try:
        return _backup(given) if given.command == "backup" else _restore(given)
    except ModuleNotFoundError as error:
        message = f"{error.name} is missing: install the extra `receiver`"
    except OccError as error:
        message = str(error)
    print(f"occ database: {message}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="occ database",
        description="Copy the receiver's database, also while it runs, and put a copy back, while it does not run.",
        epilog="Exit codes: 0 done; 1 copied, and the audit in it is not as it was written; 2 it could not be done.",
    )
    parser.add_argument("command", choices=("backup", "restore"), metavar="backup|restore")
    parser.add_argument("--config", type=Path, required=True, metavar="RECEIVER.YML", help="says where the database is")
    parser.add_argument("file", type=Path, metavar="FILE", help="the copy: made by backup, read by restore")
    return parser


def _backup(given: argparse.Namespace) -> int:
    from receiver.backup import backup  # noqa: PLC0415 - --help works without the extra

    troubles = backup(_path(given), given.file)
    print(f"{given.file}: copied and read through")
    for trouble in troubles:
        print(f"audit: {trouble}", file=sys.stderr)
    return 1 if troubles else 0


def _restore(given: argparse.Namespace) -> int:
    from receiver.backup import restore  # noqa: PLC0415

    path = _path(given)
    kept = restore(path, given.file, f"{datetime.now(UTC):replaced-%Y%m%dT%H%M%SZ}")
    print(f"{path}: is what {given.file} holds")
    if kept is not None:
        print(f"{kept}: what was there before")
    print("the receiver starts frozen if a checkpoint of the audit has seen more than this")
    return 0


def _path(given: argparse.Namespace) -> Path:
    from occ.config import load  # noqa: PLC0415
    from receiver.config import ReceiverConfig  # noqa: PLC0415

    return load(given.config, ReceiverConfig, secrets=False).config.database_path
