"""One screen: is all well, and if not, where, since when, and is somebody on it?

It fits 1400 x 900 without scrolling: Grafana's cells are 30 px high and 8 apart, and its own bars take about 100.
"""

from __future__ import annotations

from .kit.emit import Board
from .kit.layout import Row
from .kit.panels import Column, Header, Panel, Query, Scale, stat, state_timeline, table, timeseries
from .kit.rules import Alert, Rules
from .kit.theme import Colour, Limit, Unit
from .queries import alerts as fires
from .queries import command_center as q
from .queries import meta, response
from .response import FREEZE

UID = "occ-command-center"

_STATES = {
    q.WELL: ("well", Colour.GOOD),
    q.TICKET: ("ticket", Colour.TICKET),
    q.PAGE: ("page", Colour.PAGE),
    q.UNSEEN: ("not seen", Colour.UNKNOWN),
}
_GRAVITY = {0.0: ("none", Colour.NEUTRAL), 1.0: ("ticket", Colour.TICKET), 2.0: ("page", Colour.PAGE)}
_ALL = "of"
_AVAILABLE, _FRESH = "slo:rpc_availability:error_ratio_5m", "slo:head_freshness:error_ratio_5m"
_FEEDS = "slo:feed_freshness:error_ratio_5m"


def board(rules: Rules) -> Board:
    """The board, its limits from these rules."""
    return Board(
        uid=UID,
        title="OCC / Command center",
        description="The whole desk on one screen.",
        rows=[
            Row("Verdict", 3, [*_people(rules), *_counts(rules), *_sight(rules)]),
            Row("", 6, [*_lines(rules), _firing(rules)]),
            Row("", 6, _paths(rules)),
            Row("", 5, _markets(rules)),
        ],
    )


def _people(rules: Rules) -> list[Panel]:
    waits = rules["IncidentUnacknowledged"]
    return [
        stat(
            Header("Pages", "How many pages fire?", (rules["Watchdog"],)),
            Scale(Unit.COUNT, (Limit(">", 0, "page"),)),
            Query(fires.firing("page"), "pages"),
            width=2,
        ),
        stat(
            Header("Unacknowledged", "For how long has a page waited that nobody acknowledged?", (waits,)),
            Scale(
                Unit.SECONDS,
                (waits.limit("incident_oldest_unacknowledged_timestamp_seconds"),),
                nothing="none waits",
                decimals=0,
            ),
            Query(response.longest_wait(), "waits"),
            width=3,
        ),
        stat(
            Header("Freeze", "Is anything frozen?", (rules["ActionsFrozen"],)),
            Scale(Unit.COUNT, states=FREEZE),
            Query(response.frozen(), "freeze"),
            width=2,
        ),
    ]


def _counts(rules: Rules) -> list[Panel]:
    return [
        _down("Venues", "does our last request not reach", rules["VenueDown"], q.venues_down(), q.venues()),
        _down("Chains", "does no node of ours see", rules["ChainBlind"], q.chains_down(), q.chains()),
        _down("Pools", "could not be read the last time", rules["SightLost"], q.pools_down(), q.pools()),
        _down("Processes", "do not answer", rules["ExporterAbsent"], meta.processes_down(), q.processes()),
    ]


def _down(title: str, how: str, alert: Alert, down: str, of: str) -> Panel:
    return stat(
        Header(title, f"How many {title.lower()} {how}, of how many?", (alert,)),
        Scale(Unit.COUNT, (Limit(">", 0, alert.severity),)),
        Query(down, "down"),
        Query(of, _ALL),
        width=3,
        names=True,
        plain=(_ALL,),
    )


def _sight(rules: Rules) -> list[Panel]:
    sight, silent = rules["SightLost"], rules["ReceiverSilent"]
    return [
        stat(
            Header("Oldest sight", "For how long has what is seen worst had no current values?", (sight,)),
            Scale(Unit.SECONDS, (sight.window("occ_target_stale"),), decimals=0),
            Query(q.oldest_sight(), "old"),
            width=3,
        ),
        stat(
            Header("Dead man", "How long ago did a notification come the whole way to the receiver?", (silent,)),
            Scale(Unit.SECONDS, (silent.window("receiver_last_notification_timestamp_seconds"),), decimals=0),
            Query(q.last_watchdog(), "ago"),
            width=2,
        ),
    ]


def _lines(rules: Rules) -> list[Panel]:
    scale = Scale(Unit.COUNT, states=_STATES)
    return [
        state_timeline(
            Header("Each venue", "Which venue is well, and since when?", (rules["VenueDown"], rules["FeedSilent"])),
            scale,
            Query(q.venue_states(), "{{venue}}"),
            width=4,
        ),
        state_timeline(
            Header(
                "Each account",
                "Which account is well, and since when?",
                (rules["MarginUsageHigh"], rules["KeyMayWithdraw"], rules["AccountBlind"]),
            ),
            scale,
            Query(q.account_states(), "{{venue}} {{account}}"),
            width=4,
        ),
        state_timeline(
            Header("Each chain", "Which chain is well, and since when?", (rules["ChainBlind"], rules["ChainStalled"])),
            scale,
            Query(q.chain_states(), "{{chain}}"),
            width=4,
        ),
        state_timeline(
            Header(
                "Pools and oracles",
                "On which chain are pools, oracles and positions well, and since when?",
                (rules["PoolDepegged"], rules["OracleStale"]),
            ),
            scale,
            Query(q.pool_states(), "{{chain}}"),
            width=4,
        ),
    ]


