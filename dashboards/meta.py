"""Does the centre itself see, and does what it sees arrive? In the order of the data: exporters, Prometheus, Alertmanager,
the receiver.
"""

from __future__ import annotations

from .kit.emit import Board
from .kit.layout import Row
from .kit.panels import (
    Column,
    Header,
    Panel,
    Query,
    Scale,
    bar_gauge,
    gauge,
    stat,
    state_timeline,
    status_history,
    table,
    text,
    timeseries,
)
from .kit.rules import Rules
from .kit.theme import Colour, Limit, Unit
from .queries import alerts as fires
from .queries import meta as q

UID = "occ-meta"

_UP = {0.0: ("down", Colour.PAGE), 1.0: ("up", Colour.GOOD)}
_READ = {0.0: ("failed", Colour.TICKET), 1.0: ("worked", Colour.GOOD)}
_STALE = {0.0: ("shown", Colour.GOOD), 1.0: ("not shown", Colour.TICKET)}
_CONFIG = {0.0: ("refused", Colour.TICKET), 1.0: ("in force", Colour.GOOD)}
_SHARE = (Limit(">", 0.5, "info"), Limit(">", 0.9, "ticket"))

_WORDS = """\
When every panel says **NO DATA**, Prometheus is down or Grafana does not reach it: then nothing pages either. The dead man's
switch outside notices that, by the absence of Watchdog; its [page](${repo_url:raw}/runbooks/Watchdog.md) says what to do.
"""


def board(rules: Rules) -> Board:
    """The board, its limits from these rules."""
    return Board(
        uid=UID,
        title="OCC / The centre itself",
        description="Whether exporters, rules, Alertmanager and the receiver work: whether the other boards can be believed.",
        rows=[
            Row("Verdict", 4, _verdict(rules)),
            Row("Exporters: what they read", 8, _reads(rules)),
            Row("Exporters: how they are", 7, _processes(rules)),
            Row("Prometheus", 7, _prometheus(rules)),
            Row("Alertmanager", 7, _alertmanager(rules)),
            Row("Receiver", 7, _receiver(rules)),
            Row(
                "If this board is empty",
                3,
                [text("Nothing here", "What does it mean when this board shows nothing?", _WORDS)],
            ),
        ],
    )


def _verdict(rules: Rules) -> list[Panel]:
    absent, silent, sight = rules["ExporterAbsent"], rules["ReceiverSilent"], rules["SightLost"]
    egress = rules["EgressDown"]
    return [
        stat(
            Header("Processes down", "How many processes give Prometheus no page?", (absent,)),
            Scale(Unit.COUNT, (Limit(">", 0, absent.severity),)),
            Query(q.processes_down(), "down"),
        ),
        stat(
            Header("Targets not shown", "Of how many targets are there no current values?", (sight,)),
            Scale(Unit.COUNT, (Limit(">", 0, sight.severity),)),
            Query(q.targets_stale(), "stale"),
        ),
        stat(
            Header(
                "Targets down",
                "How many targets failed to be read the last time?",
                (sight, rules["ManyNodesDown"], rules["ManyVenuesDown"]),
            ),
            Scale(Unit.COUNT, (Limit(">", 0, sight.severity),)),
            Query(q.targets_down(), "down"),
        ),
        stat(
            Header("Pages", "How many pages fire, of any domain?", (rules["Watchdog"],)),
            Scale(Unit.COUNT, (Limit(">", 0, "page"),)),
            Query(fires.firing("page"), "pages"),
        ),
        stat(
            Header("Last notification", "How long ago did the receiver get a notification?", (silent,)),
            Scale(Unit.SECONDS, (silent.window("receiver_last_notification_timestamp_seconds"),), decimals=0),
            Query(q.receiver_silence(), "ago"),
        ),
        stat(
            Header(
                "Canaries",
                "How many canaries answer? With none it is our own way out, not the far side.",
                (egress,),
            ),
            Scale(Unit.COUNT, (Limit("==", 0, egress.severity),), nothing="none configured"),
            Query(q.canaries_up(), "answer"),
        ),
    ]


