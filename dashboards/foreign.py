"""What boards use of the metrics that others declare: Prometheus of what it scrapes and of itself, and Alertmanager.

Their names and labels are those of Prometheus 2.42 and Alertmanager 0.25, of which the tests ask them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from occ.metrics import INFO_LABELS

from .kit.promql import SCRAPED, Labels


@dataclass(frozen=True, slots=True)
class Foreign:
    """A series of another program: its labels beside `job` and `instance`; `quiet` if it may rightly be absent."""

    name: str
    labels: tuple[str, ...] = ()
    quiet: bool = False


FOREIGN = (
    # With the labels of whatever the alert is about.
    Foreign("ALERTS", ("alertname", "alertstate", "severity", "domain", "entity", "parent", *INFO_LABELS), quiet=True),
    Foreign("ALERTS_FOR_STATE", ("alertname", "severity", "domain", "entity", "parent", *INFO_LABELS), quiet=True),
    Foreign("up"),
    Foreign("scrape_duration_seconds"),
    Foreign("scrape_samples_scraped"),
    Foreign("prometheus_config_last_reload_successful"),
    Foreign("prometheus_notifications_dropped_total"),
    Foreign("prometheus_notifications_errors_total", ("alertmanager",)),
    Foreign("prometheus_notifications_queue_capacity"),
    Foreign("prometheus_notifications_queue_length"),
    Foreign("prometheus_rule_evaluation_failures_total", ("rule_group",)),
    Foreign("prometheus_rule_group_interval_seconds", ("rule_group",)),
    Foreign("prometheus_rule_group_iterations_missed_total", ("rule_group",)),
    Foreign("prometheus_rule_group_last_duration_seconds", ("rule_group",)),
    Foreign("alertmanager_alerts", ("state",)),
    Foreign("alertmanager_config_last_reload_successful"),
    Foreign("alertmanager_notification_latency_seconds_bucket", ("integration", "le")),
    Foreign("alertmanager_notifications_failed_total", ("integration",)),
    Foreign("alertmanager_notifications_total", ("integration",)),
)


def labels() -> Mapping[str, Labels]:
    """The labels of each, by name."""
    return {each.name: SCRAPED | set(each.labels) for each in FOREIGN}
