"""What can be done: `actions.yml`, checked as a whole before it is used.

An action is one or more steps; a step names an executor. Parameters are bounded: one of a list, or a number between two. A
label of an alert may fill one in and is refused where it is out of those bounds, so that nothing an alert says is passed on
as it came. At load every bound is filled into every step and query, so that what can not work is refused there and then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from occ.config import (
    SOME,
    Context,
    Duration,
    Model,
    Name,
    moved,
    refuse,
    refuse_all,
    unique,
)
from occ.errors import OccError

from . import canonical, fill
from .actions import Step, executors
from .outgoing import Target
from .parameters import Parameter, choice, label

NO_LABELS: Mapping[str, str] = MappingProxyType({})


class BadParameters(OccError):  # noqa: N818 - it names what is the matter
    """Parameters that an action can not be planned with: `problems` says of each what is wrong and what it may be."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = problems


# --- actions ---------------------------------------------------------------------------------------------------------


class Template(Model):
    """A step as it is written: its options may hold `$name`."""

    executor: str
    options: dict[str, Any]


def _split(value: object) -> object:
    """A step of the file: an executor, and beside it the executor's own options."""
    if not isinstance(value, dict):
        return value
    known = executors()
    name = value.get("executor")
    if name is None:
        raise refuse("is required", "executor")
    if not isinstance(name, str) or name not in known:
        raise refuse(f"there is no such executor; there are: {', '.join(known)}", "executor")
    rest = {key: item for key, item in value.items() if key != "executor"}
    try:
        canonical.dumps(rest)
    except ValueError:
        raise refuse("holds a number that JSON does not carry exactly; write it as a string") from None
    return Template(executor=name, options=rest)


def _labels(labels: dict[str, str]) -> dict[str, str]:
    if not labels:
        raise refuse("needs at least one label: nothing is offered for every alert")
    for name in labels:
        label(name)
    return labels


class Limits(Model):
    """How often an action may start: `cooldown` seconds apart, `per_day` times within any 24 hours."""

    cooldown: Duration | None = None
    per_day: Annotated[int, Field(ge=1)] | None = None


class Expires(Model):
    """Seconds: from the submission to the last approval, and from there to the start."""

    approval: Duration = 600.0
    execution: Duration = 120.0


class Fresh(Model):
    """The target whose next read, begun after the effect, the verification waits for."""

    exporter: str
    target: Annotated[str, fill.TEXT]
    check: str

    def filled(self, values: fill.Values) -> Self:
        """With the parameters in place. Raises Unfillable."""
        try:
            return self.model_copy(update=fill.options(type(self), self.model_dump(), values))
        except fill.Unfillable as error:
            raise fill.Unfillable(str(error), "fresh", *error.at) from None


class Verify(Model):
    """What must be seen, `within` seconds of the effect, on samples newer than it.

    `query` is PromQL that has a result where the action has brought about what it should. How new a sample is tells `fresh`
    or `heartbeat`, PromQL of a Unix time.
    """

    query: Annotated[str, fill.PROMQL]
    fresh: Fresh | None = None
    heartbeat: Annotated[str | None, fill.PROMQL] = None
    within: Duration

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.fresh is None) == (self.heartbeat is None):
            raise refuse("expected one of fresh and heartbeat: a sample must be newer than the effect")
        return self

    def filled(self, values: fill.Values) -> Verify:
        """With the parameters in place. Raises Unfillable."""
        fresh = self.fresh and self.fresh.filled(values)
        update = fill.options(Verify, {"query": self.query, "heartbeat": self.heartbeat}, values)
        return self.model_copy(update={**update, "fresh": fresh})


class Recent(Fresh):
    """The target that must have been read, with success, `within` seconds."""

    within: Duration = 60.0


