"""Where panels stand: rows from the top, in each of them panels from the left, on Grafana's grid of 24 columns."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import attr
from grafanalib.core import GridPos, RowPanel

from .panels import Panel

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels of one height; what does not fit beside its neighbours goes below them. Without a title it has no
    line of its own.
    """

    title: str
    height: int
    panels: Sequence[Panel]


def placed(rows: Sequence[Row]) -> Iterator[RowPanel | Panel]:
    """The panels with their place and their id, row by row."""
    top = 0
    for row in rows:
        if row.title:
            yield RowPanel(title=row.title, id=_id(f"row {row.title}"), gridPos=GridPos(h=1, w=COLUMNS, x=0, y=top))
            top += 1
        left = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top = 0, top + row.height
            place = GridPos(h=row.height, w=panel.width, x=left, y=top)
            yield attr.evolve(panel, id=_id(panel.title), gridPos=place)
            left += panel.width
        top += row.height


def _id(title: str) -> int:
    """From the title, so that a link to a panel survives another panel's coming or going."""
    return zlib.crc32(title.encode()) % 1_000_000
