"""What fires, for every board."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards.kit.query import number, series

WATCHED = number(series("ALERTS", alertname="Watchdog", alertstate="firing"))
"""There while rules are evaluated."""


def firing(severity: str, **matchers: str) -> str:
    """How many alerts fire; 0 only while Watchdog does, since without rules being evaluated nothing fires either."""
    counted = number(series("ALERTS", alertstate="firing", severity=severity, **matchers))
    return f"{counted} or {WATCHED} * 0"


def firing_by(labels: Iterable[str], known: str, **matchers: str) -> str:
    """How many pages and tickets fire of each of those that are `known` by these labels; 0 only while Watchdog does."""
    counted = number(series("ALERTS", alertstate="firing", severity="page|ticket", **matchers), labels)
    return f"{counted} and {known} or {known} * 0 and on () {WATCHED}"
