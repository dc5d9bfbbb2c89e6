"""The desk's own engine, and whether it holds what the venues say."""

from __future__ import annotations

from dashboards.kit.query import age, largest, quantile, rate, series, total

VENUE, BASE, JOB = ("venue",), ("base",), ("job",)
PROCESS = (*JOB, "instance")
_VENUE = {"venue": "$venue"}


def heartbeat() -> str:
    """Seconds since the main loop of each process turned."""
    return age("engine_heartbeat_timestamp_seconds", PROCESS)


def longest_silence() -> str:
    return largest(heartbeat())


def kill_switch() -> str:
    return largest("engine_kill_switch", JOB)


def quoting() -> str:
    """1 while it says that it has quotes on the venue."""
    return largest(series("engine_quoting", **_VENUE), VENUE)


def orders() -> str:
    return rate(series("engine_orders_total", **_VENUE), (*VENUE, "outcome"))


def orders_limit() -> str:
    sent = largest(series("engine_orders_total", **_VENUE), VENUE)
    return largest(f"{series('occ:threshold:orders_per_second', **_VENUE)} and on (venue) {sent}", VENUE)


def acknowledged(share: float) -> str:
    """Seconds until the venue has acknowledged an order."""
    return quantile(share, "engine_order_ack_seconds", VENUE, **_VENUE)


def believed() -> str:
    """Of the base asset, as the engine has it."""
    return total(largest("engine_position_base", (*JOB, "base")), BASE)


def held() -> str:
    """Of the base asset, as all accounts together have it; each of them is read by one exporter."""
    return total("exchange_net_delta_base", BASE)


def difference() -> str:
    return largest("base:position_difference:abs", BASE)


def difference_limit() -> str:
    return largest(f"occ:threshold:position_base and on (base) {believed()}", BASE)


def largest_difference() -> str:
    """Over what it may be, where thresholds.yml names the base: 1 is too much."""
    return largest(f"{difference()} / on (base) {largest('occ:threshold:position_base', BASE)}")
