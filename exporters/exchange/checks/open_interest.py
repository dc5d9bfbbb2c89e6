"""What all open contracts of a symbol are worth, whoever holds them.

Binance tells it of one contract in a request: of its 2,400 a minute a look takes 1 for each, and 10 for the mark prices of those
that are settled in the quote asset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import SYMBOL, known
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "contracts"
NEEDS = ()
INTERVAL = 60.0
TOGETHER = True
DOLLARS = True

INTEREST = Family(
    "exchange_open_interest_usd",
    Kind.GAUGE,
    "Value in dollars of all open contracts of the symbol, one side of each counted, at the venue's mark price; absent while its "
    "quote asset has no price.",
    SYMBOL,
    unit="usd",
    quiet=True,
)

FAMILIES = (INTEREST,)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 48.0


@dataclass(frozen=True, slots=True)
class Interest:
    """In dollars; None while nobody knows what the quote asset is worth."""

    usd: float | None


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, Interest | SourceError | None]:
    """Asks for all. None where it is not known how the exchange counts contracts."""
    from exporters.exchange.contracts import interests  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made

    found = await interests(source, targets)
    rates = source.usd_per_quote([target.labels["symbol"] for target in targets])
    return {target: _in_dollars(found[target], usd) for target, usd in zip(targets, rates, strict=True)}


def _in_dollars(found: float | SourceError | None, usd: float | None) -> Interest | SourceError | None:
    if found is None or isinstance(found, SourceError):
        return found
    return Interest(None if usd is None else found * usd)


def columns(readings: Readings[Interest | None]) -> Iterable[Column]:
    """A row per contract."""
    yield readings.column(INTEREST, known(lambda each: each.usd))
