"""The corroborated head of a chain, and who vouches for it.

It is the highest head that two providers have reached. A head that is higher than the chain could have grown, by the
timestamps of the blocks themselves, is not plausible beside the others and does not count; nor do nodes of another chain.
With two providers it is the higher plausible head. With one there is no second witness: then the wall clock and the usual
block time say where the head should be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from exporters.nodes.reading import Block
from occ.job import Target

GROWTH = 3.0
"""How many times faster than `block_time` a chain may grow and still be believed."""

GRACE_SECONDS = 30.0
"""Growth that timestamps need not explain: nodes are not asked at the same instant, and blocks come in bursts."""

GRACE_BLOCKS = 3

EARLY_BLOCKS = 12
"""By so many block times a block may be stamped ahead of the clock and still be believed: miners set theirs ahead."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A node's head, who vouches for it, and when it was seen (Unix time)."""

    target: Target
    provider: str
    head: Block
    at: float


@dataclass(frozen=True, slots=True)
class Truth:
    """The corroborated head as seen at `at`. `expected` is where a head should be by then: later only for a lone witness."""

    head: Block
    at: float
    expected_number: int
    expected_timestamp: float

    def lag(self, witness: Witness, block_time: float) -> tuple[float, float]:
        """Blocks and seconds by which a node is behind; how much earlier it was asked is not held against it."""
        earlier = max(self.at - witness.at, 0.0)
        blocks = self.expected_number - witness.head.number - math.floor(earlier / block_time)
        return float(max(blocks, 0)), max(self.expected_timestamp - witness.head.timestamp - earlier, 0.0)

    def below(self, witness: Witness, block_time: float) -> int:
        """Blocks by which a node is under the head itself: that the whole chain is late is no node's fault."""
        earlier = max(self.at - witness.at, 0.0)
        return max(self.head.number - witness.head.number - math.floor(earlier / block_time), 0)


def corroborated(witnesses: Sequence[Witness], block_time: float) -> Truth | None:
    """The truth about a chain's head by plausible witnesses; None without any."""
    best: dict[str, Witness] = {}
    for witness in witnesses:
        if witness.provider not in best or witness.head.number > best[witness.provider].head.number:
            best[witness.provider] = witness
    ranked = sorted(best.values(), key=lambda witness: witness.head.number, reverse=True)
    match ranked:
        case []:
            return None
        case [alone]:
            return _by_the_clock(alone, block_time)
        case [first, _]:
            return Truth(first.head, first.at, first.head.number, first.head.timestamp)
        case [_, second, *_]:
            return Truth(second.head, second.at, second.head.number, second.head.timestamp)
    raise AssertionError


def plausible(witnesses: Sequence[Witness], block_time: float) -> list[Witness]:
    """The witnesses whose heads fit together, by most providers; where two groups are as strong, that of the lower head.

    Heads from the future are left out, but where most providers have such: then it is this clock that is wrong.
    """
    present = [witness for witness in witnesses if not _early(witness, block_time)]
    if 2 * len(_providers(present)) >= len(_providers(witnesses)):
        witnesses = present
    providers: dict[Head, set[str]] = {}
    for witness in witnesses:
        providers.setdefault((witness.head.number, witness.head.timestamp), set()).add(witness.provider)

    def company(head: Head) -> list[Head]:
        return [other for other in providers if _fit(head, other, block_time)]

    def strength(head: Head) -> tuple[int, int]:
        return len(set().union(*(providers[other] for other in company(head)))), -head[0]

    if not providers:
        return []
    kept = set(company(max(providers, key=strength)))
    return [witness for witness in witnesses if (witness.head.number, witness.head.timestamp) in kept]


Head = tuple[int, float]
"""Height and timestamp. Of a hundred nodes most have the same, so that comparing all with all is cheap."""


def _fit(one: Head, other: Head, block_time: float) -> bool:
    """Whether one chain could have grown from the lower of two heads to the higher in the time between their blocks."""
    low, high = min(one, other), max(one, other)
    explained = max(high[1] - low[1], 0.0) + GRACE_SECONDS
    return high[0] - low[0] <= GROWTH * explained / block_time + GRACE_BLOCKS


def _providers(witnesses: Sequence[Witness]) -> set[str]:
    return {witness.provider for witness in witnesses}


def _early(witness: Witness, block_time: float) -> bool:
    """Whether the block is from the future."""
    return witness.head.timestamp > witness.at + GRACE_SECONDS + EARLY_BLOCKS * block_time


def _by_the_clock(alone: Witness, block_time: float) -> Truth:
    missing = math.floor(max(alone.at - alone.head.timestamp, 0.0) / block_time)
    return Truth(alone.head, alone.at, alone.head.number + missing, alone.head.timestamp + missing * block_time)
