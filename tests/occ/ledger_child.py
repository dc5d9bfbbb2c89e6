"""What a test needs a process of its own for. Run as `python -m tests.occ.ledger_child WHAT PATH`; says what it sees."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
from pathlib import Path

from occ.errors import SourceError
from occ.ledger import LedgerError, opened
from tests.occ.ledger_chain import FAMILIES, Chain, Node, caught_up, counting, swap, totals

NOBODY = 65_534


def hold(path: Path) -> None:
    """Has the file open until told to end, or killed."""
    try:
        with opened(path, FAMILIES):
            say("held")
            sys.stdin.read()
    except LedgerError as error:
        say(str(error))
        sys.exit(1)


def cramped(path: Path) -> None:
    """Counts while no file may grow, then again when they may."""
    asyncio.run(_cramped(path))


async def _cramped(path: Path) -> None:
    chain = Chain(5)
    with counting(path) as (_, stream):
        await caught_up(stream, Node(chain))
        for pool in range(3):
            chain.mine(5, swap(pool, 0.1))
        before = stream.state
        _limit(path.with_name(path.name + "-wal").stat().st_size)
        for _ in range(2):
            try:
                await stream.advance(Node(chain))
            except SourceError as error:
                say(f"{error.reason}: {error}")
            assert stream.state is before
        _limit(resource.RLIM_INFINITY)
        await caught_up(stream, Node(chain))
        assert totals(stream) == chain.recount(0, chain.head - 3)
        say("all counted")


def _limit(size: int) -> None:
    """Python ignores the signal that comes with it, so writing beyond fails."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def unwritable(_: Path) -> None:
    """A folder, and a file, that belong to somebody else. Root may write anywhere, so this is not done as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        there = folder / "there.db"
        asyncio.run(_made(there))
        Path(f"{there}.lock").chmod(0o666)
        if os.geteuid() == 0:
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        else:
            folder.chmod(0o555)
            there.chmod(0o444)
        for path in (folder / "new.db", there):
            try:
                with opened(path, FAMILIES):
                    say("opened")
            except LedgerError as error:
                say(str(error).replace(name, "FOLDER"))
        os.seteuid(os.getuid())
        folder.chmod(0o755)
        say(" ".join(sorted(each.name for each in folder.iterdir())))


async def _made(path: Path) -> None:
    with counting(path) as (_, stream):
        await stream.advance(Node(Chain(9)))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {each.__name__: each for each in (hold, cramped, unwritable)}[sys.argv[1]](Path(sys.argv[2]))
