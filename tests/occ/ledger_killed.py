"""Counts a chain in children that are killed at every kind of instant, and recounts after each. Run by its test.

    python -m tests.occ.ledger_killed FOLDER

A child is killed before the n-th SQL statement, at the n-th step within one, in the middle of writing the n-th byte of a
file, or at the n-th question to the node. Between children the chain grows and reorganises.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import random
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.occ.ledger_chain import (
    Chain,
    Node,
    caught_up,
    counting,
    deep_reorgs,
    random_events,
    recount,
    stored,
    totals,
    watch,
)

CONFIRMATIONS = 4
ROUNDS = 120

_connect = sqlite3.connect


def main(folder: Path) -> None:
    chance, chain, path = random.Random(7), Chain(CONFIRMATIONS + 1), folder / "pools.db"
    chain.mine(2 * CONFIRMATIONS, random_events(chance, 3))
    killed, counted = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    _while_it_is_made(folder, chain)
    asyncio.run(_count(path, Node(chain)))
    watch(path)
    for number in range(ROUNDS):
        _go_on(chain, chance)
        kind = list(KINDS)[number % len(KINDS)]
        before = stored(path)
        killed[kind] += _child(path, chain, functools.partial(KINDS[kind], chance))
        _verify(path, chain)
        counted[kind] += stored(path) != before
    asyncio.run(_count(path, Node(chain)))
    assert stored(path) == chain.recount(0, chain.head - CONFIRMATIONS)
    events = sum(len(block.events) for block in chain.blocks)
    sys.stdout.write(json.dumps({"killed": killed, "counted": counted, "events": events}))


def _while_it_is_made(folder: Path, chain: Chain) -> None:
    """A file whose maker was killed is a ledger like any other, whichever statement was the last."""
    for statements in range(24):
        path = folder / f"made-{statements}.db"
        assert _child(path, chain, functools.partial(_at_statement, statements))
        asyncio.run(_count(path, Node(chain)))
        assert stored(path) == chain.recount(0, chain.head - CONFIRMATIONS)
    assert not list(folder.glob("*.corrupt-*"))


def _go_on(chain: Chain, chance: random.Random) -> None:
    for _ in range(chance.randrange(2, 8)):
        chain.mine(1, random_events(chance, chance.randrange(4)))
    depth = chance.randrange(CONFIRMATIONS + 1)
    chain.reorganise(depth, blocks=depth + 1, events=random_events(chance, 2))


def _child(path: Path, chain: Chain, prepare: Callable[[Node], None]) -> bool:
    """Counts in a child, and tells whether it was killed on the way."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    code = 1
    try:
        node = Node(chain, most_blocks=3)
        prepare(node)
        asyncio.run(_count(path, node))
        code = 0
    finally:
        os._exit(code)


async def _count(path: Path, node: Node) -> None:
    with counting(path, confirmations=CONFIRMATIONS) as (_, stream):
        await caught_up(stream, node)


def _verify(path: Path, chain: Chain) -> None:
    """Whatever is on disk, totals and cursor agree."""
    with counting(path, confirmations=CONFIRMATIONS) as (_, stream):
        assert stream.state
        assert totals(stream) == chain.recount(0, stream.state.cursor.number)
        assert deep_reorgs(stream) == 0
    assert stored(path) == recount(path, chain, 0)[0]


# --- the ways to be killed -------------------------------------------------------------------------------------------


def _at(count: int) -> Callable[..., None]:
    """Kills at the call of that number."""
    left = iter(range(count))

    def call(*_: object) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def _patched(prepare: Callable[[sqlite3.Connection], None]) -> None:
    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = _connect(*args, **options)
        prepare(connection)
        return connection

    sqlite3.connect = connect  # type: ignore[assignment]


def _at_statement(count: int, _: Node) -> None:
    at = _at(count)
    _patched(lambda connection: connection.set_trace_callback(at))


def before_a_statement(chance: random.Random, node: Node) -> None:
    _at_statement(chance.randrange(60), node)


def within_a_statement(chance: random.Random, _: Node) -> None:
    at = _at(chance.randrange(2_500))
    _patched(lambda connection: connection.set_progress_handler(at, 7))


def within_a_write(chance: random.Random, _: Node) -> None:
    """The system ends the process when a file grows beyond the limit, after writing up to it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = chance.randrange(32_769, 70_000)  # the index of the log is 32,768 bytes from the start
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def at_a_question(chance: random.Random, node: Node) -> None:
    node.before = _at(chance.randrange(60))


KINDS: dict[str, Callable[[random.Random, Node], None]] = {
    kind.__name__: kind for kind in (before_a_statement, within_a_statement, within_a_write, at_a_question)
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
