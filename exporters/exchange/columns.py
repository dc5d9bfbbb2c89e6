"""Families that several checks share, or that the requests to a venue make whatever they are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from occ.job import Target
from occ.metrics import UPSTREAM_BUCKETS, Family, Kind

R = TypeVar("R")

VENUE = ("venue",)
SYMBOL = ("venue", "symbol")
ACCOUNT = ("venue", "account")

METHODS = (
    "fetch_balance",
    "fetch_currencies",
    "fetch_deposits",
    "fetch_funding_rate",
    "fetch_funding_rate_history",
    "fetch_my_liquidations",
    "fetch_open_interest",
    "fetch_open_orders",
    "fetch_order_book",
    "fetch_positions",
    "fetch_status",
    "fetch_ticker",
    "fetch_tickers",
    "fetch_time",
    "fetch_trades",
    "fetch_transactions",
    "fetch_transfers",
    "fetch_withdrawals",
    "load_markets",
    "watch_order_book",
    "watch_trades",
    "other",
)
WINDOWS = ("5s", "10s", "30s", "1m", "other")

# --- requests --------------------------------------------------------------------------------------------------------

REQUEST_DURATION = Family(
    "exchange_request_duration_seconds",
    Kind.HISTOGRAM,
    "How long requests to the venue took, failed ones included, without the wait for their turn; by the method of ccxt "
    "on whose behalf.",
    ("venue", "method"),
    unit="seconds",
    values={"method": METHODS},
    buckets=UPSTREAM_BUCKETS,
)
REQUESTS = Family(
    "exchange_requests_total",
    Kind.COUNTER,
    "Requests sent to the venue, by the method of ccxt on whose behalf; `other` are those that ccxt makes of itself.",
    ("venue", "method"),
    values={"method": METHODS},
)
USED = Family(
    "exchange_rate_limit_used_ratio",
    Kind.GAUGE,
    "Used share of the venue's rate limit, 0 to 1: by the venue's own count of everybody at our address, and where it does "
    "not tell within a minute, what we have used ourselves.",
    ("venue", "window"),
    unit="ratio",
    values={"window": WINDOWS},
    quiet=True,
)
BAN_UNTIL = Family(
    "exchange_rate_limit_ban_until_timestamp_seconds",
    Kind.GAUGE,
    "Unix time until which the venue refuses our requests; absent while there is no ban.",
    VENUE,
    unit="seconds",
    quiet=True,
)
THROTTLED = Family(
    "exchange_throttle_wait_seconds_total",
    Kind.COUNTER,
    "Seconds for which requests waited for their turn, so as to stay within the configured share of the rate limit.",
    VENUE,
)

# --- streams ---------------------------------------------------------------------------------------------------------

WS_CONNECTED = Family(
    "exchange_ws_connected",
    Kind.GAUGE,
    "1 while at least one stream of the venue is followed over WebSocket, 0 while all are polled instead; absent where none "
    "is configured.",
    VENUE,
    quiet=True,
)
WS_RECONNECTS = Family(
    "exchange_ws_reconnects_total",
    Kind.COUNTER,
    "Times that a stream of the venue was opened again after it was lost, over all its streams.",
    VENUE,
)
WS_GAP = Family(
    "exchange_ws_message_gap_seconds",
    Kind.HISTOGRAM,
    "Time between two updates of one stream, over all streams of the venue.",
    VENUE,
    unit="seconds",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

# --- best prices, of a book where there is one, else of the ticker ------------------------------------------------------

BEST_BID = Family(
    "exchange_best_bid_price",
    Kind.GAUGE,
    "Best price at which somebody buys, in quote per base: of the book, where it is followed, else of the ticker.",
    SYMBOL,
)
BEST_ASK = Family(
    "exchange_best_ask_price",
    Kind.GAUGE,
    "Best price at which somebody sells, in quote per base: of the book, where it is followed, else of the ticker.",
    SYMBOL,
)

# --- what several checks tell of contracts ------------------------------------------------------------------------------

FUNDING_RATE = Family(
    "exchange_funding_rate_ratio",
    Kind.GAUGE,
    "Funding of the contract for one interval, as part of what is held: positive where longs pay, negative where shorts do. `last` "
    "was settled last, `predicted` is the one that is settled next; a kind that the venue does not tell is absent.",
    (*SYMBOL, "kind"),
    unit="ratio",
    values={"kind": ("last", "predicted")},
    quiet=True,
)


def offered(readings: Mapping[Target, R | None]) -> list[tuple[Target, R]]:
    """The readings of what the venue offers."""
    return [(target, reading) for target, reading in readings.items() if reading is not None]


def known(value: Callable[[R], float | None]) -> Callable[[R | None], float | None]:
    """The value of a reading; None of what the venue does not offer."""
    return lambda reading: None if reading is None else value(reading)


REQUEST_FAMILIES = (REQUEST_DURATION, REQUESTS, THROTTLED, WS_RECONNECTS, WS_GAP)
