"""The receiver's metric families."""

from __future__ import annotations

from enum import StrEnum

from occ.metrics import Family, Kind

from .life import ENDED, State
from .why import Why


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


class Origin(StrEnum):
    """By what way a request came."""

    OPERATOR = "operator"
    AUTOMATIC = "automatic"
    API = "api"


ACTION_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0)
"""From a local engine that answers at once, 10 ms, to people who are asked to approve, 10 min."""

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
RECONCILED = Family(
    "receiver_reconciliation_last_success_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which what fires here was last compared with what Alertmanager holds; absent until it was.",
    unit="seconds",
)

AUDIT_ENTRIES = Family(
    "audit_entries_total",
    Kind.COUNTER,
    "Records of the audit, those of earlier runs included; it goes down where an older database was put back.",
)
AUDIT_VALID = Family(
    "audit_chain_valid",
    Kind.GAUGE,
    "1 when the last look at every record and every sealed row found nothing wrong, and nobody else has appended since.",
)
AUDIT_VERIFIED = Family(
    "audit_last_verified_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which every record and every sealed row was last looked at.",
    unit="seconds",
)
AUDIT_CHECKPOINT = Family(
    "audit_last_checkpoint_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which this process last found the newest record covered by a checkpoint outside of the database; absent "
    "until it was.",
    unit="seconds",
)

REQUESTS_ENDED = Family(
    "action_requests_total",
    Kind.COUNTER,
    "Requests that ended, by the state that they ended in.",
    ("action", "origin", "outcome"),
    values={"origin": tuple(Origin), "outcome": tuple(sorted(ENDED))},
)
REQUESTS_OPEN = Family(
    "action_requests_open",
    Kind.GAUGE,
    "Requests that have not ended, by their state; a state that none is in is absent.",
    ("action", "state"),
    values={"state": tuple(state for state in State if state not in ENDED)},
    quiet=True,
)
ACTION_DURATION = Family(
    "action_duration_seconds",
    Kind.HISTOGRAM,
    "Time from the start of a request to its end, the verification and any doubt included.",
    ("action",),
    unit="seconds",
    buckets=ACTION_BUCKETS,
)
APPROVAL_WAIT = Family(
    "action_approval_wait_seconds",
    Kind.HISTOGRAM,
    "Time from the submission of a request to the last approval that it needed.",
    ("action",),
    unit="seconds",
    buckets=ACTION_BUCKETS,
)
IN_DOUBT = Family(
    "action_in_doubt",
    Kind.GAUGE,
    "Requests of which nobody knows whether they were applied; what they touch stays locked.",
)
BLOCKED = Family(
    "action_blocked_total",
    Kind.COUNTER,
    "Approved requests that were not started, by what forbade it.",
    ("action", "reason"),
    values={"reason": tuple(Why)},
    quiet=True,
)
FROZEN = Family(
    "receiver_frozen",
    Kind.GAUGE,
    "1 while a freeze is in force, of whatever scope: by a person, by the receiver itself, by the file or the environment.",
)

FAMILIES = (
    NOTIFICATIONS,
    ALERTS,
    ACTIVE,
    LAST_NOTIFICATION,
    RECONCILED,
    AUDIT_ENTRIES,
    AUDIT_VALID,
    AUDIT_VERIFIED,
    AUDIT_CHECKPOINT,
    REQUESTS_ENDED,
    REQUESTS_OPEN,
    ACTION_DURATION,
    APPROVAL_WAIT,
    IN_DOUBT,
    BLOCKED,
    FROZEN,
)
