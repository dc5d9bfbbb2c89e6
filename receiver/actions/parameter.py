"""`parameter`: another value for a bounded number of a target, by compare-and-set, read back.

    {executor: parameter, target: engine, name: max_order_usd, value: $size, min: 0, max: 50000, max_change: 20000}

The target shows it at /parameters/<name> as {"value": "25000", "version": "7"} and takes a new value there only with the
version that is to be replaced. What undoes it is another request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Self, cast
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError, model_validator

from occ.config import Name, refuse
from receiver import fill
from receiver.actions import Applied, Attempt, Result, Step, StepPlan, Surroundings, TooLate, Unfit, http
from receiver.canonical import digits
from receiver.outgoing import Call, Line, NoAnswer, NotSent, ask, line
from receiver.parameters import EXACT, Number
from receiver.why import Why

_DECIMAL: TypeAdapter[Decimal] = TypeAdapter(Number)
_VERSION = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Options(http.Aimed):
    """The keys of a step. `max_change` is the most by which the value may differ from the one that it replaces."""

    name: Annotated[Name, fill.TEXT]
    value: Annotated[Number, fill.TEXT]
    min: Number
    max: Number
    max_change: Number | None = None

    @model_validator(mode="after")
    def _within_bounds(self) -> Self:
        if self.min > self.max:
            raise refuse("must not be less than min", "max")
        if not self.min <= self.value <= self.max:
            raise refuse(f"must be from {digits(self.min)} to {digits(self.max)}", "value")
        if self.max_change is not None and self.max_change <= 0:
            raise refuse("must be greater than 0", "max_change")
        return self


@dataclass(frozen=True, slots=True)
class Current:
    """What the target has now."""

    value: Decimal
    version: str


class _Unreadable(Exception):  # noqa: N818 - it names what is the matter
    """The target does not show the parameter, or not as it should."""


keys = http.keys
reconcile = http.reconcile


async def plan(step: Step, surroundings: Surroundings) -> StepPlan:
    """The new value and its bounds; the old value is seen beside them. Raises Unfit where it can not be seen, or is too far."""
    options = cast("Options", step.options)
    try:
        current = _read(*await ask(http.needed(step, surroundings), _path(options)))
    except (NotSent, NoAnswer, _Unreadable) as error:
        raise Unfit(Why.UNREACHABLE, f"{options.name}: {error}") from None
    if too_far := _too_far(options, current):
        raise Unfit(Why.OUT_OF_BOUNDS, f"{options.name}: {too_far}")
    bounds = {key: digits(number) for key, number in _numbers(options).items()}
    does = {"executor": step.executor, "target": options.target, "name": options.name, **bounds}
    return StepPlan(does, {"value": digits(current.value), "version": current.version})


async def execute(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Reads the version and replaces it, by one way; refused where another has changed it in between."""
    options = cast("Options", step.options)
    if (target := http.target_of(step, surroundings)) is None:
        return http.GONE
    async with line(target, attempt.clear, attempt.left) as way:
        try:
            current = _read(*await way.ask(_path(options)))
        except TooLate as late:
            return Result(Applied.NOT_APPLIED, late.why)
        except NotSent as failure:
            return http.not_sent(failure, attempt)
        except (NoAnswer, _Unreadable) as error:  # nothing but a question was sent
            return Result(Applied.NOT_APPLIED, Why.UNREACHABLE, {"said": str(error)})
        if too_far := _too_far(options, current):
            return Result(Applied.NOT_APPLIED, Why.OUT_OF_BOUNDS, {"said": too_far})
        return await _replace(way, options, current, attempt)


async def _replace(way: Line, options: Options, current: Current, attempt: Attempt) -> Result:
    body, match = {"value": digits(options.value)}, {"If-Match": f'"{current.version}"'}
    result = await http.effect(way, Call("PUT", _path(options), body, match), attempt, 200)
    facts = {"from": digits(current.value), "to": digits(options.value), **result.facts}
    return Result(result.applied, result.why, facts)


async def verify(step: Step, _: Attempt, surroundings: Surroundings) -> Result:
    """Reads it back."""
    options = cast("Options", step.options)
    try:
        current = _read(*await ask(http.needed(step, surroundings), _path(options)))
    except (Unfit, NotSent, NoAnswer, _Unreadable) as error:
        return Result(Applied.UNCLEAR, Why.NOT_CONFIRMED, {"said": str(error)})
    facts = {"value": digits(current.value)}
    if current.value == options.value:
        return Result(Applied.APPLIED, facts=facts)
    return Result(Applied.NOT_APPLIED, Why.NOT_CONFIRMED, facts)


def _path(options: Options) -> str:
    return f"/parameters/{quote(options.name, safe='')}"


def _read(status: int, told: object) -> Current:
    """What an answer shows. Raises _Unreadable; nothing of the answer is in the message."""
    if status != 200:  # noqa: PLR2004 - the one that shows it
        raise _Unreadable(f"HTTP {status}")
    match told:
        case {"value": value, "version": str(version)} if _VERSION.fullmatch(version):
            try:
                return Current(_DECIMAL.validate_python(value), version)
            except ValidationError:
                pass
    raise _Unreadable("the target does not show a value and a version")


def _too_far(options: Options, current: Current) -> str | None:
    most = options.max_change
    if most is None or abs(EXACT.subtract(options.value, current.value)) <= most:
        return None
    return f"it is {digits(current.value)} now, and may change by {digits(most)} at most"


def _numbers(options: Options) -> dict[str, Decimal]:
    numbers = {"value": options.value, "min": options.min, "max": options.max}
    return numbers if options.max_change is None else {**numbers, "max_change": options.max_change}
