"""Is what fires being dealt with? Incidents, actions, who is told, and whether the record of it can be believed."""

from __future__ import annotations

from .kit.emit import Board, Variable
from .kit.layout import Row
from .kit.panels import Column, Header, Panel, Query, Scale, bar_gauge, stat, state_timeline, table, timeseries
from .kit.rules import Rules
from .kit.theme import Colour, Limit, Unit
from .queries import alerts as fires
from .queries import response as q

UID = "occ-response"

FREEZE = {0.0: ("free", Colour.GOOD), 1.0: ("frozen", Colour.TICKET)}
_AUDIT = {0.0: ("broken", Colour.PAGE), 1.0: ("whole", Colour.GOOD)}
_NONE_WAITS = "none waits"
_NO_INCIDENT = "no incident in a day"
_NO_REQUEST = "none in a day"
_NO_NOTIFIER = "no notifier"


def board(rules: Rules) -> Board:
    """The board, its limits from these rules."""
    return Board(
        uid=UID,
        title="OCC / Response",
        description="Incidents and actions: who was told, what was decided, and what came of it.",
        variables=[Variable("action", "Action", "action_requests_total")],
        rows=[
            Row("Verdict", 4, _verdict(rules)),
            Row("Incidents", 7, _incidents(rules)),
            Row("How long it takes", 7, _times(rules)),
            Row("What is promised", 6, _promises(rules)),
            Row("Actions", 7, _actions(rules)),
            Row("Every action", 8, _every_action(rules)),
            Row("Telling people", 6, _telling(rules)),
            Row("The audit, and what the receiver knows", 6, _audit(rules)),
        ],
    )


def _verdict(rules: Rules) -> list[Panel]:
    waits, doubt, approvals = rules["IncidentUnacknowledged"], rules["ActionInDoubt"], rules["ApprovalsWaiting"]
    frozen, broken = rules["ActionsFrozen"], rules["AuditBroken"]
    return [
        stat(
            Header("Incidents open", "How many incidents go on?", (waits,)),
            Scale(Unit.COUNT, (Limit(">", 0, "ticket"),)),
            Query(q.incidents("page"), "pages"),
            Query(q.incidents("ticket"), "tickets"),
            names=True,
        ),
        stat(
            Header("Longest wait", "For how long has a page waited that nobody acknowledged?", (waits,)),
            Scale(
                Unit.SECONDS,
                (waits.limit("incident_oldest_unacknowledged_timestamp_seconds"),),
                nothing=_NONE_WAITS,
                decimals=0,
            ),
            Query(q.longest_wait(), "waits"),
        ),
        stat(
            Header("In doubt", "Of how many requests does nobody know whether they were applied?", (doubt,)),
            Scale(Unit.COUNT, (doubt.limit("action_in_doubt"),)),
            Query(q.in_doubt(), "in doubt"),
            width=3,
        ),
        stat(
            Header("Approvals waiting", "How many requests wait for people?", (approvals,)),
            Scale(Unit.COUNT, (approvals.limit("action_requests_open"),), nothing=_NONE_WAITS),
            Query(q.waiting(), "wait"),
            width=3,
        ),
        stat(
            Header("Freeze", "Is anything frozen?", (frozen,)),
            Scale(Unit.COUNT, states=FREEZE),
            Query(q.frozen(), "freeze"),
            width=3,
        ),
        stat(
            Header("Audit", "Is the record what was recorded?", (broken,)),
            Scale(Unit.COUNT, states=_AUDIT),
            Query(q.valid(), "audit"),
            width=3,
        ),
        stat(
            Header("Firing", "How many pages and tickets about the receiver's own work fire?", (broken, doubt)),
            Scale(Unit.COUNT, (Limit(">", 0, "ticket"),)),
            Query(fires.firing("page", domain="receiver"), "pages"),
            Query(fires.firing("ticket", domain="receiver"), "tickets"),
            names=True,
        ),
    ]


