"""What can be done: all actions, and one with the form that plans it."""

from __future__ import annotations

from typing import Any

from .leaves import Deed, Leaf, Visit
from .requests import to_request

MAX_ACTIONS = 100


async def actions(visit: Visit) -> dict[str, Any]:
    found = (await visit.ask("actions")).actions
    return {"actions": found[:MAX_ACTIONS], "hidden": max(0, len(found) - MAX_ACTIONS)}


async def action(visit: Visit) -> dict[str, Any]:
    return {"action": await visit.ask("action", visit.place), "freezes": await visit.part("freezes")}


LEAVES = (
    Leaf("/actions", "actions.html", actions),
    Leaf("/actions/{action}", "action.html", action, {"plan": Deed("plan", to_request)}),
)
