"""How boards look: colours that mean something, the units that are used, and colour steps out of limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Colour(StrEnum):
    """By meaning; the names are Grafana's own, so that they fit its light and its dark theme."""

    GOOD = "green"
    NEUTRAL = "blue"
    INFO = "yellow"
    TICKET = "orange"
    PAGE = "red"
    UNKNOWN = "dark-red"


BY_SEVERITY = {"page": Colour.PAGE, "ticket": Colour.TICKET, "info": Colour.INFO, "none": Colour.NEUTRAL}

NO_DATA = "NO DATA"
"""What a panel says that has nothing to show: not seeing is not being well."""


class Unit(StrEnum):
    """Grafana's ids of the units that boards use."""

    SECONDS = "s"
    RATIO = "percentunit"
    COUNT = "none"
    SHORT = "short"
    PER_SECOND = "cps"
    REQUESTS = "reqps"
    PRICE = "locale"
    DOLLARS = "currencyUSD"
    BLOCKS = "suffix:blocks"
    GWEI = "suffix:gwei"
    USD = "currencyUSD"
    TEXT = "string"


WHOLE = frozenset({Unit.COUNT, Unit.BLOCKS})
"""Units of what is counted: above 3 means from 4 on."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A value is bad where `value op number` holds, and how bad: a severity."""

    op: str
    number: float
    severity: str

    @property
    def bad_above(self) -> bool:
        return self.op in (">", ">=")

    def edge(self, unit: Unit) -> float:
        """The value at which the colour changes. Grafana's steps include theirs, so that `> 3` of a count starts at 4."""
        if unit not in WHOLE:
            return self.number
        return math.floor(self.number) + 1 if self.op in (">", "<=", "==") else math.ceil(self.number)


State = tuple[str, Colour]


def absence(nothing: str) -> Colour:
    """The colour of having no data: bad, unless the panel has other words for it."""
    return Colour.UNKNOWN if nothing == NO_DATA else Colour.NEUTRAL


def steps(limits: tuple[Limit, ...], unit: Unit, nothing: str) -> list[dict[str, Any]]:
    """Colour steps from below zero up. No number on a board is negative: below zero is what is not known.

    Null counts as the lowest step, also in versions of Grafana that know no mapping of null.
    """
    shown = _from_zero(limits, unit) if limits else [_step(0, Colour.NEUTRAL)]
    return [_step(None, absence(nothing)), *shown]


def lines(limits: tuple[Limit, ...], unit: Unit, *, signed: bool = False) -> list[dict[str, Any]]:
    """Steps to be drawn as lines across a graph: no line at zero, and of what is `signed` as many below as above it."""
    if not limits:
        return [_step(None, Colour.NEUTRAL)]
    first, *others = _from_zero(limits, unit)
    return _mirrored(others) if signed else [{**first, "value": None}, *others]


def _mirrored(above: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Below a transparent step Grafana draws each line in the colour of the step under it."""
    values, colours = [step["value"] for step in above], [step["color"] for step in above]
    mirrored = [None, *(-value for value in reversed(values)), *values]
    return [
        _step(value, colour)
        for value, colour in zip(mirrored, [*reversed(colours), "transparent", *colours], strict=True)
    ]


def _from_zero(limits: tuple[Limit, ...], unit: Unit) -> list[dict[str, Any]]:
    if len({limit.bad_above for limit in limits}) != 1:
        raise ValueError("limits of one panel lie on one side")
    rising = sorted(limits, key=lambda limit: limit.edge(unit))
    colours = [BY_SEVERITY[limit.severity] for limit in rising]
    below, above = ([Colour.GOOD], colours) if limits[0].bad_above else (colours, [Colour.GOOD])
    values = [0.0, *(limit.edge(unit) for limit in rising)]
    return [_step(value, colour) for value, colour in zip(values, below + above, strict=True)]


def _step(value: float | None, colour: str) -> dict[str, Any]:
    whole = int(value) if value is not None and value == int(value) else value
    return {"value": whole, "color": str(colour)}


def mappings(states: Mapping[float, State], nothing: str) -> list[dict[str, Any]]:
    """Texts and colours of single values, and of there being none."""
    named = {f"{value:g}": {"text": text, "color": str(colour)} for value, (text, colour) in states.items()}
    none = {"match": "null+nan", "result": {"text": nothing, "color": str(absence(nothing))}}
    shown = [{"type": "value", "options": named}] if named else []
    return [*shown, {"type": "special", "options": none}]