def _reads(rules: Rules) -> list[Panel]:
    sight = rules["SightLost"]
    return [
        timeseries(
            Header("Targets", "How many targets are there, are up, are not shown?", (sight,)),
            Scale(Unit.COUNT),
            Query(q.targets_configured_by_exporter(), "{{exporter}} configured"),
            Query(q.targets_up_by_exporter(), "{{exporter}} up"),
            Query(q.targets_stale_by_exporter(), "{{exporter}} not shown"),
            width=8,
        ),
        timeseries(
            Header("Failed reads", "Why do reads fail, and how often?", (sight,)),
            Scale(Unit.PER_SECOND),
            Query(q.errors_by_reason(), "{{exporter}} {{reason}}"),
            stacked=True,
            width=8,
        ),
        timeseries(
            Header("Read duration", "How long do 95 % of the reads take at most?", (sight,)),
            Scale(Unit.SECONDS),
            Query(q.poll_seconds(0.95), "{{exporter}} {{check}}"),
            width=8,
        ),
        table(
            Header("Every target", "Which targets are ill, and since when?", (sight,)),
            {"exporter": "Exporter", "target": "Target", "check": "Check"},
            [
                Column("Values", q.target_stale(), Scale(Unit.COUNT, states=_STALE)),
                Column("Last read", q.target_up(), Scale(Unit.COUNT, states=_READ)),
                Column(
                    "Last success",
                    q.target_age(),
                    Scale(Unit.SECONDS, (sight.window("occ_target_stale"),), nothing="never", decimals=0),
                ),
            ],
        ),
    ]


def _processes(rules: Rules) -> list[Panel]:
    sight, config, dropped = rules["SightLost"], rules["ConfigReloadFailed"], rules["SeriesDropped"]
    return [
        timeseries(
            Header("Series shown", "How many series does each check show?", (dropped,)),
            Scale(Unit.COUNT),
            Query(q.series_shown(), "{{exporter}} {{check}}"),
            width=8,
        ),
        timeseries(
            Header(
                "Request phases",
                "In which phase do requests to the far side spend their time (95 %)?",
                (sight,),
            ),
            Scale(Unit.SECONDS),
            Query(q.http_seconds(0.95), "{{exporter}} {{phase}}"),
            width=8,
        ),
        timeseries(
            Header(
                "Event loop lag",
                "How late is a process with what it has to do (99 %)?",
                (rules["ExporterAbsent"],),
            ),
            Scale(Unit.SECONDS),
            Query(q.loop_lag(0.99), "{{exporter}}"),
            width=8,
        ),
        bar_gauge(
            Header(
                "Left out",
                f"How often in {q.LATELY} were series left out because of limits.series?",
                (dropped,),
            ),
            Scale(Unit.COUNT, (dropped.limit("occ_series_limit_exceeded_total"),)),
            Query(q.series_left_out(), "{{exporter}} {{check}}"),
        ),
        status_history(
            Header("Configuration", "Does each process run on the configuration that is on disk?", (config,)),
            Scale(Unit.COUNT, states=_CONFIG),
            Query(q.config_in_force(), "{{exporter}}"),
            width=8,
        ),
        table(
            Header("Versions", "What runs, on which configuration, and since when?", (config,)),
            {"exporter": "Process"},
            [
                Column("In force for", q.config_age(), Scale(Unit.SECONDS)),
                Column("", q.build(), Scale(Unit.COUNT)),
                Column("", q.config_hash(), Scale(Unit.COUNT)),
            ],
            facts={"version": "Version", "python": "Python", "hash": "Configuration"},
            width=10,
        ),
    ]