def _incidents(rules: Rules) -> list[Panel]:
    waits = rules["IncidentUnacknowledged"]
    limit = waits.limit("incident_oldest_unacknowledged_timestamp_seconds")
    return [
        timeseries(
            Header("Going on", "How many incidents go on, by severity?", (waits,)),
            Scale(Unit.COUNT),
            Query(q.incidents_by_severity(), "{{severity}}"),
            width=8,
        ),
        timeseries(
            Header("Not acknowledged", "For how long has the page waited that has waited longest?", (waits,)),
            Scale(Unit.SECONDS, (limit,), nothing=_NONE_WAITS),
            Query(q.longest_wait(), "waits"),
            width=8,
        ),
        timeseries(
            Header("Escalations", f"How often in {q.HOUR} had the next ones to be told?", (waits,)),
            Scale(Unit.COUNT),
            Query(q.escalations(), "escalations"),
            width=8,
        ),
    ]


def _times(rules: Rules) -> list[Panel]:
    waits = rules["IncidentUnacknowledged"]
    return [
        timeseries(
            Header(f"Time to {turn}", f"How long did it take to {turn} an incident, in the day before?", (waits,)),
            Scale(Unit.SECONDS, nothing=_NO_INCIDENT),
            Query(q.seconds_to(turn, 0.5), "half of them"),
            Query(q.seconds_to(turn, 0.9), "90 %"),
        )
        for turn in ("detect", "acknowledge", "mitigate", "resolve")
    ]


def _promises(rules: Rules) -> list[Panel]:
    late, undone = rules["PageAcknowledgementBurning"], rules["ActionSuccessBurning"]
    return [
        timeseries(
            Header("Pages late", "What share of the last five minutes had a page waited for more than five?", (late,)),
            Scale(Unit.RATIO, (late.limit("slo:page_acknowledgement:error_ratio_5m"),)),
            Query(q.pages_late(), "late"),
            width=12,
        ),
        timeseries(
            Header(
                "Actions not done",
                "What share of the last five minutes had what was approved just failed or been blocked, or was in doubt?",
                (undone,),
            ),
            Scale(Unit.RATIO, (undone.limit("slo:action_success:error_ratio_5m"),)),
            Query(q.actions_undone(), "not done"),
            width=12,
        ),
    ]


def _actions(rules: Rules) -> list[Panel]:
    failed, blocked, approvals = rules["ActionFailed"], rules["ActionBlocked"], rules["ApprovalsWaiting"]
    return [
        timeseries(
            Header("Outcomes", f"What came of the requests that ended in {q.HOUR}?", (failed,)),
            Scale(Unit.COUNT),
            Query(q.ended(), "{{action}} {{outcome}}"),
        ),
        timeseries(
            Header("Not ended", "Which requests are where on their way?", (rules["ActionInDoubt"],)),
            Scale(Unit.COUNT, nothing="none open"),
            Query(q.open_requests(), "{{action}} {{state}}"),
        ),
        timeseries(
            Header("Blocked", f"What forbade approved requests to start, in {q.LATELY}?", (blocked,)),
            Scale(Unit.COUNT, (blocked.limit("action_blocked_total"),), nothing="nothing was blocked"),
            Query(q.blocked(), "{{action}} {{reason}}"),
        ),
        timeseries(
            Header("By itself", f"What did the receiver decide by itself in {q.HOUR}, and why not more?", (blocked,)),
            Scale(Unit.COUNT, nothing="nothing to decide"),
            Query(q.decisions(), "{{action}} {{kind}} {{outcome}}"),
        ),
        timeseries(
            Header("Origin", f"Who asked for what ended in {q.HOUR}?", (failed,)),
            Scale(Unit.COUNT),
            Query(q.by_origin(), "{{origin}}"),
            width=8,
        ),
        timeseries(
            Header("Approval wait", "How long did 90 % of the requests wait for approval at most?", (approvals,)),
            Scale(Unit.SECONDS, nothing=_NO_REQUEST),
            Query(q.approval_wait(0.9), "{{action}}"),
            width=8,
        ),
        timeseries(
            Header("Duration", "How long did 90 % of the requests take, verification included?", (failed,)),
            Scale(Unit.SECONDS, nothing=_NO_REQUEST),
            Query(q.duration(0.9), "{{action}}"),
            width=8,
        ),
    ]


