"""What the API answers about what the receiver does by itself."""

from __future__ import annotations

from typing import Any, Literal

from receiver.automation.store import Outcome
from receiver.why import Why

from .shapes import Id, Instant, Limit, Name, Shape

Kind = Literal["shadow", "propose", "auto"]


class AutomationAsked(Shape):
    """Decisions about one action, or about all."""

    limit: Limit = 100
    action: Name | None = None


class Freshness(Shape):
    """What must have been read, `within` seconds."""

    exporter: str
    target: str
    check: str
    within: float


class AutomationMode(Shape):
    """What the rules say of an action, and what must hold before it is asked for: all null where the action does not say."""

    action: str
    automation: Literal["off", "shadow", "propose", "auto"]
    firing_for: float | None
    confirm: str | None
    fresh: Freshness | None
    at_most: int | None


class AutomationBounds(Shape):
    """Of all that is done by itself: seconds after the start; how many page alerts within how many seconds; how much an hour."""

    grace: float
    storm_alerts: int
    storm_within: float
    per_hour: int


class Automated(Shape):
    """What was made of an action that an alert offers. `why` is what holds it back, `sentence` the same in words.

    `acted`: it was asked for, as `request`; in shadow it would have been. `does` is what each step would do, as far as it was
    planned.
    """

    id: int
    action: str
    kind: Kind
    outcome: Outcome
    why: Why | None
    sentence: str | None
    episode: int
    fingerprint: str
    alertname: str
    entity: str
    at: Instant
    changed_at: Instant
    request: Id | None
    parameters: dict[str, str]
    does: tuple[dict[str, Any], ...]


class Automation(Shape):
    modes: tuple[AutomationMode, ...]
    bounds: AutomationBounds
    decisions: tuple[Automated, ...]
