"""`silence`: mutes alerts in Alertmanager, for four hours at most.

    {executor: silence, target: alertmanager, matchers: {alertname: NodeLagging, entity: $entity}, lasts: 2h}

It can never hide an alert about security, one about what watches, or Watchdog: that is judged by the rules that Prometheus has
now, when it is planned and again when it is made. Its comment names the effect, so that it is found again. `expire_silence`
takes it back.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Any, Self, cast

from pydantic import AfterValidator, model_validator

from occ.config import Duration, refuse
from occ.errors import SourceError
from receiver import silencing
from receiver.actions import Applied, Attempt, Result, Step, StepPlan, Surroundings, Unfit, _silences, http
from receiver.alertmanager import Held, Silence
from receiver.canonical import digits
from receiver.clock import SECOND, rfc3339
from receiver.outgoing import Call, Line, NoAnswer, NotSent, asking, line
from receiver.why import Why

LONGEST = 4 * 3600.0
"""Seconds that a silence lasts at most."""

NAMED = 20
"""Alerts that are named one by one."""


def _short(seconds: float) -> float:
    if seconds > LONGEST:
        raise refuse("must be 4h at most")
    return seconds


class Options(_silences.Aimed):
    """The keys of a step. The target is an Alertmanager."""

    lasts: Annotated[Duration, AfterValidator(_short)]

    @model_validator(mode="after")
    def _never_of_what_must_be_heard(self) -> Self:
        if said := silencing.forbidden(self.matchers):
            raise refuse(said, "matchers")
        return self


keys = http.keys


async def plan(step: Step, surroundings: Surroundings) -> StepPlan:
    """What it matches and for how long; what it would cover now is seen beside that. Raises Unfit."""
    options = cast("Options", step.options)
    target = http.needed(step, surroundings)
    if against := await _against(options, surroundings):
        raise Unfit(*against)
    try:
        async with asking(target) as way:
            covered = await _silences.covered(way, options.matchers)
    except (NotSent, NoAnswer) as error:
        raise Unfit(Why.UNREACHABLE, f"Alertmanager: {error}") from None
    if said := _hidden(covered):
        raise Unfit(Why.OUT_OF_BOUNDS, said)
    does = {
        "executor": step.executor,
        "target": options.target,
        "matchers": options.matchers,
        "seconds": digits(Decimal(str(options.lasts))),
    }
    return StepPlan(
        does, {"ends": _ends(options, surroundings), "alerts": str(len(covered)), "covers": _named(covered)}
    )


async def execute(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Makes it, unless it is there."""
    options = cast("Options", step.options)
    if (target := http.target_of(step, surroundings)) is None:
        return http.GONE
    if against := await _against(options, surroundings):
        return Result(Applied.NOT_APPLIED, against[0], {"said": against[1]})
    async with line(target, attempt.clear, attempt.left) as way:
        there = await http.before(_there(way, options, attempt.key), attempt)
        if there is not None:
            return there
        call = Call("POST", "/api/v2/silences", _written(options, attempt, surroundings))
        return await http.effect(way, call, attempt, 200)


async def _there(way: Line, options: Options, key: str) -> Result | None:
    """What it is already: there, or nothing that may be made; None where it is to be made. Raises NotSent, NoAnswer, TooLate."""
    if silence := _silences.made_by(key, options.matchers, await _silences.silences(way)):
        return Result(Applied.APPLIED, facts=_facts(silence))
    said = _hidden(await _silences.covered(way, options.matchers))
    return Result(Applied.NOT_APPLIED, Why.OUT_OF_BOUNDS, {"said": said}) if said else None


async def reconcile(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Looks for it. That it is not there is final only if nothing can arrive any more."""
    final = attempt.final()  # as it was before Alertmanager looked
    try:
        silence = await _made(step, attempt, surroundings)
    except (Unfit, NotSent, NoAnswer) as error:
        return Result(Applied.UNCLEAR, Why.UNCLEAR, {"said": str(error)})
    if silence:
        return Result(Applied.APPLIED, facts=_facts(silence))
    said = {"said": "Alertmanager has no such silence"}
    return Result(Applied.NOT_APPLIED, Why.NOT_APPLIED, said) if final else Result(Applied.UNCLEAR, Why.UNCLEAR, said)


async def verify(step: Step, attempt: Attempt, surroundings: Surroundings) -> Result:
    """Whether it is in force, as it was meant, by Alertmanager's own word."""
    try:
        silence = await _made(step, attempt, surroundings)
    except (Unfit, NotSent, NoAnswer) as error:
        return Result(Applied.UNCLEAR, Why.NOT_CONFIRMED, {"said": str(error)})
    if silence is None:
        return Result(Applied.NOT_APPLIED, Why.NOT_CONFIRMED, {"said": "Alertmanager has no such silence"})
    if silence.state == "active":
        return Result(Applied.APPLIED, facts=_facts(silence))
    return Result(Applied.NOT_APPLIED, Why.NOT_CONFIRMED, _facts(silence))


async def _made(step: Step, attempt: Attempt, surroundings: Surroundings) -> Silence | None:
    async with asking(http.needed(step, surroundings)) as way:
        matchers = cast("Options", step.options).matchers
        return _silences.made_by(attempt.key, matchers, await _silences.silences(way))


async def _against(options: Options, surroundings: Surroundings) -> tuple[Why, str] | None:
    """What the rules of now have against it."""
    if surroundings.prometheus is None:
        return Why.UNREACHABLE, "there is no Prometheus to ask what it could hide"
    try:
        said = silencing.objection(options.matchers, await surroundings.prometheus.rules())
    except SourceError as error:
        return Why.UNREACHABLE, f"Prometheus can not be asked what it could hide: {error}"
    return (Why.OUT_OF_BOUNDS, said) if said else None


def _hidden(covered: Collection[Held]) -> str | None:
    """What it would hide now and must not: others than this Prometheus send alerts, too."""
    never = [alert for alert in covered if silencing.untouchable(alert.labels)]
    return f"it would hide {_named(never)}" if never else None


def _named(alerts: Collection[Held]) -> str:
    names = sorted({f"{alert.alertname} {alert.labels.get('entity', '')}".strip() for alert in alerts})
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _ends(options: Options, surroundings: Surroundings) -> str:
    return rfc3339(surroundings.now() + int(options.lasts * SECOND))


def _written(options: Options, attempt: Attempt, surroundings: Surroundings) -> Any:
    matchers = [
        {"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in options.matchers.items()
    ]
    times = {"startsAt": rfc3339(surroundings.now()), "endsAt": _ends(options, surroundings)}
    return {"matchers": matchers, **times, "createdBy": _silences.MAKER, "comment": silencing.comment(attempt.key)}


def _facts(silence: Silence) -> dict[str, str]:
    return {"silence": silence.id, "state": silence.state, "ends": silence.ends_at}
