"""The heads of one node as it announces them, with polling in their place while it does not."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from exporters.nodes.columns import HEAD_FAMILIES, head_columns
from exporters.nodes.reading import Block, Head
from exporters.nodes.source import Source
from occ.errors import SourceError
from occ.job import Pace, Polled, Results, Target, every

CHECK = "heads"


def job(family: ModuleType, source: Source, target: Target, pace: Pace) -> Polled[Head]:
    """A job that follows the heads of one node."""

    async def read(_due: tuple[Target, ...]) -> Mapping[Target, Head | SourceError]:
        return {target: _head(source, target, await family.latest(source, target))}

    async def stream(_targets: tuple[Target, ...]) -> Results:
        async with family.heads(source, target) as announced:
            source.subscribed(target)
            try:
                yield await read(())
                async for block in announced:
                    yield {target: _head(source, target, block)}
            finally:
                source.lost(target)

    return every(
        pace, read, check=CHECK, targets=(target,), families=HEAD_FAMILIES, columns=head_columns, stream=stream
    )


def _head(source: Source, target: Target, block: Block) -> Head:
    return Head(block, source.connected(target), source.heard(target, block))
