"""What leans on what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def circles(leans: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The circles of things that each lean on one other, every one of them once."""
    done = set[str]()
    for start in leans:
        path: list[str] = []
        at: str | None = start
        while at is not None and at not in done and at not in path:
            path.append(at)
            at = leans.get(at)
        if at in path:
            yield tuple(path[path.index(at) :])
        done.update(path)
