"""What people and the receiver do about alerts, for the actions that the board's variable chooses."""

from __future__ import annotations

from dashboards.kit.query import age, increase, largest, quantile, series, smallest, total

ACTION = ("action",)
LATELY = "10m"
"""As far back as the alerts on actions and notifiers look."""

HOUR, DAY = "1h", "1d"
"""Windows of what is rare."""

_ACTION = {"action": "$action"}


# --- incidents --------------------------------------------------------------------------------------------------------


def incidents(severity: str) -> str:
    """Those that go on."""
    return largest(series("incidents_open", severity=severity))


def incidents_by_severity() -> str:
    return largest("incidents_open", ("severity",))


def longest_wait() -> str:
    """Seconds for which a page has waited that nobody acknowledged; absent when none does."""
    return f"time() - {smallest('incident_oldest_unacknowledged_timestamp_seconds')}"


def escalations() -> str:
    return increase("incident_escalations_total", HOUR)


def seconds_to(turn: str, share: float) -> str:
    """Until an incident came to a turn: detect, acknowledge, mitigate, resolve."""
    return quantile(share, f"incident_time_to_{turn}_seconds", window=DAY)


def pages_late() -> str:
    """The share of the last five minutes in which a page had waited for longer than was promised."""
    return largest("slo:page_acknowledgement:error_ratio_5m")


# --- actions ----------------------------------------------------------------------------------------------------------


def actions_undone() -> str:
    """The share of the last five minutes in which something that was approved had gone wrong lately."""
    return largest("slo:action_success:error_ratio_5m")


def in_doubt() -> str:
    return largest("action_in_doubt")


def waiting() -> str:
    """Requests that wait for people; none is absent."""
    return total(largest(series("action_requests_open", state="pending_approval"), ACTION))


def frozen() -> str:
    return largest("receiver_frozen")


def open_requests() -> str:
    return largest(series("action_requests_open", **_ACTION), (*ACTION, "state"))


def ended() -> str:
    return increase(series("action_requests_total", **_ACTION), HOUR, (*ACTION, "outcome"))


def by_origin() -> str:
    return increase(series("action_requests_total", **_ACTION), HOUR, ("origin",))


def outcomes(outcome: str) -> str:
    """In a day, of each action."""
    return increase(series("action_requests_total", outcome=outcome, **_ACTION), DAY, ACTION)


def blocked() -> str:
    """By what forbade it: of dozens of reasons those alone that did."""
    return f"{increase(series('action_blocked_total', **_ACTION), LATELY, (*ACTION, 'reason'))} > 0"


def duration(share: float) -> str:
    return quantile(share, "action_duration_seconds", ACTION, DAY, **_ACTION)


def approval_wait(share: float) -> str:
    return quantile(share, "action_approval_wait_seconds", ACTION, DAY, **_ACTION)


def decisions() -> str:
    """What came of what the receiver was to do by itself, and what held it back, where anything did."""
    return f"{increase(series('action_automation_total', **_ACTION), HOUR, (*ACTION, 'kind', 'outcome'))} > 0"


# --- telling people ---------------------------------------------------------------------------------------------------


def deliveries() -> str:
    return increase("notifier_deliveries_total", LATELY, ("target", "outcome"))


def given_up() -> str:
    return increase(series("notifier_deliveries_total", outcome="given_up"), LATELY, ("target",))


def undelivered() -> str:
    return largest("notifier_deliveries_waiting", ("target",))


# --- the audit --------------------------------------------------------------------------------------------------------


def valid() -> str:
    return smallest("audit_chain_valid")


def records() -> str:
    return largest("audit_entries_total")


def since_verified() -> str:
    return age("audit_last_verified_timestamp_seconds")


def since_covered() -> str:
    return age("audit_last_checkpoint_timestamp_seconds")


def since_compared() -> str:
    return age("receiver_reconciliation_last_success_timestamp_seconds")