class Automation(Model):
    """What must hold before the receiver asks for an action by itself, beside what the policy says.

    The alert fires for `firing_for` seconds; `confirm`, PromQL that tells the same by other means, has a result; what it
    depends on is `fresh`; and it was asked for less than `at_most` times within any 24 hours.
    """

    firing_for: Duration = 30.0
    confirm: Annotated[str, fill.PROMQL]
    fresh: Recent
    at_most: Annotated[int, Field(ge=1, le=1000)] = 5

    def filled(self, values: fill.Values) -> Automation:
        """With the parameters in place. Raises Unfillable."""
        update = fill.options(Automation, {"confirm": self.confirm}, values)
        return self.model_copy(update={**update, "fresh": self.fresh.filled(values)})


Matcher = Annotated[dict[str, str], AfterValidator(_labels)]
"""Labels that an alert must all have, with these values."""


class Action(Model):
    """One thing that can be done, and all that bounds it. `deadline` seconds are what each step has."""

    name: Name
    title: Annotated[str, AfterValidator(choice)]
    protective: bool = False
    requires_firing: bool = False
    offered_by: tuple[Matcher, ...] = ()
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    steps: Annotated[tuple[Annotated[Template, BeforeValidator(_split)], ...], SOME]
    deadline: Duration = 10.0
    limits: Limits = Limits()
    expires: Expires = Expires()
    verify: Verify
    automation: Automation | None = None
    undo: Name | None = None

    @field_validator("parameters")
    @classmethod
    def _names(cls, parameters: dict[str, Parameter]) -> dict[str, Parameter]:
        refuse_all(
            refuse("expected a name of small letters, digits and `_`, which begins with a letter", name)
            for name in parameters
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name)
        )
        return parameters

    @field_validator("steps")
    @classmethod
    def _steps_can_be_filled(cls, steps: tuple[Template, ...], info: ValidationInfo[Context]) -> tuple[Template, ...]:
        errors: list[InitErrorDetails] = []
        for index, step in enumerate(steps):
            errors += _errors(partial(_options, step, info.context), info, index)
        return _unless(errors, steps)

    @field_validator("verify")
    @classmethod
    def _verify_can_be_filled(cls, verify: Verify, info: ValidationInfo[Context]) -> Verify:
        return _unless(_errors(verify.filled, info), verify)

    @field_validator("automation")
    @classmethod
    def _automation_can_be_filled(cls, found: Automation, info: ValidationInfo[Context]) -> Automation:
        return _unless(_errors(found.filled, info), found)

    def examples(self) -> Iterator[dict[str, str]]:
        """Values of the parameters such that each parameter takes each of its extremes."""
        return _examples(self.parameters)


def _examples(parameters: Mapping[str, Parameter]) -> Iterator[dict[str, str]]:
    first = {name: parameter.extremes()[0] for name, parameter in parameters.items()}
    yield first
    for name, parameter in parameters.items():
        yield from (first | {name: value} for value in parameter.extremes()[1:])


def _options(step: Template, context: Context | None, values: fill.Values) -> Model:
    """The options of a step with the parameters in place. Raises Unfillable and ValidationError."""
    model: type[Model] = executors()[step.executor].Options
    return model.model_validate(fill.options(model, step.options, values), context=context or Context.none())


def _errors(
    check: Callable[[fill.Values], object], info: ValidationInfo[Context], *at: str | int
) -> list[InitErrorDetails]:
    """What the first example is refused for; nothing where the parameters themselves are wrong, which is told already."""
    parameters = info.data.get("parameters")
    try:
        for values in () if parameters is None else _examples(parameters):
            check(values)
    except fill.Unfillable as error:
        return [InitErrorDetails(type=refuse(str(error)), loc=(*at, *error.at), input=None)]
    except ValidationError as error:
        return moved(error, *at)
    return []


T = TypeVar("T")


def _unless(errors: list[InitErrorDetails], value: T) -> T:
    if errors:
        raise ValidationError.from_exception_data("part", errors)
    return value


# --- targets, and the whole ------------------------------------------------------------------------------------------


