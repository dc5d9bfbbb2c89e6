"""What the API answers about how things stand."""

from __future__ import annotations

from receiver.incidents import life as incidents

from .shapes import Episode, Id, Instant, Limit, Shape


class NowAsked(Shape):
    limit: Limit = 50


class Incomplete(Shape):
    """A group of alerts that its sender left `truncated` out of."""

    source: str
    group: str
    truncated: int
    at: Instant


class Now(Shape):
    """How many alerts fire, by severity; what fires, the gravest first; and what is not known for sure."""

    active: dict[str, int]
    last_notification: Instant | None
    firing: tuple[Episode, ...]
    incomplete: tuple[Incomplete, ...]


class AlertAsked(Shape):
    limit: Limit = 50


class Alert(Shape):
    """The episodes of one alert: what fires first, then the newest. `incident` is the one that the first belongs to, with its status
    and who leads it; null where there is none, or nobody does.
    """

    fingerprint: str
    incident: Id | None
    incident_status: incidents.Status | None
    commander: str | None
    episodes: tuple[Episode, ...]
