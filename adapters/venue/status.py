"""What exchanges say of maintenance that is planned, or goes on."""

from __future__ import annotations

from typing import Any

from .shape import records

WHAT = "the status"

_QUIET = frozenset({"scheduled", "completed", "canceled"})
"""States of an event in which trading goes on. In `pre_open`, of OKX, nothing is matched yet."""

_DEMO = "2"
"""The `env` of an event that is of demo trading alone."""


def of_events(told: Any) -> str:
    """The status by the events of maintenance that an exchange lists, in ccxt's words: one that goes on is enough, whatever else is
    planned. Raises bad_response for what is no list of them.
    """
    events = [each for each in records(told, WHAT) if str(each.get("env")) != _DEMO]
    return "ok" if all(each.get("state") in _QUIET for each in events) else "maintenance"
