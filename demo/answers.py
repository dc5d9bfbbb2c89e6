"""What is done about an alert in a drill, by people or by itself, and what must come of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .people import OLGA, RITA, TOM
from .until import until
from .views import Views, patiently

ENDED = frozenset(
    {"succeeded", "partial", "failed", "denied", "rejected", "expired", "cancelled", "blocked", "in_doubt"}
)
WITHIN = 60.0
"""Seconds for an action to come to its end, at most."""

SEEN_WITHIN = 10.0

RESOLVED_WITHIN = 120.0
"""Seconds for the receiver to hear that an alert is over, of which most is the window of its rule."""


class Unanswered(Exception):  # noqa: N818 - it names what is the matter
    """What was to come of it did not; the message says what did."""


Seen = Callable[[Views], Awaitable[bool]]
"""Whether a part other than the receiver shows what an action was to bring about."""


async def _witnessed(views: Views, action: str, seen: Seen) -> None:
    try:
        await until(lambda: patiently(lambda: seen(views)), SEEN_WITHIN, every=0.2)
    except TimeoutError:
        raise Unanswered(f"{action} succeeded, and nothing else shows it") from None


async def _resolved(views: Views, action: str, fingerprint: str) -> None:
    async def over() -> bool:
        found = [each["status"] for each in await views.episodes() if each["fingerprint"] == fingerprint]
        return bool(found) and "firing" not in found

    try:
        await until(lambda: patiently(over), RESOLVED_WITHIN, every=0.2)
    except TimeoutError:
        raise Unanswered(f"{action} succeeded, and the alert fires still") from None


@dataclass(frozen=True)
class ByPeople:
    """Olga asks for it, Tom and Rita approve where approvals are wanted, it succeeds, and what it brings about is `seen` beside
    the receiver. Where it `resolves` the alert, that is over while the fault is still there. What undoes it is done likewise, once
    the fault is over, or `at_once`: of an alert that is muted the end is not heard.
    """

    action: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    undo: str = ""
    undo_parameters: Mapping[str, str] = field(default_factory=dict)
    seen: Seen | None = None
    resolves: bool = False
    at_once: bool = False

    async def given(self, views: Views, fingerprint: str) -> str:
        """What came of it, in words. Raises Unanswered."""
        request = await acted(views, self.action, self.parameters, fingerprint)
        if self.seen is not None:
            await _witnessed(views, self.action, self.seen)
        if self.resolves:
            await _resolved(views, self.action, fingerprint)
        return f"{self.action} {request['state']}" + (", which resolved it" if self.resolves else "")


@dataclass(frozen=True)
class ByItself:
    """The receiver does it, or says what it would have done, or why it does not."""

    action: str
    kind: str
    outcome: str
    why: str | None = None
    at_once: ClassVar[bool] = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    undo: str = ""
    undo_parameters: Mapping[str, str] = field(default_factory=dict)

    async def given(self, views: Views, fingerprint: str) -> str:
        """What came of it, in words. Raises Unanswered."""
        last: dict[str, Any] = {}

        async def decided() -> bool:
            last.update(await self._decision(views, fingerprint))
            return (last.get("kind"), last.get("outcome"), last.get("why")) == (self.kind, self.outcome, self.why)

        try:
            await until(lambda: patiently(decided), WITHIN, every=0.2)
        except TimeoutError:
            told = f"{last['kind']}, {last['outcome']}, {last['why']}" if last else "nothing at all"
            raise Unanswered(f"{self.action} was to be {self.kind}, {self.outcome}: {told}") from None
        if last["request"] is None:
            return f"{self.action}: {self.kind}, {self.outcome}" + (f" by {self.why}" if self.why else "")
        return f"{self.action} by itself {(await ended(views, last['request']))['state']}"

    async def _decision(self, views: Views, fingerprint: str) -> dict[str, Any]:
        answer = await views.desk(OLGA).get("/automation", action=self.action)
        mine = (each for each in answer["decisions"] if each["fingerprint"] == fingerprint)
        return next(mine, {})


Answer = ByPeople | ByItself


async def taken_back(views: Views, answer: Answer) -> None:
    """As it was before. Raises Unanswered."""
    if answer.undo:
        await acted(views, answer.undo, answer.undo_parameters or answer.parameters)


async def acted(
    views: Views,
    action: str,
    parameters: Mapping[str, str],
    fingerprint: str | None = None,
    told: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """The request, once it has succeeded; `told` hears of each step. Raises Unanswered where it ends otherwise."""
    reason = {"reason": "a drill"}
    wanted = {"action": action, "parameters": dict(parameters), **reason}
    if fingerprint is not None:
        wanted["fingerprint"] = fingerprint
    request = await views.desk(OLGA).post("/requests", **wanted)
    path, plan = f"/requests/{request['id']}", {"plan_hash": request["plan_hash"]}
    told(f"{OLGA.id} plans {action}")
    request = await views.desk(OLGA).post(f"{path}/submit", **plan)
    for person in (TOM, RITA) if request["state"] == "pending_approval" else ():
        request = await views.desk(person).post(f"{path}/approve", **plan, **reason)
        told(f"{person.id} approves it")
    return await ended(views, request["id"])


async def ended(views: Views, id_: str) -> dict[str, Any]:
    """The request, once it has succeeded. Raises Unanswered where it ends otherwise, or not in time."""
    request: dict[str, Any] = {}

    async def over() -> bool:
        request.update((await views.desk(OLGA).get(f"/requests/{id_}"))["request"])
        return request["state"] in ENDED

    try:
        await until(lambda: patiently(over), WITHIN, every=0.1)
    except TimeoutError:
        raise Unanswered(
            f"{request.get('action', id_)} is {request.get('state', 'unknown')} after {WITHIN:.0f} s"
        ) from None
    if request["state"] != "succeeded":
        raise Unanswered(f"{request['action']} {request['state']}: {request['why']}")
    return request


async def acknowledged(views: Views) -> None:
    """Olga knows of every incident that is open: what goes on for long would escalate else."""
    desk = views.desk(OLGA)
    for incident in (await desk.get("/incidents"))["incidents"]:
        if incident["status"] == "open":
            await desk.post(f"/incidents/{incident['id']}/acknowledge")


async def frozen(views: Views) -> Callable[[], Awaitable[None]]:
    """Freezes everything; what is returned lets it go on, by two people who did not freeze."""
    freeze = await views.desk(OLGA).post("/freezes", scope="everything", name="", reason="a drill")

    async def lifted() -> None:
        for person in (TOM, RITA):
            await views.desk(person).post(f"/freezes/{freeze['id']}/unfreeze", reason="the drill is over")

    return lifted
