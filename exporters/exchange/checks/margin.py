"""How near an account is to liquidation, by the exchange's own figures.

At each look Binance takes a weight of 10 for USD-M and 5 for COIN-M, Bybit, OKX and Deribit two or three requests, Kraken and
Coinbase one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import ACCOUNT, known
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column

if TYPE_CHECKING:
    from adapters.venue.margin import Usage
    from exporters.exchange.source import Source

PER = "accounts"
NEEDS = ("fetch_balance",)
INTERVAL = 30.0

MAINTENANCE = Family(
    "exchange_maintenance_margin_usage_ratio",
    Kind.GAUGE,
    "Share of the account's equity that is needed to keep its positions, of the pot of money that is worst off: 1 is liquidation, "
    "whatever the venue's own convention, and more is beyond it; 0 where nothing is held, +Inf where nothing covers what is held; "
    "never negative.",
    ACCOUNT,
    unit="ratio",
)
INITIAL = Family(
    "exchange_initial_margin_usage_ratio",
    Kind.GAUGE,
    "Share of the account's equity that is needed to open what it holds and has ordered, of the pot that is worst off: from 1 on "
    "nothing more can be opened; never negative; absent where the venue does not say, as for isolated positions.",
    ACCOUNT,
    unit="ratio",
    quiet=True,
)

FAMILIES = (MAINTENANCE, INITIAL)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 30.0


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, Usage | SourceError | None]:
    """Asks with the account's key. None where it is not known how the exchange tells it, or where nothing needs margin."""
    from adapters.venue.margin_asked import usage  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made

    (target,) = targets
    return {target: await usage(source.keyed(target))}


def columns(readings: Readings[Usage | None]) -> Iterable[Column]:
    """Two numbers per account."""
    yield readings.column(MAINTENANCE, known(lambda each: each.maintenance))
    yield readings.column(INITIAL, known(lambda each: each.initial))
