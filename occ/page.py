"""Columns and counters in, bytes out: the page that Prometheus scrapes.

A `Column` is a family, its label rows and their values. A source (a job, mostly) puts all its columns at once under its
key, and what it had there before is gone. While a column's rows are the same object as before, the text around its
numbers is kept, with a hole for each number: new numbers are written in one call and poured into the holes. So a scrape
only joins pieces that are ready. Counters are the page's own: they only grow.

One body serves both formats; only the heads of the families differ. Histograms and the metrics of the process live in a
`prometheus_client` registry, which is slow to write: `refresh` does that once a second, not the scrape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import orjson
from isal import igzip
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from occ.errors import CatalogueError
from occ.metrics import LABELS, Catalogue, Family, Kind

Labels = Mapping[str, str]
Rows = tuple[Labels, ...]

GZIP_LEVEL = 1


class Format(Enum):
    """The ways to write a page, by content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Column(NamedTuple):
    """A family's samples of one source: a value per label row. None is an absent sample; NaN is a value."""

    family: Family
    rows: Rows
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Event:
    """A counter goes up by `amount`; an amount of 0 makes the series be there."""

    family: Family
    labels: Labels
    amount: float = 1.0


@dataclass(slots=True, eq=False)
class _Block:
    """A column on the page: its text with a hole for each number, and the same filled."""

    family: Family
    rows: Rows
    template: bytes
    body: bytes = b""


@dataclass(slots=True)
class _Counter:
    """The series of one counter family, in the order in which they came."""

    family: Family
    index: dict[frozenset[tuple[str, str]], int] = field(default_factory=dict)
    rows: list[Labels] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    shown: Rows = ()
    moved: bool = True


