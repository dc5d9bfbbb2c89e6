"""`http`: one request to a configured target, told apart by an idempotency key and a fence.

    {executor: http, target: engine, path: /halt, body: {venue: $venue}, expect: {status: 200}}

Applied is what was answered with the expected status. Not applied is what was never sent, and what the target refused with a
status that says so. All else may have been applied or not; then the target is asked what became of the key.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import quote

from pydantic import Field

from occ.config import Model, Name
from receiver import fill
from receiver.actions import Applied, Attempt, Result, Step, StepPlan, Surroundings, TooLate, Unfit
from receiver.outgoing import Call, Line, NoAnswer, NotSent, Target, ask, line
from receiver.why import Why

T = TypeVar("T")

_UNDECIDED = frozenset({408, 409, 499})
"""Refusals that do not say that nothing was done: too slow, the same key is being worked on, a proxy's client has left."""


class Expect(Model):
    """What the target answers with once it is done."""

    status: Annotated[int, Field(ge=200, le=299)] = 200


class Aimed(Model):
    """A step that is sent to a target."""

    target: Name


class Options(Aimed):
    """The keys of a step."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Annotated[str, fill.PATH]
    body: Annotated[dict[str, Any] | None, fill.JSON] = None
    expect: Expect = Expect()


def keys(step: Step) -> tuple[str, ...]:
    """The target: fences are counted per target, so one request at a time."""
    return (f"target/{cast('Aimed', step.options).target}",)


async def plan(step: Step, surroundings: Surroundings) -> StepPlan:
    """The request as it would be sent; nothing is sent to find out."""
    options = cast("Options", step.options)
    target = needed(step, surroundings)
    token = {"authorization": "***"} if target.token else {}
    body = {} if options.body is None else {"body": options.body}
    request = {"method": options.method, "path": options.path, "headers": token, **body}
    return StepPlan({"executor": step.executor, "target": options.target, **request, "expect": options.expect.status})


async def execute(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Sends it, once."""
    options = cast("Options", step.options)
    if (target := target_of(step, surroundings)) is None:
        return GONE
    async with line(target, attempt.clear, attempt.left) as way:
        return await effect(way, Call(options.method, options.path, options.body), attempt, options.expect.status)


async def reconcile(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Asks the target what became of the key. That it was not applied is final only if nothing can arrive any more."""
    target = target_of(step, surroundings)
    final = attempt.final()  # as it was before the target looked
    match await _told(target, attempt.key):
        case True:
            return Result(Applied.APPLIED, facts={"said": "the target has applied it"})
        case False if final:
            return Result(Applied.NOT_APPLIED, Why.NOT_APPLIED, {"said": "the target has not applied it"})
        case False:
            return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": "the target has not applied it yet"})
        case _:
            return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": "the target can not be asked, or does not tell"})


async def verify(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Whether the target remembers it as applied. One that can not be asked has said so by its answer."""
    target = target_of(step, surroundings)
    if target is not None and target.operations is None:
        return Result(Applied.APPLIED, facts={"said": "the target can not be asked again"})
    match await _told(target, attempt.key):
        case True:
            return Result(Applied.APPLIED, facts={"said": "the target has applied it"})
        case False:
            return Result(Applied.NOT_APPLIED, Why.NOT_CONFIRMED, {"said": "the target knows nothing of it"})
        case _:
            return Result(Applied.UNCLEAR, Why.NOT_CONFIRMED, {"said": "the target can not be asked now"})


# --- for all that act by HTTP ----------------------------------------------------------------------------------------


GONE = Result(Applied.NOT_APPLIED, Why.DEFINITION_CHANGED, {"said": "the target is not configured any more"})


def target_of(step: Step, surroundings: Surroundings) -> Target | None:
    """The target of a step, if it is configured still."""
    return surroundings.targets.get(cast("Aimed", step.options).target)


def needed(step: Step, surroundings: Surroundings) -> Target:
    """The target of a step. Raises Unfit."""
    if (target := target_of(step, surroundings)) is None:
        raise Unfit(Why.DEFINITION_CHANGED, "the target is not configured any more")
    return target


async def effect(way: Line, call: Call, attempt: Attempt, expected: int) -> Result:
    """Sends what is to take effect, and says whether it did."""
    call = Call(call.method, call.path, call.body, {**call.headers, **_signature(attempt)})
    try:
        status = await way.send(call)
    except TooLate as late:
        return Result(Applied.NOT_APPLIED, late.why)
    except NotSent as failure:
        return not_sent(failure, attempt)
    except NoAnswer as failure:
        return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": str(failure)})
    return _judged(status, expected)


async def before(question: Awaitable[T], attempt: Attempt) -> T | Result:
    """What is asked before anything takes effect; where it is not answered, why nothing did."""
    try:
        return await question
    except TooLate as late:
        return Result(Applied.NOT_APPLIED, late.why)
    except NotSent as failure:
        return not_sent(failure, attempt)
    except NoAnswer as error:
        return Result(Applied.NOT_APPLIED, Why.UNREACHABLE, {"said": str(error)})


def not_sent(failure: NotSent, attempt: Attempt) -> Result:
    """Why nothing was sent."""
    why = Why.UNREACHABLE if attempt.left() > 0 else Why.DEADLINE
    return Result(Applied.NOT_APPLIED, why, {"said": str(failure)})


def _signature(attempt: Attempt) -> dict[str, str]:
    return {"Idempotency-Key": attempt.key, "X-OCC-Fence": str(attempt.fence)}


def _judged(status: int, expected: int) -> Result:
    facts = {"status": str(status)}
    if status == expected:
        return Result(Applied.APPLIED, facts=facts)
    if 400 <= status < 500 and status not in _UNDECIDED:  # noqa: PLR2004 - the client's errors
        return Result(Applied.NOT_APPLIED, Why.REFUSED, facts)
    return Result(Applied.UNCLEAR, Why.UNCLEAR, facts)


async def _told(target: Target | None, key: str) -> bool | None:
    """Whether the target has applied what was sent with the key; None where it does not tell.

    One that never heard of it says so itself, in JSON: the 404 of a proxy, or of a path that is not there, tells nothing.
    """
    if target is None or target.operations is None:
        return None
    try:
        status, told = await ask(target, f"{target.operations}/{quote(key, safe='')}")
    except (NotSent, NoAnswer):
        return None
    match status, told:
        case (200, {"applied": bool(applied)}):
            return applied
        case (404, {"applied": False}):
            return False
    return None
