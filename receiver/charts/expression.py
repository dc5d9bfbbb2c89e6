"""What an alert's own expression compares with what: the conditions of a rule, taken apart to be drawn. Pure.

The expression is that of Prometheus' rules. Nothing of an alert enters it: whose series they are is found out of the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import promql_parser as promql

from occ.errors import OccError
from receiver.prometheus import Rule

_TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
"""The comparisons, and what they are from the other side."""

_TEMPLATE = "{{"

LONGEST = 8_192
"""Characters of an expression that is taken apart."""


class NotDrawn(OccError):  # noqa: N818 - it names what is the matter
    """There is nothing to draw, for the reason that the message says."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`value op bound`, both in PromQL. Without an operator the value is there while the condition holds."""

    value: str
    op: str = ""
    bound: str = ""

    def __str__(self) -> str:
        return f"{self.value} {self.op} {self.bound}".strip()


def rule_of(rules: Iterable[Rule], labels: Mapping[str, str]) -> Rule:
    """The rule that an alert of these labels comes from: of its name, and with the labels that the rule itself sets.

    Raises NotDrawn where there is none, or where rules of several expressions could have sent it.
    """
    fitting = [rule for rule in rules if rule.name == labels.get("alertname") and _fits(rule, labels)]
    if not fitting:
        raise NotDrawn("Prometheus has no rule that such an alert comes from, or has it no more.")
    if len({rule.query for rule in fitting}) > 1:
        raise NotDrawn("Prometheus has several rules that such an alert could come from.")
    return fitting[0]


def _fits(rule: Rule, labels: Mapping[str, str]) -> bool:
    return all(_TEMPLATE in said or labels.get(name, "") == said for name, said in rule.labels.items())


def about(rule: Rule, alert: Mapping[str, str], series: Mapping[str, str]) -> bool:
    """Whether a series of the rule's expression is about the alert: every label that both have is the same.

    Those which only the alert has were added on its way, or left out by an aggregation.
    """
    known = own(rule, alert)
    return all(known[name] == said for name, said in series.items() if name in known)


def own(rule: Rule, alert: Mapping[str, str]) -> dict[str, str]:
    """The alert's labels, without those that the rule sets: what its series can have had."""
    return {name: said for name, said in alert.items() if name not in rule.labels and name != "alertname"}


def conditions(query: str) -> tuple[Condition, ...]:
    """The comparisons that decide whether the expression has a result, from the left; itself where there are none.

    What only keeps an alert down, the right side of `unless`, is not among them. Raises NotDrawn.
    """
    try:
        if len(query) <= LONGEST:
            parsed = promql.parse(query)
            return tuple(dict.fromkeys(_found(parsed) or [_whole(parsed)]))
    except (ValueError, RecursionError):  # newer than the parser, or nested too deep
        pass
    raise NotDrawn("The alert's expression can not be taken apart here.")


def _found(expression: promql.Expr) -> list[Condition]:
    match expression:
        case promql.ParenExpr() | promql.AggregateExpr():
            return _found(expression.expr)
        case promql.BinaryExpr():
            return _of_two(expression)
    return []


def _of_two(both: promql.BinaryExpr) -> list[Condition]:
    op = str(both.op)
    if op in _TURNED:
        return [] if both.modifier and both.modifier.return_bool else [_comparison(both, op)]
    match op:
        case "and":
            return _found(both.lhs) + _found(both.rhs)
        case "or":
            return [each for side in (both.lhs, both.rhs) for each in _found(side) or [_whole(side)]]
        case "unless":
            return _found(both.lhs)
    return _found(both.lhs) or _found(both.rhs)


def _comparison(both: promql.BinaryExpr, op: str) -> Condition:
    left, right = both.lhs.prettify(), both.rhs.prettify()
    if _is_number(both.lhs) and not _is_number(both.rhs):
        return Condition(right, _TURNED[op], left)
    return Condition(left, op, right)


def _whole(expression: promql.Expr) -> Condition:
    return Condition(expression.prettify())


def _is_number(expression: promql.Expr) -> bool:
    """Whether it has one value without labels, by its form."""
    match expression:
        case promql.NumberLiteral():
            return True
        case promql.ParenExpr() | promql.UnaryExpr():
            return _is_number(expression.expr)
        case promql.BinaryExpr():
            return _is_number(expression.lhs) and _is_number(expression.rhs)
        case promql.Call():
            return expression.func.name in ("scalar", "time", "pi")
    return False
