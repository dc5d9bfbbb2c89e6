"""The rate of funding that was settled last, where it has to be asked for apart from what `funding` asks: at Binance and Bybit.

One request for each contract, and news once in an interval: so it is asked for less often. Binance counts these requests apart,
500 in five minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import FUNDING_RATE, known
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.page import Column

if TYPE_CHECKING:
    from adapters.venue.funding import Terms
    from exporters.exchange.source import Source

PER = "contracts"
NEEDS = ("fetch_funding_rate_history",)
INTERVAL = 300.0

FAMILIES = (FUNDING_RATE,)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 240.0


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, Terms | SourceError | None]:
    """Asks for one contract. None where `funding` tells it, or nobody."""
    from exporters.exchange.contracts import settled  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made

    (target,) = targets
    return {target: await settled(source, target)}


def columns(readings: Readings[Terms | None]) -> Iterable[Column]:
    """A row per contract."""
    yield readings.column(FUNDING_RATE, known(lambda each: each.last), kind="last")
