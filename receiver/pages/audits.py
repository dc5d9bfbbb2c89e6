"""What of the receiver is well; and the audit: its newest records, those about one thing, and its checkpoints."""

from __future__ import annotations

from typing import Any

from receiver.health import Condition

from .leaves import Leaf, Visit

MAX_ENTRIES = 30
MAX_CHECKPOINTS = 3
MAX_DOUBTFUL = 10
_LARGEST = 2**53


async def audit(visit: Visit) -> dict[str, Any]:
    subject, before = visit.query.get("subject", ""), visit.query.get("before", "0")
    about = {"subject": subject} if subject else {}
    found = await visit.ask("audit", query={"before": before, "limit": str(MAX_ENTRIES), **about})
    last = found.entries[-1].seq if len(found.entries) == MAX_ENTRIES else 0
    return {
        "entries": [(entry, _at(entry.record)) for entry in found.entries],
        "subject": subject,
        "first": before == "0",
        "earlier": last if last > 1 else None,
        "checkpoints": await visit.part("checkpoints", query={"limit": str(MAX_CHECKPOINTS)}),
    }


def _at(record: dict[str, Any]) -> int | None:
    """When it says that it was made, if it says so in its own way."""
    at = record.get("at")
    return at if isinstance(at, int) and 0 <= at < _LARGEST else None


async def health(visit: Visit) -> dict[str, Any]:
    found = await visit.ask("health")
    notifiers = await visit.people("notifiers")
    automation = await visit.people("automation", {"limit": "1"})
    return {
        "parts_of": found.parts,
        "ill": [part for part in found.parts if part.condition is not Condition.WELL],
        "freezes": await visit.people("freezes"),
        "notifiers": notifiers,
        "failing": [each for each in getattr(notifiers, "notifiers", ()) if each.failure or each.given_up],
        "modes": [mode for mode in getattr(automation, "modes", ()) if mode.automation != "off"],
        "automation": automation,
        "doubtful": await visit.people("requests", {"state": "in_doubt", "limit": str(MAX_DOUBTFUL)}),
    }


LEAVES = (
    Leaf("/audit", "audit.html", audit),
    Leaf("/health", "health.html", health),
)
