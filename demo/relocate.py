"""Debian's Alertmanager without an installation.

Debian's build reads its default templates from a fixed folder under /usr/share and refuses to start without them, and has
no option for it. Where the package is only unpacked, a copy is made that reads them from an open descriptor instead, with
a starter that opens the unpacked folder there. Neither the working folder nor any argument of the caller changes.
"""

import os
from pathlib import Path

_INSTALLED = b"/usr/share/prometheus/alertmanager"
_DESCRIPTOR = b"/proc/self/fd/9/" + b"./" * 9  # as long as the other
_STARTER = """#!/bin/sh
exec 9<"${0%/*}/../usr/share/prometheus/alertmanager"
exec "$0.bin" "$@"
"""


def relocated(binary: Path) -> Path:
    """What to start instead of `ROOT/usr/bin/NAME`: itself, unless it wants a folder that only ROOT has."""
    root = binary.parents[2]
    starter = root / "relocated" / binary.name
    if starter.exists():
        return starter
    unpacked = root / os.fsdecode(_INSTALLED).lstrip("/")
    if Path(os.fsdecode(_INSTALLED)).is_dir() or not unpacked.is_dir():
        return binary
    starter.parent.mkdir(exist_ok=True)
    _write(starter.with_name(f"{starter.name}.bin"), binary.read_bytes().replace(_INSTALLED, _DESCRIPTOR))
    _write(starter, _STARTER.encode())
    return starter


def _write(program: Path, content: bytes) -> None:
    """Whole or not at all: two may do it at once."""
    draft = program.with_name(f"{program.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.chmod(0o755)
    draft.replace(program)
