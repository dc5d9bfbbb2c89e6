"""What holding a contract costs or earns, and how far it stands from what it follows.

Asked at once for all where the venue has that: of Binance's 2,400 a minute a look takes 11 for all contracts that are settled in
the quote asset, and as much for those that are settled in the base asset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import FUNDING_RATE, SYMBOL, known
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column

if TYPE_CHECKING:
    from adapters.venue.funding import Terms
    from exporters.exchange.source import Source

PER = "contracts"
NEEDS = ()
INTERVAL = 30.0
TOGETHER = True

ANNUALIZED = Family(
    "exchange_funding_annualized_ratio",
    Kind.GAUGE,
    "The predicted rate of funding for a year of 365 days of intervals as long as this one, without interest on interest; positive "
    "where longs pay. Absent where the venue does not say the rate or the interval.",
    SYMBOL,
    unit="ratio",
    quiet=True,
)
NEXT = Family(
    "exchange_funding_next_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which funding is settled next, by the venue's word; absent where it is paid all the time.",
    SYMBOL,
    unit="seconds",
    quiet=True,
)
EVERY = Family(
    "exchange_funding_interval_seconds",
    Kind.GAUGE,
    "Time from one settlement of funding to the next, for which its rates are; absent where the venue does not say.",
    SYMBOL,
    unit="seconds",
    quiet=True,
)
MARK = Family(
    "exchange_mark_price",
    Kind.GAUGE,
    "Price at which the venue values positions in the contract, in quote per base.",
    SYMBOL,
)
INDEX = Family(
    "exchange_index_price",
    Kind.GAUGE,
    "Price of what the contract follows, by the venue's index of spot markets, in quote per base.",
    SYMBOL,
)
BASIS = Family(
    "exchange_basis_ratio",
    Kind.GAUGE,
    "(mark price - index price) / index price of the contract: positive where it is dearer than what it follows.",
    SYMBOL,
    unit="ratio",
)

FAMILIES = (FUNDING_RATE, ANNUALIZED, NEXT, EVERY, MARK, INDEX, BASIS)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 24.0


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, Terms | SourceError | None]:
    """Asks for all. None where it is not known how the exchange tells these."""
    from exporters.exchange.contracts import terms  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made

    return await terms(source, targets)


def columns(readings: Readings[Terms | None]) -> Iterable[Column]:
    """A row per contract; of a contract that is delivered some day prices alone."""
    yield readings.column(FUNDING_RATE, known(lambda each: each.last), kind="last")
    yield readings.column(FUNDING_RATE, known(lambda each: each.predicted), kind="predicted")
    yield readings.column(ANNUALIZED, known(lambda each: each.annualized))
    yield readings.column(NEXT, known(lambda each: each.next_at))
    yield readings.column(EVERY, known(lambda each: each.interval))
    yield readings.column(MARK, known(lambda each: each.mark))
    yield readings.column(INDEX, known(lambda each: each.index))
    yield readings.column(BASIS, known(lambda each: each.basis))