def _prometheus(rules: Rules) -> list[Panel]:
    absent, watchdog, failing = rules["ExporterAbsent"], rules["Watchdog"], rules["RulesFailing"]
    return [
        state_timeline(
            Header("Scrapes", "Which processes answered, and when not?", (absent,)),
            Scale(Unit.COUNT, states=_UP),
            Query(q.scraped(), "{{job}} {{instance}}"),
            width=12,
        ),
        timeseries(
            Header("Samples", "How many samples does each job bring?", (absent,)),
            Scale(Unit.SHORT),
            Query(q.samples_scraped(), "{{job}}"),
        ),
        timeseries(
            Header("Scrape duration", "How long does a scrape take?", (absent,)),
            Scale(Unit.SECONDS),
            Query(q.scrape_seconds(), "{{job}} {{instance}}"),
        ),
        timeseries(
            Header("Rules failed", f"How many evaluations of rules failed in {q.LATELY}?", (failing,)),
            Scale(Unit.COUNT, (failing.limit("prometheus_rule_evaluation_failures_total"),)),
            Query(q.rule_failures(), "{{rule_group}}"),
        ),
        timeseries(
            Header("Rules missed", f"How many evaluations of rules did not happen in {q.LATELY}?", (failing,)),
            Scale(Unit.COUNT, (Limit(">", 0, "ticket"),)),
            Query(q.rule_iterations_missed(), "{{rule_group}}"),
        ),
        timeseries(
            Header("Notifications lost", f"How many alerts could Prometheus not hand on in {q.LATELY}?", (watchdog,)),
            Scale(Unit.COUNT),
            Query(q.notifications_dropped(), "dropped"),
            Query(q.notification_errors(), "not taken by Alertmanager"),
        ),
        gauge(
            Header("Rule groups", "What share of its interval does each group of rules take?", (failing,)),
            Scale(Unit.RATIO, _SHARE),
            Query(q.rule_group_load(), "{{rule_group}}"),
            width=3,
        ),
        gauge(
            Header("Queue", "How full is the queue to Alertmanager?", (watchdog,)),
            Scale(Unit.RATIO, _SHARE),
            Query(q.notification_queue(), "queue"),
            width=3,
        ),
    ]


def _alertmanager(rules: Rules) -> list[Panel]:
    silent, config = rules["ReceiverSilent"], rules["ConfigReloadFailed"]
    return [
        timeseries(
            Header("Alerts held", "How many alerts does Alertmanager hold, in which state?", (silent,)),
            Scale(Unit.COUNT),
            Query(q.alertmanager_alerts(), "{{state}}"),
            width=5,
        ),
        timeseries(
            Header("Sent", f"How many notifications did it send in {q.LATELY}, by which way?", (silent,)),
            Scale(Unit.COUNT),
            Query(q.sent(), "{{integration}}"),
            width=5,
        ),
        timeseries(
            Header(
                "Not delivered",
                f"How many notifications did it fail to send in {q.LATELY}, by which way?",
                (silent,),
            ),
            Scale(Unit.COUNT),
            Query(q.send_failures(), "{{integration}}"),
            width=5,
        ),
        timeseries(
            Header("Delivery duration", "How long does sending take at most, in 95 % of the cases?", (silent,)),
            Scale(Unit.SECONDS),
            Query(q.send_seconds(0.95), "{{integration}}"),
            width=5,
        ),
        stat(
            Header("Foreign configurations", "Do Prometheus and Alertmanager run on what is on disk?", (config,)),
            Scale(Unit.COUNT, states=_CONFIG),
            Query(q.prometheus_config(), "Prometheus"),
            Query(q.alertmanager_config(), "Alertmanager"),
            names=True,
        ),
    ]


def _receiver(rules: Rules) -> list[Panel]:
    refuses = rules["ReceiverRefusesNotifications"]
    return [
        timeseries(
            Header("Firing by severity", "How many alerts fire for the receiver?", (rules["ReceiverSilent"],)),
            Scale(Unit.COUNT),
            Query(q.receiver_active(), "{{severity}}"),
        ),
        timeseries(
            Header("Notifications", f"What became of the notifications that arrived in {q.LATELY}?", (refuses,)),
            Scale(Unit.COUNT),
            Query(q.received(), "{{outcome}}"),
            width=7,
        ),
        timeseries(
            Header("Alerts received", "What did the alerts in them change?", (refuses,)),
            Scale(Unit.COUNT),
            Query(q.alerts_received(), "{{outcome}}"),
            width=7,
        ),
        stat(
            Header(
                "Not taken in", f"How many notifications of {q.LATELY} were lost or are not understood?", (refuses,)
            ),
            Scale(Unit.COUNT, (refuses.limit("receiver_notifications_total"),)),
            Query(q.refused(), "notifications"),
        ),
    ]
