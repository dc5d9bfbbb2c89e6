"""What people want done: one request with its plan, those that wait for somebody, and those before."""

from __future__ import annotations

from typing import Any

from receiver import clock
from receiver.life import ENDED, State

from .leaves import Deed, Leaf, Visit

MAX_WAITING = 30
MAX_LISTED = 30

MEANINGS = {
    State.PLANNED: "Nothing happens before it is submitted",
    State.PENDING_APPROVAL: "It waits for approvals",
    State.APPROVED: "It starts as soon as nothing is against it",
    State.RUNNING: "It is being done",
    State.VERIFYING: "It was done; whether it works is being looked at",
    State.SUCCEEDED: "It was done, and was seen to work",
    State.PARTIAL: "Some of it was done, and the rest will not be",
    State.FAILED: "It failed",
    State.DENIED: "The policy does not let it be asked for",
    State.REJECTED: "Somebody was against it",
    State.EXPIRED: "Its time was over before it started",
    State.CANCELLED: "Who wanted it took it back",
    State.BLOCKED: "It was approved, and something forbade the start",
    State.IN_DOUBT: "Nobody knows whether it took effect",
}
"""What a state means, in words."""


def to_request(_: Visit, request: Any) -> str:
    """The page of the request that an operation has answered with."""
    return f"/r/{request.id}"


async def request(visit: Visit) -> dict[str, Any]:
    whole = await visit.ask("request", visit.place)
    found = whole.request
    action = await visit.part("action", {"action": found.action})
    undo = getattr(action, "undo", None)
    return {
        "whole": whole,
        "steps": [_in_order(step) for step in whole.plan["steps"]],
        "bounds": _bounds(whole.plan),
        "request": found,
        "action": action,
        "undo": await visit.part("action", {"action": undo}) if undo and _has_effect(whole) else None,
        "alert": await visit.part("episode", {"episode": str(found.episode)}) if found.episode else None,
        "freezes": await visit.part("freezes"),
        "meaning": MEANINGS[found.state],
        "ended": found.state in ENDED,
        "mine": {name for name, who in whole.may.items() if visit.person in who},
    }


def _in_order(step: dict[str, Any]) -> dict[str, Any]:
    """What it is and where it goes before everything else."""
    first = [name for name in ("executor", "target", "venue", "account", "method", "path") if name in step]
    return {name: step[name] for name in (*first, *step)}


def _bounds(plan: dict[str, Any]) -> dict[str, str]:
    """Limits and times of a plan, in words."""
    limits, expires = plan["limits"], plan["expires"]
    found = {
        "again after": limits["cooldown"] and _seconds(limits["cooldown"]),
        "at most": limits["per_day"] and f"{limits['per_day']} times within 24 h",
        "approved within": _seconds(expires["approval"]),
        "started within": _seconds(expires["execution"]),
    }
    return {name: words for name, words in found.items() if words}


def _seconds(length: Any) -> str:
    return clock.span(int(float(length) * clock.SECOND))


def _has_effect(whole: Any) -> bool:
    """Whether there is anything to undo: it has ended, and something of it was applied."""
    return whole.request.state in ENDED and any(effect.state != "not_applied" for effect in whole.effects)


async def approvals(visit: Visit) -> dict[str, Any]:
    """What waits for whoever looks comes first."""
    waiting = (await visit.ask("approvals", query={"limit": str(MAX_WAITING)})).waiting
    planned = await visit.ask("requests", query={"state": State.PLANNED.value, "limit": str(MAX_WAITING)})
    return {
        "for_me": [whole for whole in waiting if _waits_for(visit.person, whole)],
        "for_others": [whole for whole in waiting if not _waits_for(visit.person, whole)],
        "planned": [each for each in planned.requests if each.person == visit.person],
        "cut": len(waiting) >= MAX_WAITING,
    }


def _waits_for(person: str, whole: Any) -> bool:
    return any(person in whole.may.get(name, ()) for name in ("approve", "release"))


async def history(visit: Visit) -> dict[str, Any]:
    asked = {name: visit.query[name] for name in ("state", "before") if visit.query.get(name)}
    found = await visit.ask("requests", query={"limit": str(MAX_LISTED), **asked})
    return {
        "requests_listed": found.requests,
        "states": [state.value for state in State],
        "state": asked.get("state", ""),
        "earlier": found.requests[-1].id if len(found.requests) == MAX_LISTED else None,
        "first": "before" not in asked,
    }


_DECISIONS = {name: Deed(name) for name in ("submit", "approve", "reject", "cancel", "review", "release")}

LEAVES = (
    Leaf("/r/{id}", "request.html", request, {**_DECISIONS, "plan": Deed("plan", to_request)}),
    Leaf("/approvals", "approvals.html", approvals, refresh=30),
    Leaf("/history", "history.html", history),
)
