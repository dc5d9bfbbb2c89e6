"""What must hold of rules, their tests, runbooks and routes, as pure functions: each gives one line per fault."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "alerting-rules"
RUNBOOKS = ROOT / "runbooks"
ALERTMANAGER = RULES / "alertmanager/alertmanager.yml"

SEVERITIES = frozenset({"page", "ticket", "info", "none"})
LABELS = frozenset({"severity", "domain", "entity", "parent"})
ANNOTATIONS = frozenset({"summary", "description", "first_action", "runbook_url", "dashboard_url", "action_url"})
_RECEIVERS = {"page": ["occ", "pager"], "ticket": ["occ", "tickets"], "info": ["occ"], "none": ["occ"]}

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Alert:
    """One alerting rule as written, templates and all."""

    domain: str  # the rule file's name
    rule: Document

    @property
    def name(self) -> str:
        return str(self.rule["alert"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.rule.get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.rule.get("annotations") or {}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rule_files() -> list[Path]:
    return sorted((RULES / "alerts").glob("*.yml"))


def unit_tests() -> list[Path]:
    return sorted((RULES / "tests").glob("*_test.yml"))


def alerts_of(document: Document, domain: str) -> list[Alert]:
    return [Alert(domain, rule) for group in document["groups"] for rule in group["rules"] if "alert" in rule]


def shipped_alerts() -> list[Alert]:
    return [alert for path in rule_files() for alert in alerts_of(load(path), path.stem)]


def alert_faults(alert: Alert) -> Iterator[str]:
    """Labels and annotations that people, routes and the receiver lean on."""
    for label in sorted(name for name in LABELS if not alert.labels.get(name)):
        yield f"{alert.name}: no label {label}"
    for annotation in sorted(name for name in ANNOTATIONS if not alert.annotations.get(name)):
        yield f"{alert.name}: no annotation {annotation}"
    if (severity := alert.labels.get("severity")) and severity not in SEVERITIES:
        yield f"{alert.name}: severity {severity} is none of {', '.join(sorted(SEVERITIES))}"
    if (domain := alert.labels.get("domain")) and domain != alert.domain:
        yield f"{alert.name}: domain {domain} in the file of {alert.domain}"
    if (link := alert.annotations.get("runbook_url")) and not link.endswith(f"/runbooks/{alert.name}.md"):
        yield f"{alert.name}: runbook_url leads to {link}"
    if (link := alert.annotations.get("dashboard_url")) and "graphLink" not in link:
        yield f"{alert.name}: dashboard_url is no graph: {link}"


def runbook_faults(names: Iterable[str], runbooks: Iterable[str]) -> Iterator[str]:
    """Alerts and runbooks, by name, that lack each other."""
    alerts, pages = set(names), set(runbooks)
    for name in sorted(alerts - pages):
        yield f"{name}: no runbook"
    for name in sorted(pages - alerts):
        yield f"runbooks/{name}.md: no such alert"


ALWAYS_FIRING = frozenset({"Watchdog"})


def coverage_faults(names: Iterable[str], tests: Iterable[Document]) -> Iterator[str]:
    """Every alert must be seen to fire, with all its labels and annotations, and to stay quiet."""
    firing, quiet = set[str](), set[str]()
    for case in (case for document in tests for test in document["tests"] for case in test["alert_rule_test"]):
        expected = case.get("exp_alerts") or []
        (firing if expected else quiet).add(case["alertname"])
        for alert in expected:
            yield from _inexact(case["alertname"], alert)
    known = set(names)
    for name in sorted(known - firing):
        yield f"{name}: no test in which it fires"
    for name in sorted(known - quiet - ALWAYS_FIRING):
        yield f"{name}: no test in which it stays quiet"
    for name in sorted((firing | quiet) - known):
        yield f"{name}: tested, but no such alert"


def _inexact(name: str, expected: Document) -> Iterator[str]:
    if missing := LABELS - set(expected["exp_labels"]):
        yield f"{name}: a test expects it without {', '.join(sorted(missing))}"
    if missing := ANNOTATIONS - set(expected.get("exp_annotations") or ()):
        yield f"{name}: a test expects it without {', '.join(sorted(missing))}"


def expected_receivers(name: str, severity: str) -> list[str]:
    """Who must hear of it, in order."""
    return ["dead-mans-switch", "occ"] if name == "Watchdog" else _RECEIVERS.get(severity, ["occ", "unrouted"])


def inhibition_faults(rules: Sequence[Document]) -> Iterator[str]:
    """Rules that could mute a stranger, a security page or Watchdog."""
    for number, rule in enumerate(rules, start=1):
        muted = {name: value for name, operator, value in map(_matcher, rule["target_matchers"]) if operator != "!="}
        if rule.get("equal") not in (["entity"], ["parent"]):
            yield f"inhibition {number}: equal is {rule.get('equal')}, not one of entity and parent"
        if muted.get("domain", "security") == "security":
            yield f"inhibition {number}: the muted side names no domain other than security"
        if "alertname" not in muted or re.fullmatch(muted["alertname"], "Watchdog"):
            yield f"inhibition {number}: the muted side does not name its alerts, or names Watchdog"


def _matcher(written: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"(\w+)(=~|!~|!=|=)\"(.*)\"", written)
    assert match, f"{written} is no matcher"
    return match[1], match[2], match[3]


def muting_faults(route: Document) -> Iterator[str]:
    """Routes that are silent at times must be for tickets and nothing else."""
    timed = route.get("mute_time_intervals") or route.get("active_time_intervals")
    if timed and route.get("matchers") != ['severity="ticket"']:
        yield f"{route.get('receiver')}: is silent at times and not for tickets alone"
    for inner in route.get("routes") or []:
        yield from muting_faults(inner)


def queries_of(runbook: str) -> list[str]:
    """The PromQL of a runbook, a line each."""
    blocks = re.findall(r"```promql\n(.*?)```", runbook, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]
