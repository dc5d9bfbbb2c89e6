"""What a silence may cover, and how it says whose it is. Pure.

A silence must never hide an alert about security, one about what watches all the rest, or Watchdog. What a rule's alerts are
is known of their name and of the labels that the rule sets without a template; every other label may have any value. So it
is asked of every rule whether it could send such an alert under these matchers, and what is not known counts as yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .prometheus import Rule

NEVER = frozenset({"security", "receiver", "meta"})
"""Domains of which no alert is ever silenced: what is attacked, and what watches."""

WATCHDOG = "Watchdog"

_MARK = "occ:"

Labels = Mapping[str, str]


def comment(key: str) -> str:
    """What a silence says of itself: the effect that made it."""
    return f"by an action of OCC {_MARK}{key}"


def keys_in(comment: str) -> tuple[str, ...]:
    """The effects that a comment names. Anybody can write one."""
    return tuple(word.removeprefix(_MARK) for word in comment.split() if word.startswith(_MARK))


def covers(matchers: Labels, labels: Labels) -> bool:
    """Whether a silence of these plain matchers covers an alert; a label that is missing is an empty one."""
    return all(labels.get(name, "") == value for name, value in matchers.items())


def untouchable(labels: Labels) -> bool:
    """Whether an alert of these labels must never be silenced. One of no domain is not known to be harmless."""
    return labels.get("alertname") == WATCHDOG or labels.get("domain", "") in NEVER | {""}


def forbidden(matchers: Labels) -> str | None:
    """What is against a silence of these matchers whatever the rules are, in words."""
    if matchers.get("alertname") == WATCHDOG:
        return f"{WATCHDOG} is never silenced"
    if matchers.get("domain") in NEVER:
        return f"alerts of the domains {', '.join(sorted(NEVER))} are never silenced"
    if not {"alertname", "domain"} & matchers.keys():
        return "needs alertname or domain: nothing else tells for sure what it can not hide"
    return None


def objection(matchers: Labels, rules: Iterable[Rule]) -> str | None:
    """What is against a silence of these matchers, in words; None where it can cover no alert that it must not."""
    if said := forbidden(matchers):
        return said
    known = [_known(rule) for rule in rules]
    if "domain" not in matchers and not any(labels["alertname"] == matchers.get("alertname") for labels in known):
        return "no rule of Prometheus sends an alert of this name, so that nobody knows what it would hide; name its domain"
    harmful = (it for it in known if _possible(matchers, it) and untouchable({**matchers, **it}))
    return next((f"it could hide {labels['alertname']}" for labels in harmful), None)


def _known(rule: Rule) -> Labels:
    """The labels that every alert of the rule has, whatever its series is."""
    return {name: value for name, value in rule.labels.items() if "{{" not in value} | {"alertname": rule.name}


def _possible(matchers: Labels, known: Labels) -> bool:
    """Whether an alert that has the known labels can be covered."""
    return all(known.get(name, value) == value for name, value in matchers.items())
