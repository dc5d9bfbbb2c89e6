"""The receiver's metric families."""

from __future__ import annotations

from enum import StrEnum

from occ.metrics import Family, Kind


class Severity(StrEnum):
    """How much an alert matters; OTHER is whatever its label says besides."""

    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"
    NONE = "none"
    OTHER = "other"


class Notification(StrEnum):
    """What became of a notification."""

    ACCEPTED = "accepted"
    UNREADABLE = "unreadable"
    UNAUTHORIZED = "unauthorized"
    FAILED = "failed"


class Taken(StrEnum):
    """What an alert in a notification changed."""

    OPENED = "opened"
    UPDATED = "updated"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"


NOTIFICATIONS = Family(
    "receiver_notifications_total",
    Kind.COUNTER,
    "Notifications by outcome: accepted; unreadable (kept, and a page of its own, also when some of its alerts could be "
    "read); unauthorized (refused, nothing kept); failed (not durable, the sender was asked to try again).",
    ("outcome",),
    values={"outcome": tuple(Notification)},
)
ALERTS = Family(
    "receiver_alerts_total",
    Kind.COUNTER,
    "Alerts in durably kept notifications by what they changed: they opened, updated, reopened or resolved an episode, "
    "said nothing new (duplicate), or could not be read.",
    ("outcome",),
    values={"outcome": tuple(Taken)},
)
ACTIVE = Family(
    "receiver_alerts_active",
    Kind.GAUGE,
    "Episodes that fire now; a severity that is none of the known ones counts as other.",
    ("severity",),
    values={"severity": tuple(Severity)},
)
LAST_NOTIFICATION = Family(
    "receiver_last_notification_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the last authenticated notification was received and kept; absent until there was one.",
    unit="seconds",
)

FAMILIES = (NOTIFICATIONS, ALERTS, ACTIVE, LAST_NOTIFICATION)
