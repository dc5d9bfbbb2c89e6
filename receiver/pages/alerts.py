"""What fires now, and one alert with what can be done about it."""

from __future__ import annotations

from typing import Any

from receiver.families import Severity
from receiver.health import Condition

from .leaves import Deed, Leaf, Visit
from .requests import to_request

MAX_FIRING = 40
MAX_RESOLVED = 12
MAX_EPISODES = 20
MAX_DONE = 10
MAX_INCIDENTS = 20
MAX_WAITING = 10
MAX_DOUBTFUL = 10
LONGEST_NAME = 120


async def now(visit: Visit) -> dict[str, Any]:
    found = await visit.ask("now", query={"limit": str(MAX_FIRING)})
    resolved = await visit.ask("episodes", query={"status": "resolved", "limit": str(MAX_RESOLVED)})
    health = await visit.ask("health")
    return {
        "standing": found,
        "ill": [part.name for part in health.parts if part.condition is not Condition.WELL],
        "firing": [episode for episode in found.firing if episode.severity != Severity.NONE],
        "heartbeats": [episode for episode in found.firing if episode.severity == Severity.NONE],
        "hidden": sum(found.active.values()) - len(found.firing),
        "resolved": resolved.episodes,
        "freezes": await visit.people("freezes"),
        "incidents": await visit.people("incidents", {"limit": str(MAX_INCIDENTS)}),
        "most_incidents": MAX_INCIDENTS,
        "waiting": {
            "pending_approval": await visit.people(
                "requests", {"state": "pending_approval", "limit": str(MAX_WAITING)}
            ),
            "in_doubt": await visit.people("requests", {"state": "in_doubt", "limit": str(MAX_DOUBTFUL)}),
        },
    }


async def alert(visit: Visit) -> dict[str, Any]:
    found = await visit.ask("alert", visit.place, {"limit": str(MAX_EPISODES)})
    latest = found.episodes[0]
    return {
        "latest": latest,
        "incident": found.incident,
        "incident_status": found.incident_status,
        "commander": found.commander,
        "episodes": found.episodes,
        "offered": await visit.people("actions", {"fingerprint": found.fingerprint}),
        "done": await visit.people("requests", {"episode": str(latest.id), "limit": str(MAX_DONE)}),
        "freezes": await visit.people("freezes"),
        "why": _why(latest.labels),
    }


def _why(labels: dict[str, str]) -> str:
    """What the reason of a request is to begin with: which alert it answers."""
    names = (labels.get(name, "")[:LONGEST_NAME] for name in ("alertname", "entity"))
    return f"Answers {' of '.join(''.join(filter(str.isprintable, name)) for name in names if name)}".strip()


LEAVES = (
    Leaf("/", "now.html", now, refresh=30),
    Leaf("/a/{fingerprint}", "alert.html", alert, {"plan": Deed("plan", to_request)}, unknown="unknown.html"),
)
