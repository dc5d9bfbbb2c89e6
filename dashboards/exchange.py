"""Can we trade there, and on what we see? Reach, feeds, prices and depth, limits and clocks, then every book and market."""

from __future__ import annotations

from . import books, derivatives
from .kit.emit import Board, Variable
from .kit.layout import Row
from .kit.panels import Column, Header, Panel, Query, Scale, bar_gauge, stat, state_timeline, table, timeseries
from .kit.rules import Rules
from .kit.theme import Colour, Limit, Unit
from .queries import alerts as fires
from .queries import books as of_books
from .queries import exchange as q

UID = "occ-exchange"

_VENUE = "{{venue}}"
_KNOWN = "occ_target_configured"
_COLOURS = (Colour.GOOD, Colour.TICKET, Colour.INFO, Colour.PAGE, Colour.PAGE)
_STATUS = {float(place): (name, _COLOURS[place]) for place, name in enumerate(q.STATUSES)}
_ANSWERS = {0.0: ("does not answer", Colour.PAGE), 1.0: ("answers", Colour.GOOD)}
_STREAMS = {0.0: ("polled", Colour.TICKET), 1.0: ("followed", Colour.GOOD)}
_GATE = {0.0: ("open", Colour.GOOD), 1.0: ("shut", Colour.INFO), 2.0: ("shut altogether", Colour.TICKET)}
_OFFERED = {0.0: ("offered", Colour.GOOD), 1.0: ("not offered", Colour.NEUTRAL)}
_UNTOLD = "no venue says"


def board(rules: Rules) -> Board:
    """The board, its limits from these rules."""
    return Board(
        uid=UID,
        title="OCC / Exchanges",
        description="Venues, and the books and markets that are seen there.",
        variables=[
            Variable("venue", "Venue", f'{_KNOWN}{{exporter="exchange",venue!=""}}'),
            Variable("symbol", "Symbol", f'{_KNOWN}{{exporter="exchange",venue=~"$venue",symbol!=""}}'),
        ],
        rows=[
            Row("Verdict", 4, _verdict(rules)),
            Row("Every venue", 8, _venues(rules)),
            Row("Reach", 6, _reach(rules)),
            Row("Feeds", 7, books.feeds(rules)),
            Row("Prices", 7, [*books.prices(rules), *books.turnover(rules)]),
            Row("Depth", 7, books.depth(rules)),
            Row("Derivatives", 7, derivatives.contracts(rules)),
            Row("Limits and clocks", 7, _limits(rules)),
            Row("Every book", 9, books.every_book(rules)),
            Row("What can be traded and moved", 9, [*books.markets(rules), *_gates(rules)]),
        ],
    )


def _verdict(rules: Rules) -> list[Panel]:
    down, many, maintenance = rules["VenueDown"], rules["ManyVenuesDown"], rules["VenueMaintenance"]
    silent, crossed, halted = rules["FeedSilent"], rules["BookCrossed"], rules["MarketHalted"]
    return [
        stat(
            Header("Venues reached", "How many venues answer, of how many?", (down, many)),
            Scale(Unit.COUNT),
            Query(q.reached(), "reached"),
            Query(q.venues(), "configured"),
            names=True,
        ),
        stat(
            Header(
                "Venues down", "How many venues are out of reach, closed or faulty, and not in maintenance?", (down,)
            ),
            Scale(Unit.COUNT, (Limit(">", 0, down.severity),)),
            Query(q.down(), "down"),
            width=3,
        ),
        stat(
            Header(
                "In maintenance", "How many venues are in maintenance, so that their alerts are muted?", (maintenance,)
            ),
            Scale(Unit.COUNT, (Limit(">", 0, maintenance.severity),)),
            Query(q.in_maintenance(), "in maintenance"),
            width=3,
        ),
        stat(
            Header("Oldest book", "How long ago was the book heard of that is heard of least?", (silent,)),
            Scale(Unit.SECONDS, (silent.limit("exchange_book_received_timestamp_seconds"),), decimals=0),
            Query(of_books.oldest_book(), "old"),
            width=3,
        ),
        stat(
            Header("Books not true", "How many books stand still or are crossed?", (rules["BookFrozen"], crossed)),
            Scale(Unit.COUNT, (Limit(">", 0, crossed.severity),)),
            Query(of_books.books_not_true(), "books"),
            width=3,
        ),
        stat(
            Header("Shut", "How many markets and currencies are shut to us?", (halted, rules["WithdrawalsHalted"])),
            Scale(Unit.COUNT, (Limit(">", 0, "ticket"),)),
            Query(of_books.all_halted(), "markets"),
            Query(q.currencies_shut(), "currencies"),
            names=True,
        ),
        stat(
            Header("Firing", "How many pages and tickets of venues fire?", (down, silent)),
            Scale(Unit.COUNT, (Limit(">", 0, "ticket"),)),
            Query(fires.firing("page", domain="exchange"), "pages"),
            Query(fires.firing("ticket", domain="exchange"), "tickets"),
            names=True,
        ),
    ]


