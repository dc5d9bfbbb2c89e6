"""`expire_silence`: ends the silences that actions have made with these very matchers. What undoes `silence`.

    {executor: expire_silence, target: alertmanager, matchers: {alertname: NodeLagging, entity: $entity}}

Where there is none, that is what was wanted. Silences that people have made are theirs to end.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from receiver import silencing
from receiver.actions import Applied, Attempt, Result, Step, StepPlan, Surroundings, Unfit, _silences, http
from receiver.alertmanager import Silence
from receiver.outgoing import Call, Line, NoAnswer, NotSent, asking, line
from receiver.why import Why


class Options(_silences.Aimed):
    """The keys of a step. The target is an Alertmanager."""


keys = http.keys


async def plan(step: Step, surroundings: Surroundings) -> StepPlan:
    """The matchers; which silences have them now is seen beside that. Raises Unfit."""
    options = cast("Options", step.options)
    try:
        found = await _standing(step, surroundings)
    except (NotSent, NoAnswer) as error:
        raise Unfit(Why.UNREACHABLE, f"Alertmanager: {error}") from None
    return StepPlan({"executor": step.executor, "target": options.target, "matchers": options.matchers}, _facts(found))


async def execute(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Ends them one by one. Where one can not be ended, those before it stay ended."""
    options = cast("Options", step.options)
    if (target := http.target_of(step, surroundings)) is None:
        return http.GONE
    async with line(target, attempt.clear, attempt.left) as way:
        found = await http.before(_calls(options, way), attempt)
        if isinstance(found, Result):
            return found
        for ended, call in enumerate(found):
            result = await http.effect(way, call, attempt, 200)
            if result.applied is not Applied.APPLIED:
                return _stopped(result, ended)
        return Result(Applied.APPLIED, facts={"ended": str(len(found))})


async def reconcile(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Looks whether any is left. That one is left is final only if nothing can arrive any more."""
    final = attempt.final()  # as it was before Alertmanager looked
    try:
        left = await _standing(step, surroundings)
    except (Unfit, NotSent, NoAnswer) as error:
        return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": str(error)})
    if not left:
        return Result(Applied.APPLIED, facts=_facts(left))
    return Result(Applied.NOT_APPLIED, Why.NOT_APPLIED, _facts(left)) if final else Result(Applied.UNCLEAR, Why.UNCLEAR)


async def verify(step: Step, _: Attempt, surroundings: Surroundings) -> Result:
    """Whether none is left, by Alertmanager's own word."""
    try:
        left = await _standing(step, surroundings)
    except (Unfit, NotSent, NoAnswer) as error:
        return Result(Applied.UNCLEAR, Why.NOT_CONFIRMED, {"said": str(error)})
    if left:
        return Result(Applied.NOT_APPLIED, Why.NOT_CONFIRMED, _facts(left))
    return Result(Applied.APPLIED, facts=_facts(left))


def _stopped(result: Result, ended: int) -> Result:
    """What it is where one could not be ended, and some were before it."""
    applied = Applied.PARTLY if ended and result.applied is Applied.NOT_APPLIED else result.applied
    return Result(applied, result.why, {"ended": str(ended), **result.facts})


async def _calls(options: Options, way: Line) -> list[Call]:
    return [Call("DELETE", _silences.path(silence)) for silence in await _found(options, way)]


async def _standing(step: Step, surroundings: Surroundings) -> list[Silence]:
    async with asking(http.needed(step, surroundings)) as way:
        return await _found(cast("Options", step.options), way)


async def _found(options: Options, way: Line) -> list[Silence]:
    """Those of our making that are in force, or are to come."""
    return [
        silence
        for silence in await _silences.silences(way)
        if silence.state != "expired"
        and silence.created_by == _silences.MAKER
        and silencing.keys_in(silence.comment)
        and silence.matchers == options.matchers
    ]


def _facts(silences: Collection[Silence]) -> dict[str, str]:
    return {"silences": str(len(silences)), "ids": ", ".join(silence.id for silence in silences)}
