"""An incident as a report in Markdown (CommonMark): what happened, who did what, and how to prove it. Pure.

Labels of alerts and words of people stand in code alone, inline or as a block: there no renderer makes links or HTML of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from receiver.audit.checkpoints import Checkpoint
from receiver.clock import readable, rfc3339, span
from receiver.queries import EpisodeRow
from receiver.requests import Decision, Effect, Request
from receiver.text import shown
from receiver.why import SENTENCES

from .members import Stand
from .timeline import Happening

_TICKS = re.compile("`+")


@dataclass(frozen=True, slots=True)
class Action:
    """A request that answered an alert of the incident, with what was decided on it and what it did."""

    request: Request
    decisions: Sequence[Decision]
    effects: Sequence[Effect]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a report tells. `happenings` are from the oldest; `checkpoint` is the newest one, or why there is none to show."""

    at: int
    stand: Stand
    responders: Sequence[str]
    alerts: Sequence[EpisodeRow]
    actions: Sequence[Action]
    happenings: Sequence[Happening]
    checkpoint: Checkpoint | str


def report(facts: Facts) -> str:
    """The whole text."""
    parts = (_head, _summary, _times, _alerts, _actions, _timeline, _proof)
    return "\n".join(line for part in parts for line in (*part(facts), ""))


def code(text: str) -> str:
    """The text as inline code, in one line, whatever it holds."""
    flat = " ".join(shown(text).split("\n")).strip()
    fence = _fence(flat, 1)
    apart = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{apart}{flat}{apart}{fence}" if flat else "(nothing)"


def block(text: str) -> str:
    """The text as a block of code, whatever it holds."""
    fence = _fence(text, 3)
    return f"{fence}text\n{shown(text)}\n{fence}"


def _fence(text: str, least: int) -> str:
    """More backticks than stand anywhere in the text in a row."""
    return "`" * max(least, *(len(run) + 1 for run in _TICKS.findall(text)), 1)


# --- sections ---------------------------------------------------------------------------------------------------------


def _head(facts: Facts) -> Iterator[str]:
    found = facts.stand.incident
    yield f"# Incident {found.id}"
    yield ""
    yield code(found.title)
    yield ""
    yield f"- Status: {found.status}, severity {found.severity}"
    if found.domain or found.entity:
        yield f"- About: {code(f'{found.domain} {found.entity}')}"
    yield f"- Opened by: {code(found.opened_by)}"
    yield f"- Commander: {code(found.commander) if found.commander else 'nobody'}"
    yield f"- Responders: {', '.join(map(code, facts.responders)) or 'nobody'}"
    yield f"- As of {readable(facts.at)}; all times are UTC"


def _summary(facts: Facts) -> Iterator[str]:
    yield "## Summary"
    yield ""
    summary = facts.stand.incident.summary
    yield block(summary) if summary else "It is not closed: there is no summary yet."


def _times(facts: Facts) -> Iterator[str]:
    found = facts.stand.incident
    yield "## Times"
    yield ""
    since = found.opened_at
    times = (
        ("The first alert began", found.started_at),
        ("Opened", found.opened_at),
        ("Acknowledged", found.acknowledged_at),
        ("Mitigated", found.mitigated_at),
        ("Resolved", found.resolved_at),
        ("Closed", found.closed_at),
    )
    for name, at in times:
        yield f"- {name}: {'not' if at is None else _after(at, since)}"
    if found.sight_lost:
        yield "- Nothing of it fires, and whether its alerts have recovered can not be seen."


def _after(at: int, since: int) -> str:
    if at == since:
        return readable(at)
    return f"{readable(at)}, {span(abs(at - since))} {'after' if at > since else 'before'} it was opened"


