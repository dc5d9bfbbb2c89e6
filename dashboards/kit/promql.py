"""What an expression says about itself: the metrics that it reads, the labels that its result has, what it compares with.

The grammar is promql-parser's. Here is only what labels become of what: an aggregation keeps those it names, a join
those it matches on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import promql_parser as grammar

from occ.metrics import INFO_LABELS, Family, Kind

Labels = frozenset[str]
Declared = Mapping[str, Labels]
"""The labels of every series that may be asked for, by its name."""

SCRAPED: Labels = frozenset({"job", "instance"})
"""What Prometheus puts on every series that it scrapes."""

_BUILT_IN = re.compile(r"\$\{?__\w+\}?")
_VARIABLE = re.compile(r"\$\{?[a-z]\w*(?::\w+)?\}?")
_COMPARISONS = frozenset({">", ">=", "<", "<=", "=="})


def declared(families: Iterable[Family], foreign: Declared) -> Declared:
    """What our own families and those of others offer to queries."""
    return {name: _labels(family, name) for family in families for name in family.series_names} | dict(foreign)


def _labels(family: Family, name: str) -> Labels:
    own = INFO_LABELS if family.entity else frozenset(family.labels)
    bucket = family.kind is Kind.HISTOGRAM and name.endswith("_bucket")
    return own | SCRAPED | ({"le"} if bucket else set())


def filled(expression: str, window: str = "5m", value: str = ".*") -> str:
    """The expression as Grafana would send it: `$__rate_interval` and its like become the window, variables the value."""
    return _VARIABLE.sub(value, _BUILT_IN.sub(window, expression))


@dataclass
class Reading:
    """What was found in an expression."""

    metrics: set[str] = field(default_factory=set)
    labels: Labels = frozenset()
    faults: list[str] = field(default_factory=list)


def read(expression: str, known: Declared) -> Reading:
    """Reads an expression. What is not PromQL, or asks for a name that nobody declares, is a fault."""
    try:
        tree = grammar.parse(filled(expression))
    except ValueError as error:
        return Reading(faults=[f"no PromQL: {error}"])
    reader = _Reader(known)
    reader.found.labels = reader.labels(tree)
    return reader.found


class _Reader:
    """Walks a tree from its leaves: `labels` is what a result may carry."""

    def __init__(self, known: Declared) -> None:
        self._known = known
        self.found = Reading()

    def labels(self, node: Any) -> Labels:
        return self._WAYS.get(type(node), _Reader._none)(self, node)

    def _none(self, _: Any) -> Labels:
        return frozenset()

    def _inner(self, node: Any) -> Labels:
        return self.labels(node.expr)

    def _range(self, node: Any) -> Labels:
        return self._selector(node.vector_selector)

    def _selector(self, node: Any) -> Labels:
        if node.name not in self._known:
            self.found.faults.append(f"nobody declares {node.name or 'a series without a name'}")
            return INFO_LABELS | SCRAPED
        self.found.metrics.add(node.name)
        has = self._known[node.name]
        self._demand((matcher.name for matcher in node.matchers.matchers), has, node.name)
        return has

    def _call(self, node: Any) -> Labels:
        carried = frozenset[str]().union(*map(self.labels, node.args))
        match node.func.name:
            case "histogram_quantile":
                return carried - {"le"}
            case "label_replace":
                return carried | {node.args[1].val}
        return carried

    def _aggregation(self, node: Any) -> Labels:
        inner = self.labels(node.expr)
        if str(node.op) in ("topk", "bottomk"):
            return inner
        if node.modifier is None:
            return frozenset()
        named = frozenset(node.modifier.labels)
        self._demand(named, inner, str(node.op))
        return named if node.modifier.type == grammar.AggModifierType.By else inner - named

    def _operation(self, node: Any) -> Labels:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        if str(node.op) == "or":
            return left | right
        matching = node.modifier and node.modifier.matching
        if not matching:
            return left or right
        named = frozenset(matching.labels)
        if matching.type == grammar.LabelModifierType.Exclude:
            self._demand(named, left | right, f"neither side of {node.op}", "has a")
        else:
            self._demand(named, left, f"the left of {node.op}")
            self._demand(named, right, f"the right of {node.op}")
        return self._joined(node, left, right, named)

    def _joined(self, node: Any, left: Labels, right: Labels, named: Labels) -> Labels:
        cardinality = grammar.VectorMatchCardinality
        brought = frozenset(node.modifier.group_labels or ())
        match node.modifier.card:
            case cardinality.ManyToOne:
                return left | brought
            case cardinality.OneToMany:
                return right | brought
            case cardinality.ManyToMany:
                return left
        including = node.modifier.matching.type == grammar.LabelModifierType.Include
        return named if including else left - named

    def _demand(self, labels: Iterable[str], has: Labels, what: str, verb: str = "has no") -> None:
        self.found.faults += [f"{what} {verb} label {label}" for label in sorted(set(labels) - has)]

    _WAYS: Mapping[type, Callable[[_Reader, Any], Labels]] = {
        grammar.VectorSelector: _selector,
        grammar.MatrixSelector: _range,
        grammar.SubqueryExpr: _inner,
        grammar.ParenExpr: _inner,
        grammar.UnaryExpr: _inner,
        grammar.Call: _call,
        grammar.AggregateExpr: _aggregation,
        grammar.BinaryExpr: _operation,
    }


def comparisons(expression: str) -> Iterator[tuple[frozenset[str], str, float | str]]:
    """Every comparison that the expression asks for: the metrics on its left, the operator, and the number or the series
    on its right. What stands behind `unless` must not hold, and is left out; so are a product and a number of series,
    which have another unit.
    """
    for node in _nodes(grammar.parse(expression), demanded=True):
        if isinstance(node, grammar.BinaryExpr) and str(node.op) in _COMPARISONS:
            if _is_product(node.lhs) or _is_count(node.lhs):
                continue
            metrics = frozenset(selector.name or "" for selector in _selectors(node.lhs))
            match node.rhs:
                case grammar.NumberLiteral(val=number):
                    yield metrics, str(node.op), number
                case grammar.VectorSelector(name=str(name)):
                    yield metrics, str(node.op), name


def _is_product(node: Any) -> bool:
    """Whether it is one series times another one."""
    if isinstance(node, grammar.ParenExpr):
        return _is_product(node.expr)
    times = isinstance(node, grammar.BinaryExpr) and str(node.op) == "*"
    return times and all(any(True for _ in _selectors(side)) for side in (node.lhs, node.rhs))


def _is_count(node: Any) -> bool:
    if isinstance(node, grammar.ParenExpr):
        return _is_count(node.expr)
    return isinstance(node, grammar.AggregateExpr) and str(node.op) == "count"


def windows(expression: str) -> Iterator[tuple[str, float]]:
    """Every range and every offset: its metric, and its length in seconds."""
    tree = grammar.parse(expression)
    for node in _nodes(tree):
        if isinstance(node, grammar.MatrixSelector):
            yield node.vector_selector.name or "", node.range.total_seconds()
    for selector in _selectors(tree):
        if selector.offset:
            yield selector.name or "", selector.offset.total_seconds()


def _selectors(tree: Any) -> Iterator[grammar.VectorSelector]:
    for node in _nodes(tree):
        if isinstance(node, grammar.MatrixSelector):
            yield node.vector_selector
        elif isinstance(node, grammar.VectorSelector):
            yield node


def _nodes(node: Any, *, demanded: bool = False) -> Iterator[Any]:
    """A tree from its root; what is `demanded` does not stand behind `unless`."""
    yield node
    if isinstance(node, grammar.BinaryExpr):
        below = [node.lhs] if demanded and str(node.op) == "unless" else [node.lhs, node.rhs]
    elif isinstance(node, grammar.Call):
        below = node.args
    else:
        below = [node.expr] if hasattr(node, "expr") else []
    for inner in below:
        yield from _nodes(inner, demanded=demanded)
