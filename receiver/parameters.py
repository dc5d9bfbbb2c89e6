"""Parameters of actions: bounded, so that nothing that a person or an alert says is passed on as it came."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, PlainValidator, model_validator

from occ.config import SOME, Model, refuse, unique

from . import canonical

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?")


def _decimal(value: object) -> Decimal:
    """A number as its digits say; of a number that YAML reads as a float, the shortest digits that mean it."""
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if not _NUMBER.fullmatch(text):
        raise refuse("expected a number such as 5, 0.25 or -1, without exponent; 18 digits at most on each side")
    return Decimal(text)


def choice(text: str) -> str:
    """A short text that shows as what it is."""
    if not text or len(text) > 255 or not text.isprintable():  # noqa: PLR2004 - said in the message
        raise refuse("expected 1 to 255 printable characters")
    return text


def label(name: str) -> str:
    """The name of a label."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise refuse("expected the name of a label")
    return name


EXACT = Context(prec=100)
"""For sums and remainders of numbers, which have 36 digits at most: nothing is rounded."""

Number = Annotated[Decimal, PlainValidator(_decimal)]
"""A decimal number, exact."""


class Range(Model):
    """A number from `min` to `max`, both included, and in whole `step`s from `min` where there is one."""

    min: Number
    max: Number
    step: Number | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise refuse("must not be less than min", "max")
        if self.step is not None and self.step <= 0:
            raise refuse("must be greater than 0", "step")
        return self

    def __str__(self) -> str:
        steps = "" if self.step is None else f" in steps of {canonical.digits(self.step)}"
        return f"a number from {canonical.digits(self.min)} to {canonical.digits(self.max)}{steps}"

    def holds(self, number: Decimal) -> bool:
        return self.min <= number <= self.max and self._on_a_step(number)

    def _on_a_step(self, number: Decimal) -> bool:
        return self.step is None or EXACT.remainder(EXACT.subtract(number, self.min), self.step) == 0


class Parameter(Model):
    """What a person or an alert may choose, within bounds: one of `choices`, or a `number`."""

    from_label: Annotated[str, AfterValidator(label)] | None = None
    choices: Annotated[tuple[Annotated[str, AfterValidator(choice)], ...], SOME, unique()] | None = None
    number: Range | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.choices is None) == (self.number is None):
            raise refuse("expected one of choices and number: what it may be is bounded")
        return self

    def __str__(self) -> str:
        """What it may be, in words."""
        return str(self.number) if self.number else f"one of {', '.join(self.choices or ())}"

    def checked(self, text: str) -> str | None:
        """The value as it is used, of two equal numbers the same; None where it is out of bounds."""
        if self.number is None:
            return text if text in (self.choices or ()) else None
        number = Decimal(text) if _NUMBER.fullmatch(text) else None
        return canonical.digits(number) if number is not None and self.number.holds(number) else None

    def extremes(self) -> tuple[str, ...]:
        """Values that stand for all of them when a use of the parameter is checked."""
        if self.number is None:
            return self.choices or ()
        return canonical.digits(self.number.min), canonical.digits(self.number.max)
