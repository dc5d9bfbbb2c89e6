"""The heads that a node has told, so that it is noticed when one of them is no longer in its chain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from exporters.nodes.reading import Block

KEPT = 256
"""Heights of which the hash is remembered; a reorg is told as no deeper than these reach."""

PROBED = (0, 1, 2, 3, 4, 7, 12, 20, 33, 63, 127)
"""Which of the remembered heights are asked for again to find out how deep a reorg goes, from the highest down: all near
the top, and then as many as tell the histogram's buckets apart.
"""


class Trail:
    """Hashes by height, as one node told them; the last one is its newest head."""

    def __init__(self) -> None:
        self._hashes: dict[int, str] = {}

    @property
    def last(self) -> tuple[int, str] | None:
        """Height and hash of the newest head; None before the first."""
        return next(reversed(self._hashes.items()), None)

    def below(self, height: int) -> Sequence[int]:
        """The heights under this one that may be asked for again, from the highest down."""
        under = [number for number in reversed(self._hashes) if number < height]
        return [under[index] for index in PROBED if index < len(under)]

    def add(self, block: Block) -> None:
        """A head that goes on from the newest one; any other is left to `replace`, by whoever has looked."""
        last = self.last
        if (
            last is None
            or block.number > last[0] + 1
            or (block.number == last[0] + 1 and block.parent in (None, last[1]))
        ):
            self._keep(block)

    def replaced(self, found: Mapping[int, str | None]) -> int:
        """How many blocks up to the newest head are gone, at least; `found` is what the node has at these heights now.

        0 where they are all as they were. A height that the node has not reached (None) says nothing by itself.
        """
        gone = [number for number, now in found.items() if now is not None and self._hashes.get(number, now) != now]
        return 0 if not gone or self.last is None else self.last[0] - min(gone) + 1

    def turn(self, lowest: int, block: Block) -> None:
        """Forgets all from `lowest` up, which is gone, and goes on with the head that there is now."""
        for number in [number for number in self._hashes if number >= min(lowest, block.number)]:
            del self._hashes[number]
        self._keep(block)

    def _keep(self, block: Block) -> None:
        last = self.last
        if block.parent is not None and (last is None or last[0] < block.number - 1):
            self._hashes[block.number - 1] = block.parent
        self._hashes[block.number] = block.hash
        while len(self._hashes) > KEPT:
            del self._hashes[next(iter(self._hashes))]


Hashes = Mapping[int, str | None]
"""What a node has at some heights now; None where it does not say."""


async def gone(trail: Trail, latest: Block, found: Hashes, ask: Callable[[Sequence[int]], Awaitable[Hashes]]) -> int:
    """How many blocks that the node has told before are gone; its trail goes on with the head that there is now.

    `found` are the heights that were looked at already; only where one of them has changed, `ask` looks at more of them.
    """
    if trail.last is not None and trail.last[0] > latest.number + KEPT:
        trail.turn(latest.number + 1, latest)  # from a head so far above, to which nothing would ever be added
    found = {**found, latest.number: latest.hash}
    lost = trail.replaced(found)
    if not lost or trail.last is None:
        trail.add(latest)
        return 0
    top = trail.last[0]
    lost = trail.replaced({**found, **await ask(trail.below(top - lost + 1))})
    trail.turn(top - lost + 1, latest)
    return lost
