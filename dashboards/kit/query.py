"""PromQL by name: what each board's own queries are made of.

Instances of a process are folded away wherever a value is shown (`by`), so that a replica or a move counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable

Window = str
RATE: Window = "$__rate_interval"
"""At least four scrapes, whatever the zoom: Grafana knows the interval from the data source."""

MOST = 20
"""More curves in one graph than this tell nobody anything."""


def series(metric: str, **matchers: str) -> str:
    """The series of a metric. A value with `$` is a variable of the board, and any of several when it says so."""
    written = ",".join(
        f'{label}{"=~" if "$" in value or "|" in value else "="}"{value}"' for label, value in matchers.items()
    )
    return f"{metric}{{{written}}}" if written else metric


def largest(inner: str, by: Iterable[str] = ()) -> str:
    return f"max{_by(by)} ({inner})"


def smallest(inner: str, by: Iterable[str] = ()) -> str:
    return f"min{_by(by)} ({inner})"


def total(inner: str, by: Iterable[str] = ()) -> str:
    return f"sum{_by(by)} ({inner})"


def number(inner: str, by: Iterable[str] = ()) -> str:
    """How many there are; nothing where there are none."""
    return f"count{_by(by)} ({inner})"


def highest(inner: str) -> str:
    """The largest ones, of many."""
    return f"topk({MOST}, {inner})"


def lowest(inner: str) -> str:
    """The smallest ones, of many."""
    return f"bottomk({MOST}, {inner})"


def rate(counter: str, by: Iterable[str] = ()) -> str:
    """Per second."""
    return f"sum{_by(by)} (rate({counter}[{RATE}]))"


def increase(counter: str, window: Window, by: Iterable[str] = ()) -> str:
    """By how much it went up in a window that says what the panel says."""
    return f"sum{_by(by)} (increase({counter}[{window}]))"


def quantile(share: float, histogram: str, by: Iterable[str] = (), window: Window = RATE, **matchers: str) -> str:
    """The value that this share of observations stayed under, by interpolation within a bucket.

    Absent where nothing was observed, which Prometheus calls NaN. `window` must be long for what is rare.
    """
    buckets = series(f"{histogram}_bucket", **matchers)
    return f"histogram_quantile({share:g}, sum{_by((*by, 'le'))} (rate({buckets}[{window}]))) >= 0"


def age(instant: str, by: Iterable[str] = ()) -> str:
    """Seconds since the latest of these instants. Another clock may be ahead of Prometheus' own: that is 0."""
    return f"clamp_min(time() - max{_by(by)} ({instant}), 0)"


def _by(labels: Iterable[str]) -> str:
    listed = ", ".join(labels)
    return f" by ({listed})" if listed else ""
