"""What an account has open in the configured symbols, and since when: also by whoever else holds a key of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import ACCOUNT, offered
from exporters.exchange.reading import SIDES, OrdersReading
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column, Rows

if TYPE_CHECKING:
    from adapters.venue.looking import SeenOrder
    from adapters.venue.orders import OpenOrder
    from exporters.exchange.source import Source

PER = "accounts"
NEEDS = ("fetch_open_orders",)
INTERVAL = 15.0

OPEN = Family(
    "exchange_open_orders",
    Kind.GAUGE,
    "Open orders of the account, plain ones and those that wait for a price, in a configured symbol that it may trade; 0 where "
    "there is none.",
    (*ACCOUNT, "symbol", "side"),
    values={"side": SIDES},
)
OLDEST = Family(
    "exchange_open_order_oldest_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the oldest of them was placed, by the venue's word; absent while there is none.",
    ACCOUNT,
    unit="seconds",
    quiet=True,
)

FAMILIES = (OPEN, OLDEST)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 12.0


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, OrdersReading | SourceError | None]:
    """Asks with the account's key. None where it is not known how the exchange keeps its orders."""
    (target,) = targets
    if (orders := source.orders(target)) is None:
        return {target: None}
    symbols = await orders.tradable(source.venue.symbols.named)
    return {target: reading(symbols, await orders.open(symbols))}


def reading(symbols: tuple[str, ...], orders: Iterable[OpenOrder | SeenOrder]) -> OrdersReading:
    """Open orders of these symbols, counted."""
    told = tuple(orders)
    counted = Counter[tuple[str, str]]((order.symbol, order.side) for order in told)
    placed = [order.placed_at for order in told if order.placed_at is not None]
    return OrdersReading(
        symbols=symbols,
        counts={(symbol, side): counted[symbol, side] for symbol in symbols for side in SIDES},
        oldest_at=min(placed, default=None),
    )


def columns(readings: Readings[OrdersReading | None]) -> Iterable[Column]:
    """A row per account, symbol and side."""
    told = offered(readings)
    rows = _rows(tuple((target, key) for target, each in told for key in each.counts))
    yield Column(OPEN, rows, [count for _, each in told for count in each.counts.values()])
    yield readings.column(OLDEST, lambda each: None if each is None else each.oldest_at)


@lru_cache(maxsize=64)
def _rows(keys: tuple[tuple[Target, tuple[str, str]], ...]) -> Rows:
    return tuple({**target.labels, "symbol": symbol, "side": side} for target, (symbol, side) in keys)
