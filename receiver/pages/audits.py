"""The audit: its newest records, those about one thing, and its checkpoints."""

from __future__ import annotations

from typing import Any

from .leaves import Leaf, Visit

MAX_ENTRIES = 30
MAX_CHECKPOINTS = 3
_LARGEST = 2**53


async def audit(visit: Visit) -> dict[str, Any]:
    subject, before = visit.query.get("subject", ""), visit.query.get("before", "0")
    about = {"subject": subject} if subject else {}
    found = await visit.ask("audit", before=before, limit=str(MAX_ENTRIES), **about)
    last = found.entries[-1].seq if len(found.entries) == MAX_ENTRIES else 0
    return {
        "entries": [(entry, _at(entry.record)) for entry in found.entries],
        "subject": subject,
        "first": before == "0",
        "earlier": last if last > 1 else None,
        "checkpoints": await visit.part("checkpoints", limit=str(MAX_CHECKPOINTS)),
    }


def _at(record: dict[str, Any]) -> int | None:
    """When it says that it was made, if it says so in its own way."""
    at = record.get("at")
    return at if isinstance(at, int) and 0 <= at < _LARGEST else None


LEAVES = (Leaf("/audit", "audit.html", audit),)
