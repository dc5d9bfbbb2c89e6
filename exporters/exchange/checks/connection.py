"""How the requests to a venue fare, whatever they are for: its limits, a ban, its streams, and what it does not offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import BAN_UNTIL, REQUEST_FAMILIES, USED, WINDOWS, WS_CONNECTED
from exporters.exchange.reading import ConnectionReading
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "venue"
NEEDS = ()
INTERVAL = None

SUPPORTED = Family(
    "exchange_check_supported",
    Kind.GAUGE,
    "1 if the venue offers what the check needs, else 0: then it has no target, or one without values, and that is no fault.",
    ("venue", "check"),
)

FAMILIES = (*REQUEST_FAMILIES, USED, BAN_UNTIL, WS_CONNECTED, SUPPORTED)

_WINDOWS = tuple((("window", window),) for window in WINDOWS)


class Options(CheckOptions):
    """Nothing of its own."""


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, ConnectionReading | SourceError]:
    """What the requests of the other checks have shown; nothing is asked for it. It fails as the last of them did."""
    (target,) = targets
    return {target: await source.connection()}


def columns(readings: Readings[ConnectionReading]) -> Iterable[Column]:
    """What limits the requests, and what they can not get."""
    yield readings.table(USED, _WINDOWS, lambda reading: [reading.used.get(window) for window in WINDOWS])
    yield readings.column(BAN_UNTIL, lambda reading: reading.ban_until)
    yield readings.column(WS_CONNECTED, lambda reading: reading.followed)
    for check in sorted({check for reading in readings.values() for check in reading.supported}):
        yield _supported(readings, check)


def _supported(readings: Readings[ConnectionReading], check: str) -> Column:
    return readings.column(SUPPORTED, lambda reading: reading.supported.get(check), check=check)
