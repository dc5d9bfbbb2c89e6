"""Everything at once, of all venues, chains and pools: PromQL that no variable of a board narrows."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards.kit.query import age, increase, largest, number, quantile, rate, series, smallest, total

from .alerts import WATCHED
from .meta import target_age, target_stale

VENUE, CHAIN, POOL = ("venue",), ("chain",), ("chain", "pool")
ACCOUNT = ("venue", "account")
BOOK = ("venue", "symbol")
FIRING = ("alertname", "domain", "entity")
LATELY = "1h"

WELL, TICKET, PAGE, UNSEEN = 0.0, 1.0, 2.0, 3.0
"""What a state line says."""

_NEAR = "0.0010"


# --- n of m -----------------------------------------------------------------------------------------------------------


def venues() -> str:
    """Those that were configured within the hour: what a dead exporter watched is not forgotten."""
    return number(_VENUES)


def venues_down() -> str:
    return _not(_VENUES, "venue:up:max == 1", VENUE)


def chains() -> str:
    return number(_CHAINS)


def chains_down() -> str:
    """Of which no node answers."""
    return _not(_CHAINS, "chain:rpc_available:bool == 1", CHAIN)


def pools() -> str:
    return number(_POOLS)


def pools_down() -> str:
    return _not(_POOLS, f"{largest(series('occ_target_up', exporter='pools', check='state'), POOL)} == 1", POOL)


def processes() -> str:
    return number("up")


_VENUES, _CHAINS = largest("venue:tier:info", VENUE), largest("chain:tier:info", CHAIN)
_POOLS = largest("pool:tier:info", POOL)
_ACCOUNTS = largest('last_over_time(occ_target_info{exporter="exchange",account!=""}[1h])', ACCOUNT)


def _not(known: str, fit: str, by: Iterable[str]) -> str:
    """How many of those that are known are not fit; 0 only while they are known."""
    unfit = f"{known} unless on ({', '.join(by)}) {fit}"
    return f"{number(unfit)} or {number(known)} * 0"


def oldest_sight() -> str:
    """Of what has no current values the longest time since it had; 0 while all has. Never is since 1970."""
    stale = target_stale()
    return largest(f"({target_age()} or {stale} * time()) * {stale}")


# --- state lines ------------------------------------------------------------------------------------------------------


def venue_states() -> str:
    return _states(_VENUES, "exchange", VENUE)


def chain_states() -> str:
    return _states(_CHAINS, "nodes", CHAIN)


def pool_states() -> str:
    """The pools, feeds and positions of a chain are one line."""
    return _states(largest("pool:tier:info", CHAIN), "pools", CHAIN)


def account_states() -> str:
    return _states(_ACCOUNTS, "exchange", ACCOUNT)


def _states(known: str, exporter: str, by: tuple[str, ...]) -> str:
    """Of each that is known: whether a page or a ticket fires, whether nothing of it has current values; well only while
    rules are evaluated.
    """
    page, ticket = (
        number(series("ALERTS", alertstate="firing", severity=severity, exporter=exporter), by)
        for severity in ("page", "ticket")
    )
    on = f"on ({', '.join(by)})"
    shown = f"{smallest(series('occ_target_stale', exporter=exporter), by)} == 0"
    return (
        f"({page} * 0 + {PAGE:g} or {known} * 0 + {UNSEEN:g} unless {on} {shown} or {ticket} * 0 + {TICKET:g} "
        f"or {known} * 0 and on () {WATCHED}) and {on} {known}"
    )


# --- what fires -------------------------------------------------------------------------------------------------------


def gravity() -> str:
    """2 for a page, 1 for a ticket, 0 for Watchdog, which is always among them."""
    page, ticket, none = (
        largest(series("ALERTS", alertstate="firing", severity=severity), FIRING)
        for severity in ("page", "ticket", "none")
    )
    return f"{page} * 2 or {ticket} or {none} * 0"


def fires_for() -> str:
    """Seconds since the condition held first, the time for which the alert waited to fire included."""
    firing = largest(series("ALERTS", alertstate="firing", severity="page|ticket|none"), FIRING)
    return f"time() - {smallest('ALERTS_FOR_STATE', FIRING)} and {firing}"


# --- trading paths ----------------------------------------------------------------------------------------------------


def venue_requests() -> str:
    return rate("exchange_requests_total", VENUE)


def chain_requests() -> str:
    return rate("rpc_requests_total", CHAIN)


def orders() -> str:
    """The desk's own."""
    return rate("engine_orders_total", VENUE)


def failures(exporter: str, by: Iterable[str]) -> str:
    return rate(series("occ_target_errors_total", exporter=exporter), by)


def venue_seconds(share: float) -> str:
    return quantile(share, "exchange_request_duration_seconds", VENUE)


def chain_seconds(share: float) -> str:
    return quantile(share, "rpc_request_duration_seconds", CHAIN)


def order_seconds(share: float) -> str:
    """Until the venue has acknowledged an order of the desk."""
    return quantile(share, "engine_order_ack_seconds", VENUE)


def burn(ratio: str, limit: float, of: tuple[str, ...] = CHAIN) -> str:
    """The share of bad time of five minutes, over the share that is too much."""
    return f"{largest(ratio, of)} / {limit:g}"


# --- markets and chains -----------------------------------------------------------------------------------------------


def depth() -> str:
    """Within 10 bp of mid on the thinner side, over what is too little for the symbol; of each venue the thinnest."""
    near = largest(series("exchange_depth_usd", band=_NEAR), (*BOOK, "side"))
    return smallest(f"{smallest(near, BOOK)} / {largest('occ:threshold:depth_usd', BOOK)}", VENUE)


def off_peg() -> str:
    """Of each stablecoin where it is farthest, to either side."""
    return largest("abs(exchange_stablecoin_deviation_ratio)", ("currency",))


def block_lag() -> str:
    """Of the node that is farthest behind."""
    return largest("rpc_block_lag_blocks", CHAIN)


def block_lag_limit() -> str:
    return largest("occ:threshold:lag_blocks", CHAIN)


# --- money ------------------------------------------------------------------------------------------------------------


def margin_used() -> str:
    """Of each account; 1 is liquidation."""
    return largest("exchange_maintenance_margin_usage_ratio", ACCOUNT)


def margin_limit() -> str:
    return largest(f"occ:threshold:margin_usage_ratio and on (venue) {margin_used()}", VENUE)


# --- response ---------------------------------------------------------------------------------------------------------


def requests_ended() -> str:
    return increase("action_requests_total", LATELY, ("outcome",))


def requests_open() -> str:
    return total(largest("action_requests_open", ("action", "state")), ("state",))


def last_watchdog() -> str:
    """Seconds since a notification came the whole way: Watchdog is repeated every two minutes."""
    return age("receiver_last_notification_timestamp_seconds")