class Page:
    """The samples of one process. Everything on it belongs to a family of its catalogue."""

    def __init__(self, catalogue: Catalogue, limit: int = 200_000) -> None:
        self.registry = CollectorRegistry()
        self._catalogue = catalogue
        self.limit = limit
        self._sources: dict[Hashable, list[_Block]] = {}
        self._bounded: dict[Hashable, int] = {}
        self._counters: dict[str, _Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._registered: dict[Format, bytes] = {}
        self._layout: list[tuple[Mapping[Format, bytes], list[_Block]]] | None = None
        self._bodies: dict[tuple[Format, bool], bytes] = {}

    def put(self, key: Hashable, columns: Iterable[Column], *, bounded: bool = False) -> int:
        """Replaces all that `key` has on the page; returns how many rows the limit left out.

        The limit is for what is `bounded`, all of it together; the rest is there whatever it says. Nothing changes when a
        column is refused (CatalogueError).
        """
        before = self._sources.get(key, [])
        room = self.limit - sum(self._bounded.values()) + self._bounded.get(key, 0) if bounded else math.inf
        blocks: list[_Block] = []
        bodies: list[bytes] = []
        rows = dropped = 0
        for column in columns:
            size = len(column.rows)
            if rows + size > room:
                dropped += size
                continue
            rows += size
            block = self._block(column, before[len(blocks)] if len(blocks) < len(before) else None)
            blocks.append(block)
            bodies.append(_filled(block.template, column))
        self._show(key, blocks, bodies)
        if bounded:
            self._bounded[key] = rows
        return dropped

    def drop(self, key: Hashable) -> None:
        """Forgets a source and all that it has on the page."""
        self.put(key, ())
        self._sources.pop(key, None)
        self._bounded.pop(key, None)

    def series(self, key: Hashable) -> int:
        """How many samples `key` shows."""
        return sum(block.body.count(b"\n") for block in self._sources.get(key, ()))

    def count(self, event: Event) -> None:
        """Moves a counter. Refuses families that are no counter, and amounts that would take it down."""
        amount = _float(event.amount)
        if event.family.kind is not Kind.COUNTER or not 0 <= amount < math.inf:
            raise CatalogueError(f"{event.family.name}: can not count {event.amount!r}")
        counter = self._counters.get(event.family.name) or self._new_counter(event.family)
        labels = frozenset(event.labels.items())
        at = counter.index.get(labels)
        if at is None:
            _check_row(event.family, event.labels)
            at = counter.index[labels] = len(counter.rows)
            counter.rows.append(dict(event.labels))
            counter.values.append(0.0)
        counter.values[at] += amount
        counter.moved = True
        self._bodies.clear()

    def _new_counter(self, family: Family) -> _Counter:
        if family.name not in self._catalogue:
            raise CatalogueError(f"{family.name}: not in the catalogue")
        return self._counters.setdefault(family.name, _Counter(family))

    def histogram(self, family: Family) -> Histogram:
        """The page's histogram of this family; no label of it may name a target, so that these stay few."""
        if family.name not in self._histograms:
            made = Histogram(family.name, family.help, family.labels, registry=self.registry, buckets=family.buckets)
            self._histograms[family.name] = made
        return self._histograms[family.name]

    def refresh(self) -> None:
        """Writes the registry anew for the formats that are asked for."""
        for style in self._registered:
            self._registered[style] = _WRITERS[style](self.registry)
        self._bodies.clear()

    def render(self, style: Format = Format.TEXT, packed: bool = False) -> bytes:  # noqa: FBT001, FBT002 - as /metrics asks
        """The page as it is now, in gzip when `packed`; what has not changed is not written again."""
        body = self._bodies.get((style, packed))
        if body is None:
            body = igzip.compress(self.render(style), GZIP_LEVEL) if packed else self._written(style)
            self._bodies[style, packed] = body
        return body

    def _written(self, style: Format) -> bytes:
        for counter in self._counters.values():
            if counter.moved:
                self._show_counter(counter)
        if style not in self._registered:
            self._registered[style] = _WRITERS[style](self.registry)
        if self._layout is None:
            self._layout = self._lay_out()
        parts: list[bytes] = []
        for heads, blocks in self._layout:
            bodies = [block.body for block in blocks]
            if any(bodies):
                parts.append(heads[style])
                parts += bodies
        return b"".join((*parts, self._registered[style]))

    def _lay_out(self) -> list[tuple[Mapping[Format, bytes], list[_Block]]]:
        """The heads and blocks of each family, in order of their names."""
        families: dict[str, list[_Block]] = {}
        for blocks in self._sources.values():
            for block in blocks:
                families.setdefault(block.family.name, []).append(block)
        return [(_heads(self._catalogue[name]), families[name]) for name in sorted(families)]

    def _show(self, key: Hashable, blocks: list[_Block], bodies: list[bytes]) -> None:
        """Fills a source's blocks; other blocks than before make everything be laid out anew."""
        for block, body in zip(blocks, bodies, strict=True):
            block.body = body
        if blocks != self._sources.get(key):
            self._sources[key] = blocks
            self._layout = None
        self._bodies.clear()

    def _show_counter(self, counter: _Counter) -> None:
        if len(counter.shown) != len(counter.rows):
            counter.shown = tuple(counter.rows)
        self.put(("counter", counter.family.name), [Column(counter.family, counter.shown, counter.values)])
        counter.moved = False

    def _block(self, column: Column, before: _Block | None) -> _Block:
        """The block of a column: the one before, while its rows are the same object."""
        family, rows, values = column
        if len(rows) != len(values):
            raise CatalogueError(f"{family.name}: {len(rows)} rows and {len(values)} values")
        if before is not None and before.rows is rows and before.family is family:
            return before
        if family.name not in self._catalogue:
            raise CatalogueError(f"{family.name}: not in the catalogue")
        lines = [_line(family, row) for row in rows]
        if len(set(lines)) != len(lines):
            raise CatalogueError(f"{family.name}: two rows with the same labels")
        return _Block(family, rows, b"".join(lines))


_HOLE = b"%b\n"

# One of these is in the text of all that is no number: None, NaN and infinities are null, true and false are words.
_L, _U, _QUOTE, _BRACE, _BRACKET = b'lu"{['


def _filled(template: bytes, column: Column) -> bytes:
    """The template with the column's values in its holes. Raises CatalogueError for what is no number."""
    values = column.values
    try:
        numbers = orjson.dumps(values if type(values) is list else list(values))[1:-1]
    except TypeError:
        return _filled_one_by_one(template, column)
    if _L in numbers or _U in numbers or _QUOTE in numbers or _BRACE in numbers or _BRACKET in numbers:
        return _filled_one_by_one(template, column)
    return template % tuple(numbers.split(b",")) if numbers else b""


def _filled_one_by_one(template: bytes, column: Column) -> bytes:
    """The same where values are absent or odd; the lines of absent ones are left out."""
    lines = zip(template.split(_HOLE), column.values, strict=False)
    try:
        kept = [(line, _number(_float(value))) for line, value in lines if value is not None]
    except (TypeError, ValueError):
        raise CatalogueError(f"{column.family.name}: a value that is no number") from None
    return b"".join(line + _HOLE for line, _ in kept) % tuple(number for _, number in kept)


def _float(value: float) -> float:
    """As a float; an integer beyond their range is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _number(value: float) -> bytes:
    if math.isfinite(value):
        return repr(value).encode()
    return b"NaN" if math.isnan(value) else b"+Inf" if value > 0 else b"-Inf"


def _check_row(family: Family, row: Labels) -> None:
    missing = [name for name in family.labels if name not in row]
    stray = row.keys() - LABELS if family.entity else len(row) != len(family.labels)
    if missing or stray:
        raise CatalogueError(
            f"{family.name}: labels {', '.join(row) or 'none'} where {', '.join(family.labels) or 'none'} belong"
        )


def _line(family: Family, row: Labels) -> bytes:
    _check_row(family, row)
    names = (*family.labels, *sorted(row.keys() - set(family.labels)))
    inside = ",".join(f'{name}="{_escaped(row[name])}"' for name in names)
    text = f"{family.name}{{{inside}}} " if inside else f"{family.name} "
    return text.encode().replace(b"%", b"%%") + _HOLE


def _escaped(value: str) -> str:
    if not value.isascii():
        value = value.encode("utf-8", "backslashreplace").decode()
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _text_head(family: Family) -> bytes:
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    kind = "gauge" if family.kind in {Kind.INFO, Kind.STATESET} else family.kind
    return f"# HELP {family.name} {text}\n# TYPE {family.name} {kind}\n".encode()


def _openmetrics_head(family: Family) -> bytes:
    # A stateset of this format carries its state in a label that is named as the family; ours is called otherwise.
    kind = "gauge" if family.kind is Kind.STATESET else family.kind
    unit = f"# UNIT {family.base} {family.unit}\n" if family.unit else ""
    return f"# HELP {family.base} {_escaped(family.help)}\n# TYPE {family.base} {kind}\n{unit}".encode()


def _heads(family: Family) -> Mapping[Format, bytes]:
    return {Format.TEXT: _text_head(family), Format.OPENMETRICS: _openmetrics_head(family)}


_WRITERS: Mapping[Format, Callable[[CollectorRegistry], bytes]] = {
    Format.TEXT: generate_latest,
    Format.OPENMETRICS: openmetrics.generate_latest,  # with `# EOF` at its end
}
