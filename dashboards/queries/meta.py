"""Whether the centre itself works. A target is one whatever number of exporters read it."""

from __future__ import annotations

from dashboards.kit.query import age, increase, largest, number, quantile, rate, series, smallest, total

TARGET = ("exporter", "target", "check")
LATELY = "10m"
"""The window of what is rare: Watchdog, the only notification on a calm day, is repeated every two minutes."""


def processes_down() -> str:
    """Instances that do not answer a scrape."""
    return total("1 - up")


def scraped() -> str:
    """1 where Prometheus gets a page."""
    return largest("up", ("job", "instance"))


def scrape_seconds() -> str:
    return largest("scrape_duration_seconds", ("job", "instance"))


def samples_scraped() -> str:
    return total("scrape_samples_scraped", ("job",))


def target_up() -> str:
    return largest("occ_target_up", TARGET)


def target_stale() -> str:
    """1 where no exporter shows current values."""
    return smallest("occ_target_stale", TARGET)


def target_age() -> str:
    """Seconds since the last successful read; absent where there was none."""
    return age("occ_target_last_success_timestamp_seconds", TARGET)


def targets_down() -> str:
    return total(f"1 - {target_up()}")


def targets_stale() -> str:
    return total(target_stale())


def targets_configured_by_exporter() -> str:
    return number(largest("occ_target_configured", TARGET), ("exporter",))


def targets_up_by_exporter() -> str:
    return total(target_up(), ("exporter",))


def targets_stale_by_exporter() -> str:
    return total(target_stale(), ("exporter",))


def errors_by_reason() -> str:
    return rate("occ_target_errors_total", ("exporter", "reason"))


def poll_seconds(share: float) -> str:
    return quantile(share, "occ_poll_duration_seconds", ("exporter", "check"))


def http_seconds(share: float) -> str:
    return quantile(share, "occ_http_request_duration_seconds", ("exporter", "phase"))


def loop_lag(share: float) -> str:
    return quantile(share, "occ_event_loop_lag_seconds", ("exporter",))


def series_shown() -> str:
    return largest("occ_series", ("exporter", "check"))


def series_left_out() -> str:
    return increase("occ_series_limit_exceeded_total", LATELY, ("exporter", "check"))


def canaries_up() -> str:
    """Canaries that answer at least one exporter."""
    return total(largest("occ_egress_up", ("target",)))


def config_in_force() -> str:
    return smallest("occ_config_last_reload_successful", ("exporter",))


def config_age() -> str:
    return age("occ_config_last_reload_success_timestamp_seconds", ("exporter",))


def config_hash() -> str:
    return largest("occ_config_info", ("exporter", "hash"))


def build() -> str:
    return largest("occ_build_info", ("exporter", "version", "python"))


def rule_failures() -> str:
    return increase("prometheus_rule_evaluation_failures_total", LATELY, ("rule_group",))


def rule_iterations_missed() -> str:
    return increase("prometheus_rule_group_iterations_missed_total", LATELY, ("rule_group",))


def rule_group_load() -> str:
    """The share of its interval that a group of rules takes; from 1 on evaluations are missed."""
    took, every = "prometheus_rule_group_last_duration_seconds", "prometheus_rule_group_interval_seconds"
    return f"{largest(took, ('rule_group',))} / {largest(every, ('rule_group',))}"


def notification_queue() -> str:
    """How full Prometheus' queue to Alertmanager is; what does not fit is dropped."""
    length, capacity = "prometheus_notifications_queue_length", "prometheus_notifications_queue_capacity"
    return f"{largest(length)} / {largest(capacity)}"


def notifications_dropped() -> str:
    return increase("prometheus_notifications_dropped_total", LATELY)


def notification_errors() -> str:
    return increase("prometheus_notifications_errors_total", LATELY)


def prometheus_config() -> str:
    return smallest("prometheus_config_last_reload_successful")


def alertmanager_config() -> str:
    return smallest("alertmanager_config_last_reload_successful")


def sent() -> str:
    return increase("alertmanager_notifications_total", LATELY, ("integration",))


def send_failures() -> str:
    return increase("alertmanager_notifications_failed_total", LATELY, ("integration",))


def send_seconds(share: float) -> str:
    return quantile(share, "alertmanager_notification_latency_seconds", ("integration",), LATELY)


def alertmanager_alerts() -> str:
    return largest("alertmanager_alerts", ("state",))


def receiver_silence() -> str:
    """Seconds since the receiver kept a notification; Watchdog is repeated every two minutes."""
    return age("receiver_last_notification_timestamp_seconds")


def received() -> str:
    return increase("receiver_notifications_total", LATELY, ("outcome",))


def refused() -> str:
    lost = series("receiver_notifications_total", outcome="unreadable|failed")
    return increase(lost, LATELY)


def alerts_received() -> str:
    return increase("receiver_alerts_total", LATELY, ("outcome",))


def receiver_active() -> str:
    return largest("receiver_alerts_active", ("severity",))
