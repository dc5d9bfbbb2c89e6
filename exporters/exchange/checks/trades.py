"""Trades: how many, how much, by which side, and when the last one was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import SYMBOL
from exporters.exchange.feeds import COUNT, SIDES, VOLUME
from exporters.exchange.reading import TradesReading
from occ.config import Duration
from occ.errors import SourceError
from occ.job import Readings, Results, Target
from occ.metrics import Family, Kind
from occ.page import Column, Event

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "books"
NEEDS = ("fetch_trades",)
STREAMS = "watch_trades"
INTERVAL = 30.0

QUIET_SECONDS = 300.0
"""A market without a trade for so long is asked whether there were none; then its stream is opened anew."""

LAST_TRADE = Family(
    "exchange_last_trade_timestamp_seconds",
    Kind.GAUGE,
    "The venue's own time of the last trade, Unix time; absent where it tells none.",
    SYMBOL,
    unit="seconds",
)
TRADES = Family(
    "exchange_trades_total",
    Kind.COUNTER,
    "Trades since they are watched, by the side of the taker.",
    (*SYMBOL, "side"),
    values={"side": SIDES},
)
VOLUME_USD = Family(
    "exchange_trade_volume_usd_total",
    Kind.COUNTER,
    "Value in dollars of the trades since they are watched, by the side of the taker; it does not grow while the quote asset "
    "has no price.",
    (*SYMBOL, "side"),
    values={"side": SIDES},
)

FAMILIES = (LAST_TRADE, TRADES, VOLUME_USD)


class Options(CheckOptions):
    """`limit`: how many of the last trades are asked for at once."""

    limit: Annotated[int, Field(ge=1, le=1_000)] = 500
    silence: Duration | None = QUIET_SECONDS


async def read(
    source: Source, targets: tuple[Target, ...], options: Options
) -> Mapping[Target, TradesReading | SourceError]:
    """The last trades by asking. Those that were told before are known again."""
    (target,) = targets
    return {target: await _asked(source, target, options)}


async def _asked(source: Source, target: Target, options: Options) -> TradesReading:
    feed, symbol = source.trades(target), target.labels["symbol"]
    contract = await source.contract(symbol)
    feed.saw(await source.call("fetch_trades", symbol, None, options.limit), contract, followed=False)
    return feed.reading()


async def stream(source: Source, targets: tuple[Target, ...], options: Options) -> Results:
    """Trades as they come, after those that happened while nobody listened."""
    (target,) = targets
    feed, symbol = source.trades(target), target.labels["symbol"]
    contract = await source.contract(symbol)

    def saw(trades: object) -> None:
        feed.saw(trades, contract, followed=True)

    yield {target: await _asked(source, target, options)}
    begun = False
    async with aclosing(source.follow(target, STREAMS, symbol, note=saw)) as updates:
        async for _ in updates:
            # What came between the question and the subscription is found by asking again.
            yield {target: feed.reading() if begun else await _asked(source, target, options)}
            begun = True


def events(before: TradesReading | None, reading: TradesReading) -> Iterable[Event]:
    """The trades since the reading before."""
    new = reading.totals.beyond(None if before is None else before.totals)
    for what, family in ((COUNT, TRADES), (VOLUME, VOLUME_USD)):
        for side in SIDES:
            yield Event(family, {**reading.totals.labels, "side": side}, new[f"{what}_{side}"])


def columns(readings: Readings[TradesReading]) -> Iterable[Column]:
    """When the last one was."""
    yield readings.column(LAST_TRADE, lambda trades: trades.last_at)
