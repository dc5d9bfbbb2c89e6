"""Whether nodes that have the same block tell the same state of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from exporters.nodes.reading import Pinned
from occ.job import Target

KEPT = 8

V = TypeVar("V", bound=Hashable)


def majority(votes: Mapping[Target, V]) -> V | None:
    """What more than half of the providers say; a provider says what more than half of its nodes do.

    None where no such thing is said.
    """
    said: dict[str, list[V]] = {}
    for target, value in votes.items():
        said.setdefault(target.facts["provider"], []).append(value)
    return _strict([_strict(values) for values in said.values()])


def _strict(values: Sequence[V | None]) -> V | None:
    """What more than half of these are; None where no such thing is."""
    return next((value for value, count in Counter(values).items() if 2 * count > len(values)), None)


def dissenters(votes: Mapping[Target, V]) -> set[Target]:
    """Who differs from a strict majority of providers; nobody where there is none."""
    right = majority(votes)
    return set() if right is None else {target for target, value in votes.items() if value != right}


@dataclass
class _Ballot:
    """What the nodes told of one block, and who of them differs: counted again only after another vote."""

    votes: dict[Target, str] = field(default_factory=dict)
    counted: set[Target] | None = None

    def cast(self, target: Target, state: str) -> None:
        self.votes[target] = state
        self.counted = None

    @property
    def dissenters(self) -> set[Target]:
        if self.counted is None:
            self.counted = dissenters(self.votes)
        return self.counted


@dataclass
class Ballots:
    """What the nodes of one chain told of the state at pinned blocks.

    A ballot is judged when the next one is open, once for each node: by then all have had their say.
    """

    _ballots: dict[Pinned, _Ballot] = field(default_factory=dict)
    _judged: dict[Target, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._ballots)

    def cast(self, target: Target, pinned: Pinned, state: str) -> bool:
        """Takes a node's vote; whether it differed from the majority the time before."""
        dissented = self._dissented(target, pinned.number)
        self._ballots.setdefault(pinned, _Ballot()).cast(target, state)
        while len(self._ballots) > KEPT:
            del self._ballots[next(iter(self._ballots))]
        return dissented

    def _dissented(self, target: Target, number: int) -> bool:
        judged = self._judged.get(target, -1)
        closed = [ballot for pinned, ballot in self._ballots.items() if judged < pinned.number < number]
        self._judged[target] = max(judged, number - 1)
        return any(target in ballot.dissenters for ballot in closed)
