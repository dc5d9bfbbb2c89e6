"""Venues, for those that the board's variable chooses: whether they can be reached, what limits us there, and where money
can be moved.
"""

from __future__ import annotations

from dashboards.kit.query import highest, largest, number, quantile, rate, series, total

from .alerts import firing_by

VENUE = ("venue",)
CURRENCY = ("venue", "currency")
GATE = (*CURRENCY, "network")

RECONNECTS = "30m"
"""As far back as its alert looks."""

STATUSES = ("ok", "maintenance", "other", "error", "shutdown")
"""What a venue says that it is, the worst last."""

_VENUE = {"venue": "$venue"}


def _of_venue(metric: str, **more: str) -> str:
    return largest(series(metric, **_VENUE, **more), VENUE)


# --- reach ------------------------------------------------------------------------------------------------------------


def venues() -> str:
    """Those that were configured within the hour: a venue of a dead exporter is not forgotten."""
    return number(_venues())


def _venues() -> str:
    return _of_venue("venue:tier:info")


def tier() -> str:
    return largest(series("venue:tier:info", **_VENUE), (*VENUE, "tier"))


def answers() -> str:
    """1 where our last request reached the venue, whatever it was for."""
    return _of_venue("venue:up:max")


def reached() -> str:
    return total(answers())


def down() -> str:
    """Venues that are not in maintenance, and can not be reached, or say that they are closed or faulty."""
    closed = _of_venue("exchange_status", status="shutdown|error")
    fit = f"({answers()} == 1 unless on (venue) {closed} == 1)"
    return _number_of(f"{_of_venue('venue:tier:open')} unless on (venue) {fit}")


def in_maintenance() -> str:
    return _number_of(_of_venue("venue:maintenance:info"))


def _number_of(ill: str) -> str:
    """How many there are; 0 only while the venues are known."""
    return f"{number(ill)} or {venues()} * 0"


def status() -> str:
    """What each venue says that it is, by its place among the statuses."""
    places = [f"({_of_venue('exchange_status', status=name)} == 1) * {place}" for place, name in enumerate(STATUSES)]
    return " or ".join(reversed(places))


def streams() -> str:
    """1 while a stream is followed, 0 while all are polled."""
    return _of_venue("exchange_ws_connected")


def reconnects() -> str:
    """Of each of the venue's streams, on the average."""
    lost = f"increase({series('exchange_ws_reconnects_total', **_VENUE)}[{RECONNECTS}])"
    configured = series("occ_target_configured", exporter="exchange", check="order_book|trades", **_VENUE)
    return f"{largest(lost, VENUE)} / on (venue) {number(largest(configured, (*VENUE, 'symbol', 'check')), VENUE)}"


def errors_by_reason() -> str:
    """Without those of the canaries, which are of no venue."""
    chosen = 'exporter="exchange",venue!="",venue=~"$venue"'
    return highest(rate(f"occ_target_errors_total{{{chosen}}}", (*VENUE, "reason")))


def firing() -> str:
    return firing_by(VENUE, _venues(), domain="exchange", **_VENUE)


def not_offered() -> str:
    """1 for a check whose question the venue does not answer."""
    return f"1 - {largest(series('exchange_check_supported', **_VENUE), (*VENUE, 'check'))}"


# --- limits and clocks ------------------------------------------------------------------------------------------------


def requests() -> str:
    return highest(rate(series("exchange_requests_total", **_VENUE), (*VENUE, "method")))


def request_seconds(share: float) -> str:
    return quantile(share, "exchange_request_duration_seconds", (*VENUE, "method"), **_VENUE)


def limit_used() -> str:
    return largest(series("exchange_rate_limit_used_ratio", **_VENUE), (*VENUE, "window"))


def limit_used_of_venue() -> str:
    return _of_venue("exchange_rate_limit_used_ratio")


def throttle_wait() -> str:
    """Seconds for which a request waits for its turn, on the average; absent where none was sent."""
    waited = rate(series("exchange_throttle_wait_seconds_total", **_VENUE), VENUE)
    return f"{waited} / {rate(series('exchange_requests_total', **_VENUE), VENUE)} >= 0"


def ban() -> str:
    """Seconds for which the venue will refuse us yet."""
    return f"{_of_venue('exchange_rate_limit_ban_until_timestamp_seconds')} - time() > 0"


def clock_ahead_at_most() -> str:
    return f"{_skew()} + {_of_venue('exchange_clock_skew_uncertainty_seconds')}"


def clock_ahead_at_least() -> str:
    return f"{_skew()} - {_of_venue('exchange_clock_skew_uncertainty_seconds')}"


def _skew() -> str:
    return _of_venue("exchange_clock_skew_seconds")


# --- where money can be moved -----------------------------------------------------------------------------------------


def withdrawal() -> str:
    return _shut("withdraw")


def deposit() -> str:
    return _shut("deposit")


def _shut(way: str) -> str:
    """0 where the gate is open, 1 where it is shut over a network, 2 where it is shut over all."""
    over_each = largest(_gates(way), GATE)
    return f"2 * (1 - {largest(_gates(way, network='any'), GATE)}) or 1 - {over_each}"


def share_not_withdrawable() -> str:
    """Of the currencies that the configuration names."""
    return f"1 - avg by (venue) ({_as_a_whole('withdraw')})"


def currencies_shut() -> str:
    """Currencies that can not be withdrawn, or not be deposited, over any network."""
    withdraw, deposited = _as_a_whole("withdraw"), _as_a_whole("deposit")
    return f"{number(f'({withdraw} == 0 or {deposited} == 0)')} or {number(withdraw)} * 0"


def _as_a_whole(way: str) -> str:
    return largest(_gates(way, network="any"), CURRENCY)


def _gates(way: str, **more: str) -> str:
    return series(f"exchange_currency_{way}_enabled", **_VENUE, **more)
