"""Reading in steps: whoever reads yields the calls that it needs, and is given their replies.

All that are to be read take their steps together, so that each step of a thousand pools is one request or a few.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from adapters.evm import EthCall, View
from occ.errors import Reason, SourceError
from occ.jsonrpc import Call

K = TypeVar("K")
T = TypeVar("T")

Reply = bytes | SourceError
Steps = Generator[tuple[EthCall, ...], Sequence[Reply], T]

LIMIT = 40
"""Steps that any reading may take at a block."""


def needed(what: str, reply: Reply) -> bytes:
    """A reply without which there is no reading. Raises what befell the call, with its name."""
    if isinstance(reply, SourceError):
        raise SourceError(reply.reason, f"{what}: {reply}")
    return reply


def optional(what: str, reply: Reply) -> bytes | None:
    """A reply; None where the contract reverts, for it does not tell. Raises what else befell the call: it may tell the next time."""
    return None if isinstance(reply, SourceError) and reply.reason is Reason.REVERTED else needed(what, reply)


Begin = Callable[[], Steps[T]]


class _Layout(Generic[K]):
    """The calls of all first steps in one row, and whose each of them is."""

    def __init__(self, asked: Mapping[K, tuple[EthCall, ...]]) -> None:
        self.asked = asked
        self.calls = tuple(call for calls in asked.values() for call in calls)
        self.owners = [key for key, calls in asked.items() for _ in calls]
        ends = itertools.accumulate(map(len, asked.values()))
        self.places = {key: slice(end - len(asked[key]), end) for key, end in zip(asked, ends, strict=True)}

    def same(self, asked: Mapping[K, tuple[EthCall, ...]]) -> bool:
        """Whether it is the layout of these too, by identity."""
        if self.asked is asked:
            return True
        return self.asked.keys() == asked.keys() and all(map(operator.is_, self.asked.values(), asked.values()))


class Together(Generic[K, T]):
    """Takes the steps of many; the calls of the same first steps are one and the same object from block to block.

    A reading of one step that is told the same as at the block before has the same outcome, and is not gone through again: at
    most blocks most pools are as they were. Whose outcome leans on what else it remembers is to be forgotten when that changes.
    """

    def __init__(self) -> None:
        self.gone_through: Collection[K] = ()
        """Those of the last take whose outcome may be another one than before."""
        self._layout: _Layout[K] = _Layout({})
        self._replies: Sequence[Reply] = ()
        self._outcomes: dict[K, T | SourceError] = {}

    def forget(self, key: K) -> None:
        """Goes through this reading the next time, whatever is told."""
        self._outcomes.pop(key, None)

    async def take(
        self,
        view: View,
        reading: Mapping[K, Begin[T]],
        beside: Sequence[Call] = (),
        told: Callable[[list[Any | SourceError]], None] = lambda _: None,
    ) -> dict[K, T | SourceError]:
        """What each has read, or its SourceError. `told` gets the answers to what is asked beside the first step, before any
        reading is told its replies. Raises SourceError for what befell all.
        """
        outcomes: dict[K, T | SourceError] = {}
        begun: dict[K, Steps[T]] = {}
        self.gone_through = begun.keys()
        asked = self._first(reading, begun, outcomes)
        if not self._layout.same(asked):
            self._layout, self._replies = _Layout(asked), ()
        if asked or beside:
            replies, answers = await view.read(self._layout.calls, beside)
            told(answers)
            asked = self._second(reading, begun, replies, outcomes)
        for _ in range(LIMIT):
            if not asked:
                return outcomes
            replies, _ = await view.read(tuple(call for calls in asked.values() for call in calls))
            asked = _next(begun, asked, replies, outcomes)
        raise AssertionError(f"{len(asked)} readings take more than {LIMIT} steps")

    def _first(
        self, reading: Mapping[K, Begin[T]], begun: dict[K, Steps[T]], outcomes: dict[K, T | SourceError]
    ) -> Mapping[K, tuple[EthCall, ...]]:
        """What is asked at first: of a reading whose outcome is known the same as before."""
        if self._outcomes.keys() == reading.keys():
            return self._layout.asked
        for key in self._outcomes.keys() - reading.keys():
            self.forget(key)
        asked = {}
        for key, begin in reading.items():
            if key in self._outcomes:
                asked[key] = self._layout.asked[key]
            elif calls := _step(begun.setdefault(key, begin()), None, key, outcomes):
                asked[key] = calls
        return asked

    def _second(
        self,
        reading: Mapping[K, Begin[T]],
        begun: dict[K, Steps[T]],
        replies: Sequence[Reply],
        outcomes: dict[K, T | SourceError],
    ) -> dict[K, tuple[EthCall, ...]]:
        """What is asked next. Who was told the same as before is not gone through."""
        layout = self._layout
        for key in self._changed(replies):
            self._outcomes.pop(key, None)
        self._replies = replies
        outcomes |= self._outcomes
        waiting = {}
        for key in [key for key in layout.asked if key not in self._outcomes]:
            calls = layout.asked[key]
            wanted = calls if key in begun else _step(begun.setdefault(key, reading[key]()), None, key, outcomes)
            if wanted == calls:
                wanted = _step(begun[key], replies[layout.places[key]], key, outcomes)
                if wanted is None:
                    self._outcomes[key] = outcomes[key]
            if wanted:
                waiting[key] = wanted
        return waiting

    def _changed(self, replies: Sequence[Reply]) -> Iterable[K]:
        """Who is told something else than before; all, where they were asked something else before."""
        if len(replies) != len(self._replies):
            return self._layout.owners
        return itertools.compress(self._layout.owners, map(operator.ne, replies, self._replies))


def _next(
    begun: Mapping[K, Steps[T]],
    asked: Mapping[K, tuple[EthCall, ...]],
    replies: Sequence[Reply],
    outcomes: dict[K, T | SourceError],
) -> dict[K, tuple[EthCall, ...]]:
    at, waiting = 0, {}
    for key, calls in asked.items():
        if wanted := _step(begun[key], replies[at : at + len(calls)], key, outcomes):
            waiting[key] = wanted
        at += len(calls)
    return waiting


def _step(
    steps: Steps[T], replies: Sequence[Reply] | None, key: K, outcomes: dict[K, T | SourceError]
) -> tuple[EthCall, ...] | None:
    """The calls of the next step; None when there is none, for then the outcome is known."""
    try:
        return next(steps) if replies is None else steps.send(replies)
    except StopIteration as end:
        outcomes[key] = end.value
    except SourceError as error:
        outcomes[key] = error
    return None
