"""When heads came, and through which node first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from exporters.nodes.reading import Block
from occ.job import Target

REMEMBERED = 512


@dataclass(slots=True)
class _Sighting:
    """Who told a head first, and whether that has been credited."""

    first: Target | None
    credited: bool = False


class Arrivals:
    """The heads of one chain as its nodes tell them.

    `delayed` is called with the delay of each arrival, in seconds; `first` with the node that had a head before the
    others, once another provider (or, where there is only one, nobody else) vouches for that head: what one node made up
    earns it nothing.
    """

    def __init__(
        self,
        providers: int,
        delayed: Callable[[float], None],
        first: Callable[[Target], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._alone = providers == 1
        self._delayed = delayed
        self._first = first
        self._clock = clock
        self._seen: OrderedDict[str, _Sighting] = OrderedDict()
        self._heights: dict[Target, int] = {}
        self._delays: dict[Target, float] = {}

    def saw(self, target: Target, block: Block) -> float | None:
        """Takes note of a node's head; seconds by which its newest came after its timestamp, None before the second.

        The first look at a node finds a head that may have been there for long. A head that is no higher than the highest
        before is none that has come; one that is far below it begins anew, lest one made-up height ends all arrivals.
        """
        highest = self._heights.get(target)
        if highest is None or block.number < highest - REMEMBERED:
            self._heights[target] = block.number
            self._credit(target, block, fresh=False)
        elif block.number > highest:
            self._heights[target] = block.number
            self._delays[target] = max(self._clock() - block.timestamp, 0.0)
            self._delayed(self._delays[target])
            self._credit(target, block, fresh=True)
        return self._delays.get(target)

    def _credit(self, target: Target, block: Block, *, fresh: bool) -> None:
        sighting = self._seen.get(block.hash)
        if sighting is None:
            sighting = self._seen[block.hash] = _Sighting(target if fresh else None)
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            if not self._alone:
                return
        elif sighting.first and sighting.first.facts["provider"] == target.facts["provider"] and not self._alone:
            return
        if sighting.first and not sighting.credited:
            sighting.credited = True
            self._first(sighting.first)
