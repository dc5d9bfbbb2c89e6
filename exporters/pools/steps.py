"""Reading in steps: whoever reads yields the calls that it needs, and is given their replies.

All that are to be read take their steps together, so that each step of a thousand pools is one request or a few.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeVar

from adapters.evm import EthCall, View
from occ.errors import SourceError
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


class Together:
    """Takes the steps of many; the calls of the same first steps are one and the same object from block to block."""

    def __init__(self) -> None:
        self._before: tuple[list[tuple[EthCall, ...]], tuple[EthCall, ...]] = [], ()

    async def take(
        self,
        view: View,
        reading: Mapping[K, Steps[T]],
        beside: Sequence[Call] = (),
        told: Callable[[list[Any | SourceError]], None] = lambda _: None,
    ) -> dict[K, T | SourceError]:
        """What each has read, or its SourceError. `told` gets the answers to what is asked beside the first step, before the
        second is taken. Raises SourceError for what befell all.
        """
        outcomes: dict[K, T | SourceError] = {}
        waiting = {key: wanted for key, steps in reading.items() if (wanted := _step(steps, None, key, outcomes))}
        for number in range(LIMIT):
            if not waiting and (number or not beside):
                return outcomes
            replies, answers = await view.read(self._joined(list(waiting.values())), () if number else beside)
            if not number:
                told(answers)
            at, before, waiting = 0, waiting, {}
            for key, calls in before.items():
                wanted = _step(reading[key], replies[at : at + len(calls)], key, outcomes)
                at += len(calls)
                if wanted:
                    waiting[key] = wanted
        raise AssertionError(f"{len(waiting)} readings take more than {LIMIT} steps")

    def _joined(self, parts: list[tuple[EthCall, ...]]) -> tuple[EthCall, ...]:
        known, calls = self._before
        if len(parts) == len(known) and all(one is other for one, other in zip(parts, known, strict=True)):
            return calls
        calls = tuple(call for part in parts for call in part)
        self._before = parts, calls
        return calls


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
