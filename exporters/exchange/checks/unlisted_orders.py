"""Whether an account has open orders where nobody looks: in symbols that the configuration does not name.

Asked apart from `orders`, and less often: what is open in all symbols costs Binance's account forty times what one symbol does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import ACCOUNT
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "accounts"
NEEDS = ("fetch_open_orders",)
INTERVAL = 300.0

UNLISTED = Family(
    "exchange_open_orders_unlisted",
    Kind.GAUGE,
    "Open orders of the account in symbols that the configuration does not name.",
    ACCOUNT,
)

FAMILIES = (UNLISTED,)


class Options(CheckOptions):
    """Nothing of its own."""


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, int | SourceError | None]:
    """Asks for all that is open. None where it is not known how the exchange keeps its orders."""
    (target,) = targets
    if (orders := source.orders(target)) is None:
        return {target: None}
    named = source.venue.symbols.named
    return {target: sum(order.symbol not in named for order in await orders.open())}


def columns(readings: Readings[int | None]) -> Iterable[Column]:
    """One number per account."""
    yield readings.column(UNLISTED, lambda count: count)