def _alerts(facts: Facts) -> Iterator[str]:
    yield "## Alerts"
    yield ""
    for alert in facts.alerts:
        ended = "fires" if alert.ends_at is None else f"until {readable(alert.ends_at)}{_sight(alert)}"
        yield f"- {code(alert.alertname)} on {code(alert.label('entity'))}: since {readable(alert.starts_at)}, {ended}"
        if said := alert.says("summary"):
            yield f"  - {code(said)}"
    if not facts.alerts:
        yield "None."
    elif (left := facts.stand.alerts - len(facts.alerts)) > 0:
        yield f"- and {left} more"


def _sight(alert: EpisodeRow) -> str:
    return "" if alert.sight is None else f" (sight {alert.sight})"


def _actions(facts: Facts) -> Iterator[str]:
    yield "## Actions"
    yield ""
    if not facts.actions:
        yield "None."
    for action in facts.actions:
        yield from _action(action)


def _action(action: Action) -> Iterator[str]:
    request = action.request
    why = f": {SENTENCES[request.why]}" if request.why else ""
    yield f"### {code(request.action)}, request {request.id}: {request.state}{why}"
    yield ""
    yield f"- Asked for by {code(request.person)} ({request.origin}) at {readable(request.created_at)}: {code(request.reason)}"
    yield f"- Plan {request.plan_hash}:"
    yield ""
    yield block(orjson.dumps(orjson.loads(request.plan), option=orjson.OPT_INDENT_2).decode())
    yield ""
    for decision in action.decisions:
        roles = ", ".join(decision.roles)
        yield f"- {code(decision.person)} ({roles}): {decision.kind} at {readable(decision.at)}: {code(decision.reason)}"
    for effect in action.effects:
        ended = "" if effect.ended_at is None else f" until {readable(effect.ended_at)}"
        told = code(orjson.dumps(dict(effect.result)).decode())
        yield f"- Step {effect.step + 1} ({effect.executor}), {readable(effect.started_at)}{ended}: {effect.state} {told}"
    yield ""


def _timeline(facts: Facts) -> Iterator[str]:
    yield "## Timeline"
    yield ""
    for each in facts.happenings:
        about = f", request {each.request}" if each.request else ""
        said = f" {code(each.said)}" if each.said else ""
        yield f"- {rfc3339(each.record.at)} (record {each.record.seq}{about}): {code(each.words)}{said}"


def _proof(facts: Facts) -> Iterator[str]:
    yield "## Proof"
    yield ""
    yield "Each line of the timeline is a record of the audit. Its hash stands for it and for all records before it:"
    yield ""
    yield "```text"
    yield from (f"{each.record.seq} {each.hash} {each.record.kind}" for each in facts.happenings)
    yield "```"
    yield ""
    yield from _checkpoint(facts.checkpoint, facts.happenings)
    yield ""
    yield "To verify it offline, with the public key alone (`docs/audit.md` has the format):"
    yield ""
    yield "```text"
    yield "occ audit export --config receiver.yml --output audit.jsonl"
    yield "occ audit verify audit.jsonl --key audit.key.pub --checkpoints audit-checkpoints/"
    yield from _one_by_hand(facts.happenings)
    yield "```"


def _one_by_hand(happenings: Sequence[Happening]) -> Iterable[str]:
    """How the hash of a record is had without our tools: the export has a line for each, in the order of their numbers."""
    if happenings:
        seq = happenings[-1].record.seq
        yield f"{{ printf 'occ-audit-v1\\0'; sed -n '{seq}p' audit.jsonl | tr -d '\\n'; }} | sha256sum   # record {seq}"


def _checkpoint(found: Checkpoint | str, happenings: Sequence[Happening]) -> Iterator[str]:
    if isinstance(found, str):
        yield f"No checkpoint can be shown: {code(found)}"
        return
    newer = sum(each.record.seq > found.seq for each in happenings)
    covered = f"the last {newer} records above are newer" if newer else "it covers all records above"
    yield f"The newest signed checkpoint is number {found.number} of {readable(found.at)}, over record {found.seq}; {covered}."
    yield ""
    yield f"- database {found.database}"
    yield f"- hash {found.hash}"
    yield f"- key {found.key}"