def _venues(rules: Rules) -> list[Panel]:
    silent, crossed, near = rules["FeedSilent"], rules["BookCrossed"], rules["RateLimitNear"]
    return [
        table(
            Header("Venues", "How is each venue?", (rules["VenueDown"], rules["VenueWebSocketLost"], silent)),
            {"venue": "Venue"},
            [
                Column("Fires", q.firing(), Scale(Unit.COUNT, (Limit(">", 0, "ticket"),))),
                Column("Says", q.status(), Scale(Unit.COUNT, states=_STATUS, nothing="nothing")),
                Column("Last request", q.answers(), Scale(Unit.COUNT, states=_ANSWERS)),
                Column("Streams", q.streams(), Scale(Unit.COUNT, states=_STREAMS, nothing="none configured")),
                Column(
                    "Oldest book",
                    of_books.oldest_book_of_venue(),
                    Scale(Unit.SECONDS, (silent.limit("exchange_book_received_timestamp_seconds"),)),
                ),
                Column(
                    "Books standing still",
                    of_books.share_standing_still(),
                    Scale(Unit.RATIO, (rules["FeedFrozen"].limit("exchange_book_frozen"),)),
                ),
                Column(
                    f"Crossed in {of_books.CROSSED}",
                    of_books.crossed_of_venue(),
                    Scale(Unit.RATIO, (crossed.limit("exchange_book_crossed_seconds_total"),)),
                ),
                Column(
                    "Rate limit used",
                    q.limit_used_of_venue(),
                    Scale(Unit.RATIO, (near.limit("exchange_rate_limit_used_ratio"),), nothing="not told"),
                ),
                Column("", q.tier(), Scale(Unit.COUNT)),
            ],
            facts={"tier": "Tier"},
            links={"venue": f"/d/{UID}?var-venue=${{__value.raw}}"},
        )
    ]


def _reach(rules: Rules) -> list[Panel]:
    down, websocket = rules["VenueDown"], rules["VenueWebSocketLost"]
    return [
        state_timeline(
            Header("Status", "What does each venue say that it is?", (down, rules["VenueMaintenance"])),
            Scale(Unit.COUNT, states=_STATUS),
            Query(q.status(), _VENUE),
            width=5,
        ),
        state_timeline(
            Header("Connection", "Which venues did our last request reach?", (down, rules["ManyVenuesDown"])),
            Scale(Unit.COUNT, states=_ANSWERS),
            Query(q.answers(), _VENUE),
            width=5,
        ),
        timeseries(
            Header("Failed reads", "Why do reads of venues fail, and how often?", (down,)),
            Scale(Unit.PER_SECOND),
            Query(q.errors_by_reason(), f"{_VENUE} {{{{reason}}}}"),
            stacked=True,
            width=5,
        ),
        state_timeline(
            Header("WebSocket", "Which venues are followed by streams, and which are polled instead?", (websocket,)),
            Scale(Unit.COUNT, states=_STREAMS, nothing="none configured"),
            Query(q.streams(), _VENUE),
            width=5,
        ),
        timeseries(
            Header("Reconnects", f"How often in {q.RECONNECTS} was each stream opened anew?", (websocket,)),
            Scale(Unit.SHORT, (websocket.limit("exchange_ws_reconnects_total"),)),
            Query(q.reconnects(), _VENUE),
            width=4,
        ),
    ]


