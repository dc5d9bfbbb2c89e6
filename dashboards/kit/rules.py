"""The rules as boards see them: a panel's limit is the number in the alert, read from the alert.

A number that differs from chain to chain is a recording rule made of thresholds.yml; a colour has its default there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import promql
from .promql import Declared
from .theme import BY_SEVERITY, Limit

_THRESHOLD = "occ:threshold:"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule: its name, how bad it is at the worst, its expression, and the limits that it has of others."""

    name: str
    severity: str
    expr: str
    defaults: Mapping[str, float]

    def compared(self, metric: str) -> set[tuple[str, float | str]]:
        """The operators and the numbers, or recorded limits, that the rule compares the metric with."""
        return {(op, limit) for metrics, op, limit in promql.comparisons(self.expr) if metric in metrics}

    def number(self, limit: float | str) -> float | None:
        """A limit as a number: of a recorded one the default, None where each chain needs its own."""
        return self.defaults.get(limit) if isinstance(limit, str) else limit

    def limit(self, metric: str) -> Limit:
        """What the rule compares the metric with, by itself or else with others. Raises LookupError unless it is one
        number.
        """
        found = [
            (metrics, op, self.number(limit))
            for metrics, op, limit in promql.comparisons(self.expr)
            if metric in metrics
        ]
        numbers = {(op, number) for metrics, op, number in found if number is not None and metrics == {metric}}
        numbers = numbers or {(op, number) for _, op, number in found if number is not None}
        if len(numbers) != 1:
            raise LookupError(f"{self.name} compares {metric} with {len(numbers)} numbers, not with one")
        return Limit(*numbers.pop(), self.severity)

    def window(self, metric: str) -> Limit:
        """The longest range or offset with which the rule looks back at the metric, as a limit of its age."""
        lengths = [seconds for name, seconds in promql.windows(self.expr) if name == metric]
        if not lengths:
            raise LookupError(f"{self.name} looks back at no {metric}")
        return Limit(">", max(lengths), self.severity)


class Rules(Mapping[str, Alert]):
    """All alerts of the folder `alerting-rules`, by name, and what is recorded."""

    def __init__(self, folder: Path) -> None:
        thresholds = _load(folder / "thresholds.yml").get("thresholds") or {}
        defaults = {f"{_THRESHOLD}{name}": made["default"] for name, made in thresholds.items() if "default" in made}
        written = list(_rules(folder))
        self.recorded = {rule["record"]: str(rule["expr"]) for rule in written if "record" in rule}
        self._alerts = {
            rule["alert"]: Alert(rule["alert"], _worst(rule["labels"]["severity"]), str(rule["expr"]), defaults)
            for rule in written
            if "alert" in rule
        }
        if not self._alerts:
            raise LookupError(f"no alerting rules in {folder}")

    def __getitem__(self, name: str) -> Alert:
        if name not in self._alerts:
            raise KeyError(f"no alert is called {name}")
        return self._alerts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._alerts)

    def __len__(self) -> int:
        return len(self._alerts)

    def declared(self, known: Declared) -> Declared:
        """What is known, and beside it every series that is recorded from it, with its labels."""
        known, pending = dict(known), dict(self.recorded)
        while resolved := {
            name: found for name, expr in pending.items() if not (found := promql.read(expr, known)).faults
        }:
            known |= {name: found.labels for name, found in resolved.items()}
            pending = {name: expr for name, expr in pending.items() if name not in resolved}
        return known


def _rules(folder: Path) -> Iterator[Mapping[str, Any]]:
    for kind in ("recording", "slo", "alerts"):
        for file in sorted((folder / kind).glob("*.yml")):
            for group in _load(file).get("groups") or []:
                yield from group["rules"]


def _load(file: Path) -> Mapping[str, Any]:
    read: Mapping[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    return read


def _worst(severity: str) -> str:
    """A severity may depend on a label, as in `{{ if eq $labels.tier "1" }}page{{ else }}ticket{{ end }}`."""
    return severity if severity in BY_SEVERITY else next(each for each in BY_SEVERITY if each in severity)
