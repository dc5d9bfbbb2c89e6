"""Whether nodes that have the same block tell the same state of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from exporters.nodes.reading import Pinned
from occ.job import Target

KEPT = 8

V = TypeVar("V", bound=Hashable)


def majority(votes: Mapping[Target, V]) -> V | None:
    """What more than half of the providers say; None where no such thing is said. Whose nodes differ has no vote."""
    said: dict[str, set[V]] = {}
    for target, value in votes.items():
        said.setdefault(target.facts["provider"], set()).add(value)
    counts: dict[V, int] = {}
    for values in said.values():
        if len(values) == 1:
            counts[next(iter(values))] = counts.get(next(iter(values)), 0) + 1
    return next((value for value, count in counts.items() if 2 * count > len(said)), None)


def dissenters(votes: Mapping[Target, V]) -> set[Target]:
    """Who differs from a strict majority of providers; nobody where there is none."""
    right = majority(votes)
    return set() if right is None else {target for target, value in votes.items() if value != right}


@dataclass
class Ballots:
    """What the nodes of one chain told of the state at pinned blocks.

    A ballot is judged when the next one is open, once for each node: by then all have had their say.
    """

    _votes: dict[Pinned, dict[Target, str]] = field(default_factory=dict)
    _judged: dict[Target, int] = field(default_factory=dict)

    def cast(self, target: Target, pinned: Pinned, state: str) -> bool:
        """Takes a node's vote; whether it differed from the majority the time before."""
        dissented = self._dissented(target, pinned.number)
        self._votes.setdefault(pinned, {})[target] = state
        while len(self._votes) > KEPT:
            del self._votes[next(iter(self._votes))]
        return dissented

    def _dissented(self, target: Target, number: int) -> bool:
        judged = self._judged.get(target, -1)
        closed = [votes for pinned, votes in self._votes.items() if judged < pinned.number < number and target in votes]
        self._judged[target] = max(judged, number - 1)
        return any(target in dissenters(votes) for votes in closed)
