"""Whether an account has open orders where `orders` does not look: in symbols that the configuration does not name, or of a kind that
it does not trade by it.

Asked apart from `orders`, and less often: what is open in all symbols costs Binance's account forty times what one symbol does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

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
    "Open orders of the account in symbols that the configuration does not name, or in which it does not trade by it.",
    ACCOUNT,
)

FAMILIES = (UNLISTED,)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 240.0


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, int | SourceError | None]:
    """Asks for all that is open. None where it is not known how the exchange keeps its orders."""
    (target,) = targets
    if (orders := source.orders(target)) is None:
        return {target: None}
    shown = await orders.tradable(source.venue.symbols.named)
    return {target: sum(order.symbol not in shown for order in await orders.open())}


def columns(readings: Readings[int | None]) -> Iterable[Column]:
    """One number per account."""
    yield readings.column(UNLISTED, lambda count: count)
