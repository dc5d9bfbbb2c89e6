"""What a request would do, asked of the executors while it is planned, and again right before it starts; and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import LargeBinary, cast, insert, select, update

from . import canonical, freezes, schema
from .actions import Step, StepPlan, Surroundings, executors
from .catalogue import Action
from .clock import SECOND
from .life import State
from .outbox import Notice
from .plan import EpisodeKey, Plan
from .policy import Rule
from .queries import EpisodeRow
from .requests import Change, Request, new_id
from .rulebook import Rulebook


async def planned(steps: tuple[Step, ...], surroundings: Surroundings) -> tuple[StepPlan, ...]:
    """What each step would do now. Raises Unfit where one may not."""
    modules = executors()
    return tuple([await modules[step.executor].plan(step, surroundings) for step in steps])


async def drafted(
    rulebook: Rulebook,
    action: Action,
    rule: Rule,
    *,
    parameters: Mapping[str, str],
    episode: EpisodeRow | None,
    surroundings: Surroundings,
) -> Draft:
    """What the action would do now, by the parameters and the labels of the alert. Raises Unfit and BadParameters."""
    catalogue, policy = rulebook.catalogue, rulebook.policy
    values = catalogue.resolve(action, parameters, episode.labels if episode else {})
    steps = await planned(catalogue.steps(action, values), surroundings.to(catalogue.targets))
    plan = plan_of(rulebook, action, rule, values=values, steps=steps, episode=episode)
    definitions = {
        plan.definition: ("action", catalogue.definition(action)),
        policy.rule_hash(rule): ("rule", policy.definition(rule)),
    }
    return Draft(action, definitions, plan, evidence_of(steps, episode), episode)


def plan_of(
    rulebook: Rulebook,
    action: Action,
    rule: Rule,
    *,
    values: Mapping[str, str],
    steps: tuple[StepPlan, ...],
    episode: EpisodeRow | None,
) -> Plan:
    """The plan that people approve."""
    catalogue, policy = rulebook.catalogue, rulebook.policy
    return Plan(
        action=action.name,
        definition=catalogue.definition_hash(action),
        rule=policy.rule_hash(rule),
        parameters=values,
        steps=tuple(step.does for step in steps),
        verify=action.verify.filled(values),
        limits=action.limits,
        expires=action.expires,
        episode=EpisodeKey(episode.source, episode.fingerprint, episode.starts_at) if episode else None,
    )


def evidence_of(steps: tuple[StepPlan, ...], episode: EpisodeRow | None) -> dict[str, Any]:
    """What was seen while planning: beside the plan, and no part of it. `alert` are the labels of the alert that it answers."""
    return {"steps": [dict(step.evidence) for step in steps], "alert": dict(episode.labels) if episode else {}}


def same(plan: bytes, steps: tuple[StepPlan, ...]) -> bool:
    """Whether the steps would do now what stands in the plan."""
    now = orjson.loads(canonical.dumps({"steps": tuple(step.does for step in steps)}))
    return bool(orjson.loads(plan)["steps"] == now["steps"])


def shown(evidence: Mapping[str, Any]) -> str:
    """SHA-256 of what a person is shown beside the plan."""
    return canonical.sha256(canonical.dumps(evidence))


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan and all that goes with it, before it is in the database. `definitions` are kind and bytes by hash."""

    action: Action
    definitions: Mapping[str, tuple[str, bytes]]
    plan: Plan
    evidence: Mapping[str, Any]
    episode: EpisodeRow | None

    def request(self, person: str, *, reason: str, origin: str, idempotency_key: str | None, now: int) -> Request:
        """The request that it makes, which is to be submitted as soon as it would have to be approved."""
        return Request(
            id=new_id(),
            action=self.plan.action,
            definition=self.plan.definition,
            rule=self.plan.rule,
            episode_id=self.episode.id if self.episode else None,
            origin=origin,
            person=person,
            reason=reason,
            parameters=self.plan.parameters,
            plan=self.plan.bytes,
            plan_hash=self.plan.hash,
            evidence=self.evidence,
            idempotency_key=idempotency_key,
            state=State.PLANNED,
            why=None,
            created_at=now,
            approve_by=now + int(self.action.expires.approval * SECOND),
        )


def keep(change: Change, made: Request, draft: Draft) -> Request:
    """Puts a planned request into the database, with the definitions that it is bound to."""
    table = schema.definitions
    for hash_, (kind, raw) in draft.definitions.items():
        stored = change.connection.execute(select(cast(table.c.bytes, LargeBinary)).filter_by(hash=hash_)).scalar()
        if stored is None:
            change.connection.execute(insert(table).values(hash=hash_, kind=kind, bytes=raw))
        elif stored != raw:  # whoever asks anew shall not be bound to what somebody has put there
            change.connection.execute(update(table).where(table.c.hash == hash_).values(kind=kind, bytes=raw))
            reason = f"definition {hash_} was changed"
            freezes.by_receiver(change.connection, change.audit, Notice.TAMPERED, reason, change.now)
    return change.create(made)