class Catalogue(Model):
    """The whole file."""

    substitutes: ClassVar[bool] = False

    targets: dict[Name, Target] = Field(default_factory=dict)
    actions: Annotated[tuple[Action, ...], SOME, unique("name")]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        refuse_all(
            problem for index, action in enumerate(self.actions) for problem in self._problems(action, "actions", index)
        )
        return self

    def _problems(self, action: Action, *at: str | int) -> Iterator[PydanticCustomError]:
        if action.undo is not None and (action.undo == action.name or self.action(action.undo) is None):
            yield refuse("there is no other action of this name", *at, "undo")
        for index, step in enumerate(action.steps):
            if unknown := _targets(action, step) - set(self.targets):
                known = f"there are: {', '.join(self.targets)}" if self.targets else "there are none"
                yield refuse(f"there is no target {', '.join(sorted(unknown))}; {known}", *at, "steps", index, "target")

    def action(self, name: str) -> Action | None:
        return next((action for action in self.actions if action.name == name), None)

    def offered(self, labels: Mapping[str, str]) -> tuple[Action, ...]:
        """The actions that an alert with these labels offers."""
        return tuple(
            action for action in self.actions if any(matcher.items() <= labels.items() for matcher in action.offered_by)
        )

    def resolve(
        self, action: Action, given: Mapping[str, str], labels: Mapping[str, str] = NO_LABELS
    ) -> dict[str, str]:
        """The value of every parameter: from the alert's labels where they have it, else as given. Raises BadParameters."""
        problems = dict.fromkeys(given.keys() - action.parameters.keys(), "is no parameter of this action")
        values = {}
        for name, parameter in action.parameters.items():
            try:
                values[name] = _resolved(parameter, given.get(name), labels)
            except ValueError as error:
                problems[name] = str(error)
        if problems:
            raise BadParameters(problems)
        return values

    def unfit(self, action: Action, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The parameters that an alert with these labels fills with what they can not be, so that it can not be planned for it."""
        filled = {name: labels.get(parameter.from_label or "", "") for name, parameter in action.parameters.items()}
        return tuple(name for name, value in filled.items() if value and action.parameters[name].checked(value) is None)

    def steps(self, action: Action, values: Mapping[str, str]) -> tuple[Step, ...]:
        """The steps with the parameters in place. Values are those that `resolve` returned."""
        return tuple(
            Step(index, step.executor, _options(step, None, values)) for index, step in enumerate(action.steps)
        )

    def definition(self, action: Action) -> bytes:
        """RFC 8785 of all that the action is, the targets it uses included; without secrets."""
        used = frozenset[str]().union(*(_targets(action, step) for step in action.steps))
        return canonical.dumps(
            {
                "v": "occ-action-v1",
                "action": action.model_dump(),
                "targets": {name: self.targets[name].definition() for name in used},
            }
        )

    def definition_hash(self, action: Action) -> str:
        return canonical.sha256(self.definition(action))

    @property
    def hash(self) -> str:
        """Of all definitions: whatever can be done is another where this is another."""
        return canonical.sha256(
            canonical.dumps({"v": "occ-actions-v1", "actions": [self.definition_hash(it) for it in self.actions]})
        )


def _resolved(parameter: Parameter, given: str | None, labels: Mapping[str, str]) -> str:
    """Raises ValueError, in words that repeat neither what was given nor what the label says."""
    label = labels.get(parameter.from_label or "", "")
    if not label and given is None:
        raise ValueError(f"is needed: {parameter}")
    value = parameter.checked(label or given or "")
    if value is None:
        whose = f"the alert's label {parameter.from_label} is not" if label else "is not"
        raise ValueError(f"{whose} {parameter}")
    if label and given is not None and parameter.checked(given) != value:
        raise ValueError(f"is taken from the alert's label {parameter.from_label}, which says another")
    return value


def _targets(action: Action, step: Template) -> frozenset[str]:
    """The names of targets that a step may talk to."""
    options = (_options(step, None, values) for values in action.examples())
    return frozenset(option.target for option in options if hasattr(option, "target"))
