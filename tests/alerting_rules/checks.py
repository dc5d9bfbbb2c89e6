"""What must hold of rules, their tests, runbooks and routes, as pure functions: each gives one line per fault."""

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
BY_TIER = '{{ if eq $labels.tier "1" }}page{{ else }}ticket{{ end }}'
"""A page for chains and venues of tier 1, a ticket for all others, those without a tier included."""
TIERS = re.compile(r"\b(chain:tier:info|venue:tier:(info|open)|pool:tier:info|feed:(chain_)?tier:info)\b")
"""What brings the tier: of venues also of those alone that are not in maintenance."""
OF_THE_DESK = frozenset({"EngineSilent", "EnginePositionDisagrees"})
"""Pages about the desk's engine as a whole, which has no tier."""
_URGENCY = {BY_TIER: 2, "page": 3, "ticket": 1}
_RECEIVERS = {"page": ["occ", "pager"], "ticket": ["occ", "tickets"], "info": ["occ"], "none": ["occ"]}

_BOARD_OR_GRAPH = re.compile(
    r"\{\{ if \$externalLabels\.grafana_url \}\}\{\{ \$externalLabels\.grafana_url \}\}/d/(?P<uid>[a-z-]+)(\?(?P<variables>.*))?"
    r"\{\{ else \}\}\{\{ \$externalURL \}\}\{\{.*graphLink.*\}\}\{\{ end \}\}"
)

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Alert:
    """One alerting rule as written, templates and all."""

    domain: str  # the rule file's name, up to `_`; that of the label where the file is not of one domain
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

    @property
    def severities(self) -> set[str]:
        """All that it may have."""
        written = self.labels.get("severity", "")
        return {"page", "ticket"} if written == BY_TIER else {written}


@functools.cache
def load(path: Path) -> Any:
    """One of the shipped files, read once: hundreds of tests ask for the same, so nobody may change what it gives."""
    return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)


def rule_files() -> list[Path]:
    """What the example configuration loads."""
    return [path for pattern in load(RULES / "prometheus.yml")["rule_files"] for path in sorted(RULES.glob(pattern))]


def leaned_on(expr: str) -> list[Document]:
    """The groups of what an expression leans on, in the order of the files: what is recorded, and alerts that it asks for."""
    groups = [group for path in rule_files() for group in load(path)["groups"]]
    rules = {_name(rule): str(rule["expr"]) for group in groups for rule in group["rules"]}
    needed, pending = set[str](), {name for name in rules if name in expr}
    while pending:
        needed |= pending
        pending = {name for name in rules if any(name in rules[other] for other in pending)} - needed
    kept = [{**group, "rules": [rule for rule in group["rules"] if _name(rule) in needed]} for group in groups]
    return [group for group in kept if group["rules"]]


def _name(rule: Document) -> str:
    return str(rule.get("record") or rule["alert"])


def unit_tests() -> list[Path]:
    return sorted((RULES / "tests").glob("*_test.yml"))


def alerts_of(document: Document, domain: str = "") -> list[Alert]:
    rules = [rule for group in document["groups"] for rule in group["rules"] if "alert" in rule]
    return [Alert(domain or rule["labels"]["domain"], rule) for rule in rules]


def shipped_alerts() -> list[Alert]:
    return [
        alert
        for path in rule_files()
        for alert in alerts_of(load(path), path.stem.partition("_")[0] if path.parent.name == "alerts" else "")
    ]


def alert_faults(alert: Alert) -> Iterator[str]:
    """Labels and annotations that people, routes and the receiver lean on."""
    for label in sorted(name for name in LABELS if not alert.labels.get(name)):
        yield f"{alert.name}: no label {label}"
    for annotation in sorted(name for name in ANNOTATIONS if not alert.annotations.get(name)):
        yield f"{alert.name}: no annotation {annotation}"
    if (severity := alert.labels.get("severity")) and severity not in SEVERITIES | {BY_TIER}:
        yield f"{alert.name}: severity {severity} is none of {', '.join(sorted(SEVERITIES))}"
    if severity == "page" and alert.domain not in {"meta", "receiver"} and alert.name not in OF_THE_DESK:
        yield f"{alert.name}: pages whatever the tier"
    if severity == BY_TIER and not TIERS.search(alert.rule["expr"]):
        yield f"{alert.name}: pages by a tier that its expression does not bring"
    if (domain := alert.labels.get("domain")) and domain != alert.domain:
        yield f"{alert.name}: domain {domain} in the file of {alert.domain}"
    if (link := alert.annotations.get("runbook_url")) and not link.endswith(f"/runbooks/{alert.name}.md"):
        yield f"{alert.name}: runbook_url leads to {link}"
    if (link := alert.annotations.get("dashboard_url")) and not _BOARD_OR_GRAPH.fullmatch(link):
        yield f"{alert.name}: dashboard_url leads to no board, or to no graph without Grafana: {link}"


