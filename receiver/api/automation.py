"""What the receiver does by itself: by which rules, and what it has made of the alerts so far."""

from __future__ import annotations

from receiver import catalogue, policy
from receiver.automation import store
from receiver.automation.store import Noted
from receiver.clock import rfc3339
from receiver.why import SENTENCES

from .automation_shapes import Automated, Automation, AutomationAsked, AutomationBounds, AutomationMode, Freshness
from .operations import AnyOperation, Call, Nothing, Operation
from .records import read


async def automation(call: Call[Nothing, AutomationAsked]) -> Automation:
    """From the newest decision. Nothing starts because of what is shown here: requests do."""
    book, asked = call.people.desk.rules.current, call.query
    found = await read(call, lambda connection: store.newest(connection, asked.limit, asked.action))
    return Automation(
        modes=tuple(_mode(action, book.policy.rule(action.name)) for action in book.catalogue.actions),
        bounds=_bounds(book.policy.automation),
        decisions=tuple(map(_decision, found)),
    )


def _mode(action: catalogue.Action, rule: policy.Rule | None) -> AutomationMode:
    conditions = action.automation
    return AutomationMode(
        action=action.name,
        automation=rule.automation if rule else "off",
        firing_for=conditions.firing_for if conditions else None,
        confirm=conditions.confirm if conditions else None,
        fresh=Freshness(**conditions.fresh.model_dump()) if conditions else None,
        at_most=conditions.at_most if conditions else None,
    )


def _bounds(found: policy.Automation) -> AutomationBounds:
    storm = found.storm
    return AutomationBounds(
        grace=found.grace, storm_alerts=storm.alerts, storm_within=storm.within, per_hour=found.per_hour
    )


def _decision(found: Noted) -> Automated:
    made = found.decision
    return Automated(
        id=found.id,
        action=made.action,
        kind=made.kind,  # type: ignore[arg-type]  # one of the three, by the rule that it was made by
        outcome=made.outcome,
        why=made.why,
        sentence=SENTENCES[made.why] if made.why else None,
        episode=made.episode_id,
        fingerprint=found.fingerprint,
        alertname=found.labels.get("alertname", ""),
        entity=found.labels.get("entity", ""),
        at=rfc3339(found.at),
        changed_at=rfc3339(found.changed_at),
        request=made.request_id,
        parameters=dict(made.parameters),
        does=tuple(map(dict, made.does)),
    )


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("automation", "GET", "/automation", "What the receiver does by itself, the newest decision first", automation,
              Automation, asks=AutomationAsked),
)  # fmt: skip
