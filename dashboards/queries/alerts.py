"""What fires, for every board."""

from __future__ import annotations

from dashboards.kit.query import number, series


def firing(severity: str, **matchers: str) -> str:
    """How many alerts fire; 0 only while Watchdog does, since without rules being evaluated nothing fires either."""
    counted = number(series("ALERTS", alertstate="firing", severity=severity, **matchers))
    watched = number(series("ALERTS", alertname="Watchdog", alertstate="firing"))
    return f"{counted} or {watched} * 0"
