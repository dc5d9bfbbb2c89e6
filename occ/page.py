"""Columns and counters in, bytes out: the page that Prometheus scrapes.

A `Column` is a family, its label rows and their values. A source (a job, mostly) puts all its columns at once under its
key, and what it had there before is gone. While a column's rows are the same object as before, the text around its
numbers is kept and only the numbers are written anew. Counters are the page's own: they only grow.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from occ.errors import CatalogueError
from occ.metrics import Catalogue, Family, Kind

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Rows = tuple[Labels, ...]

_TEXT_TYPES = {Kind.INFO: "gauge", Kind.STATESET: "gauge"}


@dataclass(frozen=True, slots=True, eq=False)
class Column:
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
    """A column on the page: its text around the numbers, and its bytes once asked for."""

    column: Column
    prefixes: tuple[bytes, ...]
    template: bytes
    body: bytes | None = None

    def render(self) -> bytes:
        if self.body is None:
            self.body = _pour(self)
        return self.body


@dataclass(slots=True)
class _Counter:
    """The series of one counter family, in the order in which they came."""

    index: dict[frozenset[tuple[str, str]], int] = field(default_factory=dict)
    rows: list[Labels] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class Page:
    """The samples of one process. Everything on it belongs to a family of its catalogue."""

    def __init__(self, catalogue: Catalogue, limit: int = 200_000) -> None:
        self.registry = CollectorRegistry()
        self._catalogue = catalogue
        self._limit = limit
        self._sources: dict[Hashable, dict[tuple[str, int], _Block]] = {}
        self._counters: dict[str, _Counter] = {}
        self._body: bytes | None = None

    def put(self, key: Hashable, columns: Iterable[Column]) -> int:
        """Replaces all that `key` has on the page; returns how many rows the limit left out.

        Nothing changes when a column is refused (CatalogueError).
        """
        before = self._sources.get(key, {})
        room = self._limit - sum(self.rows(other) for other in self._sources if other != key)
        blocks: dict[tuple[str, int], _Block] = {}
        dropped = 0
        for column in columns:
            if len(column.rows) > room:
                dropped += len(column.rows)
                continue
            room -= len(column.rows)
            slot = (column.family.name, len(blocks))
            blocks[slot] = self._block(column, before.get(slot))
        self._sources[key] = blocks
        self._body = None
        return dropped

    def rows(self, key: Hashable) -> int:
        """How many rows `key` has on the page, those without a value included: what the limit is about."""
        return sum(len(block.prefixes) for block in self._sources.get(key, {}).values())

    def series(self, key: Hashable) -> int:
        """How many samples `key` shows."""
        columns = (block.column for block in self._sources.get(key, {}).values())
        return sum(len(column.values) - list(column.values).count(None) for column in columns)

    def count(self, event: Event) -> None:
        """Moves a counter. Refuses families that are no counter, and amounts that would take it down."""
        if event.family.kind is not Kind.COUNTER or not event.amount >= 0 or event.amount == math.inf:
            raise CatalogueError(f"{event.family.name}: can not count {event.amount!r}")
        counter = self._counters.setdefault(event.family.name, _Counter())
        labels = frozenset(event.labels.items())
        at = counter.index.get(labels)
        if at is None:
            _check_row(event.family, event.labels)
            at = counter.index[labels] = len(counter.rows)
            counter.rows.append(dict(event.labels))
            counter.values.append(0.0)
        counter.values[at] += event.amount
        self._body = None

    def histogram(self, family: Family) -> Histogram:
        """A histogram of this page; no label of it may name a target, so that these stay few."""
        return Histogram(family.name, family.help, family.labels, registry=self.registry, buckets=family.buckets)

    def render(self) -> bytes:
        """The page in text format 0.0.4."""
        if self._body is None:
            self._body = b"".join(self._families())
        return self._body + generate_latest(self.registry)

    def _families(self) -> Iterable[bytes]:
        for name, counter in self._counters.items():
            column = Column(self._catalogue[name], tuple(counter.rows), counter.values)
            blocks = self._sources.setdefault(("counter", name), {})
            blocks[name, 0] = self._block(column, blocks.get((name, 0)))
        parts: dict[str, list[bytes]] = {}
        for blocks in self._sources.values():
            for (name, _), block in blocks.items():
                if body := block.render():
                    parts.setdefault(name, []).append(body)
        for name in sorted(parts):
            yield _head(self._catalogue[name])
            yield from parts[name]

    def _block(self, column: Column, before: _Block | None) -> _Block:
        if len(column.rows) != len(column.values):
            raise CatalogueError(f"{column.family.name}: {len(column.rows)} rows and {len(column.values)} values")
        if before is not None and before.column.rows is column.rows:
            return _Block(column, before.prefixes, before.template)
        if column.family.name not in self._catalogue:
            raise CatalogueError(f"{column.family.name}: not in the catalogue")
        prefixes = tuple(_prefix(column.family, row) for row in column.rows)
        if len(set(prefixes)) != len(prefixes):
            raise CatalogueError(f"{column.family.name}: two rows with the same labels")
        return _Block(column, prefixes, b"".join(prefix.replace(b"%", b"%%") + b"%b\n" for prefix in prefixes))


def _pour(block: _Block) -> bytes:
    """Writes all numbers in one call, and pours them into the text around them."""
    values = block.column.values
    try:
        numbers = orjson.dumps(list(map(float, values)))  # type: ignore[arg-type]
    except TypeError:
        return _line_by_line(block)
    if b"n" in numbers:
        return _line_by_line(block)
    return block.template % tuple(numbers[1:-1].split(b",")) if values else b""


def _line_by_line(block: _Block) -> bytes:
    """The same for columns with absent values, NaN and infinities, which orjson can not tell apart."""
    pairs = zip(block.prefixes, block.column.values, strict=True)
    return b"".join(b"%b%b\n" % (prefix, _number(float(value))) for prefix, value in pairs if value is not None)


def _number(value: float) -> bytes:
    if math.isfinite(value):
        return repr(value).encode()
    return b"NaN" if math.isnan(value) else b"+Inf" if value > 0 else b"-Inf"


def _check_row(family: Family, row: Labels) -> None:
    missing = [name for name in family.labels if name not in row]
    if missing or (len(row) != len(family.labels) and not family.entity):
        raise CatalogueError(
            f"{family.name}: labels {', '.join(row) or 'none'} where {', '.join(family.labels) or 'none'} belong"
        )


def _prefix(family: Family, row: Labels) -> bytes:
    _check_row(family, row)
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in row.items())
    return (f"{family.name}{{{inside}}} " if inside else f"{family.name} ").encode("utf-8", "replace")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _head(family: Family) -> bytes:
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {text}\n# TYPE {family.name} {_TEXT_TYPES.get(family.kind, family.kind)}\n".encode()