def _firing(rules: Rules) -> Panel:
    """Watchdog is always there: an empty table is one that nobody evaluates rules for."""
    return table(
        Header("What fires", "What fires, and for how long? What to do is behind the name.", (rules["Watchdog"],)),
        {"alertname": "Alert", "entity": "Of", "domain": "Domain"},
        [
            Column("Severity", q.gravity(), Scale(Unit.COUNT, states=_GRAVITY)),
            Column("For", q.fires_for(), Scale(Unit.SECONDS, decimals=0)),
        ],
        links={
            "alertname": "${repo_url:raw}/runbooks/${__value.raw}.md",
            "entity": "${occ_url:raw}/",
        },
        width=8,
    )


def _paths(rules: Rules) -> list[Panel]:
    available, fresh = rules["RpcAvailabilityBurning"], rules["HeadFreshnessBurning"]
    feeds = rules["FeedFreshnessBurning"]
    return [
        timeseries(
            Header("Requests", "How much is asked of venues and nodes, and how many orders sent?", _limited(rules)),
            Scale(Unit.PER_SECOND),
            Query(q.venue_requests(), "{{venue}}"),
            Query(q.chain_requests(), "{{chain}}"),
            Query(q.orders(), "{{venue}} orders"),
        ),
        timeseries(
            Header("Failures", "How many reads fail?", (rules["VenueDown"], rules["NodeDown"])),
            Scale(Unit.PER_SECOND),
            Query(q.failures("exchange", q.VENUE), "{{venue}}"),
            Query(q.failures("nodes", q.CHAIN), "{{chain}}"),
            Query(q.failures("pools", q.CHAIN), "{{chain}} pools"),
        ),
        timeseries(
            Header(
                "Burn",
                "How near is bad time (of five minutes) to what wakes people, which is 1?",
                (available, fresh, feeds),
            ),
            Scale(Unit.RATIO, (Limit(">", 1, available.severity),)),
            Query(q.burn(_AVAILABLE, available.limit(_AVAILABLE).number), "{{chain}} answers"),
            Query(q.burn(_FRESH, fresh.limit(_FRESH).number), "{{chain}} fresh"),
            Query(q.burn(_FEEDS, feeds.limit(_FEEDS).number, q.VENUE), "{{venue}} books"),
        ),
        timeseries(
            Header("Durations", "How long do 95 % of requests and of orders take?", (rules["NodeSlow"],)),
            Scale(Unit.SECONDS),
            Query(q.venue_seconds(0.95), "{{venue}}"),
            Query(q.chain_seconds(0.95), "{{chain}}"),
            Query(q.order_seconds(0.95), "{{venue}} orders"),
        ),
    ]


def _limited(rules: Rules) -> tuple[Alert, ...]:
    return rules["RateLimitNear"], rules["NodeRateLimited"]


def _markets(rules: Rules) -> list[Panel]:
    thin, peg, lagging = rules["DepthThin"], rules["StablecoinDepeg"], rules["NodeLagging"]
    return [
        timeseries(
            Header("Depth", "How deep is the thinnest book of each venue, where 1 is too little?", (thin,)),
            Scale(Unit.SHORT, (Limit("<", 1, thin.severity),)),
            Query(q.depth(), "{{venue}}"),
            width=5,
        ),
        timeseries(
            Header("Margin", "How near to liquidation, which is 100 %, is each account?", (rules["MarginUsageHigh"],)),
            Scale(Unit.RATIO),
            Query(q.margin_used(), "{{venue}} {{account}}"),
            bounds=[Query(q.margin_limit(), "{{venue}} limit")],
            width=5,
        ),
        timeseries(
            Header("Peg", "How far is each stablecoin from a dollar?", (peg, rules["StablecoinDepegged"])),
            Scale(Unit.RATIO, (peg.limit("exchange_stablecoin_deviation_ratio"),)),
            Query(q.off_peg(), "{{currency}}"),
            width=4,
        ),
        timeseries(
            Header("Block lag", "How far behind is the last node of each chain?", (lagging,)),
            Scale(Unit.BLOCKS),
            Query(q.block_lag(), "{{chain}}"),
            bounds=[Query(q.block_lag_limit(), "{{chain}} limit")],
            width=5,
        ),
        timeseries(
            Header(
                "Actions",
                f"Which requests are under way, and what came of those of {q.LATELY}?",
                (rules["ActionFailed"], rules["ApprovalsWaiting"]),
            ),
            Scale(Unit.COUNT),
            Query(q.requests_open(), "{{state}}"),
            Query(q.requests_ended(), "{{outcome}} in " + q.LATELY),
            width=5,
        ),
    ]