def _limits(rules: Rules) -> list[Panel]:
    near, banned, skewed = rules["RateLimitNear"], rules["RateLimitBanned"], rules["ClockSkewed"]
    return [
        timeseries(
            Header("Rate limit", "What share of each venue's limit is used, by all at our address?", (near,)),
            Scale(Unit.RATIO, (near.limit("exchange_rate_limit_used_ratio"),), nothing="not told"),
            Query(q.limit_used(), f"{_VENUE} {{{{window}}}}"),
            width=8,
        ),
        timeseries(
            Header("Requests", "What do we ask of each venue, and how often?", (near,)),
            Scale(Unit.REQUESTS),
            Query(q.requests(), f"{_VENUE} {{{{method}}}}"),
            width=8,
        ),
        timeseries(
            Header("Wait for a turn", "How long does a request wait so that our share of the limit is kept?", (near,)),
            Scale(Unit.SECONDS),
            Query(q.throttle_wait(), _VENUE),
            width=4,
        ),
        bar_gauge(
            Header("Bans", "For how long will a venue refuse us yet?", (banned,)),
            Scale(
                Unit.SECONDS,
                (banned.limit("exchange_rate_limit_ban_until_timestamp_seconds"),),
                nothing="no ban",
            ),
            Query(q.ban(), _VENUE),
            width=4,
        ),
        timeseries(
            Header("Request duration", "How long do 95 % of the requests take at most?", (rules["VenueDown"],)),
            Scale(Unit.SECONDS),
            Query(q.request_seconds(0.95), f"{_VENUE} {{{{method}}}}"),
            width=12,
        ),
        timeseries(
            Header("Clocks", "Between which two values is each venue's clock ahead of ours?", (skewed,)),
            Scale(Unit.SECONDS, (skewed.limit("exchange_clock_skew_seconds"),), signed=True),
            Query(q.clock_ahead_at_most(), f"{_VENUE} at most"),
            Query(q.clock_ahead_at_least(), f"{_VENUE} at least"),
            width=12,
        ),
    ]


def _gates(rules: Rules) -> list[Panel]:
    halted, withdrawals = rules["WithdrawalsHalted"], rules["WithdrawalsSuspended"]
    return [
        table(
            Header("Gates", "Over which networks can currencies be moved?", (withdrawals, rules["DepositsSuspended"])),
            {"venue": "Venue", "currency": "Currency", "network": "Network"},
            [
                Column("Withdrawals", q.withdrawal(), Scale(Unit.COUNT, states=_GATE, nothing=_UNTOLD)),
                Column("Deposits", q.deposit(), Scale(Unit.COUNT, states=_GATE, nothing=_UNTOLD)),
            ],
            width=10,
        ),
        timeseries(
            Header(
                "Withdrawals halted", "What share of its currencies does each venue let nobody withdraw?", (halted,)
            ),
            Scale(Unit.RATIO, (halted.limit("exchange_currency_withdraw_enabled"),), nothing=_UNTOLD),
            Query(q.share_not_withdrawable(), _VENUE),
            width=8,
        ),
        table(
            Header("Not offered", "What does a venue not tell, so that panels are empty?", (rules["VenueDown"],)),
            {"venue": "Venue", "check": "Check"},
            [Column("Offered", q.not_offered(), Scale(Unit.COUNT, states=_OFFERED))],
            width=6,
        ),
    ]
