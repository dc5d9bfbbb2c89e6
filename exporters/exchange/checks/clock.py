"""How far a venue's clock is from ours: orders with a wrong time are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from exporters.exchange.books import number
from exporters.exchange.checks import CheckOptions
from exporters.exchange.reading import ClockReading
from occ.errors import Reason, SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "venue"
NEEDS = ("fetch_time",)
INTERVAL = 60.0

SKEW = Family(
    "exchange_clock_skew_seconds",
    Kind.GAUGE,
    "The venue's clock minus ours, at the middle of a request for its time; positive where the venue's is ahead.",
    ("venue",),
    unit="seconds",
)
UNCERTAINTY = Family(
    "exchange_clock_skew_uncertainty_seconds",
    Kind.GAUGE,
    "By how much the skew may be wrong either way: half the round trip of that request, and half of what the venue's clock "
    "counts by, which is a second for some.",
    ("venue",),
    unit="seconds",
)

FAMILIES = (SKEW, UNCERTAINTY)


class Options(CheckOptions):
    """Nothing of its own."""


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, ClockReading | SourceError]:
    """Asks for the time. Of the round trip are neither waits for our turn, nor for a connection."""
    (target,) = targets
    answer, answered_at, seconds = await source.timed("fetch_time")
    told = number(answer)
    if told is None:
        raise SourceError(Reason.BAD_RESPONSE, "the answer tells no time")
    return {target: skew(told, source.resolution(told), answered_at, seconds)}


def skew(server_ms: float, resolution: float, answered_at: float, seconds: float) -> ClockReading:
    """`server_ms` is the venue's time in milliseconds, told by an answer that came at `answered_at`, `seconds` after it was
    asked for.

    `resolution` in seconds: what is told was cut off to a multiple of it, so the time was half of that later on the average.
    After Cristian (1989).
    """
    cut = resolution / 2
    return ClockReading(server_ms / 1000 + cut - (answered_at - seconds / 2), seconds / 2 + cut)


def columns(readings: Readings[ClockReading]) -> Iterable[Column]:
    """The skew and how sure it is."""
    yield readings.column(SKEW, lambda reading: reading.skew)
    yield readings.column(UNCERTAINTY, lambda reading: reading.uncertainty)
