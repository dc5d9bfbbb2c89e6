"""Any history that a ledger may live through, and what must hold at each step of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from occ.errors import Reason, SourceError
from occ.ledger import DeepReorgError, Logged, Standing, Stream
from occ.page import Event
from tests.occ.ledger_chain import (
    DEEP,
    Chain,
    Node,
    caught_up,
    copied,
    counting,
    deep_reorgs,
    recount,
    shown,
    stored,
    summed,
    swap,
    totals,
    watch,
)

CONFIRMATIONS = 3


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Mishap:
    """Something that happens at a question, in the middle of an advance."""

    at: int
    what: Callable[[], None]

    def __call__(self, call: int) -> None:
        if call == self.at:
            self.what()


class Patient(Node):
    """Answers a little later, so that others come in between."""

    async def head(self) -> int:
        await asyncio.sleep(0)
        return await super().head()

    async def block_hash(self, number: int) -> str:
        await asyncio.sleep(0)
        return await super().block_hash(number)

    async def logs(self, first: int, last: int) -> Sequence[Logged]:
        await asyncio.sleep(0)
        return await super().logs(first, last)


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


events = st.lists(
    st.builds(swap, st.integers(0, 2), st.one_of(st.just(0.0), st.integers(1, 2**256), st.floats(0.01, 1e9))),
    max_size=4,
).map(lambda swaps: [event for each in swaps for event in each])
START = 2


class AnyHistory(RuleBasedStateMachine):
    """A chain that grows and reorganises at any depth, nodes that lag, refuse and fail, ends of every kind."""

    @initialize(length=st.integers(1, 12))
    def begin(self, length: int) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=_memory())
        self.runner = asyncio.Runner()
        self.chain = Chain(length)
        self.node = Node(self.chain)
        self.generation = 0
        self.deep = False
        with self._counting():
            pass
        watch(self.path)
        self._start()

    @property
    def path(self) -> Path:
        return Path(self.folder.name, f"{self.generation}.db")

    def _counting(self) -> Any:
        return counting(self.path, confirmations=CONFIRMATIONS, start_block=START)

    def _start(self) -> None:
        self.open = self._counting()
        self.ledger, self.stream = self.open.__enter__()

    @rule(blocks=st.integers(1, 6), events=events)
    def mine(self, blocks: int, events: list[Event]) -> None:
        self.chain.mine(blocks, events)

    @rule(depth=st.integers(1, CONFIRMATIONS), more=st.integers(-2, 2), events=events)
    def shallow(self, depth: int, more: int, events: list[Event]) -> None:
        """As deep as may be, counted from the highest head that was ever seen."""
        counted = self.stream.state.cursor.number if self.stream.state else -1
        depth = min(depth, self.chain.head - max(counted, 0))
        if depth > 0:
            self.chain.reorganise(depth, blocks=max(depth + more, 1), events=events)

    @rule(depth=st.integers(CONFIRMATIONS + 1, 40), more=st.integers(-20, 5), events=events)
    def reorganise(self, depth: int, more: int, events: list[Event]) -> None:
        self._reorganise(depth, more, events)

    def _reorganise(self, depth: int, more: int, events: list[Event]) -> None:
        """Deep is what takes out a counted block, whatever the head was by then."""
        depth = min(depth, self.chain.head)
        if depth > 0:
            counted = self.stream.state.cursor.number if self.stream.state else -1
            self.deep = self.deep or self.chain.head - depth < counted
            self.chain.reorganise(depth, blocks=max(depth + more, 0), events=events)

    @rule(lag=st.integers(0, 12))
    def lag(self, lag: int) -> None:
        self.node.lag = lag

    @rule(blocks=st.integers(1, 12), logs=st.integers(1, 8))
    def limits(self, blocks: int, logs: int) -> None:
        self.node.most_blocks, self.node.most_logs = blocks, logs

    @rule(at=st.integers(1, 25), depth=st.integers(1, 12), events=events)
    def advance_while_it_reorganises(self, at: int, depth: int, events: list[Event]) -> None:
        self._advance(Mishap(at, lambda: self._reorganise(depth, 0, events)))

    @rule(at=st.integers(1, 25), reason=st.sampled_from(Reason))
    def advance_while_it_fails(self, at: int, reason: Reason) -> None:
        self._advance(Mishap(at, raising(SourceError(reason, "failed"))))

    @rule(at=st.integers(1, 25))
    def advance_and_give_up(self, at: int) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._advance(Mishap(at, raising(asyncio.CancelledError())))

    @rule(at=st.integers(1, 25))
    def advance_and_be_killed(self, at: int) -> None:
        with contextlib.suppress(Killed):
            self._advance(Mishap(at, raising(Killed())))
        before = self.path
        self.generation += 1
        copied(before, self.path)
        self.open.__exit__(None, None, None)
        self._start()

    @rule()
    def restart(self) -> None:
        before = shown(self.ledger)
        self.open.__exit__(None, None, None)
        self._start()
        assert shown(self.ledger) == before | {(DEEP.name, "ethereum"): deep_reorgs(self.stream)}

    @rule(steps=st.integers(0, 40), ended=st.booleans())
    def reload(self, steps: int, ended: bool) -> None:  # noqa: FBT001 - hypothesis hands it over by name
        """The new one is opened and begins while the old one is at work, which is ended there, or ends by itself."""
        before = shown(self.ledger)
        again = self._counting()
        ledger, stream = again.__enter__()
        self.runner.run(self._both(stream, steps, ended=ended))
        self.open.__exit__(None, None, None)
        self.open, self.ledger, self.stream = again, ledger, stream
        assert all(shown(ledger)[key] >= value for key, value in before.items())

    async def _both(self, stream: Stream, steps: int, *, ended: bool) -> None:
        node = Patient(**vars(self.node))
        old = asyncio.create_task(caught_up(self.stream, node))
        for _ in range(steps):
            await asyncio.sleep(0)
        if ended:
            old.cancel()
        for outcome in await asyncio.gather(old, caught_up(stream, node), return_exceptions=True):
            assert isinstance(outcome, Standing | SourceError | asyncio.CancelledError), outcome

    @rule()
    def advance(self) -> None:
        """Undisturbed: all that is deep enough is counted, and all that is not is shown; or the error says why not."""
        left = self._left()
        counted = self.stream.state.cursor.number if self.stream.state else -1
        standing = self._advance(Mishap(0, lambda: None))
        seen = self.chain.blocks[: max(len(self.chain.blocks) - self.node.lag, 1)]
        if isinstance(standing, DeepReorgError):
            assert left
        elif isinstance(standing, SourceError):
            assert left or len(seen) - 1 < counted
        else:
            assert not left
            assert standing.cursor == max(counted, len(seen) - 1 - CONFIRMATIONS)
            tail = summed(block for block in seen[standing.cursor + 1 :] if block.number >= START)
            assert standing.unconfirmed == {key: float(amount) for key, amount in tail.items()}
            if not self.deep:
                assert totals(self.stream) == self.chain.recount(START, standing.cursor)

    def _left(self) -> bool:
        """Whether what is counted has left the chain."""
        state = self.stream.state
        return state is not None and state.cursor.number >= 0 and not self.chain.holds(state.cursor.hash)

    def _advance(self, mishap: Callable[[int], None]) -> Standing | SourceError:
        node, before = self.node, shown(self.ledger)
        node.calls, node.before = 0, mishap
        try:
            return self.runner.run(self._caught_up())
        except SourceError as error:
            return error
        finally:
            node.before = lambda _call: None
            now = shown(self.ledger)
            assert all(now[key] >= value for key, value in before.items())

    async def _caught_up(self) -> Standing:
        return await caught_up(self.stream, self.node)

    @invariant()
    @precondition(lambda self: hasattr(self, "stream"))
    def the_file_equals_a_recount_of_the_way_its_cursor_went(self) -> None:
        expected, back = recount(self.path, self.chain, START)
        assert stored(self.path) == expected == totals(self.stream)
        assert deep_reorgs(self.stream) == back
        assert self.deep or not back

    def teardown(self) -> None:
        if hasattr(self, "open"):
            self.open.__exit__(None, None, None)
            self.runner.close()
            self.folder.cleanup()


def _memory() -> str | None:
    """A folder that needs no disk, where there is one: what is tested here does not depend on it."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
