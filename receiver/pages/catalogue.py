"""What can be done: all actions, one with the form that plans it, and what the receiver does by itself."""

from __future__ import annotations

from typing import Any

from .leaves import Deed, Leaf, Visit
from .requests import to_request

MAX_ACTIONS = 100
MAX_DECISIONS = 30

MODES = {
    "shadow": "Nothing is done; what would have been done is told here.",
    "propose": "It is planned and submitted, and waits for people.",
    "auto": "It is done at once, and people are told.",
}


async def actions(visit: Visit) -> dict[str, Any]:
    found = (await visit.ask("actions")).actions
    return {"actions": found[:MAX_ACTIONS], "hidden": max(0, len(found) - MAX_ACTIONS)}


async def action(visit: Visit) -> dict[str, Any]:
    return {"action": await visit.ask("action", visit.place), "freezes": await visit.part("freezes")}


async def automation(visit: Visit) -> dict[str, Any]:
    found = await visit.ask("automation", query={"limit": str(MAX_DECISIONS)})
    return {
        "found": found,
        "modes": [mode for mode in found.modes if mode.automation != "off"],
        "quiet": [mode.action for mode in found.modes if mode.automation == "off"],
        "words": MODES,
    }


LEAVES = (
    Leaf("/actions", "actions.html", actions),
    Leaf("/actions/{action}", "action.html", action, {"plan": Deed("plan", to_request)}),
    Leaf("/automation", "automation.html", automation),
)
