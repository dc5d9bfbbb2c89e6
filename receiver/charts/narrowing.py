"""An expression about one alert instead of all: its labels as `=` matchers, wherever that changes nothing else. Pure.

Without it Prometheus would compute an expression over thousands of entities for the chart of one. A label goes in where every
series that it would leave out lands in another group: below aggregations `by` it, through operators that match on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import promql_parser as promql

from receiver.fill import quoted

_NOT_THROUGH = {"absent", "absent_over_time", "info", "label_join", "label_replace", "scalar"}
"""Functions of which the result for one label's value hangs on series of others, or which make labels."""

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MARK = "occ_narrowed_by_"
"""Stands for a value while the expression is taken apart, so that its text goes through no parser."""


def narrowed(query: str, labels: Mapping[str, str]) -> str:
    """The query; of its result, the series of these labels are what they were. Values enter whole, escaped."""
    expression, said = promql.parse(query), dict[str, str]()
    if _MARK in query:
        return query
    try:
        through = [name for name in sorted(labels) if _NAME.fullmatch(name) and _parts(expression, name, grouped=False)]
    except RecursionError:  # nested so deep that it is better left as it is
        return query
    for number, name in enumerate(name for name in through if labels[name]):
        said[f'"{_MARK}{number}"'] = quoted(labels[name])
        expression = _matching(expression, f'{name}="{_MARK}{number}"')
    return re.sub(rf'"{_MARK}\d+"', lambda mark: said[mark[0]], expression.prettify())


def _parts(expression: promql.Expr, label: str, *, grouped: bool) -> bool:
    """Whether series of one value of the label alone make the result's series of that value.

    `grouped`: an aggregation above has named the label. What has not been grouped by it may lack it: it can have been added to
    the alert on its way.
    """
    match expression:
        case promql.VectorSelector() | promql.MatrixSelector():
            return grouped
        case promql.AggregateExpr():
            return _named(expression, label) and _parts(expression.expr, label, grouped=True)
    parts = _operands(expression, label)
    return parts is not None and all(_parts(part, label, grouped=grouped) for part in parts)


def _operands(expression: promql.Expr, label: str) -> Sequence[promql.Expr] | None:
    """What an operator or a function makes its result of, series by series; None where it is not so."""
    match expression:
        case promql.NumberLiteral() | promql.StringLiteral():
            return ()
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return (expression.expr,)
        case promql.BinaryExpr() if _matched(expression, label):
            return (expression.lhs, expression.rhs)
        case promql.Call() if expression.func.name not in _NOT_THROUGH:
            return expression.args
    return None


def _named(of: promql.AggregateExpr, label: str) -> bool:
    if of.modifier is None or of.modifier.type != promql.AggModifierType.By or str(of.op) == "count_values":
        return False
    return label in of.modifier.labels and isinstance(of.param, promql.NumberLiteral | None)


def _matched(both: promql.BinaryExpr, label: str) -> bool:
    if both.modifier is None or both.modifier.matching is None:
        return True
    matching, copied = both.modifier.matching, both.modifier.group_labels or []
    on = matching.type == promql.LabelModifierType.Include
    return (label in matching.labels) is on and label not in copied


def _matching(expression: promql.Expr, matcher: str) -> promql.Expr:
    def add(each: promql.Expr) -> promql.Expr | None:
        if not isinstance(each, promql.VectorSelector):
            return None
        name = each.name or ""
        rest = each.prettify().removeprefix(name)
        text = f"{name}{{{matcher},{rest[1:]}" if rest.startswith("{") else f"{name}{{{matcher}}}{rest}"
        return promql.parse(text)

    return promql.transform(expression, post_visit=add)