def _every_action(rules: Rules) -> list[Panel]:
    failed = rules["ActionFailed"]
    bad = Scale(Unit.COUNT, (failed.limit("action_requests_total"),))
    return [
        table(
            Header("Actions of a day", "What came of each action within a day?", (failed, rules["ActionInDoubt"])),
            {"action": "Action"},
            [
                Column("Failed", q.outcomes("failed"), bad),
                Column("Partial", q.outcomes("partial"), bad),
                Column("Blocked", q.outcomes("blocked"), Scale(Unit.COUNT)),
                Column("Succeeded", q.outcomes("succeeded"), Scale(Unit.COUNT)),
                Column("Rejected", q.outcomes("rejected"), Scale(Unit.COUNT)),
                Column("Expired", q.outcomes("expired"), Scale(Unit.COUNT)),
                Column("Cancelled", q.outcomes("cancelled"), Scale(Unit.COUNT)),
            ],
            links={"action": "${occ_url:raw}/actions/${__value.raw}"},
        )
    ]


def _telling(rules: Rules) -> list[Panel]:
    failing = rules["NotifierFailing"]
    return [
        timeseries(
            Header("Deliveries", f"What became of attempts to tell notifiers in {q.LATELY}?", (failing,)),
            Scale(Unit.COUNT, nothing=_NO_NOTIFIER),
            Query(q.deliveries(), "{{target}} {{outcome}}"),
            width=8,
        ),
        timeseries(
            Header("Undelivered", "How many notices has each notifier still to be told?", (failing,)),
            Scale(Unit.COUNT, (failing.limit("notifier_deliveries_waiting"),), nothing=_NO_NOTIFIER),
            Query(q.undelivered(), "{{target}}"),
            width=8,
        ),
        bar_gauge(
            Header("Given up", f"How many notices did a notifier never get in {q.LATELY}?", (failing,)),
            Scale(Unit.COUNT, (failing.limit("notifier_deliveries_total"),), nothing=_NO_NOTIFIER),
            Query(q.given_up(), "{{target}}"),
            width=8,
        ),
    ]


def _audit(rules: Rules) -> list[Panel]:
    unverified, uncovered, stale = rules["AuditUnverified"], rules["AuditUncovered"], rules["ReconciliationStale"]
    return [
        timeseries(
            Header("Verified", "How long ago was every record looked at?", (unverified,)),
            Scale(Unit.SECONDS, (unverified.limit("audit_last_verified_timestamp_seconds"),)),
            Query(q.since_verified(), "ago"),
        ),
        timeseries(
            Header("Covered", "How long ago did a checkpoint cover the newest record?", (uncovered,)),
            Scale(Unit.SECONDS, (uncovered.limit("audit_last_checkpoint_timestamp_seconds"),)),
            Query(q.since_covered(), "ago"),
        ),
        timeseries(
            Header("Compared", "How long ago was what fires compared with Alertmanager?", (stale,)),
            Scale(Unit.SECONDS, (stale.limit("receiver_reconciliation_last_success_timestamp_seconds"),)),
            Query(q.since_compared(), "ago"),
        ),
        timeseries(
            Header("Records", "How many records has the audit?", (rules["AuditBroken"],)),
            Scale(Unit.SHORT),
            Query(q.records(), "records"),
        ),
        state_timeline(
            Header("Frozen", "When was anything frozen?", (rules["ActionsFrozen"],)),
            Scale(Unit.COUNT, states=FREEZE),
            Query(q.frozen(), "freeze"),
            width=24,
        ),
    ]
