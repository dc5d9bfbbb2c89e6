"""Accounts for those that the board's variables choose: margin, positions, orders, keys and transfers."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards.kit.query import highest, largest, lowest, number, series, smallest, total

from .alerts import firing_by

VENUE = ("venue",)
ACCOUNT = ("venue", "account")
POSITION = (*ACCOUNT, "symbol")
KEY = (*ACCOUNT, "tag")
CURRENCY = (*ACCOUNT, "currency")

REDUCED, WITHDRAWN = "1h", "6h"
"""As far back as their alerts look."""

_MONEY = "margin|positions|key|transfers"
"""The checks without which nobody knows whether money is safe, as in AccountBlind."""

_ACCOUNT = {"venue": "$venue", "account": "$account"}


def _most(metric: str, by: Iterable[str] = ACCOUNT, **more: str) -> str:
    return largest(series(metric, **_ACCOUNT, **more), by)


def _least(metric: str, by: Iterable[str] = ACCOUNT) -> str:
    return smallest(series(metric, **_ACCOUNT), by)


def _number_of(some: str, of: str) -> str:
    """How many there are; 0 only while those that they are among are known."""
    return f"{number(some)} or {number(of)} * 0"


def _age(timestamp: str) -> str:
    return f"clamp_min(time() - {timestamp}, 0)"


# --- sight ------------------------------------------------------------------------------------------------------------


def accounts() -> str:
    return number(_accounts())


def _accounts() -> str:
    return _most("occ_target_configured", exporter="exchange", check=_MONEY)


def blind() -> str:
    """Accounts of which one of the reads that matter did not succeed the last time, or was never tried."""
    return _number_of(f"{_accounts()} unless on (venue, account) {seen()} == 1", _accounts())


def seen() -> str:
    """1 while the last one of all the reads that matter succeeded."""
    return smallest(series("account:up:max", check=_MONEY, **_ACCOUNT), ACCOUNT)


def reads() -> str:
    """1 where the last read succeeded, by what was read."""
    return largest(series("account:up:max", **_ACCOUNT), (*ACCOUNT, "check"))


def firing() -> str:
    return firing_by(ACCOUNT, _accounts(), exporter="exchange", **_ACCOUNT)


# --- margin -----------------------------------------------------------------------------------------------------------


def margin_used() -> str:
    """1 is liquidation."""
    return _most("exchange_maintenance_margin_usage_ratio")


def most_margin_used() -> str:
    return largest(margin_used())


def margin_limit() -> str:
    return largest(
        f"{series('occ:threshold:margin_usage_ratio', venue='$venue')} and on (venue) {margin_used()}", VENUE
    )


def initial_margin_used() -> str:
    """1 is where nothing more can be opened."""
    return _most("exchange_initial_margin_usage_ratio")


def equity() -> str:
    return _most("exchange_equity_usd")


def balances() -> str:
    return highest(f"abs({_most('exchange_balance', CURRENCY, kind='total')})")


def balance(kind: str) -> str:
    return _most("exchange_balance", CURRENCY, kind=kind)


# --- positions --------------------------------------------------------------------------------------------------------


def position() -> str:
    """Of the base asset: long less short."""
    long, short = (_most("exchange_position_base", POSITION, side=side) for side in ("long", "short"))
    return f"{long} - {short}"


def notional() -> str:
    return _most("exchange_position_notional_usd", POSITION)


def profit() -> str:
    return _most("exchange_position_unrealized_pnl_usd", POSITION)


def liquidation_price() -> str:
    return _most("exchange_position_liquidation_price", POSITION)


def distance() -> str:
    """How far the mark price may go, as a share of it."""
    return _least("exchange_position_liquidation_distance_ratio", POSITION)


def nearest() -> str:
    return lowest(distance())


def nearest_of_all() -> str:
    return smallest(distance())


def nearest_of_account() -> str:
    return smallest(distance(), ACCOUNT)


def distance_limit() -> str:
    """Of each symbol in which there is a position: the same series that the alert compares with."""
    limits = series("occ:threshold:liquidation_distance_ratio", venue="$venue")
    return largest(f"{limits} and on (venue, symbol) {smallest(distance(), ('venue', 'symbol'))}", ("symbol",))


def queue() -> str:
    """1 to 5, of which 5 is deleveraged next."""
    return _most("exchange_position_adl_rank", POSITION)


def unlisted_notional() -> str:
    return _most("exchange_position_unlisted_notional_usd")


def reductions() -> str:
    by = (*ACCOUNT, "kind")
    return largest(f"increase({series('exchange_forced_reductions_total', **_ACCOUNT)}[{REDUCED}])", by)


def all_reductions() -> str:
    return total(reductions())


# --- orders -----------------------------------------------------------------------------------------------------------


def open_orders() -> str:
    return total(_most("exchange_open_orders", (*ACCOUNT, "symbol", "side")), (*ACCOUNT, "side"))


def open_orders_of_account() -> str:
    return total(open_orders(), ACCOUNT)


def open_orders_limit() -> str:
    return largest(f"{series('occ:threshold:open_orders', venue='$venue')} and on (venue) {open_orders()}", VENUE)


def unlisted_orders() -> str:
    """Of symbols that the configuration does not name."""
    return _most("exchange_open_orders_unlisted")


def oldest_order() -> str:
    return _age(_least("exchange_open_order_oldest_timestamp_seconds"))


def frozen() -> str:
    """1 while market-maker protection keeps quotes out."""
    return _most("exchange_mmp_frozen", (*ACCOUNT, "underlying"))


# --- keys and transfers -----------------------------------------------------------------------------------------------


def may_withdraw() -> str:
    return _most("exchange_api_key_can_withdraw", KEY)


def that_may_withdraw() -> str:
    return _number_of(f"{may_withdraw()} == 1", may_withdraw())


def may_trade() -> str:
    return _most("exchange_api_key_can_trade", KEY)


def restricted() -> str:
    """1 where the key is accepted from listed addresses alone."""
    return _least("exchange_api_key_ip_restricted", KEY)


def expires_in() -> str:
    return f"{_least('exchange_api_key_expiry_timestamp_seconds', KEY)} - time()"


def pending() -> str:
    return _most("exchange_transfers_pending", (*CURRENCY, "kind"))


def pending_of_account() -> str:
    return total(pending(), ACCOUNT)


def oldest_transfer() -> str:
    return _age(_least("exchange_transfer_oldest_pending_timestamp_seconds"))


def transfer_limit() -> str:
    limits = series("occ:threshold:transfer_age_seconds", venue="$venue")
    return largest(f"{limits} and on (venue) {oldest_transfer()}", VENUE)


def unlisted_withdrawals() -> str:
    """With those that were on their way at the first look, with which a count begins."""
    counter = series("exchange_withdrawals_unlisted_total", **_ACCOUNT)
    begun = f"{counter} unless last_over_time({counter}[{WITHDRAWN}] offset {WITHDRAWN})"
    return largest(f"{begun} or increase({counter}[{WITHDRAWN}])", CURRENCY)


def all_unlisted_withdrawals() -> str:
    return total(unlisted_withdrawals())