def board_faults(alert: Alert, boards: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Links to boards, given as variables by uid, that are not there."""
    link = _BOARD_OR_GRAPH.fullmatch(alert.annotations["dashboard_url"])
    assert link, alert.name
    if link["uid"] not in boards:
        yield f"{alert.name}: there is no board {link['uid']}"
        return
    for variable in re.findall(r"var-(\w+)=", link["variables"] or ""):
        if variable not in boards[link["uid"]]:
            yield f"{alert.name}: board {link['uid']} has no variable {variable}"


def boards() -> Mapping[str, set[str]]:
    """The variables of every generated board, by its uid."""
    documents = [load(path) for path in (ROOT / "dashboards/generated").glob("*.json")]
    return {board["uid"]: {each["name"] for each in board["templating"]["list"]} for board in documents}


def linked(annotation: str) -> list[str]:
    """The queries that a templated annotation draws, their placeholders filled."""
    found = re.findall(r"(?:printf|graphLink) (\"(?:\\.|[^\"\\])*\")", annotation)
    return [text[1:-1].replace('\\"', '"').replace("%q", '"x"') for text in found]


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
    for case in (
        case for document in tests for test in document["tests"] for case in test.get("alert_rule_test") or ()
    ):
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


def inhibition_faults(rules: Sequence[Document], alerts: Sequence[Alert]) -> Iterator[str]:
    """Rules that could mute a stranger, a security page, Watchdog, or what is more urgent; or that name nobody."""
    for number, rule in enumerate(rules, start=1):
        muted = {name: value for name, operator, value in map(_matcher, rule["target_matchers"]) if operator != "!="}
        if rule.get("equal") not in (["entity"], ["parent"], ["exporter"]):
            yield f"inhibition {number}: equal is {rule.get('equal')}, not one of entity, parent and exporter"
        if muted.get("domain", "security") == "security":
            yield f"inhibition {number}: the muted side names no domain other than security"
        if "alertname" not in muted or re.fullmatch(muted["alertname"], "Watchdog"):
            yield f"inhibition {number}: the muted side does not name its alerts, or names Watchdog"
        yield from _pairing_faults(number, rule, alerts)


def _pairing_faults(number: int, rule: Document, alerts: Sequence[Alert]) -> Iterator[str]:
    sources, targets = (list(_named(rule[f"{side}_matchers"], alerts)) for side in ("source", "target"))
    if not sources or not targets:
        yield f"inhibition {number}: a side names no alert that there is"
    for label in rule.get("equal") or ():
        for alert in (alert for alert in (*sources, *targets) if label not in alert.labels):
            yield f"inhibition {number}: {alert.name} has no label {label}, and would match whatever lacks it too"
    for source in sources:
        for target in (target for target in targets if _urgency(target) > _urgency(source)):
            yield f"inhibition {number}: {source.name} would mute {target.name}, which is more urgent"


def _named(matchers: Sequence[str], alerts: Sequence[Alert]) -> Iterator[Alert]:
    """The alerts that matchers of alertname and domain are for. Every alternative of a list must be one."""
    said = {name: value for name, _, value in map(_matcher, matchers)}
    for alert in alerts:
        if re.fullmatch(said.get("alertname", ".*"), alert.name) and said.get("domain") in (None, alert.domain):
            yield alert


def _urgency(alert: Alert) -> int:
    return _URGENCY.get(alert.labels.get("severity", ""), 0)


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


def sections_of(runbook: str) -> Mapping[str, str]:
    """The text below each heading."""
    parts = re.split(r"^## (.+)\n", runbook, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def queries_of(runbook: str) -> list[str]:
    """The PromQL of a runbook, a line each."""
    blocks = re.findall(r"```promql\n(.*?)```", runbook, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]
