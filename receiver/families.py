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
    quiet=True,
)
APPROVAL_WAIT = Family(
    "action_approval_wait_seconds",
    Kind.HISTOGRAM,
    "Time from the submission of a request to the last approval that it needed.",
    ("action",),
    unit="seconds",
    buckets=ACTION_BUCKETS,
    quiet=True,
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

# --- incidents --------------------------------------------------------------------------------------------------------

DETECT_BUCKETS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""From an alert that came at once, 1 s, to one that a receiver found when it was started again, 1 h."""

ACKNOWLEDGE_BUCKETS = (15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
"""From somebody who sits before it, 15 s, to somebody who had to be woken by others, 1 h; escalations are minutes apart."""

RECOVER_BUCKETS = (60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0)
"""From what passes by itself, 1 min, to what takes the weekend, 3 d."""

INCIDENT_SEVERITIES = (Severity.PAGE, Severity.TICKET, Severity.INFO)

INCIDENTS_OPEN = Family(
    "incidents_open",
    Kind.GAUGE,
    "Incidents that go on: open, acknowledged or mitigated.",
    ("severity",),
    values={"severity": INCIDENT_SEVERITIES},
)
OLDEST_UNACKNOWLEDGED = Family(
    "incident_oldest_unacknowledged_timestamp_seconds",
    Kind.GAUGE,
    "Unix time since which the incident of severity page that has waited longest waits to be acknowledged; absent when none does.",
    unit="seconds",
    quiet=True,
)
TIME_TO_DETECT = Family(
    "incident_time_to_detect_seconds",
    Kind.HISTOGRAM,
    "Time from the earliest start of an alert, by Prometheus, until its incident was opened here.",
    unit="seconds",
    buckets=DETECT_BUCKETS,
    quiet=True,
)
TIME_TO_ACKNOWLEDGE = Family(
    "incident_time_to_acknowledge_seconds",
    Kind.HISTOGRAM,
    "Time from the moment that an incident waited to be acknowledged (opened, reopened, joined by another alert) until it was.",
    unit="seconds",
    buckets=ACKNOWLEDGE_BUCKETS,
    quiet=True,
)
TIME_TO_MITIGATE = Family(
    "incident_time_to_mitigate_seconds",
    Kind.HISTOGRAM,
    "Time from the opening of an incident until its commander said that it was mitigated.",
    unit="seconds",
    buckets=RECOVER_BUCKETS,
    quiet=True,
)
TIME_TO_RESOLVE = Family(
    "incident_time_to_resolve_seconds",
    Kind.HISTOGRAM,
    "Time from the opening of an incident until it was resolved; once more, from the same opening, each time that it was reopened.",
    unit="seconds",
    buckets=RECOVER_BUCKETS,
    quiet=True,
)
ESCALATIONS = Family(
    "incident_escalations_total",
    Kind.COUNTER,
    "Times that an incident which nobody had acknowledged in time was told to the next ones.",
)
INCIDENT_FAMILIES = (
    INCIDENTS_OPEN,
    OLDEST_UNACKNOWLEDGED,
    TIME_TO_DETECT,
    TIME_TO_ACKNOWLEDGE,
    TIME_TO_MITIGATE,
    TIME_TO_RESOLVE,
    ESCALATIONS,
)

# --- notifying -------------------------------------------------------------------------------------------------------


class Told(StrEnum):
    """What became of an attempt to tell a notifier of a notice."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GIVEN_UP = "given_up"


NOTIFIER_DELIVERIES = Family(
    "notifier_deliveries_total",
    Kind.COUNTER,
    "Notices by notifier and what became of an attempt to tell it: delivered; failed (it will be tried again); given_up "
    "(refused, or in vain for a day: whoever looks there alone does not hear of it).",
    ("target", "outcome"),
    values={"outcome": tuple(Told)},
    quiet=True,
)
NOTIFIER_WAITING = Family(
    "notifier_deliveries_waiting",
    Kind.GAUGE,
    "Notices that a notifier has still to be told.",
    ("target",),
    quiet=True,
)

NOTIFYING_FAMILIES = (NOTIFIER_DELIVERIES, NOTIFIER_WAITING)

# --- automation ------------------------------------------------------------------------------------------------------

KINDS_OF_AUTOMATION = ("shadow", "propose", "auto")

HOLDS_BACK = (
    Why.NOT_LONG,
    Why.FINDINGS,
    Why.CLOCK,
    Why.GRACE,
    Why.FROZEN,
    Why.STORM,
    Why.INCOMPLETE,
    Why.PERSON_ACTS,
    Why.SECOND_QUERY,
    Why.NOT_FIRING,
    Why.NOT_FRESH,
    Why.SIGHT_LOST,
    Why.OUT_OF_BOUNDS,
    Why.AT_MOST,
    Why.PER_HOUR,
    Why.SAME_ENTITY,
    Why.COOLDOWN,
    Why.PER_DAY,
    Why.DEFINITION_CHANGED,
    Why.UNREACHABLE,
)
"""What may hold back what the receiver was to do by itself: its guards, the action's limits, and what the plan finds."""

AUTOMATION = Family(
    "action_automation_total",
    Kind.COUNTER,
    "Alerts for which the receiver was to act by itself, by what it was to do and what came of it: acted (it asked for the "
    "action; in shadow it would have), withdrawn (it took that back since the alert ended), else what held it back. Counted "
    "each time that changes for an action and an alert.",
    ("action", "kind", "outcome"),
    values={"kind": KINDS_OF_AUTOMATION, "outcome": ("acted", "withdrawn", *HOLDS_BACK)},
    quiet=True,
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
    *INCIDENT_FAMILIES,
    *NOTIFYING_FAMILIES,
    AUTOMATION,
)
